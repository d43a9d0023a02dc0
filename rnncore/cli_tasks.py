"""The commands over event logs, made from the table of tasks: fit, predict, evaluate and what belongs to them.

Every command takes the same words for a log; `--set name=value` gives a task an argument of its own.
"""

from __future__ import annotations

import inspect
import json
import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from rnncore import gradcheck
from rnncore.cli_errors import reporting

if TYPE_CHECKING:
    from rnncore.marketing import EventLog
    from rnncore.marketing.task import Task

console = Console()
Rows = Literal["error", "drop", "keep"]

# the words of EventLog: type and help
LOG: dict[str, tuple[Any, str]] = {
    "customer": (str, "The column that says who."),
    "time": (str, "The column that says when."),
    "value": (str, "The column with the amount, if there is one."),
    "items": (str, "The column with the number of things, if there is one."),
    "price": (str, "The column with the price of one thing: amount = price * items."),
    "event": (str, "The column that says what happened."),
    "channel": (str, "The column that says by which way."),
    "item": (str, "The column that says with which thing."),
    "text": (str, "The column in the customer's own words."),
    "outcome": (str, "The column that says what came of it."),
    "action": (str, "The column that says what was done to the customer."),
    "propensity": (str, "The column with the probability with which it was done."),
    "order": (str, "A column of numbers that orders the events of one time."),
    "extra": (list[str], "A further column; more than one may be given."),
    "category": (list[str], "A column of categories that are written in digits; more than one may be given."),
    "static": (Path, "A file with a row per customer."),
    "calendar": (Path, "A file with a row per day (and customer), known in advance."),
    "time_format": (str, "How times are written if not ISO, as %d.%m.%Y."),
    "missing": (Rows, "Rows with an empty cell (keep: as missing numbers)."),
    "negative": (Rows, "Rows with a negative amount or count."),
    "separator": (str, r"Between the cells of a CSV file; \t is a tab."),
}
LISTS = {"extra": "extras", "category": "categories"}


def with_log(fresh: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, which takes them as `**log`, the options of LOG; fresh: customer and time must be given."""

    def change(function: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.kind != p.VAR_KEYWORD]
        words = []
        for word, (kind, about) in LOG.items():
            must = fresh and word in ("customer", "time")
            kinds: Any = kind if must else kind | None
            annotation: Any = Annotated[kinds, typer.Option(help=about)]
            default = inspect.Parameter.empty if must else None
            words.append(
                inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
        arguments, options = own[:2], [p.replace(kind=p.KEYWORD_ONLY) for p in own[2:]]
        parameters = [*arguments, *words, *options]
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        function.__annotations__ = {p.name: p.annotation for p in parameters}
        return function

    return change


def words_of(log: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, in the words of EventLog."""
    said = {LISTS.get(word, word): value for word, value in log.items() if value is not None and value != []}
    return {word: "\t" if word == "separator" and value == r"\t" else value for word, value in said.items()}


def _named(text: str | Path) -> Path:
    if not str(text):
        raise typer.BadParameter("an empty name; for the folder you are in, say --out .")
    return Path(text)


Folder = typer.Option(help="The folder for predictions, model and picture.", parser=_named, metavar="FOLDER")
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Model = Annotated[Path, typer.Argument(help="The .safetensors that fit or demo wrote.")]
Log = Annotated[Path, typer.Argument(help="CSV (also gzipped) or Parquet, one row per event.")]
Own = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An argument of the task; `rnncore tasks` lists."),
]


def demo(
    out: Annotated[Path, Folder] = Path("rnncore-demo"),
    force: Force = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Who comes back to CDNOW? Train, check and judge a GRU on the 69,659 purchases that come with the package."""
    from rnncore.datasets import cdnow
    from rnncore.marketing import EventLog
    from rnncore.marketing.command import asked_for

    def read() -> EventLog:
        console.print(
            "[bold]CDNOW[/bold]: purchases of 23,570 customers, January 1997 to June 1998 (Fader and Hardie 2001)"
        )
        return EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")

    _fit(asked_for("churn", {"horizon": 181, "seed": seed}), read, out, force)


def tasks() -> None:
    """List the tasks: what each answers, its arguments, and a command that works."""
    from rnncore.marketing.tasks import TASKS

    for task in TASKS.values():
        given = {name: p.default for name, p in task.arguments().items()}
        console.print(f"[bold]{task.name}[/bold]  {inspect.getdoc(task).splitlines()[0]}", highlight=False)  # type: ignore[union-attr]
        print("    " + ", ".join(f"{name}={json.dumps(value)}" for name, value in given.items()))
        print(f"    {task.example}")


@with_log(fresh=True)
def fit(
    task: Annotated[str, typer.Argument(help="What to learn: a word that `rnncore tasks` lists.")],
    file: Log,
    horizon: Annotated[int | None, typer.Option(help="Days that are asked about, and that judge.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    seeds: Annotated[int | None, typer.Option(help="So many networks, averaged.")] = None,
    set: Own = None,
    out: Annotated[Path | None, Folder] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """Train and judge a network on your own log: what will come, and was a network worth it?

    An interrupted run goes on where it was when the same command is given again.

    Messages count the rows of a file from 1, without the header.
    """
    from rnncore.marketing import EventLog
    from rnncore.marketing import command as parts

    shared = {"horizon": horizon, "seed": seed, "seeds": seeds}
    asked = {name: value for name, value in shared.items() if value is not None}
    made = parts.asked_for(task, {**asked, **parts.settings(set or [])})
    _fit(made, lambda: EventLog(file, **words_of(log)), out or Path(f"rnncore-{task}"), force)


@with_log(fresh=False)
def predict(
    model: Model,
    file: Log,
    at: Annotated[str | None, typer.Option(help="Predict from this day on; by default the log's last day.")] = None,
    out: Annotated[Path, typer.Option(help="The CSV file to write.", parser=_named, metavar="FILE")] = Path(
        "predictions.csv"
    ),
    force: Force = False,
    **log: Any,
) -> None:
    """Predict with a saved model. The log is read as in fit, unless told otherwise.

    Messages count the rows of a file from 1, without the header.
    """
    from rnncore.marketing import command as parts
    from rnncore.marketing.wording import counted

    parts.require_predictable(out, force, {"the model": model, "the log": file})
    task, events = _again(model, file, log)
    rows = parts.write_predictions(task, task.predict(events, at), out)
    print(f"{counted(rows, task.row)} in {out}")


@with_log(fresh=False)
def evaluate(model: Model, file: Log, **log: Any) -> None:
    """Judge a saved model on the last horizon of a later log, against simple methods that learn now."""
    from rnncore.marketing import command as parts

    task, events = _again(model, file, log)
    parts.print_rivals(task, task.evaluate(events), events.last_day)


@with_log(fresh=False)
def explain(
    model: Model,
    file: Log,
    of: Annotated[str, typer.Option(help="The customer whose answer is taken apart.")],
    at: Annotated[str | None, typer.Option(help="The day of the answer; by default the log's last day.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.", metavar="FILE")] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """Why this answer: what each event of one customer adds to it, by gradients, by removal, and by attention."""
    from rnncore.marketing import command as parts

    if plot is not None:
        parts.require_predictable(plot, force, {"the model": model, "the log": file}, "--plot")
    task, events = _again(model, file, log)
    found = task.explain(events, int(of) if events.customers.dtype.kind in "iu" and of.isdecimal() else of, at)
    print(f"\n{found}")
    if plot is not None:
        found.plot(plot)


@with_log(fresh=False)
def report(
    model: Model,
    file: Log,
    at: Annotated[str | None, typer.Option(help="The day of the answers; by default the log's last day.")] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.", parser=_named, metavar="FILE")] = Path(
        "report.html"
    ),
    force: Force = False,
    **log: Any,
) -> None:
    """Write one HTML page that holds everything: verdict, rivals, answers, one of them taken apart, and the log."""
    from rnncore.marketing import command as parts
    from rnncore.marketing import page

    parts.require_predictable(out, force, {"the model": model, "the log": file})
    task, events = _again(model, file, log)
    page.write(task, events, out, at)
    print(f"the report is in {out}")


@with_log(fresh=False)
def shift(
    model: Model,
    file: Log,
    kind: Annotated[str, typer.Option(help="The kind of mood that is watched, as negative.")],
    every: Annotated[int, typer.Option(help="Texts in a batch.")] = 200,
    one_in: Annotated[float, typer.Option(help="Batches between false alarms, on average.")] = 1000.0,
    since: Annotated[
        str | None, typer.Option(help="Watch from this day on; by default, all that was not read.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.", metavar="FILE")] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """When did the mood turn? Watch the texts that a saved sentiment model has not read, and raise alarms."""
    from rnncore.marketing import command as parts
    from rnncore.marketing.shift import watch

    if plot is not None:
        parts.require_predictable(plot, force, {"the model": model, "the log": file}, "--plot")
    task, events = _again(model, file, log)
    found = watch(task, events, kind, every=every, one_in=one_in, since=since)
    print(f"\n{found}")
    if plot is not None:
        found.plot(plot)


def leaks(
    file: Annotated[Path, typer.Argument(help="CSV (also gzipped) or Parquet, one row per case.")],
    outcome: Annotated[str, typer.Option(help="The column of yes and no.")],
    time: Annotated[str | None, typer.Option(help="The column with the time of the outcome.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to pass over; more may be given.")] = None,
    separator: Annotated[str, typer.Option(help=r"Between the cells of a CSV file; \t is a tab.")] = ",",
) -> None:
    """Look for columns that know the outcome: too good alone, or with times after it."""
    from rnncore.marketing.leaks import find_leaks

    print(
        find_leaks(
            file, outcome, time=time, ignore=ignore or [], separator=words_of({"separator": separator})["separator"]
        )
    )


def _again(model: Path, file: Path, log: dict[str, Any]) -> tuple[Task, EventLog]:
    """A saved task, and a log read as in its fit; prints the report of the log."""
    from rnncore.marketing import EventLog
    from rnncore.marketing.reading import header
    from rnncore.marketing.tasks import load

    task, said = load(model), words_of(log)
    words = {**task.reading_, **said}
    if taught := [role for role in task.taught if role in words and role not in said]:
        there = header(file, words.get("separator", ","))  # what was learned need not be known of new rows
        words = {role: name for role, name in words.items() if role not in taught or name in there}
    events = EventLog(file, **words)
    print(events.quality())
    return task, events


def _fit(task: Task, read: Callable[[], EventLog], out: Path, force: bool) -> None:
    """Train, check, judge and write; an interrupted run goes on from the folder `<out>.unfinished`."""
    from rnncore.marketing import command as parts
    from rnncore.marketing import unfinished

    start = clock.monotonic()
    folder, checkpoints = unfinished.places(out, force)
    log = read()
    print(log.quality(), end="\n\n", flush=True)
    unfinished.train(task, log, checkpoints, force)
    checked = _check_model(task)
    parts.print_rivals(task, task.table_, task.held_out_.origin)
    parts.write_result(task, log, folder, out)
    unfinished.remove(checkpoints)
    seconds = clock.monotonic() - start
    print(f"Done in {seconds:.0f} s. For another log: rnncore predict {out / f'{task.name}.safetensors'} FILE")
    if not checked:
        raise typer.Exit(1)


def _check_model(task: Task) -> bool:
    """Check the gradients of the network that was trained, at the weights it has now."""
    console.print("\n[bold]Are its gradients right?[/bold] The trained network, 40 entries of each array:")
    network = task.network_
    p = gradcheck.random_problem(network.using(dtype="float64"), T=5)
    method = ["forward-mode", "central"]
    report = gradcheck.check(network, task.params_[0], p.x, p.state_0, p.lengths, method, entries=40)
    print(report.table)
    print(f"gradient check: {report.verdict}")
    return report.ok


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the program."""
    for function in (demo, tasks, fit, predict, evaluate, explain, report, shift, leaks):
        reporting(app)(function)
