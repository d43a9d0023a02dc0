"""Journey: after each touch, will a conversion follow and what comes next; and which touches get the credit for it.

    history       the latest events of a customer: kind, gap, value and extra columns (features.py)
    head, loss    GRU, attention asked by the last step, one logit for a conversion within the horizon and one for each
                  kind of event that may come next (or nothing); the sum of both cross-entropies
    decoding      P(conversion), calibrated on the latest complete window
    must beat     Markov chains of order 1 and 2, logistic regression, the same without channels, the constant rate

An event called `convert` is a conversion, all others are touches. Journeys without a conversion belong in the log.
Where no column `order` is named, events of one time have no order: the question comes after all of them. Credit says
what the network, or a rule, takes a touch to be worth; it is no experiment. On made-up journeys with known effects
(benchmarks/attribution.md) removal by the network misplaces 8 % of the credit, the best rule 24 %, as long as all
customers meet the same channels; where those who would buy anyway meet some of them more often, removal misplaces 39 %,
the best rule 28 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError, DataError
from rnncore.marketing.answers import explain as explaining
from rnncore.marketing.customers.items import cut
from rnncore.marketing.events import EventLog
from rnncore.marketing.journeys import journey_views
from rnncore.marketing.journeys import touches as journeys
from rnncore.marketing.journeys.journey_head import FIRST, converts_and_next
from rnncore.marketing.journeys.touches import Credit, Facts, Moment
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples, Learned, drawn, outputs, tenth
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.learning.windows import require_both_outcomes
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.sequences import Histories

Array = NDArray[Any]
JUDGED, TAUGHT = 20_000, 50_000  # moments, at most
CREDIT = "Credit for the conversions, by method"


@dataclass(eq=False, repr=False)
class Journey(Task):
    """Probability that a conversion follows within the horizon of a customer's last event, and credit for conversions.

    convert: the word in the column `event` that is a conversion. window: days without an event that end a journey;
    None: the horizon. The other arguments are those of `Task`. `predict` gives conversion_probability;
    `next_events` what comes next, `moments` what each kind of touch changes, `transitions` and `handover` how kinds
    follow each other, `attribution` the credit by all methods.

    >>> import polars as pl
    >>> from rnncore.datasets import journeys
    >>> found = journeys(customers=300, seed=0)
    >>> log = EventLog(found.frame, customer="customer", time="time", event="event", channel="channel")
    >>> task = Journey(horizon=14, convert="conversion", units=4, epochs=2, backend="numpy", seeds=1).fit(log)
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
    unit = "probability of a conversion"
    needs = ("event",)
    uses = ("event", "channel", "value", "order", "extras")
    judged_over = 2
    printed = (CREDIT,)
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
        test = log.last_day - span(2 * self.horizon)
        if test - span(2 * self.horizon) < log.first_day:
            raise DataError(
                f"the log runs from {log.first_day} to {log.last_day}; four horizons must fit: choose a shorter one"
            )
        return test

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """Moments whose horizon is over on the day `end`, at most 50,000; those of the latest horizon calibrate."""
        log = log.until(end)
        names, won = journeys.kinds(log, self.convert)
        if not won.any():
            there = log.category("event").listed()
            raise DataError(
                f"no event until {end} is {self.convert!r} (there are {there}): say with convert= what a conversion is"
            )
        levels, count = np.unique(names.astype(str), return_counts=True)
        known = [str(levels[k]) for k in np.argsort(-count, kind="stable")[:50] if count[k] >= 5]
        code = code or {"kinds": known, "columns": features.measure(self._columns(log))}
        at = journeys.moments(log, won)
        at = drawn(at[log.day[at] <= end - span(self.horizon)], TAUGHT, self.seed)
        told = self._encode(log, code, at, True)
        require_both_outcomes(told.target[:, 0] if len(at) else np.zeros(0), f"until {end}")
        newest = log.day[at] > end - span(2 * self.horizon)
        return code, told._replace(newest=newest, watched=tenth(told.group, self.seed))

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Moments after `origin` whose horizon is over when the log ends, at most 20,000, and what came."""
        at = journeys.moments(log, journeys.kinds(log, self.convert)[1])
        at = at[(log.day[at] > origin) & (log.day[at] <= log.last_day - span(self.horizon))]
        asked = self._encode(log, code, drawn(at, JUDGED, self.seed), True)
        require_both_outcomes(asked.target[:, 0] if len(at) else np.zeros(0), f"after {origin}")
        return asked._replace(target=asked.target[:, 0])

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`, after their last event."""
        index, log = log.population(at), log.until(at)
        return self._encode(log, code, log.offsets[1:] - 1, False)._replace(group=index)

    def network(self, code: Code) -> Layer:
        """A GRU over the events, attention that the last of them asks for, and the logits."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        pool = rc.Attention(self.units, self.units, query="last")
        return rc.Stack(gru, pool, rc.Dense(self.units, 1 + self._classes(code)))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """P(conversion)."""
        return {"conversion_probability": prediction}

    def rivals(self, told: Examples, asked: Examples) -> dict[str, Array]:
        """P(conversion) by the simple methods."""
        return dict(journeys.simple_methods(told, asked))

    def inputs(self, code: Code) -> list[str]:
        """The columns of a step."""
        return features.names(code["columns"])

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """Critical moments, what follows what, and, where touches led to conversions, credit and hand-overs."""
        found: dict[str, Mapping[str, list[str]]] = {
            "What a touch changes, the critical moments first": journey_views.of_moments(self.moments(log)),
            "What comes next, as counted": journey_views.of_transitions(*self.transitions(log)),
        }
        try:
            hands = self.handover(log)
        except DataError:  # no touch led to a conversion
            return found
        credit = self.attribution(log, journeys_read=50)
        found[CREDIT] = credit.columns()
        found["In which 95 % of it lies when journeys are drawn anew"] = journey_views.of_intervals(credit)
        found["Which channel hands over to which, in journeys that convert"] = journey_views.of_handover(*hands)
        return found

    @one_thread
    def next_events(self, log: EventLog) -> Any:
        """A dataframe of the log's kind: P(what comes next within the horizon) of each customer, a column per kind."""
        task, work, origin = self._ready(log, None)
        asked = task.asked(work, origin, self.code_)
        p = softmax(outputs(self.network_, self.params_, asked.histories)[:, 1:], axis=1)
        columns = {name: p[:, k] for k, name in enumerate(["nothing", *self.code_["kinds"], "other"])}
        return work.frame(columns, asked.group)

    @one_thread
    def moments(self, log: EventLog) -> list[Moment]:
        """What the network says after events of each kind, the largest change first: the critical moments."""
        task, work, _ = self._ready(log, None)
        names, won = journeys.kinds(work, self.convert)
        at = drawn(journeys.moments(work, won), JUDGED, task.seed)
        at = at[at > work.offsets[work.codes[at]]]  # with an event before
        after, before = [task._says(self._learned, task._encode(work, self.code_, k, False)) for k in (at, at - 1)]
        return journey_views.moments(names[at], after, before)

    def transitions(self, log: EventLog) -> tuple[list[str], Array]:
        """Kinds, and P(next | kind) (V, V + 1) as counted in the log; the last column: nothing more of the customer."""
        return journey_views.transitions(log, self.convert)

    def handover(self, log: EventLog) -> tuple[tuple[str, ...], Array]:
        """Channels, and how often each (row) hands over to each (column) in journeys that convert, (C, C)."""
        return journey_views.handover(journeys.cut(log, self.convert, self.window or self.horizon).paths)

    @one_thread
    def attribution(self, log: EventLog, journeys_read: int = 200) -> Credit:
        """Credit for the conversions of the log by rules, Markov chains, Shapley values, and by the network.

        The network reads at most `journeys_read` of the journeys that convert: "removal" without each touch, "gradient"
        by integrated gradients, "attention"; what a touch adds to P(conversion), below 0 as 0, shared out within each.
        """
        task, work, _ = self._ready(log, None)
        found = journeys.cut(work, self.convert, self.window or self.horizon)
        seen = drawn(np.flatnonzero(found.paths.converted), checks.size("journeys_read", journeys_read), task.seed)

        def explained(own: EventLog) -> explaining.Explanation:
            return explaining.explain(task, self._learned, own, own.customers[0], own.last_day)

        return journeys.credit(found, journey_views.worths(work, found, seen, explained), seen, self.seed)

    def _classes(self, code: Code) -> int:
        return len(code["kinds"]) + 2

    def _columns(self, log: EventLog) -> Any:
        roles = [role for role in ("event", "channel", "value") if role in log.reading]
        return features.of_events(log, [*roles, *log.reading.get("extras", [])])

    def _encode(self, log: EventLog, code: Code, at: Array, labelled: bool) -> Examples:
        """The moments after the events `at`."""
        names, won = journeys.kinds(log, self.convert)
        kind = journeys.coded(names, code["kinds"])
        rows = features.encode(self._columns(log), code["columns"])
        low = np.maximum(log.offsets[log.codes[at]], at + 1 - self.latest)
        place = cut(np.arange(len(log)), low, at + 1)
        target, after = journeys.came(log, won, at, self.horizon)
        facts = journeys.facts(log, kind, len(code["kinds"]), at, after if labelled else None)
        histories = Histories(rows[place.values], place.offsets)
        both = None if facts.next is None else np.column_stack([target, facts.next]).astype(np.float32)
        return Examples(histories, group=log.codes[at], target=both, facts=facts)

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """How likely the network, and chains, held what came next to be."""
        facts: Facts = asked.facts
        said = outputs(self.network(learned.code), learned.params, asked.histories)[:, 1:]
        assert facts.next is not None
        own = -float(np.take_along_axis(log_softmax(said, axis=1), facts.next[:, None], axis=1).mean())
        told = self.told(log, held.origin, learned.code)[1].facts
        chains = journeys.next_losses(told, facts, self._classes(learned.code))
        others = ", ".join(f"{name} {loss.mean():.4f}" for name, loss in chains.items())
        return [f"What comes next: log-loss rnn {own:.4f}, {others}."]
