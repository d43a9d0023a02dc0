"""How long subscribers stay, by the shifted-beta-geometric model: no network, no features.

At each renewal a subscriber leaves with a chance of their own, which is Beta(alpha, beta) over subscribers. The mean
retention rate of a cohort then rises with its age, though nobody's chance changes: those who leave easily leave first.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln

from rnncore.errors import ContractError, DataError
from rnncore.marketing.customers.likelihood import maximise

Floats = NDArray[np.float64]


class ShiftedBetaGeometricParameters(NamedTuple):
    """The chance to leave at a renewal is Beta(alpha, beta) over subscribers."""

    alpha: float
    beta: float


class ShiftedBetaGeometric:
    """The shifted-beta-geometric model (Fader and Hardie 2007, Journal of Interactive Marketing 21(1), 76-90).

    `tenure` counts the renewals that a subscriber has faced and taken; `left` says whether the next one was refused.

    >>> model = ShiftedBetaGeometric().fit(tenure=[0, 0, 1, 2, 5, 5], left=[1, 1, 1, 1, 0, 0])
    >>> young, old = model.retention([0, 5])
    >>> bool(young < old)
    True
    """

    parameters_: ShiftedBetaGeometricParameters
    log_likelihood_: float

    def fit(self, tenure: ArrayLike, left: ArrayLike, weight: ArrayLike | None = None) -> Self:
        """Learn from renewals taken (N,), whole numbers from 0, and whether the next was refused (N,), 0 or 1.

        weight: subscribers behind each row, (N,); one each if None. Those who have not left are censored: all that is
        known of them is that they have taken `tenure` renewals. DataError where nobody has left.
        """
        t, gone = np.asarray(tenure, np.float64), np.asarray(left, np.float64)
        w = np.ones_like(t) if weight is None else np.asarray(weight, np.float64)
        if t.ndim != 1 or not t.shape == gone.shape == w.shape:
            came = f"{t.shape}, {gone.shape}, {w.shape}"
            raise ContractError("tenure, left, weight", "columns of one length", came, "a row each")
        if not ((t >= 0) & (t == np.floor(t)) & ((gone == 0) | (gone == 1)) & (w >= 0)).all():
            expected = "whole tenures from 0, left 0 or 1, weights from 0"
            raise ContractError("tenure, left, weight", expected, "a row without", "count the renewals taken")
        if not (gone * w).sum() > 0:
            raise DataError("nobody has left: how long subscribers stay cannot be learned from those who are all there")
        share = w / w.mean()
        alpha, beta = maximise(lambda p: share * _log_likelihood(p, t, gone), 2, bound=1e6)
        self.parameters_ = ShiftedBetaGeometricParameters(alpha, beta)
        self.log_likelihood_ = float((w * _log_likelihood(np.array(self.parameters_), t, gone)).sum())
        return self

    def survival(self, renewals: ArrayLike, tenure: ArrayLike = 0) -> Floats:
        """P(the next `renewals` are taken, given that `tenure` were): equation (6), its ratio for tenure > 0."""
        alpha, beta = self.parameters_
        before = np.asarray(tenure, np.float64)
        after = before + np.asarray(renewals, np.float64)
        return np.asarray(np.exp(betaln(alpha, beta + after) - betaln(alpha, beta + before)), np.float64)

    def retention(self, tenure: ArrayLike) -> Floats:
        """P(the next renewal is taken, given that `tenure` were): (beta + t) / (alpha + beta + t), equation (8)."""
        alpha, beta = self.parameters_
        t = np.asarray(tenure, np.float64)
        return np.asarray((beta + t) / (alpha + beta + t), np.float64)


def _log_likelihood(parameters: Floats, tenure: Floats, left: Floats) -> Floats:
    """Log-likelihood of each subscriber, (N,): equations (5) and (6) of the paper."""
    alpha, beta = parameters
    stayed = betaln(alpha, beta + tenure)
    gone = betaln(alpha + 1, beta + tenure)
    return np.asarray(np.where(left == 1, gone, stayed) - betaln(alpha, beta), np.float64)
