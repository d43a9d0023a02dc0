"""The recurrent operators of ONNX with any activations and clip, backward; read it beside `onnx_forward.py`.

x's products take the first C columns of da, h's the `width` that begin at `at`. In a GRU da lies in the order n r z v,
where v is the q of (4) with reset="after", as in `gru.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels import gru_weights
from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.jit import kernel, part, run, shard_bounds
from rnncore.kernels.onnx_activations import slope, value
from rnncore.kernels.onnx_forward import CELL, F, G, Kept, Words, peepholes
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, live_rows
from rnncore.kernels.vectors import lanes, load, store, where_below
from rnncore.typing import Array, Grads, Lengths, Params, State


@part
def _dlstm(
    a: Any, r: Any, c: Any, after: Any, p: Any, functions: Any, coupled: bool, dy: Any, dh: Any, dc: Any, n: Any,
    da: Any, row: Any, dp: Any
) -> None:  # fmt: skip
    """Equations (7') to (2') of the LSTM for row r of the batch's n-th sequence, to row `row` of da; dp grows."""
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        a_i, a_f = load(a, r, j, rest), load(a, r, H + j, rest)
        a_g, a_o = load(a, r, 2 * H + j, rest), load(a, r, 3 * H + j, rest)
        c_old, c_t, p_o = load(c, r, j, rest), load(c, after, j, rest), load(p, FIRST, 2 * H + j, rest)
        i, o = value(a_i, functions, F), value(a_o, functions, F)
        dh_t = load(dy, r, j, rest) + load(dh, n, j, rest)
        da_o = dh_t * value(c_t, functions, CELL) * slope(a_o, functions, F)  # (7'), (6')
        dc_t = load(dc, n, j, rest) + dh_t * o * slope(c_t, functions, CELL) + da_o * p_o  # (7'), (6')
        di, df = dc_t * value(a_g, functions, G), dc_t * c_old  # (5')
        if coupled:
            f, di, da_f = 1.0 - i, di - df, where_below(i, i, i, 0.0)  # (3'); no number is below itself: zeros
        else:
            f, da_f = value(a_f, functions, F), df * slope(a_f, functions, F)
        da_i = di * slope(a_i, functions, F)  # (2')
        back = da_f * load(p, FIRST, H + j, rest) + da_i * load(p, FIRST, j, rest)
        store(dc, n, j, rest, dc_t * f + back)  # (5'), (3'), (2')
        store(dh, n, j, rest, 0.0)
        store(da, row, j, rest, da_i)
        store(da, row, H + j, rest, da_f)
        store(da, row, 2 * H + j, rest, dc_t * i * slope(a_g, functions, G))  # (4')
        store(da, row, 3 * H + j, rest, da_o)
        store(dp, FIRST, j, rest, load(dp, FIRST, j, rest) + da_i * c_old)
        store(dp, FIRST, H + j, rest, load(dp, FIRST, H + j, rest) + da_f * c_old)
        store(dp, FIRST, 2 * H + j, rest, load(dp, FIRST, 2 * H + j, rest) + da_o * c_t)


@part
def _dgru(
    a: Any, r: Any, q: Any, h: Any, functions: Any, after: bool, dy: Any, dh: Any, n: Any, da: Any, row: Any
) -> None:  # fmt: skip
    """Equation (6') of the GRU and what of (5') to (3') needs no product: blocks n and z of da, and v; dh keeps z's."""
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        a_r, a_z, a_n = load(a, r, j, rest), load(a, r, H + j, rest), load(a, r, 2 * H + j, rest)
        z, dh_t = value(a_z, functions, F), load(dy, r, j, rest) + load(dh, n, j, rest)
        dz = dh_t * (load(h, r, j, rest) - value(a_n, functions, G))  # (6')
        da_n = dh_t * (1.0 - z) * slope(a_n, functions, G)  # (6'), (5')
        v = da_n
        if after:
            v = da_n * value(a_r, functions, F)  # (5')
            store(da, row, H + j, rest, da_n * load(q, r, j, rest) * slope(a_r, functions, F))  # (5'), (3')
        store(da, row, j, rest, da_n)
        store(da, row, 2 * H + j, rest, dz * slope(a_z, functions, F))  # (3')
        store(da, row, 3 * H + j, rest, v)
        store(dh, n, j, rest, dh_t * z)  # (6')


@part
def _dreset(a: Any, r: Any, h: Any, functions: Any, dq: Any, i: Any, dh: Any, n: Any, da: Any, row: Any) -> None:
    """Equations (4') and (3') of a reset gate that acts before the product: block r of da, and dh's part through q."""
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        a_r, dq_t = load(a, r, j, rest), load(dq, i, j, rest)
        store(da, row, H + j, rest, dq_t * load(h, r, j, rest) * slope(a_r, functions, F))
        store(dh, n, j, rest, load(dh, n, j, rest) + dq_t * value(a_r, functions, F))


@part
def _outer(used: Any, left: Any, da: Any, D: Any, H: Any, at: Any, width: Any, before: bool, dW: Any) -> None:
    """Add the kept rows to the weights' gradients. left: x 1 h 1, and q 1 where the reset gate acts before."""
    add_outer(used, left, FIRST, D + 1, da, FIRST, dW.shape[1], dW, FIRST, FIRST)
    add_outer(used, left, D + 1, H + 1, da, at, width, dW, D + 1, FIRST)
    if before:
        add_outer(used, left, D + H + 2, H + 1, da, 3 * H, H, dW, D + 1, 2 * H)


@kernel
def _backward(
    x: Any, h: Any, c: Any, a: Any, q: Any, live: Any, N: int, first: int, last: int, Wx_T: Any, Wh_T: Any,
    Wh_n_T: Any, p: Any, functions: Any, coupled: bool, after: bool, dy: Any, dh: Any, dc: Any, dx: Any, dW: Any,
    dp: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW (D + H + 2, C) receives dWx, dbx, dWh, dbh, stacked."""
    D, H, C, lstm, is_gru = x.shape[1], h.shape[1], a.shape[1], c.shape[0] > 0, Wh_n_T.size > 0
    before = is_gru and not after
    at, width = (H, 2 * H if before else C) if is_gru else (FIRST, C)
    space = max(BLOCK, last - first)
    left, da = np.ones((space, D + 2 * H + 3 + PAD), x.dtype), np.empty((space, C + H + PAD), x.dtype)
    dq = np.empty((last - first, H), x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            _outer(used, left, da, D, H, at, width, before, dW)
            used = FIRST
        for n in range(rows):
            r, new = row + n, used + n
            copy_row(x, r, left, new, FIRST, D)
            copy_row(h, r, left, new, D + 1, H)
            if lstm:
                _dlstm(a, r, c, r + N, p, functions, coupled, dy, dh, dc, first + n, da, new, dp)
            elif is_gru:
                _dgru(a, r, q, h, functions, after, dy, dh, first + n, da, new)
            else:
                for j in range(0, H, lanes(dh)):
                    dh_t = load(dy, r, j, H - j) + load(dh, first + n, j, H - j)
                    store(da, new, j, H - j, dh_t * slope(load(a, r, j, H - j), functions, F))  # (2')
                    store(dh, first + n, j, H - j, 0.0)
            if before:
                copy_row(q, r, left, new, D + H + 2, H)
        if before:
            dq[:rows] = 0
            add_product(rows, da, used, 3 * H, H, Wh_n_T, dq, FIRST, FIRST, H)  # (5')
            for n in range(rows):
                _dreset(a, row + n, h, functions, dq, n, dh, first + n, da, used + n)
        add_product(rows, da, used, at, width, Wh_T, dh, first, FIRST, H)
        add_product(rows, da, used, FIRST, C, Wx_T, dx, row, FIRST, D)  # (1')
        used += rows
    _outer(used, left, da, D, H, at, width, before, dW)


def backward(
    params: Params, kept: Kept, lengths: Lengths | None, dy: Array, dstate_T: State, words: Words
) -> tuple[Grads, Array, State]:
    """Given what `forward` kept, dLoss/dy and dLoss/dstate_T, return all gradients."""
    T, N, D = kept[0].shape
    H, C = params["Wh"].shape
    bounds, live = shard_bounds(N, lengths, (D + H + 2) * C), live_rows(lengths, T, N)
    dstate = tuple(np.array(d, order="C") for d in dstate_T)
    dh, dc = dstate if len(dstate) > 1 else (*dstate, np.empty((0, H), dstate[0].dtype))
    dx, shards = np.zeros((T, N, D), dh.dtype), len(bounds) - 1
    dW, dp = np.zeros((shards, D + H + 2, C), dh.dtype), np.zeros((shards, 1, 3 * H), dh.dtype)
    if "bx" in params:
        weights = gru_weights.packed_transposes(params, words.after)
    else:
        Wx_T, Wh_T = (pack(as_rows(params[name], C), transpose=True) for name in ("Wx", "Wh"))
        weights = Wx_T, Wh_T, np.empty(0, dh.dtype)
    own = *weights, peepholes(params, H), *words
    rows = [as_rows(array, array.shape[-1]) for array in kept]
    dy_rows, dx_rows = as_rows(dy, H), as_rows(dx, D)

    def task(s: int) -> None:
        place: Any = live, N, bounds[s], bounds[s + 1], *own
        _backward(*(*rows, *place, dy_rows, dh, dc, dx_rows, dW[s], dp[s]))

    run(task, shards, float(live.sum()) * (D + H) * 2 * C)
    of_x, of_h = np.split(dW.sum(axis=0), [D + 1])
    if "bx" in params:
        of_x = np.roll(of_x, -H, axis=1)  # from n r z to r z n
        found = {"Wx": of_x[:D], "Wh": of_h[:H], "bx": of_x[D], "bh": of_h[H]}
    else:
        found = {"Wx": of_x[:D], "Wh": of_h[:H], "b": of_x[D], "P": dp.sum(axis=0)[0]}
    return {name: found[name].copy() for name in params}, dx, dstate
