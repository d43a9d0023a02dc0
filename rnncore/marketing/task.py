"""What every task does: learn and be judged. What it says of itself is in `task_parts.py`, which also shows how to
write one; what it does once it is fitted, answer, explain and be saved, in `answers/fitted.py`.

`fit` learns twice by one recipe, first up to the test origin, so that the window after it, of which nothing was used,
judges the network and its rivals, then up to the end of the log: that network predicts. With more origins it judges
first, by the same recipe, what it would have judged had the log ended at the later of two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from rnncore import checks
from rnncore.errors import DataError
from rnncore.marketing.answers.fitted import Fitted
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import CONSTANT, NETWORK, Earlier, HeldOut, Judgement
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import span
from rnncore.marketing.task_parts import Code, Rival, Told
from rnncore.marketing.verdict import compare

__all__ = ["Code", "HeldOut", "Task", "Told"]

Array = NDArray[Any]


class Task(Fitted):
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

    @one_thread
    def fit(
        self,
        log: EventLog,
        *,
        origins: int = 1,
        progress: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Judge the network against the simple methods, then train the one that predicts.

        origins: so many windows judge, one before the other, each a network and simple methods that learned only from
        what came before it. The verdict is that of the latest; `table_.earlier` has a row for each other one, of what
        `fit(log.until(day))` finds, where `day` is the test origin of the next. progress: report on stderr. checkpoint:
        the start of file names, "...-judged" and "...-final", of earlier origins "...-DAY-judged" (with "-1", "-2" for
        further seeds), from which an interrupted fit goes on (see `rnncore.fit`).

        DataError where the log is too short, has one customer only, lacks a column that is needed, or where there is
        nothing to tell apart in a window; ContractError for fewer than one origin.
        """
        task = clone(self).check()
        earlier = task._earlier(log, checks.size("origins", origins), progress, checkpoint)
        work, test = task._split(log)
        _announce(progress, origins, origins, test)
        table, self.held_out_ = task._judge(work, test, progress, checkpoint)
        self.table_, self.verdict_ = table.beside(earlier), table.verdict
        last = work.last_day
        learned = task._learn("final", *task.told(work, last), _until(work, last), progress, checkpoint)
        self._keep(task, learned, last, log.reading)
        return self

    def _earlier(self, log: EventLog, origins: int, progress: bool, checkpoint: Any) -> tuple[Earlier, ...]:
        """What is judged at all origins but the latest, the oldest first: where the log ends at that of the next."""
        found: list[Earlier] = []
        for day in self._ends(log, origins):
            task = clone(self)
            work, test = task._split(log.until(day))
            _announce(progress, len(found) + 1, origins, test)
            start = None if checkpoint is None else f"{os.fspath(checkpoint)}-{test}"
            try:
                table, _ = task._judge(work, test, progress, start)
            except DataError as error:
                raise DataError(f"at the earlier origin {test}: {error}; judge at fewer origins") from None
            found.append(table.at(test))
        return tuple(found)

    def _ends(self, log: EventLog, origins: int) -> list[np.datetime64]:
        """Where the log ends for each earlier origin, the oldest first: at the origin after it."""
        found: list[np.datetime64] = []  # test origins, the latest first
        while len(found) < origins > 1:
            try:
                found.append(clone(self)._split(log.until(found[-1]) if found else log)[1])
            except DataError as error:
                if not found:
                    raise
                held = f"the log holds {counted(len(found), 'test origin')}, not {origins}"
                raise DataError(f"{held}; before {found[-1]}: {error}") from None
            if not log.dated:
                raise DataError("a table without times has no earlier days to judge at: leave out origins")
        return found[:-1][::-1]

    def _split(self, log: EventLog) -> tuple[EventLog, np.datetime64]:
        """The log as the task reads it, and its test origin; DataError where it is too short, or of too few."""
        work = self._prepared(log)
        if len(log.customers) < self.fewest:
            raise DataError(f"the log has {len(log.customers)} customer; what they do is learned from many")
        return work, self.origin(work)

    def _judge(self, log: EventLog, test: np.datetime64, progress: bool, checkpoint: Any) -> tuple[Judgement, HeldOut]:
        """A network and the simple methods, which learn until the test origin, on what came after it."""
        code, told = self.told(log, test)
        asked = self.judged(log, test, code)
        until = _until(log, test)
        _report(progress, "simple methods", told, until)
        rivals = _predicted(self.rivals(told, asked), progress)
        learned = self._learn("judged", code, told, until, progress, checkpoint)
        del told  # of a long log there is no room for two
        return self._compare(learned, asked, rivals, test, log)

    def _learn(self, name: str, code: Code, told: Examples, until: str, progress: bool, checkpoint: Any) -> Learned:
        """The network of this name, and where it goes on from."""
        _report(progress, f"{name} network", told, until)
        file = None if checkpoint is None else f"{os.fspath(checkpoint)}-{name}"
        return self.learned(code, told, progress=progress, checkpoint=file)

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


def _until(log: EventLog, day: np.datetime64) -> str:
    return f" until {day}" if log.dated else ""


def _announce(progress: bool, k: int, origins: int, test: np.datetime64) -> None:
    if progress and origins > 1:
        print(f"origin {k} of {origins}: {test}", file=sys.stderr, flush=True)


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
