"""How good probabilities of a yes/no outcome are: ranking, sharpness, calibration. Thin over scikit-learn.

`outcome` is (N,) of 0 and 1 (or False and True), `probability` is (N,) in [0, 1]: one row per customer, everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from rnncore.errors import ContractError, DataError

Floats = NDArray[np.float64]


class Gains(NamedTuple):
    """Who is found when customers are taken from the highest probability down: two rising curves from 0 to 1."""

    taken: Floats
    """Share of all customers taken, (K,)."""
    found: Floats
    """Share of those with the outcome that is among them, (K,)."""


class Roc(NamedTuple):
    """The ROC curve: two rising shares from 0 to 1, of customers with probabilities from the highest down."""

    false: Floats
    """Share of those without the outcome that is taken, (K,)."""
    true: Floats
    """Share of those with it, (K,)."""


class CalibrationTable(NamedTuple):
    """Groups of customers from the lowest probability to the highest; one array each, (bins,)."""

    customers: NDArray[np.int64]
    predicted: Floats
    """Mean probability in the group."""
    observed: Floats
    """Share of the group with the outcome."""


def checked(outcome: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 (N,); ContractError for other shapes or values, DataError where all outcomes are equal."""
    y, p = np.asarray(outcome, np.float64), np.asarray(probability, np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ContractError(
            "probability", f"shape {y.shape}, one each", f"shape {p.shape}", "pass one row per customer"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise ContractError("probability", "numbers in [0, 1]", "NaN or a number outside", "pass probabilities")
    if not ((y == 0) | (y == 1)).all():
        raise ContractError("outcome", "0 and 1", "another value", "compare with something first")
    if len(y) == 0 or y.min() == y.max():
        what = f"all {len(y)} outcomes are {y[0]:.0f}" if len(y) else "there is no customer"
        raise DataError(f"{what}: nothing can be judged without both outcomes")
    return y, p


def auroc(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Area under the ROC curve: P(a case with the outcome gets the higher probability), ties counting a half.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return float(sk.roc_auc_score(*checked(outcome, probability)))


def pr_auc(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Average precision: the area under the precision-recall curve as a sum of steps. Chance level: the base rate.

    >>> round(pr_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    return float(sk.average_precision_score(*checked(outcome, probability)))


def log_losses(outcome: ArrayLike, probability: ArrayLike) -> Floats:
    """Each customer's own logarithmic loss in nats, (N,); probabilities are held 1e-12 away from 0 and 1."""
    y, p = np.asarray(outcome, np.float64), np.clip(np.asarray(probability, np.float64), 1e-12, 1 - 1e-12)
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def log_loss(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Mean logarithmic loss in nats; lower is better, and only the true probabilities are best (a proper score).

    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    return float(log_losses(*checked(outcome, probability)).mean())


def brier(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Mean squared difference between probability and outcome (Brier 1950); a proper score, lower is better.

    >>> brier([0, 1], [0.5, 0.5])
    0.25
    """
    return float(sk.brier_score_loss(*checked(outcome, probability)))


def roc_curve(outcome: ArrayLike, probability: ArrayLike) -> Roc:
    """The ROC curve; customers with equal probabilities are one straight piece of it.

    >>> roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).true
    array([0. , 0.5, 0.5, 1. , 1. ])
    """
    false, true, _ = sk.roc_curve(*checked(outcome, probability), drop_intermediate=False)
    return Roc(false, true)


def gains_curve(outcome: ArrayLike, probability: ArrayLike) -> Gains:
    """The gains curve; customers with equal probabilities are one straight piece of it, so row order never matters.

    >>> gains_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).found
    array([0. , 0.5, 0.5, 1. , 1. ])
    """
    false, true = roc_curve(outcome, probability)
    rate = np.asarray(outcome, np.float64).mean()
    return Gains(rate * true + (1 - rate) * false, true)


def lift(outcome: ArrayLike, probability: ArrayLike, share: float = 0.1) -> float:
    """How many times the base rate the outcome occurs among the `share` with the highest probabilities.

    >>> round(lift([0] * 15 + [1] * 5, [0.1] * 15 + [0.9] * 5), 6)
    4.0
    """
    if not 0 < share <= 1:
        raise ContractError("share", "a share in (0, 1]", repr(share), "0.1 is the best tenth")
    curve = gains_curve(outcome, probability)
    return float(np.interp(share, curve.taken, curve.found)) / share


def bias(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Mean probability minus the rate that came: above 0, too much was promised.

    >>> round(bias([0, 1], [0.7, 0.9]), 6)
    0.3
    """
    y, p = checked(outcome, probability)
    return float(p.mean() - y.mean())


def calibration_table(outcome: ArrayLike, probability: ArrayLike, bins: int = 10) -> CalibrationTable:
    """Groups of about equal size by probability; customers with equal probabilities stay together.

    >>> calibration_table([0, 1, 1, 1], [0.2, 0.4, 0.7, 0.9], bins=2)
    CalibrationTable(customers=array([2, 2]), predicted=array([0.3, 0.8]), observed=array([0.5, 1. ]))
    """
    y, p = checked(outcome, probability)
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf")
    group = np.unique(np.searchsorted(edges, p), return_inverse=True)[1]  # empty groups vanish
    n = np.bincount(group)
    return CalibrationTable(n, np.bincount(group, p) / n, np.bincount(group, y) / n)


def summary(outcome: ArrayLike, probability: ArrayLike) -> dict[str, float]:
    """Every number of this file under its name: what a row of a table of rivals shows."""
    rows = {"log_loss": log_loss, "auroc": auroc, "pr_auc": pr_auc, "brier": brier, "lift": lift, "bias": bias}
    return {name: function(outcome, probability) for name, function in rows.items()}
