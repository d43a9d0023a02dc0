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
from scipy.special import softmax

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import beside, encoding, features
from rnncore.marketing.learning.calibration import Calibration
from rnncore.marketing.learning.examples import Examples, Learned, outputs
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day, span
from rnncore.marketing.segmenting import clusters, segment_learning, segment_profiles
from rnncore.marketing.segmenting import segment_sources as sources
from rnncore.marketing.segmenting.segment_profiles import Standing
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]
Floats = NDArray[np.float64]
WAYS = ("history", "future", "static")
SAID = ("question", "came", "taught", "measure", "reference")  # by the source, which does the rest too
DONE = ("origin", "judged", "judged_when", "asked", "blank", "steps")
PROFILES = "The segments, each with the customer nearest its centre"


@dataclass(eq=False, repr=False)
class Segments(Task):
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
    unit = "membership of the segment"
    undated = True
    printed = (PROFILES,)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.one_of("by", self.by, WAYS)
        checks.size("groups", self.groups, 2)
        checks.size("code", self.code)
        checks.size("rounds", self.rounds, least=0)
        return super().check()

    @property
    def calibration(self) -> Calibration:  # type: ignore[override]
        """From nearness to the centres to the segment's rate and all memberships, (N, 1 + groups)."""

        def fit(nearness: Floats, returned: Floats) -> Floats:
            return clusters.rates(nearness.argmax(axis=1), returned, self.groups)

        def apply(nearness: Floats, rates: Floats) -> Floats:
            return np.column_stack([rates[nearness.argmax(axis=1)], softmax(nearness, axis=1)])

        return Calibration(fit, apply, self.groups)

    def _settle(self, reading: Mapping[str, Any]) -> None:
        """What is grouped, by the columns that a log has; it says most of what a task says."""
        if "time" in reading:
            kind = sources.ColumnWindows if self.by == "static" else sources.LogWindows
            found: sources.LogWindows | sources.Table = kind(self.horizon, latest=self.latest, seed=self.seed)
        else:
            found = sources.Table("outcome" in reading, self.seed)
        self.source = found  # what is read and asked, what judges, and what that is called
        for name in (*SAID, *DONE):
            setattr(self, name, getattr(self.source, name))

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        for one in (self, used):
            one._settle(reading)
        super()._keep(used, learned, until, reading)

    def prepare(self, log: EventLog) -> EventLog:
        """As what is grouped is read; DataError where it is not what was learned from, and where columns are needed."""
        if not log.dated and self.by != "static":
            raise DataError("Segments needs a column time; name it when the log is made: time=...")
        if not hasattr(self, "source"):
            self._settle(log.reading)
        if self.by == "static" and not features.names(features.measure(beside.static(log))):
            raise DataError('by="static" needs columns of the customers; name a table when the log is made: static=...')
        return self.source.prepare(log)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """As the source says; DataError where there are fewer customers than groups."""
        code, told = self.source.told(log, end, code)
        assert told.newest is not None
        if (many := int(told.newest.sum())) < self.groups:
            which = f" known on {end - span(self.horizon)}" if log.dated else ""
            raise DataError(f"{self.groups} groups of {many} customers{which}; say a smaller groups=")
        return code, told

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

    def inputs(self, code: Code) -> list[str]:
        """The columns of `encoding`, or of the customers."""
        return features.names(code["static"]) if self.by == "static" else encoding.names(code["masks"], code["beside"])

    def about(self, said: Array, asked: Examples) -> Examples:
        """The segment that is assigned."""
        return asked._replace(target=said[:, 1:].argmax(axis=1))

    def named(self, asked: Examples, code: Code) -> str:
        """Which segment that is."""
        return f"membership of segment {asked.target[0] + 1}"

    def explained(self, said: Array, asked: Examples) -> Array:
        """The membership of that segment."""
        return np.asarray(said[:, 1 + asked.target[0]])

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """How steady the segments are and how far apart, and a warning of columns that know what judges."""
        z = segment_learning.codes(self, learned.code, learned.params, asked.histories)
        own = outputs(self.network(learned.code), learned.params, asked.histories).argmax(axis=1)
        steady = clusters.stability(z, own, self.groups, self.seed)
        apart = clusters.silhouette(z, own, self.seed)
        words = f"Of the segments: stability {steady:.3f} (1: the same for other customers), silhouette {apart:.3f}."
        return [self.source.leaks(asked, held.origin, log, learned.code), words]

    def _says(self, learned: Learned, asked: Examples) -> Array:
        if self.source.rated or asked.target is None:
            return super()._says(learned, asked)
        model, past = self.network(learned.code), asked.facts.told
        own, other = (outputs(model, learned.params, rows).argmax(axis=1) for rows in (asked.histories, past))
        return sources.distances(asked.facts.columns, own, np.asarray(past.values, np.float64), other)

    def _later(self, log: EventLog) -> tuple[Self, EventLog, np.datetime64]:
        self._require_fitted()
        if not self.source.dated:
            raise DataError("a table has no later days to judge by; table_ has the held-out scores of the fit")
        return super()._later(log)

    @one_thread
    def profiles(self, log: EventLog, at: Day | None = None) -> Any:
        """A polars dataframe with a row per segment: how many, their rate of return, medians of what they did, and the
        prototype, the customer nearest the centre. Of a table the rate of the outcome, the median of each number and
        the commonest word of each category.
        """
        return self.source.view.profiles(self._standing(log, at))

    @one_thread
    def live(self, log: EventLog, customer: Any, margin: float = 0.1) -> Any:
        """A polars dataframe of where a customer stood after each of their days: day, segment, membership, nearest.

        margin: another segment must have so much more membership before the customer is moved, so that nobody goes to
        and fro (hysteresis); `nearest` is the segment without it.
        """
        checks.number("margin", margin)
        if not log.dated:
            raise DataError("a table has no days on which a customer could have been in another segment")
        task, work, _ = self._ready(log, None)
        own = work.of(customer)
        days = np.unique(own.day)
        asked = (task.asked(own.until(day), day, self._learned.code) for day in days)
        members = np.array([task._says(self._learned, one)[-1, 1:] for one in asked])
        return segment_profiles.live(days, members, margin)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """The profiles."""
        return {PROFILES: self.source.view.table(self._standing(log, None))}

    @one_thread
    def drawn_further(self, log: EventLog) -> dict[str, bytes]:
        """The profiles as a picture."""
        return {PROFILES: self.source.view.drawn(self._standing(log, None))}

    @one_thread
    def _standing(self, log: EventLog, at: Day | None) -> Standing:
        task, work, origin = self._ready(log, at)
        asked = task.asked(work, origin, self._learned.code)
        said = task._says(self._learned, asked)
        return Standing(
            work.customers[asked.group], said[:, 1:], asked.facts, self._learned.calibration, work.value is not None
        )
