"""One step of many sequences whose states are rows of one table: what `rnncore.streaming` runs.

The step is that of the cell's own file, one step long, so it gives the very bits of a run over the whole history.
Different is: the weights are packed once and lie in one array, since each array that Python passes to a kernel costs
70 ns; scratch arrays are made inside; Numba's choice by type is made once (0.2 us). A step of one sequence with 16
features and 64 units, called from Python, takes 1.2 (RNN) to 2 us (LSTM), of which 1 us is the call.

`rows` says which row of the table belongs to which row of x; the states of a cell are the columns from `column` on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from rnncore.kernels import gru, lstm, rnn
from rnncore.kernels.activations import activate
from rnncore.kernels.gemm import add_product, aligned, pack, packed_size
from rnncore.kernels.jit import entrance, forward_bounds, kernel, part, run
from rnncore.kernels.rows import FIRST, as_rows, copy_row, fill_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.typing import Array, Params

Rows = NDArray[np.int64]


class Step(NamedTuple):
    """One step of one layer: of one sequence, x (D,), and of many, x (N, D); x is contiguous."""

    one: Callable[[Array, int, Array], Array]
    many: Callable[[Array, Rows, Array], Array]


_rnn_forward: Any = rnn.forward_rows
_lstm_forward: Any = lstm.forward_rows
_gru_forward: Any = gru.forward_rows
_lstm_cell: Any = lstm.lstm_cell
_gru_reset: Any = gru.reset_gate
_gru_update: Any = gru.update_gate


@part
def _take(table: Any, rows: Any, first: Any, last: Any, column: Any, state: Any) -> None:
    """Copy the states of the rows first to last - 1 out of the table."""
    H = state.shape[1]
    for n in range(first, last):
        for j in range(0, H, lanes(state)):
            store(state, n, j, H - j, load(table, rows[n], column + j, H - j))


@part
def _put(table: Any, rows: Any, first: Any, last: Any, column: Any, state: Any) -> None:
    """Copy the states back into the table."""
    H = state.shape[1]
    for n in range(first, last):
        for j in range(0, H, lanes(state)):
            store(table, rows[n], column + j, H - j, load(state, n, j, H - j))


@part
def _load_row(table: Any, row: Any, column: Any, state: Any) -> None:
    """Copy one state out of the table."""
    H = state.shape[1]
    for j in range(0, H, lanes(state)):
        store(state, FIRST, j, H - j, load(table, row, column + j, H - j))


@kernel
def _rnn(x: Any, rows: Any, first: int, last: int, weights: Any, relu: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    Wh = packed_size(D, H, weights)
    b = Wh + packed_size(H, H, weights)
    h, live = np.empty((N, H), x.dtype), np.full(1, N)
    _take(table, rows, first, last, column, h)
    _rnn_forward(
        x, live, N, 0, first, last, 1, weights[:Wh], weights[Wh:b], weights[b:].reshape((1, H)), relu, h, y
    )  # fmt: skip
    _put(table, rows, first, last, column, h)


@kernel
def _lstm(x: Any, rows: Any, first: int, last: int, weights: Any, relu: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    Wh = packed_size(D, 4 * H, weights)
    b = Wh + packed_size(H, 4 * H, weights)
    scratch, live = np.empty((6 * N, H), x.dtype), np.full(1, N)
    h, c, gates = scratch[:N], scratch[N : 2 * N], scratch[2 * N :].reshape((N, 4 * H))
    _take(table, rows, first, last, column, h)
    _take(table, rows, first, last, column + H, c)
    _lstm_forward(
        x, live, N, 0, first, last, 1, weights[:Wh], weights[Wh:b], weights[b:].reshape((1, 4 * H)), relu,
        h, c, gates, y
    )  # fmt: skip
    _put(table, rows, first, last, column, h)
    _put(table, rows, first, last, column + H, c)


@kernel
def _gru(x: Any, rows: Any, first: int, last: int, weights: Any, after: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    Wh_rz = packed_size(D, 3 * H, weights)
    Wh_n = Wh_rz + packed_size(H, 2 * H, weights)
    b = Wh_n + packed_size(H, H, weights)
    bh_n = b + 3 * H
    scratch, live = np.empty((5 * N, H), x.dtype), np.full(1, N)
    h, q, gates = scratch[:N], scratch[N : 2 * N], scratch[2 * N :].reshape((N, 3 * H))
    _take(table, rows, first, last, column, h)
    _gru_forward(
        x, live, N, 0, first, last, 1, weights[:Wh_rz], weights[Wh_rz:Wh_n], weights[Wh_n:b],
        weights[b:bh_n].reshape((1, 3 * H)), weights[bh_n:].reshape((1, H)), after, h, gates, q, y
    )  # fmt: skip
    _put(table, rows, first, last, column, h)


@kernel
def _rnn_one(x: Any, row: int, weights: Any, relu: bool, table: Any, column: int, y: Any) -> None:
    D, H = x.size, y.size
    Wh = packed_size(D, H, weights)
    b = Wh + packed_size(H, H, weights)
    h, a = np.empty((1, H), x.dtype), y.reshape((1, H))
    _load_row(table, row, column, h)
    copy_row(weights[b:].reshape((1, H)), FIRST, a, FIRST, FIRST, H)
    add_product(1, x.reshape((1, D)), FIRST, FIRST, D, weights[:Wh], a, FIRST, FIRST, H)
    add_product(1, h, FIRST, FIRST, H, weights[Wh:b], a, FIRST, FIRST, H)
    for j in range(0, H, lanes(a)):
        store(a, FIRST, j, H - j, activate(load(a, FIRST, j, H - j), relu))
    copy_row(a, FIRST, table, row, column, H)


@kernel
def _lstm_one(x: Any, row: int, weights: Any, relu: bool, table: Any, column: int, y: Any) -> None:
    D, H = x.size, y.size
    Wh = packed_size(D, 4 * H, weights)
    b = Wh + packed_size(H, 4 * H, weights)
    scratch = np.empty((10, H), x.dtype)
    h, c = scratch[:1], scratch[1:2]
    a, gates = scratch[2:6].reshape((1, 4 * H)), scratch[6:].reshape((1, 4 * H))
    _load_row(table, row, column, h)
    _load_row(table, row, column + H, c)
    copy_row(weights[b:].reshape((1, 4 * H)), FIRST, a, FIRST, FIRST, 4 * H)
    add_product(1, x.reshape((1, D)), FIRST, FIRST, D, weights[:Wh], a, FIRST, FIRST, 4 * H)
    add_product(1, h, FIRST, FIRST, H, weights[Wh:b], a, FIRST, FIRST, 4 * H)
    _lstm_cell(a, FIRST, c, FIRST, FIRST, relu, h, gates, y.reshape((1, H)), FIRST)
    copy_row(h, FIRST, table, row, column, H)
    copy_row(c, FIRST, table, row, column + H, H)


@kernel
def _gru_one(x: Any, row: int, weights: Any, after: bool, table: Any, column: int, y: Any) -> None:
    D, H = x.size, y.size
    Wh_rz = packed_size(D, 3 * H, weights)
    Wh_n = Wh_rz + packed_size(H, 2 * H, weights)
    b = Wh_n + packed_size(H, H, weights)
    bh_n = b + 3 * H
    scratch = np.empty((8, H), x.dtype)
    h, q, a, gates = scratch[:1], scratch[1:2], scratch[2:5].reshape((1, 3 * H)), scratch[5:].reshape((1, 3 * H))
    _load_row(table, row, column, h)
    copy_row(weights[b:bh_n].reshape((1, 3 * H)), FIRST, a, FIRST, FIRST, 3 * H)
    add_product(1, x.reshape((1, D)), FIRST, FIRST, D, weights[:Wh_rz], a, FIRST, FIRST, 3 * H)
    add_product(1, h, FIRST, FIRST, H, weights[Wh_rz:Wh_n], a, FIRST, FIRST, 2 * H)
    if after:
        copy_row(weights[bh_n:].reshape((1, H)), FIRST, q, FIRST, FIRST, H)
        add_product(1, h, FIRST, FIRST, H, weights[Wh_n:b], q, FIRST, FIRST, H)
    _gru_reset(a, FIRST, FIRST, h, after, gates, q)
    if not after:
        add_product(1, q, FIRST, FIRST, H, weights[Wh_n:b], a, FIRST, 2 * H, H)
    _gru_update(a, FIRST, FIRST, FIRST, gates, h, y.reshape((1, H)), FIRST)
    copy_row(h, FIRST, table, row, column, H)


@kernel
def _affine_one(x: Any, weights: Any, y: Any) -> None:
    D, H = x.size, y.size
    b = packed_size(D, H, weights)
    copy_row(weights[b:].reshape((1, H)), FIRST, y.reshape((1, H)), FIRST, FIRST, H)
    add_product(1, x.reshape((1, D)), FIRST, FIRST, D, weights[:b], y.reshape((1, H)), FIRST, FIRST, H)


CELLS: dict[str, Any] = {"rnn": (_rnn_one, _rnn), "lstm": (_lstm_one, _lstm), "gru": (_gru_one, _gru)}


@kernel
def _affine(x: Any, weights: Any, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    b = packed_size(D, H, weights)
    fill_rows(y, FIRST, N, weights[b:].reshape((1, H)))
    add_product(N, x, FIRST, FIRST, D, weights[:b], y, FIRST, FIRST, H)


def _joined(*arrays: Array) -> Array:
    """All numbers of these arrays, one array after another."""
    whole = aligned(sum(a.size for a in arrays), arrays[0].dtype)
    return np.concatenate([a.ravel() for a in arrays], out=whole)


def cell_step(name: str, params: Params, column: int, option: str) -> Step:
    """Return one step of the cell "rnn", "lstm" or "gru"; `option` is its activation, or the GRU's reset."""
    D, H = len(params["Wx"]), len(params["Wh"])
    Wx, Wh = as_rows(params["Wx"], params["Wx"].shape[1]), as_rows(params["Wh"], params["Wh"].shape[1])
    if name == "gru":
        b, bh_n = params["bx"] + params["bh"], params["bh"][2 * H :]
        if option == "after":
            b[2 * H :] = params["bx"][2 * H :]
        weights = _joined(pack(Wx), pack(Wh, last=2 * H), pack(Wh, first=2 * H), b, bh_n)
    else:
        weights = _joined(pack(Wx), pack(Wh), params["b"])
    flag, dtype, size = option in ("relu", "after"), weights.dtype, Wx.shape[1]
    vector, matrix = np.empty(1, dtype), np.empty((1, 1), dtype)
    for_one, for_many = CELLS[name]
    advance = entrance(for_one, (vector, 0, weights, flag, matrix, 0, vector))

    def one(x: Array, row: int, table: Array) -> Array:
        y = np.empty(H, dtype)
        advance(x, row, weights, flag, table, column, y)
        return y

    def many(x: Array, rows: Rows, table: Array) -> Array:
        N = len(x)
        y = np.empty((N, H), dtype)
        bounds = forward_bounds(N, None)

        def task(s: int) -> None:
            for_many(x, rows, bounds[s], bounds[s + 1], weights, flag, table, column, y)

        run(task, len(bounds) - 1, float(N) * (D + H) * size)
        return y

    return Step(one, many)


def affine_step(params: Params) -> Step:
    """Return y = x W + b; the states are not touched."""
    H = params["W"].shape[1]
    weights = _joined(pack(as_rows(params["W"], H)), params["b"])
    vector = np.empty(1, weights.dtype)
    advance, for_many = entrance(_affine_one, (vector, weights, vector)), cast(Any, _affine)

    def one(x: Array, row: int, table: Array) -> Array:
        y = np.empty(H, weights.dtype)
        advance(x, weights, y)
        return y

    def many(x: Array, rows: Rows, table: Array) -> Array:
        y = np.empty((len(x), H), weights.dtype)
        for_many(x, weights, y)
        return y

    return Step(one, many)
