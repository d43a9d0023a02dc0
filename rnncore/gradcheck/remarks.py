"""What stands in the way of a check, in words: numbers that are not finite, and float32 where float64 is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnncore.typing import Array

ENOUGH = 4  # so many numbers that all happen to fit into float32 are no accident


def remarks_on(inputs: Mapping[str, Array], outputs: Sequence[Array], grads: Mapping[str, Array]) -> tuple[str, ...]:
    """Return a line for each obstacle: the array, what it holds, and what to do.

    NaN in an input is one only where it comes out: in the padding of a ragged batch it does not.

    >>> remarks_on({"v": np.array([1.0, np.nan])}, [np.array([np.nan])], {})
    ('input v holds nan at (1,), which comes out of the forward pass: check at finite numbers',)
    """
    return (*not_finite(inputs, outputs, grads), *in_float32(inputs, outputs, grads))


def not_finite(inputs: Mapping[str, Array], outputs: Sequence[Array], grads: Mapping[str, Array]) -> list[str]:
    """Return the inputs that are not finite, where outputs are not; else the outputs or gradients that are not."""
    bad_outputs = {f"output {k}": first_bad(y) for k, y in enumerate(outputs) if first_bad(y)}
    if bad_outputs:
        bad = {name: first_bad(a) for name, a in inputs.items() if first_bad(a)}
        given = "which comes out of the forward pass: check at finite numbers"
        made = "of finite inputs: check where the function is defined, or look for log, sqrt and / in the forward pass"
        lines = [f"input {name} holds {place}, {given}" for name, place in bad.items()]
        return lines or [f"{name} holds {place}, {made}" for name, place in bad_outputs.items()]
    made = "though the outputs are finite: look for / and for 0 times infinity in the backward pass"
    return [f"the gradient of {name} holds {first_bad(g)}, {made}" for name, g in grads.items() if first_bad(g)]


def first_bad(a: Array) -> str:
    """Return the first number that is not finite and its place; "" where all are."""
    if a.dtype.kind not in "fc" or np.isfinite(a).all():
        return ""
    place = tuple(int(k) for k in np.argwhere(~np.isfinite(a))[0])
    return f"{a[place]} at {place}"


def in_float32(inputs: Mapping[str, Array], outputs: Sequence[Array], grads: Mapping[str, Array]) -> list[str]:
    """Return the arrays in which a float64 check finds float32, by their dtype or by their numbers."""
    given = [f"input {name} is {a.dtype}: give it in float64" for name, a in inputs.items() if is_short(a)]
    if given:
        return given
    advice = "compute in float64, then compare the two (`precision`)"
    found = [f"output {k}" for k, y in enumerate(outputs) if is_short(y) or fits_float32(y)]
    found = found or [f"the gradient of {name}" for name, g in grads.items() if is_short(g) or fits_float32(g)]
    return [f"{', '.join(found)}: computed in float32, right to seven digits at most; {advice}"] if found else []


def is_short(a: Array) -> bool:
    """Say whether the dtype is a float shorter than float64."""
    return a.dtype.kind == "f" and a.dtype.itemsize < 8


def fits_float32(a: Array) -> bool:
    """Say whether all numbers of a float64 array are float32 numbers, as after a cast and back.

    Whole numbers and the like, which fit into float16 too, say nothing.
    """
    if a.dtype != np.float64 or not np.isfinite(a).all():
        return False
    with np.errstate(over="ignore"):
        rough = np.unique(a[a.astype(np.float16) != a])
        return len(rough) >= ENOUGH and bool((rough.astype(np.float32) == rough).all())
