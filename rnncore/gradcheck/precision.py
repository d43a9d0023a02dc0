"""How exact is it? The same gradient in float32, float64 and 80 bits, and values in units of the last place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore.contract import Layer
from rnncore.gradcheck import complex_step
from rnncore.gradcheck.measure import as_inputs, as_pair
from rnncore.gradcheck.problems import Problem
from rnncore.typing import Array

WIDE = bool(np.finfo(np.longdouble).eps < np.finfo(np.float64).eps)  # False where the platform has no wider float
BINS = (0.5, 1.0, 2.0, 4.0, 8.0, np.inf)


def precision(layer: Layer, problem: Problem, entries: int = 20, seed: int = 0) -> dict[str, float]:
    """Return, by dtype, how far the backward pass is off: the largest |gradient - exact| / max |exact| of an array.

    Exact is the complex step of the textbook, in 80-bit arithmetic where the platform has it (then "longdouble" is
    among the results), at `entries` of each array. The fast twin computes in float32 and float64 alone. The numbers of
    the problem are rounded to float32 first, so that all dtypes solve the same one.

    >>> import rnncore as rc
    >>> from rnncore.gradcheck import random_problem
    >>> layer = rc.LSTM(3, 5, backend="numpy", dtype="float64")
    >>> found = precision(layer, random_problem(layer))
    >>> found["float32"] < 1e-5, found["float64"] < 1e-14
    (True, True)
    """
    fast = "numba" in layer.backends
    widest = np.longdouble if WIDE else np.float64
    dtypes = [np.float32, np.float64, *([np.longdouble] if WIDE and not fast else [])]
    forward, _ = as_pair(layer.using(backend="numpy") if fast else layer, problem.lengths)
    inputs, upstream = _in_dtype(problem, widest)
    exact = complex_step.oracle(lambda arrays: forward(arrays)[0], inputs, upstream)
    found = {np.dtype(dtype).name: _gradients(layer, problem, dtype) for dtype in dtypes}
    rng = np.random.default_rng(seed)
    errors = dict.fromkeys(found, 0.0)
    for name in found["float64"]:
        indices = [tuple(i) for i in np.argwhere(np.ones(inputs[name].shape, bool)).tolist()]
        at = rng.permutation(len(indices))[:entries]
        right = exact.at(name, [indices[k] for k in at]).value
        for dtype, grads in found.items():
            gap = np.abs(np.array([grads[name][indices[k]] for k in at], dtype=widest) - right).max(initial=0)
            errors[dtype] = max(errors[dtype], float(gap / max(np.abs(right).max(initial=0), 1e-300)))
    return {"longdouble" if name not in ("float32", "float64") else name: error for name, error in errors.items()}


def _in_dtype(p: Problem, dtype: Any) -> tuple[dict[str, Array], tuple[Array, ...]]:
    inputs = as_inputs(p.params, p.x, p.state_0)

    def cast(a: Array) -> Array:
        return a.astype(np.float32).astype(dtype) if a.dtype.kind == "f" else a

    return {name: cast(a) for name, a in inputs.items()}, tuple(cast(u) for u in (p.dy, *p.dstate_T))


def _gradients(layer: Layer, p: Problem, dtype: Any) -> dict[str, Array]:
    inputs, upstream = _in_dtype(p, dtype)
    forward, backward = as_pair(layer, p.lengths)
    return backward(inputs, forward(inputs)[1], upstream)


def ulp_errors(computed: Array, exact: Sequence[Any] | Array) -> Array:
    """Return how far each number is from the exact one, in units in the last place of the computed dtype.

    exact: as many numbers of any exact kind, as fractions.Fraction or mpmath.mpf. Half a unit is correct rounding.

    >>> from fractions import Fraction
    >>> ulp_errors(np.array([1 / 3, 1 / 3 + 1e-16]), [Fraction(1, 3), Fraction(1, 3)]).round(2)
    array([0.33, 1.67])
    """
    values = np.ravel(computed)
    unit = np.spacing(np.abs(values))
    gaps = [abs(type(e)(float(v)) - e) / type(e)(float(u)) for v, e, u in zip(values, exact, unit, strict=True)]
    return np.array([float(gap) for gap in gaps])


def ulp_histogram(errors: Array) -> dict[str, int]:
    """Return how many errors, in units in the last place, are at most 0.5, 1, 2, 4, 8, and how many are larger.

    >>> ulp_histogram(np.array([0.2, 0.4, 0.9, 30.0]))
    {'<= 0.5': 2, '<= 1': 1, '<= 2': 0, '<= 4': 0, '<= 8': 0, '> 8': 1}
    """
    counts = np.bincount(np.searchsorted(BINS, np.asarray(errors)), minlength=len(BINS))
    labels = [*(f"<= {edge:g}" for edge in BINS[:-1]), f"> {BINS[-2]:g}"]
    return dict(zip(labels, counts.tolist(), strict=True))
