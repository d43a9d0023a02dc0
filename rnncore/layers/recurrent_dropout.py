"""Dropout on the recurrence (Gal and Ghahramani 2016) and zoneout (Krueger et al. 2017), around any cell.

    Wh_n = diag(drop_n) Wh                                 (1)   what the gates of sequence n can read of h_{t-1}
    new_t = cell(x_t, state_{t-1}; Wh_n)                   (2)   one step of `rnn`, `lstm`, `gru` or another cell
    state_t = k_t * state_{t-1} + (1 - k_t) * new_t        (3)   for each state: where k_t is 1, a unit keeps its value

In training drop_n is keep / (1 - dropout), keep ~ Bernoulli(1 - dropout), one number for each unit, the same at every
step; k_t ~ Bernoulli(zoneout) is drawn anew for every step and state. At inference both are their expectations: drop_n
is 1 and k_t the rate of zoneout. A dropped row of Wh is a unit that is dropped where it is multiplied by Wh and nowhere
else: what a gate lets through entry by entry, as z * h_{t-1} in the GRU, is whole.

The masks are in the cache, so a training pass can be replayed and checked. Shapes: drop and each k (T, N, H).
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import live_rows
from rnncore.typing import Array, Grads, Lengths, Params, State


class RecurrentDropoutCache(NamedTuple):
    """What the backward needs: x (T, N, D), states (T+1, N, H) each, drop (T, N, H), zone (T, N, H) each, lengths."""

    x: Array
    states: State
    drop: Array
    zone: State
    lengths: Lengths | None


def masks(
    rng: np.random.Generator | None, dropout: float, zoneout: tuple[float, ...], x: Array, state_0: State
) -> tuple[Array, State]:
    """Return drop and, for each state, k: drawn from `rng`, or their expectations without it."""
    T, real = len(x), x.real.dtype
    keep = np.ones(state_0[0].shape, real)
    if rng is not None and dropout:
        keep = (rng.random(keep.shape) >= dropout) / real.type(1 - dropout)
    zone = []
    for rate, s in zip(zoneout, state_0, strict=True):
        k = np.broadcast_to(real.type(rate), (T, *s.shape))
        zone.append((rng.random(k.shape) < rate).astype(real) if rng is not None and rate else k)
    return np.broadcast_to(keep, (T, *keep.shape)), tuple(zone)


def batches(drop: Array, n: int) -> list[slice]:
    """Return the rows 0 to n - 1: each by itself, or all at once where nothing is dropped and they share one Wh."""
    if n and (drop == 1).all():
        return [slice(0, n)]
    return [slice(k, k + 1) for k in range(n)]


def forward(
    cell: ModuleType,
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None,
    drop: Array,
    zone: State,
    **options: str,
) -> tuple[Array, State, RecurrentDropoutCache]:
    """Run T steps of a twin of the cell under these masks; return y (T, N, H), the final state and the cache."""
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    states = tuple(np.zeros((T + 1, *s.shape), x.dtype) for s in state_0)
    y = np.zeros((T, *state_0[0].shape), x.dtype)
    for s, first in zip(states, state_0, strict=True):
        s[0] = first
    for t in range(T):
        for row in batches(drop[t], live[t]):
            now = slice(t, t + 1), row
            own = {**params, "Wh": drop[t, row.start, :, None] * params["Wh"]}  # (1)
            _, new, _ = cell.forward(own, x[now], tuple(s[t, row] for s in states), **options)  # (2)
            for s, k, s_new in zip(states, zone, new, strict=True):
                s[t + 1, row] = k[t, row] * s[t, row] + (1 - k[t, row]) * s_new  # (3)
        for s in states:
            s[t + 1, live[t] :] = s[t, live[t] :]  # a finished row keeps its state
        y[t, : live[t]] = states[0][t + 1, : live[t]]
    return y, tuple(s[T].copy() for s in states), RecurrentDropoutCache(x, states, drop, zone, lengths)


def backward(
    cell: ModuleType, params: Params, cache: RecurrentDropoutCache, dy: Array, dstate_T: State, **options: str
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    x, states, drop, zone, lengths = cache
    T, N, _ = x.shape
    live = live_rows(lengths, T, N)

    dparams = {name: np.zeros_like(a) for name, a in params.items()}
    dx = np.zeros_like(x)
    dstate = tuple(d.copy() for d in dstate_T)  # what the steps after t send back
    for t in reversed(range(T)):
        dstate[0][: live[t]] += dy[t, : live[t]]  # h_t is read twice: as the output, and by step t+1
        for row in batches(drop[t], live[t]):
            now = slice(t, t + 1), row
            own = {**params, "Wh": drop[t, row.start, :, None] * params["Wh"]}
            _, _, step = cell.forward(own, x[now], tuple(s[t, row] for s in states), **options)  # of (2), once more
            dnew = tuple((1 - k[t, row]) * d[row] for k, d in zip(zone, dstate, strict=True))  # (3')
            grads, dx[now], dold = cell.backward(own, step, np.zeros_like(dy[now]), dnew, **options)  # (2')
            for d, k, d_old in zip(dstate, zone, dold, strict=True):
                d[row] = k[t, row] * d[row] + d_old  # (3'), (2')
            grads["Wh"] = drop[t, row.start, :, None] * grads["Wh"]  # (1')
            for name, g in grads.items():
                dparams[name] += g  # (2')
    return dparams, dx, dstate
