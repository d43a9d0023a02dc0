"""Richardson's extrapolation of central differences to step zero, in Ridders' tableau (1982), with an error bar.

    A[0, j] = central difference at h_j = h_0 / 1.4^j
    A[k, j] = (1.4^{2k} A[k-1, j] - A[k-1, j-1]) / (1.4^{2k} - 1)     one power of h^2 less in the error each time

The entry with the smallest disagreement with its two parents is the answer, the disagreement its error bar, but never
below what rounding leaves at h_j. The first step matters: too large a one leaves the radius in which the series
converges. So several are tried, and the smallest bar wins; `oracles.honest` widens it where the function is rough. An
oracle that trusts itself too little says so, and the check is then inconclusive, not passed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle, Outputs, directional, honest, rounding_of
from rnncore.typing import Array

SHRINK, ROWS = 1.4, 8
FIRST_STEPS = (0.2, 0.05, 0.0125, 0.002)
BLUR = 4  # the tableau's factors add up to about this much more rounding than the difference at h_j has


def tableau(slope: Callable[[float], float], h: float, rounding: float = 0.0) -> tuple[float, float]:
    """Return the extrapolated slope and its error bar.

    >>> value, bar = tableau(lambda h: np.sin(h) / h, 0.2)
    >>> bool(abs(value - 1) < 1e-13)
    True
    """
    row = [slope(h)]
    best, bar = row[0], np.inf
    for j in range(1, ROWS):
        h_j = h / SHRINK**j
        previous, row = row, [slope(h_j)]
        for k in range(1, j + 1):
            factor = SHRINK ** (2 * k)
            row.append((factor * row[k - 1] - previous[k - 1]) / (factor - 1))
            gap = max(abs(row[k] - row[k - 1]), abs(row[k] - previous[k - 1]), BLUR * rounding / h_j)
            if gap < bar:
                best, bar = row[k], gap
        if abs(row[j] - previous[j - 1]) > 4 * bar:  # rounding has taken over
            break
    return best, bar


def oracle(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...]) -> Oracle:
    """Return the oracle; up to 70 evaluations for an entry.

    >>> sine = oracle(lambda a: (np.sin(a["v"]),), {"v": np.array([1.0])}, (np.array([1.0]),))
    >>> bool(abs(sine.at("v", [(0,)]).value[0] - np.cos(1)) < 1e-12)
    True
    """
    rounding = rounding_of(outputs, inputs, upstream)

    def one(name: str, index: Index) -> tuple[float, float]:
        slope = directional(outputs, inputs, upstream, name, index)
        scale = max(1.0, abs(float(inputs[name][index])))
        best, bar = 0.0, np.inf
        for h in FIRST_STEPS:
            best, bar = min((best, bar), tableau(slope, h * scale, rounding), key=lambda pair: pair[1])
            if bar <= 10 * BLUR * rounding / (h * scale):  # smaller steps would only add rounding
                break
        return best, honest(slope, scale, rounding, best, bar)

    def at(name: str, indices: list[Index]) -> Estimates:
        found = np.array([one(name, index) for index in indices]).reshape(-1, 2)
        return Estimates(found[:, 0], found[:, 1])

    return Oracle("richardson", at)
