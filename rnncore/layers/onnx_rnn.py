"""RNN as the ONNX operator defines it: `rnncore.layers.rnn` with any of its activations and a clip.

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)
    h_t = f(clip(a_t))                                     (2)   the output is y_t = h_t

f is one of the activations of `rnncore.layers.onnx_activations`; the clip holds its input between -clip and clip.
Shapes: x (T, N, D), h (T+1, N, H) with h[0] the initial state, Wx (D, H), Wh (H, H), b (H,).
Source: the specification of the operator RNN. The backward pass walks the same equations in reverse: (2'), (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import live_rows
from rnncore.layers.onnx_activations import Activation, activate, dactivate
from rnncore.typing import Array, Grads, Lengths, Params, State


class OnnxRNNCache(NamedTuple):
    """What the backward needs: x (T, N, D), h (T+1, N, H), pre-activations a (T, N, H), lengths (N,) or None."""

    x: Array
    h: Array
    a: Array
    lengths: Lengths | None


def forward(
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None = None,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
) -> tuple[Array, State, OnnxRNNCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache. `activations` is (f,)."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    T, N, _ = x.shape
    (f,) = activations
    live = live_rows(lengths, T, N)

    h = np.zeros((T + 1, N, len(Wh)), x.dtype)
    a, y = np.zeros((2, T, N, len(Wh)), x.dtype)
    (h[0],) = state_0
    for t in range(T):
        n = live[t]
        a[t, :n] = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        h[t + 1, :n] = activate(f, a[t, :n], clip)  # (2)
        h[t + 1, n:] = h[t, n:]  # a finished row keeps its state
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(),), OnnxRNNCache(x, h, a, lengths)


def backward(
    params: Params,
    cache: OnnxRNNCache,
    dy: Array,
    dstate_T: State,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    x, h, a, lengths = cache
    T, N, _ = x.shape
    (f,) = activations
    live = live_rows(lengths, T, N)

    dWx, dWh, db = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b"))
    dx = np.zeros_like(x)
    dh = dstate_T[0].copy()  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        da = dh_t * dactivate(f, a[t, :n], clip)  # (2')
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T  # (1')
    return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh,)
