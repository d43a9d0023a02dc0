"""Dataframes in long form, one row an event, to histories and back; any library that narwhals knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.sequences.histories import Histories
from rnncore.typing import Array

DTYPES = (*checks.DTYPES, "int64")


def from_frame(
    frame: Any, history: str, columns: str | Sequence[str], *, time: str | None = None, dtype: str = "float32"
) -> tuple[Histories, Array]:
    """Return the histories in a dataframe and their ids, in the order in which the ids come first.

    history: the column that says to which history a row belongs. columns: those of its values (rows, D), or the name of
    one for values without that axis (rows,), as `rnncore.Embedding` reads ids with dtype="int64". Values are numbers,
    booleans or gaps, which become NaN. The rows of a history may be anywhere; they keep their order, or are sorted by
    `time`, equal times as they come. ContractError for a missing column, DataError for an id or time that is missing
    and for values that are no numbers, or no whole ones for "int64".

    >>> import polars as pl
    >>> frame = pl.DataFrame({"who": ["b", "a", "b"], "amount": [1.0, 2.0, 3.0]})
    >>> log, ids = from_frame(frame, "who", ["amount"])
    >>> ids.tolist(), log.values.ravel().tolist(), log.offsets.tolist()
    (['b', 'a'], [1.0, 3.0, 2.0], [0, 2, 3])
    """
    checks.one_of("dtype", dtype, DTYPES)
    table, names = _table(frame), [columns] if isinstance(columns, str) else list(columns)
    _require_columns(table, [history, *names, *([time] if time else [])])
    ids = table[history].to_numpy()
    _require_complete(table, [history, *([time] if time else [])])
    distinct, first, code = np.unique(ids, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[code.ravel()]
    keys = (rank,) if time is None else (table[time].to_numpy(), rank)
    rows = np.lexsort(keys)
    counts = np.bincount(rank, minlength=len(distinct))
    values = np.zeros((len(ids), len(names)), dtype)
    for k, name in enumerate(names):
        values[:, k] = _numbers(table[name], name, dtype)
    values = values[rows, 0] if isinstance(columns, str) else values[rows]
    return Histories(values, np.cumsum([0, *counts])), distinct[np.argsort(first)]


def to_frame(
    histories: Histories | Sequence[Array],
    ids: Sequence[Any] | Array,
    history: str,
    columns: str | Sequence[str],
    *,
    like: Any,
) -> Any:
    """Undo `from_frame`: a dataframe of the library of `like`, one row an event, one history behind the other.

    A history without events has no row. ContractError where ids or columns do not fit the histories.

    >>> import polars as pl
    >>> to_frame([np.array([[1.0], [3.0]]), np.array([[2.0]])], ["b", "a"], "who", ["amount"], like=pl.DataFrame())
    shape: (3, 2)
    ┌─────┬────────┐
    │ who ┆ amount │
    │ --- ┆ ---    │
    │ str ┆ f64    │
    ╞═════╪════════╡
    │ b   ┆ 1.0    │
    │ b   ┆ 3.0    │
    │ a   ┆ 2.0    │
    └─────┴────────┘
    """
    import narwhals as nw

    log = Histories.of(histories)
    names = np.asarray(ids)
    if names.shape != (len(log),):
        raise ContractError("ids", f"{len(log)} ids", f"shape {names.shape}", "one for each history")
    wide = [columns] if isinstance(columns, str) else list(columns)
    if log.values.shape[1:] != (() if isinstance(columns, str) else (len(wide),)):
        came = f"values of shape {checks.show(log.values.shape)}"
        raise ContractError(
            "columns",
            f"a name for each column, {len(wide)} given",
            came,
            "one string for (rows,), a list for (rows, D)",
        )
    data: dict[str, Any] = {history: np.repeat(names, log.lengths)}
    data |= {name: log.values.reshape(len(log.values), -1)[:, k].copy() for k, name in enumerate(wide)}
    return nw.from_dict(data, backend=_table(like).implementation).to_native()


def _table(frame: Any) -> Any:
    import narwhals as nw

    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError:
        came = f"a {type(frame).__module__}.{type(frame).__name__}"
        raise ContractError("frame", "a dataframe that narwhals knows", came, "collect a lazy one first") from None


def _require_columns(table: Any, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        came = f"none called {checks.words(missing)}"
        raise ContractError("frame", f"the columns {checks.words(list(names))}", came, f"it has {list(table.columns)}")


def _require_complete(table: Any, names: Sequence[str]) -> None:
    for name in names:
        gaps = np.flatnonzero(table[name].is_null().to_numpy())
        if gaps.size:
            raise DataError(f"column {name!r}, row {gaps[0]}: a value is missing; every event needs one")


def _numbers(column: Any, name: str, dtype: str) -> Array:
    import narwhals as nw

    if dtype == "int64":
        if not (column.dtype.is_integer() or column.dtype == nw.Boolean) or column.is_null().any():
            raise DataError(f"column {name!r} holds {column.dtype}, or gaps, not whole numbers; encode it first")
        return np.asarray(column.cast(nw.Int64).to_numpy(), dtype)
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise DataError(f"column {name!r} holds {column.dtype}, not numbers; encode it first")
    return np.asarray(column.cast(nw.Float64).to_numpy(), dtype)
