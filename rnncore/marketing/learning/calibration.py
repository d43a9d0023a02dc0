"""Calibration: what a network says is held against the latest complete window, and corrected by a number or two.

PLATT          P(yes) = sigmoid(slope z + intercept) of a logit z (Platt 1999)
HAZARDS        sigmoid(slope z + intercept) of the logits z (N, K) of hazards, of times that may be censored
TEMPERATURE    softmax(z / t) of logits z (N, K), one t (Guo et al. 2017)
SCALE          a number >= 0 times (sum of what came / sum of what was said)
NONE           outputs as they are
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from rnncore.losses import discrete_hazard

Floats = NDArray[np.float64]


class Calibration(NamedTuple):
    """A pair: `fit(outputs, target)` gives so many numbers, `apply(outputs, numbers)` what the network is taken to say.

    outputs: (N, K), as they left the network. target: (N,); of hazards (N, 2),
    see `losses.discrete_hazard`.
    """

    fit: Callable[[Floats, Floats], Floats]
    apply: Callable[[Floats, Floats], Floats]
    size: int


def platt(outputs: Floats, target: Floats) -> Floats:
    """Slope and intercept (2,); the logits stay as they are where these would turn the ranking round or are unknown."""
    logits = outputs[:, 0]
    if len(target) == 0 or np.ptp(target) == 0 or np.ptp(logits) == 0:
        return np.array([1.0, 0.0])
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(logits[:, None], target)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return np.array([slope, intercept]) if slope > 0 else np.array([1.0, 0.0])


def apply_platt(outputs: Floats, numbers: Floats) -> Floats:
    """P(yes), (N,)."""
    return np.asarray(expit(numbers[0] * outputs[:, 0] + numbers[1]), np.float64)


def hazards(outputs: Floats, target: Floats) -> Floats:
    """Slope and intercept (2,) on the logits of the hazards, of the highest likelihood; the slope stays positive."""
    if len(target) == 0 or not target[:, 1].any():
        return np.array([1.0, 0.0])

    def loss(numbers: Floats) -> float:
        return float(discrete_hazard(np.exp(numbers[0]) * outputs + numbers[1], target)[0])

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-5, 5)])
    return np.array([np.exp(found.x[0]), found.x[1]])


def temperature(outputs: Floats, target: Floats) -> Floats:
    """The temperature (1,) in [1/20, 20] with the lowest log-loss; 1 where nothing can be told.

    >>> sure_and_half_wrong = np.array([[9.0, 0.0], [9.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    >>> bool(temperature(sure_and_half_wrong, np.array([0, 0, 1, 0])) > 5)
    True
    """
    if len(target) == 0:
        return np.array([1.0])
    classes = np.asarray(target, np.int64)[:, None]

    def loss(log_t: float) -> float:
        return -float(np.take_along_axis(log_softmax(outputs / np.exp(log_t), axis=1), classes, axis=1).mean())

    found = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded", options={"xatol": 1e-6})
    return np.array([float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0])


def apply_temperature(outputs: Floats, numbers: Floats) -> Floats:
    """Probabilities (N, K)."""
    return np.asarray(softmax(outputs / numbers[0], axis=1), np.float64)


def scale(outputs: Floats, target: Floats) -> Floats:
    """What came over what was said, (1,); 1 where either is nothing."""
    said, came = float(outputs.sum()), float(np.sum(target))
    return np.array([came / said if said > 0 and came > 0 else 1.0])


PLATT = Calibration(platt, apply_platt, 2)
HAZARDS = Calibration(hazards, lambda outputs, numbers: expit(numbers[0] * outputs + numbers[1]), 2)
TEMPERATURE = Calibration(temperature, apply_temperature, 1)
SCALE = Calibration(scale, lambda outputs, numbers: outputs * numbers[0], 1)
NONE = Calibration(lambda outputs, target: np.zeros(0), lambda outputs, numbers: outputs, 0)
