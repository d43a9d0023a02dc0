"""OutcomeKind: which of several things comes of a case, from the customer's history and the case's own columns.

    history       cases.py: a step per earlier event, and the case as the closing step
    head, loss    GRU, its last output, a logit per kind; softmax cross-entropy
    decoding      probabilities at the temperature of the cases of the latest horizon
    must beat     the customer's own past shares, logistic regression, gradient boosting, and the shares of all

Which events are cases, and when they judge: `case_outcomes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

import rnncore as rc
from rnncore.marketing.case_outcomes import CaseOutcomes
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.judging.judgement import NETWORK
from rnncore.marketing.learning import calibration, case_rivals, cases, labels
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.task import Code, HeldOut
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]


class OutcomeKind(labels.KindAnswers, CaseOutcomes):
    """Probability of each kind of outcome of a case, of 2 to 50 kinds; words or whole numbers.

    known_after: days until the outcome of an event is known. The other arguments are those of `Task`. `predict` answers
    for the latest event of each customer, and for all events whose outcome is empty: time, kind (the most probable) and
    a probability for each. A kind that first comes after the training end is not judged.

    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> paid = rng.gamma(2.0, 20.0, 300).round()
    >>> days = pl.Series(np.datetime64("2024-01-01") + rng.integers(0, 200, 300))
    >>> end = np.array(["kept", "changed", "sent back"])[(paid > 30).astype(int) + (paid > 60)]
    >>> orders = pl.DataFrame({"who": np.arange(300) % 40, "day": days, "paid": paid, "end": end})
    >>> log = EventLog(orders, customer="who", time="day", value="paid", outcome="end")
    >>> task = OutcomeKind(horizon=40, units=4, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['who', 'time', 'kind', 'probability_changed', 'probability_kept', 'probability_sent back']
    """

    name = "outcome-kind"
    example = (
        "rnncore fit outcome-kind calls.csv --customer client_id --time called_at --channel line --outcome result "
        "--horizon 90"
    )
    measure = measures.CLASSES
    calibration = calibration.TEMPERATURE
    loss = staticmethod(rc.losses.softmax_cross_entropy)

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """As in `CaseOutcomes`, with the names of the kinds."""
        asked = super().asked(log, at, code)
        return asked._replace(facts=(asked.facts, code["kinds"]))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """When the case is, what comes of it most probably, and the probability of each kind."""
        facts, kinds = asked.facts
        kind = np.array(kinds, object)[prediction.argmax(axis=1)]
        chances = {f"probability_{name}": prediction[:, k] for k, name in enumerate(kinds)}
        return {"time": facts.time, "kind": kind, **chances}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """Probabilities by the simple methods."""
        return case_rivals.simple_methods_of_kinds(told, asked, told.facts.positive.shape[1])

    def _code(self, past: EventLog) -> Code:
        return cases.measure(past, labels.labels(past))

    def _outcomes(self, log: EventLog, code: Code) -> Array:
        y = labels.coded(log, code["kinds"])
        return np.where(y < 0, np.nan, y)

    def _logits(self, code: Code) -> int:
        return len(code["kinds"])

    def _target(self, y: Array) -> Array:
        return y.astype(np.int64)

    def _flags(self, held: HeldOut, code: Code) -> str:
        """What the most probable kinds come to, in words."""
        found = held.prediction[NETWORK].argmax(axis=1)
        y = np.asarray(held.target)
        scores = precision_recall_fscore_support(y, found, average="macro", zero_division=0.0)
        words = ", ".join(f"{name} {x:.3f}" for name, x in zip(("precision", "recall", "F1"), scores, strict=False))
        return f"Most probable kinds: accuracy {np.mean(found == y):.3f}; means over the kinds: {words}."
