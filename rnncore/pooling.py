"""From the steps of a row to one vector: `Attention`, `MeanPool`, `MaxPool`, beside `Last` of `rnncore.shaping`."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.cells import twin
from rnncore.feedforward import Beside
from rnncore.layers import attention, pooling
from rnncore.recurrent_layer import glorot
from rnncore.shaping import Pooling
from rnncore.typing import Array, Grads, Lengths, Params, State

SCORES = ("additive", "dot")
QUERIES = ("learned", "last")


class MeanPool(Pooling):
    """The mean (N, D) of each row's own steps; zeros for a row of length 0.

    >>> MeanPool().forward({}, np.arange(6.0).reshape(3, 2, 1), lengths=[3, 1])[0].ravel()
    array([2., 1.])
    """

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, pooling.MeanCache)
        return tuple(cache.x.shape[1:])

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        y, cache = pooling.mean_forward(x, lengths)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
        return {}, pooling.mean_backward(cache, dy), ()


class MaxPool(Pooling):
    """The largest value (N, D) of each feature over a row's own steps; zeros for a row of length 0.

    Of equal values the first gets the gradient.

    >>> MaxPool().forward({}, np.array([[[3.0], [1.0]], [[2.0], [9.0]]]), lengths=[2, 1])[0].ravel()
    array([3., 1.])
    """

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, pooling.MaxCache)
        return tuple(cache.x.shape[1:])

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        y, cache = pooling.max_forward(x, lengths)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
        return {}, pooling.max_backward(cache, dy), ()


class Attention(Beside, Pooling):
    """A weighted mean (N, D) of each row's own steps, with weights that are learned; equations in `layers.attention`.

    `A` is the width of keys and query, `score` "additive" (Bahdanau et al. 2015) or "dot" (scaled dot product, Vaswani
    et al. 2017). `query`: "learned", one vector that asks the same of every row, or "last", the row's own last step,
    for a question that depends on where the row has come to. The weights (T, N, 1) are in the cache. In a `Stack` with
    a fast cell it computes by the fast twin, else by the one that `backend` says. Parameters: Wk (D, A); q (A,) or
    Wq (D, A); v (A,) for "additive".

    >>> layer = Attention(3, 4)
    >>> y, _, cache = layer.forward(layer.init(seed=0), np.ones((4, 2, 3), np.float32), lengths=[4, 2])
    >>> y.shape, cache.weights[:, 1, 0]
    ((2, 3), array([0.5, 0.5, 0. , 0. ], dtype=float32))
    """

    def __init__(
        self, D: int, A: int, score: str = "additive", query: str = "learned", *, backend: str = "numpy",
        dtype: str = "float32"
    ) -> None:  # fmt: skip
        super().__init__(backend, dtype)
        self.D, self.A = checks.size("D", D), checks.size("A", A)
        checks.one_of("score", score, SCORES)
        checks.one_of("query", query, QUERIES)
        self.score, self.query = score, query

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        words = {"D": self.D, "A": self.A, "score": self.score, "query": self.query}
        return {"layer": "Attention", **words, "backend": self.backend, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        asks: dict[str, tuple[int, ...]] = {"q": (self.A,)} if self.query == "learned" else {"Wq": (self.D, self.A)}
        return {"Wk": (self.D, self.A), **asks, **({"v": (self.A,)} if self.score == "additive" else {})}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """As many features out as in."""
        return self.D, self.D

    def _twin(self) -> Any:
        return twin("attention", self.backend)

    def _init(self, rng: np.random.Generator) -> Grads:
        return {
            name: glorot(rng, shape[0], shape[1]) if len(shape) == 2 else glorot(rng, shape[0], 1)[:, 0]
            for name, shape in self.parameter_shapes().items()
        }

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        checks.array("x", x, ("T", "N", self.D), dtype, f"time-major: T steps, N sequences, {self.D} features")

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, attention.AttentionCache)
        checks.widths((cache.x.shape[-1], cache.keys.shape[-1]), (self.D, self.A), self)
        return tuple(cache.x.shape[1:])

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        y, cache = self._twin().forward(params, x, lengths, score=self.score)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
        dparams, dx = self._twin().backward(params, cache, dy, score=self.score)
        return dparams, dx, ()
