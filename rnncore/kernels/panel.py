"""One panel of W times some rows of a: which register tile computes which part of c, for `gemm`.

many rows    4 rows of c times 4 vectors of columns (16 of 32 registers of AVX-512); 8 times 2 need 8 addresses of
             rows, too many for the other registers: 81 to 84 GFLOP/s against 97 to 102, in turns
few columns  fewer vectors, the last one a half where that is enough: products of 50 columns are 1.13 times as fast as
             with 64; half a vector alone: 8 rows (6 % of an LSTM of 8 features, 32 units)
few rows     one row times eight vectors (a step of one sequence: 2 times faster, bound by reading W)

The tiles of all widths are one function of machine code, which all products of a kernel call. Numba would write them
into each product anew: with half as many widths a cold cache took 1.14 to 1.25 times as long to compile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from rnncore.kernels.jit import intrinsic, part
from rnncore.kernels.tile import ROWS, VECTORS, Column, Tile, data, less, mask_of, number, row_tile
from rnncore.kernels.vectors import VECTOR_BYTES, Vector, bring_near, lanes, line

_PIECE_BYTES = VECTOR_BYTES // 2 if VECTOR_BYTES == 64 else VECTOR_BYTES  # a tile's width is a multiple of it
_THIN_ROWS = 8

_tile_wide, _tile_narrow = row_tile(VECTORS, 8 // VECTORS), row_tile(VECTORS, 4 // VECTORS)


class _Line(NamedTuple):
    """Where the rows of an array lie: the first one, the way to the next, and over the end of a group of ROWS rows."""

    first: Any
    step: Any
    over: Any


class _Panel:
    """Writes the function that `add_panel` or `add_kept_panel` calls: for each width a loop over the rows."""

    def __init__(self, function: Any, element: Any, kept: bool) -> None:
        self.builder, self.kept = ir.IRBuilder(function.append_basic_block()), kept
        self.whole, self.piece = Vector(element), Vector(element, _PIECE_BYTES)
        (self.rows, self.columns, start, start_row, c, c_row, self.depth, a, a_row, self.panel,
         self.panel_row) = function.args  # fmt: skip
        builder, done = self.builder, function.append_basic_block()
        over = builder.sub(a_row, number(ROWS - 1))  # kept: a_row is the way to the next group
        self.lines = (
            _Line(a, number(1), over) if kept else _Line(a, a_row, a_row),
            *(_Line(first, step, step) for first, step in ((start, start_row), (c, c_row))),
        )
        pieces = builder.add(self.columns, number(self.piece.lanes - 1))
        choice = builder.switch(builder.sdiv(pieces, number(self.piece.lanes)), done)
        for width in range(1, VECTORS * VECTOR_BYTES // _PIECE_BYTES + 1):
            block = function.append_basic_block()
            choice.add_case(number(width), block)
            builder.position_at_end(block)
            self.all_rows(ROWS if width * _PIECE_BYTES >= VECTOR_BYTES else _THIN_ROWS, self.layout(width))
            builder.branch(done)
        builder.position_at_end(done)
        builder.ret_void()

    def layout(self, pieces: int) -> list[Column]:
        """The columns of a tile that is so many pieces wide; only the last one may have lanes to spare."""
        count, half = divmod(pieces * self.piece.lanes, self.whole.lanes)
        vectors = [self.whole] * count + [self.piece] * (half > 0)
        columns = [Column(vector, v * self.whole.lanes, None) for v, vector in enumerate(vectors)]
        vector, first, _ = columns[-1]
        return [*columns[:-1], Column(vector, first, mask_of(self.builder, vector, first, self.columns))]

    def all_rows(self, height: int, columns: list[Column]) -> None:
        """One tile below the other; rows beyond the last one repeat and store what it does."""
        builder = self.builder
        heads = [cgutils.alloca_once_value(builder, line.first) for line in self.lines]
        panel = [(builder.gep(self.panel, [number(column.first)]), self.panel_row) for column in columns]
        with cgutils.for_range_slice(builder, number(0), self.rows, number(height)) as (i, _):
            places = [[builder.load(head)] for head in heads]
            for r in range(1, height):
                there = less(builder, number(r), builder.sub(self.rows, i))
                for rows, (_, step, over) in zip(places, self.lines, strict=True):
                    way = builder.select(there, step if r % ROWS else over, number(0))
                    rows.append(builder.gep(rows[-1], [way]))
            a, start, c = places
            if self.kept:
                self.fetch(height, columns, c[-1])
            Tile(builder, columns).write(self.depth, a, number(ROWS if self.kept else 1), panel, start, c)
            for rows, head, (_, step, over) in zip(places, heads, self.lines, strict=True):
                group = builder.add(builder.mul(number(ROWS - 1), step), over)
                builder.store(builder.gep(rows[0], [builder.mul(number(height // ROWS), group)]), head)

    def fetch(self, height: int, columns: list[Column], row: Any) -> None:
        """Begin to bring the next tile's part of c near: it is too large for the cache (5 % of such a product)."""
        for _ in range(height):
            row = self.builder.gep(row, [self.lines[2].step])
            for column in columns:
                bring_near(self.builder, self.builder.gep(row, [number(column.first)]))


def _panel(kept: bool) -> Any:
    """Return the intrinsic `add_panel` or `add_kept_panel`."""

    @intrinsic
    def add(
        typing_context: Any, rows: Any, columns: Any, start: Any, start_0: Any, start_row: Any, c: Any, c_0: Any,
        depth: Any, a: Any, a_0: Any, panels: Any, panels_0: Any, panel_row: Any
    ) -> Any:  # fmt: skip
        """c = start + a times one panel, `rows` rows and `columns` columns; start_0, c_0, a_0, panels_0: offsets."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            def place(i: int) -> Any:
                return data(context, builder, signature, values, i)

            def width(i: int) -> Any:
                array = context.make_array(signature.args[i])(context, builder, values[i])
                return cgutils.unpack_tuple(builder, array.shape)[1]

            element, depth, panel_row = signature.args[2].dtype, values[7], values[12]
            given = [
                *values[:2],
                place(2),
                values[4],
                place(5),
                width(5),
                depth,
                place(8),
                width(8),
                place(10),
                panel_row,
            ]
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
            name = f"rnncore_{'kept_' * kept}panel_{element}"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            if not function.blocks:
                function.linkage = "linkonce_odr"  # one for all parts of a kernel
                function.attributes.add("noinline")
                _Panel(function, element, kept)
            builder.call(function, given)
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, n, start, n, n, c, n, n, a, n, panels, n, n), generate

    return add


add_panel = _panel(kept=False)
add_kept_panel = _panel(kept=True)  # a is the left side of an outer product, see `room` in `gemm`


@part
def add_row(
    back: Any, depth: Any, a: Any, a_0: Any, panels: Any, panels_next: Any, k_0: Any, start: Any, start_0: Any,
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
        at, s_0, live = j // full * panels_next, start_0 + j, min(step, n - j)
        if live == wide:  # full, which is known when this is compiled: no masks (8 to 20 ns a tile)
            _tile_wide(depth, a, a_0, panels, at, panels_next, k_0, start, s_0, c, c_0 + j, wide)
        elif live > wide // 2:
            _tile_wide(depth, a, a_0, panels, at, panels_next, k_0, start, s_0, c, c_0 + j, live)
        elif live == wide // 2:
            _tile_narrow(depth, a, a_0, panels, at, panels_next, k_0, start, s_0, c, c_0 + j, wide // 2)
        else:
            _tile_narrow(depth, a, a_0, panels, at, panels_next, k_0, start, s_0, c, c_0 + j, live)
