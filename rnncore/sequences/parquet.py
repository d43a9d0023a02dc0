"""Minibatches from a Parquet file larger than memory, read in blocks of whole histories."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.sequences.histories import Histories
from rnncore.sequences.minibatches import Batch, Minibatches
from rnncore.typing import Array, Lengths

DTYPES = (*checks.DTYPES, "int64")


class ParquetMinibatches:
    """Minibatches of the histories in a Parquet file, of which about `rows` rows are in memory at a time.

    path: one row an event, the rows of a history together, the oldest first. history: the column that tells histories
    apart. columns: those of x. target: read from the last row of each history, or from every row where per="step".
    weight: None or a column read in the same way. A list of columns gives an axis for them, one name none: ids for
    `rnncore.Embedding` are columns="item", dtype="int64"; classes are target="kind", target_dtype="int64".

    Blocks of whole histories, about `rows` rows each (one row group of the file, best), are read in an order that is a
    function of (seed, epoch), and each is cut as `Minibatches` does it, by length, in pools. In memory stand one block,
    and eight bytes for each history. Wrap it in `Prefetched` to read while the network computes. Reads with polars.
    ContractError for missing columns; DataError where a history's id is missing or its rows are not together.

    >>> import polars, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "log.parquet")
    >>> log = polars.DataFrame({"who": [7, 7, 3, 5], "spent": [1.0, 2.0, 3.0, 4.0], "left": [0, 1, 0, 1]})
    >>> log.write_parquet(path)
    >>> batches = ParquetMinibatches(path, "who", ["spent"], ["left"], batch_size=2, rows=3)
    >>> len(batches), sorted(batches.batch(0, k).target.ravel().tolist() for k in range(2))
    (2, [[1.0], [1.0, 0.0]])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        history: str,
        columns: str | Sequence[str],
        target: str | Sequence[str],
        *,
        weight: str | None = None,
        per: str = "history",
        batch_size: int = 32,
        seed: int = 0,
        pool: int = 16,
        rows: int = 100_000,
        dtype: str = "float32",
        target_dtype: str = "float32",
    ) -> None:
        checks.one_of("per", per, ("history", "step"))
        checks.one_of("dtype", dtype, DTYPES)
        checks.one_of("target_dtype", target_dtype, DTYPES)
        self.path, self.history, self.per = os.fspath(path), history, per
        self.columns, self.target, self.weight = columns, target, weight
        self.dtype, self.target_dtype = dtype, target_dtype
        self.batch_size, self.pool = checks.size("batch_size", batch_size), checks.size("pool", pool)
        self.seed, self.rows = checks.size("seed", seed, least=0), checks.size("rows", rows)
        kinds = [(columns, dtype), (target, target_dtype), *([(weight, "float64")] if weight else [])]
        _require_columns(self.path, history, [(name, kind) for names, kind in kinds for name in _list(names)])
        self.starts = _starts(self.path, history, self.rows)  # (N + 1,) where histories begin in the file
        self.blocks = _blocks(self.starts, self.rows)  # (B + 1,) which histories begin a block
        self.steps = -(-np.diff(self.blocks) // self.batch_size)
        self._block: tuple[int, Minibatches] | None = None

    def __len__(self) -> int:
        """Steps per epoch."""
        return int(self.steps.sum())

    def batch(self, epoch: int, step: int) -> Batch:
        """Return the minibatch of this epoch and step, both counted from 0; rows count the histories in the file."""
        if not 0 <= step < len(self):
            raise ContractError("step", f"0 to {len(self) - 1}", str(step), "len() is the number of steps per epoch")
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch], spawn_key=(1,)))
        order = rng.permutation(len(self.steps))
        ends = np.cumsum(self.steps[order])
        k = int(np.searchsorted(ends, step, side="right"))
        block = int(order[k])
        found = self._read(block).batch(epoch, step - int(ends[k] - self.steps[block]))
        assert found.rows is not None
        return found._replace(rows=found.rows + self.blocks[block])

    def _read(self, block: int) -> Minibatches:
        """The minibatches of a block; the last one read is kept."""
        if self._block is None or self._block[0] != block:
            self._block = None  # two blocks are never in memory
            first, last = self.blocks[block], self.blocks[block + 1]
            offsets = self.starts[first : last + 1] - self.starts[first]
            names = [*_list(self.columns), *_list(self.target), *_list(self.weight or [])]
            frame = _rows(self.path, names, int(self.starts[first]), int(offsets[-1]))
            x = self._values(frame, self.columns, self.dtype, int(self.starts[first]))
            y = self._values(frame, self.target, self.target_dtype, int(self.starts[first]))
            w = self._values(frame, self.weight, "float64", int(self.starts[first])) if self.weight else None
            target, weight = self._column(y, offsets), None if w is None else self._column(w, offsets)
            seed = int(np.random.SeedSequence([self.seed, block]).generate_state(1)[0])
            words = {"batch_size": self.batch_size, "seed": seed, "pool": self.pool}
            self._block = block, Minibatches(Histories(x, offsets), target, weight, **words)
        return self._block[1]

    def _values(self, frame: Any, names: str | Sequence[str], dtype: str, first: int) -> Array:
        """The named columns (rows, D), or one (rows,); `first` is where the frame begins in the file."""
        for name in _list(names) if dtype == "int64" else []:
            if frame[name].null_count():
                row = first + int(frame[name].is_null().arg_true()[0])
                raise DataError(f"{self.path}: column {name!r}, row {row}: a whole number is missing")
        if isinstance(names, str):
            return np.asarray(frame[names].to_numpy(), dtype)
        values = np.empty((len(frame), len(names)), dtype)
        for k, name in enumerate(names):
            values[:, k] = frame[name].to_numpy()
        return values

    def _column(self, values: Array, offsets: Lengths) -> Histories | Array:
        return Histories(values, offsets) if self.per == "step" else values[offsets[1:] - 1]

    def fingerprint(self) -> str:
        """Return a digest of the settings, of the file's size and of its footer, which knows every column chunk."""
        names = (self.history, self.columns, self.target, self.weight, self.per, self.dtype, self.target_dtype)
        settings = (*names, self.batch_size, self.seed, self.pool, self.rows)
        size = os.path.getsize(self.path)
        with open(self.path, "rb") as file:
            file.seek(size - 8)
            footer = int.from_bytes(file.read(4), "little")
            file.seek(max(0, size - 8 - footer))
            return hashlib.sha256(repr((settings, size)).encode() + file.read(footer)).hexdigest()


def _scan(path: str) -> Any:
    import polars

    try:
        return polars.scan_parquet(path, glob=False)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None


def _list(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _require_columns(path: str, history: str, wanted: Sequence[tuple[str, str]]) -> None:
    import polars

    try:
        schema = _scan(path).collect_schema()
    except (OSError, polars.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    missing = [name for name in (history, *(name for name, _ in wanted)) if name not in schema]
    if missing:
        came = f"none called {checks.words(missing)}"
        raise ContractError("columns", f"columns of {path}", came, f"it has {checks.words(list(schema))}")
    for name, kind in wanted:
        found = schema[name]
        if not (found == polars.Boolean or (found.is_integer() if kind == "int64" else found.is_numeric())):
            what = "whole numbers" if kind == "int64" else "numbers"
            raise DataError(f"{path}: column {name!r} holds {found}, not {what}; encode it first")


def _rows(path: str, names: Sequence[str], first: int, count: int) -> Any:
    """The named columns of some rows; row groups outside them are not decoded."""
    return _scan(path).select(list(dict.fromkeys(names))).slice(first, count).collect()


def _starts(path: str, history: str, rows: int) -> Lengths:
    """Where histories begin, from one pass over their column, and the number of rows at the end."""
    import polars

    total = _scan(path).select(polars.len()).collect().item()
    starts, seen, last = [np.zeros(0, np.int64)], [], None
    for first in range(0, total, rows):
        ids = _scan(path).select(history).slice(first, rows).collect()[history]
        if ids.null_count():
            row = first + int(ids.is_null().arg_true()[0])
            raise DataError(f"{path}: column {history!r}, row {row}: the id of the history is missing")
        new = ids.ne_missing(ids.shift(1)).to_numpy().copy()
        new[0] = first == 0 or ids[0] != last
        last = ids[-1]
        starts.append(first + np.flatnonzero(new))
        seen.append(ids.filter(polars.Series(new)))
    at = np.concatenate(starts)
    if not at.size:
        raise DataError(f"{path}: no rows; there is nothing to learn from")
    ids = polars.concat(seen)
    again = (~ids.is_first_distinct()).arg_true()
    if len(again):
        k = int(again[0])
        message = f"column {history!r}, row {at[k]}: history {ids[k]!r} has begun before; sort the file by {history!r}"
        raise DataError(f"{path}: {message}")
    return np.append(at, total).astype(np.int64)


def _blocks(starts: Lengths, rows: int) -> Lengths:
    """Which histories begin a block: as many whole histories as fit into `rows` rows, at least one.

    >>> _blocks(np.array([0, 2, 4, 9, 10]), rows=4)
    array([0, 2, 3, 4])
    """
    blocks, N = [0], len(starts) - 1
    while blocks[-1] < N:
        fits = int(np.searchsorted(starts, starts[blocks[-1]] + rows, side="right")) - 1
        blocks.append(min(max(fits, blocks[-1] + 1), N))
    return np.array(blocks, np.int64)
