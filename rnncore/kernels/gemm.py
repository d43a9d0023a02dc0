"""The products of a recurrent network, c = b + a W, c += a W and C += a^T b, on a register tile of explicit vectors.

Why not BLAS: a time step is too small for one, which packs the weights anew in every call (the tile below runs the
products of a step at 0.98 to 1.07 times the speed of the best library's product of two 768 x 768 matrices). Its number
of threads is one setting for the whole process, and its sums depend on it. Here each entry of a product is summed over
k in increasing order, whatever the number of rows, so a sequence's result does not depend on its batch.

    tile     some rows of c times some vectors of columns, kept in registers while k runs: `panel.py` says which
    panel    a tile's columns of the right-hand matrix, all k of them one after another in memory; the last panel's rows
             are no wider than they need be, which leaves more of the L1 cache (LSTM of 32 units: 5 % of the backward)
    depth    at most _DEPTH of k at a time: a panel of 128 kB then stays in the L2 cache while all rows pass; with 256,
             c is read and written twice as often (512 units: 78 GFLOP/s against 88)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.jit import inlined, kernel, part
from rnncore.kernels.panel import add_kept_panel, add_panel, add_row
from rnncore.kernels.rows import FIRST
from rnncore.kernels.tile import ROWS, VECTORS, move
from rnncore.kernels.transposition import turn
from rnncore.kernels.vectors import VECTOR_BYTES, lanes, load, store
from rnncore.typing import Array

_DEPTH = 512
_FEW = 2  # rows that are computed one by one


@inlined
def whole_vectors(width: Any, like: Any) -> Any:
    """The numbers of the vectors that hold `width` numbers."""
    return (width + lanes(like) - 1) // lanes(like) * lanes(like)


@inlined
def _product(
    rows: Any, a: Any, a_start: Any, k_0: Any, depth: Any, k: Any, panels: Any, start: Any, start_0: Any,
    start_row: Any, c: Any, c_start: Any, n: Any, odd: Any
) -> None:  # fmt: skip
    """c = start + a W for `depth` of the k from k_0 on, a's row 0 at a_start; of a few rows, odd ones go backwards.

    Inlined: passing so many arguments once more is 7 % of an LSTM's step of one row.
    """
    a_row, c_row, full = a.shape[1], c.shape[1], VECTORS * lanes(c)
    if rows <= _FEW:
        for i in range(rows):
            a_0, s_0, c_0 = a_start + k_0 + i * a_row, start_0 + i * start_row, c_start + i * c_row
            add_row((odd + i) & 1 == 1, depth, a, a_0, panels, k * full, k_0, start, s_0, c, c_0, n)
    else:
        for j in range(0, n, full):
            width = min(full, n - j)
            wide = whole_vectors(width, c)
            add_panel(rows, width, start, start_0 + j, start_row, c, c_start + j, depth, a, a_start + k_0, panels,
                      j * k + k_0 * wide, wide)  # fmt: skip


@part
def add_product(
    rows: Any, a: Any, a_first: Any, a_column: Any, k: Any, panels: Any, c: Any, c_first: Any, c_column: Any, n: Any
) -> None:  # fmt: skip
    """c[c_first + i, c_column + j] += sum over k of a[a_first + i, a_column + k] W[k, j]; i < rows, j < n; W packed.

    One by one, every other row goes backwards through W, so that it first reads what the cache still holds from the row
    or step before: 17 to 31 % of a step with 64 units.
    """
    a_start, c_start = a_first * a.shape[1] + a_column, c_first * c.shape[1] + c_column
    for k_0 in range(0, k, _DEPTH):
        depth = min(_DEPTH, k - k_0)
        _product(rows, a, a_start, k_0, depth, k, panels, c, c_start, c.shape[1], c, c_start, n, a_first | c_first)


@part
def affine(
    rows: Any, a: Any, a_first: Any, k: Any, panels: Any, b: Any, c: Any, c_first: Any, n: Any
) -> None:  # fmt: skip
    """c[c_first + i, j] = b[0, j] + sum over k of a[a_first + i, k] W[k, j]; i < rows, j < n; W packed.

    The tile begins with b: 2 to 4 % of a GRU of 32 units over a pass that first writes b into each row of c.
    """
    a_start, c_start, odd = a_first * a.shape[1], c_first * c.shape[1], a_first | c_first
    depth = min(_DEPTH, k)
    _product(rows, a, a_start, FIRST, depth, k, panels, b, FIRST, FIRST, c, c_start, n, odd)
    for k_0 in range(depth, k, _DEPTH):
        depth = min(_DEPTH, k - k_0)
        _product(rows, a, a_start, k_0, depth, k, panels, c, c_start, c.shape[1], c, c_start, n, odd)


@part
def groups(width: Any) -> Any:
    """How many groups of ROWS columns, the rows of a tile, hold `width` columns."""
    return (width + ROWS - 1) // ROWS


def whole_groups(width: int) -> int:
    """The columns of the groups that hold `width` columns."""
    return -(-width // ROWS) * ROWS


@part
def room(space: Any, count: Any, like: Any) -> Any:
    """Zeros for `space` rows of the left side of an outer product: `count` groups of columns, one behind another.

    8 rows more than are used, since groups a multiple of 4 kB apart would share sets of the L1 cache.
    """
    return np.zeros((count, (space + 8) * ROWS), like.dtype)


@part
def keep_rows(rows: Any, source: Any, row: Any, column: Any, width: Any, left: Any, r: Any, group: Any) -> None:
    """Write `width` numbers, from `column` on, of each row as rows r, r + 1, ... of the left side, from `group` on."""
    full = width // ROWS
    for g in range(full):
        for n in range(rows):
            move(source, row + n, column + g * ROWS, left, group + g, (r + n) * ROWS)
    for q in range(width - full * ROWS):
        for n in range(rows):
            left[group + full, (r + n) * ROWS + q] = source[row + n, column + full * ROWS + q]


@part
def add_kept(
    first: Any, k: Any, left: Any, group: Any, m: Any, b: Any, b_column: Any, n: Any, c: Any, c_first: Any,
    c_column: Any, sums: Any, fresh: bool = False
) -> None:  # fmt: skip
    """c[c_first + i, c_column + j] += sum over k rows r from `first` on of left's [r, i] b[r, b_column + j].

    fresh: nothing has been written into c yet, which is to begin with zeros: 2 % of an LSTM's backward of one sequence.

    i < m, j < n; left's column 0 begins the group. The sum of b's rows is added to row `sums` of c, if that is not
    negative: it comes while b is packed, where a column of ones on the left would cost a tile's rows. b is packed
    because its rows lie one page apart, and do not fit the table of pages (1.15 to 1.4 times as fast), without gaps:
    with them 32 columns ran at 59 GFLOP/s, not at 100.
    """
    full = VECTORS * lanes(c)
    flat, zeros = np.empty(min(k, _DEPTH) * full, c.dtype), np.zeros((1, full), c.dtype)
    for k_0 in range(first, first + max(k, 1), _DEPTH):  # of no row at all the sum is zero
        depth, a_0 = min(_DEPTH, first + k - k_0), group * left.shape[1] + k_0 * ROWS
        none = fresh and k_0 == first
        for j in range(0, n, full):
            width, column, c_0 = min(full, n - j), c_column + j, c_first * c.shape[1] + c_column + j
            wide = whole_vectors(width, b)
            right = flat[: depth * wide].reshape((depth, wide))
            for q in range(0, wide, lanes(b)):
                there = width - q if sums >= 0 else FIRST
                total = load(zeros, FIRST, q, there) if none else load(c, sums, column + q, there)
                for r in range(depth):
                    numbers = load(b, k_0 + r, b_column + j + q, width - q)
                    store(right, r, q, lanes(b), numbers)
                    total = total + numbers
                store(c, sums, column + q, there, total)
            start, start_0, start_row = (zeros, FIRST, FIRST) if none else (c, c_0, c.shape[1])
            add_kept_panel(
                m, width, start, start_0, start_row, c, c_0, depth, left, a_0, right.reshape(-1), FIRST, wide
            )


@part
def add_outer(
    k: Any, a: Any, a_column: Any, m: Any, b: Any, b_column: Any, n: Any, c: Any, c_first: Any, c_column: Any
) -> None:  # fmt: skip
    """c[c_first + i, c_column + j] += sum over rows r < k of a[r, a_column + i] b[r, b_column + j]; i < m, j < n."""
    left = room(k, groups(m), c)
    keep_rows(k, a, FIRST, a_column, m, left, FIRST, FIRST)
    add_kept(FIRST, k, left, FIRST, m, b, b_column, n, c, c_first, c_column, FIRST - 1)


@part
def packed_size(k: Any, n: Any, panels: Any) -> Any:
    """How many numbers `pack` makes of a k x n matrix of the type of `panels`."""
    return whole_vectors(n, panels) * k


@kernel
def _pack(matrix: Any, transpose: bool, first: int, last: int, panels: Any) -> None:
    """Fill the panels, the rest of the last one with zeros; see `pack`."""
    full = VECTORS * lanes(panels)
    k = matrix.shape[1] if transpose else matrix.shape[0]
    for j in range(first, last, full):
        width = min(full, last - j)
        wide = whole_vectors(width, panels)
        panel = panels[(j - first) * k : (j - first + wide) * k].reshape((k, wide))
        if width < wide:
            panel[:] = 0
        if transpose:
            down, along = k - k % lanes(panels), width - width % lanes(panels)
            for i in range(0, down, lanes(panels)):
                for q in range(0, along, lanes(panels)):
                    turn(matrix, j + q, i, panel, i, q)
            for q in range(width):
                for i in range(down if q < along else 0, k):
                    panel[i, q] = matrix[j + q, i]
        else:
            for i in range(k):
                for q in range(0, width, lanes(panels)):
                    store(panel, i, q, width - q, load(matrix, i, j + q, width - q))


@part
def panels_of(matrix: Any, first: Any, last: Any, ready: bool, transpose: bool = False) -> Any:
    """What `pack` returns, or, where that is `ready`, as one row, this. A call of `pack` from Python is 3 us."""
    if ready:
        return matrix.reshape(-1)
    count = packed_size(matrix.shape[1] if transpose else matrix.shape[0], last - first, matrix)
    room = np.empty(count + 64, matrix.dtype)
    skip = -room.ctypes.data % 64 // room.itemsize
    panels = room[skip : skip + count]
    _pack(matrix, transpose, first, last, panels)
    return panels


def aligned(count: int, dtype: Any) -> Array:
    """Room for `count` numbers that begins where a line of the cache does, so that no vector lies across two lines."""
    room = np.empty(count + 64, dtype)
    skip = -room.__array_interface__["data"][0] % 64 // room.itemsize
    return room[skip : skip + count]


def pack(matrix: Array, transpose: bool = False, first: int = 0, last: int | None = None) -> Array:
    """Return the columns first to last - 1 of the matrix, or of its transpose, as panels for `add_product`.

    Done once per sequence: a transposed view in every step would cost 1.3 to 6 times the product.
    """
    k, n = matrix.shape[::-1] if transpose else matrix.shape
    last, one = n if last is None else last, VECTOR_BYTES // matrix.itemsize
    panels = aligned(-(-(last - first) // one) * one * k, matrix.dtype)
    _pack(matrix, transpose, first, last, panels)
    return panels
