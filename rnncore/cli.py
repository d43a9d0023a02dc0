"""The command line: rnncore demo | fit | predict | gradcheck | learn.

Exit code 0: done; 1: a gradient check failed; 2: the input cannot be used (a message says why, and nothing is written);
130: stopped with Ctrl-C.
"""

from __future__ import annotations

import functools
import sys
import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import rnncore
from rnncore import gradcheck
from rnncore.contract import CELLS

try:
    import typer
    from rich.console import Console

    from rnncore.cli_errors import reporting
except ImportError:
    sys.exit('rnncore: the command line needs the extra "marketing": pip install "rnncore[marketing]"')

if TYPE_CHECKING:
    from rnncore.marketing import Churn, EventLog

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console()

command = functools.partial(reporting, app)


def _version(asked: bool) -> None:
    if asked:
        print(f"rnncore {rnncore.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and leave.")
    ] = False,
) -> None:
    """Recurrent networks, checked."""


def _named(text: str | Path) -> Path:
    if not str(text):
        raise typer.BadParameter("an empty name; for the folder you are in, say --out .")
    return Path(text)


Out = Annotated[
    Path,
    typer.Option(
        help="The folder for predictions.csv, churn.safetensors and report.png.", parser=_named, metavar="FOLDER"
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Rows = Literal["error", "drop"]
HELP = {
    "customer": "The column that says who.",
    "time": "The column that says when.",
    "value": "The column with the amount, if there is one.",
    "items": "The column with the number of things, if there is one.",
    "price": "The column with the price of one thing: amount = price * items.",
    "time_format": "How times are written if not ISO, as %d.%m.%Y.",
    "missing": "Rows with an empty cell.",
    "negative": "Rows with a negative amount or count.",
    "separator": r"Between the cells of a CSV file; \t is a tab.",
}


def _about(word: str) -> Any:
    return typer.Option(help=HELP[word])


@command()
def demo(out: Out = Path("rnncore-demo"), force: Force = False, seed: Seed = 0) -> None:
    """Who comes back to CDNOW? Train, check and judge a GRU on the 69,659 purchases that come with the package."""
    from rnncore.datasets import cdnow
    from rnncore.marketing import EventLog

    def read() -> EventLog:
        console.print(
            "[bold]CDNOW[/bold]: purchases of 23,570 customers, January 1997 to June 1998 (Fader and Hardie 2001)"
        )
        return EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")

    _fit_churn(read, 181, seed, out, force)


@command()
def fit(
    task: Annotated[Literal["churn"], typer.Argument(help="What to learn.")],
    file: Annotated[Path, typer.Argument(help="CSV (also gzipped) or Parquet, one row per event.")],
    customer: Annotated[str, _about("customer")],
    time: Annotated[str, _about("time")],
    value: Annotated[str | None, _about("value")] = None,
    items: Annotated[str | None, _about("items")] = None,
    price: Annotated[str | None, _about("price")] = None,
    horizon: Annotated[int, typer.Option(help="Days within which a customer comes back or not.")] = 90,
    time_format: Annotated[str | None, _about("time_format")] = None,
    missing: Annotated[Rows, _about("missing")] = "error",
    negative: Annotated[Rows, _about("negative")] = "error",
    separator: Annotated[str, _about("separator")] = ",",
    out: Out = Path("rnncore-churn"),
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Train and judge a network on your own log: who is back within the horizon, and was a network worth it?

    An interrupted run goes on where it was when the same command is given again.

    Messages count the rows of a file from 1, without the header.
    """
    from rnncore.marketing import EventLog

    names = {"customer": customer, "time": time, "value": value, "items": items, "price": price}
    how = {"time_format": time_format, "missing": missing, "negative": negative, "separator": _tab(separator)}
    words: dict[str, Any] = {**names, **how}
    _fit_churn(lambda: EventLog(file, **words), horizon, seed, out, force)


@command()
def predict(
    model: Annotated[Path, typer.Argument(help="The churn.safetensors that fit or demo wrote.")],
    file: Annotated[Path, typer.Argument(help="A log with the same columns.")],
    at: Annotated[str | None, typer.Option(help="Predict from this day on; by default the log's last day.")] = None,
    customer: Annotated[str | None, _about("customer")] = None,
    time: Annotated[str | None, _about("time")] = None,
    value: Annotated[str | None, _about("value")] = None,
    items: Annotated[str | None, _about("items")] = None,
    price: Annotated[str | None, _about("price")] = None,
    time_format: Annotated[str | None, _about("time_format")] = None,
    missing: Annotated[Rows | None, _about("missing")] = None,
    negative: Annotated[Rows | None, _about("negative")] = None,
    separator: Annotated[str | None, _about("separator")] = None,
    out: Annotated[Path, typer.Option(help="The CSV file to write.", parser=_named, metavar="FILE")] = Path(
        "predictions.csv"
    ),
    force: Force = False,
) -> None:
    """Predict with a saved model, one row per customer. The log is read as in fit, unless told otherwise.

    Messages count the rows of a file from 1, without the header.
    """
    from rnncore.marketing import Churn, EventLog
    from rnncore.marketing import command as parts
    from rnncore.marketing.wording import counted

    parts.require_predictable(out, force, {"the model": model, "the log": file})
    churn = Churn.load(model)
    names = {"customer": customer, "time": time, "value": value, "items": items, "price": price}
    how = {"time_format": time_format, "missing": missing, "negative": negative, "separator": _tab(separator)}
    said = {word: name for word, name in {**names, **how}.items() if name is not None}
    log = EventLog(file, **{**churn.reading_, **said})
    print(log.quality())
    rows = parts.write_predictions(churn, churn.predict(log, at), out)
    print(f"{counted(rows, 'customer')} in {out}")


@command("gradcheck")
def gradcheck_command(
    cell: Annotated[str, typer.Argument(help=f"One of {', '.join(CELLS)}.")],
    twin: Annotated[Literal["both", "textbook", "fast"], typer.Option(help="Which of the two.")] = "both",
    method: Annotated[
        list[str] | None,
        typer.Option(help=f"An oracle ({', '.join(gradcheck.GATES)}), or all. More than one may be given."),
    ] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Also plant known errors and show which oracle catches which.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the error by step size and by time step into this file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the problems.")] = 0,
) -> None:
    """Check every derivative of a cell, in the textbook and in the fast twin, and print the tables."""
    from rnncore.gradcheck import command as parts

    if plot is not None:
        print(parts.draw(cell, str(plot), seed), end="\n\n")
    verdicts = []
    for text, verdict in parts.everything(cell, twin, method or [], seed, mutants):
        print(text, end="\n\n", flush=True)
        verdicts.append(verdict)
    last = parts.together(verdicts)
    print(f"{cell}: {parts.LAST[last]}")
    if last != "pass":
        raise typer.Exit(1)


@command()
def learn(
    number: Annotated[str | None, typer.Argument(help="Open this notebook in Jupyter.")] = None,
    to: Annotated[Path | None, typer.Option(help="Copy them to this folder.", metavar="FOLDER")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace copies that are there.")] = False,
) -> None:
    """List the notebooks, which teach the mechanics from one step with a pencil on; copy them, or open one."""
    from rnncore import learn as parts

    if to is not None and (force or number is None):
        print(f"{len(parts.copy(to, force))} files are in {to}")
    if number is not None:
        parts.open_lesson(number, to or Path("rnncore-notebooks"))
    elif to is None:
        for lesson in parts.lessons():
            print(f"{lesson.number}  {lesson.question}\n    you need {lesson.need}; {lesson.time}")
        print("\nrnncore learn 01 opens one, rnncore learn --to FOLDER copies them all")


def _tab(separator: Any) -> Any:
    """A tab where a backslash and a t were typed."""
    return "\t" if separator == r"\t" else separator


def _fit_churn(read: Callable[[], EventLog], horizon: int, seed: int, out: Path, force: bool) -> None:
    """Train, check, judge and write; an interrupted run goes on from the folder `<out>.unfinished`."""
    from rnncore.marketing import command as parts
    from rnncore.marketing import unfinished

    start = clock.monotonic()
    churn = parts.asked_for(horizon, seed)
    folder, checkpoints = unfinished.places(out, force)
    log = read()
    print(log.quality(), end="\n\n", flush=True)
    unfinished.train(churn, log, checkpoints, force)
    checked = _check_model(churn)
    parts.print_rivals(churn)
    parts.write_result(churn, log, folder, out)
    unfinished.remove(checkpoints)
    seconds = clock.monotonic() - start
    print(f"Done in {seconds:.0f} s. For another log: rnncore predict {out / 'churn.safetensors'} FILE")
    if not checked:
        raise typer.Exit(1)


def _check_model(churn: Churn) -> bool:
    """Check the gradients of the network that was trained, at the weights it has now."""
    console.print("\n[bold]Are its gradients right?[/bold] The trained network, 40 entries of each array:")
    network = churn.network_
    p = gradcheck.random_problem(network.using(dtype="float64"), T=5)
    method = ["forward-mode", "central"]
    report = gradcheck.check(network, churn.params_[0], p.x, p.state_0, p.lengths, method, entries=40)
    print(report.table)
    print(f"gradient check: {report.verdict}")
    return report.ok


def main() -> None:
    """Run the command line."""
    try:
        app()
    except KeyboardInterrupt:  # outside a command: one more while the first is answered
        print("\nrnncore: stopped", file=sys.stderr)
        sys.exit(130)
