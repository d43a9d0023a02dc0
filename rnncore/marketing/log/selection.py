"""What an event log holds, and the logs that can be cut from it.

Inside, the events lie sorted by customer and time in flat arrays, closed against writing. Those of customer i are
`offsets[i]:offsets[i + 1]`. Events at the same time are ordered by the column `order`, or else by their other columns:
the order of the rows in the source never matters.

    customers     (C,)    unique ids, sorted: integers or text
    offsets       (C+1,)  int64
    time          (n,)    datetime64[us], the clock as written
    value, items  (n,)    float64, NaN where a cell is empty and missing="keep", or None if no column was named
    count         (n,)    int64, rows of the source behind each event: 1 until per_day()
    cells         `columns.Columns` of n rows: event, channel, item, action, text, outcome, propensity and extra columns
    static        `columns.Columns` of C rows
    calendar      `tables.Calendar` or None; a cut leaves it whole, for it is known in advance

A cut is a calendar day: what happened on or before that day is history, what happened after it is future.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.marketing.log.columns import Category, Columns
from rnncore.marketing.log.days import Day, span, to_day
from rnncore.marketing.log.tables import Calendar

Array = npt.NDArray[Any]


class Events:
    """The arrays, and what can be asked of them; an `EventLog` is one that was read."""

    customers: Array
    offsets: npt.NDArray[np.int64]
    time: npt.NDArray[np.datetime64]
    value: npt.NDArray[np.float64] | None
    items: npt.NDArray[np.float64] | None
    count: npt.NDArray[np.int64]
    cells: Columns
    static: Columns
    calendar: Calendar | None

    def _set(self, **arrays: Array | Columns | None) -> None:
        """Hold the arrays, each closed against writing."""
        for name, array in arrays.items():
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array = np.ascontiguousarray(array)
                array.flags.writeable = False
            setattr(self, name, array)
        self.__dict__.pop("day", None)
        self.__dict__.pop("codes", None)

    def _derive(self, **arrays: Array | Columns | None) -> Self:
        """A log with other events from the same source."""
        log = copy.copy(self)
        log._set(**arrays)
        return log

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def day(self) -> npt.NDArray[np.datetime64]:
        """The calendar day of each event, datetime64[D], (n,)."""
        return self.time.astype("datetime64[D]")

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """The position in `customers` of each event's customer, (n,)."""
        return np.repeat(np.arange(len(self.customers)), np.diff(self.offsets))

    @property
    def first_day(self) -> np.datetime64:
        """The day of the earliest event."""
        return to_day(np.min(self.time))

    @property
    def last_day(self) -> np.datetime64:
        """The day of the latest event; the log is taken to end there."""
        return to_day(np.max(self.time))

    def per_day(self, latest: Sequence[str] = ()) -> Self:
        """One event per customer and day: value, items and `count` added up, time at the start of the day.

        A sum leaves out empty cells, and is empty where all are. The other cells have no sum: of the columns `latest`
        those of the day's last event are kept, the others are left behind.
        """
        day = self.time.astype("datetime64[D]")  # `day` and `codes` would stay in memory with this log
        new = np.ones(len(self), bool)
        new[1:] = day[1:] != day[:-1]
        new[self.offsets[:-1][np.diff(self.offsets) > 0]] = True
        starts = np.flatnonzero(new)
        sums = {
            name: None if array is None else _sums(array, starts)
            for name, array in (("value", self.value), ("items", self.items), ("count", self.count))
        }
        offsets = np.searchsorted(starts, self.offsets).astype(np.int64)
        kept = self.cells.only(latest).take(np.append(starts[1:], len(self))[: len(starts)] - 1)
        return self._derive(offsets=offsets, time=day[starts].astype("datetime64[us]"), cells=kept, **sums)

    def population(self, day: Day) -> npt.NDArray[np.int64]:
        """Positions in `customers` of those whose first event is on or before `day`, ascending."""
        return np.flatnonzero(self.time[self.offsets[:-1]] < _next(day))

    def until(self, day: Day) -> Self:
        """The events on or before `day`; its customers are `customers[population(day)]`. Empty if there are none."""
        early = self.time < _next(day)
        return self if early.all() else self._rows(np.flatnonzero(early), self.population(day))

    def of(self, customer: Any) -> Self:
        """The events of one customer; ContractError where there is none of that id."""
        hits = np.flatnonzero(self.customers == customer)
        if not len(hits):
            few = self.customers[:10_000].tolist()
            advice = f"ids look like {few[0]!r}" if few else "the log has no events"
            if isinstance(customer, str) and (near := checks.nearest(customer, [o for o in few if isinstance(o, str)])):
                advice = f"did you mean {near!r}?"
            raise ContractError("customer", "one of the log's customers", repr(customer), advice)
        return self._rows(np.arange(*self.offsets[hits[0] : hits[0] + 2]), hits)

    def among(self, index: npt.NDArray[np.int64]) -> Self:
        """The customers at these positions, ascending, with all their events."""
        return self._rows(np.flatnonzero(np.isin(self.codes, index)), index)

    def with_static(self, name: str, numbers: npt.NDArray[np.float64]) -> Self:
        """The log with one more number (C,) of its customers; a copy of the array is kept."""
        static = self.static
        added = {**static.numbers, name: np.array(numbers, np.float64)}
        return self._derive(static=Columns(added, static.categories, static.texts))

    def with_calendar(self, calendar: Calendar) -> Self:
        """The log with another calendar in the place of its own."""
        log = copy.copy(self)
        log.calendar = calendar
        return log

    def without(self, event: int) -> Self:
        """The log without its event at this position; a customer with no other event goes with it."""
        return self.where(np.arange(len(self)) != event)

    def where(self, keep: npt.NDArray[np.bool_]) -> Self:
        """The events with True in `keep`, (n,), and the customers who have one."""
        return self._rows(np.flatnonzero(keep), np.flatnonzero(self._counts(keep)))

    def _rows(self, rows: npt.NDArray[np.int64], index: npt.NDArray[np.int64]) -> Self:
        """These events, ascending, all of them of the customers at `index`."""
        lengths = np.diff(np.searchsorted(rows, self.offsets))[index]  # without `codes`, which would stay in memory
        return self._derive(
            customers=self.customers[index],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            time=self.time[rows],
            value=None if self.value is None else self.value[rows],
            items=None if self.items is None else self.items[rows],
            count=self.count[rows],
            cells=self.cells.take(rows),
            static=self.static.take(index),
        )

    def _counts(self, events: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many of the events with True each customer has, (C,)."""
        return np.diff(np.searchsorted(np.flatnonzero(events), self.offsets)).astype(np.int64)

    def count_until(self, day: Day) -> npt.NDArray[np.int64]:
        """The number of events of each customer on or before `day`, (C,)."""
        return self._counts(self.time < _next(day))

    def count_between(self, after: Day, until: Day) -> npt.NDArray[np.int64]:
        """The number of events of each customer with `after` < day <= `until`, (C,)."""
        return self._counts((self.time >= _next(after)) & (self.time < _next(until)))

    def value_between(self, after: Day, until: Day) -> npt.NDArray[np.float64]:
        """The added-up value of each customer's events with `after` < day <= `until`, (C,); needs a value column."""
        if self.value is None:
            raise ContractError("value", "a column with amounts", "None", "name it when the log is made: value=...")
        inside = (self.day > to_day(after)) & (self.day <= to_day(until))
        return np.bincount(self.codes[inside], self.value[inside], len(self.customers)).astype(np.float64)

    def category(self, name: str) -> Category:
        """The cells of a role or extra column that holds categories; ContractError where there is none of that name."""
        category: Category = self._cell(name, self.cells.categories, "a column of categories")
        return category

    def number(self, name: str) -> npt.NDArray[np.float64]:
        """The cells of a role or extra column that holds numbers, (n,); ContractError where there is none."""
        summed = {role: a for role, a in (("value", self.value), ("items", self.items)) if a is not None}
        numbers: npt.NDArray[np.float64] = self._cell(name, {**self.cells.numbers, **summed}, "a column of numbers")
        return numbers

    def words(self, name: str = "text") -> Array:
        """The texts of a column, (n,), None where there is none; ContractError where the log has no such column."""
        texts: Array = self._cell(name, self.cells.texts, "a column of texts")
        return texts

    def _cell(self, name: str, cells: Mapping[str, Any], expected: str) -> Any:
        if name not in cells:
            came = "another kind of column" if name in self.cells else "none"
            raise ContractError(name, expected, came, f"name it when the log is made: {name}=...")
        return cells[name]


def _next(day: Day) -> np.datetime64:
    """When the day after begins: times are compared with it, so that no array of days is made, and kept."""
    return np.datetime64(str(to_day(day) + span(1)), "us")


def _sums(array: Array, starts: npt.NDArray[np.int64]) -> Array:
    """Sums of the pieces that begin at `starts`, NaN counting for nothing unless a piece has nothing else."""
    if array.dtype.kind != "f" or not np.isnan(array).any():
        return np.asarray(np.add.reduceat(array, starts))
    empty = np.isnan(array)
    sums = np.add.reduceat(np.where(empty, 0.0, array), starts)
    return np.where(np.logical_and.reduceat(empty, starts), np.nan, sums)
