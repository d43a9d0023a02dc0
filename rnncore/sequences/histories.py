"""Ragged histories, and the padded, time-major arrays that a network reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnncore.errors import ContractError
from rnncore.typing import Array, Lengths


@dataclass(frozen=True, eq=False)
class Histories:
    """N histories laid one behind the other: `values` (sum of all L_i, ...) and `offsets` (N + 1,).

    History i is ``values[offsets[i]:offsets[i + 1]]``. An event log sorted by customer and time is `values` as it
    stands. ContractError where the offsets do not start at 0, fall, or do not end at the number of rows.

    >>> log = Histories(np.array([[1.0], [2.0], [3.0]]), np.array([0, 2, 2, 3]))
    >>> log.lengths
    array([2, 0, 1])
    """

    values: Array
    offsets: Lengths

    def __post_init__(self) -> None:
        """Check the offsets."""
        offsets, rows = np.asarray(self.offsets), len(self.values)
        good = offsets.ndim == 1 and offsets.size > 0 and offsets.dtype.kind in "iu"
        if not good or offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets.astype(np.int64)) < 0).any():
            expected = f"integers that rise from 0 to {rows}, the number of rows in values"
            raise ContractError(
                "offsets", expected, str(offsets), "take numpy.cumsum of the lengths, with a 0 in front"
            )
        object.__setattr__(self, "offsets", offsets.astype(np.int64))

    @classmethod
    def of(cls, histories: Histories | Sequence[Array], name: str = "histories") -> Histories:
        """Take a list of arrays, or `Histories` as they are; ContractError where arrays differ in more than length."""
        if isinstance(histories, Histories):
            return histories
        arrays = [np.asarray(h) for h in histories] if isinstance(histories, Iterable) else []
        if not arrays or any(a.ndim == 0 for a in arrays):
            raise ContractError(
                name, "at least one array with a row per event", f"{histories!r:.60}", "pass one array per history"
            )
        kinds = sorted({f"{a.shape[1:]} {a.dtype}" for a in arrays})
        if len(kinds) > 1:
            raise ContractError(
                name, "equal feature shapes and dtypes", ", ".join(kinds), "an empty history has shape (0, D)"
            )
        return cls(np.concatenate(arrays), np.cumsum([0, *map(len, arrays)]))

    def __len__(self) -> int:
        """The number of histories."""
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> Lengths:
        """The number of events in each history, (N,)."""
        return np.diff(self.offsets)

    def select(self, rows: Array) -> Histories:
        """The histories with True in `rows`, (N,)."""
        steps = np.repeat(rows, self.lengths)
        return Histories(self.values[steps], np.concatenate([[0], np.cumsum(self.lengths[rows])]))

    def arrays(self) -> list[Array]:
        """What the histories are made of."""
        return [self.values, self.offsets]

    def padded(self, rows: Array) -> Array:
        """The histories `rows`, in that order, as (T, n, ...) with zeros past their ends."""
        lengths = self.lengths[rows]
        steps = np.arange(lengths.max(initial=0))[:, None]
        x = np.zeros((len(steps), len(rows), *self.values.shape[1:]), self.values.dtype)
        live = steps < lengths
        x[live] = self.values[(self.offsets[rows] + steps)[live]]
        return x


def longest_first(lengths: Lengths) -> Lengths:
    """Return the order that puts the longest first; equal lengths keep theirs.

    >>> longest_first(np.array([1, 3, 1]))
    array([1, 0, 2])
    """
    return np.argsort(-lengths, kind="stable").astype(np.int64)


def pad(histories: Histories | Sequence[Array]) -> tuple[Array, Lengths, Lengths]:
    """Return x (T, N, ...), lengths (N,) with the longest first, and the order (N,): row k of x is history order[k].

    Equal lengths keep their order. Every history has shape (L, ...) and one dtype, which x takes; L may be 0.

    >>> x, lengths, order = pad([np.array([[1.0]]), np.array([[2.0], [3.0]])])
    >>> x[:, :, 0], lengths, order
    (array([[2., 1.],
           [3., 0.]]), array([2, 1]), array([1, 0]))
    """
    log = Histories.of(histories)
    order = longest_first(log.lengths)
    return log.padded(order), log.lengths[order], order


def unpad(y: Array, lengths: Lengths, order: Lengths) -> list[Array]:
    """Undo `pad`: the list of (L_i, ...) arrays, history i at place i, copied out of y (T, N, ...).

    >>> unpad(*pad([np.array([1.0]), np.array([2.0, 3.0])]))
    [array([1.]), array([2., 3.])]
    """
    places = np.argsort(order)
    return [y[: lengths[k], k].copy() for k in places]


def restore(rows: Array, order: Lengths, axis: int = 0) -> Array:
    """Put rows that came out in `order` back into the order of the histories.

    `axis` is where the rows are: 0 for (N, H), 1 for (T, N, H).

    >>> restore(np.array(["b", "a"]), np.array([1, 0]))
    array(['a', 'b'], dtype='<U1')
    """
    return np.take(rows, np.argsort(order), axis=axis)
