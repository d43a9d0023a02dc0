"""The fast twin of `rnncore/layers/dense.py`: same equations, names, arguments, results and cache; read them together.

Rows need no order, so that those of many steps are one product, and a shard is some of all rows. By `gemm`, whose bits
do not depend on the number of threads; those of BLAS do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.gemm import add_kept, affine, groups, keep_rows, pack, room
from rnncore.kernels.jit import forward_bounds, kernel, part, run, shard_bounds
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, live_rows
from rnncore.layers.dense import DenseCache
from rnncore.typing import Array, Grads, Lengths, Params

_ROWS = 16  # times as many rows in a shard as in one of a cell, 512: each has its own dW, and they are summed


@part
def _together(first: Any, last: Any, N: Any, live: Any) -> Any:
    """Return the end of the rows from `first` on, `last` at most, that stand side by side and not past their end."""
    r = first
    while r < last:
        t = r // N
        end = t * N + live[t]
        if end <= r:
            break
        r = end
        if live[t] < N:
            break
    return min(r, last)


@kernel
def _forward(x: Any, live: Any, N: int, first: int, last: int, W: Any, b: Any, y: Any) -> None:
    """Compute the rows first to last - 1 of y, some at a time: their x stays in the cache while W, packed, passes."""
    r = first
    while r < last:
        end = _together(r, min(last, r + BLOCK), N, live)
        affine(end - r, x, r, x.shape[1], W, b, y, r, y.shape[1])  # (1)
        r = end if end > r else (r // N + 1) * N


@kernel
def _backward(
    x: Any, dy: Any, live: Any, N: int, first: int, last: int, W_T: Any, zeros: Any, dx: Any, dW: Any
) -> None:
    """Compute the rows first to last - 1 of dx; dW receives what they add to dW and, in its last row, db."""
    D, H = x.shape[1], dy.shape[1]
    left, gathered = room(BLOCK, groups(D), x), np.empty((BLOCK, H + PAD), x.dtype)  # x and dy, without gaps
    r, used = first, FIRST
    while r < last:
        end = _together(r, min(last, r + BLOCK - used), N, live)
        rows = end - r
        keep_rows(rows, x, r, FIRST, D, left, used, FIRST)
        affine(rows, dy, r, H, W_T, zeros, dx, r, D)  # (1')
        whole = rows == BLOCK or (used == 0 and end == last)  # no need to gather: 10 % of a backward of 64 x 10
        d = dy[r:end] if whole else gathered
        for n in range(rows * (not whole)):
            copy_row(dy, r + n, gathered, used + n, FIRST, H)
        used += rows
        r = end if rows else (r // N + 1) * N
        if used == BLOCK or r >= last:
            add_kept(FIRST, used, left, FIRST, D, d, FIRST, H, dW, FIRST, FIRST, D)  # (1')
            used = FIRST


def _packed(W: Array, transpose: bool = False) -> Array:
    """Return W, or its transpose, packed; of a table that is turned round, as that of `Tied`, without a copy."""
    if W.flags.f_contiguous and not W.flags.c_contiguous:
        W, transpose = W.T, not transpose
    return pack(as_rows(W, W.shape[1]), transpose)


def _steps(x: Array, lengths: Lengths | None) -> tuple[int, int, Array]:
    """Return how many rows x has, how many a step has, and how many of these live; without lengths all are one step."""
    rows = x.size // x.shape[-1]
    if lengths is None:
        return rows, rows, live_rows(None, 1, rows)
    return rows, x.shape[1], live_rows(lengths, *x.shape[:2])


def forward(params: Params, x: Array, lengths: Lengths | None = None) -> tuple[Array, DenseCache]:
    """Return y and the cache."""
    D, H = params["W"].shape
    x = as_rows(x, D).reshape(x.shape)
    y = (np.empty if lengths is None else np.zeros)((*x.shape[:-1], H), x.dtype)
    rows, N, live = _steps(x, lengths)
    bounds = forward_bounds(rows, None)
    W, b, x_rows, y_rows = _packed(params["W"]), as_rows(params["b"], H), as_rows(x, D), as_rows(y, H)

    def task(s: int) -> None:
        _forward(x_rows, live, N, bounds[s], bounds[s + 1], W, b, y_rows)

    run(task, len(bounds) - 1, rows * D * H)
    return y, DenseCache(x, lengths)


def backward(params: Params, cache: DenseCache, dy: Array) -> tuple[Grads, Array]:
    """Given dLoss/dy, return the gradients of params and x."""
    D, H = params["W"].shape
    rows, N, live = _steps(cache.x, cache.lengths)
    bounds = [*(_ROWS * n for n in shard_bounds(rows // _ROWS, None, (D + 1) * H)[:-1]), rows]
    dx = (np.empty if cache.lengths is None else np.zeros)(cache.x.shape, dy.dtype)
    dW = np.zeros((len(bounds) - 1, D + 1, H), dy.dtype)
    W_T, zeros = _packed(params["W"], transpose=True), np.zeros((1, D), dy.dtype)
    x, dy_rows, dx_rows = as_rows(cache.x, D), as_rows(dy, H), as_rows(dx, D)

    def task(s: int) -> None:
        _backward(x, dy_rows, live, N, bounds[s], bounds[s + 1], W_T, zeros, dx_rows, dW[s])

    run(task, len(bounds) - 1, rows * D * 2 * H)
    total = dW[0] if len(dW) == 1 else dW.sum(axis=0)
    return {"W": total[:D], "b": total[D]}, dx


def alone(W: Array) -> Params:
    """Return W as the parameters of a Dense without bias."""
    return {"W": W, "b": np.zeros(W.shape[1], W.dtype)}


def product(a: Array, b: Array) -> Array:
    """Return a @ b for vectors, matrices and stacks of matrices, as NumPy has it."""
    A, B = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    if not (a.size and b.size and a.ndim and b.ndim) or A.shape[-1] != B.shape[-2]:
        return np.asarray(a @ b)  # zeros, or NumPy's error
    if B.ndim == 2:
        y, _ = forward(alone(B), A)
    else:
        batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
        A, B = (np.broadcast_to(matrix, (*batch, *matrix.shape[-2:])) for matrix in (A, B))
        y = np.empty((*batch, A.shape[-2], B.shape[-1]), A.dtype)
        for k in np.ndindex(batch):
            y[k], _ = forward(alone(B[k]), A[k])
    y = y if a.ndim > 1 else y[..., 0, :]
    return y if b.ndim > 1 else y[..., 0]
