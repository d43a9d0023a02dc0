"""A cache cut in time or by sequence, so that `backward` runs on one step or one sequence alone.

Every number in a cache belongs to one step and one sequence, so a piece of a cache is the cache of that piece. The
rules that all caches of this project keep, and a cell of your own has to keep too:

    (T, N, ...)      one slot for each step; (T+1, N, ...) one for each state, slot t before step t, slot t+1 after it
    (N, F), (N,)     behind `Last`, where there is no time: features, ids
    integers         have no features, so their last axis is N; all other numbers have N before their last axis
    lengths (N,)     in a slice of one step they are 0 or 1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.compose import Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.layers.last import LastCache
from rnncore.layers.masked import Plan
from rnncore.recurrent import Recurrent
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.typing import Array, Params, State
from rnncore.wrappers import Composition
from rnncore.wrappers.masked import MaskedCache


def at_step(cache: Any, t: int, T: int) -> Any:
    """Return the cache of step t alone, of a cache of T steps; the arrays are views.

    >>> from rnncore.layers.rnn import RNNCache
    >>> cache = RNNCache(np.zeros((5, 2, 3)), np.zeros((6, 2, 4)), np.array([5, 2]))
    >>> x, h, lengths = at_step(cache, t=2, T=5)
    >>> x.shape, h.shape, lengths
    ((1, 2, 3), (2, 2, 4), array([1, 0]))
    """
    if isinstance(cache, MaskedCache):
        advice = "its cache holds the live steps alone, by their order and not by t"
        raise ContractError("model", "a layer whose cache can be cut in time", "Masked", advice)
    if isinstance(cache, tuple):
        return _rebuilt(cache, [at_step(field, t, T) for field in cache])
    if cache is None:
        return None
    if cache.ndim == 1:
        return np.clip(cache - t, 0, 1)
    return cache[t : t + 1 + len(cache) - T]


def of_rows(cache: Any, rows: Array) -> Any:
    """Return the cache of some sequences, given by number; one that is named twice comes twice.

    >>> from rnncore.layers.rnn import RNNCache
    >>> cache = RNNCache(np.zeros((5, 2, 3)), np.zeros((6, 2, 4)), np.array([5, 2]))
    >>> x, h, lengths = of_rows(cache, np.array([0, 0, 1]))
    >>> x.shape, lengths
    ((5, 3, 3), array([5, 5, 2]))
    """
    if isinstance(cache, LastCache):
        T, _, D = cache.shape
        return LastCache((T, len(rows), D), cache.lengths[rows])
    if isinstance(cache, MaskedCache):
        plan = cache.plan
        live, valid, k = (a[:, rows] for a in (plan.live, plan.valid, plan.k))
        order = np.argsort(-live.sum(axis=0), kind="stable")
        inner = of_rows(cache.inner, plan.places[rows][order])  # the inner layer saw its rows sorted
        return MaskedCache(inner, Plan(live, valid, k, order, plan.K), of_rows(cache.lengths, rows))
    if isinstance(cache, tuple):
        return _rebuilt(cache, [of_rows(field, rows) for field in cache])
    if cache is None or isinstance(cache, int):
        return cache
    return np.take(cache, rows, axis=cache.ndim - (1 if cache.dtype.kind in "iu" else 2))


def _rebuilt(cache: tuple[Any, ...], fields: list[Any]) -> Any:
    return type(cache)(*fields) if hasattr(cache, "_fields") else tuple(fields)


def checked(model: Layer, params: Params, cache: Any, dy: Array, dstate_T: State | None) -> State:
    """Raise what `backward` would raise, and return dstate_T with None made zeros."""
    dtype = checks.parameters(params, model.parameter_shapes(), repr(model))
    shape = model._output_shape(cache)
    checks.array("dy", dy, shape, dtype, "it has the shape and dtype of y")
    return checks.state("dstate_T", dstate_T, model.state_sizes, shape[-2], dy.dtype)


def state_names(model: Layer) -> tuple[str, ...]:
    """Return a name for each state: ("h", "c"), or with the part's name in front as in "0.h".

    >>> import rnncore as rc
    >>> state_names(rc.Stack(rc.LSTM(3, 4), rc.GRU(4, 4)))
    ('0.h', '0.c', '1.h')
    """
    if isinstance(model, RecurrentDropout):
        model = model.layer
    if isinstance(model, Recurrent):
        return model.cell.states
    parts: dict[str, Layer] = getattr(model, "parts", {})
    inside = tuple(f"{key}.{name}" for key, part in parts.items() for name in state_names(part))
    return inside + tuple(model.own_states if isinstance(model, Composition) else ())


def streamable_part(
    model: Layer, params: Params, cache: Any, dy: Array | None
) -> tuple[Layer, Params, Any, Array | None]:
    """Return the model's leading parts that run step by step, with their own params and cache, and the dy they get.

    `Stack(GRU, Last, Dense)` gives `Stack(GRU)` and the gradient that reaches its outputs. ContractError where there is
    no state, or the first part needs the whole sequence.
    """
    checks.parameters(params, model.parameter_shapes(), repr(model))
    model._output_shape(cache)
    while isinstance(model, Stack) and not model.streamable and len(model.parts) > 1:
        *rows, (key, part, own, _) = model._split(params, ())
        if dy is not None:
            _, dy, _ = part.backward(own, cache.parts[-1], dy)
        params = {name: array for name, array in params.items() if not name.startswith(f"{key}.")}
        model, cache = Stack(*(part for _, part, _, _ in rows)), cache._replace(parts=cache.parts[:-1])
    if not (model.streamable and model.state_sizes):
        advice = "Bidirectional needs the whole sequence, Dense has no state"
        raise ContractError("model", "a recurrent layer, or a stack that begins with one", repr(model), advice)
    return model, params, cache, dy
