"""Groups of customers: k-means on a code, its stability, and the simple groupings that a network must beat.

    stability     mean adjusted Rand index (Hubert and Arabie 1985) between the groups and those of k-means on customers
                  drawn again, all customers assigned (Hennig 2007); 1 where nothing moves, about 0 where it is chance
    silhouette    how much nearer customers are to their own group than to the next (Rousseeuw 1987), of 2,000 at most

Simple groupings, each of as many groups by k-means: "k-means, rfm" on recency, frequency, value and age; "k-means,
series" on the counts of the latest 26 weeks; "k-means, pca" on their principal components.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, pairwise_distances_argmin, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.calibration import Calibration
from rnncore.marketing.learning.encoding import Summary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WEEKS, STRENGTH, MOST, PARTS = 26, 10.0, 2_000, 5


class Past(NamedTuple):
    """What simple groupings read of customers on a day."""

    summary: Summary
    series: Floats
    """log(1 + events) in each of the latest WEEKS weeks, (N, WEEKS)."""
    returned: Floats | None = None
    """What came of them, (N,), where it is told."""


def series(history: EventLog, at: np.datetime64) -> Floats:
    """log(1 + events) of each customer in each of the WEEKS weeks that end on the day `at`, the latest last."""
    week = WEEKS - 1 - (at - history.day).astype(np.int64) // 7
    counts = np.zeros((len(history.customers), WEEKS))
    recent = week >= 0
    np.add.at(counts, (history.codes[recent], week[recent]), 1.0)
    return np.log1p(counts)


def centres(code: Floats, groups: int, seed: int) -> Floats:
    """The centres (groups, Z) of k-means on codes (N, Z); fewer different codes than groups give centres twice."""
    found = min(groups, len(np.unique(code, axis=0)))
    means = KMeans(found, n_init=4, random_state=seed).fit(code).cluster_centers_
    return np.asarray(means[np.arange(groups) % found], np.float64)


def nearest(code: Floats, means: Floats) -> Ints:
    """The nearest centre of each code, (N,)."""
    return np.asarray(pairwise_distances_argmin(code, means), np.int64)


def rates(group: Ints, returned: Floats, groups: int) -> Floats:
    """The share of each group that returned, shrunk to that of all by ten customers, (groups,)."""
    n, came = np.bincount(group, minlength=groups), np.bincount(group, returned, groups)
    return np.asarray((came + STRENGTH * returned.mean()) / (n + STRENGTH), np.float64)


def alike(group: Ints, first: Ints, groups: int) -> Ints:
    """In which order the groups are those of `first`, by the customers that they share, (groups,)."""
    shared = np.zeros((groups, groups))
    np.add.at(shared, (first, group), 1.0)
    return np.asarray(linear_sum_assignment(-shared)[1], np.int64)


def stability(code: Floats, group: Ints, groups: int, seed: int, resamples: int = 20) -> float:
    """The mean adjusted Rand index between the groups (N,) and those of customers drawn again."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = code[rng.integers(len(code), size=len(code))]
        found.append(adjusted_rand_score(group, nearest(code, centres(drawn, groups, seed))))
    return float(np.mean(found))


def silhouette(code: Floats, group: Ints, seed: int) -> float:
    """The mean silhouette; 0 where there is one group only."""
    if not 1 < len(np.unique(group)) < len(code):
        return 0.0
    return float(silhouette_score(code, group, sample_size=min(MOST, len(code)), random_state=seed))


def simple_rates(told: Past, asked: Past, groups: int, seed: int) -> dict[str, Callable[[], Floats]]:
    """Functions that give the rate of each asked customer's group, by the simple groupings, learned from those told."""
    columns = {"rfm": [_rfm(told.summary), _rfm(asked.summary)], "series": [told.series, asked.series]}

    def rated(past: Floats, now: Floats, pca: bool) -> Floats:
        assert told.returned is not None
        group, other = simple_groups(past, now, groups, seed, pca)
        return rates(group, told.returned, groups)[other]

    both = (*columns.items(), ("pca", columns["series"]))
    return {f"k-means, {name}": partial(rated, past, now, name == "pca") for name, (past, now) in both}


def simple_groups(past: Floats, now: Floats, groups: int, seed: int, pca: bool = False) -> tuple[Ints, Ints]:
    """The groups of rows (N, D) by k-means on their standardised columns, and those of further rows (M, D)."""
    parts = min(PARTS, *past.shape)
    scale: Any = make_pipeline(StandardScaler(), *([PCA(parts, random_state=seed)] if pca else []))
    code, other = scale.fit_transform(past), scale.transform(now)
    means = centres(code, groups, seed)
    return nearest(code, means), nearest(other, means)


def _rfm(summary: Summary) -> Floats:
    return np.column_stack([np.sign(column) * np.log1p(np.abs(column)) for column in summary])


def rates_and_memberships(groups: int) -> Calibration:
    """From nearness to the centres (N, groups) to the rate of the nearest and all memberships, (N, 1 + groups)."""

    def fit(nearness: Floats, returned: Floats) -> Floats:
        return rates(nearness.argmax(axis=1), returned, groups)

    def apply(nearness: Floats, own: Floats) -> Floats:
        return np.column_stack([own[nearness.argmax(axis=1)], softmax(nearness, axis=1)])

    return Calibration(fit, apply, groups)
