"""Numbers in sentences and in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

TERMS = {  # what stands in a table of rivals, a line of words each
    "log-loss": "mean of -log P of what came, lower is better",
    "deviance": "Tweedie's, the error of an expected amount, lower is better",
    "pinball": "the error of the 10, 50 and 90 % forecasts, lower is better",
    "1 - 1/rank": "of the rank that what came was given, lower is better",
    "lift": "of the tenth ranked highest",
    "bias": "mean probability minus what came",
    "bias %": "mean expectation minus what came, in % of this",
    "Gini": "1 is a perfect ranking, 0 one at random",
    "inside 0.1-0.9": "the share of what came between the 10 and 90 % forecasts, 0.8 is right",
    "MASE": "the error of the median over the mean change of its series in a season",
    "HR@20": "the share of what came that was among the 20 ranked highest",
    "MRR@20": "the mean of 1/rank, of ranks beyond 20 of 0",
    "NDCG@10": "the mean of 1/log2(1 + rank), of ranks beyond 10 of 0",
    "boosting, case": "gradient boosting on the columns of the case alone",
    "block": "values of a series that lie together in time, drawn anew as one for the intervals",
}


def counted(number: int, thing: str) -> str:
    """A number and its thing, in the plural where there is not one.

    >>> counted(1, "day"), counted(1200, "customer"), counted(2, "series"), counted(3, "touch")
    ('1 day', '1,200 customers', '2 series', '3 touches')
    """
    ending = "" if number == 1 or thing.endswith("s") else "es" if thing.endswith("ch") else "s"
    return f"{number:,} {thing}{ending}"


def explained(names: Iterable[str]) -> str:
    """What those of the names mean that are no everyday words.

    >>> explained(["log-loss", "AUROC", "lift"])
    'log-loss: mean of -log P of what came, lower is better; lift: of the tenth ranked highest'
    """
    return "; ".join(f"{name}: {TERMS[name]}" for name in names if name in TERMS)


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
