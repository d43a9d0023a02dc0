"""From a dataframe or a file to the named columns as polars series, unchanged; and back to the caller's kind of
dataframe.

A CSV file is read as text, so that a message about a cell can show what stands there and ids keep leading zeros. Named
columns are read one by one, each when it is asked for: no more than one is in memory as it came, and of a CSV file no
more than a part of one, where the parts will do. A log of ten million rows, of which 24 bytes a row are kept, needs 66
bytes a row at most while it is read from Parquet, 58 from CSV.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import polars as pl

from rnncore.errors import ContractError, DataError
from rnncore.marketing.log.blocks import UTF_8
from rnncore.marketing.log.files import File, require_columns
from rnncore.marketing.log.letters import codec
from rnncore.marketing.log.numerals import absent

UNNAMED = r"(Unnamed: \d+)?"  # of a column without a name, as the numbers of the rows beside a dataframe's


class Raw(NamedTuple):
    """The columns as they came, and what is needed to give an answer in the same kind of dataframe."""

    columns: Mapping[str, pl.Series]  # by the caller's names
    label: str  # how messages call the source
    implementation: nw.Implementation
    dtypes: dict[str, Any]  # narwhals dtypes, by the caller's names
    decimal: str = "."  # mark of numbers that are text
    text: Callable[[str], Iterator[pl.Series]] | None = None  # of a CSV file: the cells of a column, some at a time

    def column(self, name: str, mark: str = ",") -> pl.Series:
        """A column, or the columns that `name` stands for, joined with this mark between their cells."""
        return joined([self.columns[part] for part in parts_of(name, self.columns)], name, mark, self.label)

    def to_native(self, name: str, ids: Any, columns: Mapping[str, Any]) -> Any:
        """A dataframe of the caller's kind: `ids` under `name` with the type they came with, then `columns`."""
        backend: Any = self.implementation
        table = {name: ids.tolist() if ids.dtype == object else ids, **columns}
        frame = nw.from_dict(table, backend=backend)
        dtype = self.dtypes.get(name, nw.String() if ids.dtype == object else nw.Int64())
        return frame.with_columns(nw.col(name).cast(dtype)).to_native()


class OneByOne(Mapping[str, pl.Series]):
    """Columns that are read when they are asked for, and every time that they are."""

    def __init__(self, names: Sequence[str], load: Callable[[str], pl.Series]) -> None:
        self._names, self._load = list(names), load

    def __getitem__(self, name: str) -> pl.Series:
        return self._load(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read(
    source: Any, names: Sequence[str] | None, separator: str = ",", argument: str = "source", encoding: str = UTF_8
) -> Raw:
    """Read the columns `names` (None: all) of a dataframe that narwhals accepts, or of a CSV (also gzipped) or Parquet
    path. A name may stand for several columns, see `parts_of`. separator, encoding: of a CSV file.

    DataError: the file is missing, empty or neither CSV nor Parquet; a column is missing; a line of a CSV file has more
        or fewer cells than its header, or bytes that the encoding does not have.
    ContractError: `source`, called `argument` in the message, is neither a dataframe nor a path; a separator or an
        encoding that is none.
    """
    wanted = None if names is None else list(dict.fromkeys(names))
    if len(separator.encode()) != 1 or separator.isalnum():
        what = "one ASCII character that is no letter or digit"
        raise ContractError("separator", what, repr(separator), r'for example ";", or "\t" (in quotes) for a tab')
    encoding = codec(encoding)
    if isinstance(source, (str, PathLike)):
        path = Path(fspath(source))
        file, label = File.opened(path, separator, encoding), path.name
        wanted = None if wanted is None else _parts(wanted, file.names)
        file.require_named(wanted or [])
        file.require_single(file.names if wanted is None else wanted)
        file.require_cells()
        eager = nw.from_native(file.schema(wanted) if wanted else file.rows(wanted), eager_only=True)
    else:
        file, label = None, "the dataframe" if argument == "source" else f"the dataframe {argument}"
        eager = _select(source, wanted, label, argument)

    def load(name: str) -> pl.Series:
        frame = eager if file is None else nw.from_native(file.rows([name]), eager_only=True)
        return to_polars(frame[name], label)

    columns: Mapping[str, pl.Series] = OneByOne(eager.columns, load)
    if wanted is None:
        columns = {name: to_polars(eager[name], label) for name in eager.columns}
    text = None if file is None or file.lazy is not None else file.cells
    return Raw(columns, label, eager.implementation, dict(eager.schema), text=text)


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
        wanted = _parts(wanted, present)
        require_columns(wanted, present, label)
        table = table.select(wanted)
    return table.collect() if isinstance(table, nw.LazyFrame) else table


def parts_of(name: str, present: Container[str]) -> list[str]:
    """The columns that a name stands for: itself, or, where no column is called so, those between its commas.

    >>> parts_of("shop,till", ["till", "shop", "paid"])
    ['shop', 'till']
    """
    parts = name.split(",") if isinstance(name, str) else [name]
    return parts if name not in present and all(part in present for part in parts) else [name]


def _parts(names: Sequence[str], present: Container[str]) -> list[str]:
    return list(dict.fromkeys(part for name in names for part in parts_of(name, present)))


def joined(columns: Sequence[pl.Series], name: str, mark: str, label: str) -> pl.Series:
    """The cells of several columns as one text, empty where one of them is; a single column as it is.

    DataError where a cell holds a comma that is the mark: others could come out alike.
    """
    if len(columns) == 1:
        return columns[0]
    texts = [_as_text(column, strip=mark != ",") for column in columns]
    for column, text in zip(columns, texts, strict=True):
        if mark == "," and text.str.contains(mark, literal=True).any():
            raise DataError(f"{label}: a cell of {column.name!r} holds a comma, so that {name!r} cannot be one column")
    return pl.select(pl.concat_str(texts, separator=mark)).to_series().alias(name)


def _as_text(column: pl.Series, strip: bool) -> pl.Series:
    """Cells that are to be joined, null where they show nothing; whole numbers without a point, as beside a gap pandas
    has 7.0 for 7, and days without a midnight. strip: without the spaces around them, by which ids may differ.
    """
    if isinstance(column.dtype, pl.Datetime) and (column == column.dt.truncate("1d")).all():
        column = column.dt.date()
    column = column.fill_nan(None) if column.dtype.is_float() else column
    whole = column.dtype.is_float() and (column == column.round()).all()
    text = column.cast(pl.Int64, strict=False).cast(pl.String) if whole else column.cast(pl.String)
    bare = text.str.strip_chars()
    return (bare if strip else text).set(absent(bare), None)


def header(path: Path, words: Mapping[str, Any], names: Sequence[str] = ()) -> list[str]:
    """The names of a file's columns, `names` among them; words: of EventLog. Errors as in `read`."""
    file = File.opened(path, words.get("separator", ","), codec(words.get("encoding", UTF_8)))
    file.require_named(_parts(names, file.names))
    return file.names


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
        _require_one_zone(values, series.name, label)
    if values.dtype.kind == "M" and not values.dtype.str.endswith(("[D]", "[ms]", "[us]", "[ns]")):
        finer = values.astype("datetime64[us]")
        if not np.array_equal(finer.astype(values.dtype)[~missing], values[~missing]):
            raise DataError(f"column {series.name!r} of {label} holds a time too far away to be counted; correct it")
        values = finer
    try:
        result = pl.Series(series.name, values.tolist() if values.dtype == object else values, strict=True)
    except TypeError:
        raise DataError(f"column {series.name!r} of {label} holds values of several types; convert it to one") from None
    if isinstance(result.dtype, pl.Datetime) and result.dtype.time_zone is not None:
        result = result.dt.replace_time_zone(None)
    return result.set(pl.Series(missing), None) if missing.any() and values.dtype != object else result


def _require_one_zone(values: Any, name: str, label: str) -> None:
    """DataError where times, one by one, are of several zones: no clock is common to them."""
    zones = {str(value.tzinfo) for value in values if isinstance(value, datetime.datetime)}
    if len(zones) > 1:
        shown = ", ".join(sorted(zones)[:3])
        raise DataError(f"column {name!r} of {label} holds times of several zones ({shown}); convert them to one")
