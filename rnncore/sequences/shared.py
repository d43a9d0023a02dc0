"""Histories that are cut from the same steps: the same customers asked at several times, without a copy for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnncore.sequences.histories import Histories
from rnncore.typing import Array, Lengths


class Shared(Histories):
    """N histories, pieces of one array of steps, each followed by a closing step of its own; padded when asked for.

    steps: (S, E), and `columns` (E,): in which of the D columns of a history they stand; the others are 0. begin, end:
    (N,), history i begins with steps[begin[i]:end[i]]. closing: (N, D). `values` puts all of them together: of many
    histories it is large.

    >>> shared = Shared(np.array([[1.0], [2.0]]), [0], np.array([0, 0]), np.array([1, 2]), np.array([[7.0, 1], [8, 1]]))
    >>> shared.padded(np.array([1]))[:, 0].tolist()
    [[1.0, 0.0], [2.0, 0.0], [8.0, 1.0]]
    >>> shared.lengths
    array([2, 3])
    """

    def __init__(self, steps: Array, columns: Sequence[int], begin: Lengths, end: Lengths, closing: Array) -> None:
        offsets = np.concatenate([[0], np.cumsum(end - begin + 1)]).astype(np.int64)
        parts = {"steps": steps, "columns": np.array(columns, np.int64), "begin": begin, "end": end}
        for name, array in {**parts, "closing": closing, "offsets": offsets}.items():
            object.__setattr__(self, name, array)

    steps: Array
    columns: Array
    begin: Lengths
    end: Lengths
    closing: Array

    @property
    def values(self) -> Array:
        """All histories one behind the other, (sum of L_i, D)."""
        n, lengths = len(self), self.end - self.begin
        out = np.zeros((int(self.offsets[-1]), self.closing.shape[1]), self.closing.dtype)
        last = self.offsets[1:] - 1
        out[last] = self.closing
        step = np.ones(len(out), bool)
        step[last] = False
        place = np.arange(int(lengths.sum())) + np.repeat(self.begin - self.offsets[:-1] + np.arange(n), lengths)
        out[np.flatnonzero(step)[:, None], self.columns] = self.steps[place]
        return out

    def padded(self, rows: Array) -> Array:
        """As of `Histories`."""
        lengths = self.end[rows] - self.begin[rows]
        steps = np.arange(lengths.max(initial=-1) + 1)[:, None]
        x = np.zeros((len(steps), len(rows), self.closing.shape[1]), self.closing.dtype)
        live = steps < lengths
        found = self.steps[(self.begin[rows] + steps)[live]]
        for place, column in enumerate(self.columns):  # twice as fast as all at once
            x[..., column][live] = found[:, place]
        x[lengths, np.arange(len(rows))] = self.closing[rows]
        return x

    def select(self, rows: Array) -> Shared:
        """As of `Histories`; the steps stay shared."""
        return Shared(self.steps, list(self.columns), self.begin[rows], self.end[rows], self.closing[rows])

    def arrays(self) -> list[Array]:
        """As of `Histories`."""
        return [self.steps, self.columns, self.begin, self.end, self.closing]
