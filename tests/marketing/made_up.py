"""A small made-up log for each task, for the checklist: a new task adds its own here.

`frame` has the columns that `words` names. Rows must be many enough to fit and judge, and few enough to do so in a
second with backend="numpy". Events of one customer have different times, or an order column, or other cells.
"""

import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from rnncore.datasets import journeys
from rnncore.marketing.churn import Churn
from rnncore.marketing.clv import CLV
from rnncore.marketing.contract_churn import ContractChurn
from rnncore.marketing.demand import Demand
from rnncore.marketing.hazard import ChurnHazard
from rnncore.marketing.journey import Journey
from rnncore.marketing.next_purchase import NextPurchase
from rnncore.marketing.outcome import Outcome
from rnncore.marketing.outcome_kind import OutcomeKind
from rnncore.marketing.segments import Segments
from rnncore.marketing.sentiment import Sentiment
from rnncore.marketing.subscriptions import Subscriptions

START = datetime.date(2024, 1, 1)


class Case(NamedTuple):
    """A task, and the log to fit it on."""

    task: Any
    frame: pl.DataFrame
    words: dict[str, Any]
    """Of EventLog: roles and how to read."""


def purchases(customers=80, days=200, seed=0):
    """Rows (who, when, paid, number, way, what): everybody comes at their own rate, and leaves at some point."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(customers):
        day, gap, end = rng.integers(0, days // 4), rng.gamma(2.0, 6.0), rng.exponential(days)
        while day < min(days, end):
            way = ("web", "mail", "shop")[(n + rng.integers(2)) % 3]
            what = f"i{(n * 7 + rng.integers(3)) % 12:02d}"
            when = START + datetime.timedelta(days=int(day))
            rows.append((f"c{n:03d}", when, round(float(rng.gamma(4, 10)), 2), int(rng.integers(1, 5)), way, what))
            day += 1 + rng.exponential(gap)
    rows.append(("c000", START + datetime.timedelta(days=days), 5.0, 1, "web", "i00"))  # the log ends on a known day
    return pl.DataFrame(rows, schema=["who", "when", "paid", "number", "way", "what"], orient="row")


def contracts(customers=80):
    """The purchases, and a cancellation ten days after the last of everybody who stops before the log ends."""
    bought = purchases(customers).with_columns(what=pl.lit("bought"))
    last = bought.sort("when").group_by("who", maintain_order=True).last()
    last = last.filter(pl.col("when") < bought["when"].max() - pl.duration(days=9))
    gone = last.with_columns(pl.col("when") + pl.duration(days=9), what=pl.lit("gone"), paid=pl.lit(0.0))
    return pl.concat([bought, gone.select(bought.columns)])


def orders():
    """The purchases, some of which come back: the dear ones, and those of customers who send back what they buy."""
    bought = purchases()
    often = pl.col("who").str.slice(1).cast(pl.Int64) % 3 == 0
    back = (pl.col("paid") > 50) | (often & (pl.col("number") > 1))
    return bought.with_columns(back=pl.when(back).then(pl.lit("yes")).otherwise(pl.lit("no")))


def sales(series=4, days=120, seed=0):
    """A row per shop and day: busier at weekends and on holidays, whose calendar goes on after the last day."""
    rng = np.random.default_rng(seed)
    when = [START + datetime.timedelta(days=d) for d in range(days)]
    rows = []
    for n in range(series):
        for d, day in enumerate(when):
            mean = 30 + 10 * n + 20 * (day.weekday() >= 5) + 30 * (d % 17 == 3)
            rows.append((f"s{n}", day, round(float(mean + rng.normal(0, 4)), 1), float(rng.integers(10))))
    return pl.DataFrame(rows, schema=["who", "when", "paid", "visits"], orient="row")


def holidays(days=200):
    """A row per day."""
    when = [START + datetime.timedelta(days=d) for d in range(days)]
    return pl.DataFrame({"when": when, "holiday": [int(d % 17 == 3) for d in range(days)]})


def three_ends():
    """Orders that are kept, changed or sent back."""
    made = orders()
    changed = (pl.col("back") == "yes") & (pl.col("number") > 2)
    return made.with_columns(back=pl.when(changed).then(pl.lit("changed")).otherwise(pl.col("back")))


def remarks():
    """A remark with each of the purchases: glad or cross, by a word or two of it."""
    rng = np.random.default_rng(1)
    bought = purchases(customers=25)
    words = {"glad": ("good", "fine", "thanks"), "cross": ("bad", "late", "never again"), "": ("so", "it was", "@shop")}
    rows = []
    for kind in rng.choice(["glad", "cross"], bought.height):
        said = [str(rng.choice(words[kind if rng.random() < 0.6 else ""])) for _ in range(rng.integers(1, 5))]
        rows.append((" ".join(said), str(kind)))
    return bought.hstack(pl.DataFrame(rows, schema=["said", "mood"], orient="row"))


def people(customers=80):
    """A row per customer, some cells empty; of some customers there is none."""
    rng = np.random.default_rng(2)
    who = [f"c{n:03d}" for n in range(customers - 5)]
    age = [None if n % 11 == 3 else float(rng.integers(18, 80)) for n in range(len(who))]
    city = [None if n % 7 == 2 else ("rome", "oslo", "bern")[n % 3] for n in range(len(who))]
    return pl.DataFrame({"who": who, "age": age, "city": city})


def unjudged(task, log):
    """The task fitted without a table and a verdict, for tests that only ask it: in a quarter of the time of most."""
    table = SimpleNamespace(verdict=None, beside=lambda earlier: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "_judge", lambda *given: (table, None))
        return task.fit(log)


SMALL = {"units": 4, "epochs": 2, "seeds": 1, "batch_size": 64, "backend": "numpy"}
NAMES = {"customer": "who", "time": "when", "value": "paid", "items": "number"}

WITH_TABLES = {**NAMES, "static": people(), "calendar": holidays(260)}
WITH_EVENTS = {**NAMES, "event": "what"}
WITH_ITEMS = {**NAMES, "item": "what"}

# word on the command line -> a function that makes its case
MADE_UP = {
    "demand": lambda: Case(
        Demand(horizon=14, ahead=3, latest=8, learning_rate=0.02, **SMALL),
        sales(),
        {"customer": "who", "time": "when", "value": "paid", "extras": ["visits"], "calendar": holidays()},
    ),
    "journey": lambda: Case(
        Journey(horizon=12, latest=6, **SMALL),
        journeys(customers=250).frame,
        {"customer": "customer", "time": "time", "event": "event", "channel": "channel"},
    ),
    "churn-hazard": lambda: Case(ChurnHazard(horizon=30, **SMALL), purchases(), WITH_TABLES),
    "contract-churn": lambda: Case(ContractChurn(horizon=30, cancel="gone", **SMALL), contracts(), WITH_EVENTS),
    "outcome": lambda: Case(Outcome(horizon=30, **SMALL), orders(), {**NAMES, "channel": "way", "outcome": "back"}),
    "outcome-kind": lambda: Case(
        OutcomeKind(horizon=30, **SMALL), three_ends(), {**NAMES, "channel": "way", "outcome": "back"}
    ),
    "next-purchase": lambda: Case(NextPurchase(horizon=30, k=3, latest=4, **SMALL), purchases(), WITH_ITEMS),
    "segments": lambda: Case(Segments(horizon=30, groups=3, code=2, rounds=1, **SMALL), purchases(30), NAMES),
    "sentiment": lambda: Case(
        Sentiment(horizon=30, **SMALL),
        remarks(),
        {"customer": "who", "time": "when", "text": "said", "outcome": "mood"},
    ),
    "clv": lambda: Case(CLV(horizon=30, futures=10, **SMALL), purchases(), NAMES),
    "subscriptions": lambda: Case(
        Subscriptions(horizon=30, cancel="gone", period=10, **SMALL), contracts(), {**WITH_EVENTS, "channel": "way"}
    ),
    "churn": lambda: Case(Churn(horizon=30, **SMALL), purchases(), WITH_TABLES),
}
