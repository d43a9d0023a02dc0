"""What a model reads of a customer at an origin: a sequence of events for a network, four numbers for a simple method.

    event step    log days since the event before | log value | log items | 0 | 0 | 0 | 0
    ...           (0 for the first event)
    closing step  log days since the last event   | 0 | 0 | 1 | log events so far | log age in days | log length/horizon

Where the past has empty cells of value or items, two more columns say so: 1 in event steps whose cell is empty, which
then count as average ones. Of negative amounts the logarithm is that of their size, with a minus. Behind them stand the
columns of the calendar and, in the closing step, of the customer: see `beside.py`. The network reads all to scale:
`scaling.py`.

The log (EventLog.per_day) has one event per customer and day. The closing step asks the question: is there an event
within `length` days of the origin? One network can so be trained on windows of several lengths, see `ladder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import beside
from rnncore.marketing.learning.features import signed_log
from rnncore.marketing.log.days import span

Floats = NDArray[np.float64]
Code = dict[str, Any]
COLUMNS = ("gap", "value", "items", "closing", "events", "age", "length")
EMPTY = ("value empty", "items empty")
EVENT = slice(1, 3)  # columns that mean something in event steps only
MARK = 3
DAYS = np.dtype("datetime64[D]")


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
        since=_days(origin - log.time[who.end - 1].astype(DAYS)),
        events=(who.end - who.begin).astype(np.float64),
        value=value,
        age=_days(origin - log.time[who.begin].astype(DAYS)),
    )


def has_gaps(log: EventLog) -> bool:
    """Whether a value or a number of items is missing."""
    return any(column is not None and bool(np.isnan(column).any()) for column in (log.value, log.items))


def names(masks: bool, code: Code) -> list[str]:
    """What each of the D columns is called."""
    return [*COLUMNS, *(EMPTY if masks else ()), *beside.names(code)]


def called(names: list[str], log: EventLog) -> list[str]:
    """Names of columns for a person: where the log has no items, their column counts the events of a day."""
    counts = log.items is None and tuple(names[: len(COLUMNS)]) == COLUMNS
    return ["events of the day" if counts and name == "items" else name for name in names]


class Encoded(NamedTuple):
    """N histories, unscaled; a column of their steps is computed when it is asked for, and none stays in float64."""

    log: EventLog
    columns: list[int]
    """Those that are not always 0 in an event step."""
    days: NDArray[np.float32]
    """The columns beside each event, (n, C)."""
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    """Where the events read of each history begin in the log, and end, (N,)."""
    summary: Summary
    length: Floats
    """Log of the days asked about over the horizon, (N,)."""
    further: NDArray[np.float32]
    """The columns beside the events in closing steps, (N, B)."""
    width: int
    """D, the number of columns of a step."""

    def event(self, column: int) -> Floats:
        """A column of all events of the log, (n,), NaN where a cell is empty."""
        if column == 0:
            day = self.log.time.astype(DAYS)  # `log.day` would stay in memory
            gap = _days(np.diff(day, prepend=day[:1]))
            gap[self.log.offsets[:-1]] = 0.0
            return signed_log(gap)
        if (beside := self._beside(column)) >= 0:
            return self.days[:, beside].astype(np.float64)
        if column in (EVENT.start, len(COLUMNS)):
            cells: NDArray[Any] = np.zeros(len(self.log)) if self.log.value is None else self.log.value
        else:
            cells = self.log.count if self.log.items is None else self.log.items
        return signed_log(_clean(cells)) if column < MARK else np.isnan(cells).astype(np.float64)

    def closing(self, column: int) -> Floats:
        """A column of all closing steps, (N,)."""
        if (beside := self._beside(column)) >= 0:
            return self.further[:, beside].astype(np.float64)
        if column in (0, 5):
            return np.asarray(np.log1p(self.summary.age if column else self.summary.since), np.float64)
        if column in (4, 6):
            return self.length.copy() if column == 6 else np.log(self.summary.events)
        return np.full(len(self.end), float(column == MARK))

    def _beside(self, column: int) -> int:
        return column - self.width + int(self.further.shape[1])


def encode(
    log: EventLog,
    asked: Sequence[tuple[Standing, np.datetime64, int]],
    horizon: int,
    latest: int,
    masks: bool = False,
    code: Code | None = None,
) -> Encoded:
    """The steps above of the `latest` events until the origin of each customer, and the closing step.

    asked: customers, their origin and the length of the window, one window after the other; later events are in no
    history. masks: whether two columns say which cells are empty. code: of `beside`. The closing step counts all
    events, and the first event kept has its true distance from the one before.
    """
    code = beside.nothing() if code is None else code
    now = [summarise(log, origin, who) for who, origin, _ in asked]
    days, width = beside.steps(log, code), len(names(masks, code))
    beyond = range(len(COLUMNS), len(COLUMNS) + len(EMPTY) * masks + days.shape[1])
    return Encoded(
        log,
        [*range(MARK), *beyond],
        days,
        begin=np.concatenate([np.maximum(who.begin, who.end - latest) for who, _, _ in asked]),
        end=np.concatenate([who.end for who, _, _ in asked]),
        summary=Summary(*map(np.concatenate, zip(*now, strict=True))),
        length=np.concatenate([np.full(len(who.who), np.log(length / horizon)) for who, _, length in asked]),
        further=np.concatenate(
            [beside.closing(log, who.who, who.end - 1, at, length, code) for who, at, length in asked]
        ),
        width=width,
    )


def _days(times: NDArray[np.timedelta64]) -> Floats:
    return np.asarray(times / np.timedelta64(1, "D"), np.float64)


def _clean(sums: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Sums of a day without the last bits, in which the order of the rows would show."""
    return np.asarray(np.round(sums, 6), np.float64)
