"""The paired bootstrap (Efron and Tibshirani 1993, chapter 13): the same customers are drawn for every method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing import metrics

Floats = NDArray[np.float64]


def bootstrap(y: Floats, probabilities: Floats, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Log-loss and AUROC (1 + resamples, K) of K columns of probabilities; row 0 counts every customer once.

    The AUROC of a resample is taken to first order, from the placements of its customers among all: the error is of
    order 1/N, and it costs a product instead of a sort. Where only one outcome was drawn it is 1/2.
    """
    n, rng = len(y), np.random.default_rng(seed)
    losses = np.column_stack([metrics.log_losses(y, p) for p in probabilities.T])
    places = np.column_stack([_placements(y, p) for p in probabilities.T])
    area = places[y == 1].mean(axis=0)
    loss, auroc = np.empty((resamples + 1, losses.shape[1])), np.empty((resamples + 1, losses.shape[1]))
    for draw in range(resamples + 1):
        times = np.bincount(rng.integers(n, size=n), minlength=n) if draw else np.ones(n)
        loss[draw] = times @ losses / n
        high, low = times * y, times * (1 - y)
        drawn = high.sum() * low.sum() > 0
        auroc[draw] = high @ places / high.sum() + low @ places / low.sum() - area if drawn else 0.5
    return loss, auroc


def _placements(y: Floats, p: Floats) -> Floats:
    """Of each customer, the share of those with the other outcome that it is ranked right against, (N,).

    Ties count a half; both means are the AUROC (DeLong, DeLong and Clarke-Pearson 1988).
    """
    place = np.empty(len(p))
    for one, sign in ((y == 1, 1), (y == 0, -1)):
        others, own = np.sort(sign * p[~one]), sign * p[one]
        below = np.searchsorted(others, own, side="left") + np.searchsorted(others, own, side="right")
        place[one] = below / (2 * len(others))
    return place
