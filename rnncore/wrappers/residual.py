"""`Residual`: what a layer gives is added to what it was given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore.contract import Layer
from rnncore.layers.elementary import within
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Wrapper, inner


class ResidualCache(NamedTuple):
    """The cache of the inner layer, and lengths (N,) or None."""

    inner: Any
    lengths: Lengths | None


class Residual(Wrapper):
    """A residual connection y = x + layer(x) (He et al. 2016; in stacked LSTMs: Wu et al. 2016).

    The layer gives as many features as it takes: one layer, or a stack of several that are passed by together.
    Parameters "inner.<name>", states those of the layer.

    >>> import rnncore as rc
    >>> model = rc.Residual(rc.GRU(4, 4, backend="numpy"))
    >>> model.forward(model.init(seed=0), np.ones((5, 2, 4), np.float32))[0].shape
    (5, 2, 4)
    """

    _cache = ResidualCache

    def __init__(self, layer: Layer) -> None:
        fits = isinstance(layer, Layer) and layer.keeps_time and layer.sizes[0] != 0
        if fits and None not in layer.sizes:
            fits = layer.sizes[0] == layer.sizes[1]
        super().__init__(layer, needs="a layer with as many features out as in, at each step", fits=fits)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, _ = self._inside(params, state_0)
        y, state_T, cache = self.layer.forward(own, x, state, lengths, rng)
        return y + within(x, lengths), state_T, ResidualCache(cache, lengths)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        own, dstate, _ = self._inside(params, dstate_T)
        grads, dx, dstate = self.layer.backward(own, cache.inner, dy, dstate)
        assert dx is not None  # x are no ids
        return inner(grads), dx + within(dy, cache.lengths), dstate
