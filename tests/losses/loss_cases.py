"""One random problem for every loss: (loss, prediction, target), the targets (4, 3) or (4, 3, ...)."""

from functools import partial

import numpy as np

import rnncore as rc
from rnncore import gradcheck

L = rc.losses
SHAPE = (4, 3)


def _normal(rng, *tail, scale=1.5):
    return rng.normal(size=(*SHAPE, *tail)) * scale


def _times(rng, low, high, whole):
    time = rng.integers(low, high, SHAPE) if whole else rng.gamma(2.0, 2.0, SHAPE)
    return np.stack([time, rng.integers(0, 2, SHAPE)], axis=-1)


def _amounts(rng):
    return np.where(rng.random(SHAPE) < 0.4, 0, np.exp(_normal(rng)))


def _probabilities(rng):
    q = rng.random((*SHAPE, 5)) * (rng.random((*SHAPE, 5)) < 0.7) + 1e-300
    return q / q.sum(axis=-1, keepdims=True)


ITEMS = np.array([4, 9, 4, 2, 7, 9])  # 4 and 9 twice: accidental hits
LOG_Q = np.log([0.3, 0.05, 0.3, 0.1, 0.2, 0.05])

CASES = {
    "mse": lambda rng: (L.mse, _normal(rng), _normal(rng)),
    "mae": lambda rng: (L.mae, _normal(rng), _normal(rng)),
    "huber": lambda rng: (L.huber, _normal(rng), _normal(rng)),
    "binary_cross_entropy": lambda rng: (L.binary_cross_entropy, _normal(rng), rng.random(SHAPE)),
    "softmax_cross_entropy": lambda rng: (L.softmax_cross_entropy, _normal(rng, 5), rng.integers(0, 5, SHAPE)),
    "quantile": lambda rng: (L.quantile, _normal(rng, 3), _normal(rng)),
    "gaussian": lambda rng: (L.gaussian, _normal(rng, 2), _normal(rng)),
    "gaussian, softplus": lambda rng: (partial(L.gaussian, scale="softplus"), _normal(rng, 2), _normal(rng)),
    "zero_inflated_lognormal": lambda rng: (L.zero_inflated_lognormal, _normal(rng, 3), _amounts(rng)),
    "kl_gaussian": lambda rng: (L.kl_gaussian, _normal(rng, 4), _normal(rng, 4)),
    "poisson": lambda rng: (L.poisson, _normal(rng), rng.poisson(3, SHAPE)),
    "negative_binomial": lambda rng: (L.negative_binomial, _normal(rng, 2, scale=3), rng.poisson(3, SHAPE)),
    "discrete_hazard": lambda rng: (L.discrete_hazard, _normal(rng, 5), _times(rng, 0, 5, True)),
    "weibull": lambda rng: (L.weibull, _normal(rng, 2), _times(rng, 0, 5, False)),
    "weibull, discrete": lambda rng: (partial(L.weibull, discrete=True), _normal(rng, 2), _times(rng, 0, 5, True)),
    "kl_categorical": lambda rng: (L.kl_categorical, _normal(rng, 5), _probabilities(rng)),
    "sampled_softmax": lambda rng: (
        partial(L.sampled_softmax, log_q=LOG_Q, items=ITEMS),
        _normal(rng, 6),
        rng.integers(0, 6, SHAPE),
    ),
    "bpr_max": lambda rng: (partial(L.bpr_max, items=ITEMS), _normal(rng, 6), rng.integers(0, 6, SHAPE)),
}
POPULARITY = np.array([5.0, 1, 3, 2, 0, 9, 1])


def _drawn(scores, target, weight=None):
    words = {"rng": np.random.default_rng(0), "popularity": POPULARITY, "candidates": 4}
    return L.drawn_softmax(scores, target, weight, **words)


CASES["drawn_softmax"] = lambda rng: (_drawn, _normal(rng, 7), rng.integers(0, 4, SHAPE))
KINKED = {"huber", "mae", "quantile"}


def case(name, seed=0):
    """Return (loss, prediction, target) of the case."""
    return CASES[name](np.random.default_rng([seed, sorted(CASES).index(name)]))


def exact(loss, prediction, target, weight=None, **words):
    """Check the derivative of a loss by complex step, through an upstream gradient that is not one."""

    def forward(inputs):
        value, _ = loss(inputs["prediction"], target, weight, **words)
        return (np.array([value]),), None

    def backward(inputs, cache, upstream):
        return {"prediction": loss(inputs["prediction"], target, weight, **words)[1] * upstream[0]}

    return gradcheck.check_pair(forward, backward, {"prediction": prediction})
