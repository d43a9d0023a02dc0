"""Layer normalisation (Ba et al. 2016, eq. 15 and 16): every step of every row by itself, over its own features.

    m = mean(x),  s = 1 / sqrt(mean((x - m)^2) + eps)      (1)
    z = (x - m) * s                                        (2)
    y = z * gain + bias                                    (3)

The means are over the last axis; the paper has no eps. Shapes: x, z, y (T, N, D) or (N, D), s with 1 in place of D,
gain and bias (D,). With `lengths`, y is zero past a row's end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import valid_steps
from rnncore.typing import Array, Grads, Lengths, Params


class LayerNormCache(NamedTuple):
    """What the backward pass needs: z as x, s with 1 in place of D, lengths (N,) or None."""

    z: Array
    s: Array
    lengths: Lengths | None


EPS = 1e-5


def normalise(a: Array, eps: float | None = None) -> tuple[Array, Array]:
    """Return z and s of (1) and (2) for the last axis of a; eps: `EPS` where None."""
    away = a - a.mean(axis=-1, keepdims=True)
    s = 1 / np.sqrt((away**2).mean(axis=-1, keepdims=True) + a.real.dtype.type(EPS if eps is None else eps))  # (1)
    return away * s, s  # (2)


def dnormalise(dz: Array, z: Array, s: Array) -> Array:
    """Return dLoss/da, given dLoss/dz."""
    through_s = z * (dz * z).mean(axis=-1, keepdims=True)
    through_m = dz.mean(axis=-1, keepdims=True)
    da: Array = s * (dz - through_m - through_s)  # (2'), (1')
    return da


def forward(
    params: Params, x: Array, lengths: Lengths | None = None, *, eps: float = EPS
) -> tuple[Array, LayerNormCache]:
    """Return y and the cache."""
    valid = valid_steps(x.shape[:-1], lengths)
    y, z, s = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x[..., :1])
    z[valid], s[valid] = normalise(x[valid], eps)  # (1), (2)
    y[valid] = z[valid] * params["gain"] + params["bias"]  # (3)
    return y, LayerNormCache(z, s, lengths)


def backward(params: Params, cache: LayerNormCache, dy: Array) -> tuple[Grads, Array]:
    """Given dLoss/dy, return the gradients of params and x."""
    valid = valid_steps(dy.shape[:-1], cache.lengths)
    z, s, d = cache.z[valid], cache.s[valid], dy[valid]
    dgain = (d * z).sum(axis=0)  # (3')
    dbias = d.sum(axis=0)  # (3')
    dz = d * params["gain"]  # (3')
    dx = np.zeros_like(dy)
    dx[valid] = dnormalise(dz, z, s)  # (2'), (1')
    return {"gain": dgain, "bias": dbias}, dx
