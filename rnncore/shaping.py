"""Last and Dropout as layers: what has no parameters and takes whatever number of features comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.layers import dropout, last
from rnncore.typing import Array, Grads, Lengths, Params, State


class _Shaping(Layer):
    """A layer without parameters: it takes whatever number of features comes."""

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        return {"layer": type(self).__name__}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return nothing: there are no parameters."""
        return {}

    def _init(self, rng: np.random.Generator) -> Grads:
        return {}


class Pooling(_Shaping):
    """A layer that gives one vector (N, D) for all steps of a row."""

    @property
    def streamable(self) -> bool:
        """False: there is one output for the whole sequence."""
        return False

    @property
    def keeps_time(self) -> bool:
        """False: the output has no time axis."""
        return False

    @property
    def needs_time(self) -> bool:
        """True: there must be steps to take it from."""
        return True

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        checks.array("x", x, ("T", "N", "D"), dtype, "time-major: T steps, N sequences, D features")


class Last(Pooling):
    """The output (N, D) of each row's own last step; zeros for a row of length 0.

    >>> Last().forward({}, np.arange(6.0).reshape(3, 2, 1), lengths=[3, 1])[0].ravel()
    array([4., 1.])
    """

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, last.LastCache)
        _, N, D = cache.shape
        return N, D

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        y, cache = last.forward(x, lengths)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
        return {}, last.backward(cache, dy), ()


class Dropout(_Shaping):
    """Inverted dropout (Srivastava et al. 2014) where `rng` is given, the identity where it is None; 0 <= rate < 1.

    `per` "step" draws a mask for each step, "sequence" one for each sequence, the same at every step (variational
    dropout, Gal and Ghahramani 2016); where x has no time axis they are the same.

    >>> Dropout(0.5).forward({}, np.ones((1, 1, 4)), rng=np.random.default_rng(0))[0].ravel()
    array([2., 0., 0., 0.])
    """

    def __init__(self, rate: float, per: str = "step") -> None:
        self.rate, self.per = checks.number("rate", rate, below=1), per
        checks.one_of("per", per, ("step", "sequence"))

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        return {"layer": "Dropout", "rate": self.rate, "per": self.per}

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        checks.array("x", x, ("N", "D") if getattr(x, "ndim", 3) == 2 else ("T", "N", "D"), dtype, "features last")

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, dropout.DropoutCache)
        return tuple(cache.mask.shape)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        y, cache = dropout.forward(x, self.rate, lengths, rng, per=self.per)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
        return {}, dropout.backward(cache, dy), ()
