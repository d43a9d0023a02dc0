"""Last: the output of each row's own last step.

    y_n = x[length_n - 1, n]                               (1)   zero for a row of length 0

Shapes: x (T, N, D), y (N, D): the time axis is gone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import row_ends
from rnncore.typing import Array, Lengths


class LastCache(NamedTuple):
    """What the backward pass needs: the shape (T, N, D) of x, and lengths (N,)."""

    shape: tuple[int, ...]
    lengths: Lengths


def forward(x: Array, lengths: Lengths | None = None) -> tuple[Array, LastCache]:
    """Return y (N, D) and the cache."""
    T, N, D = x.shape
    ends = row_ends(lengths, T, N)
    rows = np.flatnonzero(ends > 0)
    y = np.zeros((N, D), x.dtype)
    y[rows] = x[ends[rows] - 1, rows]  # (1)
    return y, LastCache(x.shape, ends)


def backward(cache: LastCache, dy: Array) -> Array:
    """Given dLoss/dy (N, D), return dx (T, N, D): dy at each row's last step, zero elsewhere."""
    shape, ends = cache
    rows = np.flatnonzero(ends > 0)
    dx = np.zeros(shape, dy.dtype)
    dx[ends[rows] - 1, rows] = dy[rows]  # (1')
    return dx
