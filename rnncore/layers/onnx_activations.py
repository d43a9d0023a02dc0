"""The eleven activations that an ONNX RNN, LSTM or GRU operator may name, their derivatives, and the clip before them.

    Relu             max(a, 0)                    LeakyRelu         a where a >= 0, else alpha a
    Tanh             tanh(a)                      ThresholdedRelu   a where a >= alpha, else 0
    Sigmoid          1 / (1 + exp(-a))            Elu               a where a >= 0, else alpha (exp(a) - 1)
    Affine           alpha a + beta               Softsign          a / (1 + |a|)
    ScaledTanh       alpha tanh(beta a)           Softplus          log(1 + exp(a))
    HardSigmoid      min(max(alpha a + beta, 0), 1)

    clip(a) = a where |a| <= limit, else limit with the sign of a

Here a derivative is written in terms of the **input** a, because some of these lose it in their output. At a corner it
is the one from the inside of the clip or the middle of a HardSigmoid, and from the left elsewhere. Every comparison
looks at the real part, so that all may be checked by complex step; NaN gives NaN. Text: the operators' specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import sigmoid
from rnncore.typing import Array

Function = Callable[[Array, float, float], Array]


class Activation(NamedTuple):
    """An activation by name, with the numbers it takes (0 where it takes none)."""

    name: str
    alpha: float
    beta: float


def _step(condition: Array, a: Array) -> Array:
    """Return 1 where the condition holds, else 0, and NaN where a is NaN."""
    one: Array = np.where(np.isnan(a), np.nan, condition).astype(a.real.dtype)
    return one


def _size(a: Array) -> Array:
    """Return |a|, analytic away from 0."""
    return np.where(a.real < 0, -a, a)


def _hard_sigmoid(a: Array, alpha: float, beta: float) -> Array:
    u = alpha * a + beta
    return np.where(u.real < 0, 0.0, np.where(u.real > 1, 1.0, u))


def _dhard_sigmoid(a: Array, alpha: float, beta: float) -> Array:
    u = alpha * a.real + beta
    return alpha * _step((u >= 0) & (u <= 1), a)


def _elu(a: Array, alpha: float, beta: float) -> Array:
    return np.where(a.real < 0, alpha * np.expm1(np.where(a.real < 0, a, 0)), a)


def _delu(a: Array, alpha: float, beta: float) -> Array:
    return np.where(a.real > 0, 1.0, alpha * np.exp(np.where(a.real > 0, 0, a)))


def _softplus(a: Array, alpha: float, beta: float) -> Array:
    return np.where(a.real < 0, 0, a) + np.log1p(np.exp(-_size(a)))


# name -> (value, derivative), both functions of a, alpha, beta
FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "Relu": (lambda a, alpha, beta: np.where(a.real <= 0, 0, a), lambda a, alpha, beta: _step(a.real > 0, a)),
    "Tanh": (lambda a, alpha, beta: np.tanh(a), lambda a, alpha, beta: 1 - np.tanh(a) ** 2),
    "Sigmoid": (lambda a, alpha, beta: sigmoid(a), lambda a, alpha, beta: sigmoid(a) * (1 - sigmoid(a))),
    "Affine": (lambda a, alpha, beta: alpha * a + beta, lambda a, alpha, beta: alpha * _step(np.ones(a.shape), a)),
    "LeakyRelu": (
        lambda a, alpha, beta: np.where(a.real < 0, alpha * a, a),
        lambda a, alpha, beta: alpha + (1 - alpha) * _step(a.real > 0, a),
    ),
    "ThresholdedRelu": (
        lambda a, alpha, beta: np.where(a.real < alpha, 0, a),
        lambda a, alpha, beta: _step(a.real > alpha, a),
    ),
    "ScaledTanh": (
        lambda a, alpha, beta: alpha * np.tanh(beta * a),
        lambda a, alpha, beta: alpha * beta * (1 - np.tanh(beta * a) ** 2),
    ),
    "HardSigmoid": (_hard_sigmoid, _dhard_sigmoid),
    "Elu": (_elu, _delu),
    "Softsign": (lambda a, alpha, beta: a / (1 + _size(a)), lambda a, alpha, beta: 1 / (1 + _size(a)) ** 2),
    "Softplus": (_softplus, lambda a, alpha, beta: sigmoid(a)),
}


def clipped(a: Array, limit: float | None) -> Array:
    """Return a, held between -limit and limit; None: no limit."""
    if limit is None:
        return a
    return np.where(a.real > limit, limit, np.where(a.real < -limit, -limit, a))


def activate(activation: Activation, a: Array, limit: float | None) -> Array:
    """Return act(clip(a)).

    >>> activate(Activation("LeakyRelu", 0.1, 0.0), np.array([-8.0, 1.0, 8.0]), limit=5.0)
    array([-0.5,  1. ,  5. ])
    """
    name, alpha, beta = activation
    return FUNCTIONS[name][0](clipped(a, limit), alpha, beta)


def dactivate(activation: Activation, a: Array, limit: float | None) -> Array:
    """Return the derivative of act(clip(a)) with respect to a: zero where the clip holds a.

    >>> dactivate(Activation("LeakyRelu", 0.1, 0.0), np.array([-8.0, -1.0, 1.0]), limit=5.0)
    array([0. , 0.1, 1. ])
    """
    name, alpha, beta = activation
    slope = FUNCTIONS[name][1](clipped(a, limit), alpha, beta)
    return slope if limit is None else slope * _step(_size(a).real <= limit, a)
