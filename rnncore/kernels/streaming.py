"""One step of many sequences whose states are rows of one table: what `rnncore.streaming` runs.

The step is that of the cell's own file, one step long, so it gives the very bits of a run over the whole history. The
weights are packed once and lie in one array, since each array that Python passes to a kernel costs 70 ns; scratch
arrays are made inside. One sequence alone has kernels of its own (`event.py`).

`rows` says which row of the table belongs to which row of x; the states of a cell are the columns from `column` on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.kernels import gru, lstm, rnn
from rnncore.kernels.event import ROOM, One, one_event
from rnncore.kernels.gemm import affine, aligned, pack, packed_size
from rnncore.kernels.given import readable
from rnncore.kernels.jit import kernel, part, run, shard_bounds
from rnncore.kernels.rows import FIRST, as_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.typing import Array, Params

Rows = NDArray[np.int64]
_BRIEF = 2**20  # multiply-adds of one event, 0.1 ms at most, for which the GIL is kept; `many` gives it up


class Step(NamedTuple):
    """One step of one layer: of one sequence, x (D,), which it looks at itself, and of many, contiguous x (N, D)."""

    one: One
    many: Callable[[Array, Rows, Array], Array]


_rnn_forward: Any = rnn.forward_rows
_lstm_forward: Any = lstm.forward_rows
_gru_forward: Any = gru.forward_rows


@part
def _take(table: Any, rows: Any, column: Any, state: Any) -> None:
    """Copy the states of these rows out of the table."""
    H = state.shape[1]
    for n in range(rows.size):
        for j in range(0, H, lanes(state)):
            store(state, n, j, H - j, load(table, rows[n], column + j, H - j))


@part
def _put(table: Any, rows: Any, column: Any, state: Any) -> None:
    """Copy the states back into the table."""
    H = state.shape[1]
    for n in range(rows.size):
        for j in range(0, H, lanes(state)):
            store(table, rows[n], column + j, H - j, load(state, n, j, H - j))


@part
def _row(weights: Any, first: Any, last: Any) -> Any:
    """A part of the weights as the one row of a matrix."""
    return weights[first:last].reshape((1, last - first))


@part
def _step_of(matrix: Any) -> Any:
    """The rows of one step as the only one of a sequence."""
    return matrix.reshape((1, *matrix.shape))


@kernel
def _rnn(x: Any, rows: Any, weights: Any, relu: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    Wh = packed_size(D, H, weights)
    b = Wh + packed_size(H, H, weights)
    h, live = np.empty((N, H), x.dtype), np.full(1, N)
    _take(table, rows, column, h)
    _rnn_forward(
        _step_of(x), live, N, 0, 0, N, 1, _row(weights, FIRST, Wh), _row(weights, Wh, b), True, weights[b : b + H],
        relu, True, _step_of(h), _step_of(y)
    )  # fmt: skip
    _put(table, rows, column, h)


@kernel
def _lstm(x: Any, rows: Any, weights: Any, relu: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    Wh = packed_size(D, 4 * H, weights)
    b = Wh + packed_size(H, 4 * H, weights)
    scratch, live = np.empty((6 * N, H), x.dtype), np.full(1, N)
    h, c, gates = scratch[:N], scratch[N : 2 * N], scratch[2 * N :].reshape((N, 4 * H))
    _take(table, rows, column, h)
    _take(table, rows, column + H, c)
    _lstm_forward(
        _step_of(x), live, N, 0, 0, N, 1, _row(weights, FIRST, Wh), _row(weights, Wh, b), True, weights[b : b + 4 * H],
        relu, True, _step_of(h), _step_of(c), _step_of(gates), _step_of(y)
    )  # fmt: skip
    _put(table, rows, column, h)
    _put(table, rows, column + H, c)


@kernel
def _gru(x: Any, rows: Any, weights: Any, after: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    Wh_rz = packed_size(D, 3 * H, weights)
    Wh_n = Wh_rz + packed_size(H, 2 * H, weights)
    b = Wh_n + packed_size(H, H, weights)
    bh_n = b + 3 * H
    scratch, live = np.empty((5 * N, H), x.dtype), np.full(1, N)
    h, q, gates = scratch[:N], scratch[N : 2 * N], scratch[2 * N :].reshape((N, 3 * H))
    _take(table, rows, column, h)
    _gru_forward(
        _step_of(x), live, N, 0, 0, N, 1, _row(weights, FIRST, Wh_rz), _row(weights, Wh_rz, Wh_n),
        _row(weights, Wh_n, b), True, _row(weights, b, bh_n), _row(weights, bh_n, bh_n + H), after, True, _step_of(h),
        _step_of(gates), _step_of(q), _step_of(y)
    )  # fmt: skip
    _put(table, rows, column, h)


@kernel
def _affine(x: Any, rows: Any, weights: Any, flag: bool, table: Any, column: int, y: Any) -> None:
    N, D, H = x.shape[0], x.shape[1], y.shape[1]
    b = packed_size(D, H, weights)
    affine(N, x, FIRST, D, weights[:b], _row(weights, b, b + H), y, FIRST, H)


_KERNELS: dict[str, Any] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru, "affine": _affine}
CELLS = ("rnn", "lstm", "gru")


def _joined(room: int, *arrays: Array) -> Array:
    """All numbers of these arrays, one array after another, and room for some more."""
    whole = aligned(sum(a.size for a in arrays) + room, arrays[0].dtype)
    np.concatenate([a.ravel() for a in arrays], out=whole[: len(whole) - room])
    return whole


def cell_step(name: str, params: Params, column: int, option: str) -> Step:
    """Return one step of the cell "rnn", "lstm" or "gru"; `option` is its activation, or the GRU's reset."""
    D, H = len(params["Wx"]), len(params["Wh"])
    Wx, Wh = as_rows(params["Wx"], params["Wx"].shape[1]), as_rows(params["Wh"], params["Wh"].shape[1])
    if name == "gru":
        b, bh_n = params["bx"] + params["bh"], params["bh"][2 * H :]
        if option == "after":
            b[2 * H :] = params["bx"][2 * H :]
        recurrent = [pack(Wh, last=2 * H), pack(Wh, first=2 * H), b, bh_n]
    else:
        recurrent = [pack(Wh), params["b"]]
    return _step(name, [pack(Wx), *recurrent], (D, H), Wx.shape[1], option in ("relu", "after"), column)


def affine_step(params: Params) -> Step:
    """Return y = x W + b; the states are not touched."""
    D, H = params["W"].shape
    return _step("affine", [pack(as_rows(params["W"], H)), params["b"]], (D, H), H, False, 0)


def _step(name: str, parts: list[Array], sizes: tuple[int, int], width: int, flag: bool, column: int) -> Step:
    """The step of one layer with weights and biases `parts`, in one array; width: columns of its products."""
    (D, H), room = sizes, ROOM[name] * sizes[1]
    whole = _joined(room, *parts)
    weights, kernel_ = whole[: len(whole) - room], _KERNELS[name]

    def many(x: Array, rows: Rows, table: Array) -> Array:
        y = np.empty((len(x), H), weights.dtype)
        bounds = shard_bounds(len(x), None)

        def task(s: int) -> None:
            some = slice(bounds[s], bounds[s + 1])
            kernel_(x[some], rows[some], weights, flag, table, column, y[some])

        run(task, len(bounds) - 1, float(len(x)) * (D + H) * width)
        return y

    def one(x: Array, row: int, table: Array) -> Array | None:
        good = type(x) is np.ndarray and x.dtype is weights.dtype and x.shape == (D,)
        good = good and x.flags.c_contiguous and x.flags.aligned
        return many(x[None], np.array([row]), table)[0] if good else None

    quick = readable() and (D + H) * width <= _BRIEF
    return Step(one_event(name, whole, D, H, flag, column) if quick else one, many)
