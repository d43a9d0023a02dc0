"""`WithStatic`: a sequence encoder beside features of the row that do not change."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.layers.elementary import row_ends, within
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Wrapper, inner


class WithStaticCache(NamedTuple):
    """The cache of the inner layer, and lengths (N,)."""

    inner: Any
    lengths: Lengths


class WithStatic(Wrapper):
    """A sequence encoder and S static features of the row (age, region, ...), side by side for the layers behind.

    The last S columns of x are the static features, the inner layer gets the others. With s those columns:

        y_n  = [layer(x)_n, s_0n]        a layer that gives one vector for each row; s is read at its first step   (1)
        y_tn = [layer(x)_tn, s_tn]       a layer that keeps time; s stands at each step                            (2)

    Repeat them at each step, and both read the same. A row of length 0 has no x, and so no static features: zeros. Let
    a row without events have one masked step, `WithStatic(Stack(Masked(GRU(D, H)), Last()), S)`: its encoding is zero
    and its features are there. Parameters "inner.<name>", states those of the layer.

    >>> import rnncore as rc
    >>> encoder = rc.Stack(rc.GRU(3, 4, backend="numpy"), rc.Last())
    >>> model = rc.Stack(rc.WithStatic(encoder, 2), rc.Dense(4 + 2, 1))
    >>> model.forward(model.init(seed=0), np.ones((5, 2, 3 + 2), np.float32))[0].shape
    (2, 1)
    """

    _cache = WithStaticCache

    def __init__(self, layer: Layer, S: int) -> None:
        fits = isinstance(layer, Layer) and layer.sizes[0] != 0
        super().__init__(layer, needs="a layer that takes features, not ids", fits=fits)
        self.S = checks.size("S", S)

    def words(self) -> dict[str, Any]:
        """Return the options of the wrapper itself."""
        return {"S": self.S}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """S more than the inner layer on both sides."""
        wanted, gives = self.layer.sizes
        return None if wanted is None else wanted + self.S, None if gives is None else gives + self.S

    @property
    def needs_time(self) -> bool:
        """True: static features of one vector stand beside it already."""
        return True

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        wanted = self.sizes[0] or "D"
        checks.array("x", x, ("T", "N", wanted), dtype, f"time-major; the last {self.S} columns are the static ones")

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        *head, H = super()._output_shape(cache)
        return (*head, H + self.S)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, _ = self._inside(params, state_0)
        moving, static = np.ascontiguousarray(x[..., : -self.S]), x[..., -self.S :]
        y, state_T, cache = self.layer.forward(own, moving, state, lengths, rng)
        steps = row_ends(lengths, *x.shape[:2])
        if self.layer.keeps_time:
            beside = within(static, lengths)  # (2)
        else:
            beside = np.zeros((x.shape[1], self.S), x.dtype)
            beside[steps > 0] = static[:1, steps > 0].reshape(-1, self.S)  # (1)
        return np.concatenate([y, beside], axis=-1), state_T, WithStaticCache(cache, steps)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        own, dstate, _ = self._inside(params, dstate_T)
        dy_layer, beside = np.ascontiguousarray(dy[..., : -self.S]), dy[..., -self.S :]
        grads, moving, dstate = self.layer.backward(own, cache.inner, dy_layer, dstate)
        assert moving is not None  # x are no ids
        rows = cache.lengths > 0
        static = np.zeros((*moving.shape[:2], self.S), dy.dtype)
        if self.layer.keeps_time:
            static[:] = within(beside, cache.lengths)  # (2')
        else:
            static[:1, rows] = beside[rows]  # (1')
        return inner(grads), np.concatenate([moving, static], axis=-1), dstate
