"""What full, truncated and checkpointed BPTT share: the loss of a piece of a sequence, and a sum over segments.

A piece's loss is its own mean times its share of the whole weight, so that the pieces' losses add up to the loss of the
whole sequence.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Lengths, Params, State

Loss = Callable[[Array, Array, Array | None], tuple[float, Array]]

__all__ = ["Loss", "added", "by_segments", "check_chunkable", "loss_weight", "seeded", "total_weight"]


def by_segments(
    model: Layer,
    params: Params,
    x: Array,
    target: Array,
    loss: Loss,
    every: int | None,
    keep: bool,
    state_0: State | None,
    lengths: Lengths | None,
    weight: Array | None,
    rng: np.random.Generator | None,
) -> tuple[float, Grads, State]:
    """Return loss, gradient and final state, summed over segments of `every` steps (None: sqrt T), the last first.

    keep: all caches are kept (full BPTT); else only the state before each segment, whose forward then runs again
    (checkpointed BPTT). The numbers, and the order in which they are added, are the same.
    """
    weight = loss_weight(model, x, lengths, weight)
    check_chunkable(model, x, target, weight)
    total = total_weight(model, x, weight)
    if total == 0:
        raise ContractError("weight", "at least one positive weight", "a sum of zero", "leave this batch out")
    every = math.isqrt(len(x) - 1) + 1 if every is None else checks.size("every", every)
    pieces = [slice(start, min(start + every, len(x))) for start in range(0, len(x), every)]

    def forward(piece: slice, state: State | None, rng: np.random.Generator | None) -> tuple[Array, State, object]:
        cut = None if lengths is None else np.clip(lengths - piece.start, 0, piece.stop - piece.start)
        return model.forward(params, x[piece], state, cut, rng)

    state, runs = state_0, []
    for piece in pieces:
        before = state, copy.deepcopy(rng)
        run = forward(piece, state, rng)
        state = run[1]
        runs.append((before, run if keep else None))
        del run  # without `keep` the cache is let go
    assert state is not None

    parts, grads, dstate = [], Grads(), None
    for piece in reversed(pieces):
        before, kept = runs.pop()
        y, _, cache = kept or forward(piece, *before)
        here = None if weight is None else weight[piece]
        share = total_weight(model, x[piece], here) / total
        value, dy = loss(y, target[piece], here) if share else (0.0, np.zeros_like(y))
        parts.append(value * share)
        dparams, _, dstate = model.backward(params, cache, dy * share, dstate)
        grads = added(grads, dparams)
        del cache, kept  # two segments' caches are never alive at once
    return sum(reversed(parts)), grads, state


def seeded(loss: Loss, *seed: int) -> Loss:
    """Return the loss with a generator of this seed, if it asks for one: by an argument `rng` that is not yet bound."""
    try:
        asks = inspect.signature(loss).parameters.get("rng")
    except (TypeError, ValueError):  # a callable that does not tell its arguments
        return loss
    if asks is None or asks.default is not inspect.Parameter.empty:
        return loss
    drawing: Callable[..., tuple[float, Array]] = loss
    return functools.partial(drawing, rng=np.random.default_rng(seed))


def added(a: Grads, b: Grads) -> Grads:
    """Return the sum of two gradients, the first of which may be empty."""
    return {name: a[name] + b[name] for name in b} if a else b


def loss_weight(model: Layer, x: Array, lengths: Lengths | None, weight: Array | None) -> Array | None:
    """The weight that the loss sees: zero past a row's end, where the output has a time axis."""
    if lengths is None or not model.keeps_time:
        return weight
    T, N = x.shape[:2]
    live = np.arange(T)[:, None] < lengths
    if weight is None:
        return live.astype(model.dtype)
    weight = np.asarray(weight)
    if weight.ndim == 0 or weight.shape[:2] != (T, N)[: weight.ndim]:
        raise ContractError(
            "weight", f"shape ({T}, {N}) or ({T},)", f"shape {weight.shape}", "one weight for each step"
        )
    if weight.ndim == 1:
        weight = weight[:, None]
    return np.where(live.reshape(live.shape + (1,) * (weight.ndim - 2)), weight, np.zeros_like(weight))


def total_weight(model: Layer, x: Array, weight: Array | None) -> float:
    """The sum of what `loss_weight` gave over all output rows, of which a weight (T,) is for N; None: one a row."""
    if weight is not None:
        rows = x.shape[1] if model.keeps_time and np.ndim(weight) == 1 else 1
        return float(np.sum(weight, dtype=np.float64)) * rows
    return float(np.prod(x.shape[:2])) if model.keeps_time else float(x.shape[1])


def check_chunkable(model: Layer, x: Array, target: Array, weight: Array | None) -> None:
    """Require a model, an input and a target that can be cut in time."""
    if not model.streamable:
        advice = "use full_bptt; Last and Bidirectional need the whole sequence"
        raise ContractError("model", "a model that can be cut in time", repr(model), advice)
    if np.ndim(x) < 2:
        raise ContractError("x", "shape (T, N, ...)", f"shape {np.shape(x)}", "time-major")
    for name, array in (("target", target), ("weight", np.ones(len(x)) if weight is None else weight)):
        if np.shape(array)[:1] != (len(x),):
            expected = f"T = {len(x)} steps in its first axis"
            raise ContractError(name, expected, f"shape {np.shape(array)}", "time-major, as x")
