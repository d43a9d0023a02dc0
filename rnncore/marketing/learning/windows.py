"""The windows from which "an event within so many days?" is learned: all customers at each origin of `encoding.ladder`,
as far as the log goes back. Nothing after the day `end` is read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.beside import ENDED
from rnncore.marketing.learning.encoding import Code, Encoded, Standing, Summary, encode, ladder, standing
from rnncore.marketing.log.days import span
from rnncore.marketing.splits import came_after

__all__ = ["ENDED", "Windows", "asked_at", "asked_of", "require_both_outcomes", "stayed", "windows"]

Floats = NDArray[np.float64]


class Windows(NamedTuple):
    """Customers at origins with complete windows, one window after another; arrays (N,)."""

    histories: Encoded
    summary: Summary
    length: Floats
    """Days in the window."""
    returned: Floats
    """1 where there was an event in the window, else 0."""
    person: NDArray[np.int64]
    """Which customer, a position among all those known on the day `end`."""
    newest: NDArray[np.bool_]
    """Whether the window ends on the day `end`."""


def windows(
    log: EventLog, end: np.datetime64, horizon: int, latest: int, masks: bool = False, code: Code | None = None
) -> Windows:
    """The windows that are complete on the day `end`, of a log with one event per customer and day."""
    rungs = [(asked_at(log, origin), origin, length) for origin, length in ladder(end, horizon)]
    rungs = [rung for rung in rungs if len(rung[0].who)]
    encoded, known = encode(log, rungs, horizon, latest, masks, code), log.population(end)
    return Windows(
        encoded,
        encoded.summary,
        length=np.concatenate([np.full(len(who.who), float(length)) for who, _, length in rungs]),
        returned=np.concatenate([stayed(log, origin, length)[who.who] for who, origin, length in rungs]),
        person=np.concatenate([np.searchsorted(known, who.who) for who, _, _ in rungs]),
        newest=np.concatenate([np.full(len(who.who), at + span(length) == end) for who, at, length in rungs]),
    )


def asked_at(log: EventLog, origin: np.datetime64) -> Standing:
    """Everybody who is asked about at `origin`: who is known then and, where contracts end (the static column ENDED),
    whose contract has not.
    """
    who = standing(log, origin)
    if ENDED not in log.static.numbers:
        return who
    still = ~(log.static.numbers[ENDED][who.who] <= origin.astype(np.int64))
    return Standing(*(column[still] for column in who))


def asked_of(log: EventLog, origin: np.datetime64) -> tuple[EventLog, NDArray[np.int64]]:
    """The history until `origin` of everybody who is asked about then, and their positions in the log."""
    history, index = log.until(origin), asked_at(log, origin).who
    if len(index) < len(history.customers):
        history = history.among(np.searchsorted(log.population(origin), index))
    return history, index


def stayed(log: EventLog, origin: np.datetime64, length: int) -> Floats:
    """1 for each customer with an event in the window, or, where contracts end, whose contract did not; (C,).

    DataError where the window does not fit into the log.
    """
    index, count = came_after(log, origin, length)
    if ENDED in log.static.numbers:
        return (~(log.static.numbers[ENDED] <= (origin + span(length)).astype(np.int64))).astype(np.float64)
    came = np.zeros(len(log.customers))
    came[index] = count > 0
    return came


def require_both_outcomes(came: Floats, said: str, who: tuple[str, str] = ("nobody", "everybody")) -> None:
    """DataError where what is said of who came is true of nobody, or of everybody; who: what these two are called."""
    if len(came) == 0 or np.ptp(came) == 0:
        true_of = who[bool(len(came) and came[0])]
        raise DataError(f"{true_of} {said}: there is nothing to tell apart; try another horizon")
