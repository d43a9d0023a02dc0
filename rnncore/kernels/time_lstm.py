"""The fast twin of `rnncore/layers/time_lstm.py`: same equations, names, arguments, results and cache.

The tricks are those of `lstm.py`, which says what each one pays. k_t depends on x alone, so it is computed before the
loop over time; the sum over units in (3') is a product with a column of ones, since a product is vector code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import dsigmoid, sigmoid, tanh
from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.jit import forward_bounds, kernel, part, run, shard_bounds
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, fill_rows, live_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers.time_lstm import TimeLSTMCache, retention
from rnncore.typing import Array, Grads, Lengths, Params, State


@part
def _cell(
    a: Any, n: Any, k: Any, s: Any, c: Any, r: Any, after: Any, h: Any, gates: Any, y: Any, out: Any
) -> None:  # fmt: skip
    """The tanh of (1), then (3) and (5) to (8), from row n of a and row r of s and c to the other rows named."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        s_t = tanh(load(s, r, j, rest))  # (1)
        m = load(c, r, j, rest) - s_t + s_t * k[out, 0]  # (3)
        i, f = sigmoid(load(a, n, j, rest)), sigmoid(load(a, n, H + j, rest))  # (5)
        o = sigmoid(load(a, n, 3 * H + j, rest))
        g = tanh(load(a, n, 2 * H + j, rest))  # (6)
        c_t = f * m + i * g  # (7)
        h_t = o * tanh(c_t)  # (8)
        store(s, r, j, rest, s_t)
        store(gates, r, j, rest, i)
        store(gates, r, H + j, rest, f)
        store(gates, r, 2 * H + j, rest, g)
        store(gates, r, 3 * H + j, rest, o)
        store(c, after, j, rest, c_t)
        store(h, after, j, rest, h_t)
        store(y, out, j, rest, h_t)


@kernel
def _forward(
    x: Any, k: Any, live: Any, N: int, stride: int, first: int, last: int, Wx: Any, Wh: Any, b: Any, Wd: Any, bd: Any,
    h: Any, c: Any, s: Any, gates: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. The weights are packed.

    stride: how many rows of h, c, s and gates lie between two steps; N where they are kept, 0 where overwritten.
    """
    D, H = x.shape[1] - 1, h.shape[1]
    a = np.empty((last - first, 4 * H), x.dtype)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        fill_rows(s, old, rows, bd)  # (1)
        add_product(rows, c, old, FIRST, H, Wd, s, old, FIRST, H)
        fill_rows(a, FIRST, rows, b)  # (4)
        add_product(rows, x, row, FIRST, D, Wx, a, FIRST, FIRST, 4 * H)
        add_product(rows, h, old, FIRST, H, Wh, a, FIRST, FIRST, 4 * H)
        for n in range(rows):
            _cell(a, n, k, s, c, old + n, old + n + stride, h, gates, y, row + n)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)
                copy_row(c, r, c, r + N, FIRST, H)


def _run(
    params: Params, x: Array, decay: str, lengths: Lengths | None, stride: int, h: Array, c: Array, s: Array,
    gates: Array
) -> Array:  # fmt: skip
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, columns = x.shape
    H = len(params["Wh"])
    y = (np.empty if lengths is None else np.zeros)((T, N, H), x.dtype)  # the zeros past a row's end
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    k = as_rows(retention(x[..., -1:], decay)[0], 1)  # (2)
    Wx, Wh, Wd = (pack(as_rows(params[name], params[name].shape[1])) for name in ("Wx", "Wh", "Wd"))
    b, bd = as_rows(params["b"], 4 * H), as_rows(params["bd"], H)
    x_rows, *rows = as_rows(x, columns), *(as_rows(a, H) for a in (h, c, s)), as_rows(gates, 4 * H), as_rows(y, H)

    def task(shard: int) -> None:
        _forward(x_rows, k, live, N, stride, bounds[shard], bounds[shard + 1], Wx, Wh, b, Wd, bd, *rows)

    run(task, len(bounds) - 1, float(live.sum()) * ((columns + H) * 4 * H + H * H))
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, decay: str = "log"
) -> tuple[Array, State, TimeLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    T, N, columns = x.shape
    H = len(params["Wh"])
    x = as_rows(x, columns).reshape(T, N, columns)
    h, c = np.empty((T + 1, N, H), x.dtype), np.empty((T + 1, N, H), x.dtype)
    h[0], c[0] = state_0
    new = np.empty if lengths is None else np.zeros
    s, gates = new((T, N, H), x.dtype), new((T, N, 4 * H), x.dtype)
    y = _run(params, x, decay, lengths, N, h, c, s, gates)
    return y, (h[T].copy(), c[T].copy()), TimeLSTMCache(x, h, c, s, gates, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, decay: str = "log"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    h, c = (np.array(s, order="C") for s in state_0)
    N, H = h.shape
    s, gates = np.empty((N, H), x.dtype), np.empty((N, 4 * H), x.dtype)
    return _run(params, x, decay, lengths, 0, h, c, s, gates), (h, c)


@part
def _dcell(
    gates: Any, c: Any, s: Any, r: Any, N: Any, k: Any, slope: Any, dy: Any, dh: Any, dc: Any, n: Any, da: Any, row: Any
) -> None:  # fmt: skip
    """Equations (8') to (5') and (3'), for row r of the batch's n-th sequence; dh becomes zero, dc is dm.

    The given row of da has six blocks: those of a, that of s before its tanh, and the terms of the sum in (3').
    """
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        i, f = load(gates, r, j, rest), load(gates, r, H + j, rest)
        g, o = load(gates, r, 2 * H + j, rest), load(gates, r, 3 * H + j, rest)
        s_t, tanh_c = load(s, r, j, rest), tanh(load(c, r + N, j, rest))
        m = load(c, r, j, rest) - s_t + s_t * k[r, 0]
        dh_t = load(dy, r, j, rest) + load(dh, n, j, rest)
        dc_t = load(dc, n, j, rest) + dh_t * o * (1.0 - tanh_c * tanh_c)  # (8')
        dm = dc_t * f  # (7')
        store(da, row, j, rest, dc_t * g * dsigmoid(i))  # (7'), (5')
        store(da, row, H + j, rest, dc_t * m * dsigmoid(f))  # (7'), (5')
        store(da, row, 2 * H + j, rest, dc_t * i * (1.0 - g * g))  # (7'), (6')
        store(da, row, 3 * H + j, rest, dh_t * tanh_c * dsigmoid(o))  # (8'), (5')
        store(da, row, 4 * H + j, rest, dm * (1.0 - s_t * s_t) * (k[r, 0] - 1.0))  # (3'), (1')
        store(da, row, 5 * H + j, rest, dm * s_t * slope[r, 0])  # (3'), (2')
        store(dc, n, j, rest, dm)
        store(dh, n, j, rest, 0.0)


@part
def _outer(used: Any, left: Any, da: Any, D: Any, H: Any, dW: Any) -> None:
    """The weights' part of (4') and (1'): add the kept rows to dW (D + 2H + 2, 4H). left: x 1 h 1 c."""
    add_outer(used, left, FIRST, D + 1 + H, da, FIRST, 4 * H, dW, FIRST, FIRST)
    add_outer(used, left, D + 1 + H, H + 1, da, 4 * H, H, dW, D + 1 + H, FIRST)


@kernel
def _backward(
    x: Any, h: Any, c: Any, s: Any, gates: Any, k: Any, slope: Any, live: Any, N: int, first: int, last: int,
    Wx_T: Any, Wh_T: Any, Wd_T: Any, ones: Any, dy: Any, dh: Any, dc: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW receives dWx, db, dWh, and in its first H columns dbd, dWd."""
    D, H = x.shape[1] - 1, h.shape[1]
    space = max(BLOCK, last - first)
    left, da = np.ones((space, D + 2 * H + 2 + PAD), x.dtype), np.empty((space, 6 * H + PAD), x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            _outer(used, left, da, D, H, dW)
            used = FIRST
        for n in range(rows):
            _dcell(gates, c, s, row + n, N, k, slope, dy, dh, dc, first + n, da, used + n)
            copy_row(x, row + n, left, used + n, FIRST, D)
            copy_row(h, row + n, left, used + n, D + 1, H)
            copy_row(c, row + n, left, used + n, D + H + 2, H)
        add_product(rows, da, used, FIRST, 4 * H, Wx_T, dx, row, FIRST, D)  # (4')
        add_product(rows, da, used, FIRST, 4 * H, Wh_T, dh, first, FIRST, H)
        add_product(rows, da, used, 5 * H, H, ones, dx, row, D, 1)  # (2')
        add_product(rows, da, used, 4 * H, H, Wd_T, dc, first, FIRST, H)  # (1')
        used += rows
    _outer(used, left, da, D, H, dW)


def backward(
    params: Params, cache: TimeLSTMCache, dy: Array, dstate_T: State, *, decay: str = "log"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, columns = cache.x.shape
    D, H = columns - 1, len(params["Wh"])
    bounds = shard_bounds(N, cache.lengths, (D + 2 * H + 2) * 4 * H)
    live = live_rows(cache.lengths, T, N)
    dh, dc = (np.array(d, order="C") for d in dstate_T)
    dx = np.zeros((T, N, columns), dh.dtype)
    dW = np.zeros((len(bounds) - 1, D + 2 * H + 2, 4 * H), dh.dtype)

    names = ("Wx", "Wh", "Wd")
    Wx_T, Wh_T, Wd_T = (pack(as_rows(params[name], params[name].shape[1]), transpose=True) for name in names)
    ones = pack(np.ones((H, 1), dh.dtype))
    x, gates = as_rows(cache.x, columns), as_rows(cache.gates, 4 * H)
    h, c, s, dy_rows = (as_rows(a, H) for a in (cache.h, cache.c, cache.s, dy))
    k, slope = (as_rows(a, 1) for a in retention(cache.x[..., -1:], decay))
    weights, dx_rows = (Wx_T, Wh_T, Wd_T, ones), as_rows(dx, columns)

    def task(shard: int) -> None:
        first, last = bounds[shard], bounds[shard + 1]
        _backward(x, h, c, s, gates, k, slope, live, N, first, last, *weights, dy_rows, dh, dc, dx_rows, dW[shard])

    run(task, len(bounds) - 1, float(live.sum()) * ((D + H) * 8 * H + 2 * H * H))
    total = dW.sum(axis=0)
    grads = {"Wx": total[:D].copy(), "Wh": total[D + 1 : D + 1 + H].copy(), "b": total[D].copy()}
    own = total[D + 1 + H :, :H]
    return {**grads, "Wd": own[1:].copy(), "bd": own[0].copy()}, dx, (dh, dc)
