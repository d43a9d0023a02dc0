"""GRU as the ONNX operator defines it: `rnncore.layers.gru` with any of its activations and a clip.

    u_t = x_t Wx + bx                                      (1)   blocks in the order r z n
    v_t = h_{t-1} Wh_rz + bh_rz                            (2)   blocks r z
    r, z = f(clip(u_r + v_r)), f(clip(u_z + v_z))          (3)
    reset="after" (linear_before_reset = 1):
        q_t = h_{t-1} Wh_n + bh_n                          (4)
        n_t = g(clip(u_n + r * q_t))                       (5)
    reset="before" (linear_before_reset = 0):
        q_t = r * h_{t-1}                                  (4)
        n_t = g(clip(u_n + q_t Wh_n + bh_n))               (5)
    h_t = (1 - z) * n_t + z * h_{t-1}                      (6)   the output is y_t = h_t

f and g are activations of `rnncore.layers.onnx_activations`; the clip holds their input between -clip and clip.
Shapes: x (T, N, D), h (T+1, N, H) with h[0] the initial state, Wx (D, 3H), Wh (H, 3H), bx and bh (3H,).
Source: the specification of the operator GRU, whose own order of blocks is z r h. The backward pass walks the same
equations in reverse: (6') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import live_rows
from rnncore.layers.onnx_activations import Activation, activate, dactivate
from rnncore.typing import Array, Grads, Lengths, Params, State


class OnnxGRUCache(NamedTuple):
    """What the backward needs: x (T, N, D), h (T+1, N, H), a (T, N, 3H) as r z n, q (T, N, H), lengths or None."""

    x: Array
    h: Array
    a: Array
    q: Array
    lengths: Lengths | None


def forward(
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None = None,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    reset: str = "before",
) -> tuple[Array, State, OnnxGRUCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache. `activations` is (f, g)."""
    Wx, Wh, bx, bh = params["Wx"], params["Wh"], params["bx"], params["bh"]
    T, N, _ = x.shape
    H = len(Wh)
    Wh_n, bh_n = Wh[:, 2 * H :], bh[2 * H :]
    act_f, act_g = activations
    live = live_rows(lengths, T, N)

    h = np.zeros((T + 1, N, H), x.dtype)
    a = np.zeros((T, N, 3 * H), x.dtype)
    q, y = np.zeros((2, T, N, H), x.dtype)
    (h[0],) = state_0
    for t in range(T):
        m = live[t]  # n is the candidate here
        h_prev = h[t, :m]
        a[t, :m] = x[t, :m] @ Wx + bx  # (1)
        a_r, a_z, a_n = np.split(a[t, :m], 3, axis=1)  # views: what is added below stays in the cache
        v_r, v_z = np.split(h_prev @ Wh[:, : 2 * H] + bh[: 2 * H], 2, axis=1)  # (2)
        a_r += v_r  # (3)
        a_z += v_z  # (3)
        r, z = activate(act_f, a_r, clip), activate(act_f, a_z, clip)  # (3)
        if reset == "after":
            q[t, :m] = h_prev @ Wh_n + bh_n  # (4)
            a_n += r * q[t, :m]  # (5)
        else:
            q[t, :m] = r * h_prev  # (4)
            a_n += q[t, :m] @ Wh_n + bh_n  # (5)
        n = activate(act_g, a_n, clip)  # (5)
        h[t + 1, :m] = (1 - z) * n + z * h_prev  # (6)
        h[t + 1, m:] = h[t, m:]  # a finished row keeps its state
        y[t, :m] = h[t + 1, :m]
    return y, (h[T].copy(),), OnnxGRUCache(x, h, a, q, lengths)


def backward(
    params: Params,
    cache: OnnxGRUCache,
    dy: Array,
    dstate_T: State,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    reset: str = "before",
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    x, h, a, q, lengths = cache
    T, N, _ = x.shape
    H = len(Wh)
    Wh_rz, Wh_n = Wh[:, : 2 * H], Wh[:, 2 * H :]
    act_f, act_g = activations
    live = live_rows(lengths, T, N)

    dWx, dWh, dbx, dbh = (np.zeros_like(params[name]) for name in ("Wx", "Wh", "bx", "bh"))
    dx = np.zeros_like(x)
    dh = dstate_T[0].copy()  # what the steps after t send back
    for t in reversed(range(T)):
        m = live[t]
        h_prev, q_t = h[t, :m], q[t, :m]
        a_r, a_z, a_n = np.split(a[t, :m], 3, axis=1)
        r, z, n = activate(act_f, a_r, clip), activate(act_f, a_z, clip), activate(act_g, a_n, clip)
        dh_t = dy[t, :m] + dh[:m]  # h_t is read twice: as the output, and by step t+1
        dz = dh_t * (h_prev - n)  # (6')
        dn = dh_t * (1 - z)  # (6')
        dh_prev = dh_t * z  # (6')
        da_n = dn * dactivate(act_g, a_n, clip)  # (5') u_n gets all of it
        if reset == "after":
            dr = da_n * q_t  # (5')
            dv_n = da_n * r  # (5') this is dq
            dh_prev += dv_n @ Wh_n.T  # (4')
            dWh[:, 2 * H :] += h_prev.T @ dv_n  # (4')
        else:
            dq = da_n @ Wh_n.T  # (5')
            dv_n = da_n
            dWh[:, 2 * H :] += q_t.T @ dv_n  # (5')
            dr = dq * h_prev  # (4')
            dh_prev += dq * r  # (4')
        da_r, da_z = dr * dactivate(act_f, a_r, clip), dz * dactivate(act_f, a_z, clip)  # (3')
        da_rz = np.concatenate([da_r, da_z], axis=1)
        dh_prev += da_rz @ Wh_rz.T  # (2')
        dWh[:, : 2 * H] += h_prev.T @ da_rz  # (2')
        dbh += np.concatenate([da_rz, dv_n], axis=1).sum(axis=0)  # (2'); block n belongs to (4') or (5')
        du = np.concatenate([da_rz, da_n], axis=1)
        dWx += x[t, :m].T @ du  # (1')
        dbx += du.sum(axis=0)  # (1')
        dx[t, :m] = du @ Wx.T  # (1')
        dh[:m] = dh_prev
    return {"Wx": dWx, "Wh": dWh, "bx": dbx, "bh": dbh}, dx, (dh,)
