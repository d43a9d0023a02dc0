"""Complex step (Squire and Trapp 1998): dL/dentry = Im L(entry + i 1e-20) / 1e-20, exact to rounding.

No difference is taken, so no digit is lost and no step has to be chosen. The function must be analytic: no abs, norm,
var, max, clip, `.real` or comparison on the complex values themselves (branch on the real part), and no cast to real
numbers. NumPy computes many of these on complex numbers without a word, and the derivative is then another one. So each
array is held against a difference along one direction; where that is sure of itself and says otherwise, this oracle has
nothing to say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.gradcheck.oracles import SMALL, Estimates, Index, Inputs, Oracle, Outputs, rounding_of
from rnncore.typing import Array

STEP = 1e-20


def oracle(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...], step: float = STEP) -> Oracle:
    """Return the oracle; `outputs` must accept complex128 arrays, or 80-bit ones where the inputs are 80-bit.

    >>> square = oracle(lambda a: (a["v"] ** 2,), {"v": np.array([3.0])}, (np.array([1.0]),))
    >>> square.at("v", [(0,)]).value
    array([6.])
    """
    base = {key: a.astype(np.result_type(a, np.complex128)) if a.dtype.kind == "f" else a for key, a in inputs.items()}

    def one(name: str, index: Index) -> np.floating[Any]:
        moved = {**base, name: base[name].copy()}
        moved[name][index] += 1j * step
        imaginary: np.floating[Any] = sum(
            (np.sum(u * (y.imag / step)) for u, y in zip(upstream, outputs(moved), strict=True)), np.float64(0)
        )
        return imaginary

    loss = sum(float(np.sum(u * y.real)) for u, y in zip(upstream, outputs(base), strict=True))

    def at(name: str, indices: list[Index]) -> Estimates:
        value = np.array([one(name, index) for index in indices])
        bar = 0.0 if _analytic(outputs, inputs, upstream, name, indices, value) else np.inf
        return Estimates(value, np.full(len(indices), bar))

    return Oracle("complex-step", at, loss)


def _analytic(
    outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...], name: str, indices: list[Index], value: Array
) -> bool:
    """Say whether a difference of real numbers along one direction agrees, or is not sure of itself (kinks, chaos)."""
    if not indices or not np.isfinite(value).all() or not all(np.isfinite(a).all() for a in inputs.values()):
        return True
    direction = np.random.default_rng(1).choice([-1.0, 1.0], len(indices))

    def slope(h: float) -> float:
        ends = []
        for sign in (1, -1):
            moved = inputs[name].copy()
            for index, one in zip(indices, direction, strict=True):
                moved[index] += sign * h * one
            ends.append(outputs({**inputs, name: moved}))
        return sum(float(np.sum(u * (a - b))) for u, a, b in zip(upstream, *ends, strict=True)) / (2 * h)

    with np.errstate(all="ignore"):
        near = [slope(SMALL * factor) for factor in (1, 1.37, 2.3)]
    blur = 100 * rounding_of(outputs, inputs, upstream) / SMALL
    found = float(np.sum(direction * value))
    sure = max(near) - min(near) <= 1e-5 * abs(near[0]) + blur
    return not sure or abs(near[0] - found) <= 1e-4 * (abs(near[0]) + abs(found)) + 10 * blur
