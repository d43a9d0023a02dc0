"""A square of a matrix, as wide as a register, written transposed: machine code that Numba does not write.

Moved number by number, the weights' transposes took 10 of the 95 us that the backward of one sequence of an LSTM takes;
in squares forward and backward of one sequence are 1.03 to 1.05 (LSTM, GRU) and 1.08 to 1.10 (RNN) times as fast.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from rnncore.kernels.jit import intrinsic
from rnncore.kernels.vectors import Vector


@intrinsic
def turn(
    typing_context: Any, source: Any, row: Any, column: Any, target: Any, target_row: Any, target_column: Any
) -> Any:
    """target[target_row + i, target_column + j] = source[row + j, column + i] for all i and j below `lanes`.

    Merging row i with row i + lanes / 2, number by number, moves each bit of a number's place one to the left; when
    that is done as often as rows have bits, the bits of row and column have changed places.
    """
    vector = Vector(source.dtype)
    lanes, align = vector.lanes, source.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def places(kind: Any, matrix: Any, i: Any, j: Any) -> list[Any]:
            assert kind.layout != "F", "a transposed matrix would be read as another one: see rows.plain"
            array = context.make_array(kind)(context, builder, matrix)
            width = cgutils.unpack_tuple(builder, array.shape)[1]
            start = builder.add(builder.mul(i, width), j)
            steps = (builder.mul(ir.Constant(ir.IntType(64), r), width) for r in range(lanes))
            addresses = (builder.gep(array.data, [builder.add(start, step)]) for step in steps)
            return [builder.bitcast(address, vector.machine.as_pointer()) for address in addresses]

        def merged(a: Any, b: Any, first: int) -> Any:
            picks = [pick for k in range(first, first + lanes // 2) for pick in (k, lanes + k)]
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), lanes), picks))

        rows = []
        for address in places(source, *values[:3]):
            rows.append(builder.load(address))
            rows[-1].align = align
        for _ in range(lanes.bit_length() - 1):
            pairs = zip(rows[: lanes // 2], rows[lanes // 2 :], strict=True)
            rows = [merged(a, b, first) for a, b in pairs for first in (0, lanes // 2)]
        for numbers, address in zip(rows, places(target, *values[3:]), strict=True):
            builder.store(numbers, address).align = align
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, n, target, n, n), generate
