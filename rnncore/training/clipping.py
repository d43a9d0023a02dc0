"""Gradient clipping: bound the step that one exploding gradient can cause (Mikolov 2012; Pascanu et al. 2013).

Clipping by the global norm keeps the direction and shortens the step; clipping by value bounds every entry and so turns
the direction. Neither repairs a gradient: one that holds NaN or infinity is an error that says where.
"""

from __future__ import annotations

import math

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError, NonFiniteError
from rnncore.typing import Array, Grads, Params


def real_array(name: str, value: Array, shape: tuple[int, ...] | None = None, why: str = "") -> None:
    """Require an array of real floats: the rules of this folder are not those of complex numbers.

    >>> real_array("w", np.ones(2, complex))
    Traceback (most recent call last):
    rnncore.errors.ContractError: w: expected real numbers, received dtype complex128; take the real part
    """
    checks.array(name, value, shape, None, why)
    if np.iscomplexobj(value):
        raise ContractError(name, "real numbers", f"dtype {value.dtype}", "take the real part")


def non_finite(arrays: Params) -> list[str]:
    """The names of the arrays that hold NaN or infinity.

    >>> non_finite({"Wx": np.ones(2), "b": np.array([0.0, np.nan])})
    ['b']
    """
    return [name for name, a in arrays.items() if not np.isfinite(a).all()]


def global_norm(grads: Params) -> float:
    """The Euclidean norm of all gradients taken as one vector; 0.0 of none or of zeros.

    Summed in float64 after division by the largest entry, so that float32 gradients of 1e30 have a norm, and exactly
    over the arrays, so that their order does not matter. NonFiniteError names the arrays that hold NaN or infinity.

    >>> global_norm({"Wx": np.array([3.0, 0.0]), "b": np.array([4.0])})
    5.0
    """
    for name, g in checks.named("grads", grads, "pass what backward returned").items():
        real_array(f"grads[{name!r}]", g)
    bad = non_finite(grads)
    if bad:
        raise NonFiniteError(f"the gradient holds NaN or infinity in {', '.join(bad)}", arrays=bad)
    largest = max((float(np.abs(g).max()) for g in grads.values() if g.size), default=0.0)
    if largest == 0.0:
        return 0.0
    # dividing by a power of two rounds nothing
    scale = 2.0 ** min(math.frexp(largest)[1], 1023)
    squares = (float(np.square(np.divide(g, scale, dtype=np.float64)).sum()) for g in grads.values())
    norm = math.sqrt(math.fsum(squares)) * scale
    if not math.isfinite(norm):
        raise NonFiniteError("the norm of the gradient is larger than the largest float64; its entries are finite")
    return norm


def clip_by_global_norm(grads: Params, max_norm: float) -> tuple[Grads, float]:
    """Scale all gradients by one factor so that their global norm is at most `max_norm` (Pascanu et al. 2013).

    Returns new arrays in the gradients' dtypes and the norm before clipping. The direction stays. ContractError where
    `max_norm` is not a positive number; NonFiniteError names the arrays that hold NaN or infinity.

    >>> clip_by_global_norm({"Wx": np.array([3.0]), "b": np.array([4.0])}, 1.0)
    ({'Wx': array([0.6]), 'b': array([0.8])}, 5.0)
    """
    max_norm = checks.number("max_norm", max_norm, open_left=True)
    norm = global_norm(grads)
    if norm <= max_norm:
        return {name: g.copy() for name, g in grads.items()}, norm
    factor = max_norm / norm
    return {name: np.multiply(g, factor, dtype=np.float64).astype(g.dtype) for name, g in grads.items()}, norm


def clip_by_value(grads: Params, limit: float) -> tuple[Grads, float]:
    """Move every entry into [-limit, limit] (Mikolov 2012, section 3.2). This turns the direction.

    Returns new arrays in the gradients' dtypes and the global norm before clipping. ContractError where `limit` is not
    a positive number; NonFiniteError names the arrays that hold NaN or infinity.

    >>> clip_by_value({"Wx": np.array([3.0, -0.5]), "b": np.array([-4.0])}, 1.0)
    ({'Wx': array([ 1. , -0.5]), 'b': array([-1.])}, 5.024937810560445)
    """
    limit = checks.number("limit", limit, open_left=True)
    norm = global_norm(grads)
    return {name: np.clip(g, -limit, limit) for name, g in grads.items()}, norm
