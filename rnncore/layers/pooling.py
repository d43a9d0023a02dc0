"""Pooling: the mean, or the largest value of each feature, over the steps of a row.

    mean:  y_n  = sum_t x_tn / length_n                    (1)
    max:   t*   = argmax_t x_tnd                           (2)   of equal values the first
           y_nd = x_{t*,n,d}                               (3)

Over a row's own steps; zero for a row of length 0. Where the largest value comes twice the maximum has a corner: all of
the gradient goes to the first. Shapes: x (T, N, D), y (N, D).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import row_ends, valid_steps, within
from rnncore.typing import Array, Lengths


class MeanCache(NamedTuple):
    """What the backward pass needs: x (T, N, D), of which only the shape, and lengths (N,)."""

    x: Array
    lengths: Lengths


class MaxCache(NamedTuple):
    """What the backward pass needs: x (T, N, D), of which only the shape, the steps `at` (D, N), and lengths (N,)."""

    x: Array
    at: Lengths
    lengths: Lengths


def mean_forward(x: Array, lengths: Lengths | None = None) -> tuple[Array, MeanCache]:
    """Return y (N, D) and the cache."""
    T, N, _ = x.shape
    ends = row_ends(lengths, T, N)
    return within(x, lengths).sum(axis=0) / counts(ends, x), MeanCache(x, ends)  # (1)


def mean_backward(cache: MeanCache, dy: Array) -> Array:
    """Given dLoss/dy (N, D), return dx (T, N, D)."""
    x, ends = cache
    return within(np.broadcast_to(dy / counts(ends, dy), x.shape), ends)  # (1')


def max_forward(x: Array, lengths: Lengths | None = None) -> tuple[Array, MaxCache]:
    """Return y (N, D) and the cache."""
    T, N, D = x.shape
    ends = row_ends(lengths, T, N)
    rows = np.flatnonzero(ends > 0)
    valid = valid_steps((T, N), lengths)[..., None]
    at, y = np.zeros((D, N), np.int64), np.zeros((N, D), x.dtype)
    if len(rows):
        at[:, rows] = np.where(valid, x.real, -np.inf)[:, rows].argmax(axis=0).T  # (2) NaN counts as the largest
    y[rows] = x[at[:, rows].T, rows[:, None], np.arange(D)]  # (3)
    return y, MaxCache(x, at, ends)


def max_backward(cache: MaxCache, dy: Array) -> Array:
    """Given dLoss/dy (N, D), return dx (T, N, D)."""
    x, at, ends = cache
    rows = np.flatnonzero(ends > 0)
    dx = np.zeros(x.shape, dy.dtype)
    dx[at[:, rows].T, rows[:, None], np.arange(x.shape[2])] = dy[rows]  # (3')
    return dx


def counts(ends: Lengths, x: Array) -> Array:
    """Return the steps of each row (N, 1) in the dtype of x; 1 for a row of length 0, whose sum is zero."""
    return np.maximum(ends, 1).astype(x.real.dtype)[:, None]
