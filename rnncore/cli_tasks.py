"""The commands over event logs, made from the table of tasks: fit, predict, evaluate and what belongs to them.

Every command takes the same words for a log; `--set name=value` gives a task an argument of its own.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from rnncore.cli_errors import reporting
from rnncore.cli_log import FOLDER, LOG, Folder, Force, Log, Model, Own, named, with_log, words_of

if TYPE_CHECKING:
    from rnncore.marketing import EventLog
    from rnncore.marketing.task import Task

console = Console()

FILE: dict[str, Any] = {"parser": named, "metavar": "FILE"}
BESIDE = "by default beside the model, and called MODEL-LOG"


def demo(
    out: Annotated[Path, Folder] = Path("rnncore-demo"),
    force: Force = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Who comes back to CDNOW? Train, check and judge a GRU on the 69,659 purchases that come with the package."""
    from rnncore.datasets import cdnow
    from rnncore.marketing import EventLog
    from rnncore.marketing.commands.asking import asked_for

    def read() -> EventLog:
        console.print(
            "[bold]CDNOW[/bold]: purchases of 23,570 customers, January 1997 to June 1998 (Fader and Hardie 2001)"
        )
        return EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")

    _fit(asked_for("churn", {"horizon": 181, "seed": seed}), read, out, force)


def tasks(
    name: Annotated[str | None, typer.Argument(help="Say more of this one, with rows that it can read.")] = None,
) -> None:
    """List the tasks: what each answers, its arguments, and a command that works; of one, sample rows too."""
    from rnncore.marketing.commands import asking

    for line in asking.described(name):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@with_log
def fit(
    task: Annotated[str, typer.Argument(help="What to learn: a word that `rnncore tasks` lists.")],
    file: Log,
    horizon: Annotated[int | None, typer.Option(help="Days that are asked about, and that judge.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    seeds: Annotated[int | None, typer.Option(help="So many networks, averaged.")] = None,
    origins: Annotated[
        int, typer.Option(help="Judge so many windows, one before the other, the network learned anew for each.", min=1)
    ] = 1,
    until: Annotated[
        str | None, typer.Option(help="Learn from what came until this day; `evaluate` and `shift` want what is later.")
    ] = None,
    set: Own = None,
    out: Annotated[
        Path | None, typer.Option(help=f"{FOLDER}; by default rnncore-TASK.", parser=named, metavar="FOLDER")
    ] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """Train and judge a network on your own log: what will come, and was a network worth it?

    `rnncore tasks TASK` shows rows that a task can read. An interrupted run goes on where it was when the same command
    is given again.

    Messages count the rows of a file from 1, without the header.
    """
    from rnncore.marketing import EventLog
    from rnncore.marketing.commands import asking
    from rnncore.marketing.commands import command as parts

    shared = {"horizon": horizon, "seed": seed, "seeds": seeds}
    asked = {name: value for name, value in shared.items() if value is not None}
    made = asking.asked_for(task, asked, set or [])
    words = words_of(log)
    asking.require_columns(file, words)
    asking.require_customer(made, words.get("customer"))

    def read() -> EventLog:
        with parts.at_work("reading the log"):
            whole = EventLog(file, **words)
        return whole if until is None else asking.cut(whole, until)

    _fit(made, read, out or Path(f"rnncore-{task}"), force, origins)


@with_log
def predict(
    model: Model,
    file: Log,
    at: Annotated[str | None, typer.Option(help="Predict from this day on; by default the log's last day.")] = None,
    horizon: Annotated[
        int | None, typer.Option(help="Other days than the fit's (churn-hazard, contract-churn).", min=1)
    ] = None,
    start: Annotated[int, typer.Option(help="They begin so many days later, none of which has an event.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help=f"The CSV file to write; {BESIDE}.csv.", **FILE)] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """Predict with a saved model. The log is read as in fit, unless told otherwise.

    A row for each customer; for each series and day ahead (demand); for the latest case of each customer, and each case
    whose outcome is empty (outcome, outcome-kind): empty that column, and every case is answered. With --horizon or
    --start the column is `quiet`: the probability of no event in that time, of whoever has none before it.

    Messages count the rows of a file from 1, without the header.
    """
    from rnncore.marketing.answers.wording import counted
    from rnncore.marketing.commands import asking
    from rnncore.marketing.commands import command as parts

    out = out or asking.beside(model, file, ".csv")
    asking.require_writable(out, force, model, file)
    task, events = asking.again(model, file, words_of(log))
    with parts.at_work("predicting"):
        answers = asking.answers(task, events, at, horizon, start)
    rows = parts.write_predictions(task, answers, out)
    print(f"{counted(rows, task.row)} in {out}")
    parts.print_further(task, events if at is None else events.until(at))


@with_log
def evaluate(model: Model, file: Log, **log: Any) -> None:
    """Judge a saved model on the last horizon of a later log, against simple methods that learn now; of texts without
    times, on all of a new file.
    """
    from rnncore.marketing.commands import asking
    from rnncore.marketing.commands import command as parts
    from rnncore.marketing.log.days import span

    task, events = asking.again(model, file, words_of(log))
    with parts.at_work("judging the network; the simple methods learn"):
        judged = task.evaluate(events)
    origin = events.last_day - span(task.horizon * task.judged_over) if events.dated else None
    parts.print_rivals(task, judged, origin)


@with_log
def explain(
    model: Model,
    file: Log,
    of: Annotated[str, typer.Option(help="The customer (of texts by themselves the row) whose answer is taken apart.")],
    at: Annotated[str | None, typer.Option(help="The day of the answer; by default the log's last day.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.", metavar="FILE")] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """Why this answer: what each event of one customer adds to it, by gradients, by removal, and by attention."""
    from rnncore.marketing.commands import asking
    from rnncore.marketing.commands import command as parts

    if plot is not None:
        asking.require_writable(plot, force, model, file, "--plot")
    task, events = asking.again(model, file, words_of(log))
    who = int(of) if events.customers.dtype.kind in "iu" and of.isdecimal() else of
    with parts.at_work("taking the answer apart"):
        found = task.explain(events, who, at)
    print(f"\n{found}")
    if plot is not None:
        found.plot(plot)
        print(f"\nthe picture is in {plot}")


@with_log
def report(
    model: Model,
    file: Log,
    at: Annotated[str | None, typer.Option(help="The day of the answers; by default the log's last day.")] = None,
    out: Annotated[Path | None, typer.Option(help=f"The HTML file to write; {BESIDE}.html.", **FILE)] = None,
    force: Force = False,
    **log: Any,
) -> None:
    """Write one HTML page that holds everything: verdict, rivals, answers, one of them taken apart, and the log."""
    from rnncore.marketing.answers import page
    from rnncore.marketing.commands import asking
    from rnncore.marketing.commands import command as parts

    out = out or asking.beside(model, file, ".html")
    asking.require_writable(out, force, model, file)
    task, events = asking.again(model, file, words_of(log))
    with parts.at_work("predicting, drawing and checking gradients"):
        page.write(task, events, out, at)
    print(f"the report is in {out}")


@with_log
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
    from rnncore.marketing.commands import asking
    from rnncore.marketing.commands import command as parts
    from rnncore.marketing.shift import watch

    if plot is not None:
        asking.require_writable(plot, force, model, file, "--plot")
    task, events = asking.again(model, file, words_of(log))
    with parts.at_work("watching the texts"):
        found = watch(task, events, kind, every=every, one_in=one_in, since=since)
    print(f"\n{found}")
    if plot is not None:
        found.plot(plot)
        print(f"\nthe picture is in {plot}")


def leaks(
    file: Annotated[Path, typer.Argument(help="CSV (also gzipped) or Parquet, one row per case.")],
    outcome: Annotated[str, typer.Option(help="The column of yes and no.")],
    time: Annotated[str | None, typer.Option(help="The column with the time of the outcome.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to pass over; more may be given.")] = None,
    missing: Annotated[Literal["error", "drop"], typer.Option(help="Rows whose outcome is empty.")] = "error",
    separator: Annotated[str, typer.Option(help=LOG["separator"][1])] = ",",
    decimal: Annotated[Literal[".", ","], typer.Option(help=LOG["decimal"][1])] = ".",
    encoding: Annotated[str, typer.Option(help=LOG["encoding"][1])] = "utf-8",
) -> None:
    """Look for columns that know the outcome: too good alone, or with times after it."""
    from rnncore.marketing.commands.command import at_work
    from rnncore.marketing.judging.leaks import find_leaks

    words = words_of({"separator": separator, "decimal": decimal, "encoding": encoding})
    with at_work("each column by itself"):
        found = find_leaks(file, outcome, time=time, ignore=ignore or [], missing=missing, **words)
    print(found)


def _fit(task: Task, read: Callable[[], EventLog], out: Path, force: bool, origins: int = 1) -> None:
    """Train, check, judge and write; an interrupted run goes on from the folder `<out>.unfinished`."""
    from rnncore.marketing.commands import command as parts
    from rnncore.marketing.commands import unfinished

    start = clock.monotonic()
    folder, checkpoints = unfinished.places(out, force)
    log = read()
    print(log.quality(), end="\n\n", flush=True)
    if line := parts.left_out(task, log):
        print(line)
    task.require_answers(log)
    unfinished.train(task, log, checkpoints, force, origins)
    with parts.at_work("checking the gradients"):
        checked = parts.check_gradients(task)
    print()
    parts.print_check(checked)
    parts.print_rivals(task, task.table_, task.held_out_.origin)
    parts.write_result(task, log, folder, out)
    parts.print_further(task, log)
    unfinished.remove(checkpoints)
    seconds = clock.monotonic() - start
    print(f"Read, trained and judged in {seconds:.0f} s.", end=" ")
    print(f"For another log: rnncore predict {out / f'{task.name}.safetensors'} FILE")
    if not checked.ok:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the program."""
    for function in (demo, tasks, fit, predict, evaluate, explain, report, shift, leaks):
        reporting(app)(function)
