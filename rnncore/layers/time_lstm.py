"""Time-aware LSTM (Baytas et al. 2017): the time since the last event decays the short-term part of the memory.

    s_t = tanh(c_{t-1} Wd + bd)                            (1)   the short-term part of the memory
    k_t = decay(e_t)                                       (2)   e_t: the time since step t-1, the last column of x
        decay="log":       1 / log(e + max(e_t, 0))              for long times: 1 at 0, 0.43 after 7.5
        decay="inverse":   1 / max(e_t, 1)                       for short times: 1 up to one unit of time
    m_t = c_{t-1} - s_t + k_t s_t                          (3)   the long-term part, and what is left of the short-term
    a_t = x_t Wx + h_{t-1} Wh + b                          (4)   without e_t; blocks in the order i f g o
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)     (5)
    g = tanh(a_g)                                          (6)
    c_t = f * m_t + i * g                                  (7)
    h_t = o * tanh(c_t)                                    (8)   the output is y_t = h_t

Where no time passes k_t is 1, and this is the LSTM. Both decays are the paper's; the maxima are not: they keep k_t at 1
or below, for times that are zero or negative too. At the corner of a maximum the slope is the one from the right. (The
authors' code has the "log" decay, with 2.7183 for e.)

Shapes: x (T, N, D+1), h and c (T+1, N, H) with slot 0 the initial state, Wx (D, 4H), Wh (H, 4H), b (4H,), Wd (H, H),
bd (H,). Backpropagation through time walks the same equations from T-1 to 0 in reverse: (8') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dsigmoid, dtanh, live_rows, sigmoid
from rnncore.typing import Array, Grads, Lengths, Params, State


class TimeLSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D+1), h, c (T+1, N, H), s (T, N, H), gates (T, N, 4H) as i f g o, lengths."""

    x: Array
    h: Array
    c: Array
    s: Array
    gates: Array
    lengths: Lengths | None


def retention(elapsed: Array, decay: str) -> tuple[Array, Array]:
    """Return k, the share of the short-term memory that is left after a time, and its derivative by the time."""
    start, origin = (0, np.e) if decay == "log" else (1, 0)
    early = elapsed.real < start  # false for NaN, which stays
    t = np.where(early, start, elapsed) + origin
    k: Array = 1 / np.log(t) if decay == "log" else 1 / t
    slope = -(k**2) / t if decay == "log" else -(k**2)
    return k, np.where(early, 0, slope)


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, decay: str = "log"
) -> tuple[Array, State, TimeLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    Wx, Wh, b, Wd, bd = (params[name] for name in ("Wx", "Wh", "b", "Wd", "bd"))
    T, N, _ = x.shape
    H = len(Wh)
    live = live_rows(lengths, T, N)

    h, c = np.zeros((2, T + 1, N, H), x.dtype)
    s, y = np.zeros((2, T, N, H), x.dtype)
    gates = np.zeros((T, N, 4 * H), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        s[t, :n] = np.tanh(c[t, :n] @ Wd + bd)  # (1)
        k, _ = retention(x[t, :n, -1:], decay)  # (2)
        m = c[t, :n] - s[t, :n] + k * s[t, :n]  # (3)
        a = x[t, :n, :-1] @ Wx + h[t, :n] @ Wh + b  # (4)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)  # (5)
        g = np.tanh(a_g)  # (6)
        c[t + 1, :n] = f * m + i * g  # (7)
        h[t + 1, :n] = o * np.tanh(c[t + 1, :n])  # (8)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        gates[t, :n] = np.concatenate([i, f, g, o], axis=1)
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), TimeLSTMCache(x, h, c, s, gates, lengths)


def backward(
    params: Params, cache: TimeLSTMCache, dy: Array, dstate_T: State, *, decay: str = "log"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh, Wd = params["Wx"], params["Wh"], params["Wd"]
    x, h, c, s, gates, lengths = cache
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    dWx, dWh, db, dWd, dbd = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b", "Wd", "bd"))
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        i, f, g, o = np.split(gates[t, :n], 4, axis=1)
        s_t, r = s[t, :n], np.tanh(c[t + 1, :n])
        k, slope = retention(x[t, :n, -1:], decay)
        m = c[t, :n] - s_t + k * s_t  # of (3), computed again
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        do = dh_t * r  # (8')
        dc_t = dc[:n] + dh_t * o * dtanh(r)  # (8') c_t is read by (8), and by step t+1
        di, dg = dc_t * g, dc_t * i  # (7')
        df, dm = dc_t * m, dc_t * f  # (7')
        da_g = dg * dtanh(g)  # (6')
        da_i, da_f, da_o = di * dsigmoid(i), df * dsigmoid(f), do * dsigmoid(o)  # (5')
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        dWx += x[t, :n, :-1].T @ da  # (4')
        dWh += h[t, :n].T @ da  # (4')
        db += da.sum(axis=0)  # (4')
        dx[t, :n, :-1] = da @ Wx.T  # (4')
        dh[:n] = da @ Wh.T  # (4')
        ds = dm * (k - 1)  # (3')
        dk = (dm * s_t).sum(axis=1, keepdims=True)  # (3') one k for all units of a row
        dx[t, :n, -1:] = dk * slope  # (2')
        da_s = ds * dtanh(s_t)  # (1')
        dWd += c[t, :n].T @ da_s  # (1')
        dbd += da_s.sum(axis=0)  # (1')
        dc[:n] = dm + da_s @ Wd.T  # (3'), (1') c_{t-1} is read by both
    return {"Wx": dWx, "Wh": dWh, "b": db, "Wd": dWd, "bd": dbd}, dx, (dh, dc)
