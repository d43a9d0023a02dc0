"""The windows from which "an event within so many days?" is learned: all customers at each origin of `encoding.ladder`,
as far as the log goes back. Nothing after the day `end` is read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.days import span
from rnncore.marketing.encoding import Summary, encode, join, ladder, summarise
from rnncore.marketing.events import EventLog
from rnncore.marketing.splits import cut
from rnncore.sequences import Histories

Floats = NDArray[np.float64]


class Windows(NamedTuple):
    """Customers at origins with complete windows, one window after another; arrays (N,)."""

    histories: Histories
    """Encoded, unscaled."""
    summary: Summary
    length: Floats
    """Days in the window."""
    returned: Floats
    """1 where there was an event in the window, else 0."""
    person: NDArray[np.int64]
    """Which customer, a position among all those known on the day `end`."""
    newest: NDArray[np.bool_]
    """Whether the window ends on the day `end`."""


def windows(log: EventLog, end: np.datetime64, horizon: int, latest: int) -> Windows:
    """The windows that are complete on the day `end`, of a log with one event per customer and day."""
    known = log.population(end)
    parts = []
    for origin, length in ladder(end, horizon):
        if len(log.population(origin)) == 0:
            continue
        window = cut(log, origin, length)
        n = len(window.index)
        parts.append(
            Windows(
                encode(window.history, origin, length, horizon, latest),
                summarise(window.history, origin),
                np.full(n, float(length)),
                (window.count > 0).astype(np.float64),
                np.searchsorted(known, window.index),
                np.full(n, origin + span(length) == end),
            )
        )
    histories, summaries, *columns = zip(*parts, strict=True)
    summary = Summary(*(np.concatenate(column) for column in zip(*summaries, strict=True)))
    return Windows(join(list(histories)), summary, *(np.concatenate(column) for column in columns))


def require_both_outcomes(returned: Floats, where: str) -> None:
    """DataError where nobody, or everybody, came back."""
    if len(returned) == 0 or np.ptp(returned) == 0:
        who = "everybody" if len(returned) and returned[0] else "nobody"
        raise DataError(f"{who} has an event in {where}: there is nothing to tell apart; try another horizon")
