"""GRU-D (Che et al. 2018): a GRU for series with gaps; missing values decay to the mean, and so does the state to zero.

x holds three blocks of D columns side by side: the values, their mask m_t (1: observed, 0: missing) and e_t, for each
feature the time since it was last observed. Whatever number stands in place of a missing value is multiplied by zero.

    gx_t = exp(-max(0, e_t * Wgx + bgx))                   (1)   what is left of a feature's last value
    gh_t = exp(-max(0, e_t Wgh + bgh))                     (2)   what is left of each unit of the state
    u_t = m_t * (x_t - mean) + (1 - m_t) * u_{t-1}         (3)   the last value observed, less the mean
    v_t = mean + m_t * (x_t - mean) + (1 - m_t) * gx_t * u_{t-1}   (4)   the value, or what is left of the last one
    k_t = gh_t * h_{t-1}                                   (5)
    h_t = GRU([v_t m_t], k_t)                              (6)   one step of `gru`; the output is y_t = h_t

(4) is the paper's m x + (1 - m) (gx x' + (1 - gx) mean) for the last value x' = mean + u, and (6) with reset="before"
its GRU, in which k_t stands for h_{t-1} everywhere. The paper's update gate is 1 - z here, its weights V of the mask
are the rows D to 2D of Wx, and its mean is that of the data, where ours is learned. (Its authors' code differs from it:
it feeds 1 - m_t, and h_t is a mean of n_t and h_{t-1} as it was before its decay.) A state u of zeros says that nothing
has been observed yet, and the mean stands in.

Shapes: x (T, N, 3D), h (T+1, N, H) and u (T+1, N, D) with slot 0 the initial state, Wx (2D, 3H), Wh (H, 3H), bx and
bh (3H,), mean, Wgx and bgx (D,), Wgh (D, H), bgh (H,).
Backpropagation through time walks the same equations from T-1 to 0 in reverse: (6') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers import gru
from rnncore.layers.elementary import live_rows, relu
from rnncore.typing import Array, Grads, Lengths, Params, State

GRU = ("Wx", "Wh", "bx", "bh")


class GRUDCache(NamedTuple):
    """What the backward needs: x, h, u, given (T, N, 2D) as v m, gh (T, N, H), gates and q as the GRU's, lengths."""

    x: Array
    h: Array
    u: Array
    given: Array
    gh: Array
    gates: Array
    q: Array
    lengths: Lengths | None


def ddecay(g: Array) -> Array:
    """Derivative of exp(-max(0, a)) where its value is g: 0 where it has not begun, NaN for NaN."""
    slope: Array = -g * (g.real < 1)
    return slope


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, reset: str = "before"
) -> tuple[Array, State, GRUDCache]:
    """Run T steps; return y (T, N, H), the final state (h, u) and the cache."""
    mean, Wgx, bgx, Wgh, bgh = (params[name] for name in ("mean", "Wgx", "bgx", "Wgh", "bgh"))
    T, N, _ = x.shape
    D, H = Wgh.shape
    live = live_rows(lengths, T, N)

    h, u = np.zeros((T + 1, N, H), x.dtype), np.zeros((T + 1, N, D), x.dtype)
    given, gates = np.zeros((T, N, 2 * D), x.dtype), np.zeros((T, N, 3 * H), x.dtype)
    gh, q, y = np.zeros((3, T, N, H), x.dtype)
    h[0], u[0] = state_0
    for t in range(T):
        n = live[t]
        x_t, m, e = np.split(x[t, :n], 3, axis=1)
        gx = np.exp(-relu(e * Wgx + bgx))  # (1)
        gh[t, :n] = np.exp(-relu(e @ Wgh + bgh))  # (2)
        u[t + 1, :n] = m * (x_t - mean) + (1 - m) * u[t, :n]  # (3)
        v = mean + m * (x_t - mean) + (1 - m) * gx * u[t, :n]  # (4)
        k = gh[t, :n] * h[t, :n]  # (5)
        given[t, :n] = np.concatenate([v, m], axis=1)
        now = given[t : t + 1, :n]
        y[t, :n], (h[t + 1, :n],), step = gru.forward(params, now, (k,), reset=reset)  # (6)
        h[t + 1, n:], u[t + 1, n:] = h[t, n:], u[t, n:]  # a finished row keeps its state
        gates[t, :n], q[t, :n] = step.gates[0], step.q[0]
    return y, (h[T].copy(), u[T].copy()), GRUDCache(x, h, u, given, gh, gates, q, lengths)


def backward(
    params: Params, cache: GRUDCache, dy: Array, dstate_T: State, *, reset: str = "before"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    mean, Wgx, bgx, Wgh = (params[name] for name in ("mean", "Wgx", "bgx", "Wgh"))
    x, h, u, given, gh, gates, q, lengths = cache
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    dparams = {name: np.zeros_like(a) for name, a in params.items()}
    dx = np.zeros_like(x)
    dh, du = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        x_t, m, e = np.split(x[t, :n], 3, axis=1)
        dx_t, dm, de = np.split(dx[t, :n], 3, axis=1)  # views: what is written to them is in dx
        gx = np.exp(-relu(e * Wgx + bgx))  # of (1), computed again
        k = gh[t, :n] * h[t, :n]  # of (5)
        now = slice(t, t + 1), slice(n)
        step = gru.GRUCache(given[now], np.stack([k, h[t + 1, :n]]), gates[now], q[now], None)
        grads, dgiven, (dk,) = gru.backward(params, step, dy[now], (dh[:n],), reset=reset)  # (6')
        for name in GRU:
            dparams[name] += grads[name]  # (6')
        dv, dm[:] = np.split(dgiven[0], 2, axis=1)  # (6')
        dgh = dk * h[t, :n]  # (5')
        dh[:n] = dk * gh[t, :n]  # (5')
        dgx = dv * (1 - m) * u[t, :n]  # (4')
        dm += dv * (x_t - mean - gx * u[t, :n]) + du[:n] * (x_t - mean - u[t, :n])  # (4'), (3')
        dseen = (dv + du[:n]) * m  # (4'), (3') what goes to x_t - mean
        dx_t[:] = dseen
        dparams["mean"] += (dv - dseen).sum(axis=0)
        du[:n] = (1 - m) * (dv * gx + du[:n])  # (4'), (3')
        da_h = dgh * ddecay(gh[t, :n])  # (2')
        dparams["Wgh"] += e.T @ da_h  # (2')
        dparams["bgh"] += da_h.sum(axis=0)  # (2')
        da_x = dgx * ddecay(gx)  # (1')
        dparams["Wgx"] += (e * da_x).sum(axis=0)  # (1')
        dparams["bgx"] += da_x.sum(axis=0)  # (1')
        de[:] = da_h @ Wgh.T + da_x * Wgx  # (2'), (1')
    return dparams, dx, (dh, du)
