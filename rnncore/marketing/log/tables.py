"""The tables beside a log: static columns of each customer, and a calendar of what is known in advance.

    static      a row per customer: the customer column, called as in the log, and any columns
    calendar    a row per day, or per customer and day where it has the customer column too: the time column, called as
                in the log, and any columns: holidays, prices, planned campaigns; of the past and of days to come

Columns of a number type, and those whose cells are all numbers (or all true or false), are numbers; others categories.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.log.cells import parse_any, parse_category, parse_customer
from rnncore.marketing.log.columns import Columns, gather
from rnncore.marketing.log.datetimes import parse_time
from rnncore.marketing.log.files import require_columns
from rnncore.marketing.log.quality import Check, first_row, rare_levels
from rnncore.marketing.log.reading import UNNAMED, Raw, parts_of, read

Array = NDArray[Any]


@dataclass(frozen=True)
class Calendar:
    """Columns by day, or by customer and day; `at` looks them up.

    >>> calendar = Calendar(Columns({"holiday": np.array([1.0])}), np.array(["2024-12-25"], "datetime64[D]"))
    >>> calendar.at(np.array(["2024-12-24", "2024-12-25"], "datetime64[D]")).numbers["holiday"]
    array([nan,  1.])
    """

    columns: Columns
    days: NDArray[np.datetime64]
    """(M,), sorted; by customer and day where there are customers."""
    customers: Array | None = None
    """Ids (M,), or None where a day is the same for everybody."""
    source: str = "the calendar"
    """How messages call it."""

    def require(self, day: np.datetime64, customers: Array) -> None:
        """DataError unless its days go on until this one, for each of these customers (ids)."""
        ends = np.full(len(customers), self.days.max())
        if self.customers is not None:
            ids, first = np.unique(self.customers, return_index=True)
            last = dict(zip(ids.tolist(), self.days[np.append(first[1:], len(self.days)) - 1], strict=True))
            ends = np.array([last.get(one, np.datetime64("NaT")) for one in customers.tolist()], "datetime64[D]")
        short = np.flatnonzero(~(ends >= day))
        if len(short):
            ended = "has no day" if np.isnat(ends[short[0]]) else f"ends on {ends[short[0]]}"
            whose = "" if self.customers is None else f" for {customers[short[0]]!r}"
            raise DataError(
                f"{self.source} {ended}{whose}, and the forecast reaches to {day}: add a row for each day until then, "
                "with what is known of it in advance, or learn and ask until an earlier day"
            )

    def at(self, days: NDArray[np.datetime64], customers: Array | None = None) -> Columns:
        """The columns on these days (n,) for these customers (ids, (n,)); empty cells where the calendar has no row."""
        wanted = np.asarray(days, "datetime64[D]").astype(np.int64)
        own = self.days.astype(np.int64)
        if self.customers is not None:
            if customers is None:
                raise DataError("this calendar has rows per customer: say for which customers it is asked")
            ids, place = np.unique(self.customers, return_inverse=True)
            found = np.searchsorted(ids, customers)
            known = (found < len(ids)) & (ids[np.minimum(found, len(ids) - 1)] == customers)
            low, width = int(own.min()), int(own.max() - own.min()) + 1
            inside = known & (wanted >= low) & (wanted < low + width)
            own = place * width + own - low
            wanted = np.where(inside, found * width + wanted - low, -1)
        row = np.searchsorted(own, wanted)
        hit = row < len(own)
        hit[hit] = own[row[hit]] == wanted[hit]
        return self.columns.take(np.where(hit, row, -1))


def read_static(
    source: Any,
    customer: str,
    customers: Array,
    categories: Sequence[str],
    how: Mapping[str, Any],
    beside: tuple[Sequence[str] | None, Sequence[str]] | None = None,
) -> tuple[Columns, list[Check]]:
    """The static columns in the order of `customers` (sorted ids), and what the report says about them.

    how: `separator`, `decimal` and `encoding` of the log. beside: which columns are read, None for all, and which of
    these are not static.

    DataError where a customer has two rows, a customer cell is empty, or ids are of another kind than in the log.
    """
    names, apart = beside or (None, ())
    raw = read(source, names, how["separator"], "static", how["encoding"])._replace(decimal=how["decimal"])
    keys = parts_of(customer, raw.columns)
    require_columns(keys, list(raw.columns), raw.label, how["separator"])
    ids = _ids(raw, customer, customers)
    _require_single(pl.DataFrame([ids]), raw.label, f"customer {customer!r}")
    columns, checks = _columns(raw, [*keys, *apart], categories, "static")
    known = pl.DataFrame({"id": ids, "row": np.arange(len(ids))})
    wanted = pl.DataFrame({"id": pl.Series(customers.tolist(), dtype=ids.dtype)})
    row = wanted.join(known, on="id", how="left", maintain_order="left")["row"].fill_null(-1).to_numpy()
    without, strange = int((row < 0).sum()), len(ids) - int((row >= 0).sum())
    checks += [
        Check("customers without static row", without, "kept; their static cells are empty" if without else ""),
        Check("static rows of others", strange, "not used: no event of theirs is in the log" if strange else ""),
    ]
    return columns.take(row), checks


def read_calendar(
    source: Any, time: str, customer: str, customers: Array, categories: Sequence[str], how: Mapping[str, Any]
) -> tuple[Calendar, list[Check]]:
    """The calendar, and what the report says about it; how: `separator`, `decimal`, `encoding` and `time_format`
    of the log.

    DataError where a day (of a customer) has two rows, or a day or customer cell is empty.
    """
    raw = read(source, None, how["separator"], "calendar", how["encoding"])._replace(decimal=how["decimal"])
    dates, owners = (parts_of(name, raw.columns) for name in (time, customer))
    require_columns(dates, list(raw.columns), raw.label, how["separator"])
    column = raw.column(time, " ")
    written = None if column.dtype.is_temporal() else how["time_format"]
    days = parse_time(column, raw.label, written).dt.date().alias("day")
    keys = [days]
    if all(name in raw.columns for name in owners):
        keys = [_ids(raw, customer, customers).alias("customer"), days]
    _require_single(pl.DataFrame(keys), raw.label, "day")
    columns, checks = _columns(raw, [*dates, *owners], categories, "calendar")
    order = pl.DataFrame(keys).with_row_index("row").sort(*(key.name for key in keys))["row"].to_numpy()
    ids = keys[0].to_numpy()[order] if len(keys) == 2 else None
    day = days.to_numpy().astype("datetime64[D]")[order]
    made = Calendar(columns.take(order.astype(np.int64)), day, ids, raw.label)
    gone = _without_row(day, ids)
    gaps = [Check("calendar: days without row", gone, "between its first and its last; empty")] if gone else []
    return made, [Check("calendar days", len(days), ""), *gaps, *checks]


def _without_row(day: NDArray[np.datetime64], ids: Array | None) -> int:
    """How many days are left out of a calendar by day, of each customer if it has some; days sorted within them."""
    step = np.diff(day).astype(np.int64)
    step = step if ids is None else step[ids[1:] == ids[:-1]]
    return int((step - 1).sum()) if len(step) and step.min() == 1 else 0


def _ids(raw: Raw, customer: str, customers: Array) -> pl.Series:
    ids = parse_customer(raw.column(customer), raw.label)
    if (ids.dtype == pl.String) != (customers.dtype == object):
        ours, theirs = ("text" if text else "numbers" for text in (customers.dtype == object, ids.dtype == pl.String))
        raise DataError(f"{raw.label}: {customer!r} holds {theirs}, in the log it holds {ours}; convert one of them")
    return ids


def _require_single(keys: pl.DataFrame, label: str, what: str) -> None:
    """DataError unless every row has a key, and its own."""
    if keys.height == 0:
        raise DataError(f"{label} has no rows")
    empty = keys.select(pl.any_horizontal(pl.all().is_null())).to_series()
    if empty.any():
        raise DataError(f"{label}: row {first_row(empty)} has no {what}; fill it, or leave the row out")
    again = ~keys.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    if again.any():
        row = first_row(again)
        shown = ", ".join(str(cell) for cell in keys.row(row - 1))
        raise DataError(f"{label}: row {row} is a second one for {shown}; leave one row for each {what}")


def _columns(raw: Raw, keys: Sequence[str], categories: Sequence[str], table: str) -> tuple[Columns, list[Check]]:
    """All columns but the keys, and a line for each that has empty cells or rare levels or was read as another type."""
    parsed, checks = [], []
    for name, column in raw.columns.items():
        if name in keys:
            continue
        if re.fullmatch(UNNAMED, str(name)):
            checks.append(Check(f"{table}: column without a name", len(column), f"{name!r}: left out"))
            continue
        known = name in categories
        parsed.append(parse_category(column, raw.label) if known else parse_any(column, raw.label, raw.decimal))
        if (column.dtype == pl.String) == (parsed[-1].dtype == pl.Float64):
            kind = "text as numbers" if column.dtype == pl.String else "numbers as categories"
            checks.append(Check(f"{table}: {kind}", len(column), repr(name)))
        if empty := parsed[-1].null_count():
            checks.append(Check(f"{table}: empty cells", empty, f"{name!r}: kept, as empty"))
        if parsed[-1].dtype == pl.String and (found := rare_levels(parsed[-1])).rows:
            checks.append(Check(f"{table}: rare levels", found.rows, f"{name!r}: {found.remark}"))
    return gather(pl.DataFrame(parsed)), checks
