"""GRU with layer normalisation (Ba, Kiros and Hinton 2016, supplementary material, eq. 26 to 28).

    u_t, v_t = x_t Wx, h_{t-1} Wh                          (1)   blocks in the order r z n
    p_t = norm(u_t) * gain_x + bx                          (2)   the 2H numbers of r and z at once, the H of n by
    q_t = norm(v_t) * gain_h + bh                          (3)   themselves
    r, z = sigmoid(p_r + q_r), sigmoid(p_z + q_z)          (4)
    n = tanh(p_n + r * q_n)                                (5)   the reset gate acts after the product
    h_t = (1 - z) * n + z * h_{t-1}                        (6)   the output is y_t = h_t

norm(k) = (k - mean(k)) / sqrt(mean((k - mean(k))^2) + eps) is that of `layer_norm.py`; the eps, 1e-5, is not in the
paper but in its authors' code. bx and bh are the biases of the paper's four norms; its z is 1 - z here, as in `gru.py`
and in its authors' code. (Other cells have the same name: haste's LayerNormGRU has one norm for all 3H.)

Multiplying the blocks r and z of Wx or Wh, or block n, by s > 0 is dividing eps by s^2 in its norm.

Shapes: x (T, N, D), h (T+1, N, H) with slot 0 the initial state, Wx (D, 3H), Wh (H, 3H), bx, bh, gain_x, gain_h (3H,).
Backpropagation through time walks the same equations from T-1 to 0 in reverse: (6') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dsigmoid, dtanh, live_rows, sigmoid
from rnncore.layers.layer_norm import dnormalise, normalise
from rnncore.typing import Array, Grads, Lengths, Params, State


class LayerNormGRUCache(NamedTuple):
    """What the backward needs: x (T, N, D), h (T+1, N, H), gates (T, N, 3H) as r z n, lengths (N,) or None.

    Of the norms: z (T, N, 6H) of u and v side by side, and s (T, N, 4), what r z and n of u, then of v, were multiplied
    by.
    """

    x: Array
    h: Array
    gates: Array
    z: Array
    s: Array
    lengths: Lengths | None


def norm(k: Array) -> tuple[Array, Array]:
    """Return the blocks r and z (N, 2H) normalised as one and n (N, H) by itself, and both factors (N, 2)."""
    H = k.shape[1] // 3
    (rz, s_rz), (n, s_n) = normalise(k[:, : 2 * H]), normalise(k[:, 2 * H :])
    return np.concatenate([rz, n], axis=1), np.concatenate([s_rz, s_n], axis=1)


def dnorm(d: Array, z: Array, s: Array) -> Array:
    """Return the derivative by what `norm` made z and s of, given the one by z."""
    H = z.shape[1] // 3
    rz = dnormalise(d[:, : 2 * H], z[:, : 2 * H], s[:, :1])
    return np.concatenate([rz, dnormalise(d[:, 2 * H :], z[:, 2 * H :], s[:, 1:])], axis=1)


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, LayerNormGRUCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache."""
    Wx, Wh, bx, bh, gain_x, gain_h = (params[name] for name in ("Wx", "Wh", "bx", "bh", "gain_x", "gain_h"))
    T, N, _ = x.shape
    H = len(Wh)
    live = live_rows(lengths, T, N)

    h = np.zeros((T + 1, N, H), x.dtype)
    gates, z_uv, s = (np.zeros((T, N, k), x.dtype) for k in (3 * H, 6 * H, 4))
    y = np.zeros((T, N, H), x.dtype)
    (h[0],) = state_0
    for t in range(T):
        m = live[t]
        u, v = x[t, :m] @ Wx, h[t, :m] @ Wh  # (1)
        (z_u, s_u), (z_v, s_v) = norm(u), norm(v)  # (2), (3)
        p_r, p_z, p_n = np.split(z_u * gain_x + bx, 3, axis=1)  # (2)
        q_r, q_z, q_n = np.split(z_v * gain_h + bh, 3, axis=1)  # (3)
        r, z = sigmoid(p_r + q_r), sigmoid(p_z + q_z)  # (4)
        n = np.tanh(p_n + r * q_n)  # (5)
        h[t + 1, :m] = (1 - z) * n + z * h[t, :m]  # (6)
        h[t + 1, m:] = h[t, m:]  # a finished row keeps its state
        gates[t, :m] = np.concatenate([r, z, n], axis=1)
        z_uv[t, :m], s[t, :m] = np.concatenate([z_u, z_v], axis=1), np.concatenate([s_u, s_v], axis=1)
        y[t, :m] = h[t + 1, :m]
    return y, (h[T].copy(),), LayerNormGRUCache(x, h, gates, z_uv, s, lengths)


def backward(params: Params, cache: LayerNormGRUCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh, bh, gain_x, gain_h = (params[name] for name in ("Wx", "Wh", "bh", "gain_x", "gain_h"))
    x, h, gates, z_uv, s, lengths = cache
    T, N, _ = x.shape
    H = len(Wh)
    live = live_rows(lengths, T, N)

    grads = {name: np.zeros_like(a) for name, a in params.items()}
    dx = np.zeros_like(x)
    dh = dstate_T[0].copy()  # what the steps after t send back
    for t in reversed(range(T)):
        m = live[t]
        r, z, n = np.split(gates[t, :m], 3, axis=1)
        z_u, z_v = np.split(z_uv[t, :m], 2, axis=1)
        q_n = (z_v * gain_h + bh)[:, 2 * H :]  # of (3), computed again
        dh_t = dy[t, :m] + dh[:m]  # h_t is read twice: as the output, and by step t+1
        dz, dn = dh_t * (h[t, :m] - n), dh_t * (1 - z)  # (6')
        dh_prev = dh_t * z  # (6')
        dp_n = dn * dtanh(n)  # (5')
        dq_n, dr = dp_n * r, dp_n * q_n  # (5')
        da_r, da_z = dr * dsigmoid(r), dz * dsigmoid(z)  # (4')
        dp = np.concatenate([da_r, da_z, dp_n], axis=1)
        dq = np.concatenate([da_r, da_z, dq_n], axis=1)
        grads["bh"] += dq.sum(axis=0)  # (3')
        grads["gain_h"] += (dq * z_v).sum(axis=0)  # (3')
        dv = dnorm(dq * gain_h, z_v, s[t, :m, 2:])  # (3')
        grads["bx"] += dp.sum(axis=0)  # (2')
        grads["gain_x"] += (dp * z_u).sum(axis=0)  # (2')
        du = dnorm(dp * gain_x, z_u, s[t, :m, :2])  # (2')
        grads["Wx"] += x[t, :m].T @ du  # (1')
        grads["Wh"] += h[t, :m].T @ dv  # (1')
        dx[t, :m] = du @ Wx.T  # (1')
        dh[:m] = dh_prev + dv @ Wh.T  # (1'), (6')
    return grads, dx, (dh,)
