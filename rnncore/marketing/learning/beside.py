"""What is known beside the amounts of events: the calendar, events' further columns, and static columns, as numbers.

In an event step stand the calendar's columns of its day, and the event's own, where a task keeps some; in the closing
step the calendar's mean over the days that are asked about, which are known in advance, the columns of the latest event
again, and the static columns of the customer. All by `features.py`: gaps have a mask, words
that the past has not shown are "other".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import features
from rnncore.marketing.log.columns import Columns
from rnncore.marketing.log.days import span

Code = dict[str, Any]
Rows = NDArray[np.float32]
Ints = NDArray[np.int64]
PARTS = ("calendar", "events", "static")
ENDED = "contract ended"  # static column that a task makes: the day, counted from 1970-01-01, or NaN; never an input


def measure(past: EventLog) -> Code:
    """The code of a log that ends where the past does."""
    known = Columns() if past.calendar is None else calendar(past, past.day, past.codes)  # which then stay in memory
    return {
        "calendar": features.measure(known),
        "events": features.measure(events(past)),
        "static": features.measure(static(past)),
    }


def nothing() -> Code:
    """The code of no columns."""
    return {part: features.measure(Columns()) for part in PARTS}


def names(code: Code) -> list[str]:
    """What the columns of a closing step are called, those of an event step first."""
    return [name for part in PARTS for name in features.names(code[part])]


def static(log: EventLog) -> Columns:
    """The columns of the customers."""
    numbers = {name: column for name, column in log.static.numbers.items() if name != ENDED}
    return Columns(numbers, log.static.categories)


def events(log: EventLog) -> Columns:
    """The further columns of the events."""
    return Columns(log.cells.numbers, log.cells.categories)


def steps(log: EventLog, code: Code) -> Rows:
    """The calendar's columns on the day of each event, and those of the event, (n, C + E)."""
    days = _days(log, code)
    if not features.names(code["events"]):
        return days
    return np.concatenate([days, features.encode(events(log), code["events"])], axis=1)


def _days(log: EventLog, code: Code) -> Rows:
    if not features.names(code["calendar"]):
        return np.zeros((len(log), 0), np.float32)
    if log.calendar is None or log.calendar.customers is None:
        days, place = np.unique(log.day, return_inverse=True)
        return features.encode(calendar(log, days, np.zeros(len(days), np.int64)), code["calendar"])[place]
    return features.encode(calendar(log, log.day, log.codes), code["calendar"])


def closing(log: EventLog, index: Ints, last: Ints, origin: np.datetime64, length: int, code: Code) -> Rows:
    """The calendar's columns, their mean over the `length` days after the origin, those of the latest event known then,
    at the positions `last`, and the static ones, (N, C + E + S).
    """
    parts = [np.zeros((len(index), 0), np.float32)]
    if features.names(code["calendar"]):
        mean = np.zeros((1, 1))
        for ahead in range(1, length + 1):
            who = index if log.calendar is not None and log.calendar.customers is not None else index[:1]
            days = np.full(len(who), origin + span(ahead))
            mean = mean + features.encode(calendar(log, days, who), code["calendar"]) / length
        parts.append(np.broadcast_to(mean, (len(index), mean.shape[1])).astype(np.float32))
    if features.names(code["events"]):
        parts.append(features.encode(events(log).take(last), code["events"]))
    if features.names(code["static"]):
        parts.append(features.encode(static(log), code["static"])[index])
    return np.concatenate(parts, axis=1)


def calendar(log: EventLog, days: NDArray[np.datetime64], who: Ints) -> Columns:
    """What is known in advance of these days for these customers (positions); nothing where there is no calendar."""
    if log.calendar is None:
        return Columns()
    found = log.calendar.at(days, log.customers[who])
    return Columns(found.numbers, found.categories)
