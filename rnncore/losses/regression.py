"""One number predicts one target: squared, absolute and Huber's error, and quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.losses.pairs import Pair, pair, several, weighted_mean
from rnncore.typing import Array


def mse(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Mean squared error, l = (p - y)^2; prediction and target have one shape.

    >>> mse(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    (2.0, array([[0.],
           [2.]]))
    """
    p, y = pair(prediction, target)
    with np.errstate(over="ignore"):
        e = p - y
        return weighted_mean(p, e**2, 2 * e, weight)


def mae(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Mean absolute error, l = |p - y|, with derivative 0 where p = y.

    >>> mae(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    (1.0, array([[0. ],
           [0.5]]))
    """
    p, y = pair(prediction, target)
    with np.errstate(over="ignore"):
        e = p - y
    side = np.sign(e.real).astype(p.dtype)
    return weighted_mean(p, side * e, side, weight)


def huber(prediction: Array, target: Array, weight: Array | None = None, *, delta: float = 1.0) -> Pair:
    """Huber's loss (1964): e^2/2 where |e| <= delta, delta (|e| - delta/2) beyond; e = p - y.

    >>> huber(np.array([[1.5], [4.0]]), np.array([[1.0], [2.0]]))
    (0.8125, array([[0.25],
           [0.5 ]]))
    """
    checks.number("delta", delta, open_left=True)
    p, y = pair(prediction, target)
    with np.errstate(over="ignore"):
        e = p - y
        side = np.sign(e.real)
        far = np.abs(e.real) > delta
        value = np.where(far, delta * (side * e - delta / 2), e**2 / 2)
    return weighted_mean(p, value, np.where(far, delta * side, e), weight)


def quantile(
    prediction: Array, target: Array, weight: Array | None = None, *, levels: Sequence[float] = (0.1, 0.5, 0.9)
) -> Pair:
    """Quantile (pinball) loss of Q levels at once (Koenker and Bassett 1978): lowest where p_q is the level's quantile.

        l = mean_q max(tau_q (y - p_q), (tau_q - 1) (y - p_q)),   derivative 0 where p_q = y

    prediction: Q numbers for each target, (..., Q) or (..., M * Q), in the order of `levels`; target (...) or (..., M).
    One level of 0.5 is half of `mae`. ContractError where a level does not lie between 0 and 1.

    >>> value, dp = quantile(np.array([[1.0, 2.0, 4.0]]), np.array([3.0]))
    >>> round(value, 4), dp.round(4)
    (0.2667, array([[-0.0333, -0.1667,  0.0333]]))
    """
    if not np.iterable(levels):
        raise ContractError("levels", "several levels", repr(levels), f"say levels=({levels!r},) for this one")
    taus = np.array([checks.number("levels", tau, below=1.0, open_left=True) for tau in levels])
    if not taus.size:
        raise ContractError("levels", "at least one level", "none", "say levels=(0.1, 0.5, 0.9), for instance")
    p, y = several(prediction, target, len(taus), f"{len(taus)} quantiles")
    e = p - y[..., None]
    side = np.sign(e.real)
    slope = np.where(side > 0, 1 - taus, taus) * side
    return weighted_mean(prediction, (slope * e).mean(axis=-1), slope.astype(p.dtype) / len(taus), weight)
