"""The fast twin of `rnncore/layers/rnn.py`: same equations, names, arguments, results and cache; read them together.

The tricks are those of `lstm.py`, which says what each one pays. The pre-activation needs no array of its own: it is
computed in the place of y_t.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import activate, dactivate
from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.jit import forward_bounds, kernel, run, shard_bounds
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, fetch_rows, fill_rows, live_rows, steps_ahead
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers.rnn import RNNCache
from rnncore.typing import Array, Grads, Lengths, Params, State


@kernel
def forward_rows(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, ahead: int, Wx: Any, Wh: Any, b: Any, relu: bool,
    h: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. Wx and Wh are packed.

    stride: how many rows of h lie between two steps; N where they are kept, 0 where they are overwritten.
    ahead: for how many steps x Wx is computed at once, see `steps_ahead`.
    """
    D, H = x.shape[1], h.shape[1]
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        if t % ahead == 0:
            some = rows if ahead == 1 else min(ahead, live.size - t) * N
            fill_rows(y, row, some, b)  # (1)
            add_product(some, x, row, FIRST, D, Wx, y, row, FIRST, H)
        add_product(rows, h, old, FIRST, H, Wh, y, row, FIRST, H)
        for n in range(rows):
            for j in range(0, H, lanes(h)):
                h_t = activate(load(y, row + n, j, H - j), relu)  # (2)
                store(h, old + n + stride, j, H - j, h_t)
                store(y, row + n, j, H - j, h_t)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)


def _run(params: Params, x: Array, lengths: Lengths | None, stride: int, h: Array, relu: bool) -> Array:
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, D = x.shape
    H = len(params["Wh"])
    y = (np.empty if lengths is None else np.zeros)((T, N, H), x.dtype)  # the zeros past a row's end
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    Wx, Wh, b = pack(as_rows(params["Wx"], H)), pack(as_rows(params["Wh"], H)), as_rows(params["b"], H)
    x_rows, h_rows, y_rows = as_rows(x, D), as_rows(h, H), as_rows(y, H)
    ahead = steps_ahead(N, lengths)

    def task(s: int) -> None:
        forward_rows(x_rows, live, N, stride, bounds[s], bounds[s + 1], ahead, Wx, Wh, b, relu, h_rows, y_rows)

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * H)
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State, RNNCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache."""
    T, N, D = x.shape
    H = len(params["Wh"])
    x = as_rows(x, D).reshape(T, N, D)
    h = np.empty((T + 1, N, H), x.dtype)
    (h[0],) = state_0
    y = _run(params, x, lengths, N, h, activation == "relu")
    return y, (h[T].copy(),), RNNCache(x, h, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    h = np.array(state_0[0], order="C")
    return _run(params, x, lengths, 0, h, activation == "relu"), (h,)


@kernel
def _backward(
    x: Any, h: Any, live: Any, N: int, first: int, last: int, Wx_T: Any, Wh_T: Any, relu: bool,
    dy: Any, dh: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW (D + 1 + H, H) receives dWx, db and dWh, stacked."""
    D, H = x.shape[1], h.shape[1]
    space = max(BLOCK, last - first)
    left, da = np.ones((space, D + 1 + H + PAD), x.dtype), np.empty((space, H + PAD), x.dtype)  # left: x 1 h
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            add_outer(used, left, FIRST, D + 1 + H, da, FIRST, H, dW, FIRST, FIRST)  # (1')
            used = FIRST
        for n in range(rows):
            r, old, new = row + n, first + n, used + n
            for j in range(0, H, lanes(dh)):
                rest = H - j
                dh_t = load(dy, r, j, rest) + load(dh, old, j, rest)
                store(da, new, j, rest, dh_t * dactivate(load(h, r + N, j, rest), relu))  # (2')
                store(dh, old, j, rest, 0.0)
            copy_row(x, r, left, new, FIRST, D)
            copy_row(h, r, left, new, D + 1, H)
        for matrix in (h, dy):
            fetch_rows(matrix, row - N, rows * (t > 0))
        add_product(rows, da, used, FIRST, H, Wx_T, dx, row, FIRST, D)
        add_product(rows, da, used, FIRST, H, Wh_T, dh, first, FIRST, H)
        used += rows
    add_outer(used, left, FIRST, D + 1 + H, da, FIRST, H, dW, FIRST, FIRST)


def backward(
    params: Params, cache: RNNCache, dy: Array, dstate_T: State, *, activation: str = "tanh"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, D = cache.x.shape
    H = len(params["Wh"])
    bounds = shard_bounds(N, cache.lengths, (D + 1 + H) * H)
    live = live_rows(cache.lengths, T, N)
    dh = np.array(dstate_T[0], order="C")
    dx = np.zeros((T, N, D), dh.dtype)
    dW = np.zeros((len(bounds) - 1, D + 1 + H, H), dh.dtype)

    Wx_T, Wh_T = (pack(as_rows(params[name], H), transpose=True) for name in ("Wx", "Wh"))
    x, h, dy_rows, dx_rows = as_rows(cache.x, D), as_rows(cache.h, H), as_rows(dy, H), as_rows(dx, D)

    def task(s: int) -> None:
        _backward(
            x, h, live, N, bounds[s], bounds[s + 1], Wx_T, Wh_T, activation == "relu", dy_rows, dh, dx_rows, dW[s]
        )

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * 2 * H)
    total = dW.sum(axis=0)
    return {"Wx": total[:D].copy(), "Wh": total[D + 1 :].copy(), "b": total[D].copy()}, dx, (dh,)
