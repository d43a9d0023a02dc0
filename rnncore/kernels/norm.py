"""Layer normalisation of one row inside a kernel, and back; equations (1) and (2) of `rnncore/layers/layer_norm.py`.

A sum over the units of a row runs in as many parts as a vector has lanes: added one by one, its numbers would wait for
each other, and cost as much as the product before.
"""

from __future__ import annotations

import math
from typing import Any

from rnncore.kernels.jit import part
from rnncore.kernels.rows import FIRST
from rnncore.kernels.vectors import lanes, load, store


@part
def _sum(scratch: Any, row: Any, total: Any) -> Any:
    """The sum of a vector's lanes, by way of a row of scratch."""
    store(scratch, row, FIRST, lanes(scratch), total)
    number = 0.0
    for j in range(lanes(scratch)):
        number += scratch[row, j]
    return number


@part
def normalise(z: Any, row: Any, first: Any, width: Any, eps: Any, s: Any, k: Any, scratch: Any) -> None:
    """Normalise z[row, first : first + width] where it stands; s[row, k] is what it was multiplied by."""
    total = load(z, row, first, FIRST)  # zeros
    for j in range(0, width, lanes(z)):
        total = total + load(z, row, first + j, width - j)
    mean = _sum(scratch, FIRST, total) / width
    total = load(z, row, first, FIRST)
    for j in range(0, width, lanes(z)):
        store(z, row, first + j, width - j, load(z, row, first + j, width - j) - mean)
        away = load(z, row, first + j, width - j)  # zeros in lanes beyond the width
        total = total + away * away
    factor = 1.0 / math.sqrt(_sum(scratch, FIRST, total) / width + eps)
    s[row, k] = factor
    for j in range(0, width, lanes(z)):
        store(z, row, first + j, width - j, load(z, row, first + j, width - j) * factor)


@part
def dnormalise(
    d: Any, row: Any, first: Any, width: Any, z: Any, r: Any, z_first: Any, factor: Any, scratch: Any
) -> None:  # fmt: skip
    """Turn d[row, first : first + width], the gradient of what `normalise` left in z, into that of what it was."""
    plain = load(d, row, first, FIRST)  # zeros
    along = plain
    for j in range(0, width, lanes(z)):
        dz = load(d, row, first + j, width - j)
        plain, along = plain + dz, along + dz * load(z, r, z_first + j, width - j)
    through_m, through_s = _sum(scratch, FIRST, plain) / width, _sum(scratch, FIRST, along) / width
    for j in range(0, width, lanes(z)):
        z_j, dz = load(z, r, z_first + j, width - j), load(d, row, first + j, width - j)
        store(d, row, first + j, width - j, (dz - through_m - z_j * through_s) * factor)
