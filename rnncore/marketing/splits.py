"""Cuts in time: what a model may see and what it is asked, with a gap as long as the horizon.

At an origin, history is every event on or before that day; the label window is (origin, origin + horizon]. A model that
is judged at the test origin must not be trained on labels that reach past it, so

    train origin   + horizon  <=  test origin
    test origin    + horizon  <=  last day of the log

Only customers whose first event is on or before an origin belong to that origin.

A table without times is cut by chance: one in ASIDE judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnncore.errors import ContractError, DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.log.days import Day, days_between, span, to_day

ASIDE = 5  # of a table, one customer in so many is set aside


@dataclass(frozen=True)
class Window:
    """One origin of one log: the histories before it, and what came in the `horizon` days after it.

    history: the log until the origin. index: position of each of its customers in the whole log's `customers`.
    count, value: events and their value in the label window, one per customer of `history`; value is None if the log
        has none.
    """

    origin: np.datetime64
    horizon: int
    history: EventLog
    index: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class TimeSplit:
    """The newest origin for training and the one for testing; days of horizon.

    ContractError if the label window of the one reaches past the other.
    """

    horizon: int
    train: np.datetime64
    test: np.datetime64

    def __post_init__(self) -> None:
        if self.train + span(self.horizon) > self.test:
            advice = f"its labels reach to {self.train + span(self.horizon)}, past {self.test}"
            wanted = f"an origin at least {counted(self.horizon, 'day')} before {self.test}"
            raise ContractError("train", wanted, str(self.train), advice)


def cut(log: EventLog, origin: Day, horizon: int) -> Window:
    """Histories until `origin` and labels of the `horizon` days after it.

    DataError if the log does not reach to the end of the window, or if nobody has an event on or before the origin.
    """
    index, count = came_after(log, origin, horizon)
    day = to_day(origin)
    value = None if log.value is None else log.value_between(day, day + span(horizon))[index]
    return Window(day, horizon, log.until(day), index, count, value)


def came_after(log: EventLog, origin: Day, horizon: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of everybody known at the origin, and their events in the window; errors as in `cut`."""
    day = to_day(origin)
    require_horizon(horizon)
    longest = days_between(day, log.last_day)
    if horizon > longest:
        advice = (
            f"the longest horizon from there is {counted(longest, 'day')}"
            if longest > 0
            else "the origin must be earlier"
        )
        raise DataError(
            f"a window of {counted(horizon, 'day')} after {day} does not fit: the log ends on {log.last_day}; {advice}"
        )
    index = log.population(day)
    if len(index) == 0:
        raise DataError(f"no customer has an event on or before {day}; the log begins on {log.first_day}")
    return index, log.count_between(day, day + span(horizon))[index]


def time_split(log: EventLog, horizon: int, *, test: Day | None = None) -> TimeSplit:
    """The latest origins that the log allows.

    horizon: days of a label window. test: the test origin; by default `horizon` days before the log ends.

    DataError, which names the longest horizon that works, if the log is too short; if fewer than two customers can be
    trained on.

    >>> from rnncore.datasets import cdnow
    >>> split = time_split(EventLog(cdnow(), customer="customer", time="date", value="amount"), 181)
    >>> str(split.train), str(split.test)
    ('1997-07-03', '1997-12-31')
    """
    require_horizon(horizon)
    if len(log.customers) < 2:
        raise DataError("the log has one customer only; at least 2 are needed to train on and compare")
    _require_length(log, horizon, None if test is None else to_day(test))
    last = log.last_day - span(horizon) if test is None else to_day(test)
    train = last - span(horizon)
    if (n := len(log.population(train))) < 2:
        raise DataError(f"{n} of the customers has an event by {train}, the newest training origin; 2 are needed")
    return TimeSplit(horizon, train, last)


def set_aside(log: EventLog, alike: npt.NDArray[np.int64] | None = None) -> EventLog:
    """A table with one customer in ASIDE, always the same, a day later than the others.

    alike: a number from 0 on for each, (C,); those of equal numbers stay together. None: each is by itself.
    """
    alike = np.arange(len(log.customers)) if alike is None else alike
    many = int(alike.max()) + 1
    late = (np.random.default_rng(0).permutation(many) < many // ASIDE)[alike]
    return log._derive(time=np.where(late, log.time, log.time - span(1)))


def rolling_origins(log: EventLog, horizon: int, count: int, *, step: int | None = None) -> list[np.datetime64]:
    """The `count` latest test origins, `step` days apart (by default the horizon), the oldest first.

    `task.fit(log, origins=count)` judges a task at such days, and reads nothing later than each window; where nothing
    happened on one, at those before it. DataError where the log is too short to train before the oldest of them.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount")
    >>> [str(origin) for origin in rolling_origins(log, 90, 3)]
    ['1997-10-03', '1998-01-01', '1998-04-01']
    """
    require_horizon(horizon)
    for name, number in (("count", count), ("step", 1 if step is None else step)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ContractError(name, "a whole number, at least 1", repr(number), "it is a number of origins or days")
    apart = horizon if step is None else step
    origins = [log.last_day - span(horizon + k * apart) for k in reversed(range(count))]
    time_split(log, horizon, test=origins[0])  # says why a log is too short
    return origins


def require_horizon(horizon: int) -> None:
    """ContractError unless the horizon is a whole number of days, at least 1."""
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
        raise ContractError("horizon", "a whole number of days, at least 1", repr(horizon), "for example 90")


def _require_length(log: EventLog, horizon: int, test: np.datetime64 | None) -> None:
    """DataError if a horizon before the test origin, or one after it, leaves the log."""
    first, last = log.first_day, log.last_day
    whole = days_between(first, last)
    if test is None:
        longest = whole // 2
        need = f"2 windows of it one after another (the last to judge by) need {2 * horizon}"
    else:
        before, after = days_between(first, test), days_between(test, last)
        longest = min(after, before)
        need = f"{before} are before the test origin {test}, where {horizon} are needed, and {after} after"
    if horizon > longest:
        works = f"the longest horizon that works is {counted(longest, 'day')}" if longest > 0 else "no horizon works"
        runs = f"the log runs from {first} to {last} ({counted(whole, 'day')})"
        raise DataError(f"a horizon of {counted(horizon, 'day')} does not fit: {runs}; {need}; {works}")
