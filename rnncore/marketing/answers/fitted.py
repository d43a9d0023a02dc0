"""What a fitted task does: answer, explain itself, and be saved and loaded; `task.Task` learns and is judged."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
from rnncore.marketing.judging.judgement import HeldOut, Judgement
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned, outputs
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day, span, to_day
from rnncore.marketing.task_parts import Code, Parts

Array = NDArray[Any]


class Fitted(Parts):
    """A task with what was learned; see `task.Task`, which fits it."""

    verdict_: str
    table_: Judgement
    held_out_: HeldOut
    code_: Code
    history_: list[dict[str, float]]
    trained_until_: np.datetime64
    reading_: dict[str, Any]

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

    def _says(self, learned: Learned, asked: Examples) -> Array:
        """The prediction of the network for each row asked."""
        said = outputs(self.network(learned.code), learned.params, asked.histories)
        return self.decode(self.calibration.apply(said, learned.calibration), asked)

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        self._used, self._learned = used, learned
        self.reading_ = used.reading_ = dict(reading)
        self.network_, self.params_, self.code_ = used.network(learned.code), learned.params, learned.code
        self.history_, self.trained_until_ = learned.history, until

    def _require_fitted(self) -> None:
        if not hasattr(self, "_learned"):
            name = type(self).__name__
            raise ContractError(
                "self", f"a fitted {name}", "one that was not fitted", f"call fit(log), or {name}.load(path)"
            )

    def _require_log(self, log: object) -> None:
        """ContractError for what is no event log, as a dataframe."""
        if not isinstance(log, EventLog):
            words = "**task.reading_" if hasattr(self, "_learned") else "customer=..., time=..."
            raise ContractError("log", "an EventLog", type(log).__name__, f"make one: EventLog(frame, {words})")

    def _prepared(self, log: EventLog, learns: bool = True) -> EventLog:
        """The log as the task reads it; DataError where a column that is needed, to learn or at all, is not there."""
        self._require_log(log)
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
        self._require_log(log)
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


def _roles(reading: Mapping[str, Any], uses: tuple[str, ...]) -> list[str]:
    """Which of the roles used a log has; extras count by their own names."""
    named = [*reading, *(["value"] if "price" in reading else []), *reading.get("extras", [])]
    extras = sorted(reading.get("extras", [])) if "extras" in uses else []
    return [role for role in uses if role in named and role != "extras"] + extras
