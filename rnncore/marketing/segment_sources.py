"""What segments are made of, for `segments.py`: a log, as `churn.py` reads it, or a table alone; and what follows of it
for how they are judged and what things are called.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing import leaks
from rnncore.marketing import segment_tables as tables
from rnncore.marketing.churn import Churn
from rnncore.marketing.columns import Columns
from rnncore.marketing.days import Day
from rnncore.marketing.events import EventLog
from rnncore.marketing.judgement import CONSTANT
from rnncore.marketing.learning import Examples, Learned, outputs
from rnncore.marketing.measures import BINARY, Measure
from rnncore.marketing.task import Task

Array = NDArray[Any]


class LogOrTable(Churn):
    """`Churn`, or the same of a table of customers; which of the two, `reading_` says from `prepare` on."""

    by: str
    groups: int

    @property
    def undated(self) -> bool:  # type: ignore[override]
        """A table will do where customers are grouped by their own columns."""
        return self.by == "static"

    @property
    def of_table(self) -> bool:
        """Whether that is what was read."""
        return "time" not in getattr(self, "reading_", {"time": None})

    @property
    def by_distance(self) -> bool:
        """Whether distances judge, for there is no outcome."""
        return self.of_table and "outcome" not in self.reading_

    @property
    def measure(self) -> Measure:  # type: ignore[override]
        """Log-loss of the rates, or distances."""
        return tables.DISTANCE if self.by_distance else BINARY

    @property
    def reference(self) -> str:  # type: ignore[override]
        """What knows nothing."""
        return tables.ONE if self.by_distance else CONSTANT

    @property
    def question(self) -> str:  # type: ignore[override]
        """What is judged, in words."""
        asked = "How far from the mean of their segment?" if self.by_distance else "Does the outcome come?"
        return f"Of the customers set aside: {asked[0].lower()}{asked[1:]}" if self.of_table else Churn.question

    @property
    def came(self) -> str:  # type: ignore[override]
        """What the rate says of people."""
        return Task.came if self.of_table else Churn.came

    @property
    def taught(self) -> tuple[str, ...]:  # type: ignore[override]
        """Of a table the outcome, which new rows need not have."""
        return ("outcome",) if self.of_table and "outcome" in self.reading_ else ()

    def judged_when(self, origin: np.datetime64) -> str:
        """Of a table no day is said."""
        return "set aside" if self.of_table else super().judged_when(origin)

    def prepare(self, log: EventLog) -> EventLog:
        """As in `Churn`; of a table, customers are set aside."""
        if not hasattr(self, "reading_"):
            self.reading_ = dict(log.reading)
        return super().prepare(log) if log.dated else tables.set_aside(log)

    def origin(self, log: EventLog) -> np.datetime64:
        """As in `Task`; of a table the day before that of the customers set aside."""
        return super().origin(log) if log.dated else log.first_day

    def judged(self, log: EventLog, origin: np.datetime64, code: dict[str, Any]) -> Examples:
        """As in `Churn`, or the customers set aside."""
        return super().judged(log, origin, code) if log.dated else tables.judged(log, origin, code)

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        used.reading_ = dict(reading)
        super()._keep(used, learned, until, reading)

    def _says(self, learned: Learned, asked: Examples) -> Array:
        if not self.by_distance or asked.target is None:
            return super()._says(learned, asked)
        model, past = self.network(learned.code), asked.facts.told
        own, other = (outputs(model, learned.params, rows).argmax(axis=1) for rows in (asked.histories, past))
        return tables.distances(asked.facts.columns, own, np.asarray(past.values, np.float64), other)

    def _leaks(self, asked: Examples, origin: np.datetime64, log: EventLog) -> str:
        if not self.of_table:
            return super()._leaks(asked, origin, log)
        question = "Was this column known before the outcome"
        return "" if self.by_distance else leaks.warning(asked.facts.own, Columns(), asked.target, question, self.seed)

    def _later(self, log: EventLog) -> tuple[Self, EventLog, np.datetime64]:
        self._require_fitted()
        if self.of_table:
            raise DataError("a table has no later days to judge by; table_ has the held-out scores of the fit")
        return super()._later(log)

    def _ready(self, log: EventLog, at: Day | None, learns: bool = False) -> tuple[Self, EventLog, np.datetime64]:
        self._require_fitted()
        if log.dated == self.of_table:
            have, want = ("log with times", "table of customers without times")[:: 1 if log.dated else -1]
            raise DataError(f"the model was fitted on a {want}; this is a {have}")
        return super()._ready(log, at, learns)
