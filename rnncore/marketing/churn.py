"""Churn: who will not be back within the horizon, from a log of events.

    history       encoding.py: a step per day with an event, and a closing step that asks about a window of some length
    head, loss    GRU, its last output, one logit; cross-entropy of "an event in the window"; windows of three lengths
    decoding      windows.py: the probability, calibrated on the latest complete windows
    must beat     recency rule, RFM logistic regression, BG/NBD, and the constant rate

`fit` learns twice, by one recipe. First up to the test origin, `horizon` days before the log ends: the window after it,
of which nothing was used, judges the network and its rivals. Then up to the end of the log: that network predicts.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from rnncore.errors import ContractError, DataError
from rnncore.interop import models, safetensors
from rnncore.marketing import metrics
from rnncore.marketing.baselines import simple_methods
from rnncore.marketing.days import Day, span, to_day
from rnncore.marketing.encoding import summarise
from rnncore.marketing.events import EventLog
from rnncore.marketing.saved import expect
from rnncore.marketing.splits import Window, cut, time_split
from rnncore.marketing.verdict import Judgement, judge
from rnncore.marketing.windows import Examples, Learned, Recipe, examples, learn, probabilities, require_both_outcomes
from rnncore.marketing.wording import counted

Floats = NDArray[np.float64]
KIND = "task"


class HeldOut(NamedTuple):
    """The customers on whom the verdict rests: those with an event on or before `origin`."""

    origin: np.datetime64
    customers: NDArray[Any]
    """Ids, (N,)."""
    returned: Floats
    """1 where there was an event within the horizon, else 0, (N,)."""
    probability: dict[str, Floats]
    """P(return) by "rnn" and by each simple method, (N,) each."""


class Churn(BaseEstimator):  # type: ignore[misc]
    """Probability that a customer has no event in the next `horizon` days.

    units: width of the GRU. epochs: at most; training stops before, when the loss of a tenth of the customers has not
    fallen for `patience` epochs, and takes the best weights. batch_size: None for a 200th of the examples, 16 to 512.
    learning_rate: of Adam. latest: so many of a customer's latest days with events are read one by one; the number of
    all of them is known too. seed: of everything random. backend: "numba" or "numpy".

    After `fit`: `verdict_` ("rnn", "baseline:<name>" or "no signal"), `table_` (prints the rivals; a
    `verdict.Judgement`), `held_out_` (what was judged; not saved), `network_`, `params_`, `history_` (a record per
    epoch), `trained_until_` and `reading_` (the words of `EventLog` for a log of the same form). `predict` is the
    network's answer, whatever the verdict.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount", items="items")
    >>> churn = Churn(horizon=181, units=8, epochs=3, backend="numpy").fit(log)
    >>> churn.predict(log).columns
    ['customer', 'churn_probability', 'return_probability']
    """

    verdict_: str
    table_: Judgement
    held_out_: HeldOut
    history_: list[dict[str, float]]
    trained_until_: np.datetime64
    reading_: dict[str, str]

    def __init__(
        self,
        horizon: int = 90,
        *,
        units: int = 32,
        epochs: int = 10,
        patience: int = 2,
        batch_size: int | None = None,
        learning_rate: float = 2e-3,
        latest: int = 50,
        seed: int = 0,
        backend: str = "numba",
    ) -> None:
        self.horizon = horizon
        self.units = units
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.latest = latest
        self.seed = seed
        self.backend = backend

    def fit(self, log: EventLog, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None) -> Self:
        """Judge the network against the simple methods, then train the one that predicts.

        progress: report on stderr. checkpoint: the start of two file names, "...-judged" and "...-final", from which an
        interrupted fit goes on (see `rnncore.fit`).

        DataError where the log is too short (it must reach back two horizons from its end), has one customer only, or
        where nobody or everybody came back in the windows.
        """
        recipe, days = self._recipe(), log.per_day()
        if len(log.customers) < 2:
            raise DataError(f"the log has {len(log.customers)} customer; who leaves is learned from many")
        test = time_split(days, self.horizon).test  # says why a log is too short
        until = {"judged": test, "final": days.last_day}
        told = {name: examples(days, end, self.horizon, self.latest) for name, end in until.items()}
        window = cut(days, test, self.horizon)
        require_both_outcomes((window.count > 0).astype(np.float64), f"the {counted(self.horizon, 'day')} after {test}")
        require_both_outcomes(told["judged"].returned[self._latest(told["judged"])], f"the days before {test}")
        learned = {}
        for name, end in until.items():
            if progress:
                print(f"{name} network: {len(told[name].length):,} windows that end by {end}", file=sys.stderr)
            file = None if checkpoint is None else f"{os.fspath(checkpoint)}-{name}"
            learned[name] = learn(recipe, told[name], progress=progress, checkpoint=file)
        self._judge(recipe, learned["judged"], told["judged"], days, window)
        self._keep(recipe, learned["final"], days.last_day, log.reading)
        return self

    def _latest(self, told: Examples) -> NDArray[np.bool_]:
        """Which examples are of the newest window as long as the horizon, (N,)."""
        latest: NDArray[np.bool_] = told.newest & (told.length == self.horizon)
        return latest

    def _judge(self, recipe: Recipe, learned: Learned, told: Examples, days: EventLog, window: Window) -> None:
        returned = (window.count > 0).astype(np.float64)
        scores = {"rnn": probabilities(recipe, learned, window.history, window.origin)}
        latest = self._latest(told)
        now = summarise(window.history, window.origin)
        scores |= simple_methods(told.summary, told.length, told.returned, latest, now, self.horizon)
        baselines = {name: p for name, p in scores.items() if name != "rnn"}
        rate = float(told.returned[latest].mean())
        self.table_ = judge(returned, scores["rnn"], baselines, rate, seed=self.seed)
        self.verdict_ = self.table_.verdict
        self.held_out_ = HeldOut(window.origin, days.customers[window.index], returned, scores)

    def _keep(self, recipe: Recipe, learned: Learned, until: np.datetime64, reading: dict[str, str]) -> None:
        self._used, self._learned, self.reading_ = recipe, learned, dict(reading)
        self.network_, self.params_ = recipe.network(), learned.params
        self.history_, self.trained_until_ = learned.history, until

    def predict(self, log: EventLog, at: Day | None = None) -> Any:
        """A dataframe of the log's kind: customer, churn_probability, return_probability; rows sorted by customer.

        at: the day from which the horizon is counted, by default the last day of the log: give it where the log holds
        only some of the customers. A customer whose first event is later has no row. Nothing after `at` is read.
        DataError where `at` is before the log begins, or more than a horizon later than both it and the log of the
        training end.

        >>> from rnncore.datasets import cdnow
        >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount")
        >>> churn = Churn(horizon=181, units=8, epochs=3, backend="numpy").fit(log)
        >>> bool((churn.predict(log)["churn_probability"] + churn.predict(log)["return_probability"] == 1).all())
        True
        """
        history, origin = self._history(log, at)
        p = probabilities(self._used, self._learned, history, origin)
        return history.frame({"churn_probability": 1 - p, "return_probability": p})

    def score(self, log: EventLog) -> float:
        """AUROC of the predictions made `horizon` days before the log ends, on what came then.

        The log must go on for a horizon after the day until which the network was trained: DataError where it does not,
        for the network would be asked about what it was told.
        """
        self._require_fitted()
        origin = log.last_day - span(self._used.horizon)
        if origin < self.trained_until_:
            enough = self.trained_until_ + span(self._used.horizon)
            raise DataError(
                f"the network was trained until {self.trained_until_}; to score it, the log must go on until "
                f"{enough} or later, but it ends on {log.last_day}; table_ has the "
                "held-out scores of the fit"
            )
        history, _ = self._history(log, origin)
        window = cut(log.per_day(), origin, self._used.horizon)
        require_both_outcomes((window.count > 0).astype(np.float64), f"the days after {origin}")
        return metrics.auroc(window.count > 0, probabilities(self._used, self._learned, history, origin))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what `predict` needs, the table and the verdict to one file, in the safetensors layout."""
        self._require_fitted()
        metadata = {
            "task": "churn",
            "arguments": self._used._asdict(),
            "model": models.describe(self.network_, self.params_),
            "reading": self.reading_,
            "trained_until": str(self.trained_until_),
            "history": self.history_,
            "judgement": self.table_.to_json(),
        }
        safetensors.write(path, self._learned.pack(), metadata, kind=KIND)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The estimator that was saved; ModelFileError where the file is damaged or something else."""
        arrays, metadata = safetensors.read(path, expect, kind=KIND)
        churn = cls(**metadata["arguments"])
        learned = Learned.unpack(arrays, metadata["history"])
        until = np.datetime64(metadata["trained_until"], "D")
        churn._keep(churn._recipe(), learned, until, metadata["reading"])
        churn.table_ = Judgement.from_json(metadata["judgement"])
        churn.verdict_ = churn.table_.verdict
        return churn

    def _recipe(self) -> Recipe:
        """The arguments, checked."""
        return Recipe(**self.get_params()).checked()

    def _require_fitted(self) -> None:
        if not hasattr(self, "_learned"):
            raise ContractError(
                "self", "a fitted Churn", "one that was not fitted", "call fit(log), or Churn.load(path)"
            )

    def _history(self, log: EventLog, at: Day | None) -> tuple[EventLog, np.datetime64]:
        """The log until the origin, one event per day, with the columns that the network was trained on."""
        self._require_fitted()
        if len(log) == 0:
            raise DataError("the log has no events")
        if _roles(log.reading) != _roles(self.reading_):
            have, want = (" and ".join(_roles(reading)) or "neither" for reading in (log.reading, self.reading_))
            raise DataError(f"the model was fitted with the columns value, items: {want}; this log has {have}")
        origin = log.last_day if at is None else to_day(at, "at")
        late = max(log.last_day, self.trained_until_) + span(self._used.horizon)
        if origin > late:
            raise DataError(
                f"{origin} is more than a horizon of {counted(self._used.horizon, 'day')} after the log ends "
                f"({log.last_day}): what came in between is not known; predict from {late} at the latest, or bring the "
                "log up to date"
            )
        history = log.per_day().until(origin)
        if len(history) == 0:
            raise DataError(f"no customer has an event on or before {origin}; the log begins on {log.first_day}")
        return history, origin


def _roles(reading: dict[str, str]) -> list[str]:
    return [role for role in ("value", "items") if role in reading or (role == "value" and "price" in reading)]
