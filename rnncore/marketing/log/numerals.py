"""Numbers as people write them: marks between thousands, a sign of currency, brackets around what is negative.

    1,234.50    $12    -£3.20    (3.20)    1'234.50    and with the decimal mark ",": 1.234,50 €

A point or comma that is not the decimal mark stands between thousands where it could be nothing else: in 1,234.50 and
1,234,567. Whether 1,234 is such a number its column must show: by a cell that could be nothing else, by one with the
decimal mark, or by whole numbers below a thousand and none above that goes without. Amounts in two currencies are no
column of numbers: they cannot be added up.
"""

from __future__ import annotations

import polars as pl

ABSENT = ("na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", r"\n")  # what programs write into an empty cell
_PARTS = r"^(\()?([+-]?)\s*([A-Za-z]{0,3}\p{Sc})?\s*([+-]?)([\d.,'\u00a0\u202f ]*\d[.,]?)\s*(\p{Sc})?(\))?$"
_OPEN, _SIGN, _BEFORE, _INNER, _DIGITS, _AFTER, _CLOSE = range(7)


def absent(text: pl.Series) -> pl.Series:
    """Which cells, without spaces around them, show nothing, or a word for nothing; nulls among them.

    >>> absent(pl.Series(["1", "", "NaN", None])).to_list()
    [False, True, True, True]
    """
    return text.is_null() | (text == "").fill_null(False) | text.str.to_lowercase().is_in(list(ABSENT)).fill_null(False)


def numbers(text: pl.Series, decimal: str) -> pl.Series:
    """Text without spaces around it as Float64, null where it shows no number.

    >>> numbers(pl.Series(["$1,234.50", "$9", "(3.20)", "12 EUR"]), ".").to_list()
    [1234.5, 9.0, -3.2, None]
    """
    found = bare(text, decimal)
    odd = found.is_null() & text.is_not_null()
    if not odd.any():
        return found
    parts = text.filter(odd).str.extract_groups(_PARTS).struct.unnest()
    parts.columns = [str(k) for k in range(len(parts.columns))]
    digits = parts[str(_DIGITS)]
    other = "." if decimal == "," else ","
    mark = rf"[{other}'\u00a0\u202f ]"
    grouped = digits.str.contains(rf"^(\d+|[1-9]\d{{0,2}}({mark}\d{{2,3}})*{mark}\d{{3}})?(\{decimal}\d*)?$")
    doubtful = digits.str.contains(rf"^\d{{1,3}}\{other}\d{{3}}$").fill_null(False)
    if doubtful.any() and not _shown(pl.concat([text.filter(~odd), digits.filter(~doubtful)]), decimal):
        grouped &= ~doubtful
    if len(currencies(text)) > 1:
        grouped &= False
    grouped &= (parts[str(_OPEN)].is_null() == parts[str(_CLOSE)].is_null()) & (
        parts[str(_BEFORE)].is_null() | parts[str(_AFTER)].is_null()
    )
    read = bare(digits.set(~grouped.fill_null(False), None).str.replace_all(mark, ""), decimal)
    minus = parts.select(pl.concat_str(pl.col(str(_SIGN)), pl.col(str(_INNER)), ignore_nulls=True)).to_series()
    bracketed = parts[str(_OPEN)].is_not_null()
    read = read.set(minus.str.len_chars() + bracketed.cast(pl.UInt32) > 1, None)  # (-5) is below 0 or above it
    read = pl.select(pl.when((minus == "-") | bracketed).then(-read).otherwise(read)).to_series()
    return found.scatter(odd.arg_true(), read)


def adorned(text: pl.Series, decimal: str) -> str:
    """How the first number that is more than digits and a decimal mark is written, and read; of none nothing.

    >>> adorned(pl.Series(["7", "$1,200"]), ".")
    "'$1,200' is read as 1200"
    """
    found = numbers(text, decimal)
    odd = (found.is_not_null() & bare(text, decimal).is_null()).arg_true()
    return f"{text[odd[0]]!r} is read as {found[odd[0]]:.12g}" if len(odd) else ""


def currencies(text: pl.Series) -> list[str]:
    """The signs of currency before and behind the numbers of a column.

    >>> currencies(pl.Series(["$1", "2 €", "$3", "4"]))
    ['$', '€']
    """
    return sorted(text.str.extract(r"([A-Za-z]{0,3}\p{Sc})").drop_nulls().unique().to_list())


def written(text: pl.Series, decimal: str) -> pl.Series:
    """Which cells may be numbers beside others that show it.

    >>> written(pl.Series(["1,234", "$5", "1e3", "5 kg"]), ".").to_list()
    [True, True, True, False]
    """
    return text.str.contains(_PARTS) | bare(text, decimal).is_not_null()


def bare(text: pl.Series, decimal: str) -> pl.Series:
    """Text that is nothing but a number, as Float64, null where it is more."""
    if decimal == ",":
        text = text.set(text.str.contains(".", literal=True).fill_null(False), None).str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def _shown(others: pl.Series, decimal: str) -> bool:
    """Whether the other cells of a column show that 1,234 is no number with three decimals."""
    if others.str.contains(decimal, literal=True).any() or others.str.contains(r"\d\D\d+\D\d").any():
        return True
    return bool(others.str.contains(r"^\D*\d{1,3}$").any() and not others.str.contains(r"\d{4}").any())
