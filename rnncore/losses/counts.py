"""Counts 0, 1, 2, ... as likelihoods: Poisson, and negative binomial where they scatter more than Poisson's."""

from __future__ import annotations

import numpy as np

from rnncore.losses.pairs import Pair, counting, in_double, pair, real, several, weighted_mean
from rnncore.losses.special import FAR, digamma, gammaln, log1p_less, sigmoid, softplus, stirling
from rnncore.typing import Array

COUNTS = "counts of at least 0"


def _is_count(y: Array) -> Array:
    good: Array = (y >= 0) & (y < np.inf)
    return good


def poisson(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Negative log-likelihood of a count y under Poisson's law (1837), given the logarithm z of its mean.

        l = exp(z) - y z + log y!,   dl/dz = exp(z) - y

    prediction and target have one shape; y need not be whole. ContractError where y is below 0 or NaN.

    >>> value, dz = poisson(np.array([[0.0], [np.log(4.0)]]), np.array([[1.0], [2.0]]))
    >>> round(value, 4), dz.ravel().round(4)
    (1.4603, array([0., 1.]))
    """
    pair(prediction, target)
    z, y = in_double(prediction), counting(real("target", target), weight, 0.0, _is_count, COUNTS)
    with np.errstate(over="ignore"):
        mean = np.exp(z)
        value = mean - y * z + gammaln(y + 1)
        return weighted_mean(prediction, value, mean - y, weight)


def negative_binomial(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Negative log-likelihood of a count y with mean mu and variance mu + alpha mu^2 (NB2; Cameron and Trivedi 1986).

        mu = exp(z);  r = 1/alpha = exp(s),  s = -a;  m = z - s                                              (1)
        l = log y! + log Gamma(r) - log Gamma(y + r) + r log(1 + exp(m)) + y log(1 + exp(-m))                (2)
        dl/dz = r sigmoid(m) - y sigmoid(-m)                                                                 (3)
        dl/da = r (psi(y + r) - psi(r) - log(1 + exp(m))) + r sigmoid(m) - y sigmoid(-m)                     (4)

    prediction: (z, a) for each target, the logarithms of mean and dispersion, (..., 2) or (..., M * 2); target (...) or
    (..., M). With a -> -inf it becomes `poisson`; what cancels on the way there is taken apart by Stirling's series.
    As the output of a recurrent network: Salinas et al. 2020 (DeepAR). ContractError where y is below 0 or NaN.

    >>> value, d = negative_binomial(np.array([[np.log(2.0), 0.0]]), np.array([3.0]))  # geometric: (1/3) (2/3)^3
    >>> round(value, 4), d.round(4)
    (2.315, array([[-0.3333,  0.4014]]))
    """
    p, y = several(prediction, target, 2, "(log mean, log dispersion)")
    y = counting(y, weight, 0.0, _is_count, COUNTS)
    with np.errstate(over="ignore", under="ignore"):
        z, s = p[..., 0], -p[..., 1]
        s = np.where(s.real > 700, 700, s)  # Poisson long before, to the last digit
        r, m = np.exp(s), z - s
        excess, dexcess = _excess(y, r, s)
        below = m.real < 0  # mu < r: near Poisson, where r and m are too far apart to be multiplied
        mean, q = np.exp(np.where(below, z, 0)), np.exp(np.where(below, m, 0))
        plus, share, less = softplus(m), sigmoid(m), log1p_less(q)
        value = gammaln(y + 1) - excess + np.where(below, mean + r * less, r * plus) + y * (plus - z)
        dz = np.where(below, (mean - y) * sigmoid(-m), r * share - y * sigmoid(-m))
        ds = r * np.where(below, less + q * share, plus - share) - y * share - dexcess
        return weighted_mean(prediction, value, np.stack([dz, -ds], axis=-1), weight)


def _excess(y: Array, r: Array, s: Array) -> tuple[Array, Array]:
    """Return log Gamma(y + r) - log Gamma(r) - y s, which is 0 in Poisson's limit, and its derivative by s = log r."""
    far = r.real >= FAR
    R, t = np.where(far, r, FAR), y / np.where(far, r, FAR)
    (above, dabove), (here, dhere) = stirling(y + R), stirling(R)
    less = R * log1p_less(t)
    large = less + (y - 0.5) * np.log1p(t) + above - here
    dlarge = less + 0.5 * t / (1 + t) + R * (dabove - dhere)
    r = np.where(far, 1, r)
    small = gammaln(np.where(y > 0, y, 1) + r) - gammaln(1 + r) + s - y * s
    dsmall = r * (digamma(np.where(y > 0, y, 1) + r) - digamma(1 + r)) + 1 - y
    return np.where(far, large, np.where(y > 0, small, 0 * s)), np.where(far, dlarge, np.where(y > 0, dsmall, 0 * s))
