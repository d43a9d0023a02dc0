"""A CSV or Parquet file with rows: what it is told by its first bytes, which columns it has, and their cells."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from rnncore import checks
from rnncore.errors import DataError
from rnncore.marketing.log import blocks

T = TypeVar("T")
_DATUM = r"\s*[-+]?[\d.,:/T -]*\d\s*"  # a number or a time, which is seldom the name of a column
_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d"  # which never is
_MARKS = {"\t": ("a tab", r"\t")}


def require_columns(wanted: Sequence[str], present: Sequence[str], label: str, separator: str = ",") -> None:
    """DataError unless every wanted column is present; the message lists those there are and suggests the closest."""
    for name in wanted:
        if name in present:
            continue
        near = checks.nearest(name, [str(p) for p in present])
        advice = f"; did you mean {near!r}?" if near else ""
        marks = [mark for mark in ",;\t|" if len(present) == 1 and mark != separator and mark in str(present[0])]
        if marks:
            mark = max(marks, key=str(present[0]).count)
            advice = '; if its cells are separated by {}, say separator="{}"'.format(*_MARKS.get(mark, (mark, mark)))
        shown = ", ".join(repr(p if len(str(p)) <= 60 else str(p)[:60] + "...") for p in present[:30])
        more = f" and {len(present) - 30} more" if len(present) > 30 else ""
        raise DataError(f"{label} has no column {name!r}; it has {shown}{more}{advice}")


class File(NamedTuple):
    """A CSV or Parquet file."""

    path: Path
    kind: str
    lazy: pl.LazyFrame
    names: list[str]
    separator: str
    zipped: bool

    @classmethod
    def opened(cls, path: Path, separator: str) -> File:
        """Parquet is known by its first bytes; DataError for other bytes that are no text."""
        try:
            with path.open("rb") as file:
                start = file.read(4096)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        if not start:
            raise DataError(f"{path} is empty")
        parquet, zipped = start[:4] == b"PAR1", start[:2] == b"\x1f\x8b"
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            new = path.with_stem(f"{path.stem}-utf8").name
            raise DataError(
                f"{path} is written in UTF-16; save it as UTF-8: iconv -f UTF-16 -t UTF-8 {path.name} > {new}"
            )
        if start[:2] == b"PK":
            raise DataError(
                f"{path} is a workbook, or another ZIP archive; save its sheet as CSV (UTF-8), or unpack it"
            )
        if b"\0" in start and not (parquet or zipped):
            raise DataError(f"{path} is neither CSV (UTF-8 text with a header) nor Parquet")
        if b"\r" in start and b"\n" not in start and not (parquet or zipped):
            raise DataError(f"{path} ends its lines with a carriage return alone; save it with line feeds")
        if path.suffix.lower() in (".parquet", ".pq") and not parquet:
            raise DataError(
                f"{path} is no Parquet file, though it is called one; if it is CSV, call it {path.stem}.csv"
            )
        kind = "Parquet" if parquet else "CSV (UTF-8 text with a header)"

        def scanned() -> File:
            if parquet:
                lazy = pl.scan_parquet(path, glob=False)
            else:
                lazy = pl.scan_csv(path, glob=False, infer_schema=False, separator=separator)
            return cls(path, kind, lazy, lazy.collect_schema().names(), separator, zipped)

        return _asked(path, kind, scanned)

    def require_cells(self) -> None:
        """DataError unless each line of a CSV file has as many cells as its header."""
        if self.kind != "Parquet":
            many = len(self.names)
            _asked(self.path, self.kind, lambda: blocks.require_cells(self.path, self.separator, many, self.zipped))

    def require_named(self, names: Sequence[str]) -> None:
        """DataError unless there are columns of these names; of a CSV file it says where they are, if it can."""
        try:
            require_columns(names, self.names, self.path.name, self.separator)
        except DataError as error:
            if self.kind == "Parquet":
                raise
            with blocks.lines(self.path, self.zipped, errors="replace") as file:
                first = list(itertools.islice(csv.reader(file, delimiter=self.separator), 30))
            later = next((k for k, line in enumerate(first[1:], 2) if set(names) <= set(line)), None)
            advice = f"; line {later} has them: remove the lines above it" if later else ""
            data = [bool(re.fullmatch(_DATUM, name)) for name in self.names]
            if not advice and (sum(data) * 2 >= len(data) or any(re.match(_STAMP, name) for name in self.names)):
                advice = "; its first line looks like data: write a line with the names of the columns above it"
            raise DataError(f"{error}{advice}") from None

    def require_single(self, names: Sequence[str]) -> None:
        """DataError where the header of a CSV file has one of these names twice."""
        if self.kind == "Parquet":
            return
        with blocks.lines(self.path, self.zipped, errors="replace") as file:
            written = next(csv.reader(file, delimiter=self.separator), [])
        twice = next((name for name in names if written.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{self.path.name} has {written.count(twice)} columns called {twice!r}; rename all but one")

    def rows(self, names: Sequence[str] | None, most: int | None = None) -> pl.DataFrame:
        """These columns (None: all), `most` rows of them (None: all)."""
        lazy = self.lazy if names is None else self.lazy.select(names)
        return _asked(self.path, self.kind, lambda: (lazy if most is None else lazy.head(most)).collect())

    def text(self, name: str) -> Iterator[pl.Series]:
        """The cells of a column of a CSV file, a part after the other."""
        parts = blocks.column(self.path, self.zipped, self.names, self.separator, name)
        while (part := _asked(self.path, self.kind, lambda: next(parts, None))) is not None:
            yield part


def _asked(path: Path, kind: str, question: Callable[[], T]) -> T:
    """The answer; DataError where the file cannot give it."""
    try:
        return question()
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0]
        advice = ""
        if "utf-8" in why.lower():
            new = path.with_stem(f"{path.stem}-utf8").name
            advice = (
                "; its letters are written in another way: save it as UTF-8, as a spreadsheet does (CSV UTF-8), or "
            )
            advice += f"with iconv -f WINDOWS-1252 -t UTF-8 {path.name} > {new}"
        if why.startswith("could not parse") and '"' in why:
            advice = '; a quote stands inside a cell: put the whole cell in quotes, and double those inside: ""'
        raise DataError(f"{path} cannot be read as {kind}: {why}{advice}") from None
