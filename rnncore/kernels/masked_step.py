"""One step of RNN, LSTM or GRU under the masks of `recurrent_dropout.py`, and back, on a few rows of scratch."""

from __future__ import annotations

from typing import Any

from rnncore.kernels.activations import activate, dactivate
from rnncore.kernels.gemm import add_outer, add_product
from rnncore.kernels.gru_cell import dreset_after, dreset_before, dupdate_gate, reset_gate, update_gate
from rnncore.kernels.gru_weights import outer
from rnncore.kernels.jit import part
from rnncore.kernels.lstm import dlstm_cell, lstm_cell
from rnncore.kernels.rows import FIRST, copy_row, fill_rows
from rnncore.kernels.vectors import lanes, load, store

RNN, LSTM, GRU = 0, 1, 2


@part
def masked_row(mask: Any, r: Any, a: Any, row: Any, into: Any, n: Any) -> None:
    """Row n of `into` is row r of the mask times a row of a."""
    H = into.shape[1]
    for j in range(0, H, lanes(into)):
        store(into, n, j, H - j, load(mask, r, j, H - j) * load(a, row, j, H - j))


@part
def mix_rows(k: Any, r: Any, s: Any, n: Any, new: Any, states: Any, after: Any) -> None:
    """Equation (3): row r of k between row n of s, the old state, and row `new` of it."""
    H = s.shape[1]
    for j in range(0, H, lanes(s)):
        keep = load(k, r, j, H - j)
        store(states, after, j, H - j, keep * load(s, n, j, H - j) + (1.0 - keep) * load(s, new, j, H - j))


@part
def dmix_rows(k: Any, r: Any, d: Any, n: Any, dnew: Any, i: Any) -> None:
    """Equation (3') backwards: dnew gets its part of row n of d, which keeps its own."""
    H = d.shape[1]
    for j in range(0, H, lanes(d)):
        keep, total = load(k, r, j, H - j), load(d, n, j, H - j)
        store(dnew, i, j, H - j, (1.0 - keep) * total)
        store(d, n, j, H - j, keep * total)


@part
def move_row(a: Any, n: Any, d: Any, row: Any) -> None:
    """Add row n of a to a row of d, and leave zeros behind."""
    H = d.shape[1]
    for j in range(0, H, lanes(d)):
        store(d, row, j, H - j, load(d, row, j, H - j) + load(a, n, j, H - j))
        store(a, n, j, H - j, 0.0)


@part
def step(
    kind: int, flag: bool, rows: Any, R: Any, x: Any, row: Any, h: Any, c: Any, drop: Any, first: Any,
    Wx: Any, Wh: Any, Wh_n: Any, b: Any, bh_n: Any, hs: Any, cs: Any, hm: Any, a: Any, gates: Any, q: Any
) -> None:  # fmt: skip
    """Equations (1) and (2): the old states into the rows 0 to R - 1 of hs and cs, the new ones into those from R."""
    D, H, width = x.shape[1], h.shape[1], b.shape[1]
    fill_rows(a, FIRST, rows, b)
    add_product(rows, x, row, FIRST, D, Wx, a, FIRST, FIRST, width)
    for n in range(rows):
        copy_row(h, row + n, hs, n, FIRST, H)
        masked_row(drop, first + n, h, row + n, hm, n)
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
            update_gate(a, n, n, gates, hs, hs, R + n)
        return
    add_product(rows, hm, FIRST, FIRST, H, Wh, a, FIRST, FIRST, width)
    for n in range(rows):
        if kind == LSTM:
            copy_row(c, row + n, cs, n, FIRST, H)
            lstm_cell(a, n, cs, n, R + n, flag, hs, gates)
        else:
            for j in range(0, H, lanes(hs)):
                store(hs, R + n, j, H - j, activate(load(a, n, j, H - j), flag))


@part
def add_weights(kind: int, flag: bool, used: Any, left: Any, da: Any, D: Any, H: Any, width: Any, dW: Any) -> None:
    """Add the kept rows to dW. left: x 1 h, of a GRU x 1 h 1 q 1."""
    if kind == GRU:
        outer(used, left, da, D, H, flag, dW)
    else:
        add_outer(used, left, FIRST, D + 1 + H, da, FIRST, width, dW, FIRST, FIRST)


@part
def dstep(
    kind: int, flag: bool, rows: Any, R: Any, hs: Any, cs: Any, hm: Any, gates: Any, q: Any, dnew: Any, dhs: Any,
    dcs: Any, dq: Any, left: Any, D: Any, da: Any, used: Any
) -> None:  # fmt: skip
    """Equation (2') for the rows of a step, as far as no product is needed: into da, from the row `used` on."""
    H = hm.shape[1]
    for n in range(rows):
        if kind == LSTM:
            dlstm_cell(gates, cs, n, R, flag, dnew, dhs, dcs, n, da, used + n)
            dhs[n] = 0
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
def through(
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
