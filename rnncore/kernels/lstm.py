"""The fast twin of `rnncore/layers/lstm.py`: same equations, names, arguments, results and cache; read them together.

What is different, and what it pays (see `gemm.py` and `activations.py` for the products and the functions):

* `Wx`, `Wh` and their transposes are packed once per sequence, not in every step: a step's product runs as fast as the
  best library's product of large matrices;
* the pre-activations of a step stay in the L2 cache until they are gates, and the large arrays are written once: the
  forward is 8 % faster at H = 256 than with products into the array of the gates;
* the gradients of the pre-activations live for 256 rows only, while they are in the L2 cache; they then go into dWx, db
  and dWh as one product, with [x h] on the left: 3 products and a sum over T steps become one per 256 rows. What
  stands on the left is written as the product reads it, four columns side by side: 3 to 11 % of forward + backward;
* for few sequences dx is one product of 16 rows or more (backward of one sequence: GRU 1.36, RNN 1.24 times as fast);
* what the step before has kept is fetched while the products of this one are computed: 2 to 8 % of the backward; of up
  to 64 units (one panel) some rows before each tile, since all at once wait for one another: 2 to 9 % more;
* the products into dh and dx begin with zeros instead of adding to zeros that were written, and weights of few
  sequences are packed where they are used: backward of one sequence 1.06, of a small batch 1.01 to 1.03 times as fast;
* a shard of the batch is a task for one thread (`jit.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import activate, dactivate, dsigmoid, sigmoid
from rnncore.kernels.gemm import add_kept, add_product, affine, groups, keep_rows, pack, panels_of, room, whole_groups
from rnncore.kernels.jit import forward_bounds, inlined, kernel, run, shard_bounds
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
from rnncore.kernels.tile import ROWS, VECTORS
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers.lstm import LSTMCache
from rnncore.typing import Array, Grads, Lengths, Params, State


@inlined
def _units(
    j: Any, live: Any, a: Any, n: Any, c: Any, r: Any, after: Any, relu: bool, h: Any, gates: Any
) -> None:  # fmt: skip
    """`lstm_cell` for the units j to j + live - 1, which fit into one register."""
    H = h.shape[1]
    i, f = sigmoid(load(a, n, j, live)), sigmoid(load(a, n, H + j, live))  # (2)
    o = sigmoid(load(a, n, 3 * H + j, live))
    g = activate(load(a, n, 2 * H + j, live), relu)  # (3)
    c_t = f * load(c, r, j, live) + i * g  # (4)
    h_t = o * activate(c_t, relu)  # (5)
    store(gates, r, j, live, i)
    store(gates, r, H + j, live, f)
    store(gates, r, 2 * H + j, live, g)
    store(gates, r, 3 * H + j, live, o)
    store(c, after, j, live, c_t)
    store(h, after, j, live, h_t)


@inlined
def lstm_cell(a: Any, n: Any, c: Any, r: Any, after: Any, relu: bool, h: Any, gates: Any) -> None:
    """Equations (2) to (5) from row n of a and row r of c to the rows r of gates and `after` of c and h.

    A full register is known to be full when this is compiled: 2.2 ns per unit instead of 2.8 with masks everywhere.
    """
    full = h.shape[1] // lanes(h) * lanes(h)
    for j in range(0, full, lanes(h)):
        _units(j, lanes(h), a, n, c, r, after, relu, h, gates)
    if full < h.shape[1]:
        _units(full, h.shape[1] - full, a, n, c, r, after, relu, h, gates)


@kernel
def forward_rows(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, ahead: int, Wx: Any, Wh: Any, ready: bool, b: Any,
    relu: bool, apart: bool, h: Any, c: Any, gates: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps.

    ready: Wx and Wh are packed; they need not be where one call does all rows (LSTM of one sequence: 6 us of 80).

    stride: how many rows of h, c and gates lie between two steps; N where they are kept, 0 where they are overwritten.
    ahead: for how many steps x Wx is computed at once, see `steps_ahead`.
    apart: y is an array of its own, and not h from its second slot on.
    """
    D, H = x.shape[2], h.shape[2]
    x, h, c, y = rows_of(x, D), rows_of(h, H), rows_of(c, H), rows_of(y, H)
    gates, b = rows_of(gates, 4 * H), rows_of(b, 4 * H)
    Wx, Wh = panels_of(Wx, FIRST, 4 * H, ready), panels_of(Wh, FIRST, 4 * H, ready)
    a = np.empty((ahead * (last - first), 4 * H + PAD), x.dtype)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        at = t % ahead * N
        if at == 0:
            some = rows if ahead == 1 else min(ahead, live.size - t) * N
            affine(some, x, row, D, Wx, b, a, FIRST, 4 * H)  # (1)
        add_product(rows, h, old, FIRST, H, Wh, a, at, FIRST, 4 * H)
        for n in range(rows):
            lstm_cell(a, at + n, c, old + n, old + n + stride, relu, h, gates)
            if apart:
                copy_row(h, old + n + stride, y, row + n, FIRST, H)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)
                copy_row(c, r, c, r + N, FIRST, H)


def _run(
    params: Params, x: Array, lengths: Lengths | None, stride: int, h: Array, c: Array, gates: Array, relu: bool
) -> Array:
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, D = x.shape
    H = len(params["Wh"])
    y, apart = outputs(h, T, lengths)
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    x, Wx, Wh, b = plain(x), plain(params["Wx"]), plain(params["Wh"]), plain(params["b"])
    ready = len(bounds) > 2
    if ready:
        Wx, Wh = pack(Wx)[None], pack(Wh)[None]
    ahead = steps_ahead(N, lengths)

    def task(s: int) -> None:
        where = bounds[s], bounds[s + 1], ahead
        forward_rows(x, live, N, stride, *where, Wx, Wh, ready, b, relu, apart, h, c, gates, y)

    run(task, len(bounds) - 1, row_steps(lengths, T, N) * (D + H) * 4 * H)
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State, LSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    T, N, _ = x.shape
    x, H = plain(x), len(params["Wh"])
    h, c = np.empty((T + 1, N, H), x.dtype), np.empty((T + 1, N, H), x.dtype)
    h[0], c[0] = state_0
    gates = (np.empty if lengths is None else np.zeros)((T, N, 4 * H), x.dtype)
    y = _run(params, x, lengths, N, h, c, gates, activation == "relu")
    y.setflags(write=lengths is not None)  # else it is h[1:], which `backward` reads
    return y, (h[T].copy(), c[T].copy()), LSTMCache(x, h, c, gates, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; of 6 numbers per unit and step only y is kept."""
    h, c = state_0[0].copy(), state_0[1].copy()
    gates = np.empty((1, x.shape[1], 4 * h.shape[1]), x.dtype)
    return _run(params, x, lengths, 0, h[None], c[None], gates, activation == "relu"), (h, c)


@inlined
def _dunits(
    j: Any, live: Any, gates: Any, c: Any, r: Any, N: Any, relu: bool, dy: Any, dh: Any, dc: Any, n: Any, da: Any,
    row: Any
) -> None:  # fmt: skip
    """`dlstm_cell` for the units j to j + live - 1, which fit into one register."""
    H = dh.shape[1]
    i, f = load(gates, r, j, live), load(gates, r, H + j, live)
    g, o = load(gates, r, 2 * H + j, live), load(gates, r, 3 * H + j, live)
    s = activate(load(c, r + N, j, live), relu)
    dh_t = load(dy, r, j, live) + load(dh, n, j, live)
    dc_t = load(dc, n, j, live) + dh_t * o * dactivate(s, relu)  # (5')
    store(da, row, 3 * H + j, live, dh_t * s * dsigmoid(o))  # (5'), (2')
    store(da, row, j, live, dc_t * g * dsigmoid(i))  # (4'), (2')
    store(da, row, H + j, live, dc_t * load(c, r, j, live) * dsigmoid(f))  # (4'), (2')
    store(da, row, 2 * H + j, live, dc_t * i * dactivate(g, relu))  # (4'), (3')
    store(dc, n, j, live, dc_t * f)  # (4')


@inlined
def dlstm_cell(
    gates: Any, c: Any, r: Any, N: Any, relu: bool, dy: Any, dh: Any, dc: Any, n: Any, da: Any, row: Any
) -> None:  # fmt: skip
    """Equations (5') to (2') for row r of the batch's n-th sequence; da goes into the given row."""
    full = dh.shape[1] // lanes(dh) * lanes(dh)
    for j in range(0, full, lanes(dh)):
        _dunits(j, lanes(dh), gates, c, r, N, relu, dy, dh, dc, n, da, row)
    if full < dh.shape[1]:
        _dunits(full, dh.shape[1] - full, gates, c, r, N, relu, dy, dh, dc, n, da, row)


@kernel
def _backward(
    x: Any, h: Any, c: Any, gates: Any, live: Any, N: int, first: int, last: int, ahead: int, Wx: Any, Wh: Any,
    ready: bool, relu: bool, dy: Any, dh: Any, dc: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW receives dWx, dWh and db, stacked as in `backward`.

    ready: Wx and Wh are their packed transposes.
    ahead: above 1 the kept rows are those of steps one after another, and dx is one product of them all.
    """
    D, H, G = x.shape[2], h.shape[2], groups(x.shape[2])
    x, h, c, gates = rows_of(x, D), rows_of(h, H), rows_of(c, H), rows_of(gates, 4 * H)
    dy, dx = rows_of(dy, H), rows_of(dx, D)
    Wx_T, Wh_T = panels_of(Wx, FIRST, D, ready, True), panels_of(Wh, FIRST, H, ready, True)
    zeros = np.zeros((1, max(D, H)), x.dtype)  # where the products into dh and dx begin
    m = dW.shape[0] - 1
    space = max(min(BLOCK, live.size * (last - first)), last - first)
    left, da = room(space, groups(m), x), np.empty((space, 4 * H + PAD), x.dtype)  # left: x h
    free, fresh = FIRST + space, True  # filled from the end, so that the rows stand in the order of time
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if rows > free:
            add_kept(free, space - free, left, FIRST, m, da, FIRST, 4 * H, dW, FIRST, FIRST, m, fresh)  # (1')
            free, fresh = FIRST + space, False
        free -= rows
        for n in range(rows):
            dlstm_cell(gates, c, row + n, N, relu, dy, dh, dc, first + n, da, free + n)
        keep_rows(rows, x, row, FIRST, D, left, free, FIRST)
        keep_rows(rows, h, row, FIRST, H, left, free, G)
        some = ROWS if rows > 2 and VECTORS * lanes(dh) >= H else max(1, rows)
        for n in range(0, rows, some):
            piece = min(some, rows - n)
            if t > 0 and rows > 2:
                for matrix in (gates, c, h, dy):
                    fetch_rows(matrix, row - N + n, piece)
            affine(piece, da, free + n, 4 * H, Wh_T, zeros, dh, first + n, H)
        if ahead == 1:
            affine(rows, da, free, 4 * H, Wx_T, zeros, dx, row, D)
        elif t == 0 or rows > free:
            affine(space - free, da, free, 4 * H, Wx_T, zeros, dx, row, D)
    add_kept(free, space - free, left, FIRST, m, da, FIRST, 4 * H, dW, FIRST, FIRST, m, fresh)


def backward(
    params: Params, cache: LSTMCache, dy: Array, dstate_T: State, *, activation: str = "tanh"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, D = cache.x.shape
    H = len(params["Wh"])
    at_h = whole_groups(D)  # dW: the rows of Wx up to a whole group, those of Wh, and b
    bounds = shard_bounds(N, cache.lengths, (at_h + H + 1) * 4 * H)
    live = live_rows(cache.lengths, T, N)
    dh, dc = (np.array(d, order="C") for d in dstate_T)
    dx = (np.empty if cache.lengths is None else np.zeros)((T, N, D), dh.dtype)
    dW = np.empty((len(bounds) - 1, at_h + H + 1, 4 * H), dh.dtype)

    Wx, Wh, ready = plain(params["Wx"]), plain(params["Wh"]), len(dW) > 1
    if ready:
        Wx, Wh = pack(Wx, transpose=True)[None], pack(Wh, transpose=True)[None]
    x, h, c, gates, dy = plain(cache.x), plain(cache.h), plain(cache.c), plain(cache.gates), plain(dy)
    ahead, relu = steps_ahead(N, cache.lengths), activation == "relu"

    def task(s: int) -> None:
        where = bounds[s], bounds[s + 1], ahead
        _backward(x, h, c, gates, live, N, *where, Wx, Wh, ready, relu, dy, dh, dc, dx, dW[s])

    run(task, len(bounds) - 1, row_steps(cache.lengths, T, N) * (D + H) * 8 * H)
    total = dW[0] if len(dW) == 1 else dW.sum(axis=0)
    return {"Wx": total[:D], "Wh": total[at_h:-1], "b": total[-1]}, dx, (dh, dc)
