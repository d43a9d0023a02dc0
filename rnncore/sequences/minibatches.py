"""Minibatches of histories of similar length, in an order that is a pure function of seed and epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.sequences.histories import Histories
from rnncore.typing import Array, Lengths


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
    for a target per step, a list of (L_i, ...) arrays or `Histories`: of an array (N, L, ...) that is list(target), for
    as an array it is L numbers for each history. weight: None, (N,) per history, or (L_i,) arrays per step. `per` says
    which of the two targets came, "history" or "step": `rnncore.fit` refuses what the model does not answer. Each epoch
    shuffles the histories, sorts every `pool` batches of them by length, cuts, and shuffles the batches: every history
    comes once, with little padding, beside other histories in every epoch. pool=1 is a plain shuffle. ContractError
    where the arguments do not fit each other or a weight is negative or NaN.

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
        self.per = "step" if isinstance(self.target, Histories) else "history"
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
        if isinstance(self.weight, Histories) and self.per == "history":
            advice = "pass an array (N,); or a target per step too, list(target) of an array (N, L, ...)"
            raise ContractError("weight", "one per history, as the target", "one per step", advice)
        numbers = self.weight.values if isinstance(self.weight, Histories) else self.weight
        if numbers.ndim == 2 and numbers is self.weight:
            advice = "for a weight per step pass list(weight)"
            raise ContractError("weight", "shape (N,), or arrays (L_i,)", f"shape {numbers.shape}", advice)
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
        if weight is not None and weight.ndim == 1 and self.per == "step":
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
            arrays = column.arrays() if isinstance(column, Histories) else [np.asarray(column)]
            for a in arrays:
                digest.update(f"{a.dtype.str}{a.shape}".encode())
                digest.update(repr(a.tolist()).encode() if a.dtype.hasobject else np.ascontiguousarray(a).data)
        return digest.hexdigest()
