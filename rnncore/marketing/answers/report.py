"""The picture of a fitted task: how good, against whom, and how did it learn.

For yes and no: calibration, customers in ten groups by predicted probability, against the share of them that came (on
the diagonal, 20 % means 20 %); the ROC curves of the network and of the simple method that ranks best; and gains, the
share of all outcomes among the customers ranked highest. Other tasks: the loss of every method with its interval, and
by how much the network is better. Right, always, the loss by epoch.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from rnncore.interop.atomic import replacing
from rnncore.marketing import metrics
from rnncore.marketing.judging.judgement import CONSTANT, NETWORK

if TYPE_CHECKING:
    from rnncore.marketing.task import Task

COLOURS = {NETWORK: "#c2410c", "bg/nbd": "#1d4ed8", "rfm": "#15803d", "rfm-windows": "#7e22ce", "recency": "#0e7490"}
FURTHER = (*list(COLOURS.values())[1:], "#a16207", "#be185d", "#57534e", "#65a30d", "#0ea5e9", "#f59e0b")  # of others
DASHES = ("--", "-.", ":", (0, (6, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3)))  # where colours are not seen


def picture(task: Task, path: str | os.PathLike[str]) -> None:
    """Write the panels as a PNG, in one step.

    >>> import tempfile
    >>> from rnncore.datasets import cdnow
    >>> from rnncore.marketing import Churn, EventLog
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount")
    >>> churn = Churn(horizon=181, units=4, epochs=1, backend="numpy", seeds=1).fit(log)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     picture(churn, f"{folder}/report.png")
    """
    with replacing(os.fspath(path)) as file:
        file.write(drawn(task))


def drawn(task: Task) -> bytes:
    """The panels as a PNG; without held-out rows, as of a file from an earlier rnncore, those of the table."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    held = getattr(task, "held_out_", None)
    ranks = held is not None and task.table_.rate is not None
    figure = Figure(figsize=(17 if ranks else 13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 4 if ranks else 3)
    judged = f"Verdict: {task.verdict_}.  {task.table_.judged_on}"
    if ranks:
        _calibration(panels[0], task, colours(task))
        _roc(panels[1], task)
        _gains(panels[2], task, colours(task))
    else:
        _bars(panels[0], task)
        _gaps(panels[1], task)
    _losses(panels[-1], task)
    figure.suptitle(judged if held is None else f"{judged}, {task._used.judged_when(held.origin)}")
    return as_png(figure)


def as_png(figure: Any) -> bytes:
    """A figure as a PNG, the same bytes every time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def colours(task: Task) -> dict[str, str]:
    """The methods in the order in which they are drawn, the network first, and the colour that each has, whatever its
    rank: no two the same while there are colours.
    """
    rivals = sorted((row.name for row in task.table_ if row.name != CONSTANT), key=lambda name: name != NETWORK)
    own = {name: COLOURS[name] for name in rivals if name in COLOURS}
    left = [colour for colour in FURTHER if colour not in own.values()]
    own |= {name: left[k % len(left)] for k, name in enumerate(sorted(set(rivals) - set(own)))}
    return {name: own[name] for name in rivals}


def _bars(axes: Any, task: Task) -> None:
    rivals = list(task.table_)[::-1]
    colour = [COLOURS[NETWORK] if row.name == NETWORK else "0.6" for row in rivals]
    values = [row.loss.value for row in rivals]
    sides = [[row.loss.value - row.loss.low for row in rivals], [row.loss.high - row.loss.value for row in rivals]]
    axes.barh([row.name for row in rivals], values, xerr=sides, color=colour, error_kw={"lw": 1, "capsize": 3})
    _style(axes, "Who is how far off", task.table_.loss, "")


def _gaps(axes: Any, task: Task) -> None:
    rivals = [row for row in task.table_ if row.name != NETWORK][::-1]
    for place, row in enumerate(rivals):
        axes.plot([row.gap.low, row.gap.high], [place, place], color="0.4", lw=2)
        axes.plot(row.gap.value, place, "o", color=COLOURS[NETWORK])
    axes.axvline(0, color="0.6", lw=1, ls="--")
    axes.set_yticks(range(len(rivals)), [row.name for row in rivals])
    _style(axes, "By how much the network is better", f"difference in {task.table_.loss}", "")


def _style(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _calibration(axes: Any, task: Task, shades: dict[str, str]) -> None:
    held = task.held_out_
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="perfect")
    for k, (name, colour) in enumerate(shades.items()):
        table = metrics.calibration_table(held.target, held.prediction[name])
        thick = {"lw": 2.2, "ms": 6, "zorder": 3} if name == NETWORK else {"lw": 1.2, "ms": 3, "ls": DASHES[k % 6]}
        axes.plot(table.predicted, table.observed, marker="o", color=colour, label=name, **thick)
    _style(axes, "Calibration", "predicted probability", "share that came")
    axes.legend(frameon=False, fontsize="small")


def _roc(axes: Any, task: Task) -> None:
    held, shades = task.held_out_, colours(task)
    areas = {row.name: row.auroc.value for row in task.table_ if row.auroc is not None and row.name in shades}
    best = max((name for name in areas if name != NETWORK), key=areas.__getitem__, default=NETWORK)
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="at random")
    for name, line, width in ((best, (0, (6, 1.5)), 1.6), (NETWORK, "-", 2.2)):
        curve = metrics.roc_curve(held.target, held.prediction[name])
        axes.plot(
            curve.false, curve.true, ls=line, lw=width, color=shades[name], label=f"{name}, area {areas[name]:.3f}"
        )
    _style(axes, f"ROC, {NETWORK} and {best}", "share of the others taken", "share of the outcomes taken")
    which = f"{best}: the simple method that ranks best"
    axes.legend(frameon=False, fontsize="small", loc="lower right", title=which, title_fontsize="small")


def _gains(axes: Any, task: Task, shades: dict[str, str]) -> None:
    held = task.held_out_
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="at random")
    for k, (name, colour) in enumerate(shades.items()):
        curve = metrics.gains_curve(held.target, held.prediction[name])
        thick = {"lw": 2.2, "zorder": 3} if name == NETWORK else {"lw": 1.2, "ls": DASHES[k % 6]}
        axes.plot(curve.taken, curve.found, color=colour, label=name, **thick)
    _style(axes, "Gains", "share of customers, most likely first", "share of all outcomes among them")
    axes.legend(frameon=False, fontsize="small", loc="lower right")


def _losses(axes: Any, task: Task) -> None:
    networks = sorted({record["seed"] for record in task.history_})
    for k in networks:
        own = [record for record in task.history_ if record["seed"] == k]
        epochs = [record["epoch"] + 1 for record in own]
        training, watched, kept = [None] * 3 if k else ["training", "watched", "kept"]
        axes.plot(epochs, [record["train_loss"] for record in own], "s--", color="0.45", label=training)
        if "validation_loss" in own[0]:
            losses = [record["validation_loss"] for record in own]
            axes.plot(epochs, losses, "o-", color=COLOURS[NETWORK], label=watched)
            best = min(range(len(losses)), key=losses.__getitem__)
            axes.plot(epochs[best], losses[best], "o", ms=11, mfc="none", color=COLOURS[NETWORK], label=kept)
    axes.xaxis.get_major_locator().set_params(integer=True)
    one = len(networks) < 2
    title = "Loss of the network that predicts" if one else f"Losses of the {len(networks)} networks that predict"
    _style(axes, title, "epoch", "loss, before calibration")
    axes.legend(frameon=False, fontsize="small")
