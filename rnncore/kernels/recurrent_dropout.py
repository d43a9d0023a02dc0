"""The fast twin of `rnncore/layers/recurrent_dropout.py` for RNN, LSTM and GRU; same arguments, results and cache.

A step is the cell's own, part by part from `lstm.py` and `gru.py`, on a few rows of scratch that hold the states before
and after it; what is added is that the product with Wh reads drop * h, and that old and new states are mixed. So one
kernel serves three cells. As in the textbook the gates are not kept but computed again: 2 numbers per unit and step of
an LSTM instead of 7, for a backward that takes 1.7 times as long as without masks. Other cells go step by step.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from rnncore.kernels import gru
from rnncore.kernels.activations import activate, dactivate
from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.gru import dreset_after, dreset_before, dupdate_gate, outer, reset_gate, update_gate
from rnncore.kernels.jit import kernel, part, run, shard_bounds
from rnncore.kernels.lstm import dlstm_cell, lstm_cell
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, fill_rows, live_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers import recurrent_dropout as textbook
from rnncore.layers.recurrent_dropout import RecurrentDropoutCache
from rnncore.typing import Array, Grads, Lengths, Params, State

RNN, LSTM, GRU = 0, 1, 2
KINDS = {"rnncore.kernels.rnn": RNN, "rnncore.kernels.lstm": LSTM, "rnncore.kernels.gru": GRU}


@part
def _masked(mask: Any, r: Any, a: Any, row: Any, into: Any, n: Any) -> None:
    """Row n of `into` is row r of the mask times a row of a."""
    H = into.shape[1]
    for j in range(0, H, lanes(into)):
        store(into, n, j, H - j, load(mask, r, j, H - j) * load(a, row, j, H - j))


@part
def _mix(k: Any, r: Any, s: Any, n: Any, new: Any, states: Any, after: Any) -> None:
    """Equation (3): row r of k between row n of s, the old state, and row `new` of it."""
    H = s.shape[1]
    for j in range(0, H, lanes(s)):
        keep = load(k, r, j, H - j)
        store(states, after, j, H - j, keep * load(s, n, j, H - j) + (1.0 - keep) * load(s, new, j, H - j))


@part
def _dmix(k: Any, r: Any, d: Any, n: Any, dnew: Any, i: Any) -> None:
    """Equation (3') backwards: dnew gets its part of row n of d, which keeps its own."""
    H = d.shape[1]
    for j in range(0, H, lanes(d)):
        keep, total = load(k, r, j, H - j), load(d, n, j, H - j)
        store(dnew, i, j, H - j, (1.0 - keep) * total)
        store(d, n, j, H - j, keep * total)


@part
def _add(a: Any, n: Any, d: Any, row: Any) -> None:
    """Add row n of a to a row of d, and leave zeros behind."""
    H = d.shape[1]
    for j in range(0, H, lanes(d)):
        store(d, row, j, H - j, load(d, row, j, H - j) + load(a, n, j, H - j))
        store(a, n, j, H - j, 0.0)


@part
def _step(
    kind: int, flag: bool, rows: Any, R: Any, x: Any, row: Any, h: Any, c: Any, drop: Any, first: Any,
    Wx: Any, Wh: Any, Wh_n: Any, b: Any, bh_n: Any, hs: Any, cs: Any, hm: Any, a: Any, gates: Any, q: Any
) -> None:  # fmt: skip
    """Equations (1) and (2): the old states into the rows 0 to R - 1 of hs and cs, the new ones into those from R."""
    D, H, width = x.shape[1], h.shape[1], b.shape[1]
    fill_rows(a, FIRST, rows, b)
    add_product(rows, x, row, FIRST, D, Wx, a, FIRST, FIRST, width)
    for n in range(rows):
        copy_row(h, row + n, hs, n, FIRST, H)
        _masked(drop, first + n, h, row + n, hm, n)
    if kind == GRU:
        add_product(rows, hm, FIRST, FIRST, H, Wh, a, FIRST, FIRST, 2 * H)
        if flag:
            fill_rows(q, FIRST, rows, bh_n)
            add_product(rows, hm, FIRST, FIRST, H, Wh_n, q, FIRST, FIRST, H)
        for n in range(rows):
            reset_gate(a, n, n, hm, flag, gates, q)
        if not flag:
            add_product(rows, q, FIRST, FIRST, H, Wh_n, a, FIRST, 2 * H, H)
        for n in range(rows):
            update_gate(a, n, n, R + n, gates, hs, hs, R + n)
        return
    add_product(rows, hm, FIRST, FIRST, H, Wh, a, FIRST, FIRST, width)
    for n in range(rows):
        if kind == LSTM:
            copy_row(c, row + n, cs, n, FIRST, H)
            lstm_cell(a, n, cs, n, R + n, flag, hs, gates, hs, R + n)
        else:
            for j in range(0, H, lanes(hs)):
                store(hs, R + n, j, H - j, activate(load(a, n, j, H - j), flag))


@kernel
def _forward(
    kind: int, flag: bool, x: Any, live: Any, N: int, first: int, last: int, drop: Any, kh: Any, kc: Any, each: Any,
    Wx: Any, Wh: Any, Wh_n: Any, b: Any, bh_n: Any, h: Any, c: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. each: 1 where kh, kc have a row for every row."""
    H, R = h.shape[1], last - first
    hs, cs, hm = np.empty((2 * R, H), x.dtype), np.empty((2 * R, H), x.dtype), np.empty((R, H), x.dtype)
    a, gates, q = np.empty((R, b.shape[1]), x.dtype), np.empty((R, 4 * H), x.dtype), np.empty((R, H), x.dtype)
    for t in range(live.size):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        _step(kind, flag, rows, R, x, row, h, c, drop, first, Wx, Wh, Wh_n, b, bh_n, hs, cs, hm, a, gates, q)
        for n in range(rows):
            _mix(kh, (row + n) * each[0], hs, n, R + n, h, row + n + N)
            copy_row(h, row + n + N, y, row + n, FIRST, H)
            if kind == LSTM:
                _mix(kc, (row + n) * each[1], cs, n, R + n, c, row + n + N)
        for r in range(row + rows, t * N + last):  # a finished row keeps its state
            copy_row(h, r, h, r + N, FIRST, H)
            if kind == LSTM:
                copy_row(c, r, c, r + N, FIRST, H)


@part
def _weights(kind: int, flag: bool, used: Any, left: Any, da: Any, D: Any, H: Any, width: Any, dW: Any) -> None:
    """Add the kept rows to dW. left: x 1 h, of a GRU x 1 h 1 q 1."""
    if kind == GRU:
        outer(used, left, da, D, H, flag, dW)
    else:
        add_outer(used, left, FIRST, D + 1 + H, da, FIRST, width, dW, FIRST, FIRST)


@part
def _dstep(
    kind: int, flag: bool, rows: Any, R: Any, hs: Any, cs: Any, hm: Any, gates: Any, q: Any, dnew: Any, dhs: Any,
    dcs: Any, dq: Any, left: Any, D: Any, da: Any, used: Any
) -> None:  # fmt: skip
    """Equation (2') for the rows of a step, as far as no product is needed: into da, from the row `used` on."""
    H = hm.shape[1]
    for n in range(rows):
        if kind == LSTM:
            dlstm_cell(gates, cs, n, R, flag, dnew, dhs, dcs, n, da, used + n)
        elif kind == GRU:
            dupdate_gate(gates, n, hs, dnew, dhs, n, da, used + n)
            if flag:
                dreset_after(gates, n, q, da, used + n)
            else:
                copy_row(q, n, left, used + n, D + H + 2, H)
                copy_row(da, used + n, da, used + n, 3 * H, H)
                dq[n] = 0
        else:
            for j in range(0, H, lanes(da)):
                slope = dactivate(load(hs, R + n, j, H - j), flag)
                store(da, used + n, j, H - j, load(dnew, n, j, H - j) * slope)


@part
def _through(
    kind: int, flag: bool, rows: Any, hm: Any, gates: Any, dq: Any, da: Any, used: Any, width: Any, Wh_T: Any,
    Wh_n_T: Any, dhm: Any
) -> None:  # fmt: skip
    """The products of (2') with Wh, into dhm; those of a GRU with the reset before them give block r of da first."""
    H = hm.shape[1]
    if kind != GRU:
        add_product(rows, da, used, FIRST, width, Wh_T, dhm, FIRST, FIRST, H)
    elif flag:
        add_product(rows, da, used, H, 3 * H, Wh_T, dhm, FIRST, FIRST, H)
    else:
        add_product(rows, da, used, 3 * H, H, Wh_n_T, dq, FIRST, FIRST, H)
        for n in range(rows):
            dreset_before(gates, n, hm, dq, n, dhm, n, da, used + n)
        add_product(rows, da, used, H, 2 * H, Wh_T, dhm, FIRST, FIRST, H)


@kernel
def _backward(
    kind: int, flag: bool, x: Any, live: Any, N: int, first: int, last: int, drop: Any, kh: Any, kc: Any, each: Any,
    Wx: Any, Wh: Any, Wh_n: Any, b: Any, bh_n: Any, h: Any, c: Any, Wx_T: Any, Wh_T: Any, Wh_n_T: Any,
    dy: Any, dh: Any, dc: Any, dx: Any, dW: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW as in the cell's own twin."""
    D, H, R, width = x.shape[1], h.shape[1], last - first, b.shape[1]
    hs, cs, hm = np.empty((2 * R, H), x.dtype), np.empty((2 * R, H), x.dtype), np.empty((R, H), x.dtype)
    a, gates, q = np.empty((R, width), x.dtype), np.empty((R, 4 * H), x.dtype), np.empty((R, H), x.dtype)
    dnew, dcs, dq = np.empty((R, H), x.dtype), np.empty((R, H), x.dtype), np.empty((R, H), x.dtype)
    dhs, dhm = np.zeros((R, H), x.dtype), np.zeros((R, H), x.dtype)  # entry by entry, and through Wh
    space = max(BLOCK, R)
    left, da = np.ones((space, D + 2 * H + 3 + PAD), x.dtype), np.empty((space, 4 * H + PAD), x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            _weights(kind, flag, used, left, da, D, H, width, dW)
            used = FIRST
        _step(kind, flag, rows, R, x, row, h, c, drop, first, Wx, Wh, Wh_n, b, bh_n, hs, cs, hm, a, gates, q)
        for n in range(rows):
            for j in range(0, H, lanes(dh)):  # h_t is read twice: as the output, and by step t+1
                store(dh, first + n, j, H - j, load(dh, first + n, j, H - j) + load(dy, row + n, j, H - j))
            _dmix(kh, (row + n) * each[0], dh, first + n, dnew, n)  # (3')
            if kind == LSTM:
                _dmix(kc, (row + n) * each[1], dc, first + n, dcs, n)  # (3')
            copy_row(x, row + n, left, used + n, FIRST, D)
            copy_row(hm, n, left, used + n, D + 1, H)
        _dstep(kind, flag, rows, R, hs, cs, hm, gates, q, dnew, dhs, dcs, dq, left, D, da, used)
        if kind == LSTM:
            for n in range(rows):
                _add(dcs, n, dc, first + n)
        _through(kind, flag, rows, hm, gates, dq, da, used, width, Wh_T, Wh_n_T, dhm)
        add_product(rows, da, used, FIRST, width, Wx_T, dx, row, FIRST, D)
        for n in range(rows):
            _add(dhs, n, dh, first + n)
            _masked(drop, first + n, dhm, n, dhm, n)  # (1')
            _add(dhm, n, dh, first + n)
        used += rows
    _weights(kind, flag, used, left, da, D, H, width, dW)


def _forward_weights(kind: int, flag: bool, params: Params) -> tuple[Array, Array, Array, Array, Array]:
    """Return Wx, Wh, Wh_n packed, then b and bh_n; of a GRU Wh has the blocks r and z, elsewhere Wh_n is not read."""
    if kind == GRU:
        return gru.packed(params, flag)
    width = params["Wh"].shape[1]
    Wx, Wh, b = (as_rows(params[name], width) for name in ("Wx", "Wh", "b"))
    Wx = pack(Wx)
    return Wx, pack(Wh), Wx, b, b


def _backward_weights(kind: int, flag: bool, params: Params) -> tuple[Array, Array, Array]:
    """Return the transposes of Wx, Wh and Wh_n packed, in the order of the blocks of da."""
    if kind == GRU:
        return gru.packed_transposes(params, flag)
    Wx_T, Wh_T = (pack(as_rows(params[name], params[name].shape[1]), transpose=True) for name in ("Wx", "Wh"))
    return Wx_T, Wh_T, Wh_T


def _mask_rows(drop: Array, zone: State) -> tuple[Array, Array, Array, Array]:
    """Return one step's drop, k of h and k of c as rows, and for each k 1 if it has a row for every row, or else 0."""
    H = drop.shape[2]
    same = [k.strides[0] == k.strides[1] == 0 for k in zone]  # expectations: one number, broadcast
    rows = [as_rows(k[:1, :1] if one else k, H) for k, one in zip(zone, same, strict=True)]
    return as_rows(drop[:1], H), rows[0], rows[-1], np.array([not same[0], not same[-1]], np.int64)


def _flags(kind: int, options: dict[str, str]) -> tuple[int, bool]:
    return kind, options.get("activation") == "relu" or options.get("reset") == "after"


def forward(
    cell: ModuleType,
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None,
    drop: Array,
    zone: State,
    **options: str,
) -> tuple[Array, State, RecurrentDropoutCache]:
    """Run T steps of a twin of the cell under these masks; return y (T, N, H), the final state and the cache."""
    if cell.__name__ not in KINDS:
        return textbook.forward(cell, params, x, state_0, lengths, drop, zone, **options)
    T, N, D = x.shape
    H, width = params["Wh"].shape
    x = as_rows(x, D).reshape(T, N, D)
    states = tuple(np.empty((T + 1, N, H), x.dtype) for _ in state_0)
    for s, first in zip(states, state_0, strict=True):
        s[0] = first
    y = (np.empty if lengths is None else np.zeros)((T, N, H), x.dtype)  # the zeros past a row's end
    kind, flag = _flags(KINDS[cell.__name__], options)
    bounds, live = shard_bounds(N, lengths), live_rows(lengths, T, N)
    masks, weights = _mask_rows(drop, zone), _forward_weights(kind, flag, params)
    x_rows, h, c, y_rows = as_rows(x, D), as_rows(states[0], H), as_rows(states[-1], H), as_rows(y, H)

    def task(s: int) -> None:
        _forward(kind, flag, x_rows, live, N, bounds[s], bounds[s + 1], *masks, *weights, h, c, y_rows)

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * width)
    return y, tuple(s[T].copy() for s in states), RecurrentDropoutCache(x, states, drop, zone, lengths)


def backward(
    cell: ModuleType, params: Params, cache: RecurrentDropoutCache, dy: Array, dstate_T: State, **options: str
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    if cell.__name__ not in KINDS:
        return textbook.backward(cell, params, cache, dy, dstate_T, **options)
    T, N, D = cache.x.shape
    H, width = params["Wh"].shape
    kind, flag = _flags(KINDS[cell.__name__], options)
    depth = D + H + 1 + (kind == GRU)
    bounds, live = shard_bounds(N, cache.lengths, depth * width), live_rows(cache.lengths, T, N)
    dstate = tuple(np.array(d, order="C") for d in dstate_T)
    dx = np.zeros((T, N, D), dy.dtype)
    dW = np.zeros((len(bounds) - 1, depth, width), dy.dtype)
    masks = _mask_rows(cache.drop, cache.zone)
    weights, turned = _forward_weights(kind, flag, params), _backward_weights(kind, flag, params)
    x, h, c = as_rows(cache.x, D), as_rows(cache.states[0], H), as_rows(cache.states[-1], H)
    dy_rows, dx_rows = as_rows(dy, H), as_rows(dx, D)

    def task(s: int) -> None:
        given = kind, flag, x, live, N, bounds[s], bounds[s + 1], *masks, *weights, h, c, *turned
        _backward(*given, dy_rows, dstate[0], dstate[-1], dx_rows, dW[s])

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * 3 * width)
    total = dW.sum(axis=0)
    if kind != GRU:
        grads = {"Wx": total[:D], "Wh": total[D + 1 :], "b": total[D]}
    else:
        of_x, of_h = np.roll(total[: D + 1], -H, axis=1), total[D + 1 :]
        grads = {"Wx": of_x[:D], "Wh": of_h[:H], "bx": of_x[D], "bh": of_h[H]}
    return {name: grads[name].copy() for name in params}, dx, dstate
