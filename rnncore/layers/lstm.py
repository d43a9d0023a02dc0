"""LSTM: long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers, Schmidhuber and Cummins 2000).

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)   one product for the four gates, in the order i f g o
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)     (2)
    g = act(a_g)                                           (3)   act is tanh or relu
    c_t = f * c_{t-1} + i * g                              (4)
    h_t = o * act(c_t)                                     (5)   the output is y_t = h_t

Shapes: x (T, N, D), h and c (T+1, N, H) with slot 0 the initial state, Wx (D, 4H), Wh (H, 4H), b (4H,).
Backpropagation through time walks the same equations from T-1 to 0 in reverse: (5'), (4'), (3'), (2'), (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import ACTIVATIONS, dsigmoid, live_rows, sigmoid
from rnncore.typing import Array, Grads, Lengths, Params, State


class LSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D), h and c (T+1, N, H), gates (T, N, 4H) as i f g o, lengths (N,) or None."""

    x: Array
    h: Array
    c: Array
    gates: Array
    lengths: Lengths | None


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State, LSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    T, N, _ = x.shape
    H = len(Wh)
    act, _ = ACTIVATIONS[activation]
    live = live_rows(lengths, T, N)

    h, c = np.zeros((2, T + 1, N, H), x.dtype)
    gates = np.zeros((T, N, 4 * H), x.dtype)
    y = np.zeros((T, N, H), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        a = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)  # (2)
        g = act(a_g)  # (3)
        c[t + 1, :n] = f * c[t, :n] + i * g  # (4)
        h[t + 1, :n] = o * act(c[t + 1, :n])  # (5)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        gates[t, :n] = np.concatenate([i, f, g, o], axis=1)
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), LSTMCache(x, h, c, gates, lengths)


def backward(
    params: Params, cache: LSTMCache, dy: Array, dstate_T: State, *, activation: str = "tanh"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    x, h, c, gates, lengths = cache
    T, N, _ = x.shape
    act, dact = ACTIVATIONS[activation]
    live = live_rows(lengths, T, N)

    dWx, dWh, db = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b"))
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        i, f, g, o = np.split(gates[t, :n], 4, axis=1)
        s = act(c[t + 1, :n])  # of (5), computed again: it is not worth its place in the cache
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        do = dh_t * s  # (5')
        dc_t = dc[:n] + dh_t * o * dact(s)  # (5') c_t is read twice: by (5), and by step t+1
        di = dc_t * g  # (4')
        dg = dc_t * i  # (4')
        df = dc_t * c[t, :n]  # (4')
        dc[:n] = dc_t * f  # (4')
        da_g = dg * dact(g)  # (3')
        da_i, da_f, da_o = di * dsigmoid(i), df * dsigmoid(f), do * dsigmoid(o)  # (2')
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T  # (1')
    return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh, dc)
