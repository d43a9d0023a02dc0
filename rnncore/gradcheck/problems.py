"""Problems that leave an error no place to hide.

A backward pass that is wrong is often right for a zero initial state, for one sequence, for equal lengths, or where
only the last output counts. So: all sizes differ, states and upstream gradients are random and not zero, rows are
ragged with lengths 0 and 1 among them, and `scale` saturates the gates or leaves them nearly linear.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.contract import Layer
from rnncore.typing import Array, Grads, Lengths, State


class Problem(NamedTuple):
    """Arguments of `forward` and upstream gradients of `backward`, all float64."""

    params: Grads
    x: Array
    state_0: State
    lengths: Lengths | None
    dy: Array
    dstate_T: State


def random_problem(
    layer: Layer, seed: int = 0, *, T: int = 6, N: int = 4, ragged: bool = True, scale: float = 1.0
) -> Problem:
    """Draw a problem for any layer; `scale` widens the parameters (3 saturates most gates, 0.1 leaves them linear).

    >>> import rnncore as rc
    >>> problem = random_problem(rc.LSTM(3, 5, backend="numpy", dtype="float64"))
    >>> problem.lengths, [s.shape for s in problem.state_0]
    (array([6, 2, 1, 0]), [(4, 5), (4, 5)])
    """
    rng = np.random.default_rng(seed)
    params = {
        name: rng.normal(size=shape) * scale / np.sqrt(shape[0] if len(shape) > 1 else 1)
        for name, shape in layer.parameter_shapes().items()
    }
    D = layer.sizes[0]
    x: Array = rng.normal(size=(T, N, D or 3))
    if D == 0:
        x = rng.integers(0, next(iter(layer.parameter_shapes().values()))[0], (T, N))
    state_0 = tuple(rng.normal(size=(N, H)) for H in layer.state_sizes)
    lengths = ragged_lengths(rng, T, N) if ragged else None
    y, _, _ = layer.forward(params, x, state_0, lengths)
    dstate_T = tuple(rng.normal(size=s.shape) for s in state_0)
    return Problem(params, x, state_0, lengths, rng.normal(size=y.shape), dstate_T)


def ragged_lengths(rng: np.random.Generator, T: int, N: int) -> Lengths:
    """Return N lengths, longest first: T, 1 and 0 among them where N allows, the others anywhere between."""
    fixed = [T, 0, min(1, T)][:N]
    rest = rng.integers(0, T + 1, N - len(fixed))
    return np.sort(np.concatenate([fixed, rest]).astype(np.int64))[::-1].copy()
