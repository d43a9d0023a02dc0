"""What segments are made of and judged by, for `segments.py`, which has one of these.

LogWindows       customers by what they did: the windows of `churn.py`, of which the latest of the whole horizon are
                 grouped and have a rate of return
ColumnWindows    the same windows, customers by their own columns
Table            a row per customer and no times: `table_source.py`
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.churn import Churn
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning import beside, features
from rnncore.marketing.learning.encoding import summarise
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.windows import asked_of, stayed
from rnncore.marketing.log.columns import Columns
from rnncore.marketing.log.days import span
from rnncore.marketing.segmenting import clusters, segment_profiles
from rnncore.marketing.segmenting.clusters import Past
from rnncore.marketing.task_parts import Code, Rival, Told
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LogWindows(Churn):
    """Customers by what they did, without what is known beside it."""

    dated = True
    rated = True
    """Whether segments have a rate, by which they are judged."""
    rate = "return_rate"
    """What that is called."""
    view: Any = segment_profiles
    """Says and draws what segments are."""

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The windows of `Churn`; the facts are those of the windows that are grouped."""
        code, told = super().told(log, end, code)
        origin = end - span(self.horizon)
        history, index = asked_of(log, origin)
        came = stayed(log, origin, self.horizon)[index]
        past = Past(summarise(history, origin), clusters.series(history, origin), came)
        return code, told._replace(newest=told.facts.latest, facts=past)

    def _beside(self, past: EventLog) -> Code:
        return beside.nothing()

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`."""
        asked, (history, _) = super().asked(log, at, code), asked_of(log, at)
        return asked._replace(facts=Past(asked.facts.summary, clusters.series(history, at)))

    def simple(self, told: Past, asked: Past, groups: int) -> dict[str, Rival]:
        """The rate of each customer's group, by the simple groupings."""
        assert told.returned is not None
        rate = np.full(len(asked.series), float(told.returned.mean()))
        return {**clusters.simple_rates(told, asked, groups, self.seed), CONSTANT: rate}

    def leaks(self, asked: Examples, origin: np.datetime64, log: EventLog, code: Code) -> str:
        """A warning of columns that know what is judged, or nothing."""
        return self._leaks(asked, origin, log)


def steps(own: Columns, code: Code) -> Histories:
    """Customers' own columns as histories of one step each."""
    values = features.encode(own, code["static"])
    return Histories(values, np.arange(len(values) + 1))


class OneStep:
    """What `explain` asks, where a history is one step: the customer's own columns."""

    def blank(self, values: Array, code: Code) -> Array:
        """An average customer."""
        return features.average(values, features.names(code["static"]), code)

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """One step, which is no event."""
        return [("own columns", None)]


class ColumnWindows(OneStep, LogWindows):
    """The same windows, of customers by their own columns alone."""

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """As in `LogWindows`, with a code of the customers' columns."""
        (measured, told), own = super().told(log, end, code), beside.static(log.until(end))
        code = {**measured, "static": code["static"] if code else features.measure(own)}
        return code, told._replace(histories=steps(own.take(told.group), code))

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`."""
        asked = super().asked(log, at, code)
        return asked._replace(histories=steps(beside.static(log).take(asked.group), code))
