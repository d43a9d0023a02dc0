"""The event log: who did something when, and of what value. Every marketing task takes one.

Inside, the events lie sorted by customer and time in flat arrays, closed against writing. Those of customer i are
`offsets[i]:offsets[i + 1]`; events at the same time keep the order of the source.

    customers     (C,)    unique ids, sorted: integers or text
    offsets       (C+1,)  int64
    time          (n,)    datetime64[us], the clock as written
    value, items  (n,)    float64, or None if no column was named
    count         (n,)    int64, rows of the source behind each event: 1 until per_day()

A cut is a calendar day: what happened on or before that day is history, what happened after it is future.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from rnncore.errors import ContractError
from rnncore.marketing import parsing
from rnncore.marketing.days import Day, to_day
from rnncore.marketing.quality import Check, Quality, describe, sift
from rnncore.marketing.reading import read
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
    time_format: how the times are written if they are not ISO text, in strftime's letters: `"%Y%m%d"` also reads whole
        numbers.
    missing: "error", or "drop" to leave out rows in which a named column is empty or NaN.
    negative: "error", or "drop" to leave out rows with a negative value or a negative number of items (returns,
        cancellations).
    separator: between the fields of a CSV file.

    `quality()` says what was found and what was done about it: nothing is dropped or converted without a line there.
    `reading` holds the words of this call, so that another source of the same form can be read alike.
    Raises DataError for a missing file or column, an unreadable, missing, negative, infinite or huge (beyond 1e12)
    cell (with its row, counted from 1 without the header), and a log without rows; ContractError for a wrong argument.
    A log of one customer is a log: whoever needs more customers checks that. Warns of dates before 1971 or in the
    future.

    >>> days = ["2024-03-01", "2024-01-05", "2024-01-02"]
    >>> frame = pl.DataFrame({"id": ["b", "a", "b"], "day": days, "paid": [9.5, 2, 1]})
    >>> log = EventLog(frame, customer="id", time="day", value="paid")
    >>> log
    EventLog(3 events of 2 customers, 2024-01-02 to 2024-03-01)
    >>> log.customers, log.value
    (array(['a', 'b'], dtype=object), array([2. , 1. , 9.5]))
    """

    customers: Array
    offsets: npt.NDArray[np.int64]
    time: npt.NDArray[np.datetime64]
    value: npt.NDArray[np.float64] | None
    items: npt.NDArray[np.float64] | None
    count: npt.NDArray[np.int64]

    def __init__(
        self,
        source: Any,
        *,
        customer: str,
        time: str,
        value: str | None = None,
        items: str | None = None,
        price: str | None = None,
        time_format: str | None = None,
        missing: str = "error",
        negative: str = "error",
        separator: str = ",",
    ) -> None:
        _require_words(missing=missing, negative=negative)
        roles = {"customer": customer, "time": time, "value": value, "items": items, "price": price}
        self.columns = {role: name for role, name in roles.items() if name is not None}
        _require_names(self.columns)
        how = {"time_format": time_format, "missing": missing, "negative": negative, "separator": separator}
        self.reading = {**self.columns, **{word: said for word, said in how.items() if said is not None}}
        raw = read(source, list(self.columns.values()), separator)
        frame = parsing.parse(raw, self.columns, time_format)
        frame, checks = sift(frame, raw.label, self.columns, missing, negative)
        if price is not None:
            frame = frame.with_columns(value=pl.col("price") * pl.col("items")).drop("price")
            checks.append(Check("value", frame.height, f"{price!r} times {items!r}"))
        frame = frame.sort("customer", "time", maintain_order=True)
        first = frame.select((pl.col("customer") != pl.col("customer").shift()).fill_null(True)).to_series()
        starts = first.arg_true().to_numpy().astype(np.int64)
        self._set(
            customers=frame["customer"].filter(first).to_numpy(),
            offsets=np.append(starts, frame.height),
            time=frame["time"].to_numpy(),
            value=frame["value"].to_numpy() if "value" in frame.columns else None,
            items=frame["items"].to_numpy() if items is not None else None,
            count=np.ones(frame.height, np.int64),
        )
        checks += [*parsing.conversions(raw, self.columns, time_format), *describe(frame)]
        self._quality = Quality(raw.label, (*checks, Check("customers", len(self.customers), "")))
        self._raw = raw._replace(columns={})  # the cells are in the arrays now
        if self._quality["unlikely dates"]:
            n = self._quality["unlikely dates"]
            what = f"{counted(n, 'date')} before 1971 or in the future"
            warnings.warn(f"{raw.label} has {what}, kept: 'unlikely dates' in its report", stacklevel=2)

    def _set(self, **arrays: Array | None) -> None:
        """Hold the arrays, each closed against writing."""
        for name, array in arrays.items():
            if array is not None:
                array = np.ascontiguousarray(array)
                array.flags.writeable = False
            setattr(self, name, array)
        self.__dict__.pop("day", None)
        self.__dict__.pop("codes", None)

    def _derive(self, **arrays: Array | None) -> Self:
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
        return np.min(self.day)

    @property
    def last_day(self) -> np.datetime64:
        """The day of the latest event; the log is taken to end there."""
        return np.max(self.day)

    def quality(self) -> Quality:
        """The report on the source: rows read and used, what was missing, dropped, repeated or out of order."""
        return self._quality

    def per_day(self) -> Self:
        """One event per customer and day: value, items and `count` added up, time at the start of the day."""
        day, codes = self.day, self.codes
        new = np.ones(len(self), bool)
        new[1:] = (day[1:] != day[:-1]) | (codes[1:] != codes[:-1])
        starts = np.flatnonzero(new)
        sums = {
            name: None if array is None else np.add.reduceat(array, starts)
            for name, array in (("value", self.value), ("items", self.items), ("count", self.count))
        }
        offsets = np.searchsorted(starts, self.offsets).astype(np.int64)
        return self._derive(offsets=offsets, time=day[starts].astype("datetime64[us]"), **sums)

    def population(self, day: Day) -> npt.NDArray[np.int64]:
        """Positions in `customers` of those whose first event is on or before `day`, ascending."""
        return np.flatnonzero(self.day[self.offsets[:-1]] <= to_day(day))

    def until(self, day: Day) -> Self:
        """The events on or before `day`; its customers are `customers[population(day)]`. Empty if there are none."""
        keep = self.day <= to_day(day)
        index = self.population(day)
        lengths = np.bincount(self.codes[keep], minlength=len(self.customers))[index]
        return self._derive(
            customers=self.customers[index],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            time=self.time[keep],
            value=None if self.value is None else self.value[keep],
            items=None if self.items is None else self.items[keep],
            count=self.count[keep],
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

    def frame(self, columns: Mapping[str, Array], index: npt.NDArray[np.int64] | None = None) -> Any:
        """A dataframe of the caller's kind: a row per customer, first the ids under their own name and type, then
        `columns`.

        index: positions in `customers`, one per row; all of them if None. A log made from a file gives a polars
            dataframe.

        >>> log = EventLog(pl.DataFrame({"id": [7, 9], "day": ["2024-01-05", "2024-01-02"]}), customer="id", time="day")
        >>> log.frame({"p": np.array([0.25, 0.5])}).rows()
        [(7, 0.25), (9, 0.5)]
        """
        ids = self.customers if index is None else self.customers[index]
        return self._raw.to_native(self.columns["customer"], ids, columns)


def _require_words(**choices: str) -> None:
    """ContractError unless each choice is "error" or "drop"."""
    for argument, choice in choices.items():
        if choice not in ("error", "drop"):
            raise ContractError(argument, "'error' or 'drop'", repr(choice), "say what to do with such rows")


def _require_names(columns: Mapping[str, str]) -> None:
    """ContractError unless customer and time are named, and every name is text."""
    for role in ("customer", "time", *columns):
        if not isinstance(columns.get(role), str):
            raise ContractError(role, "the name of a column", repr(columns.get(role)), "columns are named by text")
    for role in ("customer", "time"):
        name = columns[role]
        twins = [other for other, called in columns.items() if called == name and other != role]
        if twins:
            raise ContractError(role, "a column of its own", f"{name!r}, also named for {twins[0]}", "name another one")
    if "price" in columns and ("value" in columns or "items" not in columns):
        raise ContractError("price", "items beside it, and no value", repr(columns["price"]), "value = price * items")
