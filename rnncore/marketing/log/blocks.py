"""A CSV file of any size, line by line or some megabytes at a time: it is read and not mapped, so that no page stays.

A block ends where a line does, outside quotes: where the quotes before it, a doubled one counting as two, are even in
number. It holds whole rows then, and polars reads it as it would read them within the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.answers.wording import counted

SIZE = 2**24  # bytes of a block, or as many more as its last row has
UTF_8 = "utf-8"


class Text(NamedTuple):
    """A CSV file. PolarsError, OSError, EOFError or UnicodeError where it cannot be read."""

    path: Path
    zipped: bool = False
    separator: str = ","
    encoding: str = UTF_8
    """One that `letters.codec` lets pass."""

    def opened(self, mode: str = "rb", **how: Any) -> IO[Any]:
        """The file as `open` opens it, unzipped."""
        opener: Callable[..., IO[Any]] = gzip.open if self.zipped else open
        return opener(self.path, mode, **how)

    def start(self) -> bytes:
        """The first bytes."""
        with self.opened() as file:
            return bytes(file.read(2**20))

    def header(self) -> list[str]:
        """The names of the columns, those that come again with a number behind them."""
        first = next(self.blocks(), b"")
        first.decode()  # of a header polars does not see to it
        return pl.read_csv(first, n_rows=0, infer_schema=False, separator=self.separator).columns

    def blocks(self) -> Iterator[bytes]:
        """The file in UTF-8, cut between rows.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "few.csv"
        ...     _ = path.write_bytes(b'a,"b' + b"\\n" + b'c"' + b"\\n" + b"d,e")
        ...     list(Text(path).blocks())
        [b'a,"b\\nc"\\n', b'd,e']
        """
        rest = b""
        for more in self._in_utf_8():
            rest += more
            cut = _cut(rest)
            if cut:
                yield rest[:cut]
                rest = rest[cut:]
        if rest:
            yield rest

    def _in_utf_8(self) -> Iterator[bytes]:
        """Bytes of the file, SIZE of them at a time; a letter of several may lie across two."""
        decoder = None if self.encoding == UTF_8 else codecs.getincrementaldecoder(self.encoding)()
        with self.opened() as file:
            while more := file.read(SIZE):
                yield more if decoder is None else decoder.decode(more).encode()
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode()

    def frames(self, names: Sequence[str], wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The cells of the columns `wanted` as text, block by block; names: of all columns, in the file's order."""
        places, head = sorted(names.index(name) for name in wanted), b""
        for block in self.blocks():
            frame = pl.read_csv(head + block, columns=places, infer_schema=False, separator=self.separator)
            frame.columns = [names[place] for place in places]
            yield frame.select(wanted)
            head = (self.separator.join(map(str, range(len(names)))) + "\n").encode()  # the first block has its own

    def lines(self, errors: str = "strict") -> IO[str]:
        """The file, open to be read line by line as `csv` wants them; errors: as of `open`."""
        encoding = "utf-8-sig" if self.encoding == UTF_8 else self.encoding
        return self.opened("rt", encoding=encoding, errors=errors, newline="")

    def require_cells(self, many: int) -> None:
        """DataError, naming the line, unless each line that is not blank has so many cells.

        Separators outside quotes are counted line by line; only where that does not settle it, because a cell holds a
        line break or quotes of its own, is the file parsed by Python's csv, which is slower.
        """
        if not any(self._odd(block, many) for block in self.blocks()):
            return
        with self.lines() as file:
            latest, before = [""], 0
            rows = csv.reader(_noting(file, latest), delimiter=self.separator)
            try:
                for cells in rows:
                    where = f"{self.path.name}: line {before + 1}"
                    if cells and len(cells) != many:
                        raise DataError(
                            f"{where} has {counted(len(cells), 'cell')}, its header has {many}; correct the line, or "
                            f"put a cell that holds {self.separator!r} in quotes"
                        )
                    if rows.line_num == before + 1 and latest[0].count('"') % 2:
                        raise DataError(f'{where} has a quote inside a cell; put the cell in quotes, and double it: ""')
                    before = rows.line_num
            except csv.Error as error:
                raise DataError(f"{self.path.name}: line {before + 1} cannot be read as CSV: {error}") from None

    def _odd(self, block: bytes, many: int) -> bool:
        """Whether a line of a block may have other cells than so many."""
        whole: dict[str, Any] = {"has_header": False, "new_columns": ["line"], "separator": "\x1e", "quote_char": None}
        plain = pl.read_csv(block, infer_schema=False, **whole)["line"].str.replace_all('"[^"]*"', "")
        odd = (plain.str.count_matches(self.separator, literal=True) != many - 1) | plain.str.contains(
            '"', literal=True
        )
        return bool(odd.any())


def _cut(text: bytes) -> int:
    """Behind the last end of a line outside quotes, of text that begins outside; 0 where there is none."""
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end


def _noting(file: Iterable[str], latest: list[str]) -> Iterator[str]:
    """The lines as they come, the latest of them noted."""
    for latest[0] in file:
        yield latest[0]
