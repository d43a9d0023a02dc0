"""What `subscriptions.py` answers beside `predict`: what is at risk, how well cohorts are met, what is explained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore.marketing.answers.wording import counted, in_columns
from rnncore.marketing.customers import renewals
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import NETWORK
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day
from rnncore.marketing.task import Code, HeldOut, Task

Array = NDArray[Any]
BY_MONTH, BY_COHORT = "What is at risk, by month ahead", "What is at risk, by the month in which subscribers began"


class SubscriptionAnswers(Task):
    """What a fitted `Subscriptions` says beside its chances."""

    period: int

    blanked = "as long but of average payments"
    printed = (BY_MONTH,)

    @property
    def ahead(self) -> float:
        """Renewals within the horizon."""
        return self.horizon / self.period

    @property
    def steps_ahead(self) -> int:
        """Renewals that are read as if taken, to ask for the next: all within the horizon but the last."""
        return math.ceil(self.ahead) - 1

    def explained(self, said: Array, asked: Examples) -> Array:
        """P(still subscribed after the horizon)."""
        return renewals.survival(said.reshape(-1, 1 + self.steps_ahead), self.ahead)

    def named(self, asked: Examples, code: Code) -> str:
        """What that is called."""
        return f"probability to be subscribed after {counted(self.horizon, 'day')}"

    def blank(self, values: Array, code: Code) -> Array:
        """Average payments; those ahead are a period apart, whoever is asked about."""
        ahead = np.arange(len(values))[:, None] >= len(values) - self.steps_ahead
        inputs = self.inputs(code)
        return np.where(ahead & (np.array(inputs) == "gap"), values, features.average(values, inputs, code))

    @one_thread
    def at_risk(self, log: EventLog, at: Day | None = None) -> pl.DataFrame:
        """By month ahead and month in which subscribers began: what is expected of those subscribed at the day `at`.

        month: 1, 2, ..., each a `period`. cancellations in it, renewals at its end, revenue from these, and at_risk:
        what all subscribers would have paid, less that revenue. Without a column value the money is left out.
        """
        task, _, asked = self._asked(log, at)
        chances, facts = task._says(self._learned, asked), asked.facts
        cohort = facts.payments.cohort[facts.asked].astype("datetime64[D]")
        return renewals.at_risk(chances, cohort, None if facts.log.value is None else facts.price)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """What is at risk, by month ahead and by cohort."""
        found = self.at_risk(log)
        last = found.filter(pl.col("month") == 1).select("cohort", "subscribers")
        months = found.group_by("month").agg(pl.exclude("month", "cohort").sum()).sort("month")
        cohorts = found.group_by("cohort").agg(pl.exclude("month", "cohort", "subscribers").sum())
        return {BY_MONTH: in_columns(months), BY_COHORT: in_columns(last.join(cohorts, on="cohort").sort("cohort"))}

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """How far the retention of a cohort was from what came."""
        facts, counts = asked.facts, asked.judged()[2]
        cohort = np.unique(facts.payments.cohort[facts.asked][counts], return_inverse=True)[1]
        errors = {
            name: np.abs(np.bincount(cohort, p - held.target)).sum() / len(cohort)
            for name, p in held.prediction.items()
        }
        words = ", ".join(f"{name} {errors[name]:.4f}" for name in (NETWORK, "sbg", "cohort average"))
        return [f"Mean error of a cohort's retention: {words}."]

    def _asked(self, log: EventLog, at: Day | None) -> tuple[Self, EventLog, Examples]:
        task, work, day = self._ready(log, at)
        return task, work, task.asked(work, day, self._learned.code)
