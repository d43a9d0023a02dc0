"""Hazards of K intervals of a horizon: in which one an event came, survival curves, and what `hazard.py` answers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore import checks
from rnncore.marketing.answers.wording import in_columns
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import outputs
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.learning.windows import ENDED
from rnncore.marketing.log.days import Day, days_between
from rnncore.marketing.task import Task

Array = NDArray[Any]
Floats = NDArray[np.float64]


def no_event(hazards: Array, horizon: int, days: float, since: float = 0.0) -> Floats:
    """P(no event within so many days, given none in the first `since`), (N,), from hazards (N, K)."""
    steps, K = np.log1p(-np.minimum(hazards, 1 - 1e-12)), hazards.shape[1]
    place = np.array([[days], [since]]) * K / horizon
    shares = np.clip(place - np.arange(K), 0.0, 1.0)
    shares[:, -1] = np.maximum(place[:, 0] - (K - 1), 0.0)
    return np.asarray(np.exp(steps @ (shares[0] - shares[1])), np.float64)


def came_in(log: EventLog, origin: np.datetime64, end: np.datetime64, horizon: int, K: int) -> Floats:
    """(C, 2): the interval of each customer's next event and 1, or the last whole one seen and 0 (-1: none)."""
    width = horizon / K
    whole = min(int(days_between(origin, end) / width + 1e-9), K)
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


class HazardAnswers(Task):
    """What a fitted `ChurnHazard` says of any time to come, and why."""

    survived: ClassVar[str] = "P(no event) until so many days from now"
    printed = (survived,)

    def explained(self, said: Array, asked: Examples) -> Array:
        """What is decoded: the probability of `predict`."""
        return self.decode(said, asked)

    @one_thread
    def survival(self, log: EventLog, days: Sequence[float], at: Day | None = None) -> Any:
        """A dataframe of the log's kind: P(no event within so many days of `at`) in a column for each of `days`."""
        work, asked, hazards, horizon = self._hazards(log, at)
        curve = {f"survival_{day:g}": no_event(hazards, horizon, checks.number("days", day)) for day in days}
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
        work, asked, hazards, horizon = self._hazards(log, at)
        return work.frame({"quiet": no_event(hazards, horizon, until, since)}, asked.group)

    @one_thread
    def expected(self, log: EventLog, within: float, at: Day | None = None) -> Any:
        """A dataframe: the mean number of days without an event, of the next `within` days: the area of the curve."""
        work, asked, hazards, horizon = self._hazards(log, at)
        node, weight = np.polynomial.legendre.leggauss(8)
        width = horizon / hazards.shape[1]
        edges = np.append(np.arange(0.0, checks.number("within", within, open_left=True), width), within)
        area = np.zeros(len(asked.group))
        for low, high in itertools.pairwise(edges):
            for x, w in zip(node, weight, strict=True):
                area += w * (high - low) / 2 * no_event(hazards, horizon, low + (high - low) * (x + 1) / 2)
        return work.frame({"expected_days": area}, asked.group)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """The survival curve: of all customers, and of the tenths that are lowest and highest."""
        self._require_fitted()
        days = np.unique(np.linspace(0, 2 * self._used.horizon, 9).round()[1:])
        curve = pl.DataFrame(self.survival(log, days.tolist())).drop(log.columns["customer"])
        shown = {"days from now": days.astype(int), "mean": curve.mean().row(0)}
        shown |= {f"{q:.0%} of customers below": curve.quantile(q).row(0) for q in (0.1, 0.9)}
        return {self.survived: in_columns(pl.DataFrame(shown))}

    def _hazards(self, log: EventLog, at: Day | None) -> tuple[EventLog, Examples, Floats, int]:
        """The log as the task reads it, who is asked about, their hazards (N, K), and the horizon that these cut."""
        task, work, origin = self._ready(log, at)
        asked = task.asked(work, origin, self._learned.code)
        said = outputs(task.network(self._learned.code), self._learned.params, asked.histories)
        return work, asked, task.calibration.apply(said, self._learned.calibration), task.horizon
