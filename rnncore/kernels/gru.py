"""The fast twin of `rnncore/layers/gru.py`: same equations, names, arguments, results and cache; read them together.

The tricks are those of `lstm.py`, which says what each one pays. One is its own: the gradients of the pre-activations
lie in the order n r z v, where v is the q of (4) with reset="after", so that x's products take the first three blocks
and h's the last three, as one product each. What is no product is in `gru_cell.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.gemm import add_product, affine, groups, keep_rows, pack, panels_of, room
from rnncore.kernels.gru_cell import dreset_after, dreset_before, dupdate_gate, reset_gate, update_gate
from rnncore.kernels.gru_weights import biases, in_order, outer_kept, packed_transposes, unstacked
from rnncore.kernels.jit import forward_bounds, kernel, run, shard_bounds
from rnncore.kernels.rows import (
    BLOCK,
    FIRST,
    PAD,
    copy_row,
    fetch_rows,
    live_rows,
    outputs,
    plain,
    row_steps,
    rows_of,
    steps_ahead,
)
from rnncore.layers.gru import GRUCache
from rnncore.typing import Array, Grads, Lengths, Params, State


@kernel
def forward_rows(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, ahead: int, Wx: Any, Wh_rz: Any, Wh_n: Any,
    ready: bool, b: Any, bh_n: Any, after: bool, apart: bool, h: Any, gates: Any, q: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps; b is what (1) and (2) share of the biases.

    ready: the weights are packed, see `lstm.py`; else Wh_rz and Wh_n are both Wh.

    stride: how many rows of h, gates and q lie between two steps; N where they are kept, 0 where they are overwritten.
    ahead: for how many steps x Wx is computed at once, see `steps_ahead`.
    apart: y is an array of its own, and not h from its second slot on.
    """
    D, H = x.shape[2], h.shape[2]
    x, h, gates, q, y = rows_of(x, D), rows_of(h, H), rows_of(gates, 3 * H), rows_of(q, H), rows_of(y, H)
    Wx, Wh_rz = panels_of(Wx, FIRST, 3 * H, ready), panels_of(Wh_rz, FIRST, 2 * H, ready)
    Wh_n = panels_of(Wh_n, 2 * H, 3 * H, ready)
    a = np.empty((ahead * (last - first), 3 * H + PAD), x.dtype)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        at = t % ahead * N
        if at == 0:
            some = rows if ahead == 1 else min(ahead, live.size - t) * N
            affine(some, x, row, D, Wx, b, a, FIRST, 3 * H)  # (1)
        late = after and t & 1 == 1  # the block read last is read first in the next step, and still in the cache
        if not late:
            add_product(rows, h, old, FIRST, H, Wh_rz, a, at, FIRST, 2 * H)  # (2)
        if after:
            affine(rows, h, old, H, Wh_n, bh_n, q, old, H)
        if late:
            add_product(rows, h, old, FIRST, H, Wh_rz, a, at, FIRST, 2 * H)  # (2)
        for n in range(rows):
            reset_gate(a, at + n, old + n, h, after, gates, q)
        if not after:
            add_product(rows, q, old, FIRST, H, Wh_n, a, at, 2 * H, H)
        for n in range(rows):
            update_gate(a, at + n, old + n, gates, h, h, old + n + stride)
            if apart:
                copy_row(h, old + n + stride, y, row + n, FIRST, H)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)


def _run(
    params: Params, x: Array, lengths: Lengths | None, stride: int, h: Array, gates: Array, q: Array, after: bool
) -> Array:
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, D = x.shape
    H = len(params["Wh"])
    y, apart = outputs(h, T, lengths)
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    ready, (b, bh_n) = len(bounds) > 2, biases(params, after)
    x, Wx, Wh = plain(x), plain(params["Wx"]), plain(params["Wh"])
    weights = Wx, Wh, Wh
    if ready:
        weights = pack(Wx)[None], pack(Wh, last=2 * H)[None], pack(Wh, first=2 * H)[None]
    ahead = steps_ahead(N, lengths)

    def task(s: int) -> None:
        where = bounds[s], bounds[s + 1], ahead
        forward_rows(x, live, N, stride, *where, *weights, ready, b, bh_n, after, apart, h, gates, q, y)

    run(task, len(bounds) - 1, row_steps(lengths, T, N) * (D + H) * 3 * H)
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, reset: str = "after"
) -> tuple[Array, State, GRUCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache."""
    T, N, _ = x.shape
    x, H = plain(x), len(params["Wh"])
    h = np.empty((T + 1, N, H), x.dtype)
    (h[0],) = state_0
    new = np.empty if lengths is None else np.zeros  # the zeros past a row's end
    gates, q = new((T, N, 3 * H), x.dtype), new((T, N, H), x.dtype)
    y = _run(params, x, lengths, N, h, gates, q, reset == "after")
    y.setflags(write=lengths is not None)  # else it is h[1:], which `backward` reads
    return y, (h[T].copy(),), GRUCache(x, h, gates, q, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, reset: str = "after"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; of 5 numbers per unit and step only y is kept."""
    h = state_0[0].copy()
    N, H = h.shape
    gates, q = np.empty((1, N, 3 * H), x.dtype), np.empty((1, N, H), x.dtype)
    return _run(params, x, lengths, 0, h[None], gates, q, reset == "after"), (h,)


@kernel
def _backward(
    x: Any, h: Any, gates: Any, q: Any, live: Any, N: int, first: int, last: int, ahead: int, Wx: Any, Wh: Any,
    Wh_n: Any, ready: bool, after: bool, dy: Any, dh: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW (D + H + 2, 3H) receives dWx, dbx, dWh, dbh, stacked.

    ready: Wx, Wh and Wh_n are those of `packed_transposes`, as rows, else of `in_order`.
    """
    D, H = x.shape[2], h.shape[2]
    x, h, gates, q = rows_of(x, D), rows_of(h, H), rows_of(gates, 3 * H), rows_of(q, H)
    dy, dx = rows_of(dy, H), rows_of(dx, D)
    Wx_T, Wh_T = panels_of(Wx, FIRST, D, ready, True), panels_of(Wh, FIRST, H, ready, True)
    Wh_n_T = Wh_T if after else panels_of(Wh_n, FIRST, H, ready, True)
    zeros = np.zeros((1, D), x.dtype)  # where the product into dx begins
    of_h, of_q = groups(D), groups(D) + groups(H)
    space = max(min(BLOCK, live.size * (last - first)), last - first)
    left, da = room(space, of_q + groups(H), x), np.empty((space, 4 * H + PAD), x.dtype)  # left: x h q
    dq = np.empty((last - first, H), x.dtype)
    free = FIRST + space
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if rows > free:
            outer_kept(free, space - free, left, da, D, H, after, dW)
            free = FIRST + space
        free -= rows
        for n in range(rows):
            r, new = row + n, free + n
            dupdate_gate(gates, r, h, dy, dh, first + n, da, new)
            if after:
                dreset_after(gates, r, q, da, new)
            else:
                copy_row(da, new, da, new, 3 * H, H)  # v is n
                dq[n] = 0
        keep_rows(rows, x, row, FIRST, D, left, free, FIRST)
        keep_rows(rows, h, row, FIRST, H, left, free, of_h)
        if not after:
            keep_rows(rows, q, row, FIRST, H, left, free, of_q)
        if t > 0 and rows > 2:
            for matrix in (gates, q, h, dy):
                fetch_rows(matrix, row - N, rows)
        if after:
            add_product(rows, da, free, H, 3 * H, Wh_T, dh, first, FIRST, H)  # (4'), (2')
        else:
            add_product(rows, da, free, 3 * H, H, Wh_n_T, dq, FIRST, FIRST, H)  # (5')
            for n in range(rows):
                dreset_before(gates, row + n, h, dq, n, dh, first + n, da, free + n)
            add_product(rows, da, free, H, 2 * H, Wh_T, dh, first, FIRST, H)  # (2')
        if ahead == 1:
            affine(rows, da, free, 3 * H, Wx_T, zeros, dx, row, D)  # (1')
        elif t == 0 or rows > free:
            affine(space - free, da, free, 3 * H, Wx_T, zeros, dx, row, D)
    outer_kept(free, space - free, left, da, D, H, after, dW)


def backward(
    params: Params, cache: GRUCache, dy: Array, dstate_T: State, *, reset: str = "after"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, D = cache.x.shape
    H = len(params["Wh"])
    after = reset == "after"
    bounds = shard_bounds(N, cache.lengths, (D + H + 2) * 3 * H)
    live = live_rows(cache.lengths, T, N)
    dh = np.array(dstate_T[0], order="C")
    dx = (np.empty if cache.lengths is None else np.zeros)((T, N, D), dh.dtype)
    dW = np.zeros((len(bounds) - 1, D + H + 2, 3 * H), dh.dtype)

    weights, ready = in_order(params, after), len(dW) > 1
    if ready:
        Wx, Wh, Wh_n = packed_transposes(params, after)
        weights = Wx[None], Wh[None], Wh_n[None]
    x, h, gates, q, dy = plain(cache.x), plain(cache.h), plain(cache.gates), plain(cache.q), plain(dy)
    ahead = steps_ahead(N, cache.lengths)

    def task(s: int) -> None:
        where = bounds[s], bounds[s + 1], ahead
        _backward(x, h, gates, q, live, N, *where, *weights, ready, after, dy, dh, dx, dW[s])

    run(task, len(bounds) - 1, row_steps(cache.lengths, T, N) * (D + H) * 6 * H)
    return unstacked(dW[0] if len(dW) == 1 else dW.sum(axis=0), D), dx, (dh,)
