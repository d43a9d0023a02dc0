"""The fast twin of `rnncore/layers/rnn.py`: same equations, names, arguments, results and cache; read them together.

The tricks are those of `lstm.py`, which says what each one pays. The pre-activation needs no array of its own: it is
computed in the place of y_t. The activation runs through all rows of a step as if they were one, so that only the last
register has lanes to spare: 17 % of the forward with 50 units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import activate, dactivate
from rnncore.kernels.gemm import add_kept, add_product, affine, groups, keep_rows, pack, panels_of, room, whole_groups
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
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers.rnn import RNNCache
from rnncore.typing import Array, Grads, Lengths, Params, State


@kernel
def forward_rows(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, ahead: int, Wx: Any, Wh: Any, ready: bool, b: Any,
    relu: bool, apart: bool, h: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps.

    ready: Wx and Wh are packed, see `lstm.py`.

    stride: how many rows of h lie between two steps; N where they are kept, 0 where they are overwritten.
    ahead: for how many steps x Wx is computed at once, see `steps_ahead`.
    apart: y is an array of its own, and not h from its second slot on.
    """
    D, H = x.shape[2], h.shape[2]
    x, h, y, b = rows_of(x, D), rows_of(h, H), rows_of(y, H), rows_of(b, H)
    Wx, Wh = panels_of(Wx, FIRST, H, ready), panels_of(Wh, FIRST, H, ready)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        if t % ahead == 0:
            some = rows if ahead == 1 else min(ahead, live.size - t) * N
            affine(some, x, row, D, Wx, b, y, row, H)  # (1)
        add_product(rows, h, old, FIRST, H, Wh, y, row, FIRST, H)
        for j in range(0, rows * H, lanes(h)):  # rows lie one behind another
            h_t = activate(load(y, row, j, rows * H - j), relu)  # (2)
            store(y, row, j, rows * H - j, h_t)
            if apart:
                store(h, old + stride, j, rows * H - j, h_t)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)


def _run(params: Params, x: Array, lengths: Lengths | None, stride: int, h: Array, relu: bool) -> Array:
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
        forward_rows(x, live, N, stride, bounds[s], bounds[s + 1], ahead, Wx, Wh, ready, b, relu, apart, h, y)

    run(task, len(bounds) - 1, row_steps(lengths, T, N) * (D + H) * H)
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State, RNNCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache."""
    T, N, _ = x.shape
    x = plain(x)
    h = np.empty((T + 1, N, len(params["Wh"])), x.dtype)
    (h[0],) = state_0
    y = _run(params, x, lengths, N, h, activation == "relu")
    y.setflags(write=lengths is not None)  # else it is h[1:], which `backward` reads
    return y, (h[T].copy(),), RNNCache(x, h, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    h = state_0[0].copy()
    return _run(params, x, lengths, 0, h[None], activation == "relu"), (h,)


@kernel
def _backward(
    x: Any, h: Any, live: Any, N: int, first: int, last: int, ahead: int, Wx: Any, Wh: Any, ready: bool, relu: bool,
    dy: Any, dh: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW receives dWx, dWh and db, stacked as in `backward`.

    ready: Wx and Wh are their packed transposes.
    """
    D, H, G = x.shape[2], h.shape[2], groups(x.shape[2])
    x, h, dy, dx = rows_of(x, D), rows_of(h, H), rows_of(dy, H), rows_of(dx, D)
    Wx_T, Wh_T = panels_of(Wx, FIRST, D, ready, True), panels_of(Wh, FIRST, H, ready, True)
    zeros = np.zeros((1, max(D, H)), x.dtype)  # where the products into dh and dx begin
    m = dW.shape[0] - 1
    space = max(min(BLOCK, live.size * (last - first)), last - first)
    left, da = room(space, groups(m), x), np.empty((space, H + PAD), x.dtype)  # left: x h
    free, fresh = FIRST + space, True
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if rows > free:
            add_kept(free, space - free, left, FIRST, m, da, FIRST, H, dW, FIRST, FIRST, m, fresh)  # (1')
            free, fresh = FIRST + space, False
        free -= rows
        for n in range(rows):
            r, new = row + n, free + n
            for j in range(0, H, lanes(dh)):
                rest = H - j
                dh_t = load(dy, r, j, rest) + load(dh, first + n, j, rest)
                store(da, new, j, rest, dh_t * dactivate(load(h, r + N, j, rest), relu))  # (2')
        keep_rows(rows, x, row, FIRST, D, left, free, FIRST)
        keep_rows(rows, h, row, FIRST, H, left, free, G)
        if t > 0 and rows > 2:
            for matrix in (x, h, dy, dx):
                fetch_rows(matrix, row - N, rows)
        affine(rows, da, free, H, Wh_T, zeros, dh, first, H)
        if ahead == 1:
            affine(rows, da, free, H, Wx_T, zeros, dx, row, D)
        elif t == 0 or rows > free:
            affine(space - free, da, free, H, Wx_T, zeros, dx, row, D)
    add_kept(free, space - free, left, FIRST, m, da, FIRST, H, dW, FIRST, FIRST, m, fresh)


def backward(
    params: Params, cache: RNNCache, dy: Array, dstate_T: State, *, activation: str = "tanh"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, D = cache.x.shape
    H = len(params["Wh"])
    at_h = whole_groups(D)  # dW: the rows of Wx up to a whole group, those of Wh, and b
    bounds = shard_bounds(N, cache.lengths, (at_h + H + 1) * H)
    live = live_rows(cache.lengths, T, N)
    dh = np.array(dstate_T[0], order="C")
    dx = (np.empty if cache.lengths is None else np.zeros)((T, N, D), dh.dtype)
    dW = np.empty((len(bounds) - 1, at_h + H + 1, H), dh.dtype)

    Wx, Wh, ready = plain(params["Wx"]), plain(params["Wh"]), len(dW) > 1
    if ready:
        Wx, Wh = pack(Wx, transpose=True)[None], pack(Wh, transpose=True)[None]
    x, h, dy = plain(cache.x), plain(cache.h), plain(dy)
    ahead, relu = steps_ahead(N, cache.lengths), activation == "relu"

    def task(s: int) -> None:
        _backward(x, h, live, N, bounds[s], bounds[s + 1], ahead, Wx, Wh, ready, relu, dy, dh, dx, dW[s])

    run(task, len(bounds) - 1, row_steps(cache.lengths, T, N) * (D + H) * 2 * H)
    total = dW[0] if len(dW) == 1 else dW.sum(axis=0)
    return {"Wx": total[:D], "Wh": total[at_h:-1], "b": total[-1]}, dx, (dh,)
