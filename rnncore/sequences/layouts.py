"""Other layouts of ragged data in memory: packed as in PyTorch, and padded anywhere with a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.sequences.histories import longest_first
from rnncore.typing import Array, Lengths


def mask(lengths: ArrayLike, T: int | None = None) -> Array:
    """Return (T, N) booleans, True where step t belongs to row n; T is the longest length where it is not given.

    >>> mask([2, 0], T=3).T
    array([[ True,  True, False],
           [False, False, False]])
    """
    n = np.asarray(lengths)
    if n.ndim != 1 or (n.size and n.dtype.kind not in "iu"):
        came = f"{n.dtype} of shape {checks.show(n.shape)}"
        raise ContractError("lengths", "integers of shape (N,)", came, "lengths are counts of steps")
    T = int(n.max(initial=0)) if T is None else checks.size("T", T, least=0)
    if n.size and (n.min() < 0 or n.max() > T):
        raise ContractError("lengths", f"values from 0 to T = {T}", f"{n.min()} to {n.max()}", "give a larger T")
    live: Array = np.arange(T)[:, None] < n
    return live


def to_packed(x: Array, lengths: ArrayLike) -> tuple[Array, Lengths]:
    """Return x (T, N, ...) without its padding: data (sum of lengths, ...), step by step, and batch_sizes (T',).

    The layout of PyTorch's PackedSequence: step t is the batch_sizes[t] rows that are that long. The longest row comes
    first; T' is the longest length. ContractError where lengths do not fit x.

    >>> to_packed(np.array([[1, 2], [3, 0]]), [2, 1])
    (array([1, 2, 3]), array([2, 1]))
    """
    n = checks.lengths(lengths, x[..., None])  # there may be no features
    if n is None:
        raise ContractError("lengths", "one length for each row", "None", "take numpy.full(N, T) for full rows")
    live = mask(n, len(x))
    sizes = live.sum(axis=1).astype(np.int64)
    return x[live], sizes[sizes > 0]


def from_packed(data: Array, batch_sizes: ArrayLike, N: int | None = None) -> tuple[Array, Lengths]:
    """Return x (T, N, ...) and lengths (N,) from packed data; N adds rows without any step, which packing forgets.

    ContractError where batch_sizes rise or do not add up to the rows of data.

    >>> x, lengths = from_packed(np.array([1, 2, 3]), [2, 1])
    >>> x, lengths
    (array([[1, 2],
           [3, 0]]), array([2, 1]))
    """
    sizes = np.asarray(batch_sizes, np.int64 if np.size(batch_sizes) == 0 else None)
    good = sizes.ndim == 1 and sizes.dtype.kind in "iu" and (np.diff(sizes.astype(np.int64)) <= 0).all()
    if not good or (sizes < 1).any() or sizes.sum() != len(data):
        expected = f"whole numbers above 0 that do not rise and add up to the {len(data)} rows of data"
        raise ContractError("batch_sizes", expected, f"{sizes}", "step t has batch_sizes[t] rows")
    most = int(sizes.max(initial=0))
    rows = most if N is None else checks.size("N", N, least=most)
    live = np.arange(rows) < sizes[:, None]
    x = np.zeros((*live.shape, *data.shape[1:]), data.dtype)
    x[live] = data
    return x, live.sum(axis=0)


def from_masked(x: Array, mask: Array) -> tuple[Array, Lengths, Lengths]:
    """Return x, lengths and order as `rnncore.sequences.pad` does, of the steps that a mask (T, N) marks as real.

    x (T, N, ...) may be padded on the right, on the left or in between; transpose batch-first arrays. The marked steps
    of a row move together to its beginning. ContractError where the mask is no array (T, N) of booleans.

    >>> x, lengths, order = from_masked(np.array([[0, 1], [5, 2]]), np.array([[False, True], [True, True]]))
    >>> x, lengths, order
    (array([[1, 5],
           [2, 0]]), array([2, 1]), array([1, 0]))
    """
    places = _places(x, mask)
    lengths = mask.sum(axis=0).astype(np.int64)
    order = longest_first(lengths)
    out = np.zeros((int(lengths.max(initial=0)), *x.shape[1:]), x.dtype)
    out[places[mask], np.nonzero(mask)[1]] = x[mask]
    return out[:, order], lengths[order], order


def to_masked(y: Array, mask: Array, order: Lengths) -> Array:
    """Undo `from_masked`: put the rows of y (T', N, ...) back in order and their steps where the mask is True; else 0.

    >>> mask = np.array([[False, True], [True, True]])
    >>> to_masked(*[from_masked(np.array([[0, 1], [5, 2]]), mask)[k] if k != 1 else mask for k in range(3)])
    array([[0, 1],
           [5, 2]])
    """
    places = _places(mask, mask)
    lengths = mask.sum(axis=0)
    if y.ndim < 2 or y.shape[1] != mask.shape[1] or len(y) < lengths.max(initial=0):
        expected = f"shape (T, {mask.shape[1]}, ...) with at least {lengths.max(initial=0)} steps"
        raise ContractError("y", expected, f"shape {checks.show(y.shape)}", "pass what the network made of from_masked")
    out = np.zeros((*mask.shape, *y.shape[2:]), y.dtype)
    column = np.argsort(order)[np.nonzero(mask)[1]]
    out[mask] = y[places[mask], column]
    return out


def _places(x: Array, mask: Array) -> Array:
    """Where a marked step of each row moves to: how many marked steps the row has before it."""
    m = np.asarray(mask)
    if m.dtype != bool or m.ndim != 2 or m.shape != x.shape[:2]:
        came = f"{m.dtype} of shape {checks.show(m.shape)}"
        raise ContractError("mask", f"booleans of shape {checks.show(x.shape[:2])}", came, "time-major, True is real")
    places: Array = np.cumsum(m, axis=0) - 1
    return places
