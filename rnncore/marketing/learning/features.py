"""Columns of any kind as numbers that a network reads, for tasks that have no encoding of their own.

    number      sign(v) log(1 + |v|), standardised, and beside it a mask: 1 where the cell is empty and the number 0
    category    a column of 0 and 1 for each level known, the first for all other levels; all 0 where the cell is empty

`measure` looks at the past once and gives the code, JSON values; `encode` uses it on whatever comes. A mask is left out
where the past has no gap in that column: an empty cell then counts as an average one.

>>> import polars as pl
>>> rows = {"id": [1, 1, 2], "t": ["2024-01-01", "2024-01-04", "2024-01-02"], "way": ["web", "mail", None]}
>>> log = EventLog(pl.DataFrame(rows), customer="id", time="t", channel="way")
>>> code = measure(of_events(log, ["channel"]), least=1)
>>> names(code)
['gap', 'channel: other', 'channel: mail', 'channel: web']
>>> encode(of_events(log, ["channel"]), code)[:, 1:]
array([[0., 0., 1.],
       [0., 1., 0.],
       [0., 0., 0.]], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.log.columns import Category, Columns
from rnncore.sequences import Histories

Code = dict[str, Any]
Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
DAY = np.timedelta64(1, "D")


def signed_log(amounts: Floats) -> Floats:
    """sign(v) log(1 + |v|).

    >>> signed_log(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.693,  0.   ,  0.693])
    """
    size = np.log1p(np.abs(amounts))
    size *= np.sign(amounts)  # in its place: of long logs it is large
    return np.asarray(size, np.float64)


def of_events(log: EventLog, roles: Sequence[str]) -> Columns:
    """The columns of these roles (and extras) that the log has, of its n events, and `gap`: days since the
    customer's event before, 0 for the first.
    """
    numbers: dict[str, Floats] = {"gap": gaps(log)}
    categories: dict[str, Category] = {}
    for role in roles:
        if role in log.cells.categories:
            categories[role] = log.category(role)
        elif role in log.cells.numbers or (role in ("value", "items") and getattr(log, role) is not None):
            numbers[role] = log.number(role)
    return Columns(numbers, categories)


def called(log: EventLog, event: int) -> str:
    """An event in words: its time, and what its columns event, channel, item and action say."""
    words = [str(log.time[event])[:16].replace("T", " ").removesuffix(" 00:00")]
    for role in ("event", "channel", "item", "action"):
        category = log.cells.categories.get(role)
        if category is not None and category.codes[event] >= 0:
            words.append(str(category.levels[category.codes[event]]))
    return ", ".join(words)


def gaps(log: EventLog) -> Floats:
    """Days, with fractions, since the customer's event before, (n,); 0 for the first."""
    days = np.diff(log.time, prepend=log.time[:1]) / DAY
    days[log.offsets[:-1][np.diff(log.offsets) > 0]] = 0.0
    return np.asarray(days, np.float64)


def measure(columns: Columns, most: int = 20, least: int = 5) -> Code:
    """The code of these columns: of each number mean, deviation and whether it has gaps; of each category its levels,
    and the share of each among the cells that are not empty.

    most: so many levels are known, those that occur `least` times or more, the most frequent first.
    """
    numbers = {}
    for name, values in sorted(columns.numbers.items()):  # as JSON keeps them
        shown = signed_log(values[~np.isnan(values)])
        mean, deviation = (float(shown.mean()), float(shown.std())) if len(shown) else (0.0, 1.0)
        numbers[name] = [mean, deviation if deviation > 1e-9 else 1.0, bool(np.isnan(values).any())]
    levels, shares = {}, {}
    for name, category in sorted(columns.categories.items()):
        levels[name] = category.common(most, least)
        count = np.bincount(category.coded(levels[name])[category.codes >= 0], minlength=len(levels[name]) + 1)
        shares[name] = (count / max(count.sum(), 1)).tolist()
    return {"numbers": numbers, "levels": levels, "shares": shares}


def names(code: Code) -> list[str]:
    """What each of the D columns is called."""
    found = [f"{name}{mask}" for name, (_, _, gaps) in code["numbers"].items() for mask in ("", " empty")[: 1 + gaps]]
    return found + [name for levels in code["levels"].items() for name in _level_names(*levels)]


def encode(columns: Columns, code: Code) -> Rows:
    """The columns as (n, D) float32; DataError where one that was measured is not there."""
    parts: list[NDArray[Any]] = []
    for name, (mean, deviation, masked) in code["numbers"].items():
        values = _there(columns.numbers, name)
        empty = np.isnan(values)
        parts.append(np.where(empty, 0.0, (signed_log(np.where(empty, 0.0, values)) - mean) / deviation)[:, None])
        if masked:
            parts.append(empty[:, None])
    for name, levels in code["levels"].items():
        category = _there(columns.categories, name)
        found = np.where(category.codes < 0, -1, category.coded(levels))
        parts.append(found[:, None] == np.arange(len(levels) + 1))
    if not parts:
        raise DataError("there is no column to encode")
    return np.concatenate(parts, axis=1).astype(np.float32)


def average(rows: NDArray[Any], inputs: Sequence[str], code: Code) -> Floats:
    """What average events would hold in place of these rows (L, D): 0, and of a category that is there the shares of
    its levels.

    inputs: what the D columns are called. code: one of `measure`, or what holds such codes.
    """
    found, free = np.zeros(rows.shape), list(range(len(inputs)))
    for columns, shares in _shared(code):
        if fits := [k for k in free if [*inputs[k : k + len(columns)]] == columns]:
            free.remove(k := fits[0])  # those of events, then those of the customer of the same name
            place = slice(k, k + len(columns))
            found[:, place] = rows[:, place].sum(axis=1, keepdims=True) * shares
    return found


def _shared(code: Code) -> Iterator[tuple[list[str], list[float]]]:
    """The columns of each category, and the share of each; of a code from an earlier rnncore there is none."""
    for name, shares in code.get("shares", {}).items():
        yield _level_names(name, code["levels"][name]), shares
    for part in code.values():
        if isinstance(part, dict):
            yield from _shared(part)


def _level_names(name: str, levels: Sequence[str]) -> list[str]:
    return [f"{name}: {level}" for level in ["other", *levels]]


def latest(rows: NDArray[Any], offsets: NDArray[np.int64], most: int) -> Histories:
    """Of each history the `most` latest rows."""
    lengths = np.diff(offsets)
    kept = np.arange(len(rows)) >= np.repeat(offsets[1:] - most, lengths)
    return Histories(rows[kept], np.concatenate([[0], np.cumsum(np.minimum(lengths, most))]))


def require_tables(code: Code, log: EventLog) -> None:
    """DataError where the log lacks a whole table, static or calendar, whose columns a task's code has measured."""
    tables = {"static": bool(log.static.names), "calendar": log.calendar is not None}
    for table, there in tables.items():
        measured = code.get(table, {})
        if (columns := [*measured.get("numbers", {}), *measured.get("levels", {})]) and not there:
            what = "a calendar" if table == "calendar" else "columns of the customers"
            raise DataError(
                f"the model was fitted with {what} ({', '.join(columns)}), and this log has none: name the table when "
                f"the log is made: {table}=..."
            )


def _there(columns: Any, name: str) -> Any:
    if name not in columns:
        raise DataError(f"the model was fitted with a column {name!r}; this log has none")
    return columns[name]
