"""Central differences (L(+h) - L(-h)) / 2h, with a step chosen for each entry.

A large step errs by curvature (h^2), a small one by rounding (1/h): no step is right for every entry. So six are tried,
and the neighbours that agree best give the answer; their disagreement is the error bar, widened by `oracles.honest`.
"""

from __future__ import annotations

import numpy as np

from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle, Outputs, directional, honest, rounding_of
from rnncore.typing import Array

STEPS = 4e-3 * 4.0 ** -np.arange(6)


def oracle(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...]) -> Oracle:
    """Return the oracle; it needs nothing but values of the function, 18 of them for an entry.

    >>> square = oracle(lambda a: (a["v"] ** 2,), {"v": np.array([3.0])}, (np.array([1.0]),))
    >>> bool(abs(square.at("v", [(0,)]).value[0] - 6) < 1e-8)
    True
    """
    rounding = rounding_of(outputs, inputs, upstream)

    def one(name: str, index: Index) -> tuple[float, float]:
        slope = directional(outputs, inputs, upstream, name, index)
        scale = max(1.0, abs(float(inputs[name][index])))
        slopes = np.array([slope(h * scale) for h in STEPS])
        bars = np.maximum(np.abs(np.diff(slopes)), rounding / (STEPS[1:] * scale))
        best = int(np.argmin(np.where(np.isnan(bars), np.inf, bars)))
        return slopes[best + 1], honest(slope, scale, rounding, slopes[best + 1], float(bars[best]))

    def at(name: str, indices: list[Index]) -> Estimates:
        found = np.array([one(name, index) for index in indices]).reshape(-1, 2)
        return Estimates(found[:, 0], found[:, 1])

    return Oracle("central", at)
