"""The fast twin of `rnncore/layers/attention.py`: same equations, names, arguments and results; read them together.

Its products are those of `dense.py`, whose bits do not depend on the number of threads, and neither do NumPy's sums.
Steps past a row's end are left out of the products alone: what comes of them elsewhere is zero, or made so.
"""

from __future__ import annotations

import numpy as np

from rnncore.kernels import dense
from rnncore.layers.attention import AttentionCache, last_steps, scale
from rnncore.layers.dense import DenseCache
from rnncore.layers.elementary import dtanh, row_ends, valid_steps, within
from rnncore.typing import Array, Grads, Lengths, Params


def forward(
    params: Params, x: Array, lengths: Lengths | None = None, *, score: str = "additive"
) -> tuple[Array, AttentionCache]:
    """Return y (N, D) and the cache."""
    T, N, _ = x.shape
    ends = row_ends(lengths, T, N)
    valid, x = valid_steps((T, N), lengths), within(x, lengths)

    keys, _ = dense.forward(dense.alone(params["Wk"]), x, lengths)  # (1)
    if "Wq" in params:
        query, _ = dense.forward(dense.alone(params["Wq"]), last_steps(x, ends))  # (2)
    else:
        query = np.tile(params["q"], (N, 1))  # (2)
    if score == "dot":
        e = (keys * query).sum(axis=-1) / scale(keys)  # (3)
    else:
        keys = np.where(valid[..., None], np.tanh(keys + query), keys)  # (3)
        e = (keys * params["v"]).sum(axis=-1)  # (4)
    top = np.where(valid, e, -np.inf).max(axis=0, initial=-np.inf)  # taken off, so that exp does not overflow
    w = np.zeros((T, N, 1), x.dtype)
    w[valid, 0] = np.exp((e - np.where(ends > 0, top, 0))[valid])
    w = w / np.where(ends > 0, w.sum(axis=0)[:, 0], 1)[:, None]  # (5)
    return (w * x).sum(axis=0), AttentionCache(x, keys, query, w, ends)  # (6)


def backward(params: Params, cache: AttentionCache, dy: Array, *, score: str = "additive") -> tuple[Grads, Array]:
    """Given dLoss/dy (N, D), return the gradients of params and x (T, N, D)."""
    x, keys, query, w, ends = cache
    valid = valid_steps(x.shape[:2], ends)
    grads: Grads = {}

    dx = w * dy  # (6')
    dw = (x * dy).sum(axis=-1, keepdims=True)  # (6')
    de = w * (dw - (w * dw).sum(axis=0))  # (5')
    dx[~valid], de[~valid] = 0, 0
    if score == "dot":
        da = de / scale(keys)
        dkeys, dquery = da * query, (da * keys).sum(axis=0)  # (3')
    else:
        grads["v"] = (de * keys).sum(axis=(0, 1))  # (4')
        dkeys = de * params["v"] * dtanh(keys)  # (4'), (3')
        dquery = dkeys.sum(axis=0)  # (3')
    if "Wq" in params:
        of_query, dlast = dense.backward(
            dense.alone(params["Wq"]), DenseCache(last_steps(x, ends), None), dquery
        )  # (2')
        grads["Wq"] = of_query["W"]
        rows = np.flatnonzero(ends > 0)
        dx[ends[rows] - 1, rows] += dlast[rows]
    else:
        grads["q"] = dquery.sum(axis=0)  # (2')
    of_keys, dx_keys = dense.backward(dense.alone(params["Wk"]), DenseCache(x, ends), dkeys)  # (1')
    grads["Wk"] = of_keys["W"]
    dx += dx_keys
    return {name: grads[name] for name in params}, dx
