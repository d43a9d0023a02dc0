"""The recurrent operators of ONNX with any activations and clip, forward, as one kernel: compiled once for the three.

Equations in `layers/onnx_rnn.py`, `onnx_lstm.py` and `onnx_gru.py`, whose arguments, results and caches these are; the
LSTM is told by its cell state, the GRU by a product of its own. The tricks are those of `lstm.py` and `gru.py`, which
say what each one pays; activations are branches on a code (`onnx_activations.py`).

CPU time of 50 steps of 32 sequences, 32 features, 64 units, clip, float32, one thread, in ms; with the backward pass
behind the stroke; onnxruntime 1.32 has none:

                                                this twin      textbook       onnxruntime
    RNN   Tanh                                  0.7 / 1.6      1.4 /  4.3     1.5
    LSTM  HardSigmoid Tanh Softsign, peepholes  1.9 / 5.4      7.6 / 26.8     1.9
    LSTM  Sigmoid Tanh Tanh, peepholes          2.0 / 5.8      6.3 / 23.7     1.1
    GRU   HardSigmoid Softplus                  1.6 / 4.7      6.9 / 21.4     1.8

Below C is the number of columns of Wx; `functions` has a row (code, alpha, beta, limit) for each activation, in the
order of the operator.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore.kernels import gru_weights
from rnncore.kernels.gemm import add_product, pack
from rnncore.kernels.jit import forward_bounds, kernel, part, run
from rnncore.kernels.onnx_activations import coded, value
from rnncore.kernels.rows import FIRST, as_rows, copy_row, fill_rows, live_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers.onnx_activations import Activation
from rnncore.typing import Array, Lengths, Params, State

Kept = tuple[Array, Array, Array, Array, Array]  # x, h, c, a, q; c is empty but in an LSTM, q but in a GRU

F, G, CELL = np.int64(0), np.int64(1), np.int64(2)  # rows of `functions`


class Words(NamedTuple):
    """What an operator says: its activations, what clips each one's input, and switches."""

    functions: Array
    coupled: bool = False
    after: bool = False


def words(
    activations: tuple[Activation, ...], clip: float | None, reset: str = "", coupled: bool = False, cell: bool = False
) -> Words:
    """Return the words of an operator; `cell`: the third activation is clipped too."""
    limits = (clip, clip, clip if cell else None)[: len(activations)]
    return Words(coded(activations, limits), coupled, reset == "after")


@part
def _lstm(a: Any, r: Any, after: Any, p: Any, functions: Any, coupled: bool, c: Any, h: Any) -> None:
    """Equations (2) to (7) of the LSTM for row r; c and h go to row `after`."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        c_old = load(c, r, j, rest)
        a_i = load(a, r, j, rest) + load(p, FIRST, j, rest) * c_old
        a_f = load(a, r, H + j, rest) + load(p, FIRST, H + j, rest) * c_old
        i = value(a_i, functions, F)  # (2)
        f = 1.0 - i if coupled else value(a_f, functions, F)
        c_t = f * c_old + i * value(load(a, r, 2 * H + j, rest), functions, G)  # (4), (5)
        a_o = load(a, r, 3 * H + j, rest) + load(p, FIRST, 2 * H + j, rest) * c_t
        store(a, r, j, rest, a_i)
        store(a, r, H + j, rest, a_f)
        store(a, r, 3 * H + j, rest, a_o)
        store(c, after, j, rest, c_t)
        store(h, after, j, rest, value(a_o, functions, F) * value(c_t, functions, CELL))  # (6), (7)


@part
def _reset(a: Any, r: Any, functions: Any, h: Any, q: Any) -> None:
    """Equation (4) of a GRU whose reset gate acts before the product, for row r."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        store(q, r, j, H - j, value(load(a, r, j, H - j), functions, F) * load(h, r, j, H - j))


@part
def _gru(a: Any, r: Any, following: Any, functions: Any, after: bool, q: Any, h: Any) -> None:
    """The rest of the GRU's equations (3), (5) and (6) for row r; h goes to row `following`."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        a_n = load(a, r, 2 * H + j, rest)
        if after:
            a_n = a_n + value(load(a, r, j, rest), functions, F) * load(q, r, j, rest)  # (5)
            store(a, r, 2 * H + j, rest, a_n)
        z = value(load(a, r, H + j, rest), functions, F)
        h_t = (1.0 - z) * value(a_n, functions, G) + z * load(h, r, j, rest)  # (5), (6)
        store(h, following, j, rest, h_t)


@kernel
def _forward(
    x: Any, live: Any, N: int, first: int, last: int, Wx: Any, Wh: Any, Wh_n: Any, b: Any, bh_n: Any,
    p: Any, functions: Any, coupled: bool, after: bool, h: Any, c: Any, a: Any, q: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. The weights are packed."""
    D, H, C, lstm, is_gru = x.shape[1], h.shape[1], a.shape[1], c.shape[0] > 0, Wh_n.size > 0
    for t in range(live.size):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        fill_rows(a, row, rows, b)
        add_product(rows, x, row, FIRST, D, Wx, a, row, FIRST, C)  # (1)
        add_product(rows, h, row, FIRST, H, Wh, a, row, FIRST, 2 * H if is_gru else C)
        if is_gru:
            if after:
                fill_rows(q, row, rows, bh_n)
                add_product(rows, h, row, FIRST, H, Wh_n, q, row, FIRST, H)  # (4)
            else:
                for r in range(row, row + rows):
                    _reset(a, r, functions, h, q)
                add_product(rows, q, row, FIRST, H, Wh_n, a, row, 2 * H, H)  # (5)
        for r in range(row, row + rows):
            if lstm:
                _lstm(a, r, r + N, p, functions, coupled, c, h)
            elif is_gru:
                _gru(a, r, r + N, functions, after, q, h)
            else:
                for j in range(0, H, lanes(h)):
                    store(h, r + N, j, H - j, value(load(a, r, j, H - j), functions, F))  # (2)
            copy_row(h, r + N, y, r, FIRST, H)
        for r in range(row + rows, t * N + last):  # a finished row keeps its state
            copy_row(h, r, h, r + N, FIRST, H)
            if lstm:
                copy_row(c, r, c, r + N, FIRST, H)


def _packed(params: Params, after: bool) -> tuple[Array, Array, Array, Array, Array]:
    """Return Wx, what of Wh is multiplied with h, the GRU's block n of Wh, b and bh_n; the last three are rows."""
    if "bx" in params:
        return gru_weights.packed(params, after)
    C, none = params["b"].size, np.empty(0, params["b"].dtype)
    Wx, Wh = (pack(as_rows(params[name], C)) for name in ("Wx", "Wh"))
    return Wx, Wh, none, as_rows(params["b"], C), none.reshape(1, 0)


def peepholes(params: Params, H: int) -> Array:
    """The peepholes as a row, zeros where there are none."""
    return as_rows(params.get("P", np.zeros(3 * H, params["Wx"].dtype)), 3 * H)


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None, words: Words
) -> tuple[Array, State, Kept]:
    """Run T steps; return y (T, N, H), the final state, and of the cache x, h, c, a and q."""
    T, N, D = x.shape
    H, C = params["Wh"].shape
    x = as_rows(x, D).reshape(T, N, D)
    states = tuple(np.empty((T + 1, *s.shape), x.dtype) for s in state_0)
    for whole, start in zip(states, state_0, strict=True):
        whole[0] = start
    h, c = states if len(states) > 1 else (*states, np.empty((0, H), x.dtype))
    new = np.empty if lengths is None else np.zeros  # the zeros past a row's end
    a, q, y = new((T, N, C), x.dtype), new((T, N, H) if "bx" in params else (0, H), x.dtype), new((T, N, H), x.dtype)
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    own = *_packed(params, words.after), peepholes(params, H), *words
    rows = [as_rows(array, array.shape[-1]) for array in (h, c, a, q, y)]
    x_rows = as_rows(x, D)

    def task(s: int) -> None:
        _forward(x_rows, live, N, bounds[s], bounds[s + 1], *own, *rows)

    run(task, len(bounds) - 1, float(live.sum()) * (D + H) * C)
    return y, tuple(s[T].copy() for s in states), (x, h, c, a, q)
