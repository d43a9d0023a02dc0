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
from rnncore.marketing.log.blocks import Text
from rnncore.marketing.log.letters import misread, require_letters

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

    text: Text
    names: list[str]
    lazy: pl.LazyFrame | None = None
    """Of a Parquet file."""

    @classmethod
    def opened(cls, path: Path, separator: str, encoding: str) -> File:
        """Parquet is known by its first bytes; DataError for other bytes that are no text."""
        try:
            with path.open("rb") as file:
                start = file.read(4096)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        if not start:
            raise DataError(f"{path} is empty")
        text = Text(path, start[:2] == b"\x1f\x8b", separator, encoding)
        if start[:4] == b"PAR1":
            lazy = pl.scan_parquet(path, glob=False)
            return cls(text, _asked(text, lazy.collect_schema, "Parquet").names(), lazy)
        if start[:2] == b"PK":
            raise DataError(
                f"{path} is a workbook, or another ZIP archive; save its sheet as CSV (UTF-8), or unpack it"
            )
        require_letters(text, _asked(text, text.start))
        if path.suffix.lower() in (".parquet", ".pq"):
            raise DataError(
                f"{path} is no Parquet file, though it is called one; if it is CSV, call it {path.stem}.csv"
            )
        return cls(text, _asked(text, text.header))

    def require_cells(self) -> None:
        """DataError unless each line of a CSV file has as many cells as its header."""
        if self.lazy is None:
            _asked(self.text, lambda: self.text.require_cells(len(self.names)))

    def require_named(self, names: Sequence[str]) -> None:
        """DataError unless there are columns of these names; of a CSV file it says where they are, if it can."""
        try:
            require_columns(names, self.names, self.text.path.name, self.text.separator)
        except DataError as error:
            if self.lazy is not None:
                raise
            first = self._first(30)
            later = next((k for k, line in enumerate(first[1:], 2) if set(names) <= set(line)), None)
            advice = f"; line {later} has them: remove the lines above it" if later else ""
            data = [bool(re.fullmatch(_DATUM, name)) for name in self.names]
            if not advice and (sum(data) * 2 >= len(data) or any(re.match(_STAMP, name) for name in self.names)):
                advice = "; its first line looks like data: write a line with the names of the columns above it"
            raise DataError(f"{error}{advice}") from None

    def require_single(self, names: Sequence[str]) -> None:
        """DataError where the header of a CSV file has one of these names twice."""
        written = [] if self.lazy is not None else [name for line in self._first(1) for name in line]
        twice = next((name for name in names if written.count(name) > 1), None)
        if twice is not None:
            many = written.count(twice)
            raise DataError(f"{self.text.path.name} has {many} columns called {twice!r}; rename all but one")

    def _first(self, most: int) -> list[list[str]]:
        """The cells of the first lines of a CSV file."""
        with self.text.lines(errors="replace") as file:
            return list(itertools.islice(csv.reader(file, delimiter=self.text.separator), most))

    def schema(self, names: Sequence[str] | None) -> pl.DataFrame:
        """These columns (None: all), without rows."""
        wanted = self.names if names is None else names
        if self.lazy is None:
            return pl.DataFrame(schema=dict.fromkeys(wanted, pl.String))
        return self.lazy.select(wanted).head(0).collect()

    def rows(self, names: Sequence[str] | None) -> pl.DataFrame:
        """These columns (None: all)."""
        wanted = self.names if names is None else names
        if self.lazy is not None:
            return _asked(self.text, self.lazy.select(wanted).collect, "Parquet")
        return pl.concat([self.schema(wanted), *self._frames(wanted)], rechunk=True)

    def cells(self, name: str) -> Iterator[pl.Series]:
        """The cells of a column of a CSV file, a part after the other."""
        for frame in self._frames([name]):
            yield frame.to_series().rechunk()

    def _frames(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        frames = self.text.frames(self.names, names)
        while (frame := _asked(self.text, lambda: next(frames, None))) is not None:
            yield frame


def _asked(text: Text, question: Callable[[], T], kind: str = "CSV") -> T:
    """The answer; DataError where the file cannot give it."""
    try:
        return question()
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeError) as error:
        why, advice = str(error).splitlines()[0], ""
        if kind == "CSV" and (isinstance(error, UnicodeError) or "utf-8" in why.lower()) and (odd := misread(text)):
            raise DataError(odd) from None
        if why.startswith("could not parse") and '"' in why:
            advice = '; a quote stands inside a cell: put the whole cell in quotes, and double those inside: ""'
        shown = f"CSV ({text.encoding.upper()} text with a header)" if kind == "CSV" else kind
        raise DataError(f"{text.path} cannot be read as {shown}: {why}{advice}") from None
