"""tanh, sigmoid and the rectifier for float32 and float64, written so that a loop over them becomes vector code.

`math.tanh` in a loop costs 15 to 24 ns, these 0.3 to 0.5 ns (float32, 512-bit vectors). Both rest on

    expm1(y) = 2^n expm1(r) + (2^n - 1),    y = n ln(2) + r,    |r| <= ln(2)/2,    y <= 0
    expm1(r) = r + r^2 q(r)                 q by `benchmarks/fit_activations.py`: degree 4 (float32), 9 (float64)

    tanh(x)    = -sign(x) E / (E + 2)       E = expm1(-2|x|), no cancellation near zero
    sigmoid(x) = 1 / (1 + e),  e / (1 + e)  for x >= 0, x < 0;  e = exp(-|x|), relatively exact for x << 0 too

Largest error found: tanh 1.5 ULP (float32, every number tried) and 1.6 ULP (float64, samples); sigmoid 2.0 and 2.0.
NaN gives NaN, tanh is odd and reaches 1, a sigmoid below the smallest normal number is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from rnncore.kernels.jit import part


@intrinsic  # type: ignore[untyped-decorator]
def _bits(typing_context: Any, x: Any) -> Any:
    """The bit pattern of a float, as an integer of its size."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(x.bitwidth))

    return (types.int32 if x.bitwidth == 32 else types.int64)(x), generate


@intrinsic  # type: ignore[untyped-decorator]
def _power_of_two(typing_context: Any, bits: Any) -> Any:
    """The float 2^n, where the lowest bits of the integer `bits` are n."""
    real, mantissa, bias = (types.float32, 23, 127) if bits.bitwidth == 32 else (types.float64, 52, 1023)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(bits.bitwidth)
        exponent = builder.shl(builder.add(arguments[0], ir.Constant(integer, bias)), ir.Constant(integer, mantissa))
        return builder.bitcast(exponent, context.get_value_type(real))

    return real(bits), generate


def _build(
    real: Any, q: list[float], round_to_int: float, log_2: tuple[float, float], saturated: float, lowest: float
) -> Any:
    """Compile the two functions for one float type; every constant is of that type, or Numba would compute in float64.

    round_to_int: adding and subtracting it rounds, and leaves the integer in the lowest bits. log_2: ln(2) as the sum of
    two numbers, the first with so few bits that n times it is exact. saturated: tanh is 1 from here on. lowest: exp is
    not normal below it.
    """
    c = np.zeros(10, real)
    c[: len(q)] = q
    q0, q1, q2, q3, q4, q5, q6, q7, q8, q9 = (real(value) for value in c)
    long = len(q) > 5
    shift, high, low, per_log_2 = real(round_to_int), real(log_2[0]), real(log_2[1]), real(1 / math.log(2))
    saturated, lowest = real(saturated), real(lowest)
    zero, one, two = real(0), real(1), real(2)

    @part
    def reduced(y: Any) -> Any:
        """Return 2^n and expm1(r)."""
        shifted = y * per_log_2 + shift
        n = shifted - shift
        r = (y - n * high) - n * low
        p = q4
        if long:
            p = q4 + r * (q5 + r * (q6 + r * (q7 + r * (q8 + r * q9))))
        p = q0 + r * (q1 + r * (q2 + r * (q3 + r * p)))
        return _power_of_two(_bits(shifted) - _bits(shift)), r + r * r * p

    @part
    def tanh(x: Any) -> Any:
        size = abs(x)
        size = saturated if size > saturated else size  # False for NaN, which goes on
        scale, p = reduced(-two * size)
        E = scale * p + (scale - one)
        return math.copysign(-E / (E + two), x)

    @part
    def sigmoid(x: Any) -> Any:
        y = -abs(x)
        y = lowest if y < lowest else y
        scale, p = reduced(y)
        e = scale * p + scale
        e = zero if x < lowest else e
        return (e if x < zero else one) / (one + e)

    return tanh, sigmoid


_tanh_32, _sigmoid_32 = _build(
    np.float32,
    [0.4999999815507114, 0.16666543670661446, 0.04166719967450403, 0.008366513878637025, 0.00138825209281033],
    round_to_int=1.5 * 2**23,
    log_2=(0.693359375, -2.1219444005469057e-4),
    saturated=10,
    lowest=-87.3,
)
_tanh_64, _sigmoid_64 = _build(
    np.float64,
    [
        *(0.5000000000000006, 0.16666666666666588, 0.041666666666576826, 0.008333333333389491, 0.001388888893153899),
        *(0.00019841269719116008, 2.4801505306919342e-05, 2.755740747292259e-06, 2.7626024020341505e-07),
        2.5053786119279794e-08,
    ],
    round_to_int=1.5 * 2**52,
    log_2=(0.6931471803691238, 1.9082149292705877e-10),
    saturated=20,
    lowest=-708.3,
)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent of one number, inside kernels only."""
    raise NotImplementedError


def sigmoid(x: Any) -> Any:
    """Logistic function of one number, inside kernels only."""
    raise NotImplementedError


@overload(tanh)  # type: ignore[untyped-decorator]
def _tanh(x: Any) -> Callable[[Any], Any]:
    compiled = _tanh_32 if x == types.float32 else _tanh_64

    def implementation(x: Any) -> Any:
        return compiled(x)

    return implementation


@overload(sigmoid)  # type: ignore[untyped-decorator]
def _sigmoid(x: Any) -> Callable[[Any], Any]:
    compiled = _sigmoid_32 if x == types.float32 else _sigmoid_64

    def implementation(x: Any) -> Any:
        return compiled(x)

    return implementation


@part
def tanh_all(values: Any) -> None:
    """Replace each entry of a 1-D array by its tanh."""
    for j in range(values.size):
        values[j] = tanh(values[j])


@part
def sigmoid_all(values: Any) -> None:
    """Replace each entry of a 1-D array by its sigmoid."""
    for j in range(values.size):
        values[j] = sigmoid(values[j])


@part
def relu_all(values: Any) -> None:
    """Replace each entry of a 1-D array that is below zero by zero; NaN stays, since it is not below."""
    zero = values.dtype.type(0)
    for j in range(values.size):
        values[j] = zero if values[j] <= zero else values[j]


@part
def activate(values: Any, relu: bool) -> None:
    """Replace each entry of a 1-D array by its rectified value or its tanh."""
    if relu:
        relu_all(values)
    else:
        tanh_all(values)


@part
def slope(s: Any, relu: bool) -> Any:
    """Derivative of the rectifier or of tanh where its value is s; NaN for NaN."""
    one = type(s)(1)
    if relu:
        return one if s > s - s else s  # s is 0 or NaN here
    return one - s * s
