"""Columns as they came to columns of one type; a cell that cannot be read is an error that names its row and shows its
text.

Rows are counted from 1, without the header, in the order of the file or dataframe. Times are read in `datetimes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.log import numerals
from rnncore.marketing.log.datetimes import clocks, finer, parse_time, require_one_way, with_offset
from rnncore.marketing.log.parts import Parted, in_parts, words
from rnncore.marketing.log.quality import NUMBERS, Check, first_row
from rnncore.marketing.log.reading import Raw

CATEGORIES = ("event", "channel", "item", "action")  # roles of columns that hold words or codes
MEASURES = (*NUMBERS, "propensity", "order")  # roles of columns that hold numbers
TEXT = "text"  # the role of a column in somebody's own words

TRUTH = {"true": 1.0, "false": 0.0}
EXACT = 2**53  # up to here each whole number is a float of its own
LARGEST = 1e12  # of an amount or a count: sums stay exact to less than a cent up to here
_BLANK = r"^\s*$"
_COMMA = r"[+-]?\d+,\d+"


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
    or categories; for outcome and extras the cells do, see `parse_any`, unless `categories` names the column.
    DataError: a cell or a type that cannot be read; no rows at all.
    """
    parsed: dict[str, pl.Series] = {}
    checks: list[Check] = []
    for role, name in names.items():
        column = Parted.read(raw, name, " " if role == "time" else ",")
        if len(next(column.parts())) == 0:
            raise DataError(f"{raw.label} has no rows")
        if role == "customer":
            cells = in_parts(lambda part: parse_customer(part, raw.label), column, coded=True)
        elif role == "time":
            cells = in_parts(lambda part: parse_time(part, raw.label, time_format), column)
        elif role in MEASURES:
            cells = in_parts(lambda part: parse_number(part, raw.label, raw.decimal), column)
        elif role == TEXT:
            cells = _category(column, raw.label)
        else:
            known = role in CATEGORIES or name in categories
            cells = _category(column, raw.label, True) if known else _any(column, raw.label, raw.decimal, True)
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


def parse_customer(column: pl.Series, label: str) -> pl.Series:
    """Text or whole numbers; empty text is missing, and what programs write for it. Floats must be whole (beside a gap
    pandas has 7.0 for 7).
    """
    if column.dtype == pl.String:
        return column.set(numerals.absent(column.str.strip_chars()), None)
    if column.dtype.is_integer():
        return column
    if column.dtype.is_float():
        column = column.fill_nan(None)
        whole = (column == column.round()) & ~column.is_infinite()
        close = whole & (column.abs() >= EXACT)
        broken = (~whole | close).fill_null(False)
        if not broken.any():
            return column.cast(pl.Int64)
        row = first_row(broken)
        why = "is not a whole number"
        if close[row - 1]:
            why = "may have been another before it was made a float; read ids of this size as integers or text"
        raise DataError(f"{label}: customer {column[row - 1]} in row {row} of {column.name!r} {why}")
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    raise DataError(f"{label}: column {column.name!r} holds {column.dtype}; customer ids must be text or whole numbers")


def parse_number(column: pl.Series, label: str, decimal: str = ".") -> pl.Series:
    """Float64; text is read as numbers with this decimal mark, as `numerals` says; NaN, and what programs write for an
    empty cell, is missing. DataError for other text, for infinity, numbers beyond LARGEST and other types.
    """
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        text = text.set(numerals.absent(text), None)
        numbers = numerals.numbers(text, decimal)
        broken = numbers.is_null() & text.is_not_null()
    elif column.dtype.is_numeric() or column.dtype == pl.Null:
        numbers = column.cast(pl.Float64)
        broken = numbers.is_infinite().fill_null(False)
    else:
        raise DataError(f"{label}: column {column.name!r} holds {column.dtype}; it must hold numbers")
    broken = broken | numbers.is_infinite().fill_null(False)
    if broken.any():
        row = first_row(broken)
        advice = _advice(column.cast(pl.String), str(column[row - 1]).strip(), decimal)
        raise DataError(
            f"{label}: {column[row - 1]!r} in row {row} of {column.name!r} is not a finite number; {advice}"
        )
    numbers = numbers.fill_nan(None)
    huge = (numbers.abs() > LARGEST).fill_null(False)
    if huge.any():
        row = first_row(huge)
        raise DataError(
            f"{label}: {column[row - 1]} in row {row} of {column.name!r} is beyond {LARGEST:g}, too large to be added "
            "up; correct it, or count in larger units"
        )
    return numbers


def _advice(text: pl.Series, shown: str, decimal: str) -> str:
    """What to do about a column one of whose cells, as shown, is no number."""
    if len(signs := numerals.currencies(text)) > 1:
        return f"amounts in {signs[0]!r} and in {signs[1]!r} cannot be added up: convert them into one currency"
    if decimal == "." and re.fullmatch(_COMMA, shown):
        thousands = ", or without it where it stands between thousands" if re.fullmatch(r"\d+,\d{3}", shown) else ""
        return (
            f'if all numbers have a decimal comma, say decimal=",", otherwise write it with a decimal point{thousands}'
        )
    if re.search(r"\d", shown):
        return f"write a number alone, with a decimal {'point' if decimal == '.' else 'comma'} and without words"
    return "correct it, or empty the cell"


def parse_category(column: pl.Series, label: str) -> pl.Series:
    """Text; empty text is missing. Whole numbers and booleans are taken as the text that shows them, 7.0 as "7"."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        whole = (((column == column.round()) & (column.abs() <= EXACT)) | column.is_null()).all()
        column = column.cast(pl.Int64) if whole else column
    if column.dtype == pl.Null or column.dtype == pl.Boolean or column.dtype.is_numeric():
        return column.cast(pl.String)
    if column.dtype == pl.String:
        return _without_blanks(column)
    raise DataError(f"{label}: column {column.name!r} holds {column.dtype}; categories must be text or numbers")


def parse_any(column: pl.Series, label: str, decimal: str = ".") -> pl.Series:
    """Numbers, where the type says so or all cells are numbers, or all are true or false (1 and 0); else categories.
    Cells that are empty, or hold what programs write for that, do not count.
    """
    return _any(Parted.of(column), label, decimal)


def _any(column: Parted, label: str, decimal: str, coded: bool = False) -> pl.Series:
    """As `parse_any`; coded: see `in_parts`."""
    if column.dtype == pl.Boolean:
        return column.whole().cast(pl.Float64)
    if column.dtype != pl.String:
        if not (column.dtype.is_numeric() or column.dtype == pl.Null):
            what = "it must hold numbers or words; write it as one of them"
            raise DataError(f"{label}: column {column.name!r} holds {column.dtype}; {what}")
        return parse_number(column.whole(), label)
    truth = numbers = commas = True
    shown, every, empty = None, 0, True
    for part in column.parts():
        cells = part.unique().str.strip_chars().replace("", None).drop_nulls().unique()
        every += len(cells)
        cells = cells.filter(~numerals.absent(cells))
        empty &= len(cells) == 0
        truth &= cells.str.to_lowercase().is_in(list(TRUTH)).all()
        numbers &= numerals.numbers(cells, decimal).is_not_null().all()
        commas &= cells.str.contains(rf"^({_COMMA}|\d+)$").all()
        with_comma = cells.filter(cells.str.contains(",", literal=True))
        shown = with_comma[0] if shown is None and len(with_comma) else shown
    if empty and every:
        return _category(column, label, coded)  # "none" everywhere is a word
    if truth:
        return in_parts(_truth, column)
    if numbers:
        return in_parts(lambda part: parse_number(part, label, decimal), column)
    if commas and shown is not None and decimal == ".":
        raise DataError(
            f"{label}: {column.name!r} holds numbers with a decimal comma, as {shown!r}; write them with a point, say "
            'decimal="," if all are written so, or name the column as one of categories'
        )
    return _category(column, label, coded)


def _truth(column: pl.Series) -> pl.Series:
    return column.str.strip_chars().replace("", None).str.to_lowercase().replace_strict(TRUTH, default=None)


def _category(column: Parted, label: str, coded: bool = False) -> pl.Series:
    """As `parse_category`; coded: see `in_parts`."""
    if column.dtype == pl.String:
        return in_parts(lambda part: parse_category(part, label), column, coded)
    cells = parse_category(column.whole(), label)  # one that is no whole number makes all of them other words
    return words(cells) if coded else cells


def _without_blanks(column: pl.Series) -> pl.Series:
    """Text with null for cells that show nothing."""
    blank = column.str.contains(_BLANK)
    return column.set(blank, None) if blank.any() else column
