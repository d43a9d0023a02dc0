"""Outcome: what comes of a case (an order, a lead, a call), from the customer's history and the case's own columns.

    history       cases.py: a step per earlier event, and the case as the closing step
    head, loss    GRU, its last output, one logit; cross-entropy of the outcome
    decoding      the probability, calibrated on the cases of the latest horizon
    must beat     the customer's own past rate, logistic regression, gradient boosting, and the constant rate

Which events are cases, and when they judge: `case_outcomes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from rnncore import checks
from rnncore.marketing.case_outcomes import CaseOutcomes
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import NETWORK
from rnncore.marketing.learning import case_rivals, cases
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.task import Code, HeldOut
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Outcome(CaseOutcomes):
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

    _: KW_ONLY
    cost: float = 1.0

    name = "outcome"
    example = (
        "rnncore fit outcome orders.csv --customer client_id --time ordered_at --value amount --channel shop "
        "--outcome returned --horizon 90"
    )
    unit = "probability of the outcome"

    @property
    def threshold(self) -> float:
        """The probability from which a flag costs less than none, if probabilities are right: 1/(1 + cost)."""
        return 1 / (1 + self.cost)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.number("cost", self.cost, open_left=True)
        return super().check()

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        super()._keep(used, learned, until, reading)
        yes = learned.code["yes"]
        self.came = type(self).came if yes is None else f"{type(self).came} {yes!r}"

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """When the case is, its probability, and whether it is flagged."""
        flagged = (prediction >= self.threshold).astype(np.int64)
        return {"time": asked.facts.time, "probability": prediction, "flagged": flagged}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """Probabilities by the simple methods."""
        return case_rivals.simple_methods(told, asked)

    def _code(self, past: EventLog) -> Code:
        return cases.measure(past)

    def _outcomes(self, log: EventLog, code: Code) -> Array:
        return cases.outcomes(log, code)

    def _target(self, y: Array) -> Array:
        return y[:, None].astype(np.float32)

    def _logits(self, code: Code) -> int:
        return 1

    def _flags(self, held: HeldOut, code: Code) -> str:
        """What the flags of the network come to, in words."""
        y, flag = np.asarray(held.target), held.prediction[NETWORK] >= self.threshold
        found = precision_recall_fscore_support(y, flag, average="binary", zero_division=0.0)
        numbers = ", ".join(f"{name} {x:.3f}" for name, x in zip(("precision", "recall", "F1"), found, strict=False))
        what = "" if code["yes"] is None else f" as {code['yes']!r}"
        return f"Flagged{what} from {self.threshold:.3f} on: accuracy {np.mean(y == flag):.3f}, {numbers}."
