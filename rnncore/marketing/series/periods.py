"""The periods of a log of series, for `series_windows.py`: days, weeks or months, numbered.

A period is a day; a week where all days of a log are the same day of the week; a month where they are the same day of
the month, or its last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog

Ints = NDArray[np.int64]
SEASON = {"day": 7, "week": 52, "month": 12}


class Clock(NamedTuple):
    """The periods of a log: "day", "week" or "month", and the day at which one begins."""

    every: str
    anchor: int

    @classmethod
    def of(cls, log: EventLog) -> Clock:
        """The longest period that fits all days of the log."""
        days = np.unique(log.day)
        number = days.astype(np.int64)
        month = days.astype("datetime64[M]")
        of_month = (days - month.astype("datetime64[D]")).astype(np.int64)
        if len(days) > 2:
            last = ((month + 1).astype("datetime64[D]") - days).astype(np.int64) == 1
            if (of_month == of_month[0]).all() or last.all():
                return cls("month", 30 if last.all() else int(of_month[0]))
            if (number % 7 == number[0] % 7).all():
                return cls("week", int(number[0] % 7))
        return cls("day", 0)

    def at(self, days: NDArray[np.datetime64]) -> Ints:
        """The number of the last period that has begun on each day."""
        days = np.asarray(days, "datetime64[D]")
        if self.every != "month":
            return np.asarray((days.astype(np.int64) - self.anchor) // (7 if self.every == "week" else 1), np.int64)
        month = days.astype("datetime64[M]").astype(np.int64)
        return np.asarray(month - (days < self.day(month)), np.int64)

    def ahead(self, day: np.datetime64, many: int) -> np.datetime64:
        """The day at which the period begins that is so many after that of a day.

        >>> Clock("month", 30).ahead(np.datetime64("2024-01-31"), 1)
        np.datetime64('2024-02-29')
        """
        return np.datetime64(self.day(self.at(np.array(day)) + many).item(), "D")

    def day(self, period: Ints) -> NDArray[np.datetime64]:
        """The day at which each period begins."""
        period = np.asarray(period, np.int64)
        if self.every != "month":
            return (period * (7 if self.every == "week" else 1) + self.anchor).astype("datetime64[D]")
        month = period.astype("datetime64[M]")
        first, after = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
        days: NDArray[np.datetime64] = np.minimum(first + self.anchor, after - 1)
        return days
