"""What `journey.py` answers beside its probabilities: what comes next, critical moments, hand-overs, credit.

Credit says what the network, or a rule, takes a touch to be worth; it is no experiment. On made-up journeys with known
effects (benchmarks/attribution.md) removal by the network misplaces 8 % of the credit, the best rule 24 %, as long as
all customers meet the same channels; where those who would buy anyway meet some of them more often, removal misplaces
39 %, the best rule 28 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from rnncore import checks
from rnncore.errors import DataError
from rnncore.marketing.answers import explain as explaining
from rnncore.marketing.events import EventLog
from rnncore.marketing.journeys import journey_views as views
from rnncore.marketing.journeys import touches as journeys
from rnncore.marketing.journeys.touches import Credit, Moment
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples, drawn
from rnncore.marketing.learning.networks import Learned, outputs
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.task import Code, HeldOut, Task

Array = NDArray[Any]
Floats = NDArray[np.float64]
JUDGED = 20_000  # moments, at most
CREDIT = "Credit for the conversions, by method"
VOID = "; where nothing has signal, what the network says (removal, gradient, attention) is chance"


class JourneyAnswers(Task):
    """What a fitted `Journey` says of touches and channels."""

    convert: str
    window: int | None

    unit = "probability of a conversion"
    blanked = "as long but of touches of no kind and no channel"
    printed = (CREDIT,)

    def _encode(self, log: EventLog, code: Code, at: Array, labelled: bool) -> Examples:
        """The moments after the events `at`, and what came, where that is to be known."""
        raise NotImplementedError

    def inputs(self, code: Code) -> list[str]:
        """The columns of a step."""
        return features.names(code["columns"])

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """How likely the network, and chains, held what came next to be."""
        said, came = outputs(self.network(learned.code), learned.params, asked.histories)[:, 1:], asked.facts.next
        own = -float(np.take_along_axis(log_softmax(said, axis=1), came[:, None], axis=1).mean())
        told = self.told(log, held.origin, learned.code)[1].facts
        chains = journeys.next_losses(told, asked.facts, said.shape[1])
        others = ", ".join(f"{name} {loss.mean():.4f}" for name, loss in chains.items())
        return [f"What comes next: log-loss rnn {own:.4f}, {others}."]

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """Critical moments, what follows what, and, where touches led to conversions, credit and hand-overs."""
        found: dict[str, Mapping[str, list[str]]] = {
            "What a touch changes, the critical moments first": views.of_moments(self.moments(log)),
            "What comes next, as counted": views.of_transitions(*self.transitions(log)),
        }
        try:
            hands = self.handover(log)
        except DataError:  # no touch led to a conversion
            return found
        credit = self.attribution(log, journeys_read=50)
        return found | {
            CREDIT + (VOID if getattr(self, "verdict_", "") == "no signal" else ""): credit.columns(),
            "In which 95 % of it lies when journeys are drawn anew": views.of_intervals(credit),
            "Which channel hands over to which, in journeys that convert": views.of_handover(*hands),
        }

    @one_thread
    def next_events(self, log: EventLog) -> Any:
        """A dataframe of the log's kind: P(what comes next within the horizon) of each customer, a column per kind."""
        task, work, origin = self._ready(log, None)
        asked = task.asked(work, origin, self.code_)
        p = softmax(outputs(self.network_, self.params_, asked.histories)[:, 1:], axis=1)
        return work.frame(dict(zip(["nothing", *self.code_["kinds"], "other"], p.T, strict=True)), asked.group)

    @one_thread
    def moments(self, log: EventLog) -> list[Moment]:
        """What the network says after events of each kind, the largest change first: the critical moments."""
        task, work, _ = self._ready(log, None)
        kinds, won = journeys.kinds(work, task.convert)
        at = drawn(journeys.moments(work, won), JUDGED, task.seed)
        at = at[at > work.offsets[work.codes[at]]]  # with an event before
        after, before = (task._says(self._learned, task._encode(work, self.code_, k, False)) for k in (at, at - 1))
        found, mean = [], float(after.mean())
        for kind in np.unique(kinds.codes[at]):
            own = kinds.codes[at] == kind
            p, change = float(after[own].mean()), float((after - before)[own].mean())
            found.append(Moment(str(kinds.levels[kind]), int(own.sum()), p, p / mean, change))
        return sorted(found, key=lambda moment: -abs(moment.change))

    def transitions(self, log: EventLog) -> tuple[list[str], Array]:
        """Kinds, and P(next | kind) (V, V + 1) as counted in the log; the last column: nothing more of the customer."""
        self._require_log(log)
        task = self._used if hasattr(self, "_used") else self  # what is counted needs no fit
        kinds, _ = journeys.kinds(log, task.convert)
        count = np.zeros((len(kinds.levels), len(kinds.levels) + 1))
        after = np.append(kinds.codes[1:], 0)
        after[log.offsets[1:] - 1] = len(kinds.levels)
        np.add.at(count, (kinds.codes, after), 1.0)
        return kinds.levels.tolist(), count / count.sum(axis=1, keepdims=True)

    def handover(self, log: EventLog) -> tuple[tuple[str, ...], Array]:
        """Channels, and how often each (row) hands over to each (column) in journeys that convert, (C, C)."""
        self._require_log(log)
        task = self._used if hasattr(self, "_used") else self
        paths = journeys.cut(log, task.convert, task.window or task.horizon).paths
        inner = np.setdiff1d(np.arange(len(paths.codes)), paths.offsets[1:] - 1)
        count = np.zeros((len(paths.channels),) * 2)
        np.add.at(count, (paths.codes[inner], paths.codes[inner + 1]), paths.converted[paths.path[inner]])
        return paths.channels, count

    @one_thread
    def attribution(self, log: EventLog, journeys_read: int = 200) -> Credit:
        """Credit for the conversions of the log by rules, Markov chains, Shapley values, and by the network.

        The network reads at most `journeys_read` of the journeys that convert: "removal" without each touch, "gradient"
        by integrated gradients, "attention"; what a touch adds to P(conversion), below 0 as 0, shared out within each.
        """
        task, work, _ = self._ready(log, None)
        found = journeys.cut(work, task.convert, task.window or task.horizon)
        seen = drawn(np.flatnonzero(found.paths.converted), checks.size("journeys_read", journeys_read), task.seed)
        worth: dict[str, list[Floats]] = {"removal": [], "gradient": [], "attention": []}
        for p in seen:
            size = int(found.paths.offsets[p + 1] - found.paths.offsets[p])
            for name, steps in self._taken_apart(work, int(found.first[p]) + size).items():
                touch, read = np.zeros(size), min(size, len(steps))
                touch[size - read :] = steps[len(steps) - read :]
                worth[name].append(np.maximum(touch, 0.0))
        ends = {name: np.concatenate(touches) for name, touches in worth.items()}
        return journeys.credit(found, ends, seen, task.seed)

    def _taken_apart(self, log: EventLog, end: int) -> dict[str, Floats]:
        """What the steps before the event `end` of the log add to the answer of its customer then, by method."""
        who = log.codes[end - 1 : end]
        own = log.among(who)
        own = own.where(np.arange(len(own)) < end - log.offsets[who[0]])
        taken = explaining.explain(self._used, self._learned, own, own.customers[0], own.last_day)
        return {
            "removal": np.nan_to_num(taken.removal),
            "gradient": taken.gradient.sum(axis=1),
            "attention": np.zeros(0) if taken.attention is None else taken.attention,
        }
