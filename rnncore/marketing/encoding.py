"""What a model reads of a customer at an origin: a sequence of events for a network, five numbers for a simple method.

    event step    log days since the event before | log value | log items | 0 | 0 | 0 | 0
    ...           (0 for the first event)
    closing step  log days since the last event   | 0 | 0 | 1 | log events so far | log age in days | log length/horizon

Where the past has empty cells of value or items, two more columns say so: 1 in event steps whose cell is empty, which
then count as average ones. Of negative amounts the logarithm is that of their size, with a minus. Behind them stand the
columns of the calendar and, in the closing step, of the customer: see `beside.py`.

The log (EventLog.per_day) has one event per customer and day. The closing step asks the question: is there an event
within `length` days of the origin? One network can so be trained on windows of several lengths, see `ladder`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing import beside
from rnncore.marketing.days import span
from rnncore.marketing.events import EventLog
from rnncore.marketing.features import signed_log
from rnncore.sequences import Shared

Floats = NDArray[np.float64]
Code = dict[str, Any]
COLUMNS = ("gap", "value", "items", "closing", "events", "age", "length")
EMPTY = ("value empty", "items empty")
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


class Standing(NamedTuple):
    """Customers at an origin; arrays (N,)."""

    who: NDArray[np.int64]
    """Positions in the log."""
    begin: NDArray[np.int64]
    """Where the events of each begin in the log."""
    end: NDArray[np.int64]
    """Where those known at the origin end."""


def standing(log: EventLog, origin: np.datetime64) -> Standing:
    """Everybody with an event on or before the origin."""
    known = log.count_until(origin)
    index = np.flatnonzero(known)
    return Standing(index, log.offsets[index], log.offsets[index] + known[index])


def summarise(log: EventLog, origin: np.datetime64, who: Standing | None = None) -> Summary:
    """The summary at `origin` of a log with one event per customer and day; None: of everybody who is known then."""
    who = standing(log, origin) if who is None else who
    value = np.zeros(len(who.who))
    if log.value is not None and len(value):
        pieces = np.column_stack([who.begin, who.end]).ravel()  # every second sum is of what lies between
        value = np.add.reduceat(np.append(np.nan_to_num(_clean(log.value), copy=False), 0.0), pieces)[::2]
    return Summary(
        since=_days(origin - log.time[who.end - 1].astype("datetime64[D]")),
        events=(who.end - who.begin).astype(np.float64),
        value=value,
        age=_days(origin - log.time[who.begin].astype("datetime64[D]")),
    )


def has_gaps(log: EventLog) -> bool:
    """Whether a value or a number of items is missing."""
    return any(column is not None and bool(np.isnan(column).any()) for column in (log.value, log.items))


def names(masks: bool, code: Code) -> list[str]:
    """What each of the D columns is called."""
    return [*COLUMNS, *(EMPTY if masks else ()), *beside.names(code)]


def event_steps(log: EventLog, masks: bool, code: Code) -> tuple[Floats, list[int]]:
    """The events of a log as steps, unscaled, of those columns that are not 0 in them, and which these are.

    masks: whether two of them say which cells are empty; these are NaN until they are scaled. code: of `beside`.
    """
    days, day = beside.steps(log, code), log.time.astype("datetime64[D]")  # `log.day` would stay in memory with the log
    steps = np.empty((len(log), MARK + len(EMPTY) * masks + days.shape[1]))
    steps[:, 0] = _days(np.diff(day, prepend=day[:1]))
    steps[log.offsets[:-1], 0] = 0.0
    del day
    steps[:, 1] = 0.0 if log.value is None else _clean(log.value)
    steps[:, 2] = _clean(log.count if log.items is None else log.items)
    for k in range(MARK):
        steps[:, k] = signed_log(steps[:, k])
    if masks:
        steps[:, MARK : MARK + len(EMPTY)] = np.isnan(steps[:, EVENT])
    steps[:, steps.shape[1] - days.shape[1] :] = days
    beyond = range(len(COLUMNS), len(COLUMNS) + steps.shape[1] - MARK)
    return steps, [*range(MARK), *beyond]


def encode(
    log: EventLog,
    origin: np.datetime64,
    length: int,
    horizon: int,
    latest: int,
    masks: bool = False,
    code: Code | None = None,
    who: Standing | None = None,
    steps: tuple[Floats, list[int]] | None = None,
) -> Shared:
    """The steps above, unscaled, of the `latest` events until the origin of each customer, and the closing step.

    masks, code, steps: see `event_steps`; steps given are not made again. who: None for everybody who is known then.
    The closing step counts all events, and the first event kept has its true distance from the one before.
    """
    code = beside.nothing() if code is None else code
    who = standing(log, origin) if who is None else who
    events, columns = event_steps(log, masks, code) if steps is None else steps
    now, further = summarise(log, origin, who), beside.closing(log, who.who, origin, length, code)
    closing = np.zeros((len(who.who), len(names(masks, code))))
    closing[:, 0] = np.log1p(now.since)
    closing[:, MARK] = 1.0
    closing[:, CLOSING] = np.column_stack(
        [np.log(now.events), np.log1p(now.age), np.full(len(closing), np.log(length / horizon))]
    )
    closing[:, closing.shape[1] - further.shape[1] :] = further
    return Shared(events, columns, np.maximum(who.begin, who.end - latest), who.end, closing)


def fit_scale(histories: Shared) -> Scale:
    """Measure the scale of encoded steps, each event as often as it is read; a column without spread keeps its unit."""
    times = np.zeros(len(histories.steps) + 1)
    np.add.at(times, histories.begin, 1.0)
    np.add.at(times, histories.end, -1.0)
    times = np.cumsum(times)[:-1]
    D = histories.closing.shape[1]
    mean, deviation = np.zeros(D), np.ones(D)
    for k in range(len(COLUMNS)):
        cells, counts = np.zeros(0), np.zeros(0)
        if k < MARK:
            known = ~np.isnan(histories.steps[:, k]) & (times > 0)
            cells, counts = histories.steps[known, k], times[known]
        if k == 0 or k > MARK:
            cells = np.concatenate([cells, histories.closing[:, k]])
            counts = np.concatenate([counts, np.ones(len(histories))])
        if k != MARK and len(cells):
            mean[k] = np.average(cells, weights=counts)
            spread = np.sqrt(np.average((cells - mean[k]) ** 2, weights=counts))
            deviation[k] = spread if spread > 1e-9 else 1.0
    return Scale(mean, deviation)


def apply_scale(histories: Shared, scale: Scale) -> Shared:
    """Standardised steps in float32; a column stays 0 in steps where it means nothing."""
    steps = np.empty(histories.steps.shape, np.float32)
    for place, column in enumerate(histories.columns):
        steps[:, place] = (histories.steps[:, place] - scale.mean[column]) / scale.deviation[column]
    steps[np.isnan(steps)] = 0.0  # the average
    closing = np.empty(histories.closing.shape, np.float32)
    for column in range(len(scale.mean)):  # one after the other: in float64 only one is there
        closing[:, column] = (histories.closing[:, column] - scale.mean[column]) / scale.deviation[column]
    closing[:, EVENT] = 0.0
    return Shared(steps, list(histories.columns), histories.begin, histories.end, closing)


def join(parts: list[Shared]) -> Shared:
    """The histories of all parts, which share their steps, one part behind the other; the list is emptied on the way,
    so that nothing is in memory twice.
    """
    steps, columns = parts[0].steps, list(parts[0].columns)
    N, D = sum(map(len, parts)), parts[0].closing.shape[1]
    begin, end, closing = np.empty(N, np.int64), np.empty(N, np.int64), np.empty((N, D))
    done = 0
    while parts:
        part = parts.pop(0)
        rows = slice(done, done + len(part))
        begin[rows], end[rows], closing[rows] = part.begin, part.end, part.closing
        done += len(part)
    return Shared(steps, columns, begin, end, closing)


def _days(times: NDArray[np.timedelta64]) -> Floats:
    return np.asarray(times / np.timedelta64(1, "D"), np.float64)


def _clean(sums: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Sums of a day without the last bits, in which the order of the rows would show."""
    return np.asarray(np.round(sums, 6), np.float64)
