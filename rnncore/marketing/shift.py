"""When the mood turns: alarms over a stream of texts, each with its time, size, interval and the words that drive it.

    history       texts after a day, in order of time, cut into batches of equal size
    watched       the mean probability of one kind, by a fitted `Sentiment` that has not read them
    charts        control.py: of record the self-starting cusum, and beside it what the other charts see, and what the
                  cusum sees in the known outcomes where there are any
    alarms        shift_report.py, as a text and as a picture; the words that drive them: shift_words.py

What is usual is learned from the batches themselves, for the texts that the model was trained on look to it unlike
those that it has not read: a turn that came before them, or with them, is not seen. After an alarm the level is learned
anew from the change on.

The size of a change is the mean of the batches from the change to the alarm minus that of those before; they are the
batches that raised the alarm, which favours it. Its interval is Student's, with the variance of the batches before, for
one batch alone may have raised the alarm. An alarm says whether it is of a rise or a fall: charts watch both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import Estimate
from rnncore.marketing.learning import labels
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day, span, to_day
from rnncore.marketing.sentiment import Sentiment
from rnncore.marketing.task import Task
from rnncore.marketing.texts import control
from rnncore.marketing.texts.control import Found
from rnncore.marketing.texts.shift_report import Alarm, SentimentShift
from rnncore.marketing.texts.shift_words import driving

__all__ = ["Alarm", "SentimentShift", "watch"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


@one_thread
def watch(
    model: Task, log: EventLog, kind: str, *, every: int = 200, one_in: float = 1000.0, since: Day | None = None
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
    model = _knows_times(model, log)
    checks.size("every", every)
    kinds = model.code_["labels"]
    checks.one_of("kind", kind, kinds)
    work = _unread(model, log, every, since)
    order = np.argsort(work.time, kind="stable")[: len(work) // every * every].reshape(-1, every)
    asked = model._used.asked(work, work.last_day, model.code_)
    texts = [asked.facts[1][k] for k in order.flat]
    p = model._used._says(model._learned, asked)[order, kinds.index(kind)]
    return _charted(_Stream(work.time[order], texts, p, _known(work, kind)[order]), kind, one_in)


def _knows_times(model: Task, log: EventLog) -> Sentiment:
    """The model, if it is a fitted one of texts that have times, and the log has them too; errors as of `watch`."""
    if not isinstance(model, Sentiment):
        raise ContractError("model", "a Sentiment", type(model).__name__, "fit one: rnncore fit sentiment ...")
    model._require_fitted()
    model._require_log(log)
    if "time" not in model.reading_ or not log.dated:
        which = "the log has no times" if "time" in model.reading_ else "the model was fitted on texts without times"
        raise DataError(
            f"{which}, and a turn is one in time: fit, and watch, texts that have one; name it when the log is made: "
            "time=..."
        )
    return model


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
    """Texts in order of time: B batches of E."""

    time: Array
    """(B, E)."""
    texts: list[list[str]]
    """The tokens of each, one batch behind the other."""
    p: Floats
    """Probability of the kind, (B, E)."""
    known: Floats
    """1 and 0 where it is known whether the text is of the kind, NaN elsewhere, (B, E)."""

    def said(self, begin: int, end: int) -> tuple[list[list[str]], Floats]:
        """The texts of these batches, and the probability of each."""
        every = self.p.shape[1]
        return self.texts[begin * every : end * every], self.p[begin:end].ravel()


def _known(log: EventLog, kind: str) -> Floats:
    if "outcome" not in log.cells:
        return np.full(len(log), np.nan)
    kinds = labels.labels(log)
    return np.append(np.array(kinds) == kind, np.nan)[labels.coded(log, kinds)]  # where it is empty, the last


def _charted(stream: _Stream, kind: str, one_in: float) -> SentimentShift:
    charts = control.charts(one_in)
    time, share = stream.time, stream.p.mean(axis=1)
    known = None if np.isnan(stream.known).any() else stream.known.mean(axis=1)
    alarms, begin = [], 0
    while (found := charts["cusum"](share[begin:])) is not None:
        alarms.append(_alarm(stream, share, begin, found))
        begin += found.since  # two batches at least: the chart learns a level first

    def when(found: Found | None) -> np.datetime64 | None:
        return None if found is None else time[found.alarm, -1]

    others = {name: when(chart(share)) for name, chart in charts.items() if name != "cusum"}
    if known is not None:
        others["cusum of the known outcomes"] = when(charts["cusum"](known))
    return SentimentShift(kind, time.shape[1], one_in, time[:, 0], time[:, -1], share, known, tuple(alarms), others)


def _alarm(stream: _Stream, share: Floats, begin: int, found: Found) -> Alarm:
    """What is told of a change; begin: the first batch of the level before it."""
    since, end = begin + found.since, begin + found.alarm + 1
    before, after = share[begin:since], share[since:end]
    size = float(after.mean() - before.mean())
    spread = before.std(ddof=1) * np.sqrt(1 / len(before) + 1 / len(after))
    half = float(student.ppf(0.975, len(before) - 1) * spread)
    words = driving(*stream.said(begin, since), *stream.said(since, end), rising=found.rising)
    return Alarm(
        stream.time[end - 1, -1],
        stream.time[since, 0],
        float(before.mean()),
        float(after.mean()),
        Estimate(size, size - half, size + half),
        words,
    )
