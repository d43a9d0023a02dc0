"""What the commands over event logs print and write, without their options; what they are asked for: `asking.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

import rnncore as rc
from rnncore.interop.atomic import replacing
from rnncore.marketing.answers.report import picture
from rnncore.marketing.answers.wording import counted, explained
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import EARLIER, NETWORK, Judgement
from rnncore.marketing.task import Task

console = Console()


def at_work(words: str) -> Status:
    """A line in the terminal, on stderr, while something lasts that says nothing itself; print nothing meanwhile."""
    return Console(stderr=True).status(words)


def left_out(task: Task, log: EventLog) -> str:
    """A line that names the columns of a log that a task does not read; empty where it reads them all."""
    read = {"customer", "time", "order", *task.needs, *task.taught, *task.uses}
    read |= {"price", "items"} if "price" in log.columns and "value" in read else set()
    extras = [] if "extras" in read else log.reading.get("extras", [])
    roles = [role for role in log.columns if role not in read and role not in log.reading.get("extras", [])]
    if not (log.dated or "text" in task.needs) or not (roles or extras):
        return ""
    names = ", ".join(repr(log.columns[name]) for name in [*roles, *extras])
    return f"{task.name} does not read {names}\n"


def check_gradients(task: Task) -> Any:
    """Check the gradients of the network, at the weights of the first seed: a `gradcheck.Report`."""
    network = task.network_
    p = rc.gradcheck.random_problem(network.using(dtype="float64"), T=5)
    method = ["forward-mode", "central"]
    return rc.gradcheck.check(network, task.params_[0], p.x, p.state_0, p.lengths, method, entries=40)


def print_check(checked: Any) -> None:
    """The outcome of a gradient check in a sentence; where it did not pass, its table before that."""
    worst = checked.worst
    if not checked.ok:
        print(checked.table)
    console.print(
        f"gradient check: {checked.verdict}; a trained network, 40 entries of each array, worst error "
        f"{worst.error:.1e} in {worst.name} by {worst.method} (passes to {rc.gradcheck.GATES[worst.method]:.0e}); "
        "`rnncore report` shows each array",
        markup=False,
        highlight=False,
    )


def print_rivals(task: Task, judged: Judgement, origin: np.datetime64 | None) -> None:
    """The table of the network and the simple methods on the held-out window, and the verdict.

    origin: the day after which nothing was seen; None where that is not known.
    """
    asked = task.question if origin is not None else task.question.replace(" in the {horizon} after {origin}", "")
    question = asked.format(horizon=counted(task.horizon, "day"), origin=origin)
    rate = "" if judged.rate is None else f"; {judged.rate:.1%} {task.came}"
    unseen = f", none of {'these days' if 'time' in task.reading_ else 'them'} seen in training"
    seen = f"{judged.judged_on}{'' if origin is None else unseen}{rate}."
    console.print(f"\n[bold]{escape(question)}[/bold] {escape(seen)}", highlight=False)
    binary = judged.rate is not None
    shown = [name for name in task.measure.shown if name in judged.rivals[0].measures]
    table = _empty("method", judged.loss, "rnn better by, 95 %", *(["AUROC"] if binary else []), *shown)
    for row in judged:
        gap = "" if row.name == NETWORK else f"{row.gap.value:+.4f} [{row.gap.low:+.4f}, {row.gap.high:+.4f}]"
        auroc = [] if row.auroc is None else [f"{row.auroc.value:.4f}"]
        cells = (f"{row.loss.value:.4f}", gap, *auroc, *(_short(name, row.measures[name]) for name in shown))
        table.add_row(row.name, *cells, style="bold" if row.name == NETWORK else None)
    _print(table)
    console.print(explained([judged.loss, *shown, *(row.name for row in judged), judged.of]), style="dim")
    console.print()
    if judged.earlier:
        _print_under(EARLIER, judged.earlier_columns())
    console.print(f"[bold]Verdict: {judged.verdict}.[/bold] {escape(judged.reason)}", highlight=False)


def print_further(task: Task, log: EventLog) -> None:
    """The tables that a task has beside its predictions, those of `Task.printed`."""
    for head, columns in task.further(log).items() if task.printed else ():
        if head.startswith(task.printed):
            console.print()
            _print_under(head, columns)


def _print_under(head: str, columns: Mapping[str, list[str]]) -> None:
    table = _empty(*columns)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(escape, row))
    console.print(f"[bold]{escape(head)}[/bold]")
    _print(table)


def _empty(*names: str) -> Table:
    """A table with these columns, the first of words, and no rows."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for k, name in enumerate(names):
        table.add_column(escape(name), justify="right" if k else "left", overflow="fold")
    return table


def _print(table: Table) -> None:
    """Print a table whole: in a narrow window its cells are folded, in a file or a pipe it is as wide as it is."""
    (console if console.is_terminal else Console(width=10_000)).print(table)


def _short(name: str, number: float) -> str:
    return f"{number:+.3f}" if name == "bias" else f"{number:.2f}" if name == "lift" else f"{number:.4f}"


def whose_probabilities(judged: Judgement, file: Path) -> str:
    """A sentence that says whose answer a file of predictions holds; empty where the network was judged best."""
    kind, _, name = judged.verdict.partition(":")
    if kind == NETWORK:
        return ""
    if not name:
        return f"{file.name} holds the network's answers, although nothing had signal when it was judged"
    did = "did better" if judged[name].gap.value < 0 else "would have done"
    return f"{file.name} holds the network's answers, although {name} {did} when both were judged"


def write_result(task: Task, log: EventLog, out: Path, shown: Path) -> None:
    """Write model, predictions and picture into the folder `out`, which is called `shown` in what is printed."""
    out.mkdir(exist_ok=True)
    task.save(out / f"{task.name}.safetensors")
    with at_work("predicting"):
        answers = task.predict(log)
        picture(task, out / "report.png")
    rows = write_predictions(task, answers, out / "predictions.csv")
    names = f"predictions.csv, {task.name}.safetensors, report.png"
    print(f"{counted(rows, task.row)} in {shown}: {names}")


def write_predictions(task: Task, frame: Any, path: Path) -> int:
    """Write the predictions as CSV in one step and say whose they are; the number of rows."""
    rows = pl.DataFrame(frame)
    with replacing(str(path)) as file:
        rows.write_csv(file)
    whose = whose_probabilities(task.table_, path)
    print(f"\n{whose}" if whose else "")
    return rows.height
