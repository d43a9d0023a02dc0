"""Dropout (Srivastava et al. 2014), inverted: what is kept is scaled up, so that inference needs no correction.

    y = x * mask,   mask = keep / (1 - rate),   keep ~ Bernoulli(1 - rate)   (1)

per="step": a number for each entry of x. per="sequence": one for each sequence and feature, the same at every step
(variational dropout, Gal and Ghahramani 2016).

The mask is in the cache, so a training pass can be replayed and checked. Without a generator the layer is the identity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import within
from rnncore.typing import Array, Lengths


class DropoutCache(NamedTuple):
    """What the backward pass needs: the mask, of x's shape, and lengths (N,) or None."""

    mask: Array
    lengths: Lengths | None


def forward(
    x: Array, rate: float, lengths: Lengths | None = None, rng: np.random.Generator | None = None, *, per: str = "step"
) -> tuple[Array, DropoutCache]:
    """Return y and the cache; the mask is drawn from `rng`, or all ones without it."""
    real = x.real.dtype
    shape = x.shape[1:] if per == "sequence" and x.ndim == 3 else x.shape
    keep = np.ones(shape, real) if rng is None else (rng.random(shape) >= rate) / real.type(1 - rate)
    mask = np.broadcast_to(keep, x.shape)
    return masked(x, mask, lengths), DropoutCache(mask, lengths)  # (1)


def backward(cache: DropoutCache, dy: Array) -> Array:
    """Given dLoss/dy, return dx."""
    return masked(dy, *cache)  # (1')


def masked(x: Array, mask: Array, lengths: Lengths | None) -> Array:
    """Return x * mask, zero past a row's end whatever stands there."""
    return within(x * mask, lengths)
