"""Losses as pairs: each returns (value, dprediction), the weighted mean over all entries and its derivative.

    value = sum(w * l) / sum(w)                            (1)
    dprediction = w / sum(w) * dl                          (2)

`weight` is None (all ones) or has the leading axes of the entries l: (T, N) or (T,) for l of shape (T, N, K). An entry
whose weight is zero counts for nothing, whatever stands there. All are written to be stable for extreme predictions (a
loss that is too large for the dtype is inf, without a warning) and to accept complex ones, for complex-step checking.

How predictions with several numbers are laid out: **in the last axis, the numbers of one target side by side.**

    target (...)       prediction (..., P)                 one target with P numbers, P = 2 for `gaussian`
    target (..., M)    prediction (..., M * P)             M targets: P numbers of the first, P of the second, ...

so that `Dense(H, M * P)` is the head for M targets, and `prediction.reshape(..., M, P)` tells them apart. The losses of
`survival` have targets (..., 2), time and event; those over classes, intervals or candidates have logits (..., K).

Of one target y: `mse`, `mae`, `huber`, `quantile`; as a likelihood: `gaussian`, `zero_inflated_lognormal`, `poisson`,
`negative_binomial`, `binary_cross_entropy`, `softmax_cross_entropy`. Of the time until something happens:
`discrete_hazard`, `weibull`. Of one item among many: `sampled_softmax`, `drawn_softmax` (it draws the others itself),
`bpr_max`. Of a distribution: `kl_categorical`, `kl_gaussian`.
"""

from rnncore.losses.classes import binary_cross_entropy, kl_categorical, softmax_cross_entropy
from rnncore.losses.counts import negative_binomial, poisson
from rnncore.losses.gaussians import gaussian, kl_gaussian, zero_inflated_lognormal
from rnncore.losses.items import bpr_max, drawn_softmax, sampled_softmax
from rnncore.losses.pairs import Pair
from rnncore.losses.regression import huber, mae, mse, quantile
from rnncore.losses.survival import discrete_hazard, weibull

__all__ = [
    "Pair",
    "binary_cross_entropy",
    "bpr_max",
    "discrete_hazard",
    "drawn_softmax",
    "gaussian",
    "huber",
    "kl_categorical",
    "kl_gaussian",
    "mae",
    "mse",
    "negative_binomial",
    "poisson",
    "quantile",
    "sampled_softmax",
    "softmax_cross_entropy",
    "weibull",
    "zero_inflated_lognormal",
]
