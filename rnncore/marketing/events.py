"""The event log: who did something when, and of what value. Every marketing task takes one.

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
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.marketing import making
from rnncore.marketing.columns import Category, Columns
from rnncore.marketing.days import Day, to_day
from rnncore.marketing.quality import Quality
from rnncore.marketing.tables import Calendar
from rnncore.marketing.wording import counted

Array = npt.NDArray[Any]


class EventLog:
    """A log of dated events of customers, checked and sorted.

    source: a pandas, polars or pyarrow dataframe (any that narwhals knows), or the path of a CSV (also gzipped) or
        Parquet file. It is not changed. From a CSV, customer ids are kept as text, as they stand there.
    customer, time: names of the columns that say who and when. Customers are text or whole numbers. Times are dates, or
        text in ISO 8601 form (`2010-12-31`, `2010-12-31 08:26:00`). Times with a zone keep the clock of that zone.
    value, items: names of the columns with the amount of money and the number of things, or None.
    price: name of the column with the price of one thing, where there is no amount: value is then price times items.
    event, channel, item, action: names of columns of categories (text; whole numbers become text): what happened, by
        which way, with which thing, and what we did. propensity: of the probability with which we did it, in (0, 1].
    text: name of the column in somebody's own words. outcome: of what came of the event: numbers, true and false, or
        categories. order: of a column of numbers that orders the events of one time.
    extras: names of further columns, numbers or categories, as their cells are. categories: those of extras, outcome
        and the tables below that are categories although written in digits.
    static, calendar: dataframes or paths with columns of the customers, and of days known in advance; see `tables.py`.
    time_format: how the times are written if they are not ISO text, in strftime's letters: `"%Y%m%d"` also reads whole
        numbers.
    missing: "error", "drop" to leave out rows without customer, time, value, items or price, or "keep": numbers are
        then NaN. Other empty cells are always kept.
    negative: "error", "drop" to leave out rows with a negative value or a negative number of items (returns,
        cancellations), or "keep".
    separator: between the fields of a CSV file.

    `quality()` says what was found and what was done about it: nothing is dropped or converted without a line there.
    `reading` holds the words of this call, so that another source of the same form can be read alike.
    Raises DataError for a missing file or column, an unreadable, missing, negative, infinite or huge (beyond 1e12)
    cell (with its row, counted from 1 without the header), and a log without rows; ContractError for a wrong argument.
    A log of one customer is a log: whoever needs more customers checks that. Warns of dates before 1971 or in the
    future.

    >>> import polars as pl
    >>> days = ["2024-03-01", "2024-01-05", "2024-01-02"]
    >>> frame = pl.DataFrame({"id": ["b", "a", "b"], "day": days, "paid": [9.5, 2, 1], "way": ["web", None, "mail"]})
    >>> log = EventLog(frame, customer="id", time="day", value="paid", channel="way")
    >>> log
    EventLog(3 events of 2 customers, 2024-01-02 to 2024-03-01)
    >>> log.customers, log.value
    (array(['a', 'b'], dtype=object), array([2. , 1. , 9.5]))
    >>> log.category("channel")
    Category(codes=array([-1,  0,  1], dtype=int32), levels=array(['mail', 'web'], dtype=object))
    """

    customers: Array
    offsets: npt.NDArray[np.int64]
    time: npt.NDArray[np.datetime64]
    value: npt.NDArray[np.float64] | None
    items: npt.NDArray[np.float64] | None
    count: npt.NDArray[np.int64]
    cells: Columns
    static: Columns
    calendar: Calendar | None

    def __init__(
        self,
        source: Any,
        *,
        customer: str,
        time: str,
        value: str | None = None,
        items: str | None = None,
        price: str | None = None,
        event: str | None = None,
        channel: str | None = None,
        item: str | None = None,
        text: str | None = None,
        outcome: str | None = None,
        action: str | None = None,
        propensity: str | None = None,
        order: str | None = None,
        extras: Sequence[str] = (),
        categories: Sequence[str] = (),
        static: Any = None,
        calendar: Any = None,
        time_format: str | None = None,
        missing: str = "error",
        negative: str = "error",
        separator: str = ",",
    ) -> None:
        roles = {"customer": customer, "time": time, "value": value, "items": items, "price": price, "event": event}
        roles |= {"channel": channel, "item": item, "text": text, "outcome": outcome, "action": action}
        roles |= {"propensity": propensity, "order": order}
        how = {"time_format": time_format, "missing": missing, "negative": negative, "separator": separator}
        words = making.Words.checked(roles, extras, categories, how)
        self.columns, self.reading = words.columns, words.reading
        made = making.make(source, words, static, calendar)
        self._raw, self._quality, self.calendar = made.raw, made.quality, made.calendar
        self._set(**made.arrays)
        if n := self._quality["unlikely dates"]:
            what = f"{counted(n, 'date')} before 1971 or in the future"
            warnings.warn(f"{made.raw.label} has {what}, kept: 'unlikely dates' in its report", stacklevel=2)

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

    def __repr__(self) -> str:
        if len(self) == 0:
            return "EventLog(no events)"
        return (
            f"EventLog({counted(len(self), 'event')} of {counted(len(self.customers), 'customer')}, "
            f"{self.first_day} to {self.last_day})"
        )

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

    def quality(self) -> Quality:
        """The report on the source: rows read and used, what was missing, dropped, repeated or out of order."""
        return self._quality

    def per_day(self) -> Self:
        """One event per customer and day: value, items and `count` added up, time at the start of the day.

        A sum leaves out empty cells, and is empty where all are. The other cells have no sum: they are left behind.
        """
        day, codes = self.day, self.codes
        new = np.ones(len(self), bool)
        new[1:] = (day[1:] != day[:-1]) | (codes[1:] != codes[:-1])
        starts = np.flatnonzero(new)
        sums = {
            name: None if array is None else _sums(array, starts)
            for name, array in (("value", self.value), ("items", self.items), ("count", self.count))
        }
        offsets = np.searchsorted(starts, self.offsets).astype(np.int64)
        return self._derive(offsets=offsets, time=day[starts].astype("datetime64[us]"), cells=Columns(), **sums)

    def population(self, day: Day) -> npt.NDArray[np.int64]:
        """Positions in `customers` of those whose first event is on or before `day`, ascending."""
        return np.flatnonzero(self.day[self.offsets[:-1]] <= to_day(day))

    def until(self, day: Day) -> Self:
        """The events on or before `day`; its customers are `customers[population(day)]`. Empty if there are none."""
        return self._rows(np.flatnonzero(self.day <= to_day(day)), self.population(day))

    def of(self, customer: Any) -> Self:
        """The events of one customer; ContractError where there is none of that id."""
        hits = np.flatnonzero(self.customers == customer)
        if not len(hits):
            advice = f"ids look like {self.customers[0]!r}" if len(self.customers) else "the log has no events"
            few = self.customers[:10_000].tolist() if isinstance(customer, str) else []
            if near := checks.nearest(customer, [one for one in few if isinstance(one, str)]):
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
        lengths = np.bincount(self.codes[keep], minlength=len(self.customers))
        return self._rows(np.flatnonzero(keep), np.flatnonzero(lengths))

    def _rows(self, rows: npt.NDArray[np.int64], index: npt.NDArray[np.int64]) -> Self:
        """These events, all of them of the customers at `index`."""
        lengths = np.bincount(self.codes[rows], minlength=len(self.customers))[index]
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

    def count_between(self, after: Day, until: Day) -> npt.NDArray[np.int64]:
        """The number of events of each customer with `after` < day <= `until`, (C,)."""
        inside = (self.day > to_day(after)) & (self.day <= to_day(until))
        return np.bincount(self.codes[inside], minlength=len(self.customers)).astype(np.int64)

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

    def frame(self, columns: Mapping[str, Array], index: npt.NDArray[np.int64] | None = None) -> Any:
        """A dataframe of the caller's kind: a row per customer, first the ids under their own name and type, then
        `columns`.

        index: positions in `customers`, one per row; all of them if None. A log made from a file gives a polars
            dataframe.

        >>> import polars as pl
        >>> log = EventLog(pl.DataFrame({"id": [7, 9], "day": ["2024-01-05", "2024-01-02"]}), customer="id", time="day")
        >>> log.frame({"p": np.array([0.25, 0.5])}).rows()
        [(7, 0.25), (9, 0.5)]
        """
        ids = self.customers if index is None else self.customers[index]
        return self._raw.to_native(self.columns["customer"], ids, columns)


def _sums(array: Array, starts: npt.NDArray[np.int64]) -> Array:
    """Sums of the pieces that begin at `starts`, NaN counting for nothing unless a piece has nothing else."""
    if array.dtype.kind != "f" or not np.isnan(array).any():
        return np.asarray(np.add.reduceat(array, starts))
    empty = np.isnan(array)
    sums = np.add.reduceat(np.where(empty, 0.0, array), starts)
    return np.where(np.logical_and.reduceat(empty, starts), np.nan, sums)
