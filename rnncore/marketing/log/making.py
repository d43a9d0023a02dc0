"""How an event log is made: the words of the call checked, columns read, parsed, sifted, sorted, and reported."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from rnncore.errors import ContractError, DataError
from rnncore.marketing.log import parsing
from rnncore.marketing.log.blocks import UTF_8
from rnncore.marketing.log.columns import Columns, gather
from rnncore.marketing.log.parts import words
from rnncore.marketing.log.quality import OF_SEVERAL, OF_TIMES, Check, Quality, describe, sift, unusual
from rnncore.marketing.log.reading import Raw, read
from rnncore.marketing.log.tables import Calendar, read_calendar, read_static

Array = npt.NDArray[Any]
CHOICES = ("error", "drop", "keep")
DAY = datetime.datetime(2000, 1, 1)  # of all rows of a table without times
SERIES, ALL = "series", "all"  # column and id of the one customer of a log that names none
ROW = "row"  # column of ids of texts that stand each by itself


class Words(NamedTuple):
    """The words of a call of EventLog."""

    columns: dict[str, str]
    """Role, or an extra column's own name -> name of the column."""
    extras: list[str]
    categories: list[str]
    reading: dict[str, Any]
    """What reads another source of the same form alike."""

    @classmethod
    def checked(
        cls, roles: Mapping[str, Any], extras: Sequence[str], categories: Sequence[str], how: Mapping[str, Any]
    ) -> Words:
        """ContractError for a wrong word."""
        if how["decimal"] not in (None, ","):
            raise ContractError("decimal", "'.' or ','", repr(how["decimal"]), "say what stands before tenths")
        for argument in ("missing", "negative"):
            if how[argument] not in CHOICES:
                raise ContractError(
                    argument, "'error', 'drop' or 'keep'", repr(how[argument]), "say what to do with such rows"
                )
        columns = {role: name for role, name in roles.items() if name is not None}
        _require_names(columns)
        lists = {"extras": _names("extras", extras), "categories": _names("categories", categories)}
        for name in lists["extras"]:
            if name in columns or name in ("row", "count"):
                advice = f"name it for its role, or call the column something else than {name!r}"
                raise ContractError("extras", "columns without another role", repr(name), advice)
            columns[name] = name
        reading = {role: name for role, name in roles.items() if name is not None}
        reading |= {word: said for word, said in {**how, **lists}.items() if said is not None and said != []}
        return cls(columns, lists["extras"], lists["categories"], reading)


class Made(NamedTuple):
    """What an EventLog holds."""

    arrays: dict[str, Array | Columns | None]
    calendar: Calendar | None
    quality: Quality
    raw: Raw


def make(source: Any, words: Words, static: Any, calendar: Any) -> Made:
    """Read, check and sort; see EventLog for the errors."""
    names, reading = words.columns, words.reading
    how = {"separator": reading["separator"], "time_format": reading.get("time_format")}
    how |= {"decimal": reading.get("decimal", "."), "encoding": reading.get("encoding", UTF_8)}
    columns = list(names.values())
    raw = read(source, columns, how["separator"], encoding=how["encoding"])._replace(decimal=how["decimal"])
    frame, conversions, empty = parsing.parse(raw, names, how["time_format"], words.categories)
    if "customer" not in names:
        alone = pl.lit(ALL).cast(pl.Enum([ALL])) if who(names) == SERIES else pl.col("row").cast(pl.Int64)
        frame = frame.with_columns(alone.alias("customer"))
    if "time" not in names:
        frame = _undated(frame, raw.label, static)
    frame, checks = sift(frame, raw.label, names, reading["missing"], reading["negative"])
    if empty:
        checks[:1] = [Check("rows read", checks[0].rows + empty, ""), Check("empty rows at the end", empty, "left out")]
    if "price" in names:
        frame = frame.with_columns(value=pl.col("price") * pl.col("items")).drop("price")
        checks.append(Check("value", frame.height, f"{names['price']!r} times {names['items']!r}"))
    frame = arrange(frame)
    checks += [*conversions, *describe(frame, "order" in names)]
    apart = "customer" not in names and who(names) == ROW
    unasked = OF_TIMES if "time" not in names else OF_SEVERAL if apart else ()
    checks = [check for check in checks if check.name not in unasked]
    skipped = ("row", "customer", "time", "order", parsing.TEXT)
    checks += unusual(frame, [name for name in frame.columns if name not in skipped])
    raw = raw._replace(columns={}, text=None)  # a log that is pickled, or kept, does not keep its source
    arrays = _arrays(frame)
    customers, tables = arrays["customers"], Columns()
    if "customer" in names:
        checks.append(Check("customers", len(customers), f"in {names['customer']!r}"))
    if static is not None or ("time" not in names and "customer" in names):
        table, beside = (source, _beside(words)) if static is None else (static, None)
        tables, more = read_static(table, who(names), customers, words.categories, how, beside)
        checks += more
    dates = None
    if calendar is not None:
        if "time" not in names:
            raise ContractError("calendar", "no calendar beside a table without times", "one", "name the column time")
        dates, more = read_calendar(calendar, names["time"], who(names), customers, words.categories, how)
        checks += more
    return Made({**arrays, "static": tables}, dates, Quality(raw.label, tuple(checks)), raw)


def who(columns: Mapping[str, str]) -> str:
    """What the column of ids is called. Where none is named, texts stand each by itself; all else is one series."""
    return columns.get("customer", ROW if parsing.TEXT in columns else SERIES)


def _undated(frame: pl.DataFrame, label: str, static: Any) -> pl.DataFrame:
    """The rows of a table of customers, all of one day; DataError where a customer has two."""
    if static is not None:
        advice = "join the two, or name the column of times"
        raise ContractError("static", "no table beside a table of customers", "one", advice)
    again = frame["customer"].is_duplicated() & frame["customer"].is_not_null()
    if again.any():
        raise DataError(
            f"{label} has more than one row of customer {frame['customer'].filter(again)[0]!r}: without times it is a "
            "table with a row for each; if its rows are events, say when: name it when the log is made: time=..."
            + ("; texts stand each by itself where customer is left out" if parsing.TEXT in frame.columns else "")
        )
    return frame.with_columns(pl.lit(DAY).cast(pl.Datetime("us")).alias("time"))


def _beside(words: Words) -> tuple[list[str] | None, list[str]]:
    """Of a table of customers, which columns are read, None for all, and which of them are not static."""
    apart = [words.columns[role] for role in ("outcome", parsing.TEXT) if role in words.columns]
    return list(words.columns.values()) if words.extras else None, apart


def arrange(frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted by customer, time and `order`, then, where there are ties, by all other columns but `row`.

    The columns are taken out of `frame` one by one: no two copies of all of them exist at a time.
    """
    first = ["customer", "time", *(["order"] if "order" in frame.columns else [])]
    rest = [name for name in frame.columns if name not in (*first, "row")]
    keys = [_key(frame[name]) for name in first]
    place = np.lexsort(keys[::-1])
    tied = np.ones(max(len(place) - 1, 0), bool)
    for key in keys:
        tied &= key[place[1:]] == key[place[:-1]]
    if tied.any() and rest:
        among = np.flatnonzero(np.append(tied, False) | np.append(False, tied))  # of these places
        rows = place[among]
        place[among] = rows[np.lexsort([_key(frame[name])[rows] for name in [*rest[::-1], *first[::-1]]])]
    del keys
    at = pl.Series(place.astype(np.uint32))
    return pl.DataFrame([frame.drop_in_place(name).gather(at) for name in frame.columns])


def _key(column: pl.Series) -> Array:
    """Numbers in the order of a column without infinities, its gaps first."""
    if column.dtype == pl.String:
        column = words(column)
    if column.dtype == pl.Float64:
        return column.fill_null(-np.inf).to_numpy()
    if column.dtype == pl.Enum:
        return column.to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    return column.to_physical().to_numpy()


def _arrays(frame: pl.DataFrame) -> dict[str, Any]:
    """The flat arrays of a sorted frame."""
    first = frame.select((pl.col("customer") != pl.col("customer").shift()).fill_null(True)).to_series()
    starts = first.arg_true().to_numpy().astype(np.int64)
    numbers = {role: frame[role].fill_null(np.nan).to_numpy() for role in ("value", "items") if role in frame.columns}
    ids = frame["customer"].filter(first)
    return {
        "customers": (ids.cast(pl.String) if ids.dtype == pl.Enum else ids).to_numpy(),
        "offsets": np.append(starts, frame.height),
        "time": frame["time"].to_numpy(),
        "value": numbers.get("value"),
        "items": numbers.get("items"),
        "count": np.broadcast_to(np.int64(1), frame.height),
        "cells": gather(frame.drop("row", "customer", "time", *numbers), texts=(parsing.TEXT,)),
    }


def _names(argument: str, given: object) -> list[str]:
    """A list of texts; ContractError for anything else, a bare text among it."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise ContractError(argument, "a list of column names", repr(given)[:80], 'for example ["discount"]')
    return list(dict.fromkeys(given))


def _require_names(columns: Mapping[str, Any]) -> None:
    """ContractError unless a customer, a time or a text is named, and every name is text."""
    if not {"customer", "time", parsing.TEXT} & set(columns):
        advice = (
            "name it; of one series the column time alone will do, of texts that stand by themselves the column text"
        )
        raise ContractError("customer", "the name of a column", "None", advice)
    for role in columns:
        if not isinstance(columns.get(role), str):
            raise ContractError(role, "the name of a column", repr(columns.get(role)), "columns are named by text")
    for role in ("customer", "time"):
        name = columns.get(role)
        twins = [other for other, called in columns.items() if called == name and other != role]
        if twins and name is not None:
            raise ContractError(role, "a column of its own", f"{name!r}, also named for {twins[0]}", "name another one")
    if "price" in columns and ("value" in columns or "items" not in columns):
        raise ContractError("price", "items beside it, and no value", repr(columns["price"]), "value = price * items")
