"""What `shift.py` tells of what it watched: the batches and the alarms, as a text and as a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.interop.atomic import replacing
from rnncore.marketing.answers.report import as_png
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.judging.judgement import Estimate

Array = NDArray[Any]
Floats = NDArray[np.float64]
COLOURS = {"rise": "#c2410c", "fall": "#15803d"}


class Alarm(NamedTuple):
    """A change that was seen."""

    time: np.datetime64
    """The last text of the batch that raised it."""
    since: np.datetime64
    """The first text after the change, as far as the chart can tell."""
    before: float
    after: float
    """Mean probabilities of the kind."""
    size: Estimate
    """After minus before, with its 95 % interval."""
    words: tuple[tuple[str, float], ...]
    """What is said more often (less often, for a fall), with z-scores, the strongest first."""

    @property
    def direction(self) -> str:
        """ "rise" or "fall", of the kind that is watched."""
        return "rise" if self.size.value > 0 else "fall"


@dataclass(frozen=True)
class SentimentShift:
    """What was watched, and the alarms; prints as a text. Made by `watch`."""

    kind: str
    every: int
    one_in: float
    start: Array
    """Time of the first text of each batch, (B,)."""
    end: Array
    """Time of the last text, (B,)."""
    share: Floats
    """Mean probability of the kind, (B,)."""
    known: Floats | None
    """Share of the texts whose known outcome is the kind, (B,), if all are known."""
    alarms: tuple[Alarm, ...]
    others: dict[str, np.datetime64 | None]
    """By name of another chart, or source, when its first alarm came."""

    @property
    def days(self) -> float:
        """How many days there are between false alarms, at the pace of the texts watched."""
        watched = (self.end[-1] - self.start[0]) / np.timedelta64(1, "D")
        return float(self.one_in * watched / len(self.share))

    def __str__(self) -> str:
        lines = [
            f"{len(self.share)} batches of {self.every} texts, {_minute(self.start[0])} to {_minute(self.end[-1])}; "
            f"watched: {self.kind}, mean probability {self.share.mean():.3f}",
            f"one false alarm in {self.one_in:g} batches, here in {self.days:.0f} days; what is usual is learned from "
            "these batches alone: to see a turn on their first days, fit a model until an earlier day",
        ]
        for alarm in self.alarms:
            size, often = alarm.size, "more" if alarm.direction == "rise" else "less"
            lines += [
                f"ALARM {_minute(alarm.time)}: a {alarm.direction.upper()} of {self.kind} since "
                f"{_minute(alarm.since)}, from {alarm.before:.3f} to {alarm.after:.3f}, "
                f"{size.value:+.3f} [{size.low:+.3f}, {size.high:+.3f}]",
                f"  words said {often} often: "
                + (", ".join(f"{word} ({z:+.1f})" for word, z in alarm.words) or "none stands out"),
            ]
        if not self.alarms:
            lines.append("no alarm")
        for name, when in self.others.items():
            lines.append(f"first alarm by {name}: {'none' if when is None else _minute(when)}")
        return "\n".join(lines)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the batches and the alarms into a PNG, in one step."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Any = figure.subplots()
        axes.plot(self.end, self.share, color="#c2410c", marker="o", ms=3, label="mean probability")
        if self.known is not None:
            axes.plot(self.end, self.known, color="#1d4ed8", ls="--", lw=1, label="known share")
        seen = [alarm.direction for alarm in self.alarms]
        for k, (way, alarm) in enumerate(zip(seen, self.alarms, strict=True)):
            label = None if way in seen[:k] else f"alarm: a {way}, since the change"
            axes.axvline(alarm.time, color=COLOURS[way], lw=1.2)
            axes.axvspan(alarm.since, alarm.time, color=COLOURS[way], alpha=0.15, label=label)
        title = ", ".join(counted(seen.count(way), way) for way in COLOURS)
        axes.set(ylabel=f"{self.kind}, by {self.every} texts", title=title)
        axes.tick_params(axis="x", labelrotation=20)
        axes.legend(frameon=False, fontsize="small")
        with replacing(os.fspath(path)) as file:
            file.write(as_png(figure))


def _minute(time: Any) -> str:
    return str(time)[:16].replace("T", " ")
