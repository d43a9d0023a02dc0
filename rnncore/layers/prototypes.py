"""Prototypes: how near a vector is to each of K learned points; the soft assignment of a clustering.

    d_nk = sum_j (x_nj - M_kj)^2                           (1)
    y_nk = -log(1 + d_nk)                                  (2)

softmax(y) over k is the assignment of Deep Embedded Clustering (Xie, Girshick and Farhadi 2016, eq. 1), Student's t
with one degree of freedom. Shapes: x (T, N, D) or (N, D), M (K, D), y as x with K in place of D. With `lengths`, y is
zero past a row's end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import valid_steps
from rnncore.typing import Array, Grads, Lengths, Params


class PrototypesCache(NamedTuple):
    """What the backward pass needs: x as given, d as y, lengths (N,) or None."""

    x: Array
    d: Array
    lengths: Lengths | None


def forward(params: Params, x: Array, lengths: Lengths | None = None) -> tuple[Array, PrototypesCache]:
    """Return y and the cache."""
    M = params["M"]
    valid = valid_steps(x.shape[:-1], lengths)
    y, d = np.zeros((2, *x.shape[:-1], len(M)), x.dtype)
    d[valid] = ((x[valid][:, None] - M) ** 2).sum(axis=-1)  # (1)
    y[valid] = -np.log(1 + d[valid])  # (2)
    return y, PrototypesCache(x, d, lengths)


def backward(params: Params, cache: PrototypesCache, dy: Array) -> tuple[Grads, Array]:
    """Given dLoss/dy, return the gradients of params and x."""
    M = params["M"]
    valid = valid_steps(dy.shape[:-1], cache.lengths)
    apart = cache.x[valid][:, None] - M
    dd = -dy[valid] / (1 + cache.d[valid])  # (2')
    dapart = 2 * dd[..., None] * apart  # (1')
    dx = np.zeros_like(cache.x)
    dx[valid] = dapart.sum(axis=1)  # (1')
    return {"M": -dapart.sum(axis=0)}, dx  # (1')
