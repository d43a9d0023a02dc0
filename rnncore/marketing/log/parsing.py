"""Columns as they came to columns of one type, and what the report says of it.

Cells are read in `cells.py`, times in `datetimes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.log import numerals
from rnncore.marketing.log.cells import parse_customer, read_any, read_category, read_number
from rnncore.marketing.log.datetimes import clocks, finer, parse_time, require_one_way, with_offset
from rnncore.marketing.log.files import require_columns
from rnncore.marketing.log.parts import Parted, in_parts
from rnncore.marketing.log.quality import NUMBERS, Check, first_row
from rnncore.marketing.log.reading import Raw

CATEGORIES = ("event", "channel", "item", "action")  # roles of columns that hold words or codes
MEASURES = (*NUMBERS, "propensity", "order")  # roles of columns that hold numbers
TEXT = "text"  # the role of a column in somebody's own words


class Parsed(NamedTuple):
    """A log's columns of one type each."""

    frame: pl.DataFrame
    """`row` (from 1), `customer`, `time`, and the others as Float64, words (Enum) or text; missing is null."""
    conversions: list[Check]
    """Lines of the report for every column that is not used in the type in which it came."""
    empty: int
    """How many rows at the end hold nothing, as blank lines do, and are left out."""


def parse(raw: Raw, names: Mapping[str, str], time_format: str | None, categories: Sequence[str] = ()) -> Parsed:
    """Columns of one type, read one after the other: of each only what is used is kept.

    names: role, or an extra column's own name -> the caller's column name. The role says whether a column holds numbers
    or categories; for outcome and extras the cells do, see `cells.parse_any`, unless `categories` names the column.
    DataError: a cell or a type that cannot be read; no rows at all.
    """
    parsed: dict[str, pl.Series] = {}
    checks: list[Check] = []
    for role, name in names.items():
        if role in MEASURES:
            require_columns([name], list(raw.columns), raw.label)  # 1 and 5 joined are no number
        column = Parted.read(raw, name, " " if role == "time" else ",")
        if len(next(column.parts())) == 0:
            raise DataError(f"{raw.label} has no rows")
        if role == "customer":
            cells = in_parts(lambda part: parse_customer(part, raw.label), column, coded=True)
        elif role == "time":
            cells = in_parts(lambda part: parse_time(part, raw.label, time_format), column)
        elif role in MEASURES:
            cells = read_number(column, raw.label, raw.decimal)
        elif role == TEXT:
            cells = read_category(column, raw.label)
        else:
            known = role in CATEGORIES or name in categories
            cells = read_category(column, raw.label, True) if known else read_any(column, raw.label, raw.decimal, True)
        checks += _conversions(role, column, cells, raw, time_format)
        parsed[role] = cells
        del column  # it is left before the next one is read
    _require_propensities(parsed.get("propensity"), raw)
    frame = pl.DataFrame([series.alias(role) for role, series in parsed.items()]).with_row_index("row", offset=1)
    frame, empty = _without_end(frame)
    if not frame.height:
        raise DataError(f"{raw.label} has no rows but empty ones")
    return Parsed(frame, checks, empty)


def _without_end(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Without the rows at the end that hold nothing, as blank lines, and how many these are."""
    if any(cell is not None for cell in frame.row(-1)[1:]):
        return frame, 0
    held = frame.select(pl.any_horizontal(pl.exclude("row").is_not_null())).to_series().arg_true()
    end = int(held[-1]) + 1 if len(held) else 0
    return frame.head(end), frame.height - end


def _require_propensities(p: pl.Series | None, raw: Raw) -> None:
    """DataError unless all are probabilities above 0."""
    broken = None if p is None else ((p <= 0) | (p > 1)).fill_null(False)
    if p is not None and broken is not None and broken.any():
        row = first_row(broken)
        raise DataError(
            f"{raw.label}: the propensity {p[row - 1]:g} in row {row} of {p.name!r} is no probability in (0, 1]"
        )


def _conversions(role: str, column: Parted, cells: pl.Series, raw: Raw, time_format: str | None) -> list[Check]:
    """Lines of the report where a column is not used, as `cells`, in the type in which it came."""
    checks = []
    name, came = column.name, raw.dtypes.get(column.name)
    if role == "customer" and column.dtype.is_float():
        checks.append(Check("customers as floats", len(cells), f"{name!r}: whole, so taken as integers"))
    elif role not in ("customer", "time") and (column.dtype == pl.String) == (cells.dtype == pl.Float64):
        kind = "text as numbers" if column.dtype == pl.String else "numbers as categories"
        how = numerals.adorned(next(column.parts()).str.strip_chars(), raw.decimal) if kind == "text as numbers" else ""
        checks.append(Check(kind, len(cells), f"{name!r}: {how}" if how else repr(name)))
    elif role == "time" and not column.dtype.is_temporal():
        checks.append(Check("text as dates", len(cells), f"{name!r}: {time_format or 'ISO 8601'}"))
    checks += _alike(role, cells)
    zone = getattr(came, "time_zone", None)
    if role == "time" and zone is not None:
        checks.append(Check("time zone", len(cells), f"{name!r}: days are counted by the clock of {zone}"))
    cut, offsets = _written(column, raw.label, time_format) if role == "time" else (0, 0)
    if cut:
        checks.append(Check("times cut to microseconds", cut, f"{name!r}: what is finer is left off"))
    if offsets:
        checks.append(Check("time zone", offsets, f"{name!r}: offset from UTC left off, the clock kept"))
    return checks


def _alike(role: str, cells: pl.Series) -> list[Check]:
    """A line where words differ only in the spaces around them, or in capitals (of ids these may tell apart): they are
    other words, which is seldom meant.
    """
    if not isinstance(cells.dtype, pl.Enum):
        return []
    levels = cells.dtype.categories
    bare = levels.str.strip_chars()
    for what, same in (("spaces", bare), ("capitals", bare if role == "customer" else bare.str.to_lowercase())):
        twice = levels.filter(same.is_duplicated())
        if len(twice):
            pair = levels.filter(same == same.filter(same.is_duplicated())[0]).to_list()[:2]
            rows = int(cells.is_in(twice.cast(cells.dtype)).sum())
            return [Check(f"{role} alike but for {what}", rows, f"kept apart, as {pair[0]!r} and {pair[1]!r}")]
    return []


def _written(column: Parted, label: str, time_format: str | None) -> tuple[int, int]:
    """How many times are finer than a microsecond, and how many texts have an offset from UTC that is left off.

    DataError where some ISO texts have one and others have none.
    """
    cut = offsets = 0
    zoned = bare = False
    for part in column.parts():
        cut, offsets = cut + finer(part), offsets + with_offset(part, time_format)
        if part.dtype == pl.String and time_format is None:
            with_one, without = clocks(part)
            zoned, bare = zoned or bool(with_one.any()), bare or bool(without.any())
    if zoned and bare:
        require_one_way(column.whole(), column.name, label)
    return cut, offsets
