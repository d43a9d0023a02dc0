"""One row of the cells with layer normalisation, and back; `normalised.py` runs these parts over time.

`normalise` is (1) and (2) of `rnncore/layers/layer_norm.py`. A sum over the units of a row runs in as many parts as a
vector has lanes: added one by one, its numbers would wait for each other, and cost as much as the product before.

Below C is the number of columns of Wx, `own` the gains and biases of the sums as rows: gain_x, gain_h, and b or bx, bh.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnncore.kernels.activations import dsigmoid, sigmoid, tanh
from rnncore.kernels.jit import part
from rnncore.kernels.rows import FIRST
from rnncore.kernels.vectors import lanes, load, store

GAIN_X, GAIN_H, BIAS_X, BIAS_H = np.int64(0), np.int64(1), np.int64(2), np.int64(3)  # rows of `own`


@part
def _sum(scratch: Any, row: Any, total: Any) -> Any:
    """The sum of a vector's lanes, by way of a row of scratch."""
    store(scratch, row, FIRST, lanes(scratch), total)
    number = 0.0
    for j in range(lanes(scratch)):
        number += scratch[row, j]
    return number


@part
def normalise(z: Any, row: Any, first: Any, width: Any, eps: Any, s: Any, k: Any, scratch: Any) -> None:
    """Normalise z[row, first : first + width] where it stands; s[row, k] is what it was multiplied by."""
    total = load(z, row, first, FIRST)  # zeros
    for j in range(0, width, lanes(z)):
        total = total + load(z, row, first + j, width - j)
    mean = _sum(scratch, FIRST, total) / width
    total = load(z, row, first, FIRST)
    for j in range(0, width, lanes(z)):
        store(z, row, first + j, width - j, load(z, row, first + j, width - j) - mean)
        away = load(z, row, first + j, width - j)  # zeros in lanes beyond the width
        total = total + away * away
    factor = 1.0 / math.sqrt(_sum(scratch, FIRST, total) / width + eps)
    s[row, k] = factor
    for j in range(0, width, lanes(z)):
        store(z, row, first + j, width - j, load(z, row, first + j, width - j) * factor)


@part
def dnormalise(
    d: Any, row: Any, first: Any, width: Any, z: Any, r: Any, z_first: Any, factor: Any, scratch: Any
) -> None:  # fmt: skip
    """Turn d[row, first : first + width], the gradient of what `normalise` left in z, into that of what it was."""
    plain = load(d, row, first, FIRST)  # zeros
    along = plain
    for j in range(0, width, lanes(z)):
        dz = load(d, row, first + j, width - j)
        plain, along = plain + dz, along + dz * load(z, r, z_first + j, width - j)
    through_m, through_s = _sum(scratch, FIRST, plain) / width, _sum(scratch, FIRST, along) / width
    for j in range(0, width, lanes(z)):
        z_j, dz = load(z, r, z_first + j, width - j), load(d, row, first + j, width - j)
        store(d, row, first + j, width - j, (dz - through_m - z_j * through_s) * factor)


@part
def sums(z: Any, r: Any, s: Any, H: Any, lstm: bool, eps: Any, scratch: Any) -> None:
    """Normalise both halves of row r of z: all 4H columns of an LSTM at once, of a GRU the first 2H and the last H."""
    C = z.shape[1] // 2
    for side in range(2):
        if lstm:
            normalise(z, r, side * C, C, eps, s, side, scratch)
        else:
            normalise(z, r, side * C, 2 * H, eps, s, 2 * side, scratch)
            normalise(z, r, side * C + 2 * H, H, eps, s, 2 * side + 1, scratch)


@part
def _total(z: Any, r: Any, own: Any, column: Any, rest: Any) -> Any:
    """Both normalised sums of one vector of columns, with their gains and the first bias."""
    half = z.shape[1] // 2
    of_x = load(z, r, column, rest) * load(own, GAIN_X, column, rest)
    return of_x + load(z, r, half + column, rest) * load(own, GAIN_H, column, rest) + load(own, BIAS_X, column, rest)


@part
def lstm_cell(
    z: Any, r: Any, after: Any, own: Any, own_c: Any, c: Any, z_c: Any, s: Any, eps: Any, gates: Any, h: Any,
    scratch: Any
) -> None:  # fmt: skip
    """Equations (2) to (7) of the LSTM for row r; c and h go to row `after`."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        i, f = sigmoid(_total(z, r, own, j, rest)), sigmoid(_total(z, r, own, H + j, rest))
        g, o = tanh(_total(z, r, own, 2 * H + j, rest)), sigmoid(_total(z, r, own, 3 * H + j, rest))
        c_t = f * load(c, r, j, rest) + i * g
        store(gates, r, j, rest, i)
        store(gates, r, H + j, rest, f)
        store(gates, r, 2 * H + j, rest, g)
        store(gates, r, 3 * H + j, rest, o)
        store(c, after, j, rest, c_t)
        store(z_c, r, j, rest, c_t)
    normalise(z_c, r, FIRST, H, eps, s, 2, scratch)
    for j in range(0, H, lanes(h)):
        rest = H - j
        a = load(z_c, r, j, rest) * load(own_c, GAIN_X, j, rest) + load(own_c, GAIN_H, j, rest)
        store(h, after, j, rest, load(gates, r, 3 * H + j, rest) * tanh(a))


@part
def gru_cell(z: Any, r: Any, after: Any, own: Any, gates: Any, h: Any) -> None:
    """Equations (2) to (6) of the GRU for row r; h goes to row `after`."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        reset = sigmoid(_total(z, r, own, j, rest) + load(own, BIAS_H, j, rest))
        update = sigmoid(_total(z, r, own, H + j, rest) + load(own, BIAS_H, H + j, rest))
        p = load(z, r, 2 * H + j, rest) * load(own, GAIN_X, 2 * H + j, rest) + load(own, BIAS_X, 2 * H + j, rest)
        q = load(z, r, 5 * H + j, rest) * load(own, GAIN_H, 2 * H + j, rest) + load(own, BIAS_H, 2 * H + j, rest)
        new = tanh(p + reset * q)
        store(gates, r, j, rest, reset)
        store(gates, r, H + j, rest, update)
        store(gates, r, 2 * H + j, rest, new)
        store(h, after, j, rest, (1.0 - update) * new + update * load(h, r, j, rest))


@part
def dlstm_cell(
    z_c: Any, s: Any, gates: Any, c: Any, r: Any, own_c: Any, dy: Any, dh: Any, dc: Any, n: Any, d: Any, row: Any,
    down_c: Any, scratch: Any
) -> None:  # fmt: skip
    """Equations (7') to (3') of the LSTM for row r of the batch's n-th sequence; both halves of row `row` of d are da.

    scratch: its second row has room for H numbers.
    """
    H = dh.shape[1]
    C = 4 * H
    for j in range(0, H, lanes(dh)):
        rest = H - j
        z_j, gain, o = load(z_c, r, j, rest), load(own_c, GAIN_X, j, rest), load(gates, r, 3 * H + j, rest)
        out = tanh(z_j * gain + load(own_c, GAIN_H, j, rest))
        dh_t = load(dy, r, j, rest) + load(dh, n, j, rest)
        da = dh_t * o * (1.0 - out * out)  # (7'), (6')
        store(down_c, GAIN_X, j, rest, load(down_c, GAIN_X, j, rest) + da * z_j)
        store(down_c, GAIN_H, j, rest, load(down_c, GAIN_H, j, rest) + da)
        store(scratch, GAIN_H, j, rest, da * gain)
        da_o = dh_t * out * dsigmoid(o)  # (7'), (3')
        store(d, row, 3 * H + j, rest, da_o)
        store(d, row, C + 3 * H + j, rest, da_o)
        store(dh, n, j, rest, 0.0)
    dnormalise(scratch, GAIN_H, FIRST, H, z_c, r, FIRST, s[r, 2], scratch)
    for j in range(0, H, lanes(dh)):
        rest = H - j
        i, f, g = load(gates, r, j, rest), load(gates, r, H + j, rest), load(gates, r, 2 * H + j, rest)
        dc_t = load(dc, n, j, rest) + load(scratch, GAIN_H, j, rest)  # (6')
        da_i, da_f = dc_t * g * dsigmoid(i), dc_t * load(c, r, j, rest) * dsigmoid(f)  # (5'), (3')
        da_g = dc_t * i * (1.0 - g * g)  # (5'), (4')
        store(dc, n, j, rest, dc_t * f)  # (5')
        for half in range(0, 2 * C, C):
            store(d, row, half + j, rest, da_i)
            store(d, row, half + H + j, rest, da_f)
            store(d, row, half + 2 * H + j, rest, da_g)


@part
def dgru_cell(z: Any, gates: Any, h: Any, r: Any, own: Any, dy: Any, dh: Any, n: Any, d: Any, row: Any) -> None:
    """Equations (6') to (4') of the GRU for row r; the halves of row `row` of d are dp and dq, dh its part of (6')."""
    H = dh.shape[1]
    C = 3 * H
    for j in range(0, H, lanes(dh)):
        rest = H - j
        reset, update, new = load(gates, r, j, rest), load(gates, r, H + j, rest), load(gates, r, 2 * H + j, rest)
        q = load(z, r, 5 * H + j, rest) * load(own, GAIN_H, 2 * H + j, rest) + load(own, BIAS_H, 2 * H + j, rest)
        dh_t = load(dy, r, j, rest) + load(dh, n, j, rest)
        dp = dh_t * (1.0 - update) * (1.0 - new * new)  # (6'), (5')
        da_z = dh_t * (load(h, r, j, rest) - new) * dsigmoid(update)  # (6'), (4')
        da_r = dp * q * dsigmoid(reset)  # (5'), (4')
        for half in range(0, 2 * C, C):
            store(d, row, half + j, rest, da_r)
            store(d, row, half + H + j, rest, da_z)
        store(d, row, 2 * H + j, rest, dp)
        store(d, row, C + 2 * H + j, rest, dp * reset)  # (5')
        store(dh, n, j, rest, dh_t * update)  # (6')


@part
def dsums(z: Any, s: Any, r: Any, own: Any, H: Any, d: Any, row: Any, down: Any, scratch: Any) -> None:
    """Back through gains, biases and norms of both halves of row `row` of d; `down` grows by those of `own`."""
    C = z.shape[1] // 2
    for side in range(2):
        for j in range(0, C, lanes(z)):
            rest = C - j
            da = load(d, row, side * C + j, rest)
            store(down, side, j, rest, load(down, side, j, rest) + da * load(z, r, side * C + j, rest))
            if 2 + side < down.shape[0]:
                store(down, 2 + side, j, rest, load(down, 2 + side, j, rest) + da)
            store(d, row, side * C + j, rest, da * load(own, side, j, rest))
        if C == 4 * H:
            dnormalise(d, row, side * C, C, z, r, side * C, s[r, side], scratch)
        else:
            dnormalise(d, row, side * C, 2 * H, z, r, side * C, s[r, 2 * side], scratch)
            at = side * C + 2 * H
            dnormalise(d, row, at, H, z, r, at, s[r, 2 * side + 1], scratch)
