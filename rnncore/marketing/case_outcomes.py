"""What `outcome.py` and `outcome_kind.py` share: which events are cases, and what their parts are worth.

Each event with an outcome is a case. In time order: the network learns from cases whose outcome was known by the
origin, and those after it judge; of nine customers in ten, and the latest of the tenth stop it. The history of a case
goes on until its own time, and may reach beyond the origin. What the verdict says of history and case is measured on
the network as it is: either is blanked, and nothing is learned anew.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import leaks
from rnncore.marketing.judging.judgement import NETWORK, Judgement
from rnncore.marketing.learning import cases, features
from rnncore.marketing.learning.examples import Examples, drawn, tenth
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.marketing.verdict import compare
from rnncore.sequences import Histories

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class CaseOutcomes(Task):
    """What comes of cases, whatever the outcomes are.

    known_after: days until the outcome of an event is known (30 for "returned within 30 days"); before, the histories
    of later cases do not show it, and whatever stands in its cell, nothing is learned from it or judged by it.
    """

    _: KW_ONLY
    known_after: int = 0

    question = "What comes of the cases in the {horizon} after {origin}?"
    row = "case"
    judged_row = "case"
    needs = ("outcome",)
    uses = (*cases.ROLES, "extras")

    def check(self) -> Self:
        """As in `Task`, and the argument of its own."""
        checks.size("known_after", self.known_after, least=0)
        return super().check()

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The cases whose outcome was known on the day `end`; those of the latest horizon calibrate."""
        past = log.until(end)
        code = code or self._code(past)
        y = self._outcomes(past, code)
        rows = np.flatnonzero(~np.isnan(y) & (past.day + span(self.known_after) <= end))
        _require_both(y[rows], f"until {end}", code)
        told = cases.encode(past, rows, code, self.latest, self.known_after)
        newest = past.day[rows] > past.day[rows].max() - span(self.horizon)
        target = self._target(y[rows])
        return code, told._replace(target=target, newest=newest, watched=tenth(told.group, self.seed))

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """The cases after `origin` whose outcome was known when the log ended, and what came of them."""
        y, known = self._outcomes(log, code), log.last_day - span(self.known_after)
        rows = np.flatnonzero(~np.isnan(y) & (log.day > origin) & (log.day <= known))
        when = f"after {origin} and by {known}" if self.known_after else f"after {origin}"
        _require_both(y[rows], when, code)
        judged = cases.encode(log, rows, code, self.latest, self.known_after)
        return judged._replace(target=self._target(y[rows]))

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Of everybody known at `at` the latest event, and all whose outcome is empty."""
        past = log.until(at)
        open_ = np.isnan(self._outcomes(past, code))
        open_[past.offsets[1:] - 1] = True
        asked = cases.encode(past, np.flatnonzero(open_), code, self.latest, self.known_after)
        return asked._replace(group=log.population(at)[asked.group])

    def _code(self, past: EventLog) -> Code:
        """What is measured on the past."""
        raise NotImplementedError

    def _outcomes(self, log: EventLog, code: Code) -> Array:
        """The number of what came of each event, NaN where it is not known, (n,)."""
        raise NotImplementedError

    def _target(self, y: Array) -> Array:
        """As the loss takes it."""
        raise NotImplementedError

    def _logits(self, code: Code) -> int:
        """How many numbers the network gives."""
        raise NotImplementedError

    def network(self, code: Code) -> Layer:
        """A GRU over the history and the case, its last output, a logit or one for each kind."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Last(), rc.Dense(self.units, self._logits(code)))

    def blank(self, values: Array, code: Code) -> Array:
        """Average events whose outcomes are not known, and an average case."""
        inputs = self.inputs(code)
        return np.where(np.array(inputs) == "closing", values, features.average(values, inputs, code))

    def inputs(self, code: Code) -> list[str]:
        """The columns of `cases`."""
        return cases.names(code)

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The latest events before the case, and the case."""
        before = int((own.time < own.time[-1]).sum())
        return [*((features.called(own, k), k) for k in range(before - number + 1, before)), ("the case", None)]

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """What history and case are worth, what the flags come to, and a warning of columns that know the outcome."""
        says = {
            "history": self._says(
                learned, asked._replace(histories=cases.without_history(asked.histories, learned.code))
            ),
            "case": self._says(learned, asked._replace(histories=cases.without_case(asked.histories, learned.code))),
        }
        said = {NETWORK: held.prediction[NETWORK], **says}
        parts = compare(held.target, said, self.measure, reference="history", groups=asked.group, seed=self.seed)
        words = [_worth(parts, asked.histories), self._flags(held, learned.code)]
        if self.measure.ranks:  # of yes and no
            y = self._outcomes(log, learned.code)
            rows = drawn(np.flatnonzero(~np.isnan(y)), leaks.SEARCHED, self.seed)  # those that judge may be few
            own = cases.known_of(log, rows)
            words.append(leaks.warning(*own, y[rows], "Was this column known before the outcome", self.seed))
        return words

    def _flags(self, held: HeldOut, code: Code) -> str:
        """How good what is answered is, in words."""
        raise NotImplementedError


def _worth(parts: Judgement, histories: Histories) -> str:
    """How much of the network's score comes from history and how much from the case, in words."""
    if (histories.lengths == 1).all():
        return "No case has a history: it adds nothing, and all that the network knows comes from the case."
    words = []
    for name in ("history", "case"):
        gap = parts[name].gap
        unsure = "" if gap.low > 0 else ", which is not clearly more than nothing"
        unsure = ", lower than with it" if gap.high < 0 else unsure
        words.append(f"by {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] without the {name}{unsure}")
    return f"The network's log-loss changes {'; '.join(words)}."


def _require_both(y: Array, when: str, code: Code) -> None:
    """DataError where all outcomes are alike."""
    if len(y) == 0 or np.ptp(y) == 0:
        came = f"no case has a known outcome {when}"
        if len(y):
            kind = repr(code["kinds"][int(y[0])]) if "kinds" in code else f"{y[0]:.0f}"
            came = f"all {len(y)} outcomes {when} are {kind}"
        raise DataError(f"{came}: there is nothing to tell apart; try another horizon")
