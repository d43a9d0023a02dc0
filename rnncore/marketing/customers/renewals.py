"""Subscribers renewal by renewal: what a network reads of each payment, the months to come, and the simple methods.

    step      a payment: days since the one before, renewals taken so far, the columns of the event and of the customer
    output    a logit: is the next renewal taken?
    target    1 where another payment came, 0 where the subscription ended, weight 0 where neither is known yet

A subscriber who is asked about several renewals is read on as if each were taken, at the same price and plan, `period`
days after the one before: the chance to be there after k of them is the product of k chances.

    sbg               the shifted-beta-geometric model of all subscribers
    sbg by plan       one for each plan (the column `item`) with enough of them
    cohort average    the rate at which those who began in the same month have renewed so far
    logistic          logistic regression on the latest payment alone, of all payments in the past
    boosting          gradient boosting on the same
    constant rate     of the latest horizon, for everybody
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnncore.errors import DataError
from rnncore.marketing.customers.retention import ShiftedBetaGeometric
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning import features
from rnncore.marketing.learning.windows import ENDED, require_both_outcomes
from rnncore.marketing.log.columns import Category, Columns
from rnncore.marketing.task_parts import Rival
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Code = dict[str, Any]
ROLES = ("value", "items", "channel", "item", "action")
SHRINK = 20.0  # renewals at the common rate that are added to those of a cohort
FEW = 30  # subscribers of a plan, at least, for a model of its own


class Payments(NamedTuple):
    """The payments of a log as steps, (n,) each, a subscriber's one after another."""

    rows: NDArray[np.float32]
    """What is read, (n, D)."""
    renewals: Ints
    """Taken so far: 0 at the first payment."""
    taken: Floats
    """1 where the next renewal was, 0 where it was refused, NaN where it is not known."""
    last: Ints
    """Position of each subscriber's latest payment, (C,)."""
    cohort: NDArray[np.datetime64]
    """Month in which each subscriber began, (C,)."""
    plan: NDArray[np.int64]
    """Level of the column `item` of the latest payment, 0 where it is not known, (C,)."""


class Facts(NamedTuple):
    """Of the log that is asked about, and of those of its customers who are subscribers."""

    log: EventLog
    payments: Payments
    asked: Ints
    """Positions among its customers, (N,)."""
    price: Floats
    """Of the latest payment, 0 where it is not known, (N,)."""


def columns(log: EventLog) -> Columns:
    """What is known of each payment: the event's own columns, and those of the customer, of one name apart."""
    own = features.of_events(log, [*ROLES, *log.reading.get("extras", [])])
    numbers = {**own.numbers, "renewals": _renewals(log).astype(np.float64)}
    fixed = log.static.take(log.codes)

    def apart(of_customers: Mapping[str, Any]) -> dict[str, Any]:
        both = {*numbers, *own.categories}
        return {f"{k} of the customer" if k in both else k: v for k, v in of_customers.items() if k != ENDED}

    return Columns({**numbers, **apart(fixed.numbers)}, {**own.categories, **apart(fixed.categories)})


def measure(log: EventLog) -> Code:
    """Scales and levels of the past, and the plans."""
    plans = log.category("item").common(50, FEW) if "item" in log.cells.categories else []
    return {**features.measure(columns(log)), "plans": plans}


def of(log: EventLog, end: np.datetime64, code: Code) -> Payments:
    """The payments of a log until the day `end`; nothing of it is later."""
    last = log.offsets[1:] - 1
    taken = np.ones(len(log))
    ended = log.static.numbers[ENDED] <= end.astype(np.int64)
    taken[last] = np.where(ended, 0.0, np.nan)
    item = log.cells.categories.get("item", Category(np.full(len(log), -1, np.int32), np.array([], object)))
    cohort = log.day[log.offsets[:-1]].astype("datetime64[M]")
    return Payments(
        features.encode(columns(log), code), _renewals(log), taken, last, cohort, item.coded(code["plans"])[last]
    )


def read_on(histories: Histories, log: EventLog, asked: Ints, code: Code, period: int, steps: int) -> Histories:
    """The histories of the customers `asked` of a log, each with so many renewals to come behind it, as if taken."""
    month = np.tile(np.arange(1.0, steps + 1), len(asked))
    now = columns(log).take(np.repeat(log.offsets[asked + 1] - 1, steps))
    ahead = {"renewals": now.numbers["renewals"] + month, "gap": np.full(len(month), float(period))}
    rows = features.encode(Columns({**now.numbers, **ahead}, now.categories), code)
    values = np.insert(histories.values, np.repeat(histories.offsets[1:], steps), rows, axis=0)
    return Histories(values, histories.offsets + steps * np.arange(len(histories.offsets)))


def survival(chances: Floats, renewals: float) -> Floats:
    """P(the first `renewals` are taken), (N,), a part of the last one as its power, from chances (N, months)."""
    shares = np.clip(renewals - np.arange(chances.shape[1]), 0.0, 1.0)
    return np.asarray(np.exp(np.log(np.maximum(chances, 1e-12)) @ shares), np.float64)


def at_risk(chances: Floats, cohort: NDArray[np.datetime64], price: Floats | None) -> pl.DataFrame:
    """Sums by month ahead and cohort, as `Subscriptions.at_risk` says them, from chances (N, months); price: None where
    it is not known.
    """
    there = np.cumprod(chances, axis=1)
    before = np.column_stack([np.ones(len(there)), there[:, :-1]])
    frames = []
    for month in range(there.shape[1]):
        own = {"cohort": cohort, "renewals": there[:, month], "cancellations": before[:, month] - there[:, month]}
        if price is not None:
            own |= {"revenue": price * there[:, month], "at_risk": price * (1 - there[:, month])}
        frames.append(pl.DataFrame(own).with_columns(pl.lit(month + 1).alias("month")))
    sums = (pl.len().alias("subscribers"), pl.exclude("month", "cohort").sum())
    return pl.concat(frames).group_by("month", "cohort").agg(*sums).sort("month", "cohort")


def simple_methods(
    past: Payments, recent: NDArray[np.bool_], now: Payments, asked: Ints, ahead: float
) -> dict[str, Rival]:
    """P(the next `ahead` renewals are taken) of the subscribers `asked`, (N,), by each simple method, or a function.

    past: what is learned from. recent: which of its payments are of the latest horizon, (n,).
    """
    seen = ~np.isnan(past.taken)
    rate = float(past.taken[seen & recent].mean())
    tenure = now.renewals[now.last][asked]
    whole = ShiftedBetaGeometric().fit(past.renewals[past.last], np.nan_to_num(1 - past.taken[past.last]))
    of_all = whole.survival(ahead, tenure)
    found: dict[str, Rival] = {"sbg": of_all}
    if past.plan.any():
        found["sbg by plan"] = lambda: _by_plan(past, now.plan[asked], tenure, ahead, of_all)
    found["cohort average"] = _by_cohort(past, now.cohort[asked], rate) ** ahead
    columns, y = past.rows[seen].astype(np.float64), past.taken[seen]
    of_now = now.rows[now.last[asked]].astype(np.float64)
    stops = bool(min(y.sum(), len(y) - y.sum()) >= 20)  # it watches a tenth
    models = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "boosting": HistGradientBoostingClassifier(early_stopping=stops, random_state=0),
    }
    found |= {name: partial(_classified, model, columns, y, of_now, ahead) for name, model in models.items()}
    return {**found, CONSTANT: np.full(len(asked), rate**ahead)}


def require_both(taken: Floats, where: str) -> None:
    """DataError where no renewal was refused, or none taken."""
    require_both_outcomes(taken[~np.isnan(taken)], f"is taken {where}", ("no renewal", "every renewal"))


def require_ended(log: EventLog, cancel: str) -> None:
    """DataError where no subscription of a log of payments has ended."""
    if np.isnan(log.static.numbers[ENDED]).all():
        there = log.category("event").listed()
        raise DataError(
            f"nobody has an event {cancel!r} after a payment (other events are {there}): say with cancel= how a "
            "cancellation is called, and bring the payments of those who left too"
        )


def _classified(model: Any, columns: Floats, y: Floats, now: Floats, ahead: float) -> Floats:
    """P(the next `ahead` are taken) by a model of the next."""
    return np.asarray(model.fit(columns, y).predict_proba(now)[:, 1] ** ahead, np.float64)


def _by_plan(past: Payments, plan: Ints, tenure: Ints, ahead: float, else_: Floats) -> Floats:
    found = else_.copy()
    left = np.nan_to_num(1 - past.taken[past.last])
    for level in np.unique(plan[plan > 0]):
        own = past.plan == level
        if left[own].any() and own.sum() >= FEW:
            model = ShiftedBetaGeometric().fit(past.renewals[past.last][own], left[own])
            found[plan == level] = model.survival(ahead, tenure[plan == level])
    return found


def _by_cohort(past: Payments, cohort: NDArray[np.datetime64], rate: float) -> Floats:
    """The rate of each cohort, drawn to that of all."""
    lengths = np.diff(past.last, prepend=-1)
    seen = ~np.isnan(past.taken)
    months, place = np.unique(np.repeat(past.cohort, lengths)[seen], return_inverse=True)
    count, taken = np.bincount(place), np.bincount(place, past.taken[seen])
    rates = np.append((taken + SHRINK * rate) / (count + SHRINK), rate)
    where = np.searchsorted(months, cohort)
    known = (where < len(months)) & (months[np.minimum(where, len(months) - 1)] == cohort)
    return rates[np.where(known, where, len(months))]


def _renewals(log: EventLog) -> Ints:
    return np.arange(len(log)) - np.repeat(log.offsets[:-1], np.diff(log.offsets))
