"""What a model reads of a customer at an origin: a sequence of events for a network, five numbers for a simple method.

    event step    log days since the event before | log value | log items | 0 | 0 | 0 | 0
    ...           (0 for the first event)
    closing step  log days since the last event   | 0 | 0 | 1 | log events so far | log age in days | log length/horizon

Where the past has empty cells of value or items, two more columns say so: 1 in event steps whose cell is empty, which
then count as average ones. Of negative amounts the logarithm is that of their size, with a minus.

The log (EventLog.per_day) has one event per customer and day. The closing step asks the question: is there an event
within `length` days of the origin? One network can so be trained on windows of several lengths, see `ladder`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.days import span
from rnncore.marketing.events import EventLog
from rnncore.sequences import Histories

Floats = NDArray[np.float64]
COLUMNS = ("gap", "value", "items", "closing", "events", "age", "length")
EVENT, CLOSING = slice(1, 3), slice(4, 7)  # columns that mean something in one kind of step only
MARK = 3


class Summary(NamedTuple):
    """Recency, frequency, monetary value and age of each customer at an origin; arrays (N,), times in days."""

    since: Floats
    """Days from the last event to the origin."""
    events: Floats
    """Days with an event, at least 1."""
    value: Floats
    """Value of all events whose value is known, 0 where the log has none."""
    age: Floats
    """Days from the first event to the origin: T of the buy-till-you-die models, whose t_x is age - since."""


class Scale(NamedTuple):
    """Mean and standard deviation of each column over the steps in which it means something, (D,)."""

    mean: Floats
    deviation: Floats


def ladder(end: np.datetime64, horizon: int) -> list[tuple[np.datetime64, int]]:
    """Origins and lengths of label windows that are complete on the day `end`, oldest and longest first.

    Lengths: the horizon, its half and its quarter. Origins: one horizon, a half and a quarter before the end, so that
    the latest complete window of each length is there, and one and a half horizons before. From each origin all windows
    that are complete. The longest windows teach what is asked; the shorter ones how customers behave that are nearly as
    old as those to be predicted: the base rate falls as a cohort ages, and a model of the longest window alone has
    never seen it. The oldest origin keeps the effects of age and of length apart: without it every long window begins
    early, and every late origin has short windows only.

    >>> [(str(origin), length) for origin, length in ladder(np.datetime64("1997-12-31"), 181)][::3]
    [('1997-04-03', 181), ('1997-07-03', 181), ('1997-10-02', 90)]
    """
    lengths = sorted({max(1, horizon // part) for part in (1, 2, 4)}, reverse=True)
    return [
        (end - span(back), length)
        for back in (horizon + (horizon + 1) // 2, *lengths)
        for length in lengths
        if length <= back
    ]


def summarise(history: EventLog, origin: np.datetime64) -> Summary:
    """The summary at `origin` of a log with one event per customer and day, none of it after the origin."""
    ends = history.offsets[1:] - 1
    value = np.zeros(len(history)) if history.value is None else np.nan_to_num(_clean(history.value))
    return Summary(
        since=_days(origin - history.day[ends]),
        events=np.diff(history.offsets).astype(np.float64),
        value=np.add.reduceat(value, history.offsets[:-1]) if len(history) else value,
        age=_days(origin - history.day[history.offsets[:-1]]),
    )


def has_gaps(log: EventLog) -> bool:
    """Whether a value or a number of items is missing."""
    return any(column is not None and bool(np.isnan(column).any()) for column in (log.value, log.items))


def encode(
    history: EventLog, origin: np.datetime64, length: int, horizon: int, latest: int, masks: bool = False
) -> Histories:
    """The steps above, unscaled, of the `latest` events of each customer: values (sum of L_i + 1, 7) and offsets.

    masks: whether two more columns say which cells are empty; these are NaN until they are scaled. The closing step
    counts all events, and the first event kept has its true distance from the one before.
    """
    starts, ends = history.offsets[:-1], history.offsets[1:]
    first = np.zeros(len(history), bool)
    first[starts] = True
    gap = np.where(first, 0.0, _days(np.diff(history.day, prepend=history.day[:1])))
    kept = np.arange(len(history)) >= np.repeat(ends - latest, np.diff(history.offsets))
    kept_lengths = np.minimum(ends - starts, latest)
    offsets = np.concatenate([[0], np.cumsum(kept_lengths + 1)])
    values = np.zeros((offsets[-1], len(COLUMNS) + 2 * masks))
    closing = offsets[1:] - 1
    steps = np.ones(len(values), bool)
    steps[closing] = False
    things = history.count if history.items is None else history.items
    money = np.zeros(len(history)) if history.value is None else _clean(history.value)
    values[steps, :MARK] = signed_log(np.column_stack([gap, money, _clean(things)])[kept])
    if masks:
        values[steps, len(COLUMNS) :] = np.isnan(values[steps, EVENT])
    now = summarise(history, origin)
    values[closing, 0] = np.log1p(now.since)
    values[closing, MARK] = 1.0
    values[closing, CLOSING] = np.column_stack(
        [np.log(now.events), np.log1p(now.age), np.full(len(starts), np.log(length / horizon))]
    )
    return Histories(values, offsets)


def fit_scale(values: Floats) -> Scale:
    """Measure the scale of encoded steps (n, D); a column without spread keeps its unit."""
    closing = values[:, MARK] == 1.0
    rows = np.ones(values.shape, bool)
    rows[:, EVENT], rows[:, CLOSING] = ~closing[:, None], closing[:, None]
    rows &= ~np.isnan(values)
    mean = np.mean(values, axis=0, where=rows)
    deviation = np.std(values, axis=0, where=rows)
    unscaled = [MARK, *range(len(COLUMNS), values.shape[1])]
    mean[unscaled], deviation[unscaled] = 0.0, 1.0
    return Scale(mean, np.where(deviation > 1e-9, deviation, 1.0))


def apply_scale(histories: Histories, scale: Scale) -> Histories:
    """Standardised steps in float32; a column stays 0 in steps where it means nothing."""
    closing = histories.values[:, MARK] == 1.0
    values = (histories.values - scale.mean) / scale.deviation
    values[closing, EVENT] = 0.0
    values[~closing, CLOSING] = 0.0
    values[np.isnan(values)] = 0.0  # the average
    return Histories(values.astype(np.float32), histories.offsets)


def join(parts: list[Histories]) -> Histories:
    """The histories of all parts, one part behind the other."""
    lengths = np.concatenate([part.lengths for part in parts])
    return Histories(np.concatenate([part.values for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))


def signed_log(amounts: Floats) -> Floats:
    """sign(v) log(1 + |v|).

    >>> signed_log(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.693,  0.   ,  0.693])
    """
    return np.asarray(np.sign(amounts) * np.log1p(np.abs(amounts)), np.float64)


def _days(times: NDArray[np.timedelta64]) -> Floats:
    return np.asarray(times / np.timedelta64(1, "D"), np.float64)


def _clean(sums: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Sums of a day without the last bits, in which the order of the rows would show."""
    return np.asarray(np.round(sums, 6), np.float64)
