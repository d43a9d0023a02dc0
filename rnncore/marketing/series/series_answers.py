"""What `demand.py` answers beside its quantiles: why, what the calendar changes, and the first series for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from rnncore.marketing.answers import explain as explaining
from rnncore.marketing.answers.wording import counted, in_columns
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import NETWORK
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import Day
from rnncore.marketing.series import series_effects, series_views
from rnncore.marketing.series import series_windows as series
from rnncore.marketing.series.periods import Clock
from rnncore.marketing.series.series_effects import Effect
from rnncore.marketing.task import Code, HeldOut, Task

Array = NDArray[Any]
EFFECTS = "What the calendar changes in the forecasts"
REGULAR, HOURS = 0.5, 4  # of the days have as many rows, and so many at least, where the log has rows of hours


class SeriesAnswers(Task):
    """What a fitted `Demand` says of its forecasts; of their quantiles the middle one is the median."""

    ahead: int
    strategy: str

    unit = "median of the last period ahead"
    blanked = "of the same dates but of average values"
    printed = (series_views.FORECASTS,)

    def inputs(self, code: Code) -> list[str]:
        """The columns of `series`."""
        return series.names(code)

    def blank(self, values: Array, code: Code) -> Array:
        """An average window of which no value is known: the dates stay, and how far ahead each period is."""
        kept = np.isin(inputs := self.inputs(code), [*series.date_names(code["every"]), "ahead"])
        return np.where(kept, values, features.average(values, inputs, code))

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The periods of the window, and those ahead, by their days."""
        clock = Clock(code["every"], code["anchor"])
        period = clock.at(np.array(at)) + np.arange(number) - number + self.ahead + 1
        event = {int(p): k for k, p in enumerate(clock.at(own.day))}
        return [(str(day), event.get(p)) for p, day in zip(period.tolist(), clock.day(period), strict=True)]

    @one_thread
    def explain(self, log: EventLog, customer: Any, at: Day | None = None) -> explaining.Explanation:
        """As in `Task`, of the last period ahead; of a recursive network, of the next."""
        task, work, origin = self._ready(log, at)
        task = task if task.strategy == "direct" else clone(task).set_params(ahead=1)
        return explaining.explain(task, self._learned, work, customer, origin)

    def named(self, asked: Examples, code: Code) -> str:
        """Which period that is."""
        return "median of the next period" if self.ahead == 1 else f"median {self.ahead} periods ahead"

    def explained(self, said: Array, asked: Examples) -> Array:
        """The median of the last period ahead."""
        return np.asarray(asked.facts.units(said[None, :, said.shape[1] // 2], scaled=False)[0])

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """The forecasts of the first series, and the effects of the calendar."""
        head, first = series_views.first(log, self.predict(log), self._used.ahead)
        shown: dict[str, Mapping[str, list[str]]] = {head: in_columns(first)}
        found = self.effects(log)
        return shown | ({EFFECTS: series_effects.table(found)} if found else {})

    def drawn_further(self, log: EventLog) -> dict[str, bytes]:
        """The forecasts of the first series, after the values before them."""
        task, work, _ = self._ready(log, None)
        head, first = series_views.first(log, self.predict(log), task.ahead)
        return {head: series_views.drawn(work, first, task.latest)}

    @one_thread
    def effects(self, log: EventLog) -> list[Effect]:
        """What each holiday, and each other category or rarer of two values in the calendar, changes in the median.

        Every period that has it is forecast as it is and as if it did not, from the values before.
        """
        task, work, _ = self._ready(log, None)
        return series_effects.of_calendar(task, self._learned, work)

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """What was forecast, how many values lay in between, and what the calendar changes."""
        said = held.prediction[NETWORK]
        inside = float(((said[:, 0] <= held.target) & (held.target <= said[:, -1])).mean())
        words = [f"Forecast {counted(self.ahead, learned.code['every'])} at a time."]
        added = int(log.count.sum()) - len(log)
        rows = f"The values of {counted(added, 'row')} were added to others of their day."
        words += [rows, *_short(log)] if added else []
        words += [f"{inside:.1%} of what came lay between its low and high, where 80 % should."]
        effects = series_effects.of_calendar(self, learned, log.until(held.origin))
        words += [f"In its median {', '.join(map(str, effects))}."] if effects else []
        return words


def _short(log: EventLog) -> list[str]:
    """A warning where most days have the same number of rows, as hours have, and the last has fewer."""
    usual = int(np.median(log.count))
    last = log.count[log.day == log.last_day]
    if usual < HOURS or np.mean(log.count == usual) < REGULAR or not (last < usual).any():
        return []
    least = int(last.min())
    return [f"The last day, {log.last_day}, has {least} of the usual {usual}: if it was not over, leave it out."]
