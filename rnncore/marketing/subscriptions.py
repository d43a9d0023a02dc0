"""Subscriptions: who renews, who cancels, and what revenue is at risk, by month and by cohort.

    history       renewals.py: a step per payment; of who is asked about, those ahead too, as if each were made
    head, loss    GRU, after each payment one logit: is the next renewal taken? Cross-entropy
    decoding      chances of the renewals ahead, each given those before it, multiplied
    must beat     shifted-beta-geometric models of all and by plan, the cohort's average, logistic regression, boosting

A file that shows each customer once, with a tenure and whether they left, can be read as one cohort: a payment per
period of the tenure, and time counts from the start. It shows how retention differs by tenure and by columns. It cannot
show months of the calendar or cohorts, nor how a column changes before somebody leaves; and where those who left long
ago are missing from the file, its retention by tenure is too good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.customers import cancellations, renewals
from rnncore.marketing.customers.subscription_answers import SubscriptionAnswers
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.learning.windows import ENDED, require_both_outcomes
from rnncore.marketing.log.days import span
from rnncore.marketing.splits import cut
from rnncore.marketing.task import Code, Told
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Subscriptions(SubscriptionAnswers):
    """Renewals, cancellations and revenue at risk of subscribers; arguments beside those of `Task`:

    cancel: the word in the column `event` that ends a subscription; every other event is a payment. period: days from
    one payment to the next. silent: so many days after a payment that was the last, who has not cancelled is asked
    about no more, and not judged; None: until they cancel. `predict` gives stay_probability and cancel_probability at
    the horizon, renewals (expected payments until then), revenue (what they come to, at the latest price) and at_risk
    (what cancellations take from it). `at_risk` sums them by month ahead and cohort.

    >>> from rnncore.datasets import subscriptions
    >>> log = EventLog(subscriptions(300, 24, seed=0), customer="customer", time="date", event="event", value="price")
    >>> task = Subscriptions(horizon=90, units=4, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['customer', 'stay_probability', 'cancel_probability', 'renewals', 'revenue', 'at_risk']
    >>> task.at_risk(log).columns
    ['month', 'cohort', 'subscribers', 'renewals', 'cancellations', 'revenue', 'at_risk']
    """

    _: KW_ONLY
    cancel: str = "cancel"
    period: int = 30
    silent: int | None = None

    name = "subscriptions"
    example = (
        "rnncore fit subscriptions payments.csv --customer id --time day --event what --value price --item plan "
        "--set cancel=cancelled --horizon 90"
    )
    question = "Subscribed for the {horizon} after {origin}?"
    came = "were"
    row = "subscriber"
    judged_row = "subscriber"
    needs = ("event",)
    uses = (*renewals.ROLES, "extras")

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        cancellations.require_word(self.cancel)
        checks.size("period", self.period)
        if self.silent is not None:
            checks.size("silent", self.silent)
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """The payments until each subscription ended, and the day on which it did."""
        log, ends = cancellations.marked(log, self.cancel), cancellations.among(log, self.cancel)
        paid = ~ends & ~(log.day.astype(np.int64) > log.static.numbers[ENDED][log.codes])
        if not paid.any():
            raise DataError(f"every event of the log is {self.cancel!r}: there is no payment")
        return log.where(paid)

    def origin(self, log: EventLog) -> np.datetime64:
        """As in `Task`; DataError where no subscription has ended."""
        renewals.require_ended(log, self.cancel)
        return super().origin(log)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """All payments whose renewal was due until `end`, and whether it was taken."""
        past = log.until(end)
        code = code or renewals.measure(past)
        found, due = renewals.of(past, end, code), past.day + span(self.period)
        found = found._replace(taken=np.where(due <= end, found.taken, np.nan))  # of the others only refusals are known
        renewals.require_both(found.taken, f"until {end}")
        recent = due > end - span(self.horizon)
        recent = recent if not np.isnan(found.taken[recent]).all() else np.ones(len(past), bool)
        seen, taken = ~np.isnan(found.taken), np.nan_to_num(found.taken)[:, None]
        columns = found.rows, taken.astype(np.float32), seen.astype(np.float32), recent
        read, target, weight, newest = (features.latest(column, past.offsets, self.latest) for column in columns)
        known = np.add.reduceat(weight.values, weight.offsets[:-1]) > 0
        group = np.flatnonzero(known)
        told = Examples(read, group=np.arange(len(known)), target=target, weight=weight, newest=newest).select(known)
        return code, told._replace(watched=tenth(group, self.seed), facts=(found, recent))

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Those who are subscribed at `origin`, and whether they were so `horizon` days later."""
        cut(log, origin, self.horizon)  # says why a log is too short
        asked, end = self.asked(log, origin, code), origin + span(self.horizon)
        stays = ~(log.static.numbers[ENDED][asked.group] <= end.astype(np.int64))
        last = log.day[np.searchsorted(log.codes * 2 + (log.day > end), asked.group * 2, side="right") - 1]
        known = ~stays | self._heard(last, end)
        require_both_outcomes(
            stays[known].astype(np.float64), f"is still subscribed {self.horizon} days after {origin}"
        )
        return asked._replace(target=stays.astype(np.float64), weight=known.astype(np.float64))

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Those who are subscribed at `at`, read on until the last renewal within the horizon."""
        past, index = log.until(at), log.population(at)
        found = renewals.of(past, at, code)
        asked = np.flatnonzero(np.isnan(found.taken[found.last]) & self._heard(past.day[found.last], at))
        whole = features.latest(found.rows, past.offsets, self.latest)
        price = np.zeros(len(past)) if past.value is None else np.nan_to_num(past.value)
        facts = renewals.Facts(past, found, asked, price[found.last[asked]])
        kept = Examples(whole, group=index).select(np.isin(np.arange(len(index)), asked))
        ahead = past, asked, code, self.period, self.steps_ahead
        return kept._replace(histories=renewals.read_on(kept.histories, *ahead), facts=facts)

    def _heard(self, last: Array, day: np.datetime64) -> Array:
        """Whether the latest payments, on these days, are not too long ago."""
        return np.ones(len(last), bool) if self.silent is None else last > day - span(self.silent)

    def network(self, code: Code) -> Layer:
        """A GRU over the payments, and a logit after each."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Dense(self.units, 1))

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """P(still subscribed after the horizon), (N,); where that is not known, of each renewal, (N, months)."""
        chances = outputs[asked.histories.offsets[1:, None] + np.arange(-1 - self.steps_ahead, 0)]
        return chances if asked.target is None else renewals.survival(chances, self.ahead)

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """What is expected until the horizon, from chances (N, months)."""
        stays = renewals.survival(prediction, self.ahead)
        counts = np.cumprod(prediction, axis=1)[:, : int(self.ahead)].sum(axis=1)
        price = asked.facts.price
        risk = price * (int(self.ahead) - counts)
        money = {"revenue": price * counts, "at_risk": risk} if asked.facts.log.value is not None else {}
        return {"stay_probability": stays, "cancel_probability": 1 - stays, "renewals": counts, **money}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """P(still subscribed after the horizon) by the simple methods."""
        (past, recent), now = told.facts, asked.facts
        return renewals.simple_methods(past, recent, now.payments, now.asked, self.ahead)
