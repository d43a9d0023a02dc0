"""Ragged histories and the padded, time-major arrays that a network reads; minibatches by length.

histories    N arrays, history i of shape (L_i, ...): one row an event, the oldest first; L_i may be 0
x            (T, n, ...) time-major, T the longest length; zeros past a row's end
lengths      (n,) the longest first, as the contract wants it
order        (n,) row k of x is history order[k]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.typing import Array, Lengths

__all__ = ["Batch", "Histories", "Minibatches", "pad", "restore", "unpad", "with_gaps"]


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
        arrays = [np.asarray(h) for h in histories]
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

    def padded(self, rows: Array) -> Array:
        """The histories `rows`, in that order, as (T, n, ...) with zeros past their ends."""
        lengths = self.lengths[rows]
        steps = np.arange(lengths.max(initial=0))[:, None]
        x = np.zeros((len(steps), len(rows), *self.values.shape[1:]), self.values.dtype)
        live = steps < lengths
        x[live] = self.values[(self.offsets[rows] + steps)[live]]
        return x


def with_gaps(values: ArrayLike, times: ArrayLike) -> Array:
    """Return one history with gaps (L, 3D) as `rnncore.GRUD` reads it: values, masks and elapsed times side by side.

    values: (L, D) with NaN where a value is missing, which becomes 0 under a mask of 0. times: (L,) in any unit, rising
    or equal. An elapsed time is that since the feature was last observed before the step, or since the first step (Che
    et al. 2018, eq. 2). The dtype is that of values. ContractError where shapes differ, or times fall or are not
    finite.

    >>> with_gaps([[1.0, np.nan], [np.nan, np.nan], [2.0, 5.0]], times=[0, 1, 3])
    array([[1., 0., 1., 0., 0., 0.],
           [0., 0., 0., 0., 1., 1.],
           [2., 5., 1., 1., 3., 3.]])
    """
    v, s = np.asarray(values), np.asarray(times, float if np.size(times) == 0 else None)
    checks.array("values", v, ("L", "D"), None, "one row for each step, NaN where a value is missing")
    if s.shape != v.shape[:1] or s.dtype.kind not in "iuf" or not np.isfinite(s).all() or (np.diff(s) < 0).any():
        came = f"shape {s.shape}, dtype {s.dtype}" + (
            "" if s.dtype.kind not in "iuf" else ", or falling, or not finite"
        )
        raise ContractError("times", f"{len(v)} finite numbers that do not fall", came, "sort the steps by time")
    observed = ~np.isnan(v)
    clock = np.repeat(s.astype(np.float64)[:, None], v.shape[1], axis=1)
    last = np.maximum.accumulate(np.where(observed, clock, clock[:1]), axis=0)
    elapsed = clock - np.concatenate([clock[:1], last[:-1]])
    return np.concatenate([block.astype(v.dtype) for block in (np.where(observed, v, 0), observed, elapsed)], axis=1)


def _longest_first(lengths: Lengths) -> Lengths:
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
    order = _longest_first(log.lengths)
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


class Batch(NamedTuple):
    """One minibatch, the longest history first.

    x (T, n, ...); lengths (n,); target (n, ...) per history or (T, n, ...) per step; weight (n,) or (T, n) or None;
    rows (n,): which histories these are.
    """

    x: Array
    lengths: Lengths | None
    target: Array
    weight: Array | None = None
    rows: Lengths | None = None


class Minibatches:
    """Minibatches of histories of similar length, in an order that is a pure function of (seed, epoch).

    histories: a list of (L_i, ...) arrays, or `Histories`. target: an array (N, ...) with one target per history, or,
    for a target per step, a list of (L_i, ...) arrays or `Histories`. weight: None, (N,) per history, or (L_i,) arrays
    per step. Each epoch shuffles the histories, sorts every `pool` batches of them by length, cuts, and shuffles the
    batches: every history comes once, with little padding, beside other histories in every epoch. pool=1 is a plain
    shuffle. ContractError where the arguments do not fit each other or a weight is negative or NaN.

    >>> batches = Minibatches([np.ones((n, 3)) for n in (1, 4, 2, 4)], np.arange(4.0), batch_size=2)
    >>> len(batches), sorted(batches.batch(epoch=0, step=step).x.shape for step in range(2))
    (2, [(2, 2, 3), (4, 2, 3)])
    """

    def __init__(
        self,
        histories: Histories | Sequence[Array],
        target: Histories | Sequence[Array] | ArrayLike,
        weight: Histories | Sequence[Array] | ArrayLike | None = None,
        *,
        batch_size: int = 32,
        seed: int = 0,
        pool: int = 16,
    ) -> None:
        self.histories = Histories.of(histories)
        self.target = self._column("target", target)
        self.weight = None if weight is None else self._column("weight", weight)
        self.batch_size = checks.size("batch_size", batch_size)
        self.seed, self.pool = checks.size("seed", seed, least=0), checks.size("pool", pool)
        self._epoch: tuple[int, Lengths, Lengths] | None = None
        if not len(self.histories):
            raise ContractError("histories", "at least one history", "none", "there is nothing to learn from")
        self._check_weight()

    def _column(self, name: str, given: Any) -> Histories | Array:
        """One row per history (an array) or one per step (Histories), checked against the histories."""
        per_step = isinstance(given, (list, tuple)) and any(np.ndim(row) for row in given)
        column = Histories.of(given, name) if per_step or isinstance(given, Histories) else np.asarray(given)
        if isinstance(column, Histories):
            if not np.array_equal(column.offsets, self.histories.offsets):
                raise ContractError(
                    name, "one row for each step of each history", "other lengths", "give every event one row"
                )
        elif column.ndim == 0 or len(column) != len(self.histories):
            raise ContractError(
                name, f"{len(self.histories)} rows", f"shape {column.shape}", "give every history one row"
            )
        return column

    def _check_weight(self) -> None:
        if self.weight is None:
            return
        if isinstance(self.weight, Histories) and not isinstance(self.target, Histories):
            raise ContractError("weight", "one per history, as the target", "one per step", "pass an array (N,)")
        numbers = self.weight.values if isinstance(self.weight, Histories) else self.weight
        if numbers.ndim != 1 or not np.isfinite(numbers).all() or (numbers < 0).any():
            raise ContractError(
                "weight", "one finite number >= 0 each", f"shape {numbers.shape}, or NaN, or below 0", "0 leaves out"
            )

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.histories) // self.batch_size)

    def _order(self, epoch: int) -> tuple[Lengths, Lengths]:
        """The histories of this epoch, similar lengths together, and the order in which batches are cut from them."""
        if self._epoch is None or self._epoch[0] != epoch:
            # spawn_key: a stream of its own, apart from the dropout's default_rng([seed, epoch, step])
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch], spawn_key=(0,)))
            rows = rng.permutation(len(self.histories))
            pools = np.arange(len(rows)) // (self.pool * self.batch_size)
            rows = rows[np.lexsort((-self.histories.lengths[rows], pools))]
            self._epoch = epoch, rows, rng.permutation(len(self))
        return self._epoch[1:]

    def batch(self, epoch: int, step: int) -> Batch:
        """The minibatch of this epoch and step, both counted from 0; new arrays."""
        if not 0 <= step < len(self):
            raise ContractError("step", f"0 to {len(self) - 1}", str(step), "len() is the number of steps per epoch")
        order, cuts = self._order(epoch)
        rows = order[cuts[step] * self.batch_size :][: self.batch_size].copy()
        lengths = self.histories.lengths[rows]
        target, weight = (self._take(column, rows) for column in (self.target, self.weight))
        if weight is not None and weight.ndim == 1 and isinstance(self.target, Histories):
            weight = weight * (np.arange(lengths.max(initial=0))[:, None] < lengths)
        assert target is not None
        return Batch(self.histories.padded(rows), lengths, target, weight, rows)

    @staticmethod
    def _take(column: Histories | Array | None, rows: Lengths) -> Array | None:
        if column is None:
            return None
        return column.padded(rows) if isinstance(column, Histories) else column[rows]

    def fingerprint(self) -> str:
        """A digest of the data and the settings: two minibatches with one fingerprint give the same batches."""
        digest = hashlib.sha256(repr((self.batch_size, self.seed, self.pool)).encode())
        for column in (self.histories, self.target, self.weight):
            arrays = [column.values, column.offsets] if isinstance(column, Histories) else [np.asarray(column)]
            for a in arrays:
                digest.update(f"{a.dtype.str}{a.shape}".encode())
                digest.update(repr(a.tolist()).encode() if a.dtype.hasobject else np.ascontiguousarray(a).data)
        return digest.hexdigest()
