"""`LearnedState`: a row starts from parameters, not from zeros."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.layers.elementary import row_ends
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Wrapper, inner


class LearnedStateCache(NamedTuple):
    """The cache of the inner layer; (N,) each: 1 for a row that starts here, 0 for others, and lengths."""

    inner: Any
    starts: Lengths
    lengths: Lengths


class LearnedState(Wrapper):
    """A layer with learned initial states: a row that starts gets the vectors "state_0", "state_1" ... on its states.

        s = state_0 + learned      for a row at its first step          (1)
        s = state_0                for a row that goes on

    Which rows go on is told by one state more, "started" (N, 1): 0 before a row's first step, 1 after it (from 1/2 up
    counts as 1; it has no derivative, and NaN in it is a ContractError). So None starts every row from the learned
    states, a state that `forward` returned is carried on as it is, bit for bit, in chunks and in a stream, and a state
    of your own is added to the learned one with started = 0 or takes its place with started = 1. A row of length 0 does
    not start.

    Parameters: "state_<k>" (H,) for each state of the layer, zero at first, and "inner.<name>".

    >>> import rnncore as rc
    >>> model = rc.LearnedState(rc.GRU(3, 4, backend="numpy"))
    >>> y, (h, started), cache = model.forward(model.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 0])
    >>> list(model.parameter_shapes())[:2], started.ravel()
    (['state_0', 'inner.Wx'], array([1., 0.], dtype=float32))
    """

    _cache = LearnedStateCache

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer, needs="a layer with a state", fits=isinstance(layer, Layer) and bool(layer.state_sizes))

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter: the learned states, then those of the layer."""
        return {**{f"state_{k}": (H,) for k, H in enumerate(self.layer.state_sizes)}, **super().parameter_shapes()}

    @property
    def own_states(self) -> dict[str, int]:
        """`started`, 0 or 1."""
        return {"started": 1}

    def _init(self, rng: np.random.Generator) -> Grads:
        return {**{f"state_{k}": np.zeros(H) for k, H in enumerate(self.layer.state_sizes)}, **super()._init(rng)}

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, (started,) = self._inside(params, state_0)
        N = len(started)
        if np.isnan(started).any():
            advice = "pass None, or the state that forward returned"
            raise ContractError(f"state_0[{len(state)}]", "0 or 1: whether the row has started", "NaN", advice)
        steps = row_ends(lengths, len(x), N)
        starts = (started[:, 0].real < 0.5) & (steps > 0)
        state = tuple(np.where(starts[:, None], s + params[f"state_{k}"], s) for k, s in enumerate(state))  # (1)
        y, state_T, cache = self.layer.forward(own, x, state, lengths, rng)
        begun = np.where((steps > 0)[:, None], np.ones_like(started), started)
        return y, (*state_T, begun), LearnedStateCache(cache, starts.astype(np.int64), steps)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        own, dstate, (dstarted,) = self._inside(params, dstate_T)
        grads, dx, dstate = self.layer.backward(own, cache.inner, dy, dstate)
        starts = cache.starts > 0
        learned = {f"state_{k}": d[starts].sum(axis=0) for k, d in enumerate(dstate)}  # (1')
        dstarted = np.where((cache.lengths > 0)[:, None], np.zeros_like(dstarted), dstarted)
        return {**learned, **inner(grads)}, dx, (*dstate, dstarted)
