"""What the models of customer bases share: their three columns, and a search for positive parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from rnncore.errors import ContractError

Floats = NDArray[np.float64]


def maximise(log_likelihood: Callable[[Floats], Floats], count: int, bound: float) -> list[float]:
    """The `count` positive parameters with the largest mean log-likelihood, each in [1 / bound, bound].

    The search runs over their logs and starts at one: give the data in units in which one is a sensible guess. It keeps
    away from parameters for which a likelihood cannot be computed.

    >>> def poisson(rate):
    ...     return np.array([2.0, 4.0]) * np.log(rate[0]) - rate[0]
    >>> round(maximise(poisson, 1, bound=1e6)[0], 4)
    3.0
    """

    def loss(logs: Floats) -> float:
        mean = float(log_likelihood(np.exp(logs)).mean())
        return -mean if np.isfinite(mean) else 1e10

    found = minimize(
        loss,
        np.zeros(count),
        method="L-BFGS-B",
        bounds=[(-np.log(bound), np.log(bound))] * count,
        options={"ftol": 1e-13, "gtol": 1e-8},
    )
    return [float(number) for number in np.exp(found.x)]


def customers(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The three columns as float64 (N,); ContractError where they contradict each other."""
    x, t_x, T = (np.asarray(column, np.float64) for column in (frequency, recency, age))
    if x.ndim != 1 or not x.shape == t_x.shape == T.shape or not len(x):
        raise ContractError(
            "frequency, recency, age", "three columns of one length", f"{x.shape}, {t_x.shape}, {T.shape}", "a row each"
        )
    if not ((x >= 0) & (t_x >= 0) & (t_x <= T) & np.isfinite(T) & ((t_x == 0) | (x > 0))).all():
        advice = "recency runs from the first to the last purchase, age from the first to the origin"
        raise ContractError(
            "frequency, recency, age", "0 <= recency <= age, recency 0 where x = 0", "a row without", advice
        )
    return x, t_x, T
