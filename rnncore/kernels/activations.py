"""tanh, sigmoid, the rectifier and exp of a vector of float32 or float64, and the derivatives of the first three.

`math.tanh` in a loop costs 15 to 24 ns a number, these 0.25 (float32) and 0.6 ns (float64). They rest on

    expm1(y) = 2^n expm1(r) + (2^n - 1),    y = n ln(2) + r,    |r| <= ln(2)/2,    y <= 0
    expm1(r) = r + r^2 q(r)                 q by `benchmarks/fit_activations.py`: degree 4 (float32), 9 (float64)

    tanh(x)    = -sign(x) E / (E + 2)       E = expm1(-2|x|), no cancellation near zero
    sigmoid(x) = 1 / (1 + e),  e / (1 + e)  for x >= 0, x < 0;  e = exp(-|x|), relatively exact for x << 0 too

Largest error: tanh 2.50, sigmoid 2.41 ULP (every float32 from 1/128 on; below 2.6 for all of them); found among 700,000
float64: tanh 2.58, sigmoid 2.25 ULP.
NaN gives NaN, tanh is odd and reaches 1, a sigmoid below the smallest normal number is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import types

from rnncore.kernels.jit import inlined, overload, part
from rnncore.kernels.vectors import power_of_two, size, where_below, with_sign


def _build(q: list[float], shift: float, log_2: tuple[float, float], saturated: float, lowest: float) -> Any:
    """Compile the three functions for one float type.

    q: coefficients, highest first. shift: adding and subtracting it rounds to an integer. log_2: ln(2) as the sum of
    two numbers, the first with so few bits that n times it is exact. saturated: tanh is 1 from here on. lowest: exp is
    not normal below it.
    """
    log_2_high, log_2_low = log_2
    per_log_2 = 1 / math.log(2)
    q4, q3, q2, q1, q0 = q[-5:]
    q9, q8, q7, q6, q5 = q[:5]
    long = len(q) == 10

    @inlined
    def reduced(y: Any) -> Any:
        """Return 2^n and expm1(r)."""
        shifted = y * per_log_2 + shift
        n = shifted - shift
        r = (y - n * log_2_high) - n * log_2_low
        if long:
            p = q5 + r * (q6 + r * (q7 + r * (q8 + r * q9)))
            p = q0 + r * (q1 + r * (q2 + r * (q3 + r * (q4 + r * p))))
        else:
            p = q0 + r * (q1 + r * (q2 + r * (q3 + r * q4)))
        return power_of_two(shifted, shift), r + r * r * p

    @inlined
    def tanh(x: Any) -> Any:
        a = size(x)
        a = where_below(saturated, a, saturated, a)  # false for NaN, which goes on
        scale, p = reduced(-2.0 * a)
        E = scale * p + (scale - 1.0)
        return with_sign(E / (E + 2.0), x)

    @inlined
    def sigmoid(x: Any) -> Any:
        y = 0.0 - size(x)
        scale, p = reduced(where_below(y, lowest, lowest, y))
        e = where_below(x, lowest, 0.0, scale * p + scale)
        return where_below(x, 0.0, e, 1.0) / (1.0 + e)

    @inlined
    def powers(y: Any) -> Any:
        scale, p = reduced(where_below(y, lowest, lowest, y))
        return where_below(y, lowest, 0.0, scale * p + scale), scale * p + (scale - 1.0)

    return tanh, sigmoid, powers


_tanh_32, _sigmoid_32, _powers_32 = _build(
    [0.00138825209281033, 0.008366513878637025, 0.04166719967450403, 0.16666543670661446, 0.4999999815507114],
    shift=1.5 * 2**23,
    log_2=(0.693359375, -2.1219444005469057e-4),
    saturated=10.0,
    lowest=-87.3,
)
_tanh_64, _sigmoid_64, _powers_64 = _build(
    [
        *(2.5053786119279794e-08, 2.7626024020341505e-07, 2.755740747292259e-06, 2.4801505306919342e-05),
        *(0.00019841269719116008, 0.001388888893153899, 0.008333333333389491, 0.041666666666576826),
        *(0.16666666666666588, 0.5000000000000006),
    ],
    shift=1.5 * 2**52,
    log_2=(0.6931471803691238, 1.9082149292705877e-10),
    saturated=20.0,
    lowest=-708.3,
)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent of a vector, inside kernels only."""
    raise NotImplementedError


def sigmoid(x: Any) -> Any:
    """Logistic function of a vector, inside kernels only."""
    raise NotImplementedError


def powers(y: Any) -> Any:
    """exp(y) and expm1(y) of a vector without positive numbers, inside kernels only."""
    raise NotImplementedError


@overload(tanh)
def _tanh(x: Any) -> Callable[[Any], Any]:
    compiled = _tanh_32 if x.dtype == types.float32 else _tanh_64

    def implementation(x: Any) -> Any:
        return compiled(x)

    return implementation


@overload(sigmoid)
def _sigmoid(x: Any) -> Callable[[Any], Any]:
    compiled = _sigmoid_32 if x.dtype == types.float32 else _sigmoid_64

    def implementation(x: Any) -> Any:
        return compiled(x)

    return implementation


@overload(powers)
def _powers(y: Any) -> Callable[[Any], Any]:
    compiled = _powers_32 if y.dtype == types.float32 else _powers_64

    def implementation(y: Any) -> Any:
        return compiled(y)

    return implementation


@inlined
def dsigmoid(s: Any) -> Any:
    """Derivative of the logistic function where its value is s."""
    return s - s * s


@inlined
def activate(x: Any, relu: bool) -> Any:
    """The rectifier or tanh of a vector; in the rectifier NaN stays, since it is not below zero."""
    if relu:
        return where_below(x, 0.0, 0.0, x)
    return tanh(x)


@inlined
def dactivate(s: Any, relu: bool) -> Any:
    """Derivative of the rectifier or of tanh where its value is s; NaN for NaN."""
    if relu:
        return where_below(0.0, s, 1.0, s)  # s is 0 or NaN in the other lanes
    return 1.0 - s * s


@part
def decay(a: Any) -> Any:
    """exp(-max(0, a)) of a vector: with r = max(0, a), the ratio s / (1 - s) of a sigmoid of -r (4 ULP)."""
    s = sigmoid(0.0 - activate(a, True))
    return s / (1.0 - s)


@part
def ddecay(g: Any) -> Any:
    """Derivative of `decay` where its value is g; NaN for NaN."""
    return where_below(g, 1.0, 0.0 - g, g - 1.0)
