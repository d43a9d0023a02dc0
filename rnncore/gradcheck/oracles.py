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
EXACT = ("complex-step", "forward-mode", "torch")
SMALL = 1e-6  # the step at which a smooth function is a straight line and rounding still leaves seven digits


class Estimates(NamedTuple):
    """Derivatives (n,), and for each how far the oracle trusts itself: 0 where it is exact to rounding."""

    value: Array
    bar: Array


class Oracle(NamedTuple):
    """Numeric derivatives of entries of one named input: `at(name, indices)`.

    `loss` is L as an exact oracle computes it; in other arithmetic it is not bit for bit what the forward pass gives.
    `together`, where an oracle has it, gives the derivatives of entries of several inputs for less than one by one.
    """

    method: str
    at: Callable[[str, list[Index]], Estimates]
    loss: float | None = None
    together: Callable[[dict[str, list[Index]]], dict[str, Estimates]] | None = None

    def of_all(self, wanted: dict[str, list[Index]]) -> dict[str, Estimates]:
        """Return the derivatives of the entries wanted of each input."""
        return self.together(wanted) if self.together else {name: self.at(name, ks) for name, ks in wanted.items()}


def directional(
    outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...], name: str, index: Index
) -> Callable[[float], float]:
    """Return h -> (L(+h) - L(-h)) / 2h along one entry; outputs are subtracted first, summed then.

    Divided is by the distance of the two points as they are after rounding.
    """
    here = inputs[name][index]
    here = here if np.isfinite(here) else here.dtype.type(0)  # NaN in a padding: is it looked at?

    def moved(to: float) -> tuple[Array, ...]:
        array = inputs[name].copy()
        array[index] = to
        return outputs({**inputs, name: array})

    def slope(h: float) -> float:
        right, left = here + h, here - h
        with np.errstate(all="ignore"):  # a step may leave the domain: NaN, and another step is taken
            pairs = zip(upstream, moved(right), moved(left), strict=True)
            change = sum(float(np.sum(u * (a - b))) for u, a, b in pairs)
        return change / float(right - left) if right != left else np.nan

    return slope


def rounding_of(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...]) -> float:
    """Return about how far rounding of the outputs, in their own dtypes, moves L.

    A difference over a step h is blurred by this over h.
    """
    pairs = zip(upstream, outputs(inputs), strict=True)
    return float(np.sqrt(sum(float(np.sum((u * y * np.finfo(y.dtype).eps) ** 2)) for u, y in pairs)))


def honest(slope: Callable[[float], float], scale: float, rounding: float, value: float, bar: float) -> float:
    """Return the error bar of a difference, widened where the function has features finer than the steps taken.

    Values at large steps may agree by accident (a corner or an oscillation between the points, chaos). So three tiny
    steps are looked at: where they contradict each other nothing is known (infinite bar); where they agree with each
    other and not with `value`, the bar is that distance.
    """
    near = [slope(SMALL * scale * factor) for factor in (1, 1.37, 2.3)]
    noise, spread = 100 * rounding / (SMALL * scale), max(near) - min(near)
    if not spread <= noise + 1e-3 * abs(near[0]):
        return np.inf
    return max(bar, abs(value - near[0]) - noise - spread)


def drifted(oracle: Oracle, estimates: Estimates, outputs: tuple[Array, ...], upstream: tuple[Array, ...]) -> Estimates:
    """Return the estimates of an exact oracle with a bar where its forward pass drifts away from the one under test.

    In chaos another order of rounding is another trajectory, with other derivatives. The bar is ten times the drift of
    L, if the derivatives are large enough to explain such a drift by rounding; else it is no drift but an error.
    """
    size = np.sqrt(sum(float(np.sum((u * y) ** 2)) for u, y in zip(upstream, outputs, strict=True)))
    if oracle.loss is None or not size:
        return estimates
    drift = abs(oracle.loss - sum(float(np.sum(u * y)) for u, y in zip(upstream, outputs, strict=True))) / size
    largest = float(np.abs(estimates.value).max(initial=0.0))
    explained = 100 * float(np.finfo(float).eps) * (1 + largest / size)
    return Estimates(estimates.value, np.maximum(estimates.bar, 10 * min(drift, explained) * largest))


def has_kink(outputs: Outputs, inputs: Inputs, upstream: tuple[Array, ...], name: str, index: Index) -> bool:
    """Say whether L has a corner at this entry, as a rectifier or a clip has.

    There the slopes from the left and from the right are two numbers, and each stays what it is as the step shrinks. (A
    smooth function has one slope; a chaotic one has slopes that do not stay.)
    """
    here = outputs(inputs)

    def slope(h: float) -> float:
        array = inputs[name].copy()
        array[index] += h
        there = outputs({**inputs, name: array})
        return sum(float(np.sum(u * (a - b))) for u, a, b in zip(upstream, there, here, strict=True)) / h

    right, left = (slope(1e-5), slope(1e-6)), (slope(-1e-5), slope(-1e-6))
    jump, top = abs(right[1] - left[1]), max(map(abs, (*right, *left)))
    stays = max(abs(right[0] - right[1]), abs(left[0] - left[1])) < 0.1 * jump
    return bool(jump > 1e-5 * top and stays)
