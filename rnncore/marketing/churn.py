"""Churn: who will not be back within the horizon, from a log of events.

    history       encoding.py: a step per day with an event, and a closing step that asks about a window of some length
    head, loss    GRU, its last output, one logit; cross-entropy of "an event in the window"; windows of three lengths
    decoding      the probability, calibrated on the latest complete windows
    must beat     recency rule, RFM logistic regression, BG/NBD, and the constant rate

Static columns and the calendar are read too, see beside.py, by the network and by the two logistic regressions that say
so. A static column that alone knows who came back is named beside the verdict, see leaks.py. The network learns from
nine customers in ten and stops by the newest windows of the tenth; all windows of a customer are on one side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore.contract import Layer
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.baselines import simple_methods
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import leaks
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning import beside, features
from rnncore.marketing.learning.encoding import Summary, encode, has_gaps, names
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.learning.scaling import Scale, apply_scale, fit_scale
from rnncore.marketing.learning.windows import asked_at, require_both_outcomes, stayed, windows
from rnncore.marketing.log.columns import Columns
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Facts(NamedTuple):
    """What the simple methods read of N windows."""

    summary: Summary
    further: Array
    """Columns of the calendar and of the customers, see `beside.py`, (N, B)."""
    length: Floats
    """Days in the window, (N,)."""
    returned: Floats
    """1 where there was an event in the window, else 0, (N,); empty where that is not known."""
    latest: NDArray[np.bool_]
    """Which are of the newest window as long as the horizon, (N,)."""


class Churn(Task):
    """Probability that a customer has no event in the next `horizon` days; the other arguments are those of `Task`.

    `predict` gives churn_probability and return_probability, which add up to 1.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount", items="items")
    >>> churn = Churn(horizon=181, units=8, epochs=1, backend="numpy", seeds=1).fit(log)
    >>> churn.predict(log).columns
    ['customer', 'churn_probability', 'return_probability']
    """

    name = "churn"
    example = "rnncore fit churn shop.csv --customer client_id --time bought_at --value amount --horizon 90 --out shop"

    unfit: ClassVar[tuple[str, ...]] = ()  # simple methods that cannot answer this question
    question = "Back within {horizon} of {origin}?"
    came = "were back"
    stays: ClassVar[str] = "has an event"

    def prepare(self, log: EventLog) -> EventLog:
        """One event per customer and day."""
        return log.per_day()

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The windows that are complete on the day `end`, and the scale of their steps."""
        masks, known = self._measured(log.until(end)) if code is None else (code["masks"], code["beside"])
        found = windows(log, end, self.horizon, self.latest, masks, known)
        require_both_outcomes(found.returned, f"{self.stays} in the training windows")
        latest = found.newest & (found.length == self.horizon)
        require_both_outcomes(
            found.returned[latest], f"{self.stays} in the {counted(self.horizon, 'day')} before {end}"
        )
        scale = fit_scale(found.histories)
        told = Examples(
            apply_scale(found.histories, scale),
            group=found.person,
            target=found.returned[:, None].astype(np.float32),
            newest=found.newest,
            watched=tenth(found.person, self.seed),
            facts=Facts(found.summary, found.histories.further, found.length, found.returned, latest),
        )
        measured = {"mean": scale.mean.tolist(), "deviation": scale.deviation.tolist(), "masks": masks}
        return {**measured, "beside": known}, told

    def _measured(self, past: EventLog) -> tuple[bool, Code]:
        """Whether the past has gaps, and the code of what is known beside it."""
        return has_gaps(past), self._beside(past)

    def _beside(self, past: EventLog) -> Code:
        """The code of what is known beside the events."""
        return beside.measure(past)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Everybody known at `origin`, and who of them had an event in the `horizon` days after it."""
        asked = self.asked(log, origin, code)
        returned = stayed(log, origin, self.horizon)[asked.group]
        require_both_outcomes(returned, f"{self.stays} in the {counted(self.horizon, 'day')} after {origin}")
        return asked._replace(target=returned)

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`, asked about the `horizon` days after it."""
        if features.names(code["beside"]["calendar"]):
            self._require_calendar(log, at)
        who, masks = asked_at(log, at), code["masks"]
        steps = encode(log, [(who, at, self.horizon)], self.horizon, self.latest, masks, code["beside"])
        scale, n = Scale(np.array(code["mean"]), np.array(code["deviation"])), len(who.who)
        facts = Facts(steps.summary, steps.further, np.full(n, float(self.horizon)), np.zeros(0), np.ones(n, bool))
        return Examples(apply_scale(steps, scale), group=who.who, facts=facts)

    def require_answers(self, log: EventLog) -> None:
        """DataError where a calendar for everybody ends before the days that are asked about at the end of the log."""
        if features.names(self._beside(log)["calendar"]):
            self._require_calendar(log, log.last_day)

    def _require_calendar(self, log: EventLog, at: np.datetime64) -> None:
        if log.calendar is not None and log.calendar.customers is None:
            log.calendar.require(at + span(self.horizon), log.customers[:1])

    def network(self, code: Code) -> Layer:
        """A GRU over the steps of a history, its last output, one logit."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Last(), rc.Dense(self.units, 1))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """Both probabilities."""
        return {"churn_probability": 1 - prediction, "return_probability": prediction}

    unit = "probability of return"

    def blank(self, values: Array, code: Code) -> Array:
        """Average events, and the same question."""
        kept = np.isin(inputs := self.inputs(code), ("closing", "length"))
        return np.where(kept, values, features.average(values, inputs, code))

    def inputs(self, code: Code) -> list[str]:
        """The columns of `encoding`."""
        return names(code["masks"], code["beside"])

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The latest days with events, and the closing step."""
        days = super().steps(own, at, code, number - 1)
        return [*((name[:10], event) for name, event in days), ("now", None)]

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """Probabilities of return by the simple methods."""
        facts: Facts = told.facts
        methods = simple_methods(*facts, asked.facts.summary, asked.facts.further, self.horizon, self.unfit)
        rate = float(facts.returned[facts.latest].mean())
        return {**methods, CONSTANT: np.full(len(asked.group), rate)}

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """A warning of static columns that know what came after the origin."""
        return [self._leaks(asked, held.origin, log)]

    def _leaks(self, asked: Examples, origin: np.datetime64, log: EventLog) -> str:
        own, summary = beside.static(log).take(asked.group), asked.facts.summary
        done = {f"{name} until then": column.copy() for name, column in zip(Summary._fields, summary, strict=True)}
        question = f"Was this column of the customers known on {origin}"
        return leaks.warning(own, Columns(done), np.ravel(asked.target), question, self.seed)
