"""What the cells share: activations with their derivatives, and how many rows still move at each step.

A derivative is written in terms of the activation's **output** s, which is what a cache keeps. No function uses abs or
max (the rectifier looks at the real part), so all may be fed complex numbers and checked by complex step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnncore.typing import Array, Lengths


def sigmoid(a: Array) -> Array:
    """Logistic function as 1/2 + 1/2 tanh(a/2), which never overflows."""
    s: Array = 0.5 + 0.5 * np.tanh(0.5 * a)
    return s


def dsigmoid(s: Array) -> Array:
    """Derivative of the logistic function where its value is s."""
    slope: Array = s * (1 - s)
    return slope


def dtanh(s: Array) -> Array:
    """Derivative of tanh where its value is s."""
    return 1 - s**2


def relu(a: Array) -> Array:
    """Rectifier; the comparison is turned so that NaN stays NaN."""
    return np.where(a.real <= 0, np.zeros_like(a), a)


def drelu(s: Array) -> Array:
    """Derivative of the rectifier where its value is s: 1 above zero, 0 at zero, NaN for NaN."""
    slope: Array = np.sign(s.real)
    return slope


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, dtanh),
    "relu": (relu, drelu),
}


def live_rows(lengths: Lengths | None, T: int, N: int) -> list[int]:
    """Return n_t for t = 0..T-1: how many rows are longer than t.

    Rows are sorted longest first, so these are the rows 0 to n_t - 1, and a step works on the slice `[:n_t]`.

    >>> live_rows(np.array([3, 1, 0]), T=3, N=3)
    [2, 1, 1]
    """
    if lengths is None:
        return [N] * T
    return [int(np.count_nonzero(lengths > t)) for t in range(T)]


def row_ends(lengths: Lengths | None, T: int, N: int) -> Lengths:
    """Return how many steps each row has, (N,): lengths, or T for all."""
    return np.full(N, T) if lengths is None else lengths


def valid_steps(shape: tuple[int, ...], lengths: Lengths | None) -> Array:
    """Return booleans of this shape, (T, N), or (N,) without time: True at a step before its row's end.

    >>> valid_steps((2, 3), np.array([2, 1, 0]))
    array([[ True,  True, False],
           [ True, False, False]])
    """
    if lengths is None:
        return np.ones(shape, bool)
    return np.arange(shape[0])[:, None] < lengths


def within(x: Array, lengths: Lengths | None) -> Array:
    """Return a copy of x (T, N, ...) with zeros past each row's end, whatever stands there.

    >>> within(np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([2, 1]))
    array([[1., 2.],
           [3., 0.]])
    """
    out = x.copy()
    if lengths is not None:
        for t, n in enumerate(live_rows(lengths, *x.shape[:2])):
            out[t, n:] = 0
    return out
