"""The weights' gradient apart: what each time step adds to it, and what each sequence adds to it. Both are exact.

A weight is used at every step of every sequence, and its gradient is the sum over all uses. `backward` returns the sum;
here the uses are kept apart, by running the same `backward` on slices of the cache. It knows no cell: what holds for
the contract holds for every layer and both twins.

Averages over the batch hide what single sequences ask for: the gradients of single sequences give the gradient's noise
(McCandlish et al. 2018), private training (Abadi et al. 2016) and the examples that pull hardest; the gradients of
single steps show where in time a weight learns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.compose import Bidirectional, Stack
from rnncore.contract import Layer
from rnncore.diagnostics.slices import at_step, checked, of_rows
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Params, State
from rnncore.wrappers.directions import parted, turned


def per_step_gradients(model: Layer, params: Params, cache: Any, dy: Array, dstate_T: State | None = None) -> Grads:
    """Return the gradient of each parameter (T, *shape) by the step at which it was used; its sum is `backward`'s.

    Arguments are those of `model.backward`: cache from `model.forward`, dy as y, dstate_T the states' gradients or
    None. Slot t is the use at step t, whatever later losses it serves; a direction that runs backwards is turned round,
    so t counts from each row's own beginning. A part behind `Last` is used once, not at each step: its axis has length
    1. Cost: the arithmetic of one backward (two for `Bidirectional` and for a stack with `Last`), in T calls, and T
    times the memory of the parameters. ContractError as `model.backward`.

    >>> import rnncore as rc
    >>> layer = rc.GRU(3, 4, backend="numpy", dtype="float64")
    >>> params = layer.init(seed=0)
    >>> y, _, cache = layer.forward(params, np.ones((6, 2, 3)), lengths=[6, 2])
    >>> steps = per_step_gradients(layer, params, cache, y)
    >>> whole, _, _ = layer.backward(params, cache, y)
    >>> steps["Wh"].shape, np.allclose(steps["Wh"].sum(axis=0), whole["Wh"], rtol=1e-12)
    ((6, 4, 12), True)
    """
    return _by_step(model, params, cache, dy, checked(model, params, cache, dy, dstate_T))


def _by_step(model: Layer, params: Params, cache: Any, dy: Array, dstate: State) -> Grads:
    if not model.parameter_shapes():
        return {}
    if isinstance(model, Bidirectional):
        return _by_direction(model, params, cache, dy, dstate)
    if isinstance(model, Stack) and not model.streamable:
        return _by_part(model, params, cache, dy, dstate)
    if dy.ndim == 2:  # no time axis: used once
        return {name: g[None] for name, g in model.backward(params, cache, dy, dstate)[0].items()}
    if model.streamable:
        return _by_slice(model, params, cache, dy, dstate)
    advice = "cut it into layers that run step by step"
    raise ContractError(
        "model", "a layer that runs step by step, Bidirectional, or a stack of them", repr(model), advice
    )


def _by_slice(model: Layer, params: Params, cache: Any, dy: Array, dstate: State) -> Grads:
    T = len(dy)
    out = {name: np.zeros((T, *shape), dy.dtype) for name, shape in model.parameter_shapes().items()}
    for t in reversed(range(T)):
        grads, _, dstate = model.backward(params, at_step(cache, t, T), dy[t : t + 1], dstate)
        for name, g in grads.items():
            out[name][t] = g
    return out


def _by_part(model: Stack, params: Params, cache: Any, dy: Array, dstate: State) -> Grads:
    out: Grads = {}
    d: Array | None = dy
    rows = zip(model._split(params, dstate), cache.parts, strict=True)
    for (key, part, own, own_dstate), part_cache in reversed(list(rows)):
        assert d is not None  # only the first part can be an embedding
        steps = _by_step(part, own, part_cache, d, own_dstate)
        out = {**{f"{key}.{name}": g for name, g in steps.items()}, **out}
        _, d, _ = part.backward(own, part_cache, d, own_dstate)
    return out


def _by_direction(model: Bidirectional, params: Params, cache: Any, dy: Array, dstate: State) -> Grads:
    (_, inner, p_f, d_f), (_, _, p_b, d_b) = model._split(params, dstate)
    dy_f, dy_b = parted(dy, model.merge, cache.outputs)
    ahead = _by_step(inner, p_f, cache.forward, dy_f, d_f)
    back = {name: np.zeros_like(g) for name, g in ahead.items()}
    T = max((len(g) for g in ahead.values()), default=1)
    lengths = np.full(dy.shape[-2], T) if cache.lengths is None else cache.lengths
    for length in np.unique(lengths):  # rows of one length turn round together
        rows = np.flatnonzero(lengths == length)
        d = turned(inner, dy_b[..., rows, :], lengths[rows])
        steps = _by_step(inner, p_b, of_rows(cache.backward, rows), d, tuple(d[rows] for d in d_b))
        for name, g in steps.items():
            end = length if len(g) == T > 1 else len(g)  # a part behind `Last` is used once
            back[name][:end] += g[:end][::-1]
    both = (("forward", ahead), ("backward", back))
    return {f"{key}.{name}": g for key, steps in both for name, g in steps.items()}


def per_sample_gradients(model: Layer, params: Params, cache: Any, dy: Array, dstate_T: State | None = None) -> Grads:
    """Return the gradient of each parameter (N, *shape) by sequence; its sum over the axis is `backward`'s.

    Arguments are those of `model.backward`. Works for every model, behind `Last` too; masks of dropout are those in the
    cache. Cost: the arithmetic of one backward, in N calls of one sequence each, and N times the memory of the
    parameters. ContractError as `model.backward`.

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.LSTM(3, 4, backend="numpy"), rc.Last(), rc.Dense(4, 1))
    >>> params = model.init(seed=0)
    >>> y, _, cache = model.forward(params, np.ones((6, 2, 3), np.float32), lengths=[6, 2])
    >>> {name: g.shape for name, g in per_sample_gradients(model, params, cache, y).items()}
    {'0.Wx': (2, 3, 16), '0.Wh': (2, 4, 16), '0.b': (2, 16), '2.W': (2, 4, 1), '2.b': (2, 1)}
    """
    dstate = checked(model, params, cache, dy, dstate_T)
    N = dy.shape[-2]
    out = {name: np.zeros((N, *shape), dy.dtype) for name, shape in model.parameter_shapes().items()}
    for n in range(N):
        row = slice(n, n + 1)
        own = of_rows(cache, np.arange(n, n + 1)), dy[..., row, :], tuple(d[row] for d in dstate)
        for name, g in model.backward(params, *own)[0].items():
            out[name][n] = g
    return out
