"""Calendar days: what a caller may give for one, and sums of days."""

from __future__ import annotations

import datetime
import re
from contextlib import suppress
from typing import Any

import numpy as np

from rnncore.errors import ContractError

Day = np.datetime64 | datetime.date | str
_WHOLE = re.compile(r"\d{4}-\d{2}-\d{2}")


def to_day(day: Day, argument: str = "day") -> np.datetime64:
    """A calendar day as datetime64[D], from a date, a datetime64 or ISO text of a whole date.

    ContractError, naming `argument`, for anything else: a month alone is no day, and a text with a clock time would
    have to be cut.

    >>> str(to_day(datetime.date(1997, 12, 31)))
    '1997-12-31'
    """
    anything: Any = day
    result: np.datetime64 | None = None
    if isinstance(day, (datetime.date, np.datetime64)) or (isinstance(day, str) and _WHOLE.fullmatch(day.strip())):
        with suppress(ValueError):
            result = np.datetime64(anything.strip() if isinstance(day, str) else anything, "D")
    if result is None or np.isnat(result):
        raise ContractError(
            argument, "a whole calendar day (a date, a numpy datetime64 or ISO text)", repr(day), 'say "1997-12-31"'
        )
    return result


def span(number: int) -> np.timedelta64:
    """So many days, to be added to a day; NumPy 2.5 gives up adding bare numbers.

    >>> str(to_day("2024-02-28") + span(2))
    '2024-03-01'
    """
    return np.timedelta64(int(number), "D")


def days_between(start: np.datetime64, end: np.datetime64) -> int:
    """Calendar days from `start` to `end`."""
    return int((end - start).astype(np.int64))
