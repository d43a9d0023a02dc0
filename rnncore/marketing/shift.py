"""When the mood turns: alarms over a stream of texts, each with its time, size, interval and the words that drive it.

The texts after a day are put in order of time and cut into batches of equal size; what is watched is the mean
probability of one kind, by a fitted `Sentiment` that has not read them. The charts are those of `control.py`; that of
record is the self-starting cusum, and beside it stands what the other charts see, and what the cusum sees in the known
outcomes where there are any. It learns what is usual from the batches themselves, for the texts that the model was
trained on look to it unlike those that it has not read: a turn that came before them, or with them, is not seen.
After an alarm the level is learned anew from the change on.

The size of a change is the mean of the batches from the change to the alarm minus that of those before; they are the
batches that raised the alarm, which favours it. Its interval is Student's, with the variance of the batches before, for
one batch alone may have raised the alarm. The words that drive it are those of `shift_words.py`. An alarm says whether
it is of a rise or a fall: charts watch both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.interop.atomic import replacing
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import Estimate
from rnncore.marketing.learning import labels
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day, span, to_day
from rnncore.marketing.sentiment import Sentiment
from rnncore.marketing.task import Task
from rnncore.marketing.texts import control, shift_views
from rnncore.marketing.texts.control import Found
from rnncore.marketing.texts.shift_words import driving

Array = NDArray[Any]
Floats = NDArray[np.float64]


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
        with replacing(os.fspath(path)) as file:
            file.write(shift_views.drawn(self))


@one_thread
def watch(
    model: Task,
    log: EventLog,
    kind: str,
    *,
    every: int = 200,
    one_in: float = 1000.0,
    since: Day | None = None,
) -> SentimentShift:
    """Look for changes in how often texts are of one kind, after the day until which the model was trained.

    kind: one of the model's labels. every: texts in a batch; those left over at the end wait for more. one_in: batches
    between false alarms, on average. since: the day from which texts are watched, by default the first that the model
    has not read.

    ContractError for another task's model, a kind that it does not know, or a `since` that it has read; DataError for
    fewer texts than four batches, and for texts, or a model, without times.

    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> cross = rng.uniform(size=600) < np.where(np.arange(600) < 450, 0.3, 0.8)
    >>> frame = pl.DataFrame({"shop": np.arange(600) % 5, "said": np.where(cross, "bad", "good"), "mood": cross * 1.0})
    >>> frame = frame.with_columns(day=np.datetime64("2024-01-01") + np.arange(600) // 10)
    >>> log = EventLog(frame, customer="shop", time="day", text="said", outcome="mood")
    >>> task = Sentiment(horizon=5, units=4, epochs=5, learning_rate=0.1, backend="numpy", seeds=1)
    >>> model = task.fit(log.until("2024-01-20"))
    >>> [str(alarm.time)[:10] for alarm in watch(model, log, "1", every=20).alarms]
    ['2024-02-17']
    """
    if not isinstance(model, Sentiment):
        raise ContractError("model", "a Sentiment", type(model).__name__, "fit one: rnncore fit sentiment ...")
    checks.size("every", every)
    model._require_fitted()
    if "time" not in model.reading_ or not log.dated:
        which = "the log has no times" if "time" in model.reading_ else "the model was fitted on texts without times"
        raise DataError(
            f"{which}, and a turn is one in time: fit, and watch, texts that have one; name it when the log is made: "
            "time=..."
        )
    kinds = model.code_["labels"]
    checks.one_of("kind", kind, kinds)
    work = _unread(model, log, every, since)
    order = np.argsort(work.time, kind="stable")[: len(work) // every * every]
    asked = model.asked(work, work.last_day, model.code_)
    stream = _Stream(
        work.time[order],
        [asked.facts[1][k] for k in order],
        model._says(model._learned, asked)[order, kinds.index(kind)],
        _known(work, kind)[order],
        every,
    )
    return _charted(stream, kind, one_in)


def _unread(model: Sentiment, log: EventLog, every: int, since: Day | None) -> EventLog:
    """The texts that are watched, those of four batches at least; errors as of `watch`."""
    first = model.trained_until_ + span(1) if since is None else to_day(since, "since")
    if first <= model.trained_until_:
        raise ContractError(
            "since", f"a day after {model.trained_until_}", str(first), "the model has read those texts"
        )
    work = model._prepared(log, learns=False).where(log.day >= first)
    if not len(work):
        raise DataError(
            f"the log has no text from {first} on, and the model was trained until {model.trained_until_}: bring later "
            "texts, or fit the model on log.until(day)"
        )
    if len(work) < 4 * every:
        raise DataError(
            f"{counted(len(work), 'text')} from {first} on are fewer than four batches of {every}; fit the model on "
            "log.until(day), or say a smaller `every`"
        )
    return work


class _Stream(NamedTuple):
    """Texts in order of time: B whole batches."""

    time: Array
    texts: list[list[str]]
    p: Floats
    """Probability of the kind, (B * every,)."""
    known: Floats
    """1 and 0 where it is known whether the text is of the kind, NaN elsewhere."""
    every: int

    def batches(self, column: Array) -> Array:
        return column.reshape(-1, self.every)

    def texts_of(self, begin: int, end: int) -> slice:
        """The texts of these batches."""
        return slice(begin * self.every, end * self.every)


def _known(log: EventLog, kind: str) -> Floats:
    if "outcome" not in log.cells:
        return np.full(len(log), np.nan)
    y = labels.coded(log, [kind, *(other for other in labels.labels(log) if other != kind)])
    return np.where(y < 0, np.nan, y == 0)


def _charted(stream: _Stream, kind: str, one_in: float) -> SentimentShift:
    charts = control.charts(one_in)
    share = stream.batches(stream.p).mean(axis=1)
    known = None if np.isnan(stream.known).any() else stream.batches(stream.known).mean(axis=1)
    time = stream.batches(stream.time)
    alarms, begin = [], 0
    while (found := charts["cusum"](share[begin:])) is not None:
        alarms.append(_alarm(stream, share, begin, found))
        begin += found.since  # two batches at least: the chart learns a level first

    def when(found: Found | None) -> np.datetime64 | None:
        return None if found is None else time[found.alarm, -1]

    others = {name: when(chart(share)) for name, chart in charts.items() if name != "cusum"}
    if known is not None:
        others["cusum of the known outcomes"] = when(charts["cusum"](known))
    return SentimentShift(kind, stream.every, one_in, time[:, 0], time[:, -1], share, known, tuple(alarms), others)


def _alarm(stream: _Stream, share: Floats, begin: int, found: Found) -> Alarm:
    """What is told of a change; begin: the first batch of the level before it."""
    since, end = begin + found.since, begin + found.alarm + 1
    before, after = share[begin:since], share[since:end]
    size = float(after.mean() - before.mean())
    spread = before.std(ddof=1) * np.sqrt(1 / len(before) + 1 / len(after))
    half = float(student.ppf(0.975, len(before) - 1) * spread)
    old, new = stream.texts_of(begin, since), stream.texts_of(since, end)
    words = driving(stream.texts[old], stream.p[old], stream.texts[new], stream.p[new], rising=found.rising)
    return Alarm(
        stream.time[new][-1],
        stream.time[new][0],
        float(before.mean()),
        float(after.mean()),
        Estimate(size, size - half, size + half),
        words,
    )


def _minute(time: Any) -> str:
    return str(time)[:16].replace("T", " ")
