"""The activations of the operators of ONNX on vectors: `layers/onnx_activations.py`, each chosen by a code.

Two of the eleven are others with fixed numbers: Tanh is ScaledTanh(1, 1), Relu ThresholdedRelu(0); and no clip is one
at infinity. A branch for each vector costs nothing that can be measured: it is the same one all along a row.
Corners are those of the textbook, and NaN is neither below nor above anything, so that it goes through.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import powers, sigmoid, tanh
from rnncore.kernels.jit import inlined, part
from rnncore.kernels.vectors import size, where_below
from rnncore.layers.onnx_activations import Activation
from rnncore.typing import Array

_SIGMOID, _TANH, _AFFINE, _LEAKY, _THRESHOLD, _HARD, _ELU, _SOFTSIGN, _SOFTPLUS = range(9)
_CODES = {
    "Sigmoid": _SIGMOID,
    "ScaledTanh": _TANH,
    "Affine": _AFFINE,
    "LeakyRelu": _LEAKY,
    "ThresholdedRelu": _THRESHOLD,
    "HardSigmoid": _HARD,
    "Elu": _ELU,
    "Softsign": _SOFTSIGN,
    "Softplus": _SOFTPLUS,
}
_SAME = {"Tanh": ("ScaledTanh", 1.0, 1.0), "Relu": ("ThresholdedRelu", 0.0, 0.0)}


def coded(activations: tuple[Activation, ...], limits: tuple[float | None, ...]) -> Array:
    """Return a row (code, alpha, beta, limit) for each activation and the clip before it."""
    named = [(*_SAME.get(a.name, a), limit) for a, limit in zip(activations, limits, strict=True)]
    rows = [(_CODES[name], alpha, beta, np.inf if limit is None else limit) for name, alpha, beta, limit in named]
    return np.array(rows, np.float64)


@inlined
def _clipped(a: Any, limit: float) -> Any:
    return where_below(limit, a, limit, where_below(a, -limit, -limit, a))


@inlined
def _log1p(e: Any) -> Any:
    """log(1 + e) for 0 <= e <= 1: 2 artanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...), s = e/(2 + e) <= 1/3; rest 2e-17."""
    s = e / (2.0 + e)
    w = s * s
    p = 0.0 * s
    for k in range(31, 0, -2):
        p = 1.0 / k + w * p
    return 2.0 * s * p


@inlined
def _pieces(a: Any, corner: float, low: float, high: float) -> Any:
    """`low` up to the corner, `high` above it, NaN for NaN."""
    return where_below(a, corner, low, where_below(corner, a, high, low + (a - corner)))


@part
def value(a: Any, functions: Any, k: Any) -> Any:
    """act(clip(a)), where row k of `functions` says which."""
    code, alpha, beta, limit = functions[k, 0], functions[k, 1], functions[k, 2], functions[k, 3]
    a = _clipped(a, limit)
    if code == _SIGMOID:
        return sigmoid(a)
    if code == _TANH:
        return alpha * tanh(beta * a)
    if code == _AFFINE:
        return alpha * a + beta
    if code == _LEAKY:
        return where_below(a, 0.0, alpha * a, a)
    if code == _THRESHOLD:
        return where_below(a, alpha, 0.0, a)
    if code == _HARD:
        u = alpha * a  # compared before beta is added: a fused sum is not that of the textbook, and misses the corner
        return where_below(u, -beta, 0.0, where_below(1.0 - beta, u, 1.0, u + beta))
    if code == _ELU:
        return where_below(a, 0.0, alpha * powers(where_below(a, 0.0, a, 0.0))[1], a)
    if code == _SOFTSIGN:
        return a / (1.0 + size(a))
    return where_below(a, 0.0, 0.0, a) + _log1p(powers(0.0 - size(a))[0])


@part
def slope(a: Any, functions: Any, k: Any) -> Any:
    """The derivative of act(clip(a)) with respect to a: zero where the clip holds a."""
    code, alpha, beta, limit = functions[k, 0], functions[k, 1], functions[k, 2], functions[k, 3]
    held = a
    a = _clipped(a, limit)
    if code == _SIGMOID:
        s = sigmoid(a)
        d = s - s * s
    elif code == _TANH:
        s = tanh(beta * a)
        d = alpha * beta * (1.0 - s * s)
    elif code == _AFFINE:
        d = _pieces(a, 0.0, alpha, alpha)
    elif code == _LEAKY:
        d = _pieces(a, 0.0, alpha, 1.0)
    elif code == _THRESHOLD:
        d = _pieces(a, alpha, 0.0, 1.0)
    elif code == _HARD:
        u = alpha * a
        d = where_below(u, -beta, 0.0, where_below(1.0 - beta, u, 0.0, alpha + 0.0 * u))
    elif code == _ELU:
        d = where_below(0.0, a, 1.0, alpha * powers(where_below(0.0, a, 0.0, a))[0])
    elif code == _SOFTSIGN:
        s = 1.0 / (1.0 + size(a))
        d = s * s
    else:
        d = sigmoid(a)
    return where_below(limit, size(held), 0.0, d)
