"""Numeric derivatives of a scalar, one entry at a time, without a look at any backward pass.

The scalar is L = sum_k <upstream_k, output_k>. Each oracle takes `outputs`, a function from a dict of arrays to a tuple
of arrays, and returns dL/dentry with an estimate of its own error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnncore.typing import Array

Outputs = Callable[[dict[str, Array]], tuple[Array, ...]]
Index = tuple[int, ...]
Oracle = Callable[[Outputs, dict[str, Array], tuple[Array, ...], str, Index], tuple[float, float]]

TINY = 1e-20


def nudged(inputs: dict[str, Array], name: str, index: Index, step: float) -> dict[str, Array]:
    """Return the inputs with one entry moved by `step`; the given arrays stay as they are."""
    moved = inputs[name].copy()
    moved[index] += step
    return {**inputs, name: moved}


def complex_step(
    outputs: Outputs, inputs: dict[str, Array], upstream: tuple[Array, ...], name: str, index: Index
) -> tuple[float, float]:
    """Exact to rounding: Im L(entry + i 1e-20) / 1e-20 (Squire and Trapp 1998); no difference is taken.

    The function must be analytic: no abs, max or comparison on the complex values themselves.
    """
    moved = {key: a.astype(complex) if a.dtype.kind == "f" else a for key, a in inputs.items()}
    moved[name][index] += 1j * TINY
    parts = zip(upstream, outputs(moved), strict=True)
    return float(sum(np.sum(u * y.imag) for u, y in parts) / TINY), 0.0


def central(
    outputs: Outputs, inputs: dict[str, Array], upstream: tuple[Array, ...], name: str, index: Index
) -> tuple[float, float]:
    """Central differences (L(+h) - L(-h)) / 2h at six steps; the pair of neighbours that agrees best is the answer.

    Large steps err by curvature (h^2), small ones by rounding (1/h): no step is right for every entry, so each entry
    chooses. Outputs are subtracted before they are summed, which loses fewer digits. The error estimate is the
    disagreement of the two neighbours.
    """
    scale = max(1.0, abs(float(inputs[name][index])))
    slopes = []
    for h in (4.0**-k * 4e-3 * scale for k in range(6)):
        ahead, behind = (outputs(nudged(inputs, name, index, step)) for step in (h, -h))
        rise = sum(float(np.sum(u * (a - b))) for u, a, b in zip(upstream, ahead, behind, strict=True))
        slopes.append(rise / (2 * h))
    gaps = np.abs(np.diff(slopes))
    best = int(np.argmin(gaps))
    return slopes[best + 1], float(gaps[best])


ORACLES: dict[str, Oracle] = {"complex-step": complex_step, "central": central}
