"""Numbers in sentences and in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl


def counted(number: int, thing: str) -> str:
    """A number and its thing, in the plural where there is not one.

    >>> counted(1, "day"), counted(1200, "customer"), counted(2, "series"), counted(3, "touch")
    ('1 day', '1,200 customers', '2 series', '3 touches')
    """
    ending = "" if number == 1 or thing.endswith("s") else "es" if thing.endswith("ch") else "s"
    return f"{number:,} {thing}{ending}"


def in_columns(frame: pl.DataFrame) -> dict[str, list[str]]:
    """The cells of a dataframe as text, a list per column; numbers with four digits, large ones whole.

    >>> in_columns(pl.DataFrame({"who": ["a", "b", "c"], "spend": [12.3456, None, 11930.9]}))
    {'who': ['a', 'b', 'c'], 'spend': ['12.35', '', '11,931']}
    """
    return {column.name: [_cell(cell) for cell in column.to_list()] for column in frame}


def in_lines(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """A table as lines of text: its head, then a line per row, each cell as wide as its column.

    >>> in_lines({"who": ["a", "bc"], "n": ["1", "20"]})
    ['who  n', 'a    1', 'bc   20']
    """
    padded = []
    for name, cells in columns.items():
        width = max(map(len, (name, *cells)))
        padded.append([cell.ljust(width) for cell in (name, *cells)])
    return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]


def _cell(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if 9999.5 <= abs(cell) < 1e12 else f"{cell:.4g}"
    return "" if cell is None else str(cell)
