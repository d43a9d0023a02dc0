"""Dropout (Srivastava et al. 2014), inverted: what is kept is scaled up, so that inference needs no correction.

    y = x * mask,   mask = keep / (1 - rate),   keep ~ Bernoulli(1 - rate)   (1)

The mask is in the cache, so a training pass can be replayed and checked. Without a generator the layer is the identity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import live_rows
from rnncore.typing import Array, Lengths


class DropoutCache(NamedTuple):
    """What the backward pass needs: the mask, of x's shape; zero past a row's end."""

    mask: Array


def forward(
    x: Array, rate: float, lengths: Lengths | None = None, rng: np.random.Generator | None = None
) -> tuple[Array, DropoutCache]:
    """Return y and the cache; the mask is drawn from `rng`, or all ones without it."""
    real = x.real.dtype
    mask = np.ones(x.shape, real) if rng is None else (rng.random(x.shape) >= rate) / real.type(1 - rate)
    mask = mask.astype(real)
    y = x * mask  # (1)
    if lengths is not None:
        for t, n in enumerate(live_rows(lengths, *x.shape[:2])):
            mask[t, n:] = y[t, n:] = 0
    return y, DropoutCache(mask)


def backward(cache: DropoutCache, dy: Array) -> Array:
    """Given dLoss/dy, return dx; dy is ignored where the mask is zero."""
    return np.where(cache.mask == 0, np.zeros_like(dy), dy * cache.mask)  # (1')
