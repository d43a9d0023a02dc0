"""What holidays and other marks of the calendar change in a forecast; for `demand.py`.

A mark is the rarer of two values of a column of numbers, or each level of a category but the commonest. Every period
that has it is forecast from the values before, once as it is and once with a calendar that does not have it in the
periods ahead; before the origin it stays, for what came there came with it. That is what the network makes of the mark,
not what the day caused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.log.columns import Category, Columns
from rnncore.marketing.series import rolling
from rnncore.marketing.series import series_windows as series
from rnncore.sequences import Histories

if TYPE_CHECKING:
    from rnncore.marketing.series.series_answers import SeriesAnswers

Array = NDArray[Any]
MOST_LEVELS = 20


class Effect(NamedTuple):
    """What a column of the calendar changes in the median, on the days that have it, in units of the series."""

    what: str
    days: int
    """Forecasts of such a period."""
    change: float
    """Mean of the median minus that of the same period without it."""
    low: float
    high: float
    """The middle 80 % of these changes."""
    share: float
    """The sum of the changes over that of the sizes of the medians without it."""

    @classmethod
    def of(cls, what: str, asit: Array, without: Array) -> Effect:
        """From the medians of the same periods, with the mark and without it."""
        change = asit - without
        low, high = np.quantile(change, (0.1, 0.9))
        share = float(change.sum() / max(np.abs(without).sum(), 1e-12))  # a sum may be 0, or below it
        return cls(what, len(change), float(change.mean()), float(low), float(high), share)

    def __str__(self) -> str:
        return f"{self.what} means {self.change:+.4g} ({self.share:+.1%}, {self.days} forecasts)"


def ordinary(log: EventLog, days: Array, who: Array) -> list[tuple[str, Array, EventLog]]:
    """What the calendar says on some of these days (of these series): its words, which rows, and the log without it."""
    if log.calendar is None:
        return []
    found = []
    columns, rows = log.calendar.columns, log.calendar.at(days, log.customers[who])
    for name, own in columns.numbers.items():
        values, count = np.unique(own[~np.isnan(own)], return_counts=True)
        if len(values) == 2:
            off, on = values[np.argsort(-count, kind="stable")]
            numbers = {**columns.numbers, name: np.where(own == on, off, own)}
            changed = Columns(numbers, columns.categories, columns.texts)
            found.append((f"{name} = {on:g}", rows.numbers[name] == on, changed))
    for name, category in columns.categories.items():
        usual, *others = category.common(MOST_LEVELS)
        codes = {level: int(np.flatnonzero(category.levels == level)[0]) for level in (usual, *others)}
        for level in others:
            plain = np.where(category.codes == codes[level], codes[usual], category.codes).astype(np.int32)
            categories = {**columns.categories, name: Category(plain, category.levels)}
            changed = Columns(columns.numbers, categories, columns.texts)
            found.append((f"{name} = {level}", rows.categories[name].codes == codes[level], changed))
    return [
        (what, on, log.with_calendar(replace(log.calendar, columns=changed))) for what, on, changed in found if on.any()
    ]


def of_calendar(task: SeriesAnswers, learned: Learned, log: EventLog) -> list[Effect]:
    """The effect of each mark of the log's calendar on the medians of a network."""
    first, last = series.first_and_last(log, learned.code)
    who, at = rolling.origins(task.seed, first, int(first.min()) + 1, last, task.ahead)
    scale = np.ones(len(first))

    def windows(log: EventLog) -> tuple[Examples, Array]:
        asked = series.encode(log, learned.code, who, at, task.latest, task.ahead, scale)._replace(target=None)
        return asked, asked.histories.values.reshape(len(who), task.latest + task.ahead, -1)

    def median(rows: Array) -> Array:
        told = Histories(rows.reshape(-1, rows.shape[2]), asked.histories.offsets)
        said = task._says(learned, asked._replace(histories=told)).reshape(*rows.shape[:2], -1)
        return np.asarray(said[:, -task.ahead :, said.shape[2] // 2].ravel())

    asked, asit = windows(log)
    found, days, usual = [], asked.facts.days.ravel(), median(asit)
    for what, on, without in ordinary(log, days, np.repeat(who, task.ahead)):
        plain = np.concatenate([asit[:, : task.latest], windows(without)[1][:, task.latest :]], axis=1)
        found.append(Effect.of(what, usual[on], median(plain)[on]))
    return found


def table(found: list[Effect]) -> dict[str, list[str]]:
    """The effects as columns of text, for the report."""
    return {
        "what": [effect.what for effect in found],
        "forecasts": [str(effect.days) for effect in found],
        "change of the median": [f"{effect.change:+.4g} ({effect.share:+.1%})" for effect in found],
        "of 80 % of them": [f"{effect.low:+.4g} to {effect.high:+.4g}" for effect in found],
    }
