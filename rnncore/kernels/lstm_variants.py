"""The LSTMs that differ from `lstm.py` by a term or a product, as one pair of kernels: compiled once for all of them.

    peepholes     P (3H,) among the parameters                    equations in `layers/peephole_lstm.py`
    coupled       three blocks f g o: i is 1 - f                  `layers/coupled_lstm.py`
    projected     Wp (H, P) among the parameters: h = m Wp        `layers/projected_lstm.py`

The tricks are those of `lstm.py`, which says what each one pays. One is its own: x and h lie side by side, so that each
direction has one product for both, with their stacked weights; a further product is more machine code to compile.
Below m is what leaves the output gate: h itself, or what is projected to h.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import dsigmoid, sigmoid, tanh
from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.jit import forward_bounds, kernel, part, run, shard_bounds
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, fill_rows, live_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.typing import Array, Grads, Lengths, Params, State


@part
def _cell(a: Any, n: Any, p: Any, c: Any, r: Any, after: Any, gates: Any, m: Any, out: Any) -> None:
    """From row n of a and row r of c to the rows r of gates, `after` of c and `out` of m. p (1, 3H) or (0, 0)."""
    H, coupled, peepholes = c.shape[1], gates.shape[1] < 4 * c.shape[1], p.shape[0] > 0
    F = FIRST if coupled else FIRST + H  # where the block of the forget gate begins
    for j in range(0, H, lanes(c)):
        rest = H - j
        c_old = load(c, r, j, rest)
        a_f, a_o = load(a, n, F + j, rest), load(a, n, F + 2 * H + j, rest)
        if peepholes:
            a_f = a_f + load(p, FIRST, H + j, rest) * c_old
        f, g = sigmoid(a_f), tanh(load(a, n, F + H + j, rest))
        if coupled:
            i = 1.0 - f
        else:
            a_i = load(a, n, j, rest)
            if peepholes:
                a_i = a_i + load(p, FIRST, j, rest) * c_old
            i = sigmoid(a_i)
            store(gates, r, j, rest, i)
        c_t = f * c_old + i * g
        if peepholes:
            a_o = a_o + load(p, FIRST, 2 * H + j, rest) * c_t
        o = sigmoid(a_o)
        store(gates, r, F + j, rest, f)
        store(gates, r, F + H + j, rest, g)
        store(gates, r, F + 2 * H + j, rest, o)
        store(c, after, j, rest, c_t)
        store(m, out, j, rest, o * tanh(c_t))


@kernel
def _forward(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, W: Any, b: Any, p: Any, Wp: Any,
    h: Any, c: Any, gates: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. W is [Wx; Wh], packed; Wp packed, or empty.

    stride: how many rows of h, c and gates lie between two steps; N where they are kept, 0 where they are overwritten.
    """
    D, H, P, columns = x.shape[1], c.shape[1], h.shape[1], b.shape[1]
    a, both = np.empty((last - first, columns), x.dtype), np.empty((last - first, D + P + PAD), x.dtype)
    m = np.empty((last - first if Wp.size else 0, H), x.dtype)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        new = old + stride
        for n in range(rows):
            copy_row(x, row + n, both, n, FIRST, D)
            copy_row(h, old + n, both, n, D, P)
        fill_rows(a, FIRST, rows, b)
        add_product(rows, both, FIRST, FIRST, D + P, W, a, FIRST, FIRST, columns)
        target, place = (m, FIRST) if Wp.size else (h, FIRST + new)
        for n in range(rows):
            _cell(a, n, p, c, old + n, new + n, gates, target, place + n)
        if Wp.size:
            h[new : new + rows] = 0
            add_product(rows, m, FIRST, FIRST, H, Wp, h, new, FIRST, P)
        for n in range(rows):
            copy_row(h, new + n, y, row + n, FIRST, P)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, P)
                copy_row(c, r, c, r + N, FIRST, H)


def _own(params: Params, dtype: Any, transpose: bool = False) -> tuple[Array, Array, Array]:
    """The packed [Wx; Wh], p as a row, and the packed Wp; the last two are empty where there are none."""
    stacked = as_rows(np.concatenate([params["Wx"], params["Wh"]]), params["Wx"].shape[1])
    p = as_rows(params["P"], params["P"].size) if "P" in params else np.empty((0, 0), dtype)
    Wp = pack(as_rows(params["Wp"], params["Wp"].shape[1]), transpose) if "Wp" in params else np.empty(0, dtype)
    return pack(stacked, transpose), p, Wp


def _run(params: Params, x: Array, lengths: Lengths | None, stride: int, h: Array, c: Array, gates: Array) -> Array:
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, D = x.shape
    H, P, columns = c.shape[-1], h.shape[-1], gates.shape[-1]
    y = (np.empty if lengths is None else np.zeros)((T, N, P), x.dtype)  # the zeros past a row's end
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    (W, p, Wp), b = _own(params, x.dtype), as_rows(params["b"], columns)
    x_rows, *rows = as_rows(x, D), as_rows(h, P), as_rows(c, H), as_rows(gates, columns), as_rows(y, P)

    def task(s: int) -> None:
        _forward(x_rows, live, N, stride, bounds[s], bounds[s + 1], W, b, p, Wp, *rows)

    run(task, len(bounds) - 1, float(live.sum()) * ((D + P) * columns + (H * P if Wp.size else 0)))
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None
) -> tuple[Array, State, tuple[Array, Array, Array, Array]]:
    """Run T steps; return y (T, N, P), the final state (h, c), and of the cache x, h, c and gates."""
    T, N, D = x.shape
    x = as_rows(x, D).reshape(T, N, D)
    h, c = (np.empty((T + 1, *s.shape), x.dtype) for s in state_0)
    h[0], c[0] = state_0
    gates = (np.empty if lengths is None else np.zeros)((T, N, params["Wx"].shape[1]), x.dtype)
    y = _run(params, x, lengths, N, h, c, gates)
    return y, (h[T].copy(), c[T].copy()), (x, h, c, gates)


def predict(params: Params, x: Array, state_0: State, lengths: Lengths | None) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    h, c = (np.array(s, order="C") for s in state_0)
    gates = np.empty((x.shape[1], params["Wx"].shape[1]), x.dtype)
    return _run(params, x, lengths, 0, h, c, gates), (h, c)


@part
def _dcell(
    gates: Any, c: Any, r: Any, N: Any, p: Any, truncated: bool, dm: Any, dc: Any, n: Any, da: Any, row: Any, dp: Any
) -> None:  # fmt: skip
    """From row `row` of dm, and dc, for row r of the batch's n-th sequence, to row `row` of da; dp grows."""
    H, coupled, peepholes = c.shape[1], gates.shape[1] < 4 * c.shape[1], p.shape[0] > 0
    F = FIRST if coupled else FIRST + H
    for j in range(0, H, lanes(c)):
        rest = H - j
        f, g, o = load(gates, r, F + j, rest), load(gates, r, F + H + j, rest), load(gates, r, F + 2 * H + j, rest)
        c_old, c_new, dm_t = load(c, r, j, rest), load(c, r + N, j, rest), load(dm, row, j, rest)
        s = tanh(c_new)
        dc_t = load(dc, n, j, rest) + dm_t * o * (1.0 - s * s)
        da_o = dm_t * s * dsigmoid(o)
        if peepholes and not truncated:
            dc_t = dc_t + load(p, FIRST, 2 * H + j, rest) * da_o
        dc_old = dc_t * f
        if coupled:
            i = 1.0 - f
            da_f = dc_t * (c_old - g) * dsigmoid(f)
        else:
            i = load(gates, r, j, rest)
            da_f, da_i = dc_t * c_old * dsigmoid(f), dc_t * g * dsigmoid(i)
            store(da, row, j, rest, da_i)
            if peepholes:
                if not truncated:
                    dc_old = dc_old + load(p, FIRST, j, rest) * da_i + load(p, FIRST, H + j, rest) * da_f
                store(dp, FIRST, j, rest, load(dp, FIRST, j, rest) + da_i * c_old)
                store(dp, FIRST, H + j, rest, load(dp, FIRST, H + j, rest) + da_f * c_old)
                store(dp, FIRST, 2 * H + j, rest, load(dp, FIRST, 2 * H + j, rest) + da_o * c_new)
        store(da, row, F + j, rest, da_f)
        store(da, row, F + H + j, rest, dc_t * i * (1.0 - g * g))
        store(da, row, F + 2 * H + j, rest, da_o)
        store(dc, n, j, rest, dc_old)


@part
def _output(gates: Any, c: Any, r: Any, N: Any, m: Any, row: Any) -> None:
    """Compute m of row r again."""
    H = c.shape[1]
    O = gates.shape[1] - H  # noqa: E741 - the block of the output gate
    for j in range(0, H, lanes(c)):
        store(m, row, j, H - j, load(gates, r, O + j, H - j) * tanh(load(c, r + N, j, H - j)))


@part
def _outer(used: Any, left: Any, da: Any, m: Any, dh_t: Any, size: Any, projected: Any, dW: Any, dWp: Any) -> None:
    """Add the kept rows to the weights' gradients."""
    add_outer(used, left, FIRST, size, da, FIRST, dW.shape[1], dW, FIRST, FIRST)
    if projected:
        add_outer(used, m, FIRST, dWp.shape[0], dh_t, FIRST, dWp.shape[1], dWp, FIRST, FIRST)


@kernel
def _backward(
    x: Any, h: Any, c: Any, gates: Any, live: Any, N: int, first: int, last: int, W_T: Any, p: Any, Wp_T: Any,
    truncated: bool, dy: Any, dh: Any, dc: Any, dx: Any, dW: Any, dp: Any, dWp: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW (D + P + 1, columns) receives dWx, dWh and db, stacked."""
    D, H, P, columns = x.shape[1], c.shape[1], h.shape[1], gates.shape[1]
    space, projected = max(BLOCK, last - first), Wp_T.size > 0
    left, da = np.ones((space, D + P + 1 + PAD), x.dtype), np.empty((space, columns + PAD), x.dtype)  # left: x h 1
    dh_t = np.empty((space, P + PAD), x.dtype)
    m, dm = np.empty((space if projected else 0, H + PAD), x.dtype), np.empty((space if projected else 0, H), x.dtype)
    both = np.empty((last - first, D + P + PAD), x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            _outer(used, left, da, m, dh_t, D + P + 1, projected, dW, dWp)
            used = FIRST
        for n in range(rows):
            copy_row(x, row + n, left, used + n, FIRST, D)
            copy_row(h, row + n, left, used + n, D, P)
            for j in range(0, P, lanes(h)):
                total = load(dy, row + n, j, P - j) + load(dh, first + n, j, P - j)
                store(dh_t, used + n, j, P - j, total)
            both[n] = 0
        if projected:
            dm[used : used + rows] = 0
            add_product(rows, dh_t, used, FIRST, P, Wp_T, dm, used, FIRST, H)
        for n in range(rows):
            if projected:
                _output(gates, c, row + n, N, m, used + n)
            given = dm if projected else dh_t
            _dcell(gates, c, row + n, N, p, truncated, given, dc, first + n, da, used + n, dp)
        add_product(rows, da, used, FIRST, columns, W_T, both, FIRST, FIRST, D + P)
        for n in range(rows):
            copy_row(both, n, dx, row + n, FIRST, D)
            for j in range(0, P, lanes(h)):
                store(dh, first + n, j, P - j, load(both, n, D + j, P - j))
            if truncated:
                dh[first + n] = 0
        used += rows
    _outer(used, left, da, m, dh_t, D + P + 1, projected, dW, dWp)


def backward(
    params: Params, cache: Any, dy: Array, dstate_T: State, truncated: bool = False
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, P) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, D = cache.x.shape
    H, P, columns = cache.c.shape[-1], cache.h.shape[-1], cache.gates.shape[-1]
    bounds = shard_bounds(N, cache.lengths, (D + 1 + P) * columns)
    live = live_rows(cache.lengths, T, N)
    dh, dc = (np.array(d, order="C") for d in dstate_T)
    dx, shards = np.zeros((T, N, D), dh.dtype), len(bounds) - 1
    W_T, p, Wp_T = _own(params, dh.dtype, transpose=True)
    dW, dp = np.zeros((shards, D + P + 1, columns), dh.dtype), np.zeros((shards, 1, p.size), dh.dtype)
    dWp = np.zeros((shards, *(params["Wp"].shape if "Wp" in params else (0, 0))), dh.dtype)
    rows = as_rows(cache.x, D), as_rows(cache.h, P), as_rows(cache.c, H), as_rows(cache.gates, columns)
    dy_rows, dx_rows = as_rows(dy, P), as_rows(dx, D)

    def task(s: int) -> None:
        own = dy_rows, dh, dc, dx_rows, dW[s], dp[s], dWp[s]
        _backward(*rows, live, N, bounds[s], bounds[s + 1], W_T, p, Wp_T, truncated, *own)

    run(task, shards, float(live.sum()) * 2 * ((D + P) * columns + (H * P if Wp_T.size else 0)))
    total = dW.sum(axis=0)
    grads = {"Wx": total[:D].copy(), "Wh": total[D : D + P].copy(), "b": total[D + P].copy()}
    more = {"P": dp.sum(axis=0)[0], "Wp": dWp.sum(axis=0)}
    return grads | {name: d for name, d in more.items() if name in params}, dx, (dh, dc)
