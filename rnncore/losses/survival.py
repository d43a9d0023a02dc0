"""The time until something happens, where for some it has not happened yet: hazards by interval, Weibull's law.

The target of an example is a pair (time, event) in its last axis. event 1: it was seen to happen at that time. event 0,
censored: the example was followed for that time, and it had not happened. Censored examples count with the probability
that it takes longer; leaving them out, or taking their time as that of the event, would make all forecasts too short.

In intervals 0, 1, 2, ... the time is the last interval that was seen: (3, 1) came in interval 3, (3, 0) had not come by
the end of interval 3. An example followed for less than one says nothing: leave it out or give it weight zero.
"""

from __future__ import annotations

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.losses.pairs import Pair, counting, in_double, real, several, weighted_mean
from rnncore.losses.special import log1m_exp, log_softplus, over_expm1, sigmoid, softplus
from rnncore.typing import Array


def discrete_hazard(logits: Array, target: Array, weight: Array | None = None) -> Pair:
    """Negative log-likelihood of a time in one of K intervals, given the logits of its hazards; with censoring.

        h_k = sigmoid(z_k)                     P(it comes in interval k | not before)                        (1)
        l = -sum_{j<k} log(1 - h_j) - log h_k  for (k, 1);    -sum_{j<=k} log(1 - h_j)  for (k, 0)           (2)
        dl/dz_j = h_j - [event and j = k]      for j <= k, 0 beyond                                          (3)

    logits (..., K); target (..., 2): the last interval seen, 0 to K - 1, and whether it came in it (1) or not (0). The
    survival curve is `np.cumprod(1 - h, axis=-1)`. Cox 1972, Brown 1975; as a network: Gensheimer and Narasimhan 2019
    (nnet-survival), who count a censored interval as seen from its middle on. ContractError for other targets.

    >>> value, dz = discrete_hazard(np.zeros((2, 3)), np.array([[1, 1], [0, 0]]))
    >>> round(value, 4), dz  # (2 + 1) / 2 times log 2
    (1.0397, array([[ 0.25, -0.25,  0.  ],
           [ 0.25,  0.  ,  0.  ]]))
    """
    checks.array("logits", logits)
    if logits.ndim < 1:
        raise ContractError("logits", "shape (..., K)", "shape ()", "one logit for each interval, in the last axis")
    time, event = _time_and_event(target, logits.shape[:-1], weight)
    K = logits.shape[-1]
    bad = time[~((time >= 0) & (time < K) & (time % 1 == 0))]
    if bad.size:
        advice = f"one that was seen through all {K} intervals is ({K - 1}, 0)"
        raise ContractError("target", f"intervals from 0 to {K - 1}", f"{bad[0]:g}", advice)
    z, k = in_double(logits), np.arange(K)
    came = (k == time[..., None]) & (event[..., None] == 1)
    seen = k <= time[..., None]
    value = np.where(seen, softplus(np.where(came, -z, z)), 0).sum(axis=-1)
    return weighted_mean(logits, value, np.where(seen, np.where(came, -sigmoid(-z), sigmoid(z)), 0), weight)


def weibull(prediction: Array, target: Array, weight: Array | None = None, *, discrete: bool = False) -> Pair:
    """Negative log-likelihood of a time under Weibull's law (1951), with censoring: WTTE-RNN (Martinsson 2016).

        alpha = exp(a),  beta = softplus(b);   H(t) = (t / alpha)^beta,   P(T > t) = exp(-H(t))              (1)
        continuous    l = H(t) - event log H'(t),   H'(t) = beta / t H(t)                                    (2)
        discrete      l = -log(exp(-H(t)) - exp(-H(t + 1))) for (t, 1);   H(t + 1) for (t, 0)                (3)

    prediction: (a, b) for each target, (..., 2) or (..., M * 2). target: (time, event), (..., 2) or (..., M, 2), with
    time >= 0, and above 0 for a continuous event. The median is alpha log(2)^(1/beta), in the unit of the times.
    As a density of times (2) has a unit: in days l is larger by log(24) for each event than in hours, with equal
    gradients. ContractError for other targets.

    >>> exponential = np.array([[0.0, np.log(np.e - 1)]])  # alpha = 1, beta = 1
    >>> value, d = weibull(exponential, np.array([[2.0, 1]]))
    >>> round(value, 4), d.round(4)
    (2.0, array([[-1.   , -0.194]]))
    >>> round(weibull(exponential, np.array([[2, 0]]), discrete=True)[0], 4)  # -log P(T > 3)
    3.0
    """
    shape = np.shape(target)[:-1]
    t, event = _time_and_event(target, shape, weight)
    least = "times of at least 0" if discrete else "times above 0 (of at least 0 where censored)"
    bad = t[~((t >= 0) & (t < np.inf) & (discrete | (t > 0) | (event == 0)))]
    if bad.size:
        raise ContractError("target", least, f"{bad[0]:g}", "give a weight of zero to what does not count")
    p, _ = several(prediction, t, 2, "(log alpha, inverse softplus of beta)")
    a, b = p[..., 0], p[..., 1]
    with np.errstate(over="ignore", under="ignore"):
        log_beta, dlog_beta = log_softplus(b)
        value, da, dlog = (_discrete if discrete else _continuous)(a, softplus(b), log_beta, t, event == 1)
        return weighted_mean(prediction, value, np.stack([da, dlog * dlog_beta], axis=-1), weight)


def _cumulative(a: Array, beta: Array, t: Array) -> tuple[Array, Array]:
    """Return log H(t) and H(t); 0 and 0 where t = 0."""
    log_H = beta * (np.log(np.where(t > 0, t, 1)) - a)
    return np.where(t > 0, log_H, 0), np.where(t == 0, 0, np.exp(log_H))


def _continuous(a: Array, beta: Array, log_beta: Array, t: Array, event: Array) -> tuple[Array, Array, Array]:
    """Return l of (2) and its derivatives by a and by log beta."""
    log_H, H = _cumulative(a, beta, t)
    value = H - np.where(event, log_beta + log_H - np.log(np.where(t > 0, t, 1)), 0)
    return value, beta * (event - H), H * log_H - np.where(event, 1 + log_H, 0)


def _discrete(a: Array, beta: Array, log_beta: Array, t: Array, event: Array) -> tuple[Array, Array, Array]:
    """Return l of (3) and its derivatives by a and by log beta; D = H(t + 1) - H(t) by its logarithm."""
    (log_H0, H0), (log_H1, H1) = _cumulative(a, beta, t), _cumulative(a, beta, t + 1)
    delta = np.log1p(1 / np.where(t > 0, t, 1))
    x = beta * delta  # log H(t + 1) - log H(t), where t > 0
    log_D = log_H1 + np.where(t > 0, log1m_exp(x, log_beta + np.log(delta)), 0)
    D = np.exp(log_D)
    left = over_expm1(D)
    dlog_D = log_H1 + np.where(t > 0, over_expm1(x), 0)
    value = np.where(event, H0 - log1m_exp(D, log_D), H1)
    da = beta * np.where(event, left - H0, -H1)
    return value, da, np.where(event, H0 * log_H0 - left * dlog_D, H1 * log_H1)


def _time_and_event(target: Array, shape: tuple[int, ...], weight: Array | None) -> tuple[Array, Array]:
    """Return the two columns of the target; where nothing counts stand time 0 and event 0."""
    y = real("target", target)
    if y.shape != (*shape, 2):
        advice = "its last axis is (time, event)"
        raise ContractError("target", f"shape {checks.show((*shape, 2))}", f"shape {checks.show(y.shape)}", advice)
    event = counting(y[..., 1], weight, 0.0, lambda e: (e == 0) | (e == 1), "events: 1 (it came) or 0 (it had not)")
    return counting(y[..., 0], weight, 0.0, lambda t: t >= 0, "times of at least 0"), event
