"""The simple methods that a network must beat when it predicts how much customers will buy.

x/T*H              as much per day as since the first purchase (which is not counted)
bg/nbd             BG/NBD, times the gamma-gamma model of what a purchase is worth
pareto/nbd         Pareto/NBD, times the same
boosting           gradient boosting on recency, frequency, monetary value and age, of the latest complete window
boosting-windows   the same of windows of several lengths, the length among the columns
mean               for everybody what customers had in the latest complete window: it knows nothing of anybody
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from rnncore.marketing.baselines import BGNBD
from rnncore.marketing.customers.customer_base import GammaGamma, ParetoNBD
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.encoding import Summary, ladder, summarise
from rnncore.marketing.learning.features import signed_log
from rnncore.marketing.log.days import span

Floats = NDArray[np.float64]
MEAN = "mean"


class Past(NamedTuple):
    """Customers at origins with complete windows, one window after another; arrays (N,)."""

    summary: Summary
    length: Floats
    """Days in the window."""
    came: Floats
    """What is asked about, in the window."""
    latest: NDArray[np.bool_]
    """Which are of the newest window as long as the horizon."""


def past(log: EventLog, end: np.datetime64, horizon: int, money: bool) -> Past:
    """The windows of `encoding.ladder` that are complete on the day `end`; money: amounts are asked about, not numbers.

    Customers with an unknown amount in a window are left out of it.
    """
    parts = []
    for origin, length in ladder(end, horizon):
        index = log.population(origin)
        between = log.value_between if money else log.count_between
        came = np.asarray(between(origin, origin + span(length)), np.float64)[index]
        keep = ~np.isnan(came)
        summary = Summary(*(column[keep] for column in summarise(log.until(origin), origin)))
        newest = np.full(keep.sum(), origin + span(length) == end and length == horizon)
        parts.append(Past(summary, np.full(keep.sum(), float(length)), came[keep], newest))
    summaries, lengths, all_came, latest = zip(*parts, strict=True)
    whole = Summary(*(np.concatenate(column) for column in zip(*summaries, strict=True)))
    return Past(whole, np.concatenate(lengths), np.concatenate(all_came), np.concatenate(latest))


def simple_methods(told: Past, now: Summary, horizon: int, money: bool) -> dict[str, Callable[[], Floats]]:
    """What customers who stand at `now` are expected to buy (or, money, to spend) within `horizon` days: functions that
    give it, (M,) each.
    """
    repeats, last = now.events - 1, now.age - now.since
    one = _amounts(now) if money else np.ones(len(repeats))
    three = repeats, last, now.age
    found: dict[str, Callable[[], Floats]] = {
        "x/T*H": lambda: repeats / np.maximum(now.age, 1) * horizon * (now.value / now.events if money else 1.0),
        "bg/nbd": lambda: BGNBD().fit(*three).expected_purchases(*three, horizon) * one,
        "pareto/nbd": lambda: ParetoNBD().fit(*three).expected_purchases(*three, horizon) * one,
    }
    new = told.latest
    latest = Past(Summary(*(c[new] for c in told.summary)), told.length[new], told.came[new], new[new])
    for name, rows in (("boosting", latest), ("boosting-windows", told)):
        found[name] = partial(_boosted, rows, now, horizon)
    return {**found, MEAN: lambda: np.full(len(repeats), float(latest.came.mean()))}


def _amounts(now: Summary) -> Floats:
    """The expected amount of a purchase by the gamma-gamma model; its plain mean where that cannot be fitted."""
    mean = now.value / now.events
    worth = mean > 0
    if worth.sum() < 2:
        return mean
    model = GammaGamma().fit(now.events[worth], mean[worth])
    found = model.expected_value(np.where(worth, now.events, 0.0), mean)
    return np.where(np.isfinite(found), found, mean.mean())


def _boosted(told: Past, now: Summary, horizon: int) -> Floats:
    lengths = np.full(len(now.age), float(horizon))
    stops = len(told.came) >= 200  # it watches a tenth
    model = HistGradientBoostingRegressor(loss="poisson", early_stopping=stops, learning_rate=0.05, random_state=0)
    if not told.came.any():
        return np.zeros(len(now.age))
    model.fit(_columns(told.summary, told.length), told.came)
    return np.asarray(model.predict(_columns(now, lengths)), np.float64)


def _columns(summary: Summary, length: Floats) -> Floats:
    mean = summary.value / summary.events
    return np.column_stack([signed_log(column) for column in (*summary, mean)] + [np.log(length)])
