"""RNN: the simple recurrent network (Elman 1990).

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)
    h_t = act(a_t)                                         (2)   act is tanh or relu; the output is y_t = h_t

Shapes: x (T, N, D), h (T+1, N, H) with h[0] the initial state, Wx (D, H), Wh (H, H), b (H,).
Backpropagation through time (Werbos 1990) walks the same equations from T-1 to 0: (2'), then (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import ACTIVATIONS, live_rows
from rnncore.typing import Array, Grads, Lengths, Params, State


class RNNCache(NamedTuple):
    """What the backward pass needs: x (T, N, D), h (T+1, N, H), lengths (N,) or None."""

    x: Array
    h: Array
    lengths: Lengths | None


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, activation: str = "tanh"
) -> tuple[Array, State, RNNCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    T, N, _ = x.shape
    act, _ = ACTIVATIONS[activation]
    live = live_rows(lengths, T, N)

    h = np.zeros((T + 1, N, len(Wh)), x.dtype)
    y = np.zeros((T, N, len(Wh)), x.dtype)
    (h[0],) = state_0
    for t in range(T):
        n = live[t]
        a = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        h[t + 1, :n] = act(a)  # (2)
        h[t + 1, n:] = h[t, n:]  # a finished row keeps its state
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(),), RNNCache(x, h, lengths)


def backward(
    params: Params, cache: RNNCache, dy: Array, dstate_T: State, *, activation: str = "tanh"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    x, h, lengths = cache
    T, N, _ = x.shape
    _, dact = ACTIVATIONS[activation]
    live = live_rows(lengths, T, N)

    dWx, dWh, db = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b"))
    dx = np.zeros_like(x)
    dh = dstate_T[0].copy()  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        da = dh_t * dact(h[t + 1, :n])  # (2')
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T  # (1')
    return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh,)
