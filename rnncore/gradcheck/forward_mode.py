"""Forward mode: derivatives carried along with the values, from the first step to the last.

Real-time recurrent learning (Williams and Zipser 1989) is this for a whole network: for every number that may move, a
tangent (the derivative of everything with respect to it) runs beside the state. It needs no cache and no upstream
gradient until the end, is exact to rounding, and shares no line with any backward pass: a tangent is written X' below
and has a leading axis K, one slot for each number that moves.

    a  = x W + b        a' = x' W + x W' + b'
    s  = f(a)           s' = f'(a) a'
    p  = u * v          p' = u' v + u v'

It is too slow to train with (K tangents of every state), which is why backpropagation through time exists.
"""

from __future__ import annotations

import numpy as np

from rnncore.compose import Bidirectional, Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense, Embedding, LayerNorm, Prototypes
from rnncore.gradcheck import forward_layers, forward_onnx
from rnncore.gradcheck.dual import Dual, add, multiply
from rnncore.gradcheck.forward_cells import STEPS
from rnncore.gradcheck.forward_dropout import Step, run_recurrent_dropout
from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle
from rnncore.recurrent import Recurrent
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Dropout, Last
from rnncore.typing import Array, Lengths
from rnncore.wrappers import Reversed

ROOM = 2**22  # numbers: 32 MB for all tangents of the arguments and results of a pass


def run(
    layer: Layer,
    p: dict[str, Dual],
    x: Dual,
    state: list[Dual],
    lengths: Lengths | None,
    rng: np.random.Generator | None,
) -> tuple[Dual, list[Dual]]:
    """Return outputs and final states of any layer, with their tangents."""
    if isinstance(layer, (Recurrent, forward_onnx.Operator)):
        return run_cell(layer, p, x, state, lengths)
    if isinstance(layer, RecurrentDropout):
        return run_recurrent_dropout(layer, step_of(layer.layer), p, x, state, lengths, rng)
    if isinstance(layer, (Stack, Bidirectional)):
        return run_composition(layer, p, x, state, lengths, rng)
    if isinstance(layer, forward_layers.WRAPPED):
        return forward_layers.wrapped(layer, p, x, state, lengths, rng, run)
    if isinstance(layer, Reversed):
        own = {name.removeprefix("inner."): d for name, d in p.items()}
        y, state = run(layer.layer, own, turned(x, lengths), state, lengths, rng)
        return (turned(y, lengths) if layer.keeps_time else y), state
    ends = np.full(x[0].shape[1], len(x[0])) if lengths is None else lengths
    for kind, pooled in forward_layers.VECTORS.items():
        if isinstance(layer, kind):
            return pooled(layer, p, x, ends), []
    if isinstance(layer, Last):
        n = np.arange(x[0].shape[1])
        mask = (ends > 0)[:, None]
        return (x[0][ends - 1, n] * mask, x[1][:, ends - 1, n] * mask), []
    y = each_step_alone(layer, p, x, ends, rng)
    if y[0].ndim == 2:
        return y, []
    live = (np.arange(len(y[0]))[:, None] < ends)[..., None]
    return (y[0] * live, y[1] * live), []


def each_step_alone(layer: Layer, p: dict[str, Dual], x: Dual, ends: Array, rng: np.random.Generator | None) -> Dual:
    """Return the outputs, with their tangents, of a layer that takes every step by itself."""
    if isinstance(layer, Embedding):
        return p["W"][0][x[0]], p["W"][1][:, x[0]]
    if isinstance(layer, Dropout):
        shape = x[0].shape[1 if layer.per == "sequence" and x[0].ndim == 3 else 0 :]
        keep = np.ones(shape) if rng is None else (rng.random(shape) >= layer.rate) / (1 - layer.rate)
        return x[0] * keep, x[1] * keep
    if isinstance(layer, LayerNorm):
        return forward_layers.layer_norm(layer, p, x, ends)
    if isinstance(layer, Prototypes):
        return forward_layers.prototypes(layer, p, x, ends)
    if isinstance(layer, Dense):
        return x[0] @ p["W"][0] + p["b"][0], dense_tangent(x, p)
    raise ContractError("method", "a layer with a forward mode", repr(layer), "use another method")


def dense_tangent(x: Dual, p: dict[str, Dual]) -> Array:
    """Return the tangents (K, ..., H) of x W + b."""
    W, b = p["W"], p["b"]
    fits = (len(b[1]), *(1,) * (x[0].ndim - 1), b[1].shape[-1])
    moved: Array = x[1] @ W[0] + np.einsum("...d,kdh->k...h", x[0], W[1]) + b[1].reshape(fits)
    return moved


def step_of(layer: Recurrent | forward_onnx.Operator) -> Step:
    """Return the step of the layer's cell."""
    if isinstance(layer, forward_onnx.Operator):
        return forward_onnx.step_of(layer)
    if layer.cell.name not in STEPS:
        raise ContractError(
            "method", "a cell whose step is in forward_cells.STEPS", layer.cell.name, "use another method"
        )
    return STEPS[layer.cell.name]


def run_cell(
    layer: Recurrent | forward_onnx.Operator, p: dict[str, Dual], x: Dual, state: list[Dual], lengths: Lengths | None
) -> tuple[Dual, list[Dual]]:
    """Carry values and tangents through T steps of a cell; a finished row keeps both."""
    T, N, _ = x[0].shape
    step = step_of(layer)
    ends = np.full(N, T) if lengths is None else lengths
    width = layer.state_sizes[0]
    y = np.zeros((T, N, width)), np.zeros((len(x[1]), T, N, width))
    state = [(v.copy(), t.copy()) for v, t in state]
    for t in range(T):
        n = int((ends > t).sum())
        now = [(v[:n], d[:, :n]) for v, d in state]
        for (v, d), (v_new, d_new) in zip(
            state, step(p, (x[0][t, :n], x[1][:, t, :n]), now, layer.options), strict=True
        ):
            v[:n], d[:, :n] = v_new, d_new
        y[0][t, :n], y[1][:, t, :n] = state[0][0][:n], state[0][1][:, :n]
    return y, state


def run_composition(
    layer: Stack | Bidirectional,
    p: dict[str, Dual],
    x: Dual,
    state: list[Dual],
    lengths: Lengths | None,
    rng: np.random.Generator | None,
) -> tuple[Dual, list[Dual]]:
    """Run the parts one after another, or both directions side by side."""
    final, sides, at = [], [], 0
    for key, part in layer.parts.items():
        own = {name: p[f"{key}.{name}"] for name in part.parameter_shapes()}
        mine = state[at : at + len(part.state_sizes)]
        at += len(part.state_sizes)
        given = turned(x, lengths) if key == "backward" else x
        y, mine = run(part, own, given, mine, lengths, rng)
        final += mine
        if isinstance(layer, Stack):
            x, lengths = y, part.output_lengths(lengths)
        else:
            sides.append(turned(y, lengths) if key == "backward" and part.keeps_time else y)
    if isinstance(layer, Stack):
        return x, final
    return merged(layer, *sides), final


def merged(layer: Bidirectional, ahead: Dual, back: Dual) -> Dual:
    """Return the outputs of both directions as one."""
    if layer.merge == "concat":
        return forward_layers.side_by_side(ahead, back)
    if layer.merge == "none":
        return np.stack([ahead[0], back[0]], -3), np.stack([ahead[1], back[1]], -3)
    if layer.merge == "mul":
        return multiply(ahead, back)
    both = add(ahead, back)
    return both if layer.merge == "sum" else forward_layers.scaled(both, 0.5)


def turned(x: Dual, lengths: Lengths | None) -> Dual:
    """Reverse each row within its own length."""
    out = (np.zeros_like(x[0]), np.zeros_like(x[1]))
    for n in range(x[0].shape[1]):
        L = len(x[0]) if lengths is None else int(lengths[n])
        out[0][:L, n], out[1][:, :L, n] = x[0][:L, n][::-1], x[1][:, :L, n][:, ::-1]
    return out


def oracle(
    layer: Layer, inputs: Inputs, upstream: tuple[Array, ...], lengths: Lengths | None, dropout_seed: int | None = None
) -> Oracle:
    """Return the oracle: the entries asked for, of all arrays, in one pass, or in a few where they would need too much
    room. `inputs` holds parameters by name, "x" and "state_0[k]"."""
    if lengths is not None:
        past = np.arange(len(inputs["x"]))[:, None] >= lengths
        inputs = {**inputs, "x": inputs["x"].copy()}
        inputs["x"][past] = 0  # whatever stands there is ignored

    def tangents(entries: list[tuple[str, Index]]) -> list[Dual]:
        K = len(entries)
        duals = {key: (a, np.zeros((K, *(a.shape if a.dtype.kind == "f" else ())))) for key, a in inputs.items()}
        for k, (name, index) in enumerate(entries):
            duals[name][1][(k, *index)] = 1
        params = {key: duals[key] for key in layer.parameter_shapes()}
        state = [duals[f"state_0[{k}]"] for k in range(len(layer.state_sizes))]
        rng = None if dropout_seed is None else np.random.default_rng(dropout_seed)
        y, final = run(layer, params, duals["x"], state, lengths, rng)
        return [y, *final]

    def slopes(entries: list[tuple[str, Index]]) -> Array:
        K = len(entries)
        found = np.zeros(K)
        for u, (_, tangent) in zip(upstream, tangents(entries), strict=True):
            found += (tangent * u).reshape(K, -1).sum(axis=1)
        return found

    def together(wanted: dict[str, list[Index]]) -> dict[str, Estimates]:
        entries = [(name, index) for name, indices in wanted.items() for index in indices]
        most = max(1, ROOM // sum(a.size for a in (*inputs.values(), *upstream)))
        pieces = [slopes(entries[k : k + most]) for k in range(0, len(entries), most)]
        ends = np.cumsum([len(indices) for indices in wanted.values()])[:-1]
        found = np.split(np.concatenate([np.zeros(0), *pieces]), ends)
        return {name: Estimates(v, np.zeros(len(v))) for name, v in zip(wanted, found, strict=True)}

    def at(name: str, indices: list[Index]) -> Estimates:
        return together({name: indices})[name]

    loss = sum(float(np.sum(u * y)) for u, (y, _) in zip(upstream, tangents([]), strict=True))
    return Oracle("forward-mode", at, loss, together)
