"""LSTM with a projection (LSTMP; Sak, Senior and Beaufays 2014): many units of memory, few numbers carried around.

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)   one product for the four gates, in the order i f g o
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)     (2)
    g = tanh(a_g)                                          (3)
    c_t = f * c_{t-1} + i * g                              (4)
    m_t = o * tanh(c_t)                                    (5)   H wide
    h_t = m_t Wp                                           (6)   P wide; the output is y_t = h_t

Wh has P rows instead of H: with P = H / 2 half of the recurrent work. With P = H and Wp the identity this is the LSTM.
This is PyTorch's proj_size. The paper has peepholes besides, and a second projection of m_t that is not carried on.

Shapes: x (T, N, D), h (T+1, N, P) and c (T+1, N, H) with slot 0 the initial state, Wx (D, 4H), Wh (P, 4H), b (4H,),
Wp (H, P). Backpropagation through time walks the same equations from T-1 to 0 in reverse: (6') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dsigmoid, dtanh, live_rows, sigmoid
from rnncore.typing import Array, Grads, Lengths, Params, State


class ProjectedLSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D), h (T+1, N, P), c (T+1, N, H), gates (T, N, 4H) as i f g o, lengths."""

    x: Array
    h: Array
    c: Array
    gates: Array
    lengths: Lengths | None


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, ProjectedLSTMCache]:
    """Run T steps; return y (T, N, P), the final state (h, c) and the cache."""
    Wx, Wh, b, Wp = (params[name] for name in ("Wx", "Wh", "b", "Wp"))
    T, N, _ = x.shape
    H, P = Wp.shape
    live = live_rows(lengths, T, N)

    h, c = np.zeros((T + 1, N, P), x.dtype), np.zeros((T + 1, N, H), x.dtype)
    gates = np.zeros((T, N, 4 * H), x.dtype)
    y = np.zeros((T, N, P), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        a = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)  # (2)
        g = np.tanh(a_g)  # (3)
        c[t + 1, :n] = f * c[t, :n] + i * g  # (4)
        m = o * np.tanh(c[t + 1, :n])  # (5)
        h[t + 1, :n] = m @ Wp  # (6)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        gates[t, :n] = np.concatenate([i, f, g, o], axis=1)
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), ProjectedLSTMCache(x, h, c, gates, lengths)


def backward(params: Params, cache: ProjectedLSTMCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, P) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh, Wp = params["Wx"], params["Wh"], params["Wp"]
    x, h, c, gates, lengths = cache
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    dWx, dWh, db, dWp = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b", "Wp"))
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        i, f, g, o = np.split(gates[t, :n], 4, axis=1)
        s = np.tanh(c[t + 1, :n])  # of (5), computed again
        m = o * s  # of (5), computed again
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        dWp += m.T @ dh_t  # (6')
        dm = dh_t @ Wp.T  # (6')
        do = dm * s  # (5')
        dc_t = dc[:n] + dm * o * dtanh(s)  # (5') c_t is read twice: by (5), and by step t+1
        di, dg = dc_t * g, dc_t * i  # (4')
        df = dc_t * c[t, :n]  # (4')
        dc[:n] = dc_t * f  # (4')
        da_g = dg * dtanh(g)  # (3')
        da_i, da_f, da_o = di * dsigmoid(i), df * dsigmoid(f), do * dsigmoid(o)  # (2')
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T  # (1')
    return {"Wx": dWx, "Wh": dWh, "b": db, "Wp": dWp}, dx, (dh, dc)
