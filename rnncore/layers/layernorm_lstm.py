"""LSTM with layer normalisation (Ba, Kiros and Hinton 2016, supplementary material, eq. 20 to 22).

    u_t, v_t = x_t Wx, h_{t-1} Wh                          (1)   blocks in the order i f g o
    a_t = norm(u_t) * gain_x + norm(v_t) * gain_h + b      (2)   over all 4H numbers of a row at once
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)     (3)
    g = tanh(a_g)                                          (4)
    c_t = f * c_{t-1} + i * g                              (5)   carried on as it is
    r_t = tanh(norm(c_t) * gain_c + bias_c)                (6)   over the H units
    h_t = o * r_t                                          (7)   the output is y_t = h_t

norm(z) = (z - mean(z)) / sqrt(mean((z - mean(z))^2) + eps) is that of `layer_norm.py`; the eps, 1e-5, is not in the
paper but in its authors' code. The biases which the paper gives each of the two norms of (2) are part of b. (Other
cells have the same name: TensorFlow's LayerNormBasicLSTMCell has a norm for each gate, of u_t + v_t, and carries
norm(c_t) on.)

So multiplying Wx or Wh by s > 0 is dividing eps by s^2 in its norm, and
adding one vector to all columns of either changes nothing; nor does the size of x_t.

Shapes: x (T, N, D), h and c (T+1, N, H) with slot 0 the initial state, Wx (D, 4H), Wh (H, 4H), b, gain_x, gain_h (4H,),
gain_c, bias_c (H,). Backpropagation through time walks the same equations from T-1 to 0 in reverse: (7') to (1').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dsigmoid, dtanh, live_rows, sigmoid
from rnncore.layers.layer_norm import dnormalise, normalise
from rnncore.typing import Array, Grads, Lengths, Params, State


class LayerNormLSTMCache(NamedTuple):
    """What the backward needs: x (T, N, D), h and c (T+1, N, H), gates (T, N, 4H) as i f g o, lengths (N,) or None.

    Of the norms: z (T, N, 8H) of u and v side by side, z_c (T, N, H), and s (T, N, 3), what u, v and c were multiplied
    by.
    """

    x: Array
    h: Array
    c: Array
    gates: Array
    z: Array
    z_c: Array
    s: Array
    lengths: Lengths | None


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, LayerNormLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    gain_x, gain_h, gain_c, bias_c = (params[name] for name in ("gain_x", "gain_h", "gain_c", "bias_c"))
    T, N, _ = x.shape
    H = len(Wh)
    live = live_rows(lengths, T, N)

    h, c = np.zeros((2, T + 1, N, H), x.dtype)
    gates, z, z_c, s = (np.zeros((T, N, k), x.dtype) for k in (4 * H, 8 * H, H, 3))
    y = np.zeros((T, N, H), x.dtype)
    h[0], c[0] = state_0
    for t in range(T):
        n = live[t]
        u, v = x[t, :n] @ Wx, h[t, :n] @ Wh  # (1)
        (z_u, s_u), (z_v, s_v) = normalise(u), normalise(v)  # (2)
        a = z_u * gain_x + z_v * gain_h + b  # (2)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)  # (3)
        g = np.tanh(a_g)  # (4)
        c[t + 1, :n] = f * c[t, :n] + i * g  # (5)
        z_c[t, :n], s_c = normalise(c[t + 1, :n])  # (6)
        r = np.tanh(z_c[t, :n] * gain_c + bias_c)  # (6)
        h[t + 1, :n] = o * r  # (7)
        h[t + 1, n:], c[t + 1, n:] = h[t, n:], c[t, n:]  # a finished row keeps its state
        gates[t, :n] = np.concatenate([i, f, g, o], axis=1)
        z[t, :n], s[t, :n] = np.concatenate([z_u, z_v], axis=1), np.concatenate([s_u, s_v, s_c], axis=1)
        y[t, :n] = h[t + 1, :n]
    return y, (h[T].copy(), c[T].copy()), LayerNormLSTMCache(x, h, c, gates, z, z_c, s, lengths)


def backward(params: Params, cache: LayerNormLSTMCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    Wx, Wh = params["Wx"], params["Wh"]
    gain_x, gain_h, gain_c, bias_c = (params[name] for name in ("gain_x", "gain_h", "gain_c", "bias_c"))
    x, h, c, gates, z, z_c, s, lengths = cache
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    grads = {name: np.zeros_like(a) for name, a in params.items()}
    dx = np.zeros_like(x)
    dh, dc = (d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        n = live[t]
        i, f, g, o = np.split(gates[t, :n], 4, axis=1)
        z_u, z_v = np.split(z[t, :n], 2, axis=1)
        s_u, s_v, s_c = np.split(s[t, :n], 3, axis=1)
        r = np.tanh(z_c[t, :n] * gain_c + bias_c)  # of (6), computed again
        dh_t = dy[t, :n] + dh[:n]  # h_t is read twice: as the output, and by step t+1
        do, dr = dh_t * r, dh_t * o  # (7')
        da_r = dr * dtanh(r)  # (6')
        grads["gain_c"] += (da_r * z_c[t, :n]).sum(axis=0)  # (6')
        grads["bias_c"] += da_r.sum(axis=0)  # (6')
        dc_t = dc[:n] + dnormalise(da_r * gain_c, z_c[t, :n], s_c)  # (6') c_t is read by (6), and by step t+1
        di, dg = dc_t * g, dc_t * i  # (5')
        df = dc_t * c[t, :n]  # (5')
        dc[:n] = dc_t * f  # (5')
        da_g = dg * dtanh(g)  # (4')
        da_i, da_f, da_o = di * dsigmoid(i), df * dsigmoid(f), do * dsigmoid(o)  # (3')
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        grads["b"] += da.sum(axis=0)  # (2')
        grads["gain_x"] += (da * z_u).sum(axis=0)  # (2')
        grads["gain_h"] += (da * z_v).sum(axis=0)  # (2')
        du = dnormalise(da * gain_x, z_u, s_u)  # (2')
        dv = dnormalise(da * gain_h, z_v, s_v)  # (2')
        grads["Wx"] += x[t, :n].T @ du  # (1')
        grads["Wh"] += h[t, :n].T @ dv  # (1')
        dx[t, :n] = du @ Wx.T  # (1')
        dh[:n] = dv @ Wh.T  # (1')
    return grads, dx, (dh, dc)
