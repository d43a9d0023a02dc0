"""The fast twin of `rnncore/layers/lstm.py`: same equations, names, arguments, results and cache; read it beside that file.

What is different, and what it pays (see `gemm.py` and `activations.py` for the products and the functions):

* `Wx`, `Wh` and their transposes are packed once per sequence, not in every step: a step's product runs at 200 GFLOP/s
  instead of 110;
* the gates are computed in place in the cache: the only large array is written once;
* the gradients of the pre-activations live for 256 rows only, while they are in the L2 cache; they then go into dWx, db
  and dWh as one product, with [x 1 h] on the left: 3 products and a sum over T steps become one per 256 rows;
* a shard of the batch is a task for one thread (`jit.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import activate, sigmoid_all, slope
from rnncore.kernels.gemm import FIRST, add_outer, add_product, pack
from rnncore.kernels.jit import kernel, part, run, shard_bounds
from rnncore.kernels.rows import BLOCK, PAD, as_rows, copy_row, fill_rows, live_rows
from rnncore.layers.lstm import LSTMCache
from rnncore.typing import Array, Grads, Lengths, Params, State


@part
def _cell(gates: Any, c_prev: Any, relu: bool, c: Any, h: Any, y: Any) -> None:
    """Equations (2) to (5) for one row, gates in place; a loop over few arrays at a time, or it is not vectorised."""
    H = h.size
    i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
    sigmoid_all(gates[: 2 * H])  # (2)
    sigmoid_all(o)
    activate(g, relu)  # (3)
    for j in range(H):
        c[j] = f[j] * c_prev[j] + i[j] * g[j]  # (4)
    copy_row(c, h)
    activate(h, relu)
    for j in range(H):
        h[j] = o[j] * h[j]  # (5)
    copy_row(h, y)


@kernel
def _forward(
    x: Any, live: Any, N: int, first: int, last: int, Wx: Any, Wh: Any, b: Any, relu: bool, h: Any, c: Any, gates: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. Wx and Wh are packed."""
    D, H = x.shape[1], h.shape[1]
    for t in range(live.size):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        fill_rows(gates, row, rows, b)  # (1)
        add_product(rows, x, row, FIRST, D, Wx, gates, row, FIRST, 4 * H)
        add_product(rows, h, row, FIRST, H, Wh, gates, row, FIRST, 4 * H)
        for r in range(row, row + rows):
            _cell(gates[r], c[r], relu, c[r + N], h[r + N], y[r])
        for r in range(row + rows, t * N + last):  # a finished row keeps its state
            copy_row(h[r], h[r + N])
            copy_row(c[r], c[r + N])


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State, LSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    T, N, D = x.shape
    H = len(params["Wh"])
    x = as_rows(x, D).reshape(T, N, D)
    h, c = np.empty((T + 1, N, H), x.dtype), np.empty((T + 1, N, H), x.dtype)
    h[0], c[0] = state_0
    new = np.empty if lengths is None else np.zeros  # the zeros past a row's end
    gates, y = new((T, N, 4 * H), x.dtype), new((T, N, H), x.dtype)

    bounds, live = shard_bounds(N, lengths), live_rows(lengths, T, N)
    Wx, Wh, b = pack(as_rows(params["Wx"], 4 * H)), pack(as_rows(params["Wh"], 4 * H)), as_rows(params["b"], 4 * H)[0]
    rows = as_rows(x, D), as_rows(h, H), as_rows(c, H), as_rows(gates, 4 * H), as_rows(y, H)

    def task(s: int) -> None:
        x, h, c, gates, y = rows
        _forward(x, live, N, bounds[s], bounds[s + 1], Wx, Wh, b, activation == "relu", h, c, gates, y)

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * 4 * H)
    return y, (h[T].copy(), c[T].copy()), LSTMCache(x, h, c, gates, lengths)


@part
def _dcell(gates: Any, c: Any, c_prev: Any, relu: bool, dy: Any, dh: Any, dc: Any, da: Any, s: Any) -> None:
    """Equations (5') to (2') for one row: from dh and dc to da (i f g o) and dc of the step before. s is scratch."""
    H = dh.size
    i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
    da_i, da_f, da_g, da_o = da[:H], da[H : 2 * H], da[2 * H : 3 * H], da[3 * H : 4 * H]
    copy_row(c, s)
    activate(s, relu)
    for j in range(H):
        dh[j] += dy[j]
    for j in range(H):
        da_o[j] = dh[j] * s[j] * (o[j] - o[j] * o[j])  # (5'), (2')
    for j in range(H):
        dc[j] += dh[j] * o[j] * slope(s[j], relu)
    for j in range(H):
        da_i[j] = dc[j] * g[j] * (i[j] - i[j] * i[j])  # (4'), (2')
    for j in range(H):
        da_g[j] = dc[j] * i[j] * slope(g[j], relu)  # (4'), (3')
    for j in range(H):
        da_f[j] = dc[j] * c_prev[j] * (f[j] - f[j] * f[j])  # (4'), (2')
    for j in range(H):
        dc[j] *= f[j]


@kernel
def _backward(
    x: Any, h: Any, c: Any, gates: Any, live: Any, N: int, first: int, last: int, Wx_T: Any, Wh_T: Any, relu: bool,
    dy: Any, dh: Any, dc: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW (D + 1 + H, 4H) receives dWx, db and dWh, one below the other."""
    D, H = x.shape[1], h.shape[1]
    space = max(BLOCK, last - first)
    left, da = np.ones((space, D + 1 + H + PAD), x.dtype), np.empty((space, 4 * H + PAD), x.dtype)  # left: x 1 h
    s = np.empty(H, x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            add_outer(used, left, FIRST, D + 1 + H, da, FIRST, 4 * H, dW, FIRST, FIRST)  # (1')
            used = FIRST
        for n in range(rows):
            r, new, old = row + n, used + n, first + n
            _dcell(gates[r], c[r + N], c[r], relu, dy[r], dh[old], dc[old], da[new], s)
            copy_row(x[r], left[new])
            copy_row(h[r], left[new, D + 1 :])
            dh[old] = 0
        add_product(rows, da, used, FIRST, 4 * H, Wx_T, dx, row, FIRST, D)
        add_product(rows, da, used, FIRST, 4 * H, Wh_T, dh, first, FIRST, H)
        used += rows
    add_outer(used, left, FIRST, D + 1 + H, da, FIRST, 4 * H, dW, FIRST, FIRST)


def backward(
    params: Params, cache: LSTMCache, dy: Array, dstate_T: State, *, activation: str = "tanh"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, D = cache.x.shape
    H = len(params["Wh"])
    bounds, live = shard_bounds(N, cache.lengths), live_rows(cache.lengths, T, N)
    dh, dc = (np.array(d, order="C") for d in dstate_T)
    dx = np.zeros((T, N, D), dh.dtype)
    dW = np.zeros((len(bounds) - 1, D + 1 + H, 4 * H), dh.dtype)

    Wx_T, Wh_T = (pack(as_rows(params[name], 4 * H), transpose=True) for name in ("Wx", "Wh"))
    rows = as_rows(cache.x, D), as_rows(cache.h, H), as_rows(cache.c, H), as_rows(cache.gates, 4 * H)
    dy_rows, dx_rows = as_rows(dy, H), as_rows(dx, D)

    def task(s: int) -> None:
        _backward(
            *rows, live, N, bounds[s], bounds[s + 1], Wx_T, Wh_T, activation == "relu", dy_rows, dh, dc, dx_rows, dW[s]
        )

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * 8 * H)
    total = dW.sum(axis=0)
    return {"Wx": total[:D].copy(), "Wh": total[D + 1 :].copy(), "b": total[D].copy()}, dx, (dh, dc)
