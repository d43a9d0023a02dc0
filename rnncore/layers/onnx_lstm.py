"""LSTM as the ONNX operator defines it: peepholes (Gers and Schmidhuber 2000), coupled gates, any activations, a clip.

    a_t = x_t Wx + h_{t-1} Wh + b                          (1)   one product for the four gates, in the order i f g o
    i = f(clip(a_i + p_i * c_{t-1}))                       (2)
    f = f(clip(a_f + p_f * c_{t-1}))                       (3)   or, with input_forget, f = 1 - i
    g = g(clip(a_g))                                       (4)
    c_t = f * c_{t-1} + i * g                              (5)
    o = f(clip(a_o + p_o * c_t))                           (6)
    h_t = o * h(c_t)                                       (7)   or, with clip_cell, o * h(clip(c_t)); y_t = h_t

On the right f, g and h are the three activations (of the gates, the candidate, the cell). With input_forget the blocks
f of the parameters are not used, and their gradient is zero. Whether the clip also bounds what h takes, the
specification says in general ("the input of activations") and the runtimes do not do: so it is the option `clip_cell`.

Shapes: x (T, N, D), h and c (T+1, N, H) with slot 0 the initial state, Wx (D, 4H), Wh (H, 4H), b (4H,), and the
peepholes P (3H,) in the order i f o, zero where the layer has none. The backward pass walks the same equations in
reverse, (7') to (1'). Source: the specification of the operator LSTM, whose own order of blocks is i o f c.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import live_rows
from rnncore.layers.onnx_activations import Activation, activate, dactivate
from rnncore.typing import Array, Grads, Lengths, Params, State


class OnnxLSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D), h and c (T+1, N, H), a (T, N, 4H) with the peepholes' part, lengths."""

    x: Array
    h: Array
    c: Array
    a: Array
    lengths: Lengths | None


def peepholes(params: Params, H: int, dtype: np.dtype[np.generic]) -> Array:
    """Return p_i, p_f, p_o as the rows of a matrix (3, H): zeros where the layer has none."""
    P = params.get("P")
    return np.zeros((3, H), dtype) if P is None else P.reshape(3, H)


def forward(
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None = None,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    input_forget: bool = False,
    clip_cell: bool = False,
) -> tuple[Array, State, OnnxLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache. `activations` is (f, g, h)."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    T, N, _ = x.shape
    H = len(Wh)
    p_i, p_f, p_o = peepholes(params, H, x.dtype)
    act_f, act_g, act_h = activations
    live = live_rows(lengths, T, N)

    h, c = np.zeros((2, T + 1, N, H), x.dtype)
    a = np.zeros((T, N, 4 * H), x.dtype)
    y = np.zeros((T, N, H), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        a[t, :n] = x[t, :n] @ Wx + h[t, :n] @ Wh + b  # (1)
        a_i, a_f, a_g, a_o = np.split(a[t, :n], 4, axis=1)  # views: what is added below stays in the cache
        a_i += p_i * c[t, :n]  # (2)
        i = activate(act_f, a_i, clip)  # (2)
        a_f += p_f * c[t, :n]  # (3)
        f = 1 - i if input_forget else activate(act_f, a_f, clip)  # (3)
        g = activate(act_g, a_g, clip)  # (4)
        c[t + 1, :n] = f * c[t, :n] + i * g  # (5)
        a_o += p_o * c[t + 1, :n]  # (6)
        o = activate(act_f, a_o, clip)  # (6)
        h[t + 1, :n] = o * activate(act_h, c[t + 1, :n], clip if clip_cell else None)  # (7)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), OnnxLSTMCache(x, h, c, a, lengths)


def backward(
    params: Params,
    cache: OnnxLSTMCache,
    dy: Array,
    dstate_T: State,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    input_forget: bool = False,
    clip_cell: bool = False,
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    x, h, c, a, lengths = cache
    T, N, _ = x.shape
    H = len(Wh)
    p_i, p_f, p_o = peepholes(params, H, x.dtype)
    act_f, act_g, act_h = activations
    clip_h = clip if clip_cell else None
    live = live_rows(lengths, T, N)

    dWx, dWh, db = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "b"))
    dP = np.zeros((3, H), x.dtype)
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        c_prev, c_t = c[t, :n], c[t + 1, :n]
        a_i, a_f, a_g, a_o = np.split(a[t, :n], 4, axis=1)
        i, g, o = activate(act_f, a_i, clip), activate(act_g, a_g, clip), activate(act_f, a_o, clip)
        f = 1 - i if input_forget else activate(act_f, a_f, clip)
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        do = dh_t * activate(act_h, c_t, clip_h)  # (7')
        dc_t = dc[:n] + dh_t * o * dactivate(act_h, c_t, clip_h)  # (7') c_t is read by (7), (6), and step t+1
        da_o = do * dactivate(act_f, a_o, clip)  # (6')
        dc_t = dc_t + da_o * p_o  # (6')
        di, df, dg = dc_t * g, dc_t * c_prev, dc_t * i  # (5')
        dc_prev = dc_t * f  # (5')
        da_g = dg * dactivate(act_g, a_g, clip)  # (4')
        da_f = np.zeros_like(df)
        if input_forget:
            di = di - df  # (3')
        else:
            da_f = df * dactivate(act_f, a_f, clip)  # (3')
        da_i = di * dactivate(act_f, a_i, clip)  # (2')
        dc[:n] = dc_prev + da_f * p_f + da_i * p_i  # (3'), (2')
        dP += np.stack([(da_i * c_prev).sum(0), (da_f * c_prev).sum(0), (da_o * c_t).sum(0)])  # (2'), (3'), (6')
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        dWx += x[t, :n].T @ da  # (1')
        dWh += h[t, :n].T @ da  # (1')
        db += da.sum(axis=0)  # (1')
        dx[t, :n] = da @ Wx.T  # (1')
        dh[:n] = da @ Wh.T  # (1')
    grads = {"Wx": dWx, "Wh": dWh, "b": db}
    return {**grads, **({"P": dP.ravel()} if "P" in params else {})}, dx, (dh, dc)
