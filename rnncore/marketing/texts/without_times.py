"""Texts without times, for `sentiment.py`: what chance does where time cannot.

    a fit       one text in five judges, drawn by chance; of the others a tenth stops and calibrates
    a new file  all texts judge: of each fifth of them simple methods learn from the other four

Equal texts are together in every cut. Verdicts by chance say nothing of drift, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import Judgement
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day, span
from rnncore.marketing.splits import ASIDE, set_aside
from rnncore.marketing.task import HeldOut, Task
from rnncore.marketing.texts import text

Array = NDArray[Any]
CHANCE = "The texts that judge were set aside by chance and not by time: this says nothing of drift."
CROSSED = (
    "All texts judge: of each fifth of them simple methods learned from the other four. Without times this says "
    "nothing of drift, nor whether the network has read them before."
)


class WithoutTimes(Task):
    """A task of texts, as `Task` says where they have times, and by chance where they have none."""

    undated = True

    def prepare(self, log: EventLog) -> EventLog:
        """The log; without times with those texts a day later than the others that are set aside."""
        return log if log.dated else set_aside(log, _alike(log.words()))

    def origin(self, log: EventLog) -> np.datetime64:
        """As in `Task`; without times the day before that of the texts set aside."""
        return super().origin(log) if log.dated else log.first_day

    def _apart(self, log: EventLog, rows: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of these texts are of the latest horizon (without times all), and the tenth that is watched."""
        if log.dated:
            return self._latest(log.time[rows]), tenth(np.arange(len(rows)), self.seed)
        return np.ones(len(rows), bool), tenth(_alike(log.words()[rows]), self.seed)

    def _latest(self, time: Array) -> NDArray[np.bool_]:
        """Which of these times are of the latest horizon."""
        days = time.astype("datetime64[D]")
        return np.asarray(days > days.max() - span(self.horizon))

    def _require_alike(self, log: EventLog, at: Day | None) -> None:
        """As in `Task`, but a model that knows times answers texts without them too: it reads the text alone."""
        if log.dated or at is not None:
            super()._require_alike(log, at)

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """Without times, what a verdict by chance does not say."""
        return [] if log.dated else [CROSSED if held.origin < log.first_day else CHANCE]

    def judged_when(self, origin: np.datetime64) -> str:
        """As in `Task`; without times no day is said."""
        return super().judged_when(origin) if "time" in self.reading_ else "set aside by chance"

    @one_thread
    def evaluate(self, log: EventLog) -> Judgement:
        """As in `Task`; without times all texts judge, and simple methods learn from the others of them, in turns."""
        self._require_log(log)
        if log.dated:
            return super().evaluate(log)
        task, work, origin = self._later(log)
        asked = task.judged(work, origin, self._learned.code)
        return task._compare(self._learned, asked, task._crossed(asked), origin, work)[0]

    def _crossed(self, asked: Examples) -> dict[str, Array]:
        """What simple methods say of a fifth of the texts, learned from the others, in turns."""
        _, texts, kinds = asked.facts
        alike = _alike([" ".join(words) for words in texts])
        place = np.random.default_rng(self.seed).permutation(int(alike.max()) + 1)[alike] % ASIDE
        found: dict[str, Array] = {}
        for own in (place == k for k in np.unique(place)):
            told, rest = (
                asked.select(rows)._replace(facts=(None, [texts[n] for n in np.flatnonzero(rows)], kinds))
                for rows in (~own, own)
            )
            text.require_two(told.target, kinds)
            told = told._replace(watched=tenth(alike[~own], self.seed))
            for name, said in self.rivals(told, rest).items():
                found.setdefault(name, np.empty((len(texts), len(kinds))))[own] = said() if callable(said) else said
        return found

    def _later(self, log: EventLog) -> tuple[Self, EventLog, np.datetime64]:
        self._require_log(log)
        if log.dated:
            return super()._later(log)
        task, work, _ = self._ready(log, None, learns=True)
        return task, work, work.first_day - span(1)

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        super()._keep(used, learned, until, reading)
        self.question = type(self).question if "time" in reading else "How do they feel?"


def _alike(texts: Iterable[str | None]) -> NDArray[np.int64]:
    """A number for each text, from 0 on, the same for equal ones: none is learned from where another of it judges."""
    return np.unique([words or "" for words in texts], return_inverse=True)[1]
