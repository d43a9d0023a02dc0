"""Amounts as likelihoods: the normal law, the log-normal one with many zeros, and the divergence of two normal laws."""

from __future__ import annotations

import numpy as np

from rnncore import checks
from rnncore.losses.pairs import Pair, counting, pair, real, several, weighted_mean
from rnncore.losses.special import log_softplus, sigmoid, softplus
from rnncore.typing import Array

SCALES = ("log-variance", "softplus")


def gaussian(prediction: Array, target: Array, weight: Array | None = None, *, scale: str = "log-variance") -> Pair:
    """Negative log-likelihood of y under a normal law whose mean and spread are both predicted (Nix and Weigend 1994).

        e = (mu - y) / sigma,   l = log(2 pi)/2 + log sigma + e^2/2                                          (1)
        sigma^2 = exp(v)  for scale="log-variance",   sigma = softplus(v)  for scale="softplus"              (2)
        dl/dmu = e / sigma,   dl/dv = (1 - e^2) dlog(sigma)/dv                                               (3)

    prediction: (mu, v) for each target, (..., 2) or (..., M * 2); target (...) or (..., M).

    >>> value, d = gaussian(np.array([[1.0, 0.0]]), np.array([3.0]))
    >>> round(value, 4), d
    (2.9189, array([[-2. , -1.5]]))
    """
    checks.one_of("scale", scale, SCALES)
    p, y = several(prediction, target, 2, "(mean, scale)")
    with np.errstate(over="ignore"):
        log_sigma, slope = (p[..., 1] / 2, 0.5) if scale == "log-variance" else log_softplus(p[..., 1])
        value, dmu, dlog = _normal(p[..., 0], log_sigma, y)
        return weighted_mean(prediction, value, np.stack([dmu, dlog * slope], axis=-1), weight)


def _normal(mu: Array, log_sigma: Array, y: Array) -> tuple[Array, Array, Array]:
    """Return l of (1) and its derivatives by mu and log sigma."""
    precision = np.exp(-log_sigma)
    precision = np.where(mu == y, 1, precision)  # where it is infinite, 0 times it is 0 here
    e = (mu - y) * precision
    return np.log(2 * np.pi) / 2 + log_sigma + e * e / 2, e * precision, 1 - e * e


def zero_inflated_lognormal(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Negative log-likelihood of an amount that is often 0 and else log-normal: ZILN (Wang, Liu and Miao 2019).

        P(y > 0) = sigmoid(z);   log y ~ normal(mu, sigma) where y > 0,  sigma = softplus(v)                 (1)
        l = log(1 + exp(z)) - [y > 0] z + [y > 0] (log y + log(2 pi)/2 + log sigma + e^2/2)                  (2)
        e = (mu - log y) / sigma                                                                             (3)

    prediction: (z, mu, v) for each target, (..., 3) or (..., M * 3); target (...) or (..., M), at least 0. The expected
    amount is sigmoid(z) exp(mu + sigma^2/2). ContractError where y is below 0 or NaN.

    >>> value, d = zero_inflated_lognormal(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), np.array([0.0, 1.0]))
    >>> round(value, 4), d.round(4)
    (1.2889, array([[ 0.25  ,  0.    ,  0.    ],
           [-0.25  ,  0.    ,  0.2783]]))
    """
    p, y = several(prediction, target, 3, "(logit, mean of the logarithm, softplus scale)")
    y = counting(y, weight, 0.0, lambda y: (y >= 0) & (y < np.inf), "amounts of at least 0")
    paid, z = y > 0, p[..., 0]
    with np.errstate(over="ignore"):
        log_y = np.log(np.where(paid, y, 1))
        log_sigma, slope = log_softplus(p[..., 2])
        amount, dmu, dlog = _normal(p[..., 1], log_sigma, log_y)
        value = softplus(np.where(paid, -z, z)) + np.where(paid, amount + log_y, 0)
        dz = np.where(paid, -sigmoid(-z), sigmoid(z))
        d = np.stack([dz, np.where(paid, dmu, 0), np.where(paid, dlog * slope, 0)], axis=-1)
        return weighted_mean(prediction, value, d, weight)


def kl_gaussian(prediction: Array, target: Array | None = None, weight: Array | None = None) -> Pair:
    """Kullback-Leibler divergence of M normal laws from a prior, as in a variational encoder (Kingma and Welling 2014).

        l = sum_m (s_m - v_m + exp(v_m - s_m) + (mu_m - nu_m)^2 exp(-s_m) - 1) / 2                           (1)
        dl/dmu_m = (mu_m - nu_m) exp(-s_m),   dl/dv_m = (exp(v_m - s_m) - 1) / 2                             (2)

    prediction (..., M * 2): mean and log-variance (mu_m, v_m) of each. target: the same of the prior, (nu_m, s_m), in
    the same layout; None is the standard normal law, all zeros. One l for each row.

    >>> value, d = kl_gaussian(np.array([[1.0, 0.0, 0.0, 0.0]]))
    >>> value, d
    (0.5, array([[1., 0., 0., 0.]]))
    """
    checks.array("prediction", prediction)
    prior = np.zeros(prediction.shape) if target is None else real("target", target)
    M = (prediction.shape or (0,))[-1] // 2
    p, _ = several(prediction, np.zeros((*prediction.shape[:-1], M)), 2, "(mean, log-variance)")
    pair(prediction, prior)
    prior = prior.reshape(p.shape)
    with np.errstate(over="ignore"):
        gap, ratio, precision = p[..., 0] - prior[..., 0], p[..., 1] - prior[..., 1], np.exp(-prior[..., 1])
        value = ((np.expm1(ratio) - ratio) / 2 + gap * precision * gap / 2).sum(axis=-1)
        d = np.stack([gap * precision, np.expm1(ratio) / 2], axis=-1)
        return weighted_mean(prediction, value, d.reshape(*value.shape, 2 * M), weight)
