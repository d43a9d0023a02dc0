"""How far a loss reaches back: its gradient by lag, and the Jacobian of each step on the way. Exact, no sampling.

    dL_t/ds_{t-k} = dL_t/ds_{t-1} J_{t-1} J_{t-2} ... J_{t-k+1}        J_t = ds_t/ds_{t-1}

s_t is the state after step t. Where the spectral radii of the J stay below one the product vanishes with the lag k,
where singular values stay above one it may explode (Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013, sec. 2).
All of it comes from the layer's own `backward` on one-step slices of the cache: for the Jacobian one row for each unit
upstream gradient, for the lags one row for each loss under way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.diagnostics.slices import at_step, checked, of_rows, state_names, streamable_part
from rnncore.errors import ContractError
from rnncore.typing import Array, Params, State


class GradientByLag(NamedTuple):
    """Norms of dL_t/ds_{t-k}.

    states   names of the S states, "h" and "c" or "0.h" ...
    lags     (K,): k = 1 ... K
    norm     (S, T, K, N): the norm over a state's units, for the loss at step t, lag k, sequence n. NaN where there is
             no such pair: t past the row's end, or t - k before the initial state (which is t - k = -1)
    """

    states: tuple[str, ...]
    lags: Array
    norm: Array


def gradient_by_lag(
    model: Layer, params: Params, cache: Any, dy: Array, *, max_lag: int | None = None
) -> GradientByLag:
    """Return how strongly the loss at each step t pulls at each earlier state, for every sequence by itself.

    cache from `model.forward`; dy as y: row t is the gradient of the loss at step t, so that L = sum over t of L_t.
    Give dy of one for one step's output and zero elsewhere to follow that step alone. Lags 1 to max_lag (None: T).
    A stack whose later parts need the whole sequence (`Last`) is followed from where they begin: L_t is then what
    reaches output t of the part before. Cost: max_lag backward passes, in T calls. ContractError where the model has no
    state or begins with `Bidirectional`.

    >>> import rnncore as rc
    >>> layer = rc.RNN(1, 1, activation="relu", backend="numpy", dtype="float64")
    >>> params = {"Wx": np.ones((1, 1)), "Wh": np.array([[0.5]]), "b": np.zeros(1)}
    >>> y, _, cache = layer.forward(params, np.ones((4, 1, 1)))
    >>> gradient_by_lag(layer, params, cache, np.ones_like(y)).norm[0, 3, :, 0]
    array([0.5   , 0.25  , 0.125 , 0.0625])
    """
    checked(model, params, cache, dy, None)
    model, params, cache, given = streamable_part(model, params, cache, dy)
    assert given is not None
    T, N, F = given.shape
    K = T if max_lag is None else min(T, checks.size("max_lag", max_lag))
    norm = np.full((len(model.state_sizes), T, K, N), np.nan)
    dstate: State = tuple(np.zeros((0, N, H), given.dtype) for H in model.state_sizes)  # a slot for each loss under way
    for s in reversed(range(T)):
        dstate = tuple(np.concatenate([np.zeros_like(d, shape=(1, *d.shape[1:])), d[: K - 1]]) for d in dstate)
        m = len(dstate[0])
        dy_s = np.zeros_like(given, shape=(1, N, m, F))
        dy_s[0, :, 0] = given[s]  # slot 0 is the loss at step s itself
        rows = tuple(d.swapaxes(0, 1).reshape(N * m, d.shape[2]) for d in dstate)
        step = of_rows(at_step(cache, s, T), np.repeat(np.arange(N), m))
        _, _, rows = model.backward(params, step, dy_s.reshape(1, N * m, F), rows)
        dstate = tuple(d.reshape(N, m, d.shape[1]).swapaxes(0, 1) for d in rows)
        for own, d in zip(norm, dstate, strict=True):
            own[s + np.arange(m), np.arange(m)] = np.linalg.norm(d, axis=2)
    norm = np.where(_live(cache, T, N)[:, None], norm, np.nan)
    return GradientByLag(state_names(model), np.arange(1, K + 1), norm)


class JacobianSpectrum(NamedTuple):
    """Of J_t = ds_t/ds_{t-1}, s being all states side by side: radius (T, N) and gain (T, N), NaN past a row's end.

    radius   spectral radius, the largest |eigenvalue|: what many equal steps would do
    gain     largest singular value: what one step can do at most
    """

    radius: Array
    gain: Array


def jacobian_spectrum(model: Layer, params: Params, cache: Any) -> JacobianSpectrum:
    """Return the spectral radius and the largest singular value of every step's Jacobian, for every sequence.

    cache from `model.forward`. Cost: S backward passes (S units in all states) and T N eigenvalue problems of size S.
    A stack with `Last` is followed up to it. ContractError as `gradient_by_lag`.

    >>> import rnncore as rc
    >>> layer = rc.RNN(1, 2, activation="relu", backend="numpy", dtype="float64")
    >>> params = {"Wx": np.ones((1, 2)), "Wh": np.array([[0.5, 3.0], [0.0, 0.5]]), "b": np.zeros(2)}
    >>> _, _, cache = layer.forward(params, np.ones((4, 1, 1)))
    >>> spectrum = jacobian_spectrum(layer, params, cache)
    >>> spectrum.radius.shape, float(spectrum.radius[0, 0]), round(float(spectrum.gain[0, 0]), 3)
    ((4, 1), 0.5, 3.081)
    """
    model, params, cache, _ = streamable_part(model, params, cache, None)
    T, N = model._output_shape(cache)[:2]
    radius, gain = np.full((2, T, N), np.nan)
    live = _live(cache, T, N)
    for t in range(T):
        J = step_jacobian(model, params, cache, t)
        sound = live[t] & np.isfinite(J).all(axis=(1, 2))
        radius[t, sound] = np.abs(np.linalg.eigvals(J[sound])).max(axis=1)
        gain[t, sound] = np.linalg.norm(J[sound], ord=2, axis=(1, 2))
    return JacobianSpectrum(radius, gain)


def step_jacobian(model: Layer, params: Params, cache: Any, t: int) -> Array:
    """Return J (N, S, S) of step t: J[n, i, j] = d s_t[i] / d s_{t-1}[j], s being all states side by side.

    It is the identity for a row that has ended. The model runs step by step and has a state, else ContractError.

    >>> import rnncore as rc
    >>> layer = rc.LSTM(3, 4, backend="numpy", dtype="float64")
    >>> params = layer.init(seed=0)
    >>> _, _, cache = layer.forward(params, np.ones((5, 2, 3)))
    >>> step_jacobian(layer, params, cache, t=3).shape
    (2, 8, 8)
    """
    model, params, cache, _ = streamable_part(model, params, cache, None)
    T, N, F = model._output_shape(cache)
    if checks.size("t", t, least=0) >= T:
        raise ContractError("t", f"a step from 0 to {T - 1}", repr(t), "steps count from 0")
    S = sum(model.state_sizes)
    step = of_rows(at_step(cache, t, T), np.repeat(np.arange(N), S))
    dtype = next(iter(params.values())).dtype
    unit = np.tile(np.eye(S, dtype=dtype), (N, 1))  # row n S + i: unit upstream gradient on state i of sequence n
    dstate = tuple(np.split(unit, np.cumsum(model.state_sizes)[:-1], axis=1))
    _, _, rows = model.backward(params, step, np.zeros((1, N * S, F), dtype), dstate)
    J: Array = np.concatenate(rows, axis=1).reshape(N, S, S)
    return J


def _live(cache: Any, T: int, N: int) -> Array:
    """Return (T, N): True where step t of sequence n exists."""
    while "lengths" not in cache._fields:
        cache = cache.parts[0]
    live: Array = np.full((T, N), True) if cache.lengths is None else np.arange(T)[:, None] < cache.lengths
    return live
