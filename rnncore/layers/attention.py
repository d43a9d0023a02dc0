"""Attention over the steps of a row: one vector, the mean of its steps with weights that are learned.

    k_tn = x_tn Wk                                         (1)   keys
    q_n  = q                        query="learned"        (2)   one vector for all rows
    q_n  = x_{last,n} Wq            query="last"           (2)   asked by the row's own last step
    e_tn = k_tn . q_n / sqrt(A)     score="dot"            (3)   scaled dot product (Vaswani et al. 2017, eq. 1)
    g_tn = tanh(k_tn + q_n)         score="additive"       (3)   (Bahdanau et al. 2015, A.1.2)
    e_tn = g_tn . v                                        (4)
    w_tn = exp(e_tn) / sum_t exp(e_tn)                     (5)   over the row's own steps
    y_n  = sum_t w_tn x_tn                                 (6)   zero for a row of length 0

Additive with a learned query is the attention of Yang et al. (2016, eq. 5 to 7), whose bias is q and whose context
vector is v. The values are the steps themselves: the weights sum to one, so a Dense layer behind does what one for the
values would do. Shapes: x (T, N, D), Wk and Wq (D, A), q and v (A,), keys and g (T, N, A), y (N, D).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import dtanh, row_ends, valid_steps, within
from rnncore.typing import Array, Grads, Lengths, Params


class AttentionCache(NamedTuple):
    """What the backward pass needs: x (T, N, D), keys (T, N, A), or g for "additive", query (N, A), lengths (N,).

    `weights` (T, N, 1) say how much of each step is in y: they sum to one over a row's steps, and are zero past its
    end.
    """

    x: Array
    keys: Array
    query: Array
    weights: Array
    lengths: Lengths


def forward(
    params: Params, x: Array, lengths: Lengths | None = None, *, score: str = "additive"
) -> tuple[Array, AttentionCache]:
    """Return y (N, D) and the cache; the query is "last" where params have Wq, and learned where they have q."""
    Wk = params["Wk"]
    T, N, _ = x.shape
    A = Wk.shape[1]
    ends = row_ends(lengths, T, N)
    valid, x = valid_steps((T, N), lengths), within(x, lengths)

    keys, e, w = np.zeros((T, N, A), x.dtype), np.zeros((T, N), x.dtype), np.zeros((T, N, 1), x.dtype)
    keys[valid] = x[valid] @ Wk  # (1)
    query = last_steps(x, ends) @ params["Wq"] if "Wq" in params else np.tile(params["q"], (N, 1))  # (2)
    if score == "dot":
        e[valid] = (keys * query).sum(axis=-1)[valid] / scale(keys)  # (3)
    else:
        keys[valid] = np.tanh(keys + query)[valid]  # (3)
        e[valid] = keys[valid] @ params["v"]  # (4)
    top = np.where(valid, e.real, -np.inf).max(axis=0, initial=-np.inf)  # taken off, so that exp does not overflow
    w[valid, 0] = np.exp((e - np.where(ends > 0, top, 0))[valid])
    w = w / np.where(ends > 0, w.sum(axis=0)[:, 0], 1)[:, None]  # (5)
    return (w * x).sum(axis=0), AttentionCache(x, keys, query, w, ends)  # (6)


def backward(params: Params, cache: AttentionCache, dy: Array, *, score: str = "additive") -> tuple[Grads, Array]:
    """Given dLoss/dy (N, D), return the gradients of params and x (T, N, D)."""
    x, keys, query, w, ends = cache
    T, N, _ = x.shape
    valid = valid_steps((T, N), ends)
    grads: Grads = {}

    dx = w * dy  # (6')
    dw = (x * dy).sum(axis=-1, keepdims=True)  # (6')
    de = w * (dw - (w * dw).sum(axis=0))  # (5')
    dx[~valid], de[~valid] = 0, 0  # past a row's end the weights are zero, and zero times NaN in dy is none
    if score == "dot":
        da = de / scale(keys)
        dkeys, dquery = da * query, (da * keys).sum(axis=0)  # (3')
    else:
        grads["v"] = (de * keys).sum(axis=(0, 1))  # (4')
        dkeys = de * params["v"] * dtanh(keys)  # (4'), (3')
        dquery = dkeys.sum(axis=0)  # (3')
    if "Wq" in params:
        grads["Wq"] = last_steps(x, ends).T @ dquery  # (2')
        rows = np.flatnonzero(ends > 0)
        dx[ends[rows] - 1, rows] += dquery[rows] @ params["Wq"].T  # (2')
    else:
        grads["q"] = dquery.sum(axis=0)  # (2')
    grads["Wk"] = x[valid].T @ dkeys[valid]  # (1')
    dx[valid] += dkeys[valid] @ params["Wk"].T  # (1')
    return {name: grads[name] for name in params}, dx


def last_steps(x: Array, ends: Lengths) -> Array:
    """Return each row's last step (N, D), zeros for a row of length 0."""
    last = np.zeros_like(x, shape=x.shape[1:])
    rows = np.flatnonzero(ends > 0)
    last[rows] = x[ends[rows] - 1, rows]
    return last


def scale(keys: Array) -> Array:
    """Return sqrt(A) in the dtype of the keys."""
    root: Array = np.sqrt(keys.real.dtype.type(keys.shape[-1]))
    return root
