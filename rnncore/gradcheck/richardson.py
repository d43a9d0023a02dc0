"""Richardson's extrapolation of central differences to step zero, in Ridders' tableau (1982), with an error bar.

    A[0, j] = central difference at h_j = h_0 / 1.4^j
    A[k, j] = (1.4^{2k} A[k-1, j] - A[k-1, j-1]) / (1.4^{2k} - 1)     one power of h^2 less in the error each time

The entry with the smallest disagreement with its two parents is the answer, the disagreement its error bar. The first
step matters: too large a one leaves the radius in which the series converges. So three are tried, and the smallest bar
wins; an oracle that trusts itself too little says so, and the check is then inconclusive, not passed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle, Outputs, directional
from rnncore.typing import Array

SHRINK, ROWS = 1.4, 8
FIRST_STEPS = (0.2, 0.05, 0.0125)


def tableau(slope: Callable[[float], float], h: float) -> tuple[float, float]:
    """Return the extrapolated slope and its error bar."""
    row = [slope(h)]
    best, bar = row[0], np.inf
    for j in range(1, ROWS):
        previous, row = row, [slope(h / SHRINK**j)]
        for k in range(1, j + 1):
            factor = SHRINK ** (2 * k)
            row.append((factor * row[k - 1] - previous[k - 1]) / (factor - 1))
            gap = max(abs(row[k] - row[k - 1]), abs(row[k] - previous[k - 1]))
            if gap < bar:
                best, bar = row[k], gap
        if abs(row[j] - previous[j - 1]) > 4 * bar:  # rounding has taken over
            break
    return best, bar


def oracle(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...]) -> Oracle:
    """Return the oracle; up to 48 evaluations for an entry.

    >>> sine = oracle(lambda a: (np.sin(a["v"]),), {"v": np.array([1.0])}, (np.array([1.0]),))
    >>> abs(sine.at("v", [(0,)]).value[0] - np.cos(1)) < 1e-12
    True
    """

    def one(name: str, index: Index) -> tuple[float, float]:
        slope = directional(outputs, inputs, upstream, name, index)
        scale = max(1.0, abs(float(inputs[name][index])))
        return min((tableau(slope, h * scale) for h in FIRST_STEPS), key=lambda pair: pair[1])

    def at(name: str, indices: list[Index]) -> Estimates:
        found = np.array([one(name, index) for index in indices]).reshape(-1, 2)
        return Estimates(found[:, 0], found[:, 1])

    return Oracle("richardson", at)
