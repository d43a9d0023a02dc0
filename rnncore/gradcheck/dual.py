"""Numbers with their tangents, for forward mode: (a, a') with a' of shape (K, *a.shape), a slot for what may move."""

from __future__ import annotations

import numpy as np

from rnncore.typing import Array

Dual = tuple[Array, Array]  # a value and its tangents (K, *shape)


def affine(x: Dual, W: Dual, b: Dual) -> Dual:
    """Return x W + b."""
    return x[0] @ W[0] + b[0], x[1] @ W[0] + x[0] @ W[1] + np.expand_dims(b[1], -2)


def add(u: Dual, v: Dual) -> Dual:
    """Return u + v."""
    return u[0] + v[0], u[1] + v[1]


def multiply(u: Dual, v: Dual) -> Dual:
    """Return u * v."""
    return u[0] * v[0], u[1] * v[0] + u[0] * v[1]


def tanh(a: Dual) -> Dual:
    """Return tanh(a); the slope comes from the rounded value, as in every backward pass that keeps outputs only."""
    s = np.tanh(a[0])
    return s, a[1] * (1 - s * s)


def relu(a: Dual) -> Dual:
    """Return a where a > 0, else 0."""
    return a[0] * (a[0] > 0), a[1] * (a[0] > 0)


def sigmoid(a: Dual) -> Dual:
    """Return 1 / (1 + exp(-a)), rounded as 1/2 + 1/2 tanh(a/2); for its slope see `tanh`."""
    s = 0.5 + 0.5 * np.tanh(0.5 * a[0])
    return s, a[1] * (s - s * s)


def exp(a: Dual) -> Dual:
    """Return e^a."""
    s = np.exp(a[0])
    return s, a[1] * s


def log(a: Dual) -> Dual:
    """Return the natural logarithm of a."""
    return np.log(a[0]), a[1] / a[0]


def reciprocal(a: Dual) -> Dual:
    """Return 1 / a."""
    return 1 / a[0], -a[1] / (a[0] * a[0])


def at_least(a: Dual, low: float) -> Dual:
    """Return a where a >= low, else low."""
    return np.where(a[0] >= low, a[0], low), a[1] * (a[0] >= low)


def block(a: Dual, k: int, H: int) -> Dual:
    """Return gate block k of H columns."""
    return a[0][..., k * H : (k + 1) * H], a[1][..., k * H : (k + 1) * H]
