"""The register tile of `gemm`, and the move of a tile's rows: machine code that Numba does not write."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from rnncore.kernels.jit import intrinsic
from rnncore.kernels.vectors import VECTOR_BYTES, Vector, lanes_below, llvm_call, spread

ROWS, VECTORS = (4, 4) if VECTOR_BYTES == 64 else (6, 2)  # 4 x 4 + 4 + 1 of 32 registers, or 6 x 2 + 2 + 1 of 16


class _Code:
    """Writes the machine code of one tile: load `start`, add a[r, k] * panel[k, :] for all k, store it as c."""

    def __init__(self, builder: Any, element: Any, rows: int, vectors: int, panels: int, width: int, full: int) -> None:
        self.builder, self.rows, self.panels = builder, rows, panels
        self.each = range(vectors)  # of a panel
        self.type = vector = Vector(element, width)
        self.vector, self.lanes, self.bytes = vector.machine, vector.lanes, element.bitwidth // 8
        self.full = full * VECTOR_BYTES // self.bytes
        self.align = ir.Constant(ir.IntType(32), self.bytes)

    def integer(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def at(self, pointer: Any, *offsets: Any) -> Any:
        for offset in offsets:
            pointer = self.builder.gep(pointer, [offset])
        return pointer

    def vectors(self, pointer: Any, steps: list[Any]) -> list[Any]:
        """Addresses of the vectors that begin at each of these steps from the pointer, one for each panel."""
        starts = [self.at(pointer, step) for step in steps]
        places = (self.at(start, self.integer(v * self.lanes)) for start in starts for v in self.each)
        return [self.builder.bitcast(address, self.vector.as_pointer()) for address in places]

    def load(self, address: Any) -> Any:
        value = self.builder.load(address)
        value.align = self.bytes  # rows of a user's array begin anywhere
        return value

    def fused(self, total: Any, a: Any, b: Any) -> Any:
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(total, product, flags=("contract",))

    def load_some(self, address: Any, mask: Any) -> Any:
        zeros = ir.Constant(self.vector, None)
        name = f"llvm.masked.load.{self.type.suffix}.p0{self.type.suffix}"
        return llvm_call(self.builder, name, self.vector, [address, self.align, mask, zeros])

    def write(
        self, live: Any, depth: Any, a: Any, a_row: Any, a_k: Any, panel: Any, next_panel: Any,
        start: Any, start_row: Any, c: Any, c_row: Any, columns: Any
    ) -> None:  # fmt: skip
        """Only `live` rows exist: the others repeat and store what the last one does. c beyond `columns` is masked."""
        builder, last = self.builder, self.builder.sub(live, self.integer(1))
        width, none = self.integer(self.full), self.integer(0)
        along = [self.integer(self.full * p) for p in range(self.panels)]
        present = [builder.icmp_signed("<", j, columns) for j in along]  # a panel that is not there is the first one
        steps = [
            builder.select(there, builder.mul(self.integer(p), next_panel), none) for p, there in enumerate(present)
        ]
        rows = [builder.select(builder.icmp_signed("<", self.integer(r), live), self.integer(r), last)
                for r in range(self.rows)]  # fmt: skip
        a_rows = [self.at(a, builder.mul(r, a_row)) for r in rows]
        starts = [self.vectors(self.at(start, builder.mul(r, start_row)), along) for r in rows]
        addresses = [self.vectors(self.at(c, builder.mul(r, c_row)), along) for r in rows]
        masks = [
            lanes_below(builder, self.type, builder.sub(builder.sub(columns, j), self.integer(v * self.lanes)))
            for j in along
            for v in self.each
        ]
        totals = [[cgutils.alloca_once_value(builder, self.load_some(v, m)) for v, m in zip(row, masks, strict=True)]
                  for row in starts]  # fmt: skip
        with cgutils.for_range(builder, depth) as loop:
            b = [self.load(v) for v in self.vectors(self.at(panel, builder.mul(loop.index, width)), steps)]
            step = builder.mul(loop.index, a_k)
            for row, totals_of_row in zip(a_rows, totals, strict=True):
                factor = spread(builder, self.vector, builder.load(self.at(row, step)))
                for total, column in zip(totals_of_row, b, strict=True):
                    builder.store(self.fused(builder.load(total), factor, column), total)
        for places, totals_of_row in zip(addresses, totals, strict=True):
            for address, total, mask in zip(places, totals_of_row, masks, strict=True):
                arguments = [builder.load(total), address, self.align, mask]
                name = f"llvm.masked.store.{self.type.suffix}.p0{self.type.suffix}"
                llvm_call(builder, name, ir.VoidType(), arguments)


def tile(rows: int, vectors: int, count: int = 1, width: int = VECTOR_BYTES, full: int = VECTORS) -> Any:
    """Return an intrinsic that adds a tile of `rows` rows and `vectors` vectors of each of `count` panels.

    width: the bytes of a vector; full: how many registers a row of a panel takes.
    """

    @intrinsic
    def add_tile(
        typing_context: Any, live: Any, depth: Any, a: Any, a_0: Any, a_row: Any, a_k: Any, panels: Any, panels_0: Any,
        panels_next: Any, start: Any, start_0: Any, start_row: Any, c: Any, c_0: Any, c_row: Any, columns: Any
    ) -> Any:  # fmt: skip
        """One tile, `vectors` of each of `count` panels; a_0, panels_0, start_0, c_0 are offsets into the arrays."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            live, depth, a, a_0, a_row, a_k, panels, panels_0, panels_next, *rest = values
            start, start_0, start_row, c, c_0, c_row, columns = rest

            def data(type_: Any, array: Any, offset: Any) -> Any:
                return builder.gep(context.make_array(type_)(context, builder, array).data, [offset])

            kinds = signature.args
            code = _Code(builder, kinds[2].dtype, rows, vectors, count, width, full)
            a, panel = data(kinds[2], a, a_0), data(kinds[6], panels, panels_0)
            start, c = data(kinds[9], start, start_0), data(kinds[12], c, c_0)
            code.write(live, depth, a, a_row, a_k, panel, panels_next, start, start_row, c, c_row, columns)
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, n, a, n, n, n, panels, n, n, start, n, n, c, n, n, n), generate

    return add_tile


@intrinsic
def move(
    typing_context: Any, source: Any, row: Any, column: Any, left: Any, group: Any, place: Any
) -> Any:  # fmt: skip
    """left[group, place : place + ROWS] = source[row, column : column + ROWS], as one short vector."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(source.dtype)
        short, align = ir.VectorType(element, ROWS), source.dtype.bitwidth // 8

        def address(type_: Any, matrix: Any, i: Any, j: Any) -> Any:
            array = context.make_array(type_)(context, builder, matrix)
            width = cgutils.unpack_tuple(builder, array.shape)[1]
            place = builder.gep(array.data, [builder.add(builder.mul(i, width), j)])
            return builder.bitcast(place, short.as_pointer())

        numbers = builder.load(address(source, *values[:3]))
        numbers.align = align
        builder.store(numbers, address(left, *values[3:])).align = align
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, n, left, n, n), generate
