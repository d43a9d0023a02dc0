"""What all tasks share, and how to write one.

A task is a class of its own file, `class Churn(Task)`, entered in the table of `tasks.py`. It says:

    name, example     the word on the command line, and a command that works
    question, came    what the table asks, with {horizon} and {origin}; for yes and no, what the rate says of people
    row, unit         what a row of `predict` is, and what the number is that `explain` takes apart
    needs             the roles of columns without which it cannot work, for example ("item",)
    taught            further roles that it needs to learn and to be judged, and not to predict
    uses              the roles of columns that it reads where they are there
    fewest            so many customers a log must have
    judged_over       so many horizons after an origin are needed to judge there
    printed           which tables of `further` the command line prints
    measure           what it is judged by (measures.py); `reference` names the rival that knows nothing
    calibration       how outputs become what is judged (calibration.py)
    loss              a pair of `rnncore.losses`

    prepare(log)                the log as the task reads it, for example one event per day
    told(log, end)              code, Examples: all that is known on the day `end`, with what came of it. Code is what
                                was measured on it (scales, levels of categories): JSON values. Nothing after `end` is
                                read
    judged(log, origin, code)   Examples asked at `origin`, with what came of them after it
    asked(log, at, code)        Examples asked at the day `at`: what `predict` answers. Nothing after `at` is read
    network(code)               the layer whose outputs are (N, K), or (T, N, K) with an answer per step
    decode(outputs, asked)      from calibrated outputs to the prediction that is judged, row by row
    answer(prediction, asked)   columns for `predict`
    rivals(told, asked)         predictions of the rows asked, by the name of each simple method, the reference among
                                them

`features.py` encodes columns of any kind, gaps and new levels included; a task with an encoding of its own need not
use it. No derivative, no loop over time, no import of `layers` or `kernels`. Events of one time have no order of
their own: do not learn from it. The rest is here: `fit` learns twice by one recipe, first up to the test origin, so
that the window after it, of which nothing was used, judges the network and its rivals, then up to the end of the log:
that network predicts. A task with arguments of its own writes an `__init__` that stores them unchanged, and adds to
`check`.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError, DataError
from rnncore.interop import safetensors
from rnncore.marketing import calibration, features, measures, saved
from rnncore.marketing import explain as explaining
from rnncore.marketing.days import Day, span, to_day
from rnncore.marketing.events import EventLog
from rnncore.marketing.judgement import CONSTANT, NETWORK, Judgement
from rnncore.marketing.learning import Examples, Learned, learn, outputs
from rnncore.marketing.splits import require_horizon, time_split
from rnncore.marketing.verdict import compare
from rnncore.marketing.wording import counted

Array = NDArray[Any]
Code = dict[str, Any]
Told = tuple[Code, Examples]


class HeldOut(NamedTuple):
    """The rows on which the verdict rests."""

    origin: np.datetime64
    """The day after which nothing was used."""
    customers: Array
    """Whose each row is: ids, (N,)."""
    target: Array
    """What came, (N,); for yes and no 1 and 0."""
    prediction: dict[str, Array]
    """What "rnn" and each simple method said, (N, ...) each."""


class Task(BaseEstimator):  # type: ignore[misc]
    """An estimator over an event log; see the head of this file, and the tasks.

    horizon: days of the window that is asked about, and of the one that judges. units: width of the network. epochs: at
    most; training stops before, when the loss of what is watched has not fallen for `patience` epochs, and takes the
    best weights. batch_size: None for a 200th of the examples, 16 to 512. learning_rate: of Adam. latest: so many of
    a customer's latest steps are read one by one. seed: of everything random. seeds: so many networks are trained and
    averaged. backend: "numba" or "numpy".

    After `fit`: `verdict_`, `table_` (prints the rivals; a `verdict.Judgement`), `held_out_` (what was judged; not
    saved), `network_`, `params_` (a dict per seed), `code_`, `history_` (a record per seed and epoch), `trained_until_`
    and `reading_` (the words of `EventLog` for a log of the same form). `predict` is the network's answer, whatever the
    verdict.
    """

    name: ClassVar[str]
    example: ClassVar[str]
    question: ClassVar[str] = "What comes in the {horizon} after {origin}?"
    came: ClassVar[str] = "had the outcome"
    row: ClassVar[str] = "customer"
    unit: ClassVar[str] = "probability"
    needs: ClassVar[tuple[str, ...]] = ()
    taught: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[tuple[str, ...]] = ("value", "items")
    measure: ClassVar[measures.Measure] = measures.BINARY
    calibration: ClassVar[calibration.Calibration] = calibration.PLATT
    reference: ClassVar[str] = CONSTANT
    fewest: ClassVar[int] = 2
    judged_over: ClassVar[int] = 1
    printed: ClassVar[tuple[str, ...]] = ()
    loss: Callable[..., Any] = staticmethod(rc.losses.binary_cross_entropy)

    verdict_: str
    table_: Judgement
    held_out_: HeldOut
    code_: Code
    history_: list[dict[str, float]]
    trained_until_: np.datetime64
    reading_: dict[str, Any]

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
        seeds: int = 1,
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
        self.seeds = seeds
        self.backend = backend

    # what a task file says

    def prepare(self, log: EventLog) -> EventLog:
        """The log as the task reads it."""
        return log

    def told(self, log: EventLog, end: np.datetime64) -> Told:
        """What was measured, and the examples that are complete on the day `end`."""
        raise NotImplementedError

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """What is asked at `origin`, with what came after it."""
        raise NotImplementedError

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """What is asked at `at`."""
        raise NotImplementedError

    def network(self, code: Code) -> Layer:
        """The network that reads the examples."""
        raise NotImplementedError

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """From calibrated outputs to the prediction that is judged; here they are the same."""
        return outputs

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """The columns of `predict`, beside the customer."""
        raise NotImplementedError

    def parts(self, asked: Examples) -> Iterator[Examples]:
        """What is asked, as many rows at a time as `answer` can take: here all of them."""
        yield asked

    def whose(self, asked: Examples) -> Array:
        """Whose each row of `answer` is: positions among the customers of the log."""
        return asked.group

    def drawn(self, asked: Examples, group: Array, counts: Array) -> tuple[Array | None, str]:
        """What is drawn anew together for intervals, of each row judged (None: each its own), and what that is called.

        group: of each row that counts. Here all rows of a customer.
        """
        return (None if len(np.unique(group)) == len(group) else group), "customer"

    def rivals(self, told: Examples, asked: Examples) -> dict[str, Array]:
        """What the simple methods predict of the rows asked, learned from those told."""
        raise NotImplementedError

    def learned(
        self, code: Code, told: Examples, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None
    ) -> Learned:
        """Trained networks with everything needed to use them: here by the task's loss."""
        return learn(self, code, told, progress=progress, checkpoint=checkpoint)

    def origin(self, log: EventLog) -> np.datetime64:
        """The test origin: here `horizon` days before the log ends, with room for training before it."""
        return time_split(log, self.horizon).test

    def check(self) -> Self:
        """The task itself; ContractError for arguments that cannot be used."""
        require_horizon(self.horizon)
        for name in ("units", "epochs", "patience", "latest", "seeds"):
            checks.size(name, getattr(self, name))
        if self.batch_size is not None:
            checks.size("batch_size", self.batch_size)
        checks.size("seed", self.seed, least=0)
        checks.number("learning_rate", self.learning_rate, open_left=True)
        checks.one_of("backend", self.backend, ("numba", "numpy"))
        return self

    # what a task may say about its explanations

    def blank(self, values: Array, code: Code) -> Array:
        """The steps (L, D) of a history of which nothing is known: here all 0, the average where inputs are centred."""
        return np.zeros_like(values)

    def inputs(self, code: Code) -> list[str]:
        """What each of the D numbers of a step is called."""
        return features.names(code) if {"numbers", "levels"} <= set(code) else []

    def steps(self, own: EventLog, number: int) -> list[tuple[str, int | None]]:
        """What each of a customer's steps is called, and which of their events it is, if it is one: here the latest."""
        first = max(0, len(own) - number)
        events: list[tuple[str, int | None]] = [(features.called(own, k), k) for k in range(first, len(own))]
        return events + [("now", None)] * (number - len(events))

    def removals(self, own: EventLog, at: np.datetime64, code: Code, asked: Examples) -> Iterator[tuple[int, Examples]]:
        """The place of each step that can be taken away, and the question without it: here each event of the log."""
        for place, (_, event) in enumerate(self.steps(own, len(asked.histories.values))):
            if event is not None and len(rest := own.without(event)):
                yield place, self.asked(rest, at, code)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """What the report says beside the answers: a heading, and a table as columns of text; here nothing."""
        return {}

    def drawn_further(self, log: EventLog) -> dict[str, bytes]:
        """A PNG below the table of that heading in `further`; here nothing."""
        return {}

    def require_answers(self, log: EventLog) -> None:
        """DataError where `predict` could not answer for this log once it is learned from; here it always can."""

    def about(self, said: Array, asked: Examples) -> Examples:
        """The question with what its explanation is about as `target`, from its calibrated outputs; here as it is."""
        return asked

    def explained(self, said: Array, asked: Examples) -> Array:
        """The number that is explained, (M,), from M rows of calibrated outputs of one question; here the first."""
        return said if said.ndim == 1 else said[:, 0]

    # what every task does

    def fit(self, log: EventLog, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None) -> Self:
        """Judge the network against the simple methods, then train the one that predicts.

        progress: report on stderr. checkpoint: the start of file names, "...-judged" and "...-final" (with "-1", "-2"
        for further seeds), from which an interrupted fit goes on (see `rnncore.fit`).

        DataError where the log is too short, has one customer only, lacks a column that is needed, or where there is
        nothing to tell apart in a window.
        """
        task = clone(self).check()
        work = task._prepared(log)
        if len(log.customers) < self.fewest:
            raise DataError(f"the log has {len(log.customers)} customer; what they do is learned from many")
        test = task.origin(work)  # says why a log is too short
        code, told = task.told(work, test)
        asked = task.judged(work, test, code)
        rivals = task.rivals(told, asked)
        learned = task._learn("judged", code, told, test, progress, checkpoint)
        del told  # of a long log there is no room for two
        self.table_, self.held_out_ = task._compare(learned, asked, rivals, test, work)
        self.verdict_ = self.table_.verdict
        learned = task._learn("final", *task.told(work, work.last_day), work.last_day, progress, checkpoint)
        self._keep(task, learned, work.last_day, log.reading)
        return self

    def _learn(
        self, name: str, code: Code, told: Examples, end: np.datetime64, progress: bool, checkpoint: Any
    ) -> Learned:
        """The network of this name, and where it goes on from."""
        if progress:
            print(f"{name} network: {len(told.histories):,} examples until {end}", file=sys.stderr)
        file = None if checkpoint is None else f"{os.fspath(checkpoint)}-{name}"
        return self.learned(code, told, progress=progress, checkpoint=file)

    def predict(self, log: EventLog, at: Day | None = None) -> Any:
        """A dataframe of the log's kind, the answers of the network; rows sorted by customer.

        at: the day from which the horizon is counted, by default the last day of the log: give it where the log holds
        only some of the customers. Nothing after `at` is read, and who is not there yet has no row. DataError where
        `at` is before the log begins, or more than a horizon later than both it and the log of the training end.
        """
        task, work, origin = self._ready(log, at)
        asked = task.asked(work, origin, self._learned.code)
        answers = [task.answer(task._says(self._learned, part), part) for part in task.parts(asked)]
        if len(answers) > 1:
            answers = [{name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}]
        return work.frame(answers[0], task.whose(asked))

    def score(self, log: EventLog) -> float:
        """The headline of the measure (AUROC for yes and no) on the last `horizon` days of the log; higher is better.

        The log must go on for a horizon after the day until which the network was trained: DataError where it does not,
        for the network would be asked about what it was told.
        """
        task, work, origin = self._later(log)
        asked = task.judged(work, origin, self._learned.code)
        target, _, counts = asked.judged()
        return task.measure.score(target, task._says(self._learned, asked)[counts])

    def evaluate(self, log: EventLog) -> Judgement:
        """The network as it is against simple methods that learn now, judged on the last `horizon` days of the log.

        DataError as in `score`.
        """
        task, work, origin = self._later(log)
        asked = task.judged(work, origin, self._learned.code)
        rivals = task.rivals(task.told(work, origin)[1], asked)
        return task._compare(self._learned, asked, rivals, origin, work)[0]

    def explain(self, log: EventLog, customer: Any, at: Day | None = None) -> explaining.Explanation:
        """What each step of one customer's history adds to the answer at the day `at`; see `explain.py`.

        ContractError for a customer who is not in the log, DataError where nothing is known of them on that day.
        """
        task, work, origin = self._ready(log, at)
        return explaining.explain(task, self._learned, work, customer, origin)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what `predict` needs, the table and the verdict to one file, in the safetensors layout."""
        self._require_fitted()
        safetensors.write(path, self._learned.pack(), saved.describe(self, self._used), kind=saved.KIND)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The estimator that was saved; ModelFileError where the file is damaged or something else."""
        arrays, metadata = safetensors.read(path, lambda found: saved.expect(cls, found), kind=saved.KIND)
        task = cls(**metadata["arguments"])
        learned = Learned.unpack(arrays, task.seeds, metadata["code"], metadata["history"])
        until = np.datetime64(metadata["trained_until"], "D")
        task._keep(clone(task), learned, until, metadata["reading"])
        task.table_ = Judgement.from_json(metadata["judgement"])
        task.verdict_ = task.table_.verdict
        return task

    @classmethod
    def arguments(cls) -> dict[str, inspect.Parameter]:
        """The arguments of the class, by name."""
        return {name: p for name, p in inspect.signature(cls.__init__).parameters.items() if name != "self"}

    def _compare(
        self, learned: Learned, asked: Examples, rivals: dict[str, Array], origin: np.datetime64, log: EventLog
    ) -> tuple[Judgement, HeldOut]:
        target, group, counts = asked.judged()
        predictions = {NETWORK: self._says(learned, asked)[counts]}
        predictions |= {name: np.asarray(p)[counts] for name, p in rivals.items()}
        groups, of = self.drawn(asked, group, counts)
        table = compare(
            target, predictions, self.measure, reference=self.reference, groups=groups, of=of, seed=self.seed
        )
        shown = {name: p for name, p in predictions.items() if name != CONSTANT}
        return table, HeldOut(origin, log.customers[group], np.asarray(target), shown)

    def _says(self, learned: Learned, asked: Examples) -> Array:
        """The prediction of the network for each row asked."""
        said = outputs(self.network(learned.code), learned.params, asked.histories)
        return self.decode(self.calibration.apply(said, learned.calibration), asked)

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        self._used, self._learned, self.reading_ = used, learned, dict(reading)
        self.network_, self.params_, self.code_ = used.network(learned.code), learned.params, learned.code
        self.history_, self.trained_until_ = learned.history, until

    def _require_fitted(self) -> None:
        if not hasattr(self, "_learned"):
            name = type(self).__name__
            raise ContractError(
                "self", f"a fitted {name}", "one that was not fitted", f"call fit(log), or {name}.load(path)"
            )

    def _prepared(self, log: EventLog, learns: bool = True) -> EventLog:
        """The log as the task reads it; DataError where a column that is needed, to learn or at all, is not there."""
        if len(log) == 0:
            raise DataError("the log has no events")
        for role in (*self.needs, *(self.taught if learns else ())):
            if role not in log.reading and role not in log.cells:
                who = type(self).__name__
                raise DataError(f"{who} needs a column {role}; name it when the log is made: {role}=...")
        return self.prepare(log)

    def _ready(self, log: EventLog, at: Day | None, learns: bool = False) -> tuple[Self, EventLog, np.datetime64]:
        """The task as it was fitted, the log as it reads it, and the day that is asked about."""
        self._require_fitted()
        work = self._used._prepared(log, learns)
        mine, theirs = (_roles(reading, self.uses) for reading in (log.reading, self.reading_))
        if mine != theirs:
            have, want = (" and ".join(roles) or "none" for roles in (mine, theirs))
            names = ", ".join(self.uses)
            raise DataError(f"the model was fitted with the columns {names}: {want}; this log has {have}")
        for code in (self.code_, self.code_.get("beside", {})):
            features.require_tables(code, work)
        origin = log.last_day if at is None else to_day(at, "at")
        late = max(log.last_day, self.trained_until_) + span(self._used.horizon)
        if origin > late:
            raise DataError(
                f"{origin} is more than a horizon of {counted(self._used.horizon, 'day')} after the log ends "
                f"({log.last_day}): what came in between is not known; predict from {late} at the latest, or bring the "
                "log up to date"
            )
        if origin < log.first_day:
            raise DataError(f"no customer has an event on or before {origin}; the log begins on {log.first_day}")
        return self._used, work, origin

    def _later(self, log: EventLog) -> tuple[Self, EventLog, np.datetime64]:
        """As `_ready`, a horizon before the log ends; DataError where the network was told of what came then."""
        task, work, last = self._ready(log, None, learns=True)
        origin = last - span(task.horizon * task.judged_over)
        if origin < self.trained_until_:
            enough = self.trained_until_ + span(task.horizon * task.judged_over)
            raise DataError(
                f"the network was trained until {self.trained_until_}; to score it, the log must go on until "
                f"{enough} or later, but it ends on {log.last_day}; table_ has the "
                "held-out scores of the fit"
            )
        return task, work, origin


def _roles(reading: Mapping[str, Any], uses: tuple[str, ...]) -> list[str]:
    """Which of the roles used a log has; extras count by their own names."""
    named = [*reading, *(["value"] if "price" in reading else []), *reading.get("extras", [])]
    extras = sorted(reading.get("extras", [])) if "extras" in uses else []
    return [role for role in uses if role in named and role != "extras"] + extras
