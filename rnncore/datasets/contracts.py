"""Made-up subscribers whose chances to leave are known."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnncore import checks

if TYPE_CHECKING:
    import polars as pl

PERIOD = 30
FIRST = datetime.date(2020, 1, 1)
PLANS = {"basic": (8.0, 0.8, 8.0), "plus": (15.0, 0.8, 14.0), "family": (25.0, 1.0, 30.0)}
"""price, and alpha and beta of the chance to leave."""


def subscriptions(
    subscribers: int, months: int, seed: int | np.random.Generator, *, signal: float = 0.0
) -> pl.DataFrame:
    """Payments and cancellations of made-up subscribers, with the true chance of each to leave.

    Columns: customer, date, event ("renew" for a payment, "cancel"), plan, price, logins, and chance: the probability,
    known on that day, that the next renewal is refused. **chance is the truth: never give it to a model.** A refused
    renewal is a cancellation on the day on which it was due, 30 days after the payment before; months: so many times 30
    days are recorded. Subscribers begin at random in the first two thirds of the time, on any day.

    A subscriber's own chance u to leave is Beta(alpha, beta), by plan: the world of the shifted-beta-geometric model
    (Fader and Hardie 2007), which is then the best there is for each plan. Logins are Poisson with mean 10 exp(e / 2),
    e a mood that wanders from month to month (0.8 of it stays, standard deviation 1). With signal > 0 the chance is
    1 / (1 + exp(-(logit(u) - signal e))): who logs in less leaves sooner, and who reads the logins knows more than the
    model does. ContractError for sizes below 1.

    >>> frame = subscriptions(500, 24, seed=0)
    >>> frame.columns
    ['customer', 'date', 'event', 'plan', 'price', 'logins', 'chance']
    >>> first = frame.group_by("customer").first()
    >>> round(first.filter(first["plan"] == "basic")["chance"].mean(), 2)  # alpha / (alpha + beta) is 0.091
    0.08
    """
    import polars as pl

    subscribers, months = checks.size("subscribers", subscribers), checks.size("months", months)
    checks.number("signal", signal)
    rng = np.random.default_rng(seed)
    names = list(PLANS)
    plan = rng.integers(len(names), size=subscribers)
    price, alpha, beta = np.array([PLANS[name] for name in names])[plan].T
    own = np.clip(rng.beta(alpha, beta), 1e-9, 1 - 1e-9)
    start = rng.integers(max(1, months * PERIOD * 2 // 3), size=subscribers)
    mood = rng.normal(size=subscribers)
    here = np.arange(subscribers)
    parts = []
    for month in range(months):
        day = start[here] + month * PERIOD
        here, day = here[day < months * PERIOD], day[day < months * PERIOD]
        chance = 1 / (1 + (1 - own[here]) / own[here] * np.exp(signal * mood[here]))
        logins = rng.poisson(10 * np.exp(mood[here] / 2))
        parts.append(_rows(here, day, "renew", plan, price, logins, chance))
        leaves = rng.random(len(here)) < chance
        gone, due = here[leaves], day[leaves] + PERIOD
        seen = due < months * PERIOD
        parts.append(
            _rows(gone[seen], due[seen], "cancel", plan, price, np.zeros(seen.sum(), int), np.ones(seen.sum()))
        )
        here = here[~leaves]
        mood = 0.8 * mood + 0.6 * rng.normal(size=subscribers)
    frame = pl.concat(parts).with_columns(
        date=pl.lit(FIRST) + pl.duration(days=pl.col("date")),
        plan=pl.col("plan").replace_strict(dict(enumerate(names)), return_dtype=pl.String),
    )
    return frame.sort("customer", "date")


def _rows(
    who: NDArray[np.int64], day: NDArray[np.int64], event: str, plan: NDArray[np.int64], price: NDArray[np.float64],
    logins: NDArray[np.int64], chance: NDArray[np.float64],
) -> pl.DataFrame:  # fmt: skip
    import polars as pl

    columns = {"customer": who, "date": day, "event": [event] * len(who), "plan": plan[who], "price": price[who]}
    types = {"event": pl.String}
    return pl.DataFrame({**columns, "logins": logins, "chance": chance}, schema_overrides=types)
