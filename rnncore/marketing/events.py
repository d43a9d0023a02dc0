"""The event log: who did something when, and of what value. Every marketing task takes one.

What it holds, and how it is cut, is in `selection.py`; how it is read in `making.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnncore.marketing.answers.wording import counted
from rnncore.marketing.log import making
from rnncore.marketing.log.blocks import UTF_8
from rnncore.marketing.log.letters import codec
from rnncore.marketing.log.quality import Quality
from rnncore.marketing.log.selection import Events

Array = npt.NDArray[Any]


class EventLog(Events):
    """A log of dated events of customers, checked and sorted.

    source: a pandas, polars or pyarrow dataframe (any that narwhals knows), or the path of a CSV (also gzipped) or
        Parquet file. It is not changed. From a CSV, customer ids are kept as text, as they stand there.
    customer, time: names of the columns that say who and when. Customers are text or whole numbers; without customer
        all rows are of one, "all", in a column "series": the one series of a forecast. Where text is named, each is of
        its own then: its number in the source, from 1, in a column "row". Times are dates, or text in ISO
        8601 form (`2010-12-31`, `2010-12-31 08:26:00`). Times with a zone keep the clock of that zone. Where no column
        is called so, a name with commas is several columns joined: `customer="shop,till"`, `time="Date,Time"`.
        Without time the source is a table, a row per customer: its columns (those named, where extras are) are static.
    value, items: names of the columns with the amount of money and the number of things, or None.
    price: name of the column with the price of one thing, where there is no amount: value is then price times items.
    event, channel, item, action: names of columns of categories (text; whole numbers become text): what happened, by
        which way, with which thing, and what we did. propensity: of the probability with which we did it, in (0, 1]:
        checked and kept for a weighting of your own (`log.number("propensity")`). No task reads it: what they say is
        about cases as they came, the action among what is known of them, and not about what another action would bring.
    text: name of the column in somebody's own words. outcome: of what came of the event: numbers, true and false, or
        categories. order: of a column of numbers that orders the events of one time.
    extras: names of further columns, numbers or categories, as their cells are. categories: those of extras, outcome
        and the tables below that are categories although written in digits.
    static, calendar: dataframes or paths with columns of the customers, and of days known in advance; see `tables.py`.
    time_format: how the times are written if they are not ISO text, in strftime's letters: `"%Y%m%d"` also reads whole
        numbers, and `"%s"` seconds since 1970, `"%s%3f"` milliseconds, `"%s%6f"` microseconds, `"%d"` days.
    missing: "error", "drop" to leave out rows without customer, time, value, items or price, or "keep": numbers are
        then NaN. Other empty cells are always kept.
    negative: "error", "drop" to leave out rows with a negative value or a negative number of items (returns,
        cancellations), or "keep".
    separator: between the fields of a CSV file. decimal: "." or ",", what stands before the tenths of numbers in text;
        these may have marks between thousands and one sign of currency (`$1,234.50`), see `numerals.py`. encoding: of
        CSV files, static and calendar among them, as Python calls it: "cp1252" (Windows), "latin-1" ...

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

    def __init__(
        self,
        source: Any,
        *,
        customer: str | None = None,
        time: str | None = None,
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
        decimal: str = ".",
        encoding: str = "utf-8",
    ) -> None:
        roles = {"customer": customer, "time": time, "value": value, "items": items, "price": price, "event": event}
        roles |= {"channel": channel, "item": item, "text": text, "outcome": outcome, "action": action}
        roles |= {"propensity": propensity, "order": order}
        how = {"time_format": time_format, "missing": missing, "negative": negative, "separator": separator}
        how["decimal"] = None if decimal == "." else decimal
        how["encoding"] = None if (said := codec(encoding)) == UTF_8 else said
        words = making.Words.checked(roles, extras, categories, how)
        self.columns, self.reading = words.columns, words.reading
        made = making.make(source, words, static, calendar)
        self._raw, self._quality, self.calendar = made.raw, made.quality, made.calendar
        self._set(**made.arrays)
        if self.dated and (n := self._quality["unlikely dates"]):
            what = f"{counted(n, 'date')} before 1971 or in the future"
            warnings.warn(f"{made.raw.label} has {what}, kept: 'unlikely dates' in its report", stacklevel=2)

    def __repr__(self) -> str:
        if len(self) == 0:
            return "EventLog(no events)"
        if not self.dated:
            return f"EventLog(a table of {counted(len(self.customers), 'customer')})"
        return (
            f"EventLog({counted(len(self), 'event')} of {counted(len(self.customers), 'customer')}, "
            f"{self.first_day} to {self.last_day})"
        )

    @property
    def dated(self) -> bool:
        """Whether there are times; without, it is a table of customers."""
        return "time" in self.reading

    def quality(self) -> Quality:
        """The report on the source: rows read and used, what was missing, dropped, repeated or out of order."""
        return self._quality

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
        return self._raw.to_native(making.who(self.columns), ids, columns)
