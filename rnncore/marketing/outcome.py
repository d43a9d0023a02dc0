"""Outcome: what comes of a case (an order, a lead, a call), from the customer's history and the case's own columns.

    history       cases.py: a step per earlier event, and the case as the closing step
    head, loss    GRU, its last output, one logit; cross-entropy of the outcome
    decoding      the probability, calibrated on the cases of the latest horizon
    must beat     the customer's own past rate, logistic regression, gradient boosting, and the constant rate

Each event with an outcome is a case. In time order: the network learns from cases whose outcome was known by the
origin, and those after it judge; of nine customers in ten, and the latest of the tenth stop it. The history of a case
goes on until its own time, and may reach beyond the origin. What the verdict says of history and case is measured on
the network as it is: either is blanked, and nothing is learned anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import leaks
from rnncore.marketing.judging.judgement import CONSTANT, NETWORK, Judgement
from rnncore.marketing.learning import cases, features
from rnncore.marketing.learning.examples import Examples, Learned, drawn, tenth
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.marketing.task_parts import Rival
from rnncore.marketing.verdict import compare
from rnncore.sequences import Histories

Array = NDArray[Any]


class Outcome(Task):
    """Probability that the outcome of a case is 1, or, of two words, the second in sorted order ("yes" of "no", "yes").

    horizon: the cases of so many days at the end judge. known_after: days until the outcome of an event is known (30
    for "returned within 30 days"); before, the histories of later cases do not show it, and whatever stands in its
    cell, nothing is learned from it or judged by it. cost: of an outcome that was missed, in false alarms; who is above
    `threshold` is flagged. The other arguments are those of `Task`.

    `predict` answers for the latest event of each customer, and for all events whose outcome is empty: time,
    probability, flagged (1 or 0). `verdict_` may say that a simple method would have done; `table_.reason` goes on with
    what history and case are worth, accuracy, precision, recall and F1 at the threshold, and names columns that may
    have been filled in after the outcome.

    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> paid = rng.gamma(2.0, 20.0, 300).round()
    >>> days = pl.Series(np.datetime64("2024-01-01") + rng.integers(0, 200, 300))
    >>> orders = pl.DataFrame({"who": np.arange(300) % 40, "day": days, "paid": paid, "back": (paid > 40).astype(int)})
    >>> log = EventLog(orders, customer="who", time="day", value="paid", outcome="back")
    >>> task = Outcome(horizon=40, cost=3, units=4, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns, task.threshold
    (['who', 'time', 'probability', 'flagged'], 0.25)
    """

    name = "outcome"
    example = (
        "rnncore fit outcome orders.csv --customer client_id --time ordered_at --value amount --channel shop "
        "--outcome returned --horizon 90"
    )
    question = "What comes of the cases in the {horizon} after {origin}?"
    row = "case"
    judged_row = "case"
    unit = "probability of the outcome"
    needs = ("outcome",)
    uses = (*cases.ROLES, "extras")

    def __init__(
        self,
        horizon: int = 90,
        *,
        known_after: int = 0,
        cost: float = 1.0,
        units: int = 32,
        epochs: int = 10,
        patience: int = 2,
        batch_size: int | None = None,
        learning_rate: float = 2e-3,
        latest: int = 50,
        seed: int = 0,
        seeds: int = 3,
        backend: str = "numba",
    ) -> None:
        self._share(locals())
        self.known_after = known_after
        self.cost = cost

    @property
    def threshold(self) -> float:
        """The probability from which a flag costs less than none, if probabilities are right: 1/(1 + cost)."""
        return 1 / (1 + self.cost)

    def check(self) -> Outcome:
        """As in `Task`, and the two arguments of its own."""
        checks.size("known_after", self.known_after, least=0)
        checks.number("cost", self.cost, open_left=True)
        super().check()
        return self

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The cases whose outcome was known on the day `end`; those of the latest horizon calibrate."""
        past = log.until(end)
        code = code or self._code(past)
        y = self._outcomes(past, code)
        rows = np.flatnonzero(~np.isnan(y) & (past.day + span(self.known_after) <= end))
        _require_both(y[rows], f"until {end}")
        told = cases.encode(past, rows, code, self.latest, self.known_after)
        newest = past.day[rows] > past.day[rows].max() - span(self.horizon)
        target = self._target(y[rows])
        return code, told._replace(target=target, newest=newest, watched=tenth(told.group, self.seed))

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """The cases after `origin` whose outcome was known when the log ended, and what came of them."""
        y, known = self._outcomes(log, code), log.last_day - span(self.known_after)
        rows = np.flatnonzero(~np.isnan(y) & (log.day > origin) & (log.day <= known))
        _require_both(y[rows], f"after {origin} and by {known}" if self.known_after else f"after {origin}")
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
        return cases.measure(past)

    def _outcomes(self, log: EventLog, code: Code) -> Array:
        """1, 0 or NaN, (n,)."""
        return cases.outcomes(log, code["yes"])

    def _target(self, y: Array) -> Array:
        """As the loss takes it."""
        return y[:, None].astype(np.float32)

    def network(self, code: Code) -> Layer:
        """A GRU over the history and the case, its last output, one logit."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Last(), rc.Dense(self.units, 1))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """When the case is, its probability, and whether it is flagged."""
        flagged = (prediction >= self.threshold).astype(np.int64)
        return {"time": asked.facts.time, "probability": prediction, "flagged": flagged}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """Probabilities by the simple methods."""
        return cases.simple_methods(told, asked)

    def blank(self, values: Array, code: Code) -> Array:
        """Average events whose outcomes are not known, and an average case."""
        return np.where(np.array(self.inputs(code)) == "closing", values, 0.0)

    def inputs(self, code: Code) -> list[str]:
        """The columns of `cases`."""
        return cases.names(code)

    def steps(self, own: EventLog, number: int) -> list[tuple[str, int | None]]:
        """The latest events before the case, and the case."""
        before = int((own.time < own.time[-1]).sum())
        return [*((features.called(own, k), k) for k in range(before - number + 1, before)), ("the case", None)]

    def _compare(
        self, learned: Learned, asked: Examples, rivals: dict[str, Array], origin: np.datetime64, log: EventLog
    ) -> tuple[Judgement, HeldOut]:
        table, held = super()._compare(learned, asked, rivals, origin, log)
        says = {
            "history": self._says(
                learned, asked._replace(histories=cases.without_history(asked.histories, learned.code))
            ),
            "case": self._says(learned, asked._replace(histories=cases.without_case(asked.histories, learned.code))),
        }
        said = {NETWORK: held.prediction[NETWORK], **says, CONSTANT: rivals[CONSTANT]}
        parts = compare(held.target, said, self.measure, reference=CONSTANT, groups=asked.group, seed=self.seed)
        words = [table.reason, _worth(parts, asked.histories), self._flags(held)]
        if self.measure.ranks:  # of yes and no
            y = self._outcomes(log, learned.code)
            rows = drawn(np.flatnonzero(~np.isnan(y)), leaks.SEARCHED, self.seed)  # those that judge may be few
            own = cases.known_of(log, rows)
            words.append(leaks.warning(*own, y[rows], "Was this column known before the outcome", self.seed))
        return replace(table, reason=" ".join(filter(None, words))), held

    def _flags(self, held: HeldOut) -> str:
        """What the flags of the network come to, in words."""
        y, flag = np.asarray(held.target), held.prediction[NETWORK] >= self.threshold
        found = precision_recall_fscore_support(y, flag, average="binary", zero_division=0.0)
        numbers = ", ".join(f"{name} {x:.3f}" for name, x in zip(("precision", "recall", "F1"), found, strict=False))
        return f"Flagged from {self.threshold:.3f} on: accuracy {np.mean(y == flag):.3f}, {numbers}."


def _worth(parts: Judgement, histories: Histories) -> str:
    """How much of the network's score comes from history and how much from the case, in words."""
    if (histories.lengths == 1).all():
        return "No case has a history: it adds nothing, and all that the network knows comes from the case."
    words = []
    for name in ("history", "case"):
        gap = parts[name].gap
        unsure = "" if gap.low > 0 else ", which is not clearly more than nothing"
        words.append(f"by {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] without the {name}{unsure}")
    return f"The network's log-loss changes {'; '.join(words)}."


def _require_both(y: Array, where: str) -> None:
    """DataError where all outcomes are alike."""
    if len(y) == 0 or np.ptp(y) == 0:
        came = f"all {len(y)} outcomes {where} are {y[0]:.0f}" if len(y) else f"no case has a known outcome {where}"
        raise DataError(f"{came}: there is nothing to tell apart; try another horizon")
