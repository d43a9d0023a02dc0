"""A number type for kernels: one register full of float32 or float64, with + - * /, so that a formula is vector code.

Why not leave it to the compiler: a loop over arrays that might overlap, as rows of one matrix might, is vectorised only
if few arrays are in it; the eleven arrays of an LSTM step took 12 loops a row, and 3 times as long. And a row that does
not fill its last register ended in scalar code at 5 ns a number; here that register is masked.

    for j in range(0, H, lanes(h)):
        live = H - j                                  the last register may have fewer numbers than lanes
        store(h, r, j, live, 0.5 * load(h, r, j, live))
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.core.typing.templates import signature as typed
from numba.extending import lower_builtin, models, register_model

from rnncore.kernels.jit import intrinsic


def _vector_bytes() -> int:
    """Width of the vectors of the processor that Numba compiles for; a wrong guess costs speed only."""
    chosen: str | None = getattr(config, "CPU_FEATURES", None)
    if chosen is None:
        present = llvmlite.binding.get_host_cpu_features()
    else:
        present = {word[1:]: word[0] == "+" for word in chosen.split(",") if word}
    return 64 if present.get("avx512f") else 32 if present.get("avx2") else 16


VECTOR_BYTES = _vector_bytes()


class Vector(types.Type):
    """As many numbers of one float type as a register, or `bytes` of it, holds."""

    def __init__(self, dtype: Any, bytes: int = VECTOR_BYTES) -> None:
        super().__init__(name=f"Vector({dtype}, {bytes})")
        self.dtype = dtype
        self.lanes = bytes * 8 // dtype.bitwidth
        self.real = ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()
        self.machine = ir.VectorType(self.real, self.lanes)
        self.suffix = f"v{self.lanes}f{dtype.bitwidth}"


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.machine)


def spread(builder: Any, vector: ir.VectorType, value: Any) -> Any:
    """Put one number into every lane."""
    none = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))


def _as_vector(context: Any, builder: Any, vector: Vector, type_: Any, value: Any) -> Any:
    """A plain number beside a vector is rounded to the vector's type and put into every lane."""
    if isinstance(type_, Vector):
        return value
    return spread(builder, vector.machine, context.cast(builder, value, type_, vector.dtype))


def _common(arguments: Any) -> Any:
    """The vector type of the arguments if the others are plain numbers, else None."""
    vectors = {argument for argument in arguments if isinstance(argument, Vector)}
    plain = all(isinstance(argument, (Vector, types.Number, types.Literal)) for argument in arguments)
    return vectors.pop() if len(vectors) == 1 and plain else None


def _define(operation: Any, emit: Callable[..., Any]) -> None:
    """Teach Numba one operator with a vector on either side or on both."""

    class Template(AbstractTemplate):
        key = operation

        def generic(self, arguments: Any, keywords: Any) -> Any:
            vector = _common(arguments)
            return typed(vector, *(types.unliteral(argument) for argument in arguments)) if vector else None

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = signature.return_type
        pairs = zip(signature.args, values, strict=True)
        return emit(builder, *(_as_vector(context, builder, vector, type_, value) for type_, value in pairs))

    infer_global(operation)(Template)
    for pattern in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(operation, *pattern)(lower)


_define(operator.add, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))


def llvm_call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call an LLVM intrinsic."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@intrinsic
def size(typing_context: Any, x: Any) -> Any:
    """|x|."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return llvm_call(builder, f"llvm.fabs.{x.suffix}", x.machine, values)

    return x(x), generate


@intrinsic
def with_sign(typing_context: Any, x: Any, sign: Any) -> Any:
    """|x| with the sign of the other argument."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return llvm_call(builder, f"llvm.copysign.{x.suffix}", x.machine, values)

    return x(x, x), generate


@intrinsic
def where_below(typing_context: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where a < b, `no` in the others; a comparison with NaN is false."""
    vector = _common((a, b, yes, no))

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pairs = zip(signature.args, values, strict=True)
        low, high, yes, no = (_as_vector(context, builder, vector, type_, value) for type_, value in pairs)
        return builder.select(builder.fcmp_ordered("<", low, high), yes, no)

    return vector(*(types.unliteral(argument) for argument in (a, b, yes, no))), generate


@intrinsic
def power_of_two(typing_context: Any, shifted: Any, shift: Any) -> Any:
    """2^n, where n is the small integer that was rounded by adding `shift`, 1.5 times 2 to the mantissa's bits."""
    vector = _common((shifted, shift))
    bits = vector.dtype.bitwidth
    mantissa, bias = (23, 127) if bits == 32 else (52, 1023)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        integers = ir.VectorType(ir.IntType(bits), vector.lanes)

        def every(number: int) -> Any:
            return ir.Constant(integers, [number] * vector.lanes)

        # n stands in the lowest bits of `shifted`; the others are shifted out
        biased = builder.add(builder.bitcast(values[0], integers), every(bias))
        return builder.bitcast(builder.shl(biased, every(mantissa)), vector.machine)

    return vector(shifted, types.unliteral(shift)), generate


@intrinsic
def lanes(typing_context: Any, matrix: Any) -> Any:
    """How many numbers of the matrix fill a register."""
    count = Vector(matrix.dtype).lanes
    return types.intp(matrix), lambda context, *_: context.get_constant(types.intp, count)


@intrinsic
def line(typing_context: Any, matrix: Any) -> Any:
    """How many numbers of the matrix fill a line of the cache, 64 bytes."""
    count = 512 // matrix.dtype.bitwidth
    return types.intp(matrix), lambda context, *_: context.get_constant(types.intp, count)


def _place(context: Any, builder: Any, type_: Any, values: Any, vector: Vector) -> Any:
    """Address of the vector that begins at matrix[row, column], the first three values."""
    assert type_.layout != "F", "a transposed matrix would be read as another one: see rows.plain"
    matrix, row, column = values[:3]
    array = context.make_array(type_)(context, builder, matrix)
    width = cgutils.unpack_tuple(builder, array.shape)[1]
    address = builder.gep(array.data, [builder.add(builder.mul(row, width), column)])
    return builder.bitcast(address, vector.machine.as_pointer())


def lanes_below(builder: Any, vector: Vector, live: Any) -> Any:
    """True in the first `live` lanes; a negative number of them is none."""
    lane = ir.IntType(vector.dtype.bitwidth)
    lanes, live = ir.VectorType(lane, vector.lanes), builder.trunc(live, lane) if lane.width < 64 else live
    return builder.icmp_signed("<", ir.Constant(lanes, list(range(vector.lanes))), spread(builder, lanes, live))


@intrinsic
def load(typing_context: Any, matrix: Any, row: Any, column: Any, live: Any) -> Any:
    """The numbers matrix[row, column : column + live] in the first lanes, zeros in the others."""
    vector = Vector(matrix.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = _place(context, builder, matrix, values, vector)
        align = ir.Constant(ir.IntType(32), matrix.dtype.bitwidth // 8)
        zeros = ir.Constant(vector.machine, None)
        arguments = [address, align, lanes_below(builder, vector, values[3]), zeros]
        return llvm_call(builder, f"llvm.masked.load.{vector.suffix}.p0{vector.suffix}", vector.machine, arguments)

    return vector(matrix, types.intp, types.intp, types.intp), generate


def bring_near(builder: Any, address: Any) -> None:
    """Begin to bring the line of the cache that holds the address near."""
    byte = builder.bitcast(address, ir.IntType(8).as_pointer())
    read, near, data = (ir.Constant(ir.IntType(32), word) for word in (0, 2, 1))  # near: the L2 cache
    llvm_call(builder, "llvm.prefetch.p0i8", ir.VoidType(), [byte, read, near, data])


@intrinsic
def prefetch(typing_context: Any, matrix: Any, row: Any, column: Any) -> Any:
    """Begin to bring the line of the cache that holds matrix[row, column] near; a column may lie in a later row."""
    vector = Vector(matrix.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        bring_near(builder, _place(context, builder, matrix, values, vector))
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp), generate


@intrinsic
def store(typing_context: Any, matrix: Any, row: Any, column: Any, live: Any, x: Any) -> Any:
    """Write the first `live` lanes, or one plain number, to matrix[row, column : column + live]."""
    vector = Vector(matrix.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = _place(context, builder, matrix, values, vector)
        align = ir.Constant(ir.IntType(32), matrix.dtype.bitwidth // 8)
        value = _as_vector(context, builder, vector, signature.args[4], values[4])
        arguments = [value, address, align, lanes_below(builder, vector, values[3])]
        llvm_call(builder, f"llvm.masked.store.{vector.suffix}.p0{vector.suffix}", ir.VoidType(), arguments)
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp, types.intp, types.unliteral(x)), generate
