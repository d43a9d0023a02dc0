"""LSTM with peepholes (Gers, Schraudolph and Schmidhuber 2002): each gate also reads the memory, unit by unit.

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)   one product for the four gates, in the order i f g o
    i = sigmoid(a_i + p_i * c_{t-1})                       (2)
    f = sigmoid(a_f + p_f * c_{t-1})                       (3)
    g = tanh(a_g)                                          (4)
    c_t = f * c_{t-1} + i * g                              (5)
    o = sigmoid(a_o + p_o * c_t)                           (6)   the output gate reads the memory as it is now
    h_t = o * tanh(c_t)                                    (7)   the output is y_t = h_t

With P = 0 this is the LSTM. The equations are those of Greff et al. (2017, section II.A) and of TensorFlow's LSTMCell;
the 2002 paper has other functions, or none, in place of the tanh of (4) and (7), and may share the gates between
several memory cells.

The gradient is exact (Greff et al. 2017, section II.B). With gradient="truncated" it is the one that the 2002 paper
learns with, which lets errors go back in time through the memory alone: (5') and (7') are whole, but what (2'), (3')
and (6') would hand to the memory through the peepholes is cut (its section 3), and what (1') would hand to h_{t-1}
(Hochreiter and Schmidhuber 1997, section 4). Every weight still gets its own derivative from what reaches its gate, and
so does x_t.

Shapes: x (T, N, D), h and c (T+1, N, H) with slot 0 the initial state, Wx (D, 4H), Wh (H, 4H), b (4H,), P (3H,) with
p_i, p_f, p_o. Backpropagation through time walks the same equations from T-1 to 0 in reverse: (7') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dsigmoid, dtanh, live_rows, sigmoid
from rnncore.typing import Array, Grads, Lengths, Params, State


class PeepholeLSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D), h and c (T+1, N, H), gates (T, N, 4H) as i f g o, lengths (N,) or None."""

    x: Array
    h: Array
    c: Array
    gates: Array
    lengths: Lengths | None


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, gradient: str = "exact"
) -> tuple[Array, State, PeepholeLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache. `gradient` is for `backward`."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    p_i, p_f, p_o = np.split(params["P"], 3)
    T, N, _ = x.shape
    H = len(Wh)
    live = live_rows(lengths, T, N)

    h, c = np.zeros((2, T + 1, N, H), x.dtype)
    gates = np.zeros((T, N, 4 * H), x.dtype)
    y = np.zeros((T, N, H), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        a = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i = sigmoid(a_i + p_i * c[t, :n])  # (2)
        f = sigmoid(a_f + p_f * c[t, :n])  # (3)
        g = np.tanh(a_g)  # (4)
        c[t + 1, :n] = f * c[t, :n] + i * g  # (5)
        o = sigmoid(a_o + p_o * c[t + 1, :n])  # (6)
        h[t + 1, :n] = o * np.tanh(c[t + 1, :n])  # (7)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        gates[t, :n] = np.concatenate([i, f, g, o], axis=1)
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), PeepholeLSTMCache(x, h, c, gates, lengths)


def backward(
    params: Params, cache: PeepholeLSTMCache, dy: Array, dstate_T: State, *, gradient: str = "exact"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    p_i, p_f, p_o = np.split(params["P"], 3)
    x, h, c, gates, lengths = cache
    T, N, _ = x.shape
    exact = gradient == "exact"
    live = live_rows(lengths, T, N)

    dWx, dWh, db, dP = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b", "P"))
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        i, f, g, o = np.split(gates[t, :n], 4, axis=1)
        s = np.tanh(c[t + 1, :n])  # of (7), computed again
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        do = dh_t * s  # (7')
        dc_t = dc[:n] + dh_t * o * dtanh(s)  # (7') c_t is read by (7), by (6), and by step t+1
        da_o = do * dsigmoid(o)  # (6')
        if exact:
            dc_t = dc_t + p_o * da_o  # (6')
        di, dg = dc_t * g, dc_t * i  # (5')
        df = dc_t * c[t, :n]  # (5')
        dc[:n] = dc_t * f  # (5') c_{t-1} is read by (5), (3) and (2)
        da_g = dg * dtanh(g)  # (4')
        da_f = df * dsigmoid(f)  # (3')
        da_i = di * dsigmoid(i)  # (2')
        if exact:
            dc[:n] += p_f * da_f + p_i * da_i  # (3'), (2')
        seen = [da_i * c[t, :n], da_f * c[t, :n], da_o * c[t + 1, :n]]
        dP += np.concatenate(seen, axis=1).sum(axis=0)  # (2'), (3'), (6')
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T if exact else 0  # (1')
    return {"Wx": dWx, "Wh": dWh, "b": db, "P": dP}, dx, (dh, dc)
