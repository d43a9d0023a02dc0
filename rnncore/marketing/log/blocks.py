"""A CSV file of any size, line by line or some megabytes at a time: it is read and not mapped, so that no page stays.

A block ends where a line does, outside quotes: where the quotes before it, a doubled one counting as two, are even in
number. It holds whole rows then, and polars reads it as it would read them within the file.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.answers.wording import counted

SIZE = 2**24  # bytes of a block, or as many more as its last row has


def blocks(path: Path, zipped: bool) -> Iterator[bytes]:
    """The bytes of a file, cut between rows.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "few.csv"
    ...     _ = path.write_bytes(b'a,"b' + b"\\n" + b'c"' + b"\\n" + b"d,e")
    ...     list(blocks(path, zipped=False))
    [b'a,"b\\nc"\\n', b'd,e']
    """
    rest = b""
    with _opened(path, zipped, "rb") as file:
        while more := file.read(SIZE):
            rest += more
            cut = _cut(rest)
            if cut:
                yield rest[:cut]
                rest = rest[cut:]
    if rest:
        yield rest


def _cut(text: bytes) -> int:
    """Behind the last end of a line outside quotes, of text that begins outside; 0 where there is none."""
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end


def column(path: Path, zipped: bool, names: list[str], separator: str, name: str) -> Iterator[pl.Series]:
    """The cells of a column as text, block by block; PolarsError, OSError or EOFError where they cannot be read."""
    place, head = names.index(name), b""
    for block in blocks(path, zipped):
        frame = pl.read_csv(head + block, columns=[place], infer_schema=False, separator=separator)
        yield frame.to_series().rechunk().alias(name)
        head = (separator.join(map(str, range(len(names)))) + "\n").encode()  # the first block has its own


def lines(path: Path, zipped: bool, errors: str = "strict") -> IO[str]:
    """A file of text, open to be read line by line as `csv` wants them; errors: as of `open`."""
    return _opened(path, zipped, "rt", encoding="utf-8-sig", errors=errors, newline="")


def _opened(path: Path, zipped: bool, mode: str, **how: Any) -> IO[Any]:
    opener: Callable[..., IO[Any]] = gzip.open if zipped else open
    return opener(path, mode, **how)


def require_cells(path: Path, separator: str, many: int, zipped: bool) -> None:
    """DataError, naming the line, unless each line that is not blank has so many cells.

    Separators outside quotes are counted line by line; only where that does not settle it, because a cell holds a line
    break or quotes of its own, is the file parsed by Python's csv, which is slower.
    """
    whole: dict[str, Any] = {"has_header": False, "new_columns": ["line"], "separator": "\x1e", "quote_char": None}
    every, line = pl.scan_csv(path, glob=False, infer_schema=False, **whole), pl.col("line")
    plain = line.str.replace_all('"[^"]*"', "")
    odd = (plain.str.count_matches(separator, literal=True) != many - 1) | plain.str.contains('"', literal=True)
    if every.filter(odd).head(1).collect(engine="streaming").is_empty():
        return
    with lines(path, zipped) as file:
        latest, before = [""], 0
        rows = csv.reader(_noting(file, latest), delimiter=separator)
        try:
            for cells in rows:
                where = f"{path.name}: line {before + 1}"
                if cells and len(cells) != many:
                    raise DataError(
                        f"{where} has {counted(len(cells), 'cell')}, its header has {many}; correct the line, or put a "
                        f"cell that holds {separator!r} in quotes"
                    )
                if rows.line_num == before + 1 and latest[0].count('"') % 2:
                    raise DataError(f'{where} has a quote inside a cell; put the cell in quotes, and double it: ""')
                before = rows.line_num
        except csv.Error as error:
            raise DataError(f"{path.name}: line {before + 1} cannot be read as CSV: {error}") from None


def _noting(file: Iterable[str], latest: list[str]) -> Iterator[str]:
    """The lines as they come, the latest of them noted."""
    for latest[0] in file:
        yield latest[0]
