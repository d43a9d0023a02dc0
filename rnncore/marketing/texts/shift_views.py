"""What was watched as a picture, for `shift.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnncore.marketing.answers.report import as_png
from rnncore.marketing.answers.wording import counted

if TYPE_CHECKING:
    from rnncore.marketing.shift import SentimentShift

COLOURS = {"rise": "#c2410c", "fall": "#15803d"}


def drawn(found: SentimentShift) -> bytes:
    """The batches and the alarms as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots()
    axes.plot(found.end, found.share, color="#c2410c", marker="o", ms=3, label="mean probability")
    if found.known is not None:
        axes.plot(found.end, found.known, color="#1d4ed8", ls="--", lw=1, label="known share")
    seen = [alarm.direction for alarm in found.alarms]
    for k, alarm in enumerate(found.alarms):
        colour, label = COLOURS[seen[k]], f"alarm: a {seen[k]}, since the change"
        axes.axvline(alarm.time, color=colour, lw=1.2)
        axes.axvspan(alarm.since, alarm.time, color=colour, alpha=0.15, label=None if seen[k] in seen[:k] else label)
    title = ", ".join(counted(seen.count(way), way) for way in COLOURS)
    axes.set(ylabel=f"{found.kind}, by {found.every} texts", title=title)
    axes.tick_params(axis="x", labelrotation=20)
    axes.legend(frameon=False, fontsize="small")
    return as_png(figure)
