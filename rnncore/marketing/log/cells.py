"""Cells to ids, numbers and categories; a cell that cannot be read is an error that names its row and shows its text.

Rows are counted from 1, without the header, in the order of the file or dataframe.
"""

from __future__ import annotations

import re

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.log import numerals
from rnncore.marketing.log.parts import Parted, in_parts, words
from rnncore.marketing.log.quality import first_row

TRUTH = {"true": 1.0, "false": 0.0}
EXACT = 2**53  # up to here each whole number is a float of its own
LARGEST = 1e12  # of an amount or a count: sums stay exact to less than a cent up to here
_BLANK = r"^\s*$"
_COMMA = r"[+-]?\d+,\d+"


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
            "up; correct it, or count in larger units; a column of codes is one of categories"
        )
    return numbers


def read_number(column: Parted, label: str, decimal: str) -> pl.Series:
    """As `parse_number`, a part at a time, unless one has more than digits: that depends on the cells of the others."""
    adorned: list[bool] = []

    def read(part: pl.Series) -> pl.Series:
        adorned.append(part.dtype == pl.String and bool(numerals.adorned(part.str.strip_chars(), decimal)))
        return parse_number(part, label, decimal)

    cells = in_parts(read, column)
    return parse_number(column.whole(), label, decimal) if len(adorned) > 1 and any(adorned) else cells


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
    return read_any(Parted.of(column), label, decimal)


def read_any(column: Parted, label: str, decimal: str, coded: bool = False) -> pl.Series:
    """As `parse_any`, of a column in parts; coded: see `in_parts`."""
    if column.dtype == pl.Boolean:
        return column.whole().cast(pl.Float64)
    if column.dtype != pl.String:
        if not (column.dtype.is_numeric() or column.dtype == pl.Null):
            what = "it must hold numbers or words; write it as one of them"
            raise DataError(f"{label}: column {column.name!r} holds {column.dtype}; {what}")
        return parse_number(column.whole(), label)
    truth = bare = numbers = commas = True
    shown, every, empty = None, 0, True
    for part in column.parts():
        cells = part.unique().str.strip_chars().replace("", None).drop_nulls().unique()
        every += len(cells)
        cells = cells.filter(~numerals.absent(cells))
        empty &= len(cells) == 0
        truth &= cells.str.to_lowercase().is_in(list(TRUTH)).all()
        bare &= numerals.bare(cells, decimal).is_not_null().all()
        numbers &= bool(numerals.written(cells, decimal).all())
        commas &= cells.str.contains(rf"^({_COMMA}|\d+)$").all()
        with_comma = cells.filter(cells.str.contains(",", literal=True))
        shown = with_comma[0] if shown is None and len(with_comma) else shown
    if empty and every:
        return read_category(column, label, coded)  # "none" everywhere is a word
    if truth:
        return in_parts(_truth, column)
    if bare or (numbers and _fit_together(column.whole(), decimal)):
        return read_number(column, label, decimal)
    if commas and shown is not None and decimal == ".":
        raise DataError(
            f"{label}: {column.name!r} holds numbers with a decimal comma, as {shown!r}; write them with a point, say "
            'decimal="," if all are written so, or name the column as one of categories'
        )
    return read_category(column, label, coded)


def _fit_together(column: pl.Series, decimal: str) -> bool:
    """Whether all cells of a whole column are numbers beside each other: see `numerals`."""
    cells = column.unique().str.strip_chars()
    return bool(numerals.numbers(cells.filter(~numerals.absent(cells)), decimal).is_not_null().all())


def _truth(column: pl.Series) -> pl.Series:
    return column.str.strip_chars().replace("", None).str.to_lowercase().replace_strict(TRUTH, default=None)


def read_category(column: Parted, label: str, coded: bool = False) -> pl.Series:
    """As `parse_category`, of a column in parts; coded: see `in_parts`."""
    if column.dtype == pl.String:
        return in_parts(lambda part: parse_category(part, label), column, coded)
    cells = parse_category(column.whole(), label)  # one that is no whole number makes all of them other words
    return words(cells) if coded else cells


def _without_blanks(column: pl.Series) -> pl.Series:
    """Text with null for cells that show nothing."""
    blank = column.str.contains(_BLANK)
    return column.set(blank, None) if blank.any() else column
