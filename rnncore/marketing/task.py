"""What every task does: learn, judge, answer, explain, save. What it says of itself is in `task_parts.py`, which also
shows how to write one.

`fit` learns twice by one recipe, first up to the test origin, so that the window after it, of which nothing was used,
judges the network and its rivals, then up to the end of the log: that network predicts.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from rnncore.errors import ContractError, DataError
from rnncore.interop import safetensors
from rnncore.marketing.answers import explain as explaining
from rnncore.marketing.answers import saved
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import CONSTANT, NETWORK, HeldOut, Judgement
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples, Learned, outputs
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day, span, to_day
from rnncore.marketing.task_parts import Code, Parts, Rival, Told
from rnncore.marketing.verdict import compare

__all__ = ["Code", "HeldOut", "Task", "Told"]

Array = NDArray[Any]


class Task(Parts):
    """An estimator over an event log; see the head of this file, and the tasks.

    horizon: days of the window that is asked about, and of the one that judges. units: width of the network. epochs: at
    most; training stops before, when the loss of what is watched has not fallen for `patience` epochs, and takes the
    best weights. batch_size: None for a 200th of the examples, 16 to 512. learning_rate: of Adam. latest: so many of
    a customer's latest steps are read one by one. seed: of everything random. seeds: so many networks are trained, each
    from a seed of its own, and what they say is averaged before it is calibrated; 1 for a quick look, in a third of the
    time. backend: "numba" or "numpy".

    After `fit`: `verdict_`, `table_` (prints the rivals; a `verdict.Judgement`), `held_out_` (what was judged),
    `network_`, `params_` (a dict per seed), `code_`, `history_` (a record per seed and epoch), `trained_until_` and
    `reading_` (the words of `EventLog` for a log of the same form). `predict` is the network's answer, whatever the
    verdict.
    """

    verdict_: str
    table_: Judgement
    held_out_: HeldOut
    code_: Code
    history_: list[dict[str, float]]
    trained_until_: np.datetime64
    reading_: dict[str, Any]

    @one_thread
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
        until = [f" until {day}" if work.dated else "" for day in (test, work.last_day)]
        _report(progress, "simple methods", told, until[0])
        rivals = _predicted(task.rivals(told, asked), progress)
        learned = task._learn("judged", code, told, until[0], progress, checkpoint)
        del told  # of a long log there is no room for two
        self.table_, self.held_out_ = task._compare(learned, asked, rivals, test, work)
        self.verdict_ = self.table_.verdict
        del asked, rivals
        learned = task._learn("final", *task.told(work, work.last_day), until[1], progress, checkpoint)
        self._keep(task, learned, work.last_day, log.reading)
        return self

    def _learn(self, name: str, code: Code, told: Examples, until: str, progress: bool, checkpoint: Any) -> Learned:
        """The network of this name, and where it goes on from."""
        _report(progress, f"{name} network", told, until)
        file = None if checkpoint is None else f"{os.fspath(checkpoint)}-{name}"
        return self.learned(code, told, progress=progress, checkpoint=file)

    @one_thread
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

    @one_thread
    def score(self, log: EventLog) -> float:
        """The headline of the measure (AUROC for yes and no) on the last `horizon` days of the log; higher is better.

        The log must go on for a horizon after the day until which the network was trained: DataError where it does not,
        for the network would be asked about what it was told.
        """
        task, work, origin = self._later(log)
        asked = task.judged(work, origin, self._learned.code)
        target, _, counts = asked.judged()
        return task.measure.score(target, task._says(self._learned, asked)[counts])

    @one_thread
    def evaluate(self, log: EventLog) -> Judgement:
        """The network as it is against simple methods that learn now, judged on the last `horizon` days of the log.

        DataError as in `score`.
        """
        task, work, origin = self._later(log)
        asked = task.judged(work, origin, self._learned.code)
        told = task.told(work, origin, self._learned.code)[1]  # in the columns and labels of what is asked
        rivals = _predicted(task.rivals(told, asked))
        return task._compare(self._learned, asked, rivals, origin, work)[0]

    @one_thread
    def explain(self, log: EventLog, customer: Any, at: Day | None = None) -> explaining.Explanation:
        """What each step of one customer's history adds to the answer at the day `at`; see `explain.py`.

        ContractError for a customer who is not in the log, DataError where nothing is known of them on that day.
        """
        task, work, origin = self._ready(log, at)
        return explaining.explain(task, self._learned, work, customer, origin)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what `predict` needs, the table, the verdict and the rows that were judged (of whose customers no id is
        written) to one file, in the safetensors layout.
        """
        self._require_fitted()
        arrays = self._learned.pack() | (self.held_out_.pack() if hasattr(self, "held_out_") else {})
        safetensors.write(path, arrays, saved.describe(self, self._used), kind=saved.KIND)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The estimator that was saved; ModelFileError where the file is damaged or something else.

        Customers in `held_out_` are numbers; of a file from an earlier rnncore there is none.
        """
        arrays, metadata = safetensors.read(path, lambda found: saved.expect(cls, found), kind=saved.KIND)
        task = cls(**metadata["arguments"])
        learned = Learned.unpack(arrays, task.seeds, metadata["code"], metadata["history"])
        until = np.datetime64(metadata["trained_until"], "D")
        task._keep(clone(task), learned, until, metadata["reading"])
        task.table_ = Judgement.from_json(metadata["judgement"])
        task.verdict_ = task.table_.verdict
        if "held_out" in metadata:
            task.held_out_ = HeldOut.unpack(arrays, metadata["held_out"])
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
            target,
            predictions,
            self.measure,
            reference=self.reference,
            groups=groups,
            of=of,
            row=self.judged_row,
            seed=self.seed,
        )
        shown = {name: p for name, p in predictions.items() if name != CONSTANT}
        held = HeldOut(origin, log.customers[group], np.asarray(target), shown)
        said = [table.reason, *self.remarks(learned, asked, held, log)]
        return replace(table, reason=" ".join(filter(None, said))), held

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
        for role in (*(() if self.undated else ("time",)), *self.needs, *(self.taught if learns else ())):
            if role not in log.reading and role not in log.cells:
                who = type(self).__name__
                raise DataError(f"{who} needs a column {role}; name it when the log is made: {role}=...")
        return self.prepare(log)

    def _ready(self, log: EventLog, at: Day | None, learns: bool = False) -> tuple[Self, EventLog, np.datetime64]:
        """The task as it was fitted, the log as it reads it, and the day that is asked about."""
        self._require_fitted()
        if self.undated:
            self._require_alike(log, at)
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

    def _require_alike(self, log: EventLog, at: Day | None) -> None:
        """An error where the model knows times and the log has none, or the other way round, and for a day of none."""
        if log.dated != ("time" in self.reading_):
            have, want = ("log with times", "table without times")[:: 1 if log.dated else -1]
            advice = "leave out the column time" if log.dated else "name it when the log is made: time=..."
            raise DataError(f"the model was fitted on a {want}; this is a {have}: {advice}, or fit another model")
        if at is not None and not log.dated:
            raise ContractError("at", "no day for a table without times", str(at), "leave it out")

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


def _report(progress: bool, who: str, told: Examples, until: str) -> None:
    if progress:
        print(f"{who}: {len(told.histories):,} examples{until}", file=sys.stderr, flush=True)


def _predicted(rivals: Mapping[str, Rival], progress: bool = False) -> dict[str, Array]:
    """What each simple method predicts; those that take long are named when they begin."""
    found = {}
    for name, said in rivals.items():
        if progress and callable(said):
            print(f"simple method: {name}", file=sys.stderr, flush=True)
        found[name] = said() if callable(said) else said
    return found


def _roles(reading: Mapping[str, Any], uses: tuple[str, ...]) -> list[str]:
    """Which of the roles used a log has; extras count by their own names."""
    named = [*reading, *(["value"] if "price" in reading else []), *reading.get("extras", [])]
    extras = sorted(reading.get("extras", [])) if "extras" in uses else []
    return [role for role in uses if role in named and role != "extras"] + extras
