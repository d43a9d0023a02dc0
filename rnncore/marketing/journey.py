"""Journey: after each touch, will a conversion follow and what comes next; and which touches get the credit for it.

    history       the latest events of a customer: kind, gap, value and extra columns (features.py)
    head, loss    GRU, attention asked by the last step, one logit for a conversion within the horizon and one for each
                  kind of event that may come next (or nothing); the sum of both cross-entropies
    decoding      P(conversion), calibrated on the latest complete window
    must beat     Markov chains of order 1 and 2, logistic regression, the same without channels, the constant rate

An event called `convert` is a conversion, all others are touches. Journeys without a conversion belong in the log.
Where no column `order` is named, events of one time have no order: the question comes after all of them. What else
it answers, of touches and channels: `journey_answers.py`.
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
from rnncore.errors import ContractError, DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.customers.items import cut
from rnncore.marketing.events import EventLog
from rnncore.marketing.journeys import touches as journeys
from rnncore.marketing.journeys.journey_answers import JUDGED, JourneyAnswers
from rnncore.marketing.journeys.journey_head import FIRST, converts_and_next
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples, drawn, tenth
from rnncore.marketing.learning.windows import require_both_outcomes
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, Told
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]
TAUGHT = 50_000  # moments, at most


@dataclass(eq=False, repr=False)
class Journey(JourneyAnswers):
    """Probability that a conversion follows within the horizon of a customer's last event, and credit for conversions.

    convert: the word in the column `event` that is a conversion. window: days without an event that end a journey;
    None: the horizon. The other arguments are those of `Task`. `predict` gives conversion_probability;
    `next_events` what comes next, `moments` what each kind of touch changes, `transitions` and `handover` how kinds
    follow each other, `attribution` the credit by all methods. A row is a touch: of whole paths with their numbers of
    conversions ("search > mail") `paths` in marketing/journeys/attribution.py makes what its rules give credit to.

    >>> import polars as pl
    >>> from rnncore.datasets import journeys
    >>> found = journeys(customers=300, seed=0)
    >>> log = EventLog(found.frame, customer="customer", time="time", event="event", channel="channel")
    >>> task = Journey(horizon=14, convert="conversion", units=4, epochs=1, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['customer', 'conversion_probability']
    """

    horizon: int = 30
    _: KW_ONLY
    convert: str = "conversion"
    window: int | None = None
    learning_rate: float = 5e-3
    latest: int = 20

    name = "journey"
    example = (
        "rnncore fit journey touches.csv --customer id --time at --event what --channel way --set convert=purchase "
        "--horizon 30"
    )
    question = "A conversion within {horizon} of each touch after {origin}?"
    came = "were followed by one"
    row = "customer"
    judged_row = "touch"
    needs = ("event",)
    uses = ("event", "channel", "value", "order", "extras")
    judged_over = 2
    calibration = FIRST
    loss = staticmethod(converts_and_next)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        if not isinstance(self.convert, str) or not self.convert:
            raise ContractError(
                "convert", "a word of the column event", repr(self.convert), "name what is a conversion"
            )
        if self.window is not None:
            checks.size("window", self.window)
        return super().check()

    def origin(self, log: EventLog) -> np.datetime64:
        """Two horizons before the log ends: moments of the first judge, and what comes of the last is then known."""
        journeys.require_touches(log)
        test = log.last_day - span(2 * self.horizon)
        if test - span(2 * self.horizon) < log.first_day:
            most = int((log.last_day - log.first_day).astype(np.int64)) // 4
            advice = f"choose one of {counted(most, 'day')} at most" if most else "bring a longer log"
            raise DataError(
                f"the log runs from {log.first_day} to {log.last_day}; four horizons of {counted(self.horizon, 'day')} "
                f"must fit: {advice}"
            )
        return test

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """Moments whose horizon is over on the day `end`, at most 50,000; those of the latest horizon calibrate."""
        log = log.until(end)
        kinds, won = journeys.kinds(log, self.convert)
        if not won.any():
            there = log.category("event").listed()
            raise DataError(
                f"no event until {end} is {self.convert!r} (there are {there}): say with convert= what a conversion is"
            )
        code = code or {"kinds": kinds.common(50, least=5), "columns": features.measure(self._columns(log))}
        at = journeys.moments(log, won)
        at = drawn(at[log.day[at] <= end - span(self.horizon)], TAUGHT, self.seed)
        told = self._encode(log, code, at, True)
        self._require_both(told, f"until {end}")
        newest = log.day[at] > end - span(2 * self.horizon)
        return code, told._replace(newest=newest, watched=tenth(told.group, self.seed))

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Moments after `origin` whose horizon is over when the log ends, at most 20,000, and what came."""
        at = journeys.moments(log, journeys.kinds(log, self.convert)[1])
        at = at[(log.day[at] > origin) & (log.day[at] <= log.last_day - span(self.horizon))]
        asked = self._encode(log, code, drawn(at, JUDGED, self.seed), True)
        self._require_both(asked, f"after {origin}")
        return asked._replace(target=asked.target[:, 0])

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`, after their last event."""
        index, log = log.population(at), log.until(at)
        return self._encode(log, code, log.offsets[1:] - 1, False)._replace(group=index)

    def network(self, code: Code) -> Layer:
        """A GRU over the events, attention that the last of them asks for, and the logits."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        pool = rc.Attention(self.units, self.units, query="last")
        logits = 1 + len(code["kinds"]) + 2  # a conversion; each kind next, nothing, or another kind
        return rc.Stack(gru, pool, rc.Dense(self.units, logits))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """P(conversion)."""
        return {"conversion_probability": prediction}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """P(conversion) by the simple methods."""
        return journeys.simple_methods(told, asked)

    def _require_both(self, moments: Examples, where: str) -> None:
        said = f"is followed by a conversion within {counted(self.horizon, 'day')}"
        require_both_outcomes(moments.target[:, 0], said, (f"no touch {where}", f"every touch {where}"))

    def _columns(self, log: EventLog) -> Any:
        roles = [role for role in ("event", "channel", "value") if role in log.reading]
        return features.of_events(log, [*roles, *log.reading.get("extras", [])])

    def _encode(self, log: EventLog, code: Code, at: Array, labelled: bool) -> Examples:
        """The moments after the events `at`."""
        kinds, won = journeys.kinds(log, self.convert)
        rows = features.encode(self._columns(log), code["columns"])
        low = np.maximum(log.offsets[log.codes[at]], at + 1 - self.latest)
        target, after = journeys.came(log, won, at, self.horizon)
        facts = journeys.facts(log, kinds.coded(code["kinds"]), len(code["kinds"]), at, after if labelled else None)
        both = None if facts.next is None else np.column_stack([target, facts.next]).astype(np.float32)
        return Examples(cut(rows, low, at + 1), group=log.codes[at], target=both, facts=facts)
