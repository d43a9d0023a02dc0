"""Complex step (Squire and Trapp 1998): dL/dentry = Im L(entry + i 1e-20) / 1e-20, exact to rounding.

No difference is taken, so no digit is lost and no step has to be chosen. The function must be analytic: no abs, max,
clip or comparison on the complex values themselves (branch on the real part).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle, Outputs
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
        return Estimates(np.array([one(name, index) for index in indices]), np.zeros(len(indices)))

    return Oracle("complex-step", at, loss)
