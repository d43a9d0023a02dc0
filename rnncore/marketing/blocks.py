"""A CSV file of any size, some megabytes at a time: the file is read and not mapped, so that none of its pages stay.

A block ends where a line does, outside quotes: where the quotes before it, a doubled one counting as two, are even in
number. It holds whole rows then, and polars reads it as it would read them within the file.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import polars as pl

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
    with (gzip.open if zipped else open)(path, "rb") as file:
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
