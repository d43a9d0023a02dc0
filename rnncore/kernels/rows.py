"""How the fast twins see their arrays: every array is a matrix, whose row t * N + n belongs to step t and sequence n.

So `x` (T, N, D) is (T * N, D), and the state that goes into row r of `x` is row r of `h` (T+1, N, H), the one that
comes out is row r + N. Contiguous matrices only: one machine code for each float type, whatever the caller's strides.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.kernels.jit import inlined, part
from rnncore.kernels.vectors import lanes, line, load, prefetch, store
from rnncore.typing import Array, Lengths

BLOCK = 256  # rows whose pre-activation gradients are kept; the depth of the product into the weights' gradients
FIRST = np.int64(0)  # a plain 0 would be a type of its own to Numba, and what it is passed to be compiled once more
PAD = 16  # extra columns of scratch matrices: rows a multiple of 1 kB apart would share few sets of the L1 cache


def plain(array: Array) -> Array:
    """Return the array as kernels take it, contiguous: itself, a view, or a copy where the layout is odd."""
    return array if array.flags.carray else _writeable(array)


def as_rows(array: Array, width: int) -> Array:
    """Return the array as a matrix with rows of `width` numbers: a view, or a copy where the layout is odd."""
    array = plain(array)
    return array if array.ndim == 2 and array.shape[1] == width else array.reshape(-1, width)


@inlined
def rows_of(array: Any, width: Any) -> Any:
    """`as_rows` of a plain array, in a kernel: 0.2 us less for each than a view that Python makes."""
    return array.reshape((array.size // width, width))


def _writeable(array: Array) -> Array:
    """Return the same numbers as an array that is not read-only, which would need its own machine code."""
    if array.flags.c_contiguous and array.flags.aligned:
        view = array.view()
        with contextlib.suppress(ValueError):  # the memory itself is read-only
            view.flags.writeable = True
            return view
    return np.require(array, requirements=["C", "A", "W"])


def outputs(h: Array, T: int, lengths: Lengths | None) -> tuple[Array, bool]:
    """Return the array for y, and whether it is apart from h: h[1:] where h has T + 1 slots and no row ends early.

    Whoever gets h[1:] must not write into it: `backward` reads h.
    """
    if lengths is None and len(h) > T:
        return h[1:], False
    new = np.empty if lengths is None else np.zeros  # the zeros past a row's end
    return new((T, *h.shape[-2:]), h.dtype), True


def live_rows(lengths: Lengths | None, T: int, N: int) -> NDArray[np.int64]:
    """Return n_t for each step: the rows 0 to n_t - 1 are longer than t."""
    if lengths is None:
        return _all_live(T, N)
    return N - np.searchsorted(lengths[::-1], np.arange(T), side="right").astype(np.int64)


@lru_cache(maxsize=4)  # kernels only read it; 0.4 us of a call
def _all_live(T: int, N: int) -> NDArray[np.int64]:
    return np.full(T, N, np.int64)


def row_steps(lengths: Lengths | None, T: int, N: int) -> float:
    """How many steps all rows make together."""
    return float(T * N if lengths is None else lengths.sum())


def steps_ahead(N: int, lengths: Lengths | None) -> int:
    """For how many steps x Wx is one product: 16 rows, since one row cannot use a tile (11 us of 108 for 50 steps).

    >>> steps_ahead(1, None), steps_ahead(4, None), steps_ahead(32, None)
    (16, 4, 1)
    """
    return max(1, 16 // max(N, 1)) if lengths is None else 1


@part
def fill_rows(matrix: Any, first: Any, rows: Any, values: Any) -> None:
    """Write the one row of `values` into each of `rows` rows."""
    width = values.shape[1]
    for r in range(first, first + rows):
        copy_row(values, FIRST, matrix, r, FIRST, width)


@part
def fetch_rows(matrix: Any, first: Any, rows: Any) -> None:
    """Begin to bring rows near that are needed after the product which comes next: they come while it computes."""
    for j in range(0, rows * matrix.shape[1], line(matrix)):
        prefetch(matrix, first, j)


@inlined
def copy_row(source: Any, row: Any, target: Any, target_row: Any, column: Any, width: Any) -> None:
    """Copy the first `width` numbers of a row to target[target_row, column:]."""
    for j in range(0, width, lanes(source)):
        store(target, target_row, column + j, width - j, load(source, row, j, width - j))
