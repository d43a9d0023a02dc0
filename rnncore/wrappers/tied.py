"""`Tied`: one table for the ids that go in and for the scores that come out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.feedforward import Dense, Embedding
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Wrapper, inner


class TiedCache(NamedTuple):
    """The caches of the embedding, of the inner layer and of the output."""

    embedding: Any
    inner: Any
    output: Any
    lengths: Lengths | None


class Tied(Wrapper):
    """A layer between an embedding and the scores of all V ids, both by one table E (Press and Wolf 2017).

        e_tn = E[id_tn]                    (1)
        h    = layer(e)                    (2)
        y    = h E^T + b                   (3)

    The layer takes as many features as it gives, D: for instance GRU(D, D), or Stack(GRU(D, D), Last()) for the next
    item of each row. x (T, N) are ids from 0 to V-1, y (T, N, V) or (N, V) logits. E is used twice and its gradient is
    the sum of both. Parameters E (V, D), b (V,), "inner.<name>".

    >>> import rnncore as rc
    >>> model = rc.Tied(rc.GRU(3, 3, backend="numpy"), V=10)
    >>> model.forward(model.init(seed=0), np.array([[7, 1], [2, 2]]))[0].shape
    (2, 2, 10)
    """

    _cache = TiedCache

    def __init__(self, layer: Layer, V: int) -> None:
        D, H = layer.sizes if isinstance(layer, Layer) else (None, None)
        super().__init__(layer, needs="a layer with as many features out as in", fits=bool(D) and D == H)
        self.V = checks.size("V", V)
        self._embedding = Embedding(self.V, D or 1)
        self._output = Dense(D or 1, self.V, backend="numba" if "numba" in layer.backends else "numpy")

    def words(self) -> dict[str, Any]:
        """Return the options of the wrapper itself."""
        return {"V": self.V}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter: the table, the bias, then those of the layer."""
        D = self._embedding.D
        return {"E": (self.V, D), "b": (self.V,), **super().parameter_shapes()}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Integer ids in, a score for each id out."""
        return 0, self.V

    def _init(self, rng: np.random.Generator) -> Grads:
        return {"E": self._embedding._init(rng)["W"], "b": np.zeros(self.V), **super()._init(rng)}

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        self._embedding._check_x(x, dtype)

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, TiedCache)
        return self._output._output_shape(cache.output)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, _ = self._inside(params, state_0)
        E, b = params["E"], params["b"]
        e, _, cache_e = self._embedding.forward({"W": E}, x, (), lengths)  # (1)
        h, state_T, cache = self.layer.forward(own, e, state, lengths, rng)  # (2)
        y, _, cache_y = self._output.forward({"W": E.T, "b": b}, h, (), self.output_lengths(lengths))  # (3)
        return y, state_T, TiedCache(cache_e, cache, cache_y, lengths)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, None, State]:
        own, dstate, _ = self._inside(params, dstate_T)
        E, b = params["E"], params["b"]
        out, dh, _ = self._output.backward({"W": E.T, "b": b}, cache.output, dy)  # (3')
        assert dh is not None
        grads, de, dstate = self.layer.backward(own, cache.inner, dh, dstate)  # (2')
        assert de is not None
        read, _, _ = self._embedding.backward({"W": E}, cache.embedding, de)  # (1')
        return {"E": read["W"] + out["W"].T, "b": out["b"], **inner(grads)}, None, dstate
