"""The LSTM and the GRU with layer normalisation, as one pair of kernels: compiled once for both.

Equations in `layers/layernorm_lstm.py` and `layers/layernorm_gru.py`; the two are told apart by the cell state, which
the GRU has not. What happens to one row, and what `own` holds, is in `norm.py`. The tricks are those of `lstm.py`,
which says what each one pays. One is its own: the products of x and h lie side by side, are normalised where they lie,
and stay there as the cache's z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.jit import forward_bounds, kernel, part, run, shard_bounds
from rnncore.kernels.norm import dgru_cell, dlstm_cell, dsums, gru_cell, lstm_cell, sums
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, live_rows
from rnncore.kernels.vectors import lanes
from rnncore.layers import layer_norm
from rnncore.typing import Array, Grads, Lengths, Params, State

Kept = tuple[Array, Array, Array, Array, Array, Array, Array]  # x, h, c, gates, z, z_c, s; c and z_c empty in a GRU


@kernel
def _forward(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, Wx: Any, Wh: Any, own: Any, own_c: Any, eps: float,
    h: Any, c: Any, gates: Any, z: Any, z_c: Any, s: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. Wx and Wh are packed.

    stride: how many rows of the arrays after `eps` lie between two steps; N where they are kept, 0 where overwritten.
    """
    D, H, C, lstm = x.shape[1], h.shape[1], gates.shape[1], c.shape[0] > 0
    scratch = np.empty((1, lanes(x)), x.dtype)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        z[old : old + rows] = 0
        for side in range(2):
            source, at, k, W = (x, row, D, Wx) if side == 0 else (h, old, H, Wh)
            add_product(rows, source, at, FIRST, k, W, z, old, side * C, C)
        for r in range(old, old + rows):
            sums(z, r, s, H, lstm, eps, scratch)
            if lstm:
                lstm_cell(z, r, r + stride, own, own_c, c, z_c, s, eps, gates, h, scratch)
            else:
                gru_cell(z, r, r + stride, own, gates, h)
            copy_row(h, r + stride, y, r + row - old, FIRST, H)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)
                if lstm:
                    copy_row(c, r, c, r + N, FIRST, H)


def _names(params: Params) -> tuple[str, ...]:
    """The rows of `own`."""
    return ("gain_x", "gain_h", "b") if "b" in params else ("gain_x", "gain_h", "bx", "bh")


def _own(params: Params) -> tuple[Array, Array]:
    """Gains and biases of the sums, and gain and bias of the cell state, as rows."""
    of_c = [params[name] for name in ("gain_c", "bias_c")] if "b" in params else np.empty((0, 0), params["Wx"].dtype)
    return np.ascontiguousarray([params[name] for name in _names(params)]), np.ascontiguousarray(of_c)


def _run(params: Params, x: Array, lengths: Lengths | None, stride: int, arrays: tuple[Array, ...]) -> Array:
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, D = x.shape
    H, columns = params["Wh"].shape
    y = (np.empty if lengths is None else np.zeros)((T, N, H), x.dtype)  # the zeros past a row's end
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    Wx, Wh = (pack(as_rows(params[name], columns)) for name in ("Wx", "Wh"))
    own, own_c = _own(params)
    x_rows, *rows = as_rows(x, D), *(as_rows(a, a.shape[-1]) for a in arrays), as_rows(y, H)

    def task(k: int) -> None:
        _forward(x_rows, live, N, stride, bounds[k], bounds[k + 1], Wx, Wh, own, own_c, float(layer_norm.EPS), *rows)

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * columns)
    return y


def _kept(params: Params, shape: tuple[int, ...], new: Any, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """Room for gates, z, z_c and s of these steps and rows; a GRU has no z_c."""
    H, columns = params["Wh"].shape
    lstm = "b" in params
    return (
        new((*shape, columns), dtype), new((*shape, 2 * columns), dtype),
        new((*shape, H) if lstm else (0, H), dtype), new((*shape, 3 if lstm else 4), dtype)
    )  # fmt: skip


def forward(params: Params, x: Array, state_0: State, lengths: Lengths | None) -> tuple[Array, State, Kept]:
    """Run T steps; return y (T, N, H), the final state, and what `backward` needs."""
    T, N, D = x.shape
    x = as_rows(x, D).reshape(T, N, D)
    states = tuple(np.empty((T + 1, *s.shape), x.dtype) for s in state_0)
    for whole, start in zip(states, state_0, strict=True):
        whole[0] = start
    h, c = states if len(states) > 1 else (*states, np.empty((0, len(params["Wh"])), x.dtype))
    kept = _kept(params, (T, N), np.empty if lengths is None else np.zeros, x.dtype)
    y = _run(params, x, lengths, N, (h, c, *kept))
    return y, tuple(s[T].copy() for s in states), (x, h, c, *kept)


def predict(params: Params, x: Array, state_0: State, lengths: Lengths | None) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    states = tuple(np.array(s, order="C") for s in state_0)
    h, c = states if len(states) > 1 else (*states, np.empty((0, states[0].shape[1]), x.dtype))
    kept = _kept(params, (x.shape[1],), np.empty, x.dtype)
    return _run(params, x, lengths, 0, (h, c, *kept)), states


@part
def _outer(used: Any, left: Any, d: Any, D: Any, H: Any, dW: Any) -> None:
    """Add the kept rows to the weights' gradients. left: x h, d: du dv."""
    C = dW.shape[1]
    for side in range(2):
        first, width = (FIRST, D) if side == 0 else (D, H)
        add_outer(used, left, first, width, d, side * C, C, dW, first, FIRST)


@kernel
def _backward(
    x: Any, h: Any, c: Any, gates: Any, z: Any, z_c: Any, s: Any, live: Any, N: int, first: int, last: int, Wx_T: Any,
    Wh_T: Any, own: Any, own_c: Any, dy: Any, dh: Any, dc: Any, dx: Any, dW: Any, down: Any, down_c: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW receives dWx and dWh, stacked, down, down_c those of own, own_c."""
    D, H, C, lstm = x.shape[1], h.shape[1], gates.shape[1], c.shape[0] > 0
    space = max(BLOCK, last - first)
    left, d = np.empty((space, D + H + PAD), x.dtype), np.empty((space, 2 * C + PAD), x.dtype)
    scratch = np.empty((2, H + lanes(x)), x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            _outer(used, left, d, D, H, dW)
            used = FIRST
        for n in range(rows):
            r, new = row + n, used + n
            copy_row(x, r, left, new, FIRST, D)
            copy_row(h, r, left, new, D, H)
            if lstm:
                dlstm_cell(z_c, s, gates, c, r, own_c, dy, dh, dc, first + n, d, new, down_c, scratch)
            else:
                dgru_cell(z, gates, h, r, own, dy, dh, first + n, d, new)
            dsums(z, s, r, own, H, d, new, down, scratch)
        for side in range(2):
            target, at, width, W = (dx, row, D, Wx_T) if side == 0 else (dh, first, H, Wh_T)
            add_product(rows, d, used, side * C, C, W, target, at, FIRST, width)
        used += rows
    _outer(used, left, d, D, H, dW)


def backward(
    params: Params, kept: Kept, lengths: Lengths | None, dy: Array, dstate_T: State
) -> tuple[Grads, Array, State]:
    """Given what `forward` kept, dLoss/dy and dLoss/dstate_T, return all gradients."""
    T, N, D = kept[0].shape
    H, columns = params["Wh"].shape
    bounds, live = shard_bounds(N, lengths, (D + H) * columns), live_rows(lengths, T, N)
    dstate = tuple(np.array(d, order="C") for d in dstate_T)
    dh, dc = dstate if len(dstate) > 1 else (*dstate, np.empty((0, H), dstate[0].dtype))
    dx, shards = np.zeros((T, N, D), dh.dtype), len(bounds) - 1
    own, own_c = _own(params)
    dW, down, down_c = (np.zeros((shards, *shape), dh.dtype) for shape in ((D + H, columns), own.shape, own_c.shape))
    Wx_T, Wh_T = (pack(as_rows(params[name], columns), transpose=True) for name in ("Wx", "Wh"))
    rows = [as_rows(a, a.shape[-1]) for a in kept]
    dy_rows, dx_rows = as_rows(dy, H), as_rows(dx, D)

    def task(k: int) -> None:
        place: Any = live, N, bounds[k], bounds[k + 1], Wx_T, Wh_T, own, own_c
        _backward(*(*rows, *place, dy_rows, dh, dc, dx_rows, dW[k], down[k], down_c[k]))

    run(task, shards, float(live.sum()) * (D + H) * 2 * columns)
    total = dW.sum(axis=0)
    found = {"Wx": total[:D], "Wh": total[D:]}
    found |= dict(zip(_names(params), down.sum(axis=0), strict=True))
    found |= dict(zip(("gain_c", "bias_c"), down_c.sum(axis=0), strict=False))
    return {name: found[name].copy() for name in params}, dx, dstate
