"""Embedding: a row of a table for every integer id.

    y_tn = W[id_tn]                                        (1)

Shapes: ids (T, N) or (N,), integers in [0, V); W (V, D); y (T, N, D). Ids have no derivative, so dx is None.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import valid_steps
from rnncore.typing import Array, Grads, Lengths, Params


class EmbeddingCache(NamedTuple):
    """What the backward pass needs: the ids and lengths (N,) or None."""

    ids: Array
    lengths: Lengths | None


def forward(params: Params, ids: Array, lengths: Lengths | None = None) -> tuple[Array, EmbeddingCache]:
    """Return y and the cache; y is zero past a row's end, whatever the ids there."""
    W = params["W"]
    valid = valid_steps(ids.shape, lengths)
    y = np.zeros((*ids.shape, W.shape[1]), W.dtype)
    y[valid] = W[ids[valid]]  # (1)
    return y, EmbeddingCache(ids, lengths)


def backward(params: Params, cache: EmbeddingCache, dy: Array) -> tuple[Grads, None]:
    """Given dLoss/dy, add each step's gradient to the row it read."""
    ids, lengths = cache
    valid = valid_steps(ids.shape, lengths)
    dW = np.zeros_like(params["W"])
    np.add.at(dW, ids[valid], dy[valid])  # (1') an id read twice gets both
    return {"W": dW}, None
