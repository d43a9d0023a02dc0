"""What `segments.py` says beside the segments: what each is, where a customer stands, why, and how steady they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import encoding, features
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned, outputs
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day
from rnncore.marketing.segmenting import clusters, segment_learning, segment_profiles, table_source
from rnncore.marketing.segmenting import segment_sources as sources
from rnncore.marketing.segmenting.segment_profiles import Standing
from rnncore.marketing.task import Code, HeldOut, Task

Array = NDArray[Any]
PROFILES = "The segments, each with the customer nearest its centre"


class SegmentAnswers(Task):
    """A task of groups: what is grouped, asked and judged is of its source, known from the columns of a log."""

    by: str
    groups: int
    source: sources.LogWindows | table_source.Table

    unit = "membership of the segment"
    printed = (PROFILES,)

    def encoder(self, code: Code) -> list[Layer]:
        """The layers that give the code of a customer."""
        raise NotImplementedError

    def _source(self, log: EventLog) -> sources.LogWindows | table_source.Table:
        """The source, by the columns of the first log that comes."""
        if not hasattr(self, "source"):
            self._settle(log.reading)
        return self.source

    def _settle(self, reading: Mapping[str, Any]) -> None:
        if "time" in reading:
            kind = sources.ColumnWindows if self.by == "static" else sources.LogWindows
            found: sources.LogWindows | table_source.Table = kind(self.horizon, latest=self.latest, seed=self.seed)
        else:
            found = table_source.Table("outcome" in reading, self.seed)
        self.source, self.question, self.came = found, found.question, found.came
        self.taught, self.measure, self.reference = found.taught, found.measure, found.reference

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        for one in (self, used):
            one._settle(reading)
        super()._keep(used, learned, until, reading)

    def judged_when(self, origin: np.datetime64) -> str:
        """Of a table no day is said."""
        return self.source.judged_when(origin)

    def inputs(self, code: Code) -> list[str]:
        """The columns of `encoding`, or of the customers."""
        return features.names(code["static"]) if self.by == "static" else encoding.names(code["masks"], code["beside"])

    def blank(self, values: Array, code: Code) -> Array:
        """Average events, or an average customer."""
        return self.source.blank(values, code)

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The latest days with events and a closing step, or the customer's own columns."""
        return self.source.steps(own, at, code, number)

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
        """As in `Task`; of a table without an outcome, where it is judged, distances from the means of segments."""
        if self.source.rated or asked.target is None:
            return super()._says(learned, asked)
        model, past = self.network(learned.code), asked.facts.told
        own, other = (outputs(model, learned.params, rows).argmax(axis=1) for rows in (asked.histories, past))
        return table_source.distances(asked.facts.columns, own, np.asarray(past.values, np.float64), other)

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
        task, work, _ = self._ready(log, None)
        if not log.dated:
            raise DataError("a table has no days on which a customer could have been in another segment")
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
