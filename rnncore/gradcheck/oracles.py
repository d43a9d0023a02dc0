"""What an oracle is, and the table of gates.

An oracle gives numeric derivatives of a scalar L = sum_k <upstream_k, output_k> without a look at any backward pass.
One file each: `complex_step`, `central`, `richardson` need only a function from inputs to outputs; `forward_mode` and
`torch_autograd` know the equations of the layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnncore.typing import Array

Inputs = dict[str, Array]
Outputs = Callable[[Inputs], tuple[Array, ...]]
Index = tuple[int, ...]

# THE gates: the largest scaled error |a - n| / (|n| + max |n|) that passes. Exact oracles leave only rounding, measured
# 2e-16 to 1e-15; Richardson leaves 1e-12 or so, plain differences 1e-10 to 1e-9 at their best step.
GATES = {"complex-step": 1e-12, "forward-mode": 1e-12, "torch": 1e-12, "richardson": 1e-10, "central": 1e-8}


class Estimates(NamedTuple):
    """Derivatives (n,), and for each how far the oracle trusts itself: 0 where it is exact to rounding."""

    value: Array
    bar: Array


class Oracle(NamedTuple):
    """Numeric derivatives of entries of one named input: `at(name, indices)`."""

    method: str
    at: Callable[[str, list[Index]], Estimates]


def directional(
    outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...], name: str, index: Index
) -> Callable[[float], float]:
    """Return h -> (L(+h) - L(-h)) / 2h along one entry; outputs are subtracted first, summed then."""

    def moved(step: float) -> tuple[Array, ...]:
        array = inputs[name].copy()
        array[index] += step
        return outputs({**inputs, name: array})

    def slope(h: float) -> float:
        pairs = zip(upstream, moved(h), moved(-h), strict=True)
        return sum(float(np.sum(u * (a - b))) for u, a, b in pairs) / (2 * h)

    return slope


def one_sided_jump(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...], name: str, index: Index) -> bool:
    """Say whether L has a kink at this entry: slopes from the left and the right differ, and stay apart as h shrinks.

    Where L is smooth, the difference shrinks with h; at a kink (the corner of a rectifier or a clip) it stays.
    """
    here = outputs(inputs)

    def jump(h: float) -> tuple[float, float]:
        sides = []
        for step in (h, -h):
            array = inputs[name].copy()
            array[index] += step
            there = outputs({**inputs, name: array})
            sides.append(sum(float(np.sum(u * (a - b))) for u, a, b in zip(upstream, there, here, strict=True)) / step)
        return abs(sides[0] - sides[1]), max(map(abs, sides))

    (wide, top), (narrow, _) = jump(1e-5), jump(1e-6)
    return narrow > 1e-3 * top and narrow > 0.5 * wide
