"""`Repeated`: the one vector of a row at each of its steps, for the decoder of an autoencoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore.contract import Layer
from rnncore.layers.elementary import within
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Wrapper, inner


class RepeatedCache(NamedTuple):
    """The cache of the inner layer, lengths (N,) or None, and T."""

    inner: Any
    lengths: Lengths | None
    T: int


class Repeated(Wrapper):
    """What a layer says of a whole row, again at each of the row's own steps:

        y_tn = layer(x)_n                                                                                          (1)

    A sequence autoencoder (Srivastava, Mansimov and Salakhutdinov 2015) is `Stack(Repeated(encoder), decoder, Dense)`:
    the decoder reads the code at every step and gives the row back. Parameters "inner.<name>", states those of the
    layer.

    >>> import rnncore as rc
    >>> encoder = rc.Stack(rc.GRU(3, 8, backend="numpy"), rc.Last(), rc.Dense(8, 2))
    >>> model = rc.Stack(Repeated(encoder), rc.GRU(2, 8, backend="numpy"), rc.Dense(8, 3))
    >>> model.forward(model.init(seed=0), np.ones((5, 4, 3), np.float32))[0].shape
    (5, 4, 3)
    """

    _cache = RepeatedCache

    def __init__(self, layer: Layer) -> None:
        fits = isinstance(layer, Layer) and not layer.keeps_time
        super().__init__(layer, needs="a layer that gives one vector for each row", fits=fits)

    @property
    def streamable(self) -> bool:
        """False: the first step needs the whole row."""
        return False

    @property
    def keeps_time(self) -> bool:
        """True: there is a step for each of the row's."""
        return True

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        N, D = super()._output_shape(cache)
        return cache.T, N, D

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, _ = self._inside(params, state_0)
        vector, state_T, cache = self.layer.forward(own, x, state, lengths, rng)
        T = len(x)
        y = within(np.repeat(vector[None], T, axis=0), lengths)  # (1)
        return y, state_T, RepeatedCache(cache, lengths, T)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        own, dstate, _ = self._inside(params, dstate_T)
        dvector = within(dy, cache.lengths).sum(axis=0)  # (1')
        grads, dx, dstate = self.layer.backward(own, cache.inner, dvector, dstate)
        return inner(grads), dx, dstate
