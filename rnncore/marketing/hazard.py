"""ChurnHazard: when the next event comes, from one model for every horizon.

    history       encoding.py, as in churn.py; origins that the end of the log cuts short are used too, censored
    head, loss    GRU, its last output, the logits of the hazards of K intervals; likelihood with censoring
    decoding      hazards, calibrated on the latest windows, to the survival curve P(no event within t days)
    must beat     as in churn.py, at the horizon

Within an interval the hazard is spread evenly; beyond the horizon it stays at that of the last interval.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.losses import discrete_hazard
from rnncore.marketing.answers.wording import in_columns
from rnncore.marketing.churn import Churn
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.calibration import Calibration
from rnncore.marketing.learning.encoding import apply_scale, encode, fit_scale, ladder
from rnncore.marketing.learning.examples import Examples, outputs, tenth
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.learning.windows import ENDED, asked_at
from rnncore.marketing.log.days import Day, days_between, span
from rnncore.marketing.task import Code, Told

Array = NDArray[Any]
Floats = NDArray[np.float64]
MOST = 12  # intervals


def _fit(outputs: Floats, target: Floats) -> Floats:
    """Slope and intercept (2,) on the logits of the hazards, of the highest likelihood; the slope stays positive."""
    if len(target) == 0 or not target[:, 1].any():
        return np.array([1.0, 0.0])

    def loss(numbers: Floats) -> float:
        return float(discrete_hazard(np.exp(numbers[0]) * outputs + numbers[1], target)[0])

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-5, 5)])
    return np.array([np.exp(found.x[0]), found.x[1]])


HAZARDS = Calibration(_fit, lambda outputs, numbers: expit(numbers[0] * outputs + numbers[1]), 2)


class ChurnHazard(Churn):
    """Probability that a customer has no event in any time to come, from hazards; arguments are those of `Task`.

    `predict` gives churn_probability and return_probability at the horizon, `survival` the curve, `quiet` the
    probability of no event between any two days to come, `expected` the mean time without one; all of it
    from one model. On the command line `rnncore predict MODEL FILE --at DAY --start 30 --horizon 45` gives `quiet`: the
    probability of no event in 45 days, of whoever has had none in the 30 days after that day.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount", items="items")
    >>> churn = ChurnHazard(horizon=181, units=8, epochs=3, backend="numpy", seeds=1).fit(log)
    >>> curve = churn.survival(log, [30, 90, 181, 365])
    >>> curve.columns
    ['customer', 'survival_30', 'survival_90', 'survival_181', 'survival_365']
    >>> bool((curve["survival_30"] >= curve["survival_365"]).all())
    True
    """

    name = "churn-hazard"
    example = "rnncore fit churn-hazard shop.csv --customer client_id --time bought_at --value amount --horizon 90"
    calibration = HAZARDS
    survived: ClassVar[str] = "P(no event) until so many days from now"
    printed = (survived,)
    loss = staticmethod(discrete_hazard)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """All customers at the origins of the ladder, and the interval in which they were back, or the last seen."""
        code, window = super().told(log, end, code)  # what the simple methods learn from, and its errors
        origins = sorted({origin for origin, _ in ladder(end, self.horizon)})
        asked = [(asked_at(log, origin), origin, self.horizon) for origin in origins]
        steps = encode(log, asked, self.horizon, self.latest, code["masks"], code["beside"])
        target = np.concatenate([self._intervals(log, origin, end)[who.who] for who, origin, _ in asked])
        ended = np.concatenate([np.full(len(who.who), at + span(self.horizon) >= end) for who, at, _ in asked])
        person = np.searchsorted(log.population(end), np.concatenate([who.who for who, _, _ in asked]))
        scale = fit_scale(steps)
        told = Examples(
            apply_scale(steps, scale),
            group=person,
            target=np.maximum(target, 0),
            weight=(target[:, 0] >= 0).astype(np.float64),
            newest=ended & (target[:, 0] >= 0),
            watched=tenth(person, self.seed),
            facts=window.facts,
        )
        return {**code, "mean": scale.mean.tolist(), "deviation": scale.deviation.tolist()}, told

    def network(self, code: Code) -> Layer:
        """A GRU over the steps of a history, its last output, a logit for each interval."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Last(), rc.Dense(self.units, self.intervals))

    @property
    def intervals(self) -> int:
        """Into how many intervals the horizon is cut."""
        return min(MOST, self.horizon)

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """P(an event within the horizon), (N,)."""
        return np.asarray(1 - self._curve(outputs, float(self.horizon)), np.float64)

    def explained(self, said: Array, asked: Examples) -> Array:
        """The same."""
        return self.decode(said, asked)

    @one_thread
    def survival(self, log: EventLog, days: Sequence[float], at: Day | None = None) -> Any:
        """A dataframe of the log's kind: P(no event within so many days of `at`) in a column for each of `days`."""
        task, work, asked, hazards = self._hazards(log, at)
        curve = {f"survival_{number:g}": task._curve(hazards, checks.number("days", number)) for number in days}
        return work.frame(curve, asked.group)

    @one_thread
    def quiet(self, log: EventLog, start: float, days: float, at: Day | None = None) -> Any:
        """A dataframe: P(no event from `start` until `start + days` days after `at`, given none before), quiet.

        None before is said of the days from `at` until `start`. What may come in them is not averaged over: an event
        renews the history, and with it all hazards after it, so that without this condition the answer is no function
        of one curve; it would take histories drawn on, event by event, with amounts that this model does not draw. What
        can end only once needs no such draw (`ContractChurn`): not to end within those days is
        1 - survival(start) + survival(start + days), whatever happens before.
        """
        since = checks.number("start", start)
        until = since + checks.number("days", days)
        task, work, asked, hazards = self._hazards(log, at)
        return work.frame({"quiet": task._curve(hazards, until, since)}, asked.group)

    @one_thread
    def expected(self, log: EventLog, within: float, at: Day | None = None) -> Any:
        """A dataframe: the mean number of days without an event, of the next `within` days: the area of the curve."""
        task, work, asked, hazards = self._hazards(log, at)
        node, weight = np.polynomial.legendre.leggauss(8)
        width = self._used.horizon / self._used.intervals
        edges = np.append(np.arange(0.0, checks.number("within", within, open_left=True), width), within)
        area = np.zeros(len(asked.group))
        for low, high in itertools.pairwise(edges):
            for x, w in zip(node, weight, strict=True):
                area += w * (high - low) / 2 * task._curve(hazards, low + (high - low) * (x + 1) / 2)
        return work.frame({"expected_days": area}, asked.group)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """The survival curve: of all customers, and of the tenths that are lowest and highest."""
        days = np.unique(np.linspace(0, 2 * self.horizon, 9).round()[1:])
        curve = pl.DataFrame(self.survival(log, days.tolist())).drop(log.columns["customer"])
        shown = {"days from now": days.astype(int), "mean": curve.mean().row(0)}
        shown |= {f"{q:.0%} of customers below": curve.quantile(q).row(0) for q in (0.1, 0.9)}
        return {self.survived: in_columns(pl.DataFrame(shown))}

    def _hazards(self, log: EventLog, at: Day | None) -> Any:
        task, work, origin = self._ready(log, at)
        asked = task.asked(work, origin, self._learned.code)
        said = outputs(task.network(self._learned.code), self._learned.params, asked.histories)
        return task, work, asked, task.calibration.apply(said, self._learned.calibration)

    def _curve(self, hazards: Array, days: float, since: float = 0.0) -> Floats:
        """P(no event within so many days, given none in the first `since`), (N,), from hazards (N, K)."""
        steps = np.log1p(-np.minimum(hazards, 1 - 1e-12))
        place = np.array([[days], [since]]) * self.intervals / self.horizon
        shares = np.clip(place - np.arange(self.intervals), 0.0, 1.0)
        shares[:, -1] = np.maximum(place[:, 0] - (self.intervals - 1), 0.0)
        return np.asarray(np.exp(steps @ (shares[0] - shares[1])), np.float64)

    def _intervals(self, log: EventLog, origin: np.datetime64, end: np.datetime64) -> Floats:
        """(C, 2): the interval of each customer's next event and 1, or the last whole one seen and 0 (-1: none)."""
        width = self.horizon / self.intervals
        whole = min(int(days_between(origin, end) / width + 1e-9), self.intervals)
        first = np.full(len(log.customers), np.inf)
        if ENDED in log.static.numbers:
            ended = log.static.numbers[ENDED] - origin.astype(np.int64)
            first = np.where((ended > 0) & (ended <= days_between(origin, end)), ended, np.inf)
        else:
            after = np.flatnonzero((log.day > origin) & (log.day <= end))
            np.minimum.at(first, log.codes[after], (log.day[after] - origin).astype(np.int64))
        interval = np.ceil(first / width - 1e-9) - 1
        came = interval < whole
        return np.column_stack([np.where(came, interval, whole - 1), came]).astype(np.float64)
