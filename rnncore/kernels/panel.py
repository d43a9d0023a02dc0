"""One panel of W times some rows of a: which register tile computes which part of c, for `gemm`.

many rows    4 rows of c times 4 vectors of columns (16 of 32 registers of AVX-512); 8 times 2 need 8 addresses of
             rows, too many for the other registers: 81 to 84 GFLOP/s against 97 to 102, in turns
few columns  fewer vectors; half a vector or less: 8 rows times half a vector (6 % of an LSTM of 8 features, 32 units)
few rows     one row times eight vectors (a step of one sequence: 2 times faster, bound by reading W)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.jit import part
from rnncore.kernels.rows import FIRST
from rnncore.kernels.tile import ROWS, VECTORS, tile
from rnncore.kernels.vectors import VECTOR_BYTES, lanes, line, prefetch

NEXT = np.int64(1)  # like FIRST

_THIN_ROWS = 8

_tile_full, _tile_half, _tile_slim = tile(ROWS, VECTORS), tile(ROWS, VECTORS // 2), tile(ROWS, 1)
_kept_half, _kept_slim = tile(ROWS, VECTORS // 2, full=VECTORS // 2), tile(ROWS, 1, full=1)
_tile_thin = tile(_THIN_ROWS, 1, width=VECTOR_BYTES // 2)
_tile_wide, _tile_narrow = tile(1, VECTORS, 8 // VECTORS), tile(1, VECTORS, 4 // VECTORS)  # of one row


@part
def add_panel(
    rows: Any, depth: Any, a: Any, a_0: Any, a_row: Any, a_k: Any, a_tile: Any, panels: Any, panels_0: Any,
    start: Any, start_0: Any, start_row: Any, c: Any, c_0: Any, width: Any, far: bool
) -> None:  # fmt: skip
    """start + a times one panel: `rows` rows and `width` columns of c; row i's tile begins at a_0 + i a_tile.

    far: c is too large for the cache, and a tile's part of it is fetched while the one before is computed (5 %). The
    panel's rows are then no wider than the tile: with gaps between them 32 columns ran at 59 GFLOP/s, not at 100.
    """
    c_row, lane = c.shape[1], lanes(c)
    for i in range(0, rows, ROWS):
        live, a_i, s_i, c_i = min(ROWS, rows - i), a_0 + i * a_tile, start_0 + i * start_row, c_0 + i * c_row
        if far:
            for r in range(ROWS, 2 * ROWS):
                for j in range(0, width, line(c)):
                    prefetch(c, FIRST, c_i + r * c_row + j)
        if width > VECTORS // 2 * lane:
            _tile_full(live, depth, a, a_i, a_row, a_k, panels, panels_0, NEXT, start, s_i, start_row, c, c_i, c_row,
                       width)  # fmt: skip
        elif far and width > lane:
            _kept_half(live, depth, a, a_i, a_row, a_k, panels, panels_0, NEXT, start, s_i, start_row, c, c_i, c_row,
                       width)  # fmt: skip
        elif far:
            _kept_slim(live, depth, a, a_i, a_row, a_k, panels, panels_0, NEXT, start, s_i, start_row, c, c_i, c_row,
                       width)  # fmt: skip
        elif width > lane:
            _tile_half(live, depth, a, a_i, a_row, a_k, panels, panels_0, NEXT, start, s_i, start_row, c, c_i, c_row,
                       width)  # fmt: skip
        else:
            _tile_slim(live, depth, a, a_i, a_row, a_k, panels, panels_0, NEXT, start, s_i, start_row, c, c_i, c_row,
                       width)  # fmt: skip


@part
def add_row(
    back: Any, depth: Any, a: Any, a_0: Any, panels: Any, panels_0: Any, panels_next: Any, start: Any, start_0: Any,
    c: Any, c_0: Any, n: Any
) -> None:  # fmt: skip
    """start + one row of a times all panels: one row of c, eight vectors at a time, if `back` the last ones first.

    Of a W above 16 kB only four at a time: more of what was read last is still in the L1 cache (3 % of an LSTM's step).
    """
    full, wide = VECTORS * lanes(c), 8 * lanes(c)
    step = wide if depth * n <= 2**8 * line(c) else wide // 2
    count = (n + step - 1) // step
    for g in range(count):
        j = (count - 1 - g if back else g) * step
        at, s_0, live = panels_0 + j // full * panels_next, start_0 + j, min(step, n - j)
        if live == wide:  # full, which is known when this is compiled: no masks (8 to 20 ns a tile)
            _tile_wide(NEXT, depth, a, a_0, NEXT, NEXT, panels, at, panels_next, start, s_0, FIRST, c, c_0 + j,
                       NEXT, wide)  # fmt: skip
        elif live > wide // 2:
            _tile_wide(NEXT, depth, a, a_0, NEXT, NEXT, panels, at, panels_next, start, s_0, FIRST, c, c_0 + j,
                       NEXT, live)  # fmt: skip
        elif live == wide // 2:
            _tile_narrow(NEXT, depth, a, a_0, NEXT, NEXT, panels, at, panels_next, start, s_0, FIRST, c, c_0 + j,
                         NEXT, wide // 2)  # fmt: skip
        else:
            _tile_narrow(NEXT, depth, a, a_0, NEXT, NEXT, panels, at, panels_next, start, s_0, FIRST, c, c_0 + j,
                         NEXT, live)  # fmt: skip


@part
def add_thin(
    rows: Any, depth: Any, a: Any, a_0: Any, panels: Any, panels_0: Any, start: Any, start_0: Any, start_row: Any,
    c: Any, c_0: Any, n: Any
) -> None:  # fmt: skip
    """start + a times one panel of which n columns, half a register at most, are used."""
    a_row, c_row = a.shape[1], c.shape[1]
    for i in range(0, rows, _THIN_ROWS):
        live, a_i, s_i, c_i = min(_THIN_ROWS, rows - i), a_0 + i * a_row, start_0 + i * start_row, c_0 + i * c_row
        _tile_thin(live, depth, a, a_i, a_row, NEXT, panels, panels_0, NEXT, start, s_i, start_row, c, c_i, c_row,
                   n)  # fmt: skip
