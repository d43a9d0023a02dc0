"""Numbers in sentences and in tables."""

from __future__ import annotations

import polars as pl


def counted(number: int, thing: str) -> str:
    """A number and its thing, in the plural where there is not one.

    >>> counted(1, "day"), counted(1200, "customer")
    ('1 day', '1,200 customers')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def in_columns(frame: pl.DataFrame) -> dict[str, list[str]]:
    """The cells of a dataframe as text, a list per column; numbers with four digits.

    >>> in_columns(pl.DataFrame({"who": ["a", "b"], "spend": [12.3456, None]}))
    {'who': ['a', 'b'], 'spend': ['12.35', '']}
    """
    return {column.name: [_cell(cell) for cell in column.to_list()] for column in frame}


def _cell(cell: object) -> str:
    return "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
