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
ENDED = "contract ended"  # static column: the day, counted from 1970-01-01, or NaN


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


def windows(log: EventLog, end: np.datetime64, horizon: int, latest: int, masks: bool = False) -> Windows:
    """The windows that are complete on the day `end`, of a log with one event per customer and day."""
    known = log.population(end)
    parts = []
    for origin, length in ladder(end, horizon):
        history, index = asked_of(log, origin)
        n = len(index)
        if n == 0:
            continue
        parts.append(
            Windows(
                encode(history, origin, length, horizon, latest, masks),
                summarise(history, origin),
                np.full(n, float(length)),
                stayed(log, origin, length)[index],
                np.searchsorted(known, index),
                np.full(n, origin + span(length) == end),
            )
        )
    histories, summaries, *columns = zip(*parts, strict=True)
    summary = Summary(*(np.concatenate(column) for column in zip(*summaries, strict=True)))
    return Windows(join(list(histories)), summary, *(np.concatenate(column) for column in columns))


def asked_of(log: EventLog, origin: np.datetime64) -> tuple[EventLog, NDArray[np.int64]]:
    """The history until `origin` of everybody who is asked about, and their positions in the log.

    Where contracts end (the static column ENDED), nobody is whose contract has ended by then.
    """
    history, index = log.until(origin), log.population(origin)
    if ENDED not in log.static.numbers:
        return history, index
    still = ~(log.static.numbers[ENDED][index] <= origin.astype(np.int64))
    return history.among(np.flatnonzero(still)), index[still]


def stayed(log: EventLog, origin: np.datetime64, length: int) -> Floats:
    """1 for each customer with an event in the window, or, where contracts end, whose contract did not; (C,).

    DataError where the window does not fit into the log.
    """
    window = cut(log, origin, length)
    if ENDED in log.static.numbers:
        return (~(log.static.numbers[ENDED] <= (origin + span(length)).astype(np.int64))).astype(np.float64)
    came = np.zeros(len(log.customers))
    came[window.index] = window.count > 0
    return came


def require_both_outcomes(returned: Floats, where: str) -> None:
    """DataError where nobody, or everybody, came back."""
    if len(returned) == 0 or np.ptp(returned) == 0:
        who = "everybody" if len(returned) and returned[0] else "nobody"
        raise DataError(f"{who} has an event in {where}: there is nothing to tell apart; try another horizon")
