"""The periods of a log of series, for `series_windows.py`: days, weeks, months, quarters or years, numbered.

A period is a day; a week where all days of a log are the same day of the week; a month where they are the same day of
the month, or its last; a quarter or a year where they are that of every third or twelfth month. Days that differ (the
last working day, a holiday gone round) make calendar periods where at least nine of ten have one day and none has two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog

Ints = NDArray[np.int64]
SEASON = {"day": 7, "week": 52, "month": 12, "quarter": 4, "year": 1}
MONTHS = {"year": 12, "quarter": 3, "month": 1}
_OF_MONTH = 31  # days that a month may have: an anchor is a month of the period and a day of that month
_MONDAY = 4  # of the days since 1970-01-01, a Thursday
REGULAR = 12  # days, from which on calendar periods are told


class Clock(NamedTuple):
    """The periods of a log: "day", "week", "month", "quarter" or "year", and the day at which one begins."""

    every: str
    anchor: int

    @classmethod
    def of(cls, log: EventLog) -> Clock:
        """The longest period that fits all days of the log."""
        days = np.unique(log.day)
        if len(days) < 3:
            return cls("day", 0)
        number, month = days.astype(np.int64), days.astype("datetime64[M]")
        of_month = (days - month.astype("datetime64[D]")).astype(np.int64)
        last = ((month + 1).astype("datetime64[D]") - days).astype(np.int64) == 1
        if (of_month == of_month[0]).all() or last.all():
            day, month = _OF_MONTH - 1 if last.all() else int(of_month[0]), month.astype(np.int64)
            every = next(every for every, many in MONTHS.items() if (month % many == month[0] % many).all())
            return cls(every, int(month[0]) % MONTHS[every] * _OF_MONTH + day)
        if (number % 7 == number[0] % 7).all():
            return cls("week", int(number[0] % 7))
        found = [clock for clock in (*(cls(every, 0) for every in MONTHS), cls("week", _MONDAY)) if clock._fits(days)]
        return found[0] if found else cls("day", 0)

    def _fits(self, days: NDArray[np.datetime64]) -> bool:
        """Whether nine of ten periods have one of these days, in order, and none has two."""
        period = self.at(days)
        many = period[-1] - period[0] + 1
        return len(days) >= REGULAR and bool((np.diff(period) > 0).all()) and len(days) >= 0.9 * many

    def at(self, days: NDArray[np.datetime64]) -> Ints:
        """The number of the last period that has begun on each day."""
        days = np.asarray(days, "datetime64[D]")
        if self.every not in MONTHS:
            return np.asarray((days.astype(np.int64) - self.anchor) // (7 if self.every == "week" else 1), np.int64)
        month = days.astype("datetime64[M]").astype(np.int64)
        period = (month - self.anchor // _OF_MONTH) // MONTHS[self.every]
        return np.asarray(period - (days < self.day(period)), np.int64)

    def ahead(self, day: np.datetime64, many: int) -> np.datetime64:
        """The day at which the period begins that is so many after that of a day.

        >>> Clock("month", 30).ahead(np.datetime64("2024-01-31"), 1)
        np.datetime64('2024-02-29')
        """
        return np.datetime64(self.day(self.at(np.array(day)) + many).item(), "D")

    def day(self, period: Ints) -> NDArray[np.datetime64]:
        """The day at which each period begins."""
        period = np.asarray(period, np.int64)
        if self.every not in MONTHS:
            return (period * (7 if self.every == "week" else 1) + self.anchor).astype("datetime64[D]")
        month = (period * MONTHS[self.every] + self.anchor // _OF_MONTH).astype("datetime64[M]")
        first, after = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
        days: NDArray[np.datetime64] = np.minimum(first + self.anchor % _OF_MONTH, after - 1)
        return days
