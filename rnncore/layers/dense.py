"""Dense: an affine map of every step (and of a plain matrix).

    y = x W + b                                            (1)

Shapes: x (T, N, D) or (N, D), W (D, H), b (H,), y as x with H in place of D. With `lengths`, y is zero past a row's
end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import live_rows
from rnncore.typing import Array, Grads, Lengths, Params


class DenseCache(NamedTuple):
    """What the backward pass needs: x as given, lengths (N,) or None."""

    x: Array
    lengths: Lengths | None


def forward(params: Params, x: Array, lengths: Lengths | None = None) -> tuple[Array, DenseCache]:
    """Return y and the cache."""
    W, b = params["W"], params["b"]
    if lengths is None:
        return x @ W + b, DenseCache(x, None)  # (1)
    T, N, _ = x.shape
    y = np.zeros((T, N, len(b)), x.dtype)
    for t, n in enumerate(live_rows(lengths, T, N)):
        y[t, :n] = x[t, :n] @ W + b  # (1)
    return y, DenseCache(x, lengths)


def backward(params: Params, cache: DenseCache, dy: Array) -> tuple[Grads, Array]:
    """Given dLoss/dy, return the gradients of params and x."""
    W = params["W"]
    x, lengths = cache
    if lengths is None:
        rows, drows = x.reshape(-1, len(W)), dy.reshape(-1, W.shape[1])
        return {"W": rows.T @ drows, "b": drows.sum(axis=0)}, (drows @ W.T).reshape(x.shape)  # (1')
    T, N, _ = x.shape
    dW, db, dx = np.zeros_like(W), np.zeros_like(params["b"]), np.zeros_like(x)
    for t, n in enumerate(live_rows(lengths, T, N)):
        dW += x[t, :n].T @ dy[t, :n]  # (1')
        db += dy[t, :n].sum(axis=0)
        dx[t, :n] = dy[t, :n] @ W.T
    return {"W": dW, "b": db}, dx
