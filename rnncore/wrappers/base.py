"""What layers made of layers share: named parts, dotted names, states one after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Params, State


class Composition(Layer):
    """A layer made of named parts; states of its own, if it has any, stand behind those of the parts."""

    parts: dict[str, Layer]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the dotted name and shape of each parameter."""
        return {
            f"{key}.{name}": shape
            for key, part in self.parts.items()
            for name, shape in part.parameter_shapes().items()
        }

    @property
    def backends(self) -> frozenset[str]:
        """Those of all parts."""
        return frozenset().union(*(part.backends for part in self.parts.values()))

    @property
    def own_states(self) -> dict[str, int]:
        """The name and width of each state that belongs to no part."""
        return {}

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The widths of the parts' states, one after another, then of its own."""
        inside = tuple(size for part in self.parts.values() for size in part.state_sizes)
        return inside + tuple(self.own_states.values())

    @property
    def needs_time(self) -> bool:
        """True where a part does."""
        return any(part.needs_time for part in self.parts.values())

    @property
    def unmerged(self) -> bool:
        """True where y is (T, 2, N, H): both directions apart, which no other layer takes."""
        return False

    def _init(self, rng: np.random.Generator) -> Grads:
        return {f"{key}.{name}": a for key, part in self.parts.items() for name, a in part.init(rng).items()}

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        for part in self.parts.values():
            part._check_dtype(dtype)

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        next(iter(self.parts.values()))._check_x(x, dtype)

    def _split(self, params: Params, state: State) -> list[tuple[str, Layer, Grads, State]]:
        """Return key, part, own parameters and own states of each part."""
        rows, at = [], 0
        for key, part in self.parts.items():
            own = {name: params[f"{key}.{name}"] for name in part.parameter_shapes()}
            count = len(part.state_sizes)
            rows.append((key, part, own, state[at : at + count]))
            at += count
        return rows


class Wrapper(Composition):
    """A layer around one other, `layer`; its parameters are called "inner.<name>"."""

    def __init__(self, layer: Layer, *, needs: str = "a layer", fits: bool = True) -> None:
        if not isinstance(layer, Layer) or not fits or unmerged(layer):
            advice = f"for instance {type(self).__name__}(GRU(4, 4))"
            raise ContractError("layer", needs, repr(layer), advice)
        self.layer, self.dtype = layer, layer.dtype
        self.parts = {"inner": layer}

    def words(self) -> dict[str, Any]:
        """Return the options of the wrapper itself."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer, that of the inner one inside."""
        return {"layer": type(self).__name__, "inner": self.layer.describe(), **self.words()}

    def __repr__(self) -> str:
        words = "".join(f", {name}={value!r}" for name, value in self.words().items())
        return f"{type(self).__name__}({self.layer!r}{words})"

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, features out: those of the inner layer."""
        return self.layer.sizes

    @property
    def streamable(self) -> bool:
        """True where the inner layer is."""
        return self.layer.streamable

    @property
    def keeps_time(self) -> bool:
        """True where the inner layer does."""
        return self.layer.keeps_time

    def using(self, **words: str) -> Layer:
        """Return the same layer with another `backend` or `dtype` inside."""
        return type(self)(self.layer.using(**words), **self.words())

    def _inside(self, params: Params, state: State) -> tuple[Grads, State, State]:
        """Return the inner layer's parameters and states, and the wrapper's own states."""
        ((_, _, own, mine),) = self._split(params, state)
        return own, mine, state[len(mine) :]

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, self._cache)
        return self.layer._output_shape(cache.inner)

    _cache: type = tuple


def inner(grads: Grads) -> Grads:
    """Return the inner layer's gradients under their dotted names."""
    return {f"inner.{name}": g for name, g in grads.items()}


def unmerged(layer: object) -> bool:
    """Say whether a layer gives both directions apart."""
    return isinstance(layer, Composition) and layer.unmerged
