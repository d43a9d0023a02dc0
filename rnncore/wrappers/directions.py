"""Against the arrow of time: `Reversed` runs a layer from each row's end, `Bidirectional` runs it both ways."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Composition, Wrapper, inner

MERGES = ("concat", "sum", "mul", "ave", "none")


class BidirectionalCache(NamedTuple):
    """The caches of both directions (the backward one saw each row reversed), and lengths (N,) or None.

    `outputs` has y_f and y_b where they are multiplied with each other, None elsewhere.
    """

    forward: Any
    backward: Any
    lengths: Lengths | None
    outputs: tuple[Array, Array] | None = None


class ReversedCache(NamedTuple):
    """The cache of the inner layer, which saw each row reversed, and lengths (N,) or None."""

    inner: Any
    lengths: Lengths | None


class Bidirectional(Composition):
    """One layer in both directions (Schuster and Paliwal 1997), outputs of a step merged.

    `merge` is "concat" (y (T, N, 2H), forward first), "sum", "mul" (elementwise), "ave" (half the sum), all (T, N, H),
    or "none": both apart in one array y (T, 2, N, H), the layout of ONNX, for which y[:, 0] and y[:, 1] are the pair
    that Keras returns; only the last layer of a model can be that. Each row is reversed within its own length, and both
    outputs stand at the step of x they belong to. Around a layer that gives one vector for each row, as
    `Bidirectional(Stack(GRU(3, 4), Last()))`, the vectors of both directions are merged and y has no T. Parameters
    "forward.<name>" and "backward.<name>"; states likewise.

    >>> import rnncore as rc
    >>> model = rc.Bidirectional(rc.GRU(3, 4, backend="numpy"))
    >>> model.forward(model.init(seed=0), np.ones((5, 2, 3), np.float32))[0].shape
    (5, 2, 8)
    """

    def __init__(self, layer: Layer, merge: str = "concat") -> None:
        if not isinstance(layer, Layer) or (layer.keeps_time and not layer.streamable):
            advice = "for instance Bidirectional(GRU(3, 4))"
            raise ContractError("layer", "a layer that runs step by step or gives one vector", repr(layer), advice)
        checks.one_of("merge", merge, MERGES)
        self.layer, self.merge, self.dtype = layer, merge, layer.dtype
        self.parts = {"forward": layer, "backward": layer}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer, that of the inner one inside."""
        return {"layer": "Bidirectional", "inner": self.layer.describe(), "merge": self.merge}

    def __repr__(self) -> str:
        return f"Bidirectional({self.layer!r}, merge={self.merge!r})"

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in; the inner features out, twice as many side by side."""
        wanted, gives = self.layer.sizes
        return wanted, 2 * gives if gives and self.merge == "concat" else gives

    @property
    def streamable(self) -> bool:
        """False: every output has seen the whole row."""
        return False

    @property
    def keeps_time(self) -> bool:
        """True where the inner layer does."""
        return self.layer.keeps_time

    @property
    def needs_time(self) -> bool:
        """True: without time there is but one direction."""
        return True

    @property
    def unmerged(self) -> bool:
        """True where y is (T, 2, N, H)."""
        return self.merge == "none"

    def using(self, **words: str) -> Bidirectional:
        """Return the same layer with another `backend` or `dtype` inside."""
        return Bidirectional(self.layer.using(**words), self.merge)

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, BidirectionalCache)
        *time, N, H = self.layer._output_shape(cache.forward)
        return {"concat": (*time, N, 2 * H), "none": (*time, 2, N, H)}.get(self.merge, (*time, N, H))

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        (_, _, p_f, s_f), (_, _, p_b, s_b) = self._split(params, state_0)
        y_f, s_f, cache_f = self.layer.forward(p_f, x, s_f, lengths, rng)
        y_b, s_b, cache_b = self.layer.forward(p_b, reverse_rows(x, lengths), s_b, lengths, rng)
        y_b = turned(self.layer, y_b, lengths)
        outputs = (y_f, y_b) if self.merge == "mul" else None
        return merged(y_f, y_b, self.merge), s_f + s_b, BidirectionalCache(cache_f, cache_b, lengths, outputs)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        (_, _, p_f, d_f), (_, _, p_b, d_b) = self._split(params, dstate_T)
        dy_f, dy_b = parted(dy, self.merge, cache.outputs)
        grads_f, dx_f, d_f = self.layer.backward(p_f, cache.forward, dy_f, d_f)
        grads_b, dx_b, d_b = self.layer.backward(p_b, cache.backward, turned(self.layer, dy_b, cache.lengths), d_b)
        grads = {f"{key}.{n}": g for key, own in (("forward", grads_f), ("backward", grads_b)) for n, g in own.items()}
        dx = None if dx_f is None or dx_b is None else dx_f + reverse_rows(dx_b, cache.lengths)
        return grads, dx, d_f + d_b


class Reversed(Wrapper):
    """A layer that runs from each row's last step to its first; y[t] belongs to x[t] (ONNX: direction="reverse").

    Parameters "inner.<name>"; the final state is that after step 0. Where the layer gives one vector for each row, as
    `Reversed(Stack(GRU(3, 4), Last()))`, y is that vector: with `Last` the output after step 0.

    >>> import rnncore as rc
    >>> model = rc.Reversed(rc.GRU(3, 4, backend="numpy"))
    >>> y, (h,), cache = model.forward(model.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 2])
    >>> bool(np.array_equal(y[0], h))
    True
    """

    _cache = ReversedCache

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)

    @property
    def streamable(self) -> bool:
        """False: the first output has seen the whole row."""
        return False

    @property
    def needs_time(self) -> bool:
        """True: without time there is nothing to reverse."""
        return True

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, _ = self._inside(params, state_0)
        y, state_T, cache = self.layer.forward(own, reverse_rows(x, lengths), state, lengths, rng)
        return turned(self.layer, y, lengths), state_T, ReversedCache(cache, lengths)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        own, dstate, _ = self._inside(params, dstate_T)
        d = turned(self.layer, dy, cache.lengths)
        grads, dx, dstate = self.layer.backward(own, cache.inner, d, dstate)
        return inner(grads), None if dx is None else reverse_rows(dx, cache.lengths), dstate


def merged(y_f: Array, y_b: Array, merge: str) -> Array:
    """Return the outputs of both directions as one array."""
    if merge == "concat":
        return np.concatenate([y_f, y_b], axis=-1)
    if merge == "none":
        return np.stack([y_f, y_b], axis=-3)
    if merge == "mul":
        return np.asarray(y_f * y_b)
    return np.asarray(y_f + y_b if merge == "sum" else (y_f + y_b) / 2)


def parted(dy: Array, merge: str, outputs: tuple[Array, Array] | None) -> tuple[Array, Array]:
    """Return dy_f and dy_b; `outputs` has y_f and y_b for a product."""
    if merge == "concat":
        dy_f, dy_b = np.split(dy, 2, axis=-1)
        return dy_f, dy_b
    if merge == "none":
        dy_f, dy_b = np.moveaxis(dy, -3, 0)
        return dy_f, dy_b
    if merge == "mul":
        assert outputs is not None
        y_f, y_b = outputs
        return dy * y_b, dy * y_f
    return (dy, dy) if merge == "sum" else (dy / 2, dy / 2)


def turned(layer: Layer, y: Array, lengths: Lengths | None) -> Array:
    """Return what a layer gives for reversed rows at the steps of x; a vector belongs to no step and stays as it is."""
    return reverse_rows(y, lengths) if layer.keeps_time else y


def reverse_rows(x: Array, lengths: Lengths | None) -> Array:
    """Return x (T, N, ...) with each row reversed within its own length, zero past its end.

    >>> reverse_rows(np.array([[1, 4], [2, 0], [3, 0]]), np.array([3, 1])).T
    array([[3, 2, 1],
           [4, 0, 0]])
    """
    if lengths is None:
        return x[::-1].copy()
    t, n = np.nonzero(np.arange(len(x))[:, None] < lengths)
    out = np.zeros_like(x)
    out[t, n] = x[lengths[n] - 1 - t, n]
    return out
