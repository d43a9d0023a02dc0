"""The command line: rnncore demo | fit | predict | gradcheck.

Exit code 0: done; 1: a gradient check failed; 2: the input cannot be used (a message says why, and nothing is written);
130: stopped with Ctrl-C.
"""

from __future__ import annotations

import functools
import shutil
import sys
import time as clock
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rnncore import gradcheck
from rnncore.contract import CELLS
from rnncore.errors import ContractError, DataError, ModelFileError, NonFiniteError
from rnncore.interop.atomic import replacing

try:
    import typer
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
except ImportError:
    sys.exit('rnncore: the command line needs the extra "marketing": pip install "rnncore[marketing]"')

if TYPE_CHECKING:
    from rnncore.marketing import Churn, EventLog

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Recurrent networks, checked."
)
console = Console()


def command(name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command; an error of rnncore's own becomes one line on stderr and exit code 2."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*args: Any, **words: Any) -> None:
            try:
                function(*args, **words)
            except (ContractError, DataError, ModelFileError, NonFiniteError, OSError) as error:
                print(f"rnncore: {error}", file=sys.stderr)
                raise typer.Exit(2) from error
            except KeyboardInterrupt as stop:
                print(f"\nrnncore: stopped. {stop}".rstrip(), file=sys.stderr)
                raise typer.Exit(130) from stop

        return app.command(name)(run)

    return register


Out = Annotated[Path, typer.Option(help="The folder for predictions.csv, churn.safetensors and report.png.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Rows = Annotated[Literal["error", "drop"] | None, typer.Option()]
Column = Annotated[str | None, typer.Option()]


@command()
def demo(out: Out = Path("rnncore-demo"), force: Force = False, seed: Seed = 0) -> None:
    """Who comes back to CDNOW? Train, check and judge a GRU on the 69,659 purchases that come with the package."""
    from rnncore.datasets import cdnow
    from rnncore.marketing import EventLog

    _require_free(out, force)
    console.print(
        "[bold]CDNOW[/bold]: purchases of 23,570 customers, January 1997 to June 1998 (Fader and Hardie 2001)"
    )
    log = EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")
    _fit_churn(log, 181, seed, out, force)


@command()
def fit(
    task: Annotated[Literal["churn"], typer.Argument(help="What to learn.")],
    file: Annotated[Path, typer.Argument(help="CSV (also gzipped) or Parquet, one row per event.")],
    customer: Annotated[str, typer.Option(help="The column that says who.")],
    time: Annotated[str, typer.Option(help="The column that says when.")],
    value: Annotated[str | None, typer.Option(help="The column with the amount, if there is one.")] = None,
    items: Annotated[str | None, typer.Option(help="The column with the number of things, if there is one.")] = None,
    price: Annotated[str | None, typer.Option(help="The price of one thing: amount = price * items.")] = None,
    horizon: Annotated[int, typer.Option(help="Days within which a customer comes back or not.")] = 90,
    time_format: Annotated[str | None, typer.Option(help="How times are written if not ISO, as %d.%m.%Y.")] = None,
    missing: Annotated[Literal["error", "drop"], typer.Option(help="Rows with an empty cell.")] = "error",
    negative: Annotated[Literal["error", "drop"], typer.Option(help="Rows with a negative amount or count.")] = "error",
    separator: Annotated[str, typer.Option(help="Between the cells of a CSV file.")] = ",",
    out: Out = Path("rnncore-churn"),
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Train and judge a network on your own log: who is back within the horizon, and was a network worth it?"""
    from rnncore.marketing import EventLog

    _require_free(out, force)
    log = EventLog(
        file,
        customer=customer,
        time=time,
        value=value,
        items=items,
        price=price,
        time_format=time_format,
        missing=missing,
        negative=negative,
        separator=separator,
    )
    _fit_churn(log, horizon, seed, out, force)


@command()
def predict(
    model: Annotated[Path, typer.Argument(help="The churn.safetensors that fit or demo wrote.")],
    file: Annotated[Path, typer.Argument(help="A log with the same columns.")],
    at: Annotated[str | None, typer.Option(help="Predict from this day on; by default the log's last day.")] = None,
    customer: Column = None,
    time: Column = None,
    value: Column = None,
    items: Column = None,
    price: Column = None,
    time_format: Column = None,
    missing: Rows = None,
    negative: Rows = None,
    separator: Column = None,
    out: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("predictions.csv"),
    force: Force = False,
) -> None:
    """Predict with a saved model, one row per customer. Columns are called as in fit, unless told otherwise."""
    from rnncore.marketing import Churn, EventLog

    if out.exists() and not force:
        raise ContractError("--out", "a file that does not exist", str(out), "name another one, or say --force")
    churn = Churn.load(model)
    said = {
        "customer": customer,
        "time": time,
        "value": value,
        "items": items,
        "price": price,
        "time_format": time_format,
        "missing": missing,
        "negative": negative,
        "separator": separator,
    }
    log = EventLog(file, **{**churn.reading_, **{word: name for word, name in said.items() if name is not None}})
    rows = _write_predictions(churn.predict(log, at), out)
    console.print(f"{rows:,} customers in {out}")


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


def _require_free(out: Path, force: bool) -> None:
    if out.is_dir() and any(out.iterdir()) and not force:
        raise ContractError("--out", "a new or an empty folder", str(out), "name another one, or say --force")
    if out.exists() and not out.is_dir():
        raise ContractError("--out", "a folder", f"the file {out}", "name another one")
    if not out.absolute().parent.is_dir():
        raise ContractError("--out", "a name in a folder that exists", str(out), f"make {out.absolute().parent} first")


def _fit_churn(log: EventLog, horizon: int, seed: int, out: Path, force: bool) -> None:
    """Train, check, judge and write; an interrupted run goes on from the folder `<out>.unfinished`."""
    from rnncore.marketing import Churn
    from rnncore.marketing.report import picture

    start = clock.monotonic()
    print(log.quality(), end="\n\n")
    churn = Churn(horizon=horizon, seed=seed)
    unfinished = out.with_name(f"{out.name}.unfinished")
    if force:
        shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(exist_ok=True)
    try:
        churn.fit(log, progress=True, checkpoint=unfinished / "training")
    finally:
        with suppress(OSError):
            unfinished.rmdir()  # only where no training has begun: a checkpoint stays
    checked = _check_model(churn)
    _print_rivals(churn)
    out.mkdir(exist_ok=True)
    churn.save(out / "churn.safetensors")
    rows = _write_predictions(churn.predict(log), out / "predictions.csv")
    picture(churn, out / "report.png")
    shutil.rmtree(unfinished, ignore_errors=True)
    console.print(f"\n{rows:,} customers in [bold]{out}[/bold]: predictions.csv, churn.safetensors, report.png")
    seconds = clock.monotonic() - start
    console.print(f"Done in {seconds:.0f} s. For another log: rnncore predict {out / 'churn.safetensors'} FILE")
    if not checked:
        raise typer.Exit(1)


def _check_model(churn: Churn) -> bool:
    """Check the gradients of the network that was trained, at the weights it has now."""
    console.print("\n[bold]Are its gradients right?[/bold] The trained network, 40 entries of each array:")
    network = churn.network_
    p = gradcheck.random_problem(network.using(dtype="float64"), T=5)
    method = ["forward-mode", "central"]
    report = gradcheck.check(network, churn.params_, p.x, p.state_0, p.lengths, method, entries=40)
    print(report.table)
    print(f"gradient check: {report.verdict}")
    return report.ok


def _print_rivals(churn: Churn) -> None:
    judged, held = churn.table_, churn.held_out_
    console.print(f"\n[bold]Back within {churn.horizon} days of {held.origin}?[/bold] ", end="")
    console.print(f"{judged.customers:,} customers, none of these days seen in training; {judged.rate:.1%} were back.")
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("method", "log-loss", "rnn better by, 95 %", "AUROC", "lift", "bias"):
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for row in judged:
        gap = "" if row.name == "rnn" else f"{row.gap.value:+.4f} [{row.gap.low:+.4f}, {row.gap.high:+.4f}]"
        cells = (f"{row.log_loss.value:.4f}", gap, f"{row.auroc.value:.4f}", f"{row.lift:.2f}", f"{row.bias:+.3f}")
        table.add_row(row.name, *cells, style="bold" if row.name == "rnn" else None)
    console.print(table)
    console.print("lift: of the tenth ranked highest; bias: mean probability minus what came\n", style="dim")
    console.print(f"[bold]Verdict: {judged.verdict}.[/bold] {judged.reason}", highlight=False)


def _write_predictions(frame: Any, path: Path) -> int:
    import polars as pl

    rows = pl.DataFrame(frame)
    with replacing(str(path)) as file:
        rows.write_csv(file)
    return rows.height


def main() -> None:
    """Run the command line."""
    app()
