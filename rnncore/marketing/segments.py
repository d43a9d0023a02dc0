"""Segments: groups of customers alike, by their histories, by their futures or by their own columns.

    by "history"    a sequence autoencoder: GRU, its last output, a code; the code at each step, GRU, the steps again
                    (Srivastava et al. 2015); customers with like histories are near each other
    by "future"     the code from which "an event in the window" is predicted: who will do alike is near (predictive
                    clusters; Lee and van der Schaar 2020 learn theirs from futures too)
    by "static"     a dense autoencoder (one hidden layer of tanh) of the customer's own columns, gaps as masks
    groups          k-means on the code, then Deep Embedded Clustering: code and centres are moved so that soft
                    assignments get sharper (Xie et al. 2016)
    decoding        the segment, its membership, and the rate at which its customers were back in the latest window
    must beat       k-means on RFM, on weekly counts, and on their principal components; the constant rate

What is judged is how well segments tell the future apart: each customer is given the rate of their segment. Segments
are numbered by that rate, 1 the highest. What is read, asked and judged: `segment_sources.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import beside, features
from rnncore.marketing.learning.calibration import Calibration
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.log.days import span
from rnncore.marketing.segmenting import clusters, segment_learning
from rnncore.marketing.segmenting.segment_answers import SegmentAnswers
from rnncore.marketing.task_parts import Code, Rival, Told

Array = NDArray[Any]
WAYS = ("history", "future", "static")


@dataclass(eq=False, repr=False)
class Segments(SegmentAnswers):
    """Customers in groups that are alike; arguments beside those of `Task`:

    by: what makes them alike: "history", "future" (what is expected of them) or "static" (their own columns: of a table
    given as static, or of a table alone, a log without times, whose outcome, if it has one, then judges). groups: how
    many. code: numbers that stand for a customer. rounds: of Deep Embedded Clustering; 0 leaves k-means as it is.

    `predict` gives segment (1 to `groups`), membership (of that segment, the soft assignment) and return_rate (of the
    segment; of a table outcome_rate, where it has an outcome). `profiles(log)` describes each segment with the customer
    nearest its centre, `live(log, customer)` says where a customer stood after each of their days. `table_.reason` goes
    on with stability and silhouette.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount", items="items")
    >>> task = Segments(horizon=181, groups=3, units=4, epochs=1, rounds=1, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['customer', 'segment', 'membership', 'return_rate']
    """

    _: KW_ONLY
    by: str = "history"
    groups: int = 5
    code: int = 8
    rounds: int = 3

    name = "segments"
    example = "rnncore fit segments shop.csv --customer client_id --time bought_at --value amount --horizon 90"
    undated = True

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.one_of("by", self.by, WAYS)
        checks.size("groups", self.groups, 2)
        checks.size("code", self.code)
        checks.size("rounds", self.rounds, least=0)
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """As what is grouped is read; DataError where it is not what was learned from, and where columns are needed."""
        if not log.dated and self.by != "static":
            raise DataError("Segments needs a column time; name it when the log is made: time=...")
        if self.by == "static" and not features.names(features.measure(beside.static(log))):
            raise DataError('by="static" needs columns of the customers; name a table when the log is made: static=...')
        return self._source(log).prepare(log)

    def origin(self, log: EventLog) -> np.datetime64:
        """As the source says: before the latest horizon, or before those who are set aside."""
        return self._source(log).origin(log)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """As the source says; DataError where there are fewer customers than groups."""
        code, told = self._source(log).told(log, end, code)
        assert told.newest is not None
        if (many := int(told.newest.sum())) < self.groups:
            which = f" known on {end - span(self.horizon)}" if log.dated else ""
            raise DataError(f"{self.groups} groups of {many} customers{which}; say a smaller groups=")
        return code, told

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Everybody known at `origin`, or who was set aside, and what came of them."""
        return self._source(log).judged(log, origin, code)

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`."""
        return self._source(log).asked(log, at, code)

    def network(self, code: Code) -> Layer:
        """The encoder, and the nearness of its code to the centres."""
        return rc.Stack(*self.encoder(code), rc.Prototypes(self.code, self.groups))

    def encoder(self, code: Code) -> list[Layer]:
        """The layers that give the code."""
        D = len(self.inputs(code))
        first: Any = rc.RNN if self.by == "static" else rc.GRU  # an RNN over one step is a dense layer of tanh
        return [first(D, self.units, backend=self.backend), rc.Last(), rc.Dense(self.units, self.code)]

    def learned(
        self,
        code: Code,
        told: Examples,
        *,
        progress: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Learned:
        """Learn the code, group it, and sharpen the groups; see `segment_learning.py`."""
        return segment_learning.learn(self, code, told, progress=progress, checkpoint=checkpoint)

    @property
    def calibration(self) -> Calibration:  # type: ignore[override]
        """From nearness to the centres to the segment's rate and all memberships, (N, 1 + groups)."""
        return clusters.rates_and_memberships(self.groups)

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """The rate of the segment where it is judged; else all."""
        return outputs[:, 0] if asked.target is not None else outputs

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """Segment, membership and rate."""
        members = prediction[:, 1:]
        found = {"segment": members.argmax(axis=1) + 1, "membership": members.max(axis=1)}
        return {**found, self.source.rate: prediction[:, 0]} if self.source.rated else found

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """What is judged, by the simple groupings."""
        return self.source.simple(told.facts, asked.facts, self.groups)
