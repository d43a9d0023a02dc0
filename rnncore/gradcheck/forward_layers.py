"""Forward mode of the layers without a time loop of their own: see `rnncore.gradcheck.forward_mode`.

A value is (T, N, D), its tangents (K, T, N, D). `run` is `forward_mode.run`, for the layer that is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnncore.contract import Layer
from rnncore.feedforward import LayerNorm, Prototypes
from rnncore.gradcheck.dual import Dual, add, exp, multiply, reciprocal, tanh
from rnncore.pooling import Attention, MaxPool, MeanPool
from rnncore.typing import Array, Lengths
from rnncore.wrappers import LearnedState, Masked, Repeated, Residual, Tied, WithStatic

Params = dict[str, Dual]
Run = Callable[..., tuple[Dual, list[Dual]]]


def live(x: Dual, ends: Lengths) -> Dual:
    """Return x (T, N, ...) and its tangents with zeros past each row's end."""
    steps = (np.arange(len(x[0]))[:, None] < ends).reshape(*x[0].shape[:2], *(1,) * (x[0].ndim - 2))
    return np.where(steps, x[0], 0), np.where(steps, x[1], 0)


def beside(p: Dual, like: Dual) -> Dual:
    """Return a vector (D,) with tangents (K, D) in the shape that goes with x (..., D) and tangents (K, ..., D)."""
    return p[0], p[1].reshape(len(p[1]), *(1,) * (like[0].ndim - 1), p[1].shape[-1])


def product(x: Dual, W: Dual) -> Dual:
    """Return x W for x (..., D), W (D, H)."""
    return x[0] @ W[0], x[1] @ W[0] + np.einsum("...d,kdh->k...h", x[0], W[1])


def total(x: Dual, axis: int, keep: bool = True) -> Dual:
    """Return the sum over an axis of the value, counted from the end."""
    return x[0].sum(axis=axis, keepdims=keep), x[1].sum(axis=axis, keepdims=keep)


def scaled(x: Dual, factor: Array | float) -> Dual:
    """Return x times a number that does not move."""
    return x[0] * factor, x[1] * factor


def side_by_side(*columns: Dual) -> Dual:
    """Return the columns of all, one behind the other."""
    return np.concatenate([c[0] for c in columns], -1), np.concatenate([c[1] for c in columns], -1)


def zeros(K: int, shape: tuple[int, ...]) -> Dual:
    """Return zeros with K tangents."""
    return np.zeros(shape), np.zeros((K, *shape))


def pick(x: Dual, t: Array, n: Array) -> Dual:
    """Return the steps x[t, n]."""
    return x[0][t, n], x[1][:, t, n]


def layer_norm(layer: LayerNorm, p: Params, x: Dual, ends: Lengths) -> Dual:
    """Return y."""
    return add(multiply(normalised(x, layer.eps), beside(p["gain"], x)), beside(p["bias"], x))


def normalised(x: Dual, eps: float) -> Dual:
    """Return x less its mean, over its deviation; s = exp(-log(v)/2) is written by its slope -s/(2 v)."""
    D = x[0].shape[-1]
    mean = scaled(total(x, -1), 1 / D)
    away = add(x, scaled(mean, -1.0))
    v = scaled(total(multiply(away, away), -1), 1 / D)
    s = 1 / np.sqrt(v[0] + eps)
    return multiply(away, (s, -s / (2 * (v[0] + eps)) * v[1]))


def prototypes(layer: Prototypes, p: Params, x: Dual, ends: Lengths) -> Dual:
    """Return y; that of -log(1 + d) is -1/(1 + d) times that of d."""
    M = p["M"]
    points = M[0], M[1].reshape(len(M[1]), *(1,) * (x[0].ndim - 1), *M[0].shape)
    apart = add((x[0][..., None, :], x[1][..., None, :]), scaled(points, -1.0))
    d = total(multiply(apart, apart), -1, keep=False)
    return -np.log(1 + d[0]), -d[1] / (1 + d[0])


def mean_pool(layer: MeanPool, p: Params, x: Dual, ends: Lengths) -> Dual:
    """Return the mean over a row's own steps."""
    return scaled(total(live(x, ends), -3, keep=False), 1 / np.maximum(ends, 1)[:, None])


def max_pool(layer: MaxPool, p: Params, x: Dual, ends: Lengths) -> Dual:
    """Return the largest value of each feature; its tangent is that of the step where it is."""
    _, N, D = x[0].shape
    y, dy = np.zeros((N, D)), np.zeros((len(x[1]), N, D))
    for n in np.flatnonzero(ends):
        at = x[0][: ends[n], n].argmax(axis=0)
        y[n], dy[:, n] = x[0][at, n, np.arange(D)], x[1][:, at, n, np.arange(D)]
    return y, dy


def attention(layer: Attention, p: Params, x: Dual, ends: Lengths) -> Dual:
    """Return the weighted mean; a row of length 0 has none."""
    N = x[0].shape[1]
    x, rows = live(x, ends), (ends > 0)[:, None]
    keys = product(x, p["Wk"])
    if layer.query == "last":
        last = pick(x, ends - 1, np.arange(N))
        query = product((last[0] * rows, last[1] * rows), p["Wq"])
    else:
        query = np.broadcast_to(p["q"][0], (N, layer.A)), np.repeat(p["q"][1][:, None], N, axis=1)
    query = query[0][None], query[1][:, None]
    if layer.score == "dot":
        e = scaled(total(multiply(keys, query), -1), 1 / np.sqrt(layer.A))
    else:
        e = total(multiply(tanh(add(keys, query)), beside(p["v"], keys)), -1)
    grown = live(exp(e), ends)
    whole = total(grown, -3)
    share = multiply(grown, reciprocal((whole[0] + ~rows[None], whole[1])))
    return total(multiply(share, x), -3, keep=False)


def masked(
    layer: Masked, p: Params, x: Dual, state: list[Dual], lengths: Lengths | None, rng: Any, run: Run
) -> tuple[Dual, list[Dual]]:
    """Run the rows without their masked steps, most live steps first: in that order masks of dropout are drawn."""
    T, N, _ = x[0].shape
    ends = np.full(N, T) if lengths is None else lengths
    steps = [np.flatnonzero(x[0][: ends[n], n, -1] >= 0.5) for n in range(N)]
    counts = np.array([len(at) for at in steps], np.int64)
    order = np.array(sorted(range(N), key=lambda n: -counts[n]), np.int64)
    u = zeros(len(x[1]), (int(counts.max(initial=0)), N, x[0].shape[2] - 1))
    for place, n in enumerate(order):
        u[0][: counts[n], place], u[1][:, : counts[n], place] = x[0][steps[n], n, :-1], x[1][:, steps[n], n, :-1]
    inside = [(s[order], d[:, order]) for s, d in state[: len(layer.layer.state_sizes)]]
    v, ended = run(layer.layer, p, u, inside, counts[order], rng)
    carry, H = layer.output == "carry", v[0].shape[-1]
    last = (state[-1][0].copy(), state[-1][1].copy()) if carry else zeros(len(x[1]), (N, H))
    y = zeros(len(x[1]), (T, N, H))
    for place, n in enumerate(order):
        for t in range(ends[n]):
            k = np.searchsorted(steps[n], t)  # live steps of this row before t
            live = k < counts[n] and steps[n][k] == t
            if live:
                last[0][n], last[1][:, n] = v[0][k, place], v[1][:, k, place]
            if live or carry:
                y[0][t, n], y[1][:, t, n] = last[0][n], last[1][:, n]
    back = np.argsort(order)
    return y, [*((s[back], d[:, back]) for s, d in ended), *([last] if carry else [])]


def wrapped(
    layer: Any, p: Params, x: Dual, state: list[Dual], lengths: Lengths | None, rng: Any, run: Run
) -> tuple[Dual, list[Dual]]:
    """Return outputs and final states of a layer around another."""
    ends = np.full(x[0].shape[1], len(x[0])) if lengths is None else lengths
    own = {name.removeprefix("inner."): d for name, d in p.items() if name.startswith("inner.")}
    if isinstance(layer, Masked):
        return masked(layer, own, x, state, lengths, rng, run)
    if isinstance(layer, Residual):
        y, final = run(layer.layer, own, x, state, lengths, rng)
        return add(y, live(x, ends)), final
    if isinstance(layer, LearnedState):
        *state, started = state
        starts = ((started[0][:, 0] < 0.5) & (ends > 0))[:, None]
        learned = [p[f"state_{k}"] for k in range(len(state))]
        state = [(s[0] + starts * v[0], s[1] + starts * v[1][:, None]) for s, v in zip(state, learned, strict=True)]
        y, final = run(layer.layer, own, x, state, lengths, rng)
        begun = (ends > 0)[:, None]
        return y, [*final, (np.where(begun, 1, started[0]), np.where(begun, 0, started[1]))]
    if isinstance(layer, WithStatic):
        static = x[0][..., -layer.S :], x[1][..., -layer.S :]
        y, final = run(layer.layer, own, (x[0][..., : -layer.S], x[1][..., : -layer.S]), state, lengths, rng)
        rows = (ends > 0)[:, None]
        given = live(static, ends) if layer.keeps_time else (static[0][0] * rows, static[1][:, 0] * rows)
        return side_by_side(y, given), final
    if isinstance(layer, Repeated):
        vector, final = run(layer.layer, own, x, state, lengths, rng)
        T = len(x[0])
        return live((np.repeat(vector[0][None], T, 0), np.repeat(vector[1][:, None], T, 1)), ends), final
    assert isinstance(layer, Tied)
    E, b = p["E"], p["b"]
    e = live((E[0][x[0]], E[1][:, x[0]]), ends)
    h, final = run(layer.layer, own, e, state, lengths, rng)
    y = product(h, (E[0].T, E[1].swapaxes(1, 2)))
    y = add(y, beside(b, y))
    return (live(y, ends) if layer.keeps_time else y), final


VECTORS: dict[type[Layer], Callable[..., Dual]] = {MeanPool: mean_pool, MaxPool: max_pool, Attention: attention}
WRAPPED = (Masked, Residual, LearnedState, WithStatic, Tied, Repeated)
