"""A column a part at a time: what is used of its cells is small, and the cells as they came need not all be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.log.reading import Raw, joined, parts_of

PART = 500_000  # cells of a column in memory that are parsed at a time


class Parted(NamedTuple):
    """A column that need not be in memory as a whole."""

    name: str
    dtype: pl.DataType
    parts: Callable[[], Iterator[pl.Series]]
    """One part after another, at least one."""
    whole: Callable[[], pl.Series]

    @classmethod
    def of(cls, column: pl.Series) -> Parted:
        """A column in memory."""
        starts = range(0, max(1, len(column)), PART)
        return cls(column.name, column.dtype, lambda: (column.slice(k, PART) for k in starts), lambda: column)

    @classmethod
    def read(cls, raw: Raw, name: str, mark: str = ",") -> Parted:
        """A column of a source, or several joined; that of a CSV file is read again for each use of it."""
        text = raw.text
        if text is None:
            return cls.of(raw.column(name, mark))
        several = parts_of(name, raw.columns)

        def parts() -> Iterator[pl.Series]:
            for cells in zip(*map(text, several), strict=True):
                yield joined(cells, name, mark, raw.label)

        return cls(name, pl.String(), parts, lambda: raw.column(name, mark))


def in_parts(parse: Callable[[pl.Series], pl.Series], column: Parted, coded: bool = False) -> pl.Series:
    """`parse` of a column whose cells do not depend on each other; coded: text comes as `words`.

    Coded text is gone through twice, first for its levels: codes of each part's own would need a table for each.
    """
    try:
        levels = _levels(map(parse, column.parts())) if coded and column.dtype == pl.String else None
        done = [cells if levels is None else cells.cast(levels) for cells in map(parse, column.parts())]
    except DataError:
        return parse(column.whole())  # which names the row
    cells = done[0] if len(done) == 1 else pl.concat(done, rechunk=True)
    return words(cells) if coded else cells


def _levels(parts: Iterator[pl.Series]) -> pl.Enum:
    known = pl.Series([], dtype=pl.String)
    for cells in parts:
        known = pl.concat([known, cells.unique().alias("")]).unique()
    return pl.Enum(known.drop_nulls().sort())


def words(column: pl.Series) -> pl.Series:
    """A column of text as small codes: an Enum whose levels are sorted; another column as it is."""
    if column.dtype != pl.String:
        return column
    return column.cast(pl.Enum(column.unique().drop_nulls().sort()))
