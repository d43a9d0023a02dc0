"""Simple methods for the next K values of a series, each with the quantiles of its own past errors; for `demand.py`.

    last value, seasonal naive, moving average     of the window, the average over the last season
    seasonal drift          the value a season ago, moved by what the last value is above that of its own season ago
    linear trend            the line of least squares through the window, drawn on; with it, the last value stands for
                            all others where a season is one period long
    ridge, boosting         (Hoerl and Kennard 1970; scikit-learn) from the latest values, the value a season ago, and
                            all that is known of the period: dates, calendar, static columns; boosting by quantile loss

Each works in the numbers of the window, and is calibrated as the network is (`bands.py`), by windows of
which ridge and boosting have learned nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnncore.marketing.learning.examples import Examples, drawn
from rnncore.marketing.series import bands
from rnncore.marketing.series.series_windows import AGO, KNOWN, Y

Array = NDArray[Any]
Floats = NDArray[np.float64]
LAGS, MOST = 14, 50_000  # latest values that ridge and boosting read; rows that they learn from, at most


def simple_methods(
    told: Examples, asked: Examples, levels: Sequence[float], seed: int
) -> dict[str, Callable[[], Floats]]:
    """Functions that give quantiles (M, K, Q) of the windows asked, by method, in the numbers of their windows."""
    new = told.newest
    assert new is not None
    facts, recent = told.facts, asked.facts.recent
    rows = {"old": told.select(~new), "new": told.select(new)}
    came = {name: bands.came(own._replace(facts=facts)) for name, own in rows.items()}
    rows |= {"asked": asked} | ({} if recent is None else {"recent": recent.windows})
    x = {name: _windows(part) for name, part in rows.items()}

    def calibrated(said: dict[str, Floats]) -> Floats:
        """From points or quantiles (..., K, 1 or Q) of "new", "asked" and "recent"."""
        wide = {k: np.broadcast_to(own, (*own.shape[:2], len(levels))) for k, own in said.items()}
        usual = bands.shifts(came["new"][..., None] - wide["new"], levels)
        return bands.calibrated(wide["asked"], asked.facts.origin, recent, wide.get("recent"), usual, levels)

    columns = {name: _columns(own, facts.steps) for name, own in x.items()}
    there = drawn(np.flatnonzero(~np.isnan(came["old"]).ravel()), MOST, seed)
    told_x, told_y = columns.pop("old")[there], came["old"].ravel()[there]
    ridge = [make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))]
    stops = len(told_y) >= 1000
    boosting = [
        HistGradientBoostingRegressor(loss="quantile", quantile=q, early_stopping=stops, random_state=0) for q in levels
    ]

    def naive(method: Callable[..., Floats]) -> Floats:
        return calibrated({k: method(own, facts.steps, facts.season)[..., None] for k, own in x.items()})

    def learned(models: list[Any]) -> Floats:
        fitted = [model.fit(told_x, told_y) for model in models]
        said = {k: np.stack([m.predict(own) for m in fitted], axis=-1) for k, own in columns.items()}
        return calibrated({k: own.reshape(len(x[k]), facts.steps, -1) for k, own in said.items()})

    several = {name: method for name, method in _NAIVE.items() if facts.season > 1 or method in (_last, _trend)}
    simple = {name: partial(naive, method) for name, method in several.items()}
    return {**simple, "ridge": partial(learned, ridge), "boosting": partial(learned, boosting)}


def _windows(part: Examples) -> Floats:
    return part.histories.values.reshape(len(part.group), -1, part.histories.values.shape[1]).astype(np.float64)


def _columns(x: Floats, steps: int) -> Floats:
    """A row per period ahead: the latest values and whether they are known, then its own columns, (N * K, ...)."""
    latest = x[:, max(0, x.shape[1] - steps - LAGS) : -steps, [Y, KNOWN]].reshape(len(x), 1, -1)
    own = x[:, -steps:, AGO:]
    both = np.concatenate([np.broadcast_to(latest, (*own.shape[:2], latest.shape[2])), own], axis=2)
    return both.reshape(-1, both.shape[2])


def _last(x: Floats, steps: int, season: int) -> Floats:
    """The latest value that is known, (N, K); the level where there is none."""
    past = x[:, :-steps]
    known = past[..., KNOWN] > 0
    place = past.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.repeat(past[np.arange(len(x)), place, Y][:, None], steps, axis=1)


def _seasonal(x: Floats, steps: int, season: int) -> Floats:
    return x[:, -steps:, AGO]


def _drift(x: Floats, steps: int, season: int) -> Floats:
    return x[:, -steps:, AGO] + (x[:, -steps - 1, Y] - x[:, -steps - 1, AGO])[:, None]


def _average(x: Floats, steps: int, season: int) -> Floats:
    """The level: the mean over the last season, which is 0 in these numbers."""
    return np.zeros((len(x), steps))


def _trend(x: Floats, steps: int, season: int) -> Floats:
    """The line through the values of the window that are known, (N, K); level where there are fewer than two."""
    time, y, known = np.arange(x.shape[1], dtype=np.float64), x[:, :-steps, Y], x[:, :-steps, KNOWN]
    count = np.maximum(known.sum(axis=1, keepdims=True), 1.0)
    middle, mean = ((known * row).sum(axis=1, keepdims=True) / count for row in (time[:-steps], y))
    away = known * (time[:-steps] - middle)
    square = (away**2).sum(axis=1, keepdims=True)
    slope = (away * y).sum(axis=1, keepdims=True) / np.where(square > 0, square, 1.0)
    return np.asarray(mean + slope * (time[-steps:] - middle), np.float64)


_NAIVE = {
    "last value": _last,
    "seasonal naive": _seasonal,
    "seasonal drift": _drift,
    "moving average": _average,
    "linear trend": _trend,
}
