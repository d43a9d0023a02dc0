"""A recurrent operator under the contract: one layer forward, one backward in time, or one of each side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.compose import reverse_rows
from rnncore.contract import Layer
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers import Composition


class DirectionsCache(NamedTuple):
    """The caches of the directions, in order, and lengths (N,) or None."""

    parts: tuple[Any, ...]
    lengths: Lengths | None


class Directions(Composition):
    """The layers of each direction, whose options may differ; y (T, N, H) or, with two of them, (T, N, 2H).

    Parts are called "forward" and "backward"; the backward one sees each row reversed within its own length.

    >>> from rnncore.onnx_layers import OnnxRNN
    >>> layer = Directions({"backward": OnnxRNN(3, 4, ["Elu"])})
    >>> layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32))[0].shape
    (5, 2, 4)
    """

    def __init__(self, parts: dict[str, Layer]) -> None:
        self.parts, self.dtype = dict(parts), next(iter(parts.values())).dtype

    def describe(self) -> dict[str, Any]:
        """Return what the layer is made of; a model file cannot hold it."""
        return {"layer": "Directions", **{key: part.describe() for key, part in self.parts.items()}}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, features of all directions out."""
        wanted = {part.sizes[0] for part in self.parts.values()}.pop()
        return wanted, sum(part.sizes[1] or 0 for part in self.parts.values())

    @property
    def streamable(self) -> bool:
        """True where there is no direction but forward."""
        return set(self.parts) == {"forward"}

    def using(self, **words: str) -> Directions:
        """Return the same with another `backend` or `dtype` in every direction."""
        return Directions({key: part.using(**words) for key, part in self.parts.items()})

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, DirectionsCache)
        shapes = [part._output_shape(own) for part, own in zip(self.parts.values(), cache.parts, strict=True)]
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        outputs, caches = [], []
        state_T: State = ()
        for key, part, own, state in self._split(params, state_0):
            y, state, cache = part.forward(own, _turned(key, x, lengths), state, lengths, rng)
            outputs.append(_turned(key, y, lengths))
            state_T += state
            caches.append(cache)
        y = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
        return y, state_T, DirectionsCache(tuple(caches), lengths)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        grads: Grads = {}
        dstate_0: State = ()
        shares: list[Array] = []
        pieces = np.split(dy, len(self.parts), axis=-1)
        for (key, part, own, dstate), own_cache, dy_k in zip(
            self._split(params, dstate_T), cache.parts, pieces, strict=True
        ):
            down, dx, dstate = part.backward(own, own_cache, _turned(key, dy_k, cache.lengths), dstate)
            grads.update({f"{key}.{name}": g for name, g in down.items()})
            assert dx is not None  # no recurrent layer reads integer ids
            shares.append(_turned(key, dx, cache.lengths))
            dstate_0 += dstate
        return grads, sum(shares[1:], shares[0]), dstate_0


def _turned(key: str, x: Array, lengths: Lengths | None) -> Array:
    return reverse_rows(x, lengths) if key == "backward" else x
