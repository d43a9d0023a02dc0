"""A table alone, a row per customer and no times, as what segments are made of and judged by, for `segments.py`.

A fifth of the customers is set aside and judges; then all are learned from. With an outcome of yes and no segments have
its rate; without one, the mean of their columns, from which each customer set aside is so far: mean squared distance.

K-means on the columns as the network reads them, on these standardised and on their principal components must be
beaten, and all customers in one group. The outcome is no column of the network: it counts the rates, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import leaks
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.judging.measures import BINARY, Measure
from rnncore.marketing.learning import beside, cases, features
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.log.columns import Columns
from rnncore.marketing.segmenting import clusters, segment_tables
from rnncore.marketing.segmenting.segment_sources import OneStep, steps
from rnncore.marketing.splits import set_aside
from rnncore.marketing.task_parts import Code, Parts, Rival, Told
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 10  # customers to learn from, at least
ONE = "one group"  # what knows nothing, without an outcome
DISTANCE = Measure("squared distance", lambda target, distance: distance, {}, "squared distance")


class Rows(NamedTuple):
    """What is known of N customers of a table."""

    columns: Floats
    """As the network reads them, (N, D)."""
    own: Any
    """As they came, `Columns`."""
    code: Code
    """Of them."""
    rated: bool
    """Whether the table has an outcome."""
    returned: Floats | None = None
    """1 or 0, those with an outcome that is known, where it is told."""
    told: Histories | None = None
    """Who is not set aside, where distances judge."""


class Table(OneStep):
    """A table alone; rated: whether it has an outcome. For the rest see `task_parts.py`."""

    dated = False
    rate = "outcome_rate"
    view: Any = segment_tables
    came = Parts.came

    def __init__(self, rated: bool, seed: int) -> None:
        self.rated, self.seed = rated, seed
        asked = "does the outcome come?" if rated else "how far from the mean of their segment?"
        self.question = f"Of the customers set aside: {asked}"
        self.measure, self.reference = (BINARY, CONSTANT) if rated else (DISTANCE, ONE)
        self.taught = ("outcome",) if rated else ()  # new rows need not have it

    def prepare(self, log: EventLog) -> EventLog:
        """The table with those who are set aside a day later than the others."""
        return set_aside(log)

    def origin(self, log: EventLog) -> np.datetime64:
        """The day before that of the customers set aside."""
        return log.first_day

    def judged_when(self, origin: np.datetime64) -> str:
        """No day is said."""
        return "set aside"

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """Everybody who is there on the day `end`; who has an outcome makes groups and rates."""
        past = log.until(end)
        if len(past.customers) < FEWEST:
            raise DataError(f"the table has {len(past.customers)} customers to learn from; {FEWEST} are needed")
        if code is None:
            code = {"static": features.measure(beside.static(past))} | (cases.words(past) if self.rated else {})
        found, y = self._examples(past, np.arange(len(past)), code), self._outcomes(past, code)
        known = ~np.isnan(y)
        self._require_both(y[known])
        facts = found.facts._replace(columns=found.facts.columns[known], returned=y[known])
        target, watched = np.nan_to_num(y)[:, None].astype(np.float32), tenth(found.group, self.seed)
        return code, found._replace(target=target, newest=known, watched=watched, facts=facts)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Who was set aside, and what came of them."""
        y, late = self._outcomes(log, code), log.day > origin
        asked = self._examples(log, np.flatnonzero(late & ~np.isnan(y)), code)
        target = y[asked.group]
        self._require_both(target)
        others = None if self.rated else self._examples(log, np.flatnonzero(~late), code).histories
        return asked._replace(target=target, facts=asked.facts._replace(told=others))

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody."""
        return self._examples(log, log.population(at), code)

    def simple(self, told: Rows, asked: Rows, groups: int) -> dict[str, Rival]:
        """What is judged, by the simple groupings: functions that give it."""
        columns = told.columns, asked.columns

        def as_read() -> tuple[Ints, Ints]:
            means = clusters.centres(told.columns, groups, self.seed)
            return clusters.nearest(told.columns, means), clusters.nearest(asked.columns, means)

        def said(grouping: Callable[[], tuple[Ints, Ints]]) -> Floats:
            past, now = grouping()
            assert told.returned is not None
            rated = clusters.rates(past, told.returned, groups)[now]
            return rated if self.rated else distances(asked.columns, now, told.columns, past)

        groupings: dict[str, Callable[[], tuple[Ints, Ints]]] = {
            "k-means, columns": as_read,
            "k-means, standardised": lambda: clusters.simple_groups(*columns, groups, self.seed),
            "k-means, pca": lambda: clusters.simple_groups(*columns, groups, self.seed, pca=True),
            self.reference: lambda: (np.zeros(len(columns[0]), np.int64), np.zeros(len(columns[1]), np.int64)),
        }
        return {name: partial(said, grouping) for name, grouping in groupings.items()}

    def leaks(self, asked: Examples, origin: np.datetime64, log: EventLog, code: Code) -> str:
        """A warning of columns that know the outcome, or nothing; of all customers, for those that judge are few."""
        if not self.rated:
            return ""
        y = self._outcomes(log, code)
        known = np.flatnonzero(~np.isnan(y))
        question = "Was this column known before the outcome"
        return leaks.warning(beside.static(log).take(known), Columns(), y[known], question, self.seed)

    def _examples(self, log: EventLog, rows: Ints, code: Code) -> Examples:
        """Customers at these positions."""
        own = beside.static(log).take(rows)
        read = steps(own, code)
        facts = Rows(read.values.astype(np.float64), own, code["static"], self.rated)
        return Examples(read, group=rows, facts=facts)

    def _outcomes(self, log: EventLog, code: Code) -> Floats:
        """1, 0, or NaN where it is not known, (n,); without an outcome all 0."""
        return cases.outcomes(log, code) if self.rated else np.zeros(len(log))

    def _require_both(self, y: Floats) -> None:
        """DataError where there is nobody, or all outcomes are alike."""
        if not len(y) or (self.rated and np.ptp(y) == 0):
            what = f"all of {len(y)} customers have the outcome {y[0]:.0f}" if len(y) else "no outcome is known"
            raise DataError(f"{what} where segments are learned or judged: there is nothing to tell apart")


def distances(columns: Floats, group: Ints, told: Floats, of_told: Ints) -> Floats:
    """The mean squared distance of each row (M, D) from the mean of those told (N, D) that are in its group, (M,).

    >>> distances(np.array([[1.0], [9.0]]), np.array([0, 1]), np.array([[0.0], [2.0], [8.0]]), np.array([0, 0, 1]))
    array([0., 1.])
    """
    means = np.tile(told.mean(axis=0), (int(max(group.max(), of_told.max())) + 1, 1))  # of a group without anybody
    for k in np.unique(of_told):
        means[k] = told[of_told == k].mean(axis=0)
    return np.asarray(((columns - means[group]) ** 2).mean(axis=1), np.float64)
