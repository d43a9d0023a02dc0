"""Columns beside who and when: numbers, categories and texts, each with its gaps kept.

    numbers      name -> (n,) float64, NaN where the cell is empty
    categories   name -> Category: codes (n,) int32 into its levels (text, sorted), EMPTY = -1 where the cell is empty
    texts        name -> (n,) text, None where the cell is empty

A model knows the levels of its training log only: `Category.coded(known)` gives 1, 2, ... for them and OTHER = 0 for
whatever else comes later, for levels too rare to be known, and for empty cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

EMPTY, OTHER = -1, 0
Floats = NDArray[np.float64]


class Category(NamedTuple):
    """A column of words.

    >>> channel = Category(np.array([1, EMPTY, 0]), np.array(["mail", "web"], object))
    >>> channel.coded(["web"])
    array([1, 0, 0])
    """

    codes: NDArray[np.int32]
    """(n,): position in `levels`, EMPTY where the cell is empty."""
    levels: NDArray[Any]
    """(K,) text, sorted."""

    def coded(self, known: Sequence[str]) -> NDArray[np.int64]:
        """1 + the position of each cell in `known`; OTHER where it is not there, or empty; (n,)."""
        place = {level: k for k, level in enumerate(known, 1)}
        table = np.array([*(place.get(level, OTHER) for level in self.levels), OTHER], np.int64)
        return table[self.codes]  # EMPTY is the last entry

    def common(self, most: int, least: int = 1) -> list[str]:
        """The `most` levels that occur most often, each `least` times or more, the most frequent first."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))
        order = np.argsort(-counts, kind="stable")[:most]
        return [str(self.levels[k]) for k in order if counts[k] >= least]

    def listed(self, most: int = 5) -> str:
        """The most frequent levels in words, and how many more there are.

        >>> Category(np.array([2, 2, 0, 1]), np.array(["mail", "shop", "web"], object)).listed(2)
        "'web', 'mail' and 1 more"
        """
        found = self.common(len(self.levels))
        more = f" and {len(found) - most:,} more" if len(found) > most else ""
        return ", ".join(map(repr, found[:most])) + more


@dataclass(frozen=True)
class Columns:
    """Named columns of one length; an empty set of columns has any length."""

    numbers: Mapping[str, Floats] = field(default_factory=dict)
    categories: Mapping[str, Category] = field(default_factory=dict)
    texts: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Close the arrays against writing."""
        arrays: list[NDArray[Any]] = [*self.numbers.values(), *self.texts.values()]
        for array in (*arrays, *(category.codes for category in self.categories.values())):
            array.flags.writeable = False

    def __contains__(self, name: str) -> bool:
        return name in self.names

    @property
    def names(self) -> list[str]:
        """Of all columns, numbers first."""
        return [*self.numbers, *self.categories, *self.texts]

    def only(self, names: Sequence[str]) -> Columns:
        """The columns of these names."""

        def some(columns: Mapping[str, Any]) -> dict[str, Any]:
            return {name: column for name, column in columns.items() if name in names}

        return Columns(some(self.numbers), some(self.categories), some(self.texts))

    def take(self, rows: NDArray[Any]) -> Columns:
        """The rows with these positions, or with True; -1 gives an empty cell."""
        if not self.names:
            return self
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        none = rows < 0

        def taken(array: NDArray[Any], empty: Any) -> NDArray[Any]:
            if not len(array):
                return np.full(len(rows), empty, array.dtype)
            out = array[rows]
            out[none] = empty
            return out

        return Columns(
            {name: taken(a, np.nan) for name, a in self.numbers.items()},
            {name: Category(taken(c.codes, EMPTY), c.levels) for name, c in self.categories.items()},
            {name: taken(a, None) for name, a in self.texts.items()},
        )


def gather(frame: pl.DataFrame, texts: Sequence[str] = ()) -> Columns:
    """Columns of a parsed frame: those of Float64 are numbers, text is categories, or texts where named so.

    >>> gather(pl.DataFrame({"price": [1.5, None], "shop": ["x", None]})).categories["shop"].codes
    array([ 0, -1], dtype=int32)
    """
    numbers, categories, free = {}, {}, {}
    for column in frame.get_columns():
        if column.dtype == pl.Float64:
            numbers[column.name] = np.array(column.fill_null(np.nan).to_numpy())
        elif column.name in texts:
            free[column.name] = column.to_numpy().astype(object)
        else:
            categories[column.name] = categorise(column)
    return Columns(numbers, categories, free)


def categorise(column: pl.Series) -> Category:
    """Codes and sorted levels of a column of words; levels that do not occur are left out."""
    levels = column.unique().drop_nulls().cast(pl.String).sort()
    codes = column.cast(pl.Enum(levels)).to_physical().cast(pl.Int32).fill_null(EMPTY)
    return Category(np.array(codes.to_numpy()), levels.to_numpy().astype(object))
