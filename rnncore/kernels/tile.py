"""The register tile of `gemm`, and the move of a tile's rows: machine code that Numba does not write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from rnncore.kernels.jit import intrinsic
from rnncore.kernels.vectors import VECTOR_BYTES, Vector, lanes_below, llvm_call, spread

ROWS, VECTORS = (4, 4) if VECTOR_BYTES == 64 else (6, 2)  # 4 x 4 + 4 + 1 of 32 registers, or 6 x 2 + 2 + 1 of 16
WORD = ir.IntType(64)


def number(value: int) -> Any:
    """Return a constant of the machine code."""
    return ir.Constant(WORD, value)


@contextlib.contextmanager
def _counted(builder: Any, count: Any, rolled: bool) -> Iterator[Any]:
    """A loop; a rolled one is never unrolled: it takes as long, and eight rows' addresses stay in registers."""
    module, before = builder.module, builder.basic_block
    body, after = builder.append_basic_block(), builder.append_basic_block()
    builder.cbranch(builder.icmp_signed(">", count, number(0)), body, after)
    builder.position_at_end(body)
    index = builder.phi(WORD)
    index.add_incoming(number(0), before)
    yield index
    following = builder.add(index, number(1), flags=("nsw",))
    index.add_incoming(following, builder.basic_block)
    branch = builder.cbranch(builder.icmp_signed("<", following, count), body, after)
    if rolled:
        off = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        about = ir.MDValue(module, [], name=str(len(module.metadata)))
        about.operands = (about, off)  # LLVM's notes on a loop name themselves first
        branch.set_metadata("llvm.loop", about)
    builder.position_at_end(after)


class Column(NamedTuple):
    """One vector of a tile's rows: its type, where it begins in a row of c, and which lanes c has, None: all."""

    vector: Vector
    first: int
    mask: Any


class Tile:
    """Writes the machine code of one tile: load `start`, add a[r, k] * panel[k, :] for all k, store it as c."""

    def __init__(self, builder: Any, columns: list[Column]) -> None:
        self.builder, self.columns = builder, columns
        self.align = columns[0].vector.dtype.bitwidth // 8  # rows of a user's array begin anywhere

    def _places(self, row: Any) -> list[Any]:
        """Addresses of the vectors of the row that begins there."""
        return [self._address(column, self.builder.gep(row, [number(column.first)])) for column in self.columns]

    def _address(self, column: Column, place: Any) -> Any:
        return self.builder.bitcast(place, column.vector.machine.as_pointer())

    def _load(self, column: Column, address: Any, mask: Any) -> Any:
        vector = column.vector
        if mask is None:
            value = self.builder.load(address)
            value.align = self.align
            return value
        name = f"llvm.masked.load.{vector.suffix}.p0{vector.suffix}"
        align, zeros = ir.Constant(ir.IntType(32), self.align), ir.Constant(vector.machine, None)
        return llvm_call(self.builder, name, vector.machine, [address, align, mask, zeros])

    def _store(self, column: Column, address: Any, value: Any) -> None:
        if column.mask is None:
            self.builder.store(value, address).align = self.align
            return
        suffix, align = column.vector.suffix, ir.Constant(ir.IntType(32), self.align)
        name = f"llvm.masked.store.{suffix}.p0{suffix}"
        llvm_call(self.builder, name, ir.VoidType(), [value, address, align, column.mask])

    def _fused(self, total: Any, a: Any, b: Any) -> Any:
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(total, product, flags=("contract",))

    def _add(
        self, totals: list[list[Any]], depth: Any, a_rows: list[Any], a_k: Any, panel: list[tuple[Any, Any]]
    ) -> None:
        """Add the product to the sums of each row."""
        builder = self.builder
        with _counted(builder, depth, len(a_rows) > 1) as k:
            b = []
            for column, (place, step) in zip(self.columns, panel, strict=True):
                address = self._address(column, builder.gep(place, [builder.mul(k, step)]))
                b.append(self._load(column, address, None))
            for row, sums in zip(a_rows, totals, strict=True):
                a = builder.load(builder.gep(row, [builder.mul(k, a_k)]))
                for column, total, numbers in zip(self.columns, sums, b, strict=True):
                    factor = spread(builder, column.vector.machine, a)
                    builder.store(self._fused(builder.load(total), factor, numbers), total)

    def write(
        self, depth: Any, a_rows: list[Any], a_k: Any, panel: list[tuple[Any, Any]], starts: list[Any],
        c_rows: list[Any]
    ) -> None:  # fmt: skip
        """a_rows, starts, c_rows: where each row begins in a, start and c; a_k: the way in a from one k to the next.

        panel: of each column the place in the panel where k is 0, and the way to the next k.
        """
        totals = []
        for start in starts:
            pairs = zip(self.columns, self._places(start), strict=True)
            numbers = [self._load(column, address, column.mask) for column, address in pairs]
            totals.append([cgutils.alloca_once_value(self.builder, value) for value in numbers])
        self._add(totals, depth, a_rows, a_k, panel)
        for row, sums in zip(c_rows, totals, strict=True):
            for column, address, total in zip(self.columns, self._places(row), sums, strict=True):
                self._store(column, address, self.builder.load(total))


def mask_of(builder: Any, vector: Vector, first: int, columns: Any) -> Any:
    """Which lanes of the vector that begins at column `first` are among so many columns."""
    return lanes_below(builder, vector, builder.sub(columns, number(first)))


def less(builder: Any, a: Any, b: Any) -> Any:
    """a < b."""
    return builder.icmp_signed("<", a, b)


def panel_row(builder: Any, vector: Vector, vectors: int, rest: Any) -> Any:
    """How many numbers a row of a panel takes where `rest` columns are left: whole vectors, as few as hold them."""
    lanes = number(vector.lanes)
    needed = builder.mul(builder.sdiv(builder.add(rest, number(vector.lanes - 1)), lanes), lanes)
    full = number(vectors * vector.lanes)
    return builder.select(less(builder, needed, full), needed, full)


def data(context: Any, builder: Any, signature: Any, values: Any, i: int) -> Any:
    """Address in the i-th argument, an array, of the offset that is the next argument."""
    array = context.make_array(signature.args[i])(context, builder, values[i])
    return builder.gep(array.data, [values[i + 1]])


def row_tile(vectors: int, count: int) -> Any:
    """Return an intrinsic that adds a tile of one row and `vectors` vectors of each of `count` panels."""

    @intrinsic
    def add_tile(
        typing_context: Any, depth: Any, a: Any, a_0: Any, panels: Any, panels_0: Any, panels_next: Any, k_0: Any,
        start: Any, start_0: Any, c: Any, c_0: Any, columns: Any
    ) -> Any:  # fmt: skip
        """a_0, panels_0, start_0, c_0: offsets; k_0: the panels' first row; c beyond `columns` is not touched."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            depth, panels_next, k_0, columns = values[0], values[5], values[6], values[11]
            a, first_panel, start, c = (data(context, builder, signature, values, i) for i in (1, 3, 7, 9))
            vector = Vector(signature.args[1].dtype)
            layout, panel = [], []
            for p in range(count):
                begin = number(p * vectors * vector.lanes)
                rest = builder.sub(columns, begin)
                step = builder.select(
                    less(builder, number(0), rest), panel_row(builder, vector, vectors, rest), number(0)
                )
                place = builder.add(builder.mul(number(p), panels_next), builder.mul(k_0, step))
                for v in range(0, vectors * vector.lanes, vector.lanes):
                    there = less(builder, number(v), rest)  # a vector that is not there is the first one
                    along = builder.select(there, builder.add(place, number(v)), number(0))
                    panel.append((builder.gep(first_panel, [along]), builder.select(there, step, number(0))))
                    first = begin.constant + v
                    layout.append(Column(vector, first, mask_of(builder, vector, first, columns)))
            Tile(builder, layout).write(depth, [a], number(1), panel, [start], [c])
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, a, n, panels, n, n, n, start, n, c, n, n), generate

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
