"""The report of a fitted task: one HTML page that holds everything, its pictures too, and loads nothing.

What it says: the question and the verdict; every rival; how the network learned; what it answers for this log (numbers
by their quantiles, words and labels by how often each is given); one answer taken apart; what the task itself has to
say of the log (`Task.further`); what was found in the log; the gradient check of every array; and how it was asked.
"""

from __future__ import annotations

import base64
import html
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from rnncore.interop.atomic import replacing
from rnncore.marketing.answers.report import COLOURS, as_png, drawn
from rnncore.marketing.answers.wording import counted, explained, in_columns
from rnncore.marketing.commands.command import check_gradients
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import EARLIER, NETWORK
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Task

UNDRAWN = (
    "No calibration, ROC and gains: an earlier rnncore saved the model without the rows that judged it; fit it again."
)
PANELS, LABELS, FEW = 4, 12, 30  # at most: pictures side by side, values of a label, and answers that are all shown

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1917; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem } img { max-width: 100% }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #e7e5e4 }
.verdict { border-left: 4px solid #c2410c; padding: .4rem 1rem; background: #fafaf9 }
.wide, pre { overflow-x: auto } pre { font-size: 12px }
"""


def write(task: Task, log: EventLog, path: str | os.PathLike[str], at: Any = None) -> None:
    """Write the page of a fitted task and a log into one file, in one step.

    at: the day of the answers, by default the log's last. Errors are those of `Task.predict`.
    """
    text = page(task, log, at)
    with replacing(os.fspath(path)) as file:
        file.write(text.encode("utf-8"))


def page(task: Task, log: EventLog, at: Any = None) -> str:
    """The page as text."""
    answers = pl.DataFrame(task.predict(log, at))
    judged, arguments = task.table_, task._used.get_params()
    title = f"{type(task).__name__}: {judged.verdict}"
    day = f", asked on {log.last_day if at is None else at}" if log.dated else ""
    parts = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="verdict"><b>Verdict: {_text(judged.verdict)}.</b> {_text(judged.reason)}</p>',
        _judged(task),
        "<h2>Every method on the same window</h2>",
        _table(judged.columns()),
        f"<p>{_text(explained([*judged.columns(), *(row.name for row in judged), judged.of]))}</p>",
        _image(drawn(task), f"The verdict is {judged.verdict}; the table above has the numbers."),
        *([f"<p>{_text(UNDRAWN)}</p>"] if judged.rate is not None and not hasattr(task, "held_out_") else []),
        *([f"<h2>{EARLIER}</h2>", _table(judged.earlier_columns())] if judged.earlier else []),
        f"<h2>The network's answers: {counted(answers.height, task.row)}{_text(day)}</h2>",
        *([_table(_spread(answers))] if _numbers(answers) else []),
        *(f"<p>{_text(name)} is 1 - {_text(other)}.</p>" for name, other in _mirrored(answers).items()),
        *([] if answers.height > FEW else [_table(in_columns(answers))]),
        *(part for name, count in _labels(answers).items() for part in (f"<h3>{_text(name)}</h3>", _table(count))),
        _image(_histograms(answers), "The answers as a picture; the tables above have the numbers."),
        "<h2>One answer taken apart</h2>",
        *_example(task, log, at),
        *_further(task, log, at),
        f"<h2>What was found in the log: {_text(log.quality().source)}</h2>",
        _table(_checks(log)),
        "<h2>Are its gradients right?</h2>",
        f"<pre>{_text(check_gradients(task))}</pre>",
        "<h2>How it was asked</h2>",
        _table({"argument": [*arguments], "value": [repr(value) for value in arguments.values()]}),
        "<h2>What was read of the log</h2>",
        _table({"word": [*sorted(task.reading_)], "was": [_column(said) for _, said in sorted(task.reading_.items())]}),
    ]
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _judged(task: Task) -> str:
    """The question that was judged in the fit, on how many and on what; `Task.origin` says where."""
    judged, origin = task.table_, task.trained_until_ - span(task._used.horizon * task.judged_over)
    question = task.question.format(horizon=counted(task._used.horizon, "day"), origin=origin)
    rate = "" if judged.rate is None else f"; of them {judged.rate:.1%} {task.came}"
    dated = "time" in task.reading_
    unseen = "on a window of which nothing was used for training" if dated else "of which nothing was used for training"
    until = f"Trained until {task.trained_until_}" if dated else "Then trained on all"
    return (
        f"<p><b>{_text(question)}</b> Judged on {judged.judged_on}, {unseen}{_text(rate)}. {until}; intervals of "
        f"{100 * judged.confidence:g} %.</p>"
    )


def _column(said: str | list[str]) -> str:
    return said if isinstance(said, str) else ", ".join(said)


def _text(words: object) -> str:
    return html.escape(str(words))


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    """Columns of text as a table."""
    head = "".join(f"<th>{_text(name)}</th>" for name in columns)
    rows = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in zip(*columns.values(), strict=True)]
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def _image(png: bytes, words: str) -> str:
    return f'<img alt="{_text(words)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _numbers(answers: pl.DataFrame) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """The columns of numbers, without the first, which says whose the row is, and those that are 1 minus one before;
    whole numbers are labels.
    """
    mirrored = _mirrored(answers)
    columns = [c for c in answers.columns[1:] if answers.schema[c].is_float() and c not in mirrored]
    found = {c: answers[c].cast(pl.Float64).drop_nulls().to_numpy() for c in columns}
    return {name: values[np.isfinite(values)] for name, values in found.items() if len(values)}


def _mirrored(answers: pl.DataFrame) -> dict[str, str]:
    """The columns of numbers that are 1 minus one before them, and that one."""
    columns = {c: answers[c].cast(pl.Float64).to_numpy() for c in answers.columns[1:] if answers.schema[c].is_float()}
    return {
        name: other
        for (other, before), (name, values) in itertools.combinations(columns.items(), 2)
        if len(values) and np.allclose(values, 1.0 - before, rtol=0.0, atol=1e-6, equal_nan=True)
    }


def _spread(answers: pl.DataFrame) -> dict[str, list[str]]:
    """Mean and quantiles of each column of numbers."""
    numbers = _numbers(answers)
    shown: dict[str, list[str]] = {"answer": list(numbers), "mean": [_number(v.mean()) for v in numbers.values()]}
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        shown[f"{share:.0%}"] = [_number(np.quantile(v, share)) for v in numbers.values()]
    return shown


def _number(value: float) -> str:
    """Four digits of a number, of one that is next to nothing none."""
    return f"{value:.4g}" if abs(value) >= 1e-6 or value == 0 else "below 1e-6" if value > 0 else "above -1e-6"


def _labels(answers: pl.DataFrame) -> dict[str, dict[str, list[str]]]:
    """How often each label is given, of each column of words or whole numbers but the first: the commonest; not of
    whole numbers that are all equally frequent, as tenths are.
    """
    found = {}
    for name in answers.columns[1:]:
        if answers.schema[name] == pl.String or answers.schema[name].is_integer():
            count = answers[name].value_counts().sort(["count", name], descending=[True, False])
            if answers.schema[name].is_integer() and count["count"][0] - count["count"][-1] <= 1 < count.height:
                continue
            count = count.head(LABELS)
            count = count.sort(name) if answers.schema[name].is_integer() else count
            labels, times = [str(label) for label in count[name]], count["count"].to_list()
            shares = [f"{n / answers.height:.1%}" for n in times]
            found[name] = {name: labels, "rows": [f"{n:,}" for n in times], "share": shares}
    return dict(list(found.items())[:PANELS])


def _histograms(answers: pl.DataFrame) -> bytes:
    """A panel for each label, its rows by value, and for each number, its histogram."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: dict[str, Any] = {**_labels(answers), **_numbers(answers)}
    panels = dict(list(panels.items())[:PANELS])
    figure = Figure(figsize=(3.2 * max(1, len(panels)), 2.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, values) in zip(np.ravel(figure.subplots(1, max(1, len(panels)))), panels.items(), strict=False):
        if isinstance(values, dict):
            rows = [int(n.replace(",", "")) for n in values["rows"]]
            axes.barh([label[:20] for label in values[name]], rows, color=COLOURS[NETWORK])
            axes.invert_yaxis()
            axes.set(xlabel="rows", ylabel=name)
        else:
            axes.hist(values, bins=min(30, 5 + len(values) // 10), color=COLOURS[NETWORK])
            axes.set(xlabel=name, ylabel="rows")
            axes.yaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    return as_png(figure)


def _example(task: Task, log: EventLog, at: Any) -> list[str]:
    """The customer with the longest history that is known on that day."""
    known = log if at is None else log.until(at)
    found = task.explain(log, known.customers[int(np.diff(known.offsets).argmax())], at)
    words = "Each step's effect by integrated gradients and by removal; the table has the numbers."
    head, terms = "; ".join(found.summary), "".join(f"<li>{_text(term)}</li>" for term in found.terms)
    picture, table = _image(found.drawn(), words), _table(found.columns())
    return [f"<p>{_text(head)}</p>", picture, table, f"<ul>{terms}</ul>"]


def _further(task: Task, log: EventLog, at: Any) -> list[str]:
    known = log if at is None else log.until(at)
    pictures, found = task.drawn_further(known), []
    for head, table in task.further(known).items():
        found += [f"<h2>{_text(head)}</h2>", _table(table)]
        found += [_image(pictures[head], f"{head}: the table above has the numbers.")] if head in pictures else []
    return found


def _checks(log: EventLog) -> dict[str, list[str]]:
    checks = list(log.quality())
    return {
        "looked for": [check.name for check in checks],
        "rows": [f"{check.rows:,}" for check in checks],
        "done": [check.remark for check in checks],
    }
