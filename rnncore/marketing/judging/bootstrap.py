"""The paired bootstrap (Efron and Tibshirani 1993, chapter 13): the same customers are drawn for every method.

Where a customer, or a series, has several rows, it is drawn with all of them: rows of one are no independent evidence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bootstrap(
    losses: Floats, resamples: int, seed: int, *, y: Floats | None = None, scores: Floats | None = None,
    groups: NDArray[np.int64] | None = None,
) -> tuple[Floats, Floats | None]:  # fmt: skip
    """Mean losses (1 + resamples, K) of K methods, and their AUROCs where outcomes `y` and `scores` (N, K) are given.

    losses: (N, K). groups: (N,), whose row each is, from 0 up; None: each its own. Row 0 counts everybody once.

    The AUROC of a resample is taken to first order, from the placements of its rows among all: the error is of order
    1/N, and it costs a product instead of a sort. Where only one outcome was drawn it is 1/2.
    """
    rows = np.ones(len(losses)) if groups is None else np.bincount(groups).astype(np.float64)
    n, rng, K = len(rows), np.random.default_rng(seed), losses.shape[1]
    losses = _added(losses, groups)
    mean = np.empty((resamples + 1, K))
    auroc = None
    if y is not None and scores is not None:
        places = np.column_stack([_placements(y, p) for p in scores.T])
        area, auroc = places[y == 1].mean(axis=0), np.empty((resamples + 1, K))
        ones, zeros = _added(y[:, None], groups)[:, 0], _added(1 - y[:, None], groups)[:, 0]
        high_places, low_places = _added(y[:, None] * places, groups), _added((1 - y[:, None]) * places, groups)
    for draw in range(resamples + 1):
        times = np.bincount(rng.integers(n, size=n), minlength=n) if draw else np.ones(n)
        mean[draw] = times @ losses / (times @ rows)
        if auroc is not None:
            high, low = times @ ones, times @ zeros
            drawn = high * low > 0
            auroc[draw] = times @ high_places / high + times @ low_places / low - area if drawn else 0.5
    return mean, auroc


def _added(columns: Floats, groups: NDArray[np.int64] | None) -> Floats:
    """The sums of each group, (G, K)."""
    if groups is None:
        return columns
    return np.column_stack([np.bincount(groups, column) for column in columns.T])


def _placements(y: Floats, p: Floats) -> Floats:
    """Of each row, the share of those with the other outcome that it is ranked right against, (N,).

    Ties count a half; both means are the AUROC (DeLong, DeLong and Clarke-Pearson 1988).
    """
    place = np.empty(len(p))
    for one, sign in ((y == 1, 1), (y == 0, -1)):
        others, own = np.sort(sign * p[~one]), sign * p[one]
        below = np.searchsorted(others, own, side="left") + np.searchsorted(others, own, side="right")
        place[one] = below / (2 * len(others))
    return place
