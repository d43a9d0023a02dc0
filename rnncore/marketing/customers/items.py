"""Which item comes after which: the histories of a log of items, ranks among all items, and four simple methods.

Items are numbered by popularity from 1; 0 is OTHER, any item that is not known, and never comes. A history is the items
low to high of the log, `items[low:high]`. Of equal scores the smaller number ranks first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rnncore.marketing.events import EventLog
from rnncore.marketing.log.columns import OTHER
from rnncore.sequences import Histories

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
WINDOW = 5  # items before, and items after, that count as near


class Items(NamedTuple):
    """The items of a log, event by event, and what was there before each."""

    ids: Ints
    """(n,)."""
    low: Ints
    """Where the history of each event begins, (n,)."""
    high: Ints
    """Where it ends: the first event that is not before this one, (n,)."""
    who: Ints
    """Position of each event's customer, (n,)."""
    start: Ints
    """Where each event's customer begins, (n,)."""

    @property
    def askable(self) -> Ints:
        """The events with a known item and a history, ascending."""
        return np.flatnonzero((self.ids != OTHER) & (self.high > self.low))

    def before(self, events: Ints, until: Ints, latest: int) -> Histories:
        """The latest items of the history of each of the events (N,), which ends at `until` (N,)."""
        return cut(self.ids, np.maximum(self.low[events], until - latest), until)

    def popularity(self, V: int) -> Floats:
        """How often each of V items came, (V,); OTHER never."""
        return np.bincount(self.ids[self.ids != OTHER], minlength=V).astype(np.float64)


class Choice(NamedTuple):
    """What each of N rows can be answered with."""

    shut: NDArray[np.bool_]
    """Which of the V items are not on offer, (V,); OTHER never is."""
    names: list[str]
    """Of items 1 to V - 1."""
    had: Histories
    """The items that cannot come in each row because the customer has had them."""

    @property
    def barred(self) -> NDArray[np.bool_]:
        """Which items cannot come, (N, V)."""
        barred = np.repeat(self.shut[None], len(self.had), axis=0)
        barred[np.repeat(np.arange(len(self.had)), self.had.lengths), self.had.values] = True
        return barred

    def some(self, rows: NDArray[np.bool_]) -> Choice:
        """That of the rows with True, (N,)."""
        return self._replace(had=self.had.select(rows))


def items_of(log: EventLog, known: Sequence[str], session: float | None = None) -> Items:
    """The items of a log; with `session` a history begins where so many days had passed without an event.

    Events of one time are not before each other unless the log was read with a column `order`.

    >>> import polars as pl
    >>> days = ["2024-01-01", "2024-01-01", "2024-01-03"]
    >>> frame = pl.DataFrame({"id": [1, 1, 1], "day": days, "what": ["a", "b", "a"]})
    >>> found = items_of(EventLog(frame, customer="id", time="day", item="what"), ["a", "b"])
    >>> found.ids, found.high
    (array([1, 2, 1]), array([0, 0, 2]))
    """
    n, own = len(log), np.repeat(log.offsets[:-1], np.diff(log.offsets))
    place = np.arange(n)
    first = place == own
    high = place
    if "order" not in log.reading:
        later = first | (log.time != np.roll(log.time, 1))
        high = np.maximum.accumulate(np.where(later, place, 0))
    low = own
    if session is not None:
        gap = np.diff(log.time, prepend=log.time[:1]) / np.timedelta64(1, "D")
        low = np.maximum.accumulate(np.where(first | (gap > session), place, 0))
    return Items(log.category("item").coded(known), low, high, log.codes, own)


def cut(steps: NDArray[Any], low: Ints, high: Ints) -> Histories:
    """The histories `steps[low:high]`, one per row."""
    lengths = high - low
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Histories(steps[np.arange(offsets[-1]) + np.repeat(low - offsets[:-1], lengths)], offsets)


def counted_in(histories: Histories, V: int) -> sparse.csr_array:
    """How often each of V items is in each history, (N, V)."""
    ones, items = np.ones(len(histories.values)), histories.values.copy()  # which the next lines sort in their place
    found = sparse.csr_array((ones, items, histories.offsets.copy()), shape=(len(histories), V))
    found.sum_duplicates()
    return found


def rank(scores: Array, barred: NDArray[np.bool_], target: Ints) -> Floats:
    """The rank of `target` among all items that are not barred, (N,), from scores >= 0, (N, V); 1 is the best.

    NaN where a score of the row is NaN: such a row is no answer, and what is judged must be finite.

    >>> rank(np.array([[0.0, 0.2, 0.5, 0.5]]), np.array([[True, False, False, False]]), np.array([3]))
    array([2.])
    """
    unknown = np.isnan(scores).any(axis=1)
    scores = np.where(barred, -1.0, scores)
    own = np.take_along_axis(scores, target[:, None], axis=1)
    tied_before = (scores == own) & (np.arange(scores.shape[1]) < target[:, None])
    return np.where(unknown, np.nan, 1 + ((scores > own) | tied_before).sum(axis=1))


def simple_scores(past: Items, histories: Histories, V: int) -> dict[str, Floats]:
    """Scores (N, V) >= 0 of each simple method, learned from the past, for these histories.

    popularity     how often the item came
    Markov-1       how often it came right after the last item
    window-Markov  how often it came within five steps after an item, summed over the last five
    item-kNN       cosine of the customers of two items, summed over the history (Sarwar et al. 2001)
    """
    N = len(histories)
    came = np.flatnonzero(past.ids != OTHER)
    near = sum(_pairs(past, back, V) for back in range(1, WINDOW + 1))
    ends = histories.offsets[1:]
    window = cut(histories.values, np.maximum(histories.offsets[:-1], ends - WINDOW), ends)
    last = cut(histories.values, np.maximum(histories.offsets[:-1], ends - 1), ends)
    whose = sparse.csr_array((np.ones(len(came)), (past.who[came], past.ids[came])), shape=(past.who.max() + 1, V))
    whose.data[:] = 1.0  # had it at all
    length = np.sqrt(np.maximum(np.asarray(whose.sum(axis=0)), 1.0))
    unit = whose @ sparse.diags_array(1 / length)
    alike = sparse.csr_array(unit.T @ unit)
    alike.setdiag(0.0)
    seen = counted_in(histories, V)
    seen.data[:] = 1.0
    return {
        "popularity": np.broadcast_to(past.popularity(V), (N, V)),
        "Markov-1": (counted_in(last, V) @ _pairs(past, 1, V)).toarray(),
        "window-Markov": (counted_in(window, V) @ near).toarray(),
        "item-kNN": (seen @ alike).toarray(),
    }


def _pairs(past: Items, back: int, V: int) -> sparse.csr_array:
    """How often an item came `back` steps after another one, (V, V); OTHER is a place to come from."""
    after = past.askable
    after = after[past.high[after] - back >= past.low[after]]
    before = past.ids[past.high[after] - back]
    return sparse.csr_array((np.ones(len(after)), (before, past.ids[after])), shape=(V, V))
