"""The picture of a fitted task: is it calibrated, whom does it find, how did it learn.

Left, calibration: customers in ten groups by predicted probability, against the share of them that came; on the
diagonal, 20 % means 20 %. Middle, gains: the share of all outcomes among the customers ranked highest. Right, the loss
by epoch.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from rnncore.interop.atomic import replacing
from rnncore.marketing import metrics
from rnncore.marketing.verdict import CONSTANT, NETWORK
from rnncore.marketing.wording import counted

if TYPE_CHECKING:
    from rnncore.marketing.churn import Churn

COLOURS = {NETWORK: "#c2410c", "bg/nbd": "#1d4ed8", "rfm": "#15803d", "rfm-windows": "#7e22ce", "recency": "#0e7490"}
OTHER = "#a16207"


def picture(churn: Churn, path: str | os.PathLike[str]) -> None:
    """Write the three panels as a PNG, in one step; `churn` must have been fitted in this process.

    >>> import tempfile
    >>> from rnncore.datasets import cdnow
    >>> from rnncore.marketing import Churn, EventLog
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount")
    >>> churn = Churn(horizon=181, units=4, epochs=2, backend="numpy").fit(log)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     picture(churn, f"{folder}/report.png")
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    _calibration(left, churn, colours(churn))
    _gains(middle, churn, colours(churn))
    _losses(right, churn)
    held = churn.held_out_
    figure.suptitle(
        f"Verdict: {churn.verdict_}.  {counted(len(held.target), 'customer')}, "
        f"the {counted(churn.horizon, 'day')} after {held.origin}"
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    with replacing(os.fspath(path)) as file:
        file.write(buffer.getvalue())


def colours(churn: Churn) -> dict[str, str]:
    """The methods in the order in which they are drawn, the network first, and the colour that each always has."""
    rivals = sorted((row.name for row in churn.table_ if row.name != CONSTANT), key=lambda name: name != NETWORK)
    return {name: COLOURS.get(name, OTHER) for name in rivals}


def _style(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _calibration(axes: Any, churn: Churn, shades: dict[str, str]) -> None:
    held = churn.held_out_
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="perfect")
    for name, colour in shades.items():
        table = metrics.calibration_table(held.target, held.prediction[name])
        thick = {"lw": 2.2, "ms": 6, "zorder": 3} if name == NETWORK else {"lw": 1, "ms": 3, "alpha": 0.7}
        axes.plot(table.predicted, table.observed, "o-", color=colour, label=name, **thick)
    _style(axes, "Calibration", "predicted probability of return", "share that returned")
    axes.legend(frameon=False, fontsize="small")


def _gains(axes: Any, churn: Churn, shades: dict[str, str]) -> None:
    held = churn.held_out_
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="at random")
    for name, colour in shades.items():
        curve = metrics.gains_curve(held.target, held.prediction[name])
        thick = {"lw": 2.2, "zorder": 3} if name == NETWORK else {"lw": 1, "alpha": 0.7}
        axes.plot(curve.taken, curve.found, color=colour, label=name, **thick)
    _style(axes, "Gains", "share of customers, most likely first", "share of all returns among them")
    axes.legend(frameon=False, fontsize="small", loc="lower right")


def _losses(axes: Any, churn: Churn) -> None:
    epochs = [record["epoch"] + 1 for record in churn.history_]
    axes.plot(epochs, [record["train_loss"] for record in churn.history_], "o-", color="0.45", label="training")
    if churn.history_ and "validation_loss" in churn.history_[0]:
        losses = [record["validation_loss"] for record in churn.history_]
        axes.plot(epochs, losses, "o-", color=COLOURS[NETWORK], label="held-out customers")
        best = min(range(len(losses)), key=losses.__getitem__)
        axes.plot(epochs[best], losses[best], "o", ms=11, mfc="none", color=COLOURS[NETWORK], label="kept")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _style(axes, "Loss of the network that predicts", "epoch", "log-loss, before calibration")
    axes.legend(frameon=False, fontsize="small")
