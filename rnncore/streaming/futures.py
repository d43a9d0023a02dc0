"""Futures by sampling: what comes next is drawn from the output, put in as the next input, and so on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.streaming.whole import predict
from rnncore.typing import Array, Params

Draw = Callable[[Array, np.random.Generator], Array]


def futures(
    model: Layer,
    params: Params,
    x: Array,
    draw: Draw,
    steps: int,
    *,
    paths: int = 1,
    seed: int | np.random.Generator = 0,
    lengths: Sequence[int] | Array | None = None,
) -> Array:
    """Return drawn continuations (steps, N, paths, D) of the histories x (T, N, D), each path by itself.

    draw(y, rng): from the outputs (M, F) of M rows, the next inputs (M, D) in the dtype of x. The histories are run
    once, their states carried on; a path goes on from what it has drawn itself (ancestral sampling; for counts of
    purchases: Valendin et al. 2022). lengths (N,), longest first: a row's future begins after its own last step.
    ContractError where steps or paths is below 1, a row has no step, or the model cannot go on from a state
    (`model.streamable`).

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.GRU(1, 4, backend="numpy"), rc.Dense(4, 1))
    >>> coin = lambda y, rng: (rng.random(y.shape) < 1 / (1 + np.exp(-y))).astype(y.dtype)
    >>> futures(model, model.init(seed=0), np.ones((5, 3, 1), np.float32), coin, steps=7, paths=2).shape
    (7, 3, 2, 1)
    """
    steps, paths, rng = checks.size("steps", steps), checks.size("paths", paths), np.random.default_rng(seed)
    if not (model.streamable and model.keeps_time):
        advice = "Bidirectional needs the whole sequence, Last gives no output for each step"
        raise ContractError("model", "a model that can go on from its state", repr(model), advice)
    y, state = predict(model, params, x, lengths=lengths)
    N = x.shape[1]
    last = np.full(N, len(x) - 1) if lengths is None else np.asarray(lengths) - 1
    if (last < 0).any():
        advice = "what comes first is drawn from the output at a row's last step"
        raise ContractError("lengths", "one step in each row, or more", "a row without any", advice)
    y, state = np.repeat(y[last, np.arange(N)], paths, axis=0), tuple(np.repeat(s, paths, axis=0) for s in state)
    drawn = []
    for _ in range(steps):
        drawn.append(draw(y, rng))
        y, state = predict(model, params, drawn[-1][None], state)
        y = y[0]
    return np.stack(drawn).reshape(steps, N, paths, *drawn[0].shape[1:])
