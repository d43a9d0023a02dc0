"""LSTM with coupled gates (Greff et al. 2017, CIFG): what is written is as much as what is forgotten.

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)   one product for the three blocks, in the order f g o
    f, o = sigmoid(a_f), sigmoid(a_o)                      (2)
    g = tanh(a_g)                                          (3)
    c_t = f * c_{t-1} + (1 - f) * g                        (4)   the input gate is 1 - f
    h_t = o * tanh(c_t)                                    (5)   the output is y_t = h_t

A quarter of the LSTM's weights is gone, and c_t, a mean of c_{t-1} and g, stays between -1 and 1 once it is there.
Two things differ from the paper: it keeps the input gate and writes f = 1 - i, the same cell with the sign of a block
turned (with f kept, as in TensorFlow's CoupledInputForgetGateLSTMCell, its bias can start at one); and it has
peepholes.

Shapes: x (T, N, D), h and c (T+1, N, H) with slot 0 the initial state, Wx (D, 3H), Wh (H, 3H), b (3H,).
Backpropagation through time walks the same equations from T-1 to 0 in reverse: (5') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dsigmoid, dtanh, live_rows, sigmoid
from rnncore.typing import Array, Grads, Lengths, Params, State


class CoupledLSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D), h and c (T+1, N, H), gates (T, N, 3H) as f g o, lengths (N,) or None."""

    x: Array
    h: Array
    c: Array
    gates: Array
    lengths: Lengths | None


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, CoupledLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    T, N, _ = x.shape
    H = len(Wh)
    live = live_rows(lengths, T, N)

    h, c = np.zeros((2, T + 1, N, H), x.dtype)
    gates = np.zeros((T, N, 3 * H), x.dtype)
    y = np.zeros((T, N, H), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        a = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        a_f, a_g, a_o = np.split(a, 3, axis=1)
        f, o = sigmoid(a_f), sigmoid(a_o)  # (2)
        g = np.tanh(a_g)  # (3)
        c[t + 1, :n] = f * c[t, :n] + (1 - f) * g  # (4)
        h[t + 1, :n] = o * np.tanh(c[t + 1, :n])  # (5)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        gates[t, :n] = np.concatenate([f, g, o], axis=1)
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), CoupledLSTMCache(x, h, c, gates, lengths)


def backward(params: Params, cache: CoupledLSTMCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    x, h, c, gates, lengths = cache
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    dWx, dWh, db = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b"))
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        f, g, o = np.split(gates[t, :n], 3, axis=1)
        s = np.tanh(c[t + 1, :n])  # of (5), computed again
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        do = dh_t * s  # (5')
        dc_t = dc[:n] + dh_t * o * dtanh(s)  # (5') c_t is read twice: by (5), and by step t+1
        df = dc_t * (c[t, :n] - g)  # (4') f is read twice: it keeps, and 1 - f writes
        dg = dc_t * (1 - f)  # (4')
        dc[:n] = dc_t * f  # (4')
        da_g = dg * dtanh(g)  # (3')
        da_f, da_o = df * dsigmoid(f), do * dsigmoid(o)  # (2')
        da = np.concatenate([da_f, da_g, da_o], axis=1)
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T  # (1')
    return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh, dc)
