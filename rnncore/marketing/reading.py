"""From a dataframe or a file to the named columns as polars series, unchanged; and back to the caller's kind of
dataframe.

A file is read as text, column by column, so that a message about a cell can show what stands there and ids keep leading
zeros.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import polars as pl

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.marketing.wording import counted


class Raw(NamedTuple):
    """The columns as they came, and what is needed to give an answer in the same kind of dataframe."""

    columns: dict[str, pl.Series]  # by the caller's names
    label: str  # how messages call the source
    implementation: nw.Implementation
    dtypes: dict[str, Any]  # narwhals dtypes, by the caller's names

    def to_native(self, name: str, ids: Any, columns: Mapping[str, Any]) -> Any:
        """A dataframe of the caller's kind: `ids` under `name` with the type they came with, then `columns`."""
        backend: Any = self.implementation
        table = {name: ids.tolist() if ids.dtype == object else ids, **columns}
        frame = nw.from_dict(table, backend=backend)
        return frame.with_columns(nw.col(name).cast(self.dtypes[name])).to_native()


def read(source: Any, names: Sequence[str] | None, separator: str = ",", argument: str = "source") -> Raw:
    """Read the columns `names` (None: all) of a dataframe that narwhals accepts, or of a CSV (also gzipped) or Parquet
    path.

    DataError: the file is missing, empty or neither CSV nor Parquet; a column is missing; a line of a CSV file has more
        or fewer cells than its header.
    ContractError: `source`, called `argument` in the message, is neither a dataframe nor a path.
    """
    wanted = None if names is None else list(dict.fromkeys(names))
    if len(separator.encode()) != 1:
        raise ContractError("separator", "one ASCII character", repr(separator), r'for example ";" or "\t"')
    if isinstance(source, (str, PathLike)):
        path = Path(fspath(source))
        eager, label = nw.from_native(_read_file(path, wanted, separator), eager_only=True), path.name
    else:
        label = "the dataframe" if argument == "source" else f"the dataframe {argument}"
        eager = _select(source, wanted, label, argument)
    columns = {name: to_polars(eager[name], label) for name in eager.columns}
    return Raw(columns, label, eager.implementation, dict(eager.schema))


def _select(source: Any, wanted: list[str] | None, label: str, argument: str) -> nw.DataFrame[Any]:
    """The wanted columns of a dataframe of any kind; a lazy one is collected."""
    try:
        table = nw.from_native(source)
        present = table.collect_schema().names()
    except TypeError:
        kind = type(source).__name__
        advice = "pass a pandas, polars or pyarrow dataframe, or the path of a CSV or Parquet file"
        raise ContractError(argument, "a dataframe or a path", kind, advice) from None
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"{label} has columns of the same name: {' '.join(str(error).split())}") from None
    if wanted is not None:
        require_columns(wanted, present, label)
        table = table.select(wanted)
    return table.collect() if isinstance(table, nw.LazyFrame) else table


def require_columns(wanted: Sequence[str], present: Sequence[str], label: str, separator: str = ",") -> None:
    """DataError unless every wanted column is present; the message lists those there are and suggests the closest."""
    for name in wanted:
        if name in present:
            continue
        near = checks.nearest(name, present)
        advice = f"; did you mean {near!r}?" if near else ""
        if len(present) == 1 and separator not in present[0] and any(mark in present[0] for mark in ",;\t|"):
            advice = "; if the fields are separated by another character, give it as separator="
        shown = ", ".join(repr(p if len(p) <= 60 else p[:60] + "...") for p in present[:30])
        more = f" and {len(present) - 30} more" if len(present) > 30 else ""
        raise DataError(f"{label} has no column {name!r}; it has {shown}{more}{advice}")


def header(path: Path, separator: str = ",") -> list[str]:
    """The names of a file's columns; DataError as in `read`."""
    return _read_file(path, None, separator, most=0).columns


def _read_file(path: Path, names: list[str] | None, separator: str, most: int | None = None) -> pl.DataFrame:
    """The wanted columns of a file, `most` rows of it. Parquet is known by its first bytes; other bytes that are no
    text are refused.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if not start:
        raise DataError(f"{path} is empty")
    parquet, zipped = start[:4] == b"PAR1", start[:2] == b"\x1f\x8b"
    if b"\0" in start and not (parquet or zipped):
        raise DataError(f"{path} is neither CSV (UTF-8 text with a header) nor Parquet")
    if path.suffix.lower() in (".parquet", ".pq") and not parquet:
        raise DataError(f"{path} is no Parquet file, though it is called one; if it is CSV, call it {path.stem}.csv")
    try:
        if parquet:
            lazy = pl.scan_parquet(path, glob=False)
        else:
            lazy = pl.scan_csv(path, glob=False, infer_schema=False, separator=separator)
        present = lazy.collect_schema().names()
        if names is not None:
            require_columns(names, present, path.name, separator)
            lazy = lazy.select(names)
        if most is not None:
            return lazy.head(most).collect()
        if not parquet:
            _require_cells(path, separator, len(present), zipped)
        return lazy.collect()
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        kind = "Parquet" if parquet else "CSV (UTF-8 text with a header)"
        raise DataError(f"{path} cannot be read as {kind}: {str(error).splitlines()[0]}") from None


def _require_cells(path: Path, separator: str, many: int, zipped: bool) -> None:
    """DataError, naming the line, unless each line that is not blank has so many cells.

    Separators outside quotes are counted line by line; only where that does not settle it, because a cell holds a line
    break or quotes of its own, is the file parsed by Python's csv, which is slower.
    """
    whole: dict[str, Any] = {"has_header": False, "new_columns": ["line"], "separator": "\x1e", "quote_char": None}
    lines, line = pl.scan_csv(path, glob=False, infer_schema=False, **whole), pl.col("line")
    plain = line.str.replace_all('"[^"]*"', "")
    odd = (plain.str.count_matches(separator, literal=True) != many - 1) | plain.str.contains('"', literal=True)
    if lines.filter(odd).head(1).collect(engine="streaming").is_empty():
        return
    with (gzip.open if zipped else open)(path, "rt", encoding="utf-8", newline="") as file:
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


def _noting(lines: Iterable[str], latest: list[str]) -> Iterator[str]:
    """The lines as they come, the latest of them noted."""
    for latest[0] in lines:
        yield latest[0]


def to_polars(series: Any, label: str) -> pl.Series:
    """One narwhals series as a polars series: categories as text, times with a zone by the clock of that zone."""
    if isinstance(series.dtype, (nw.Categorical, nw.Enum)):
        series = series.cast(nw.String)
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.replace_time_zone(None)
    if series.implementation.is_polars() or series.implementation.is_pyarrow():
        return pl.Series(series.name, series.to_native())
    missing = series.is_null().to_numpy()
    if series.dtype.is_integer():
        values = series.fill_null(0).to_numpy() if missing.any() else series.to_numpy()
    else:
        values = series.to_numpy()
    if values.dtype == object:
        values = np.where(missing, None, values)
    try:
        result = pl.Series(series.name, values.tolist() if values.dtype == object else values, strict=True)
    except TypeError:
        raise DataError(f"column {series.name!r} of {label} holds values of several types; convert it to one") from None
    return result.set(pl.Series(missing), None) if missing.any() and values.dtype != object else result
