"""Layers made of layers, under the same contract: `Stack` (one after another) and `Bidirectional` (both directions).

The parameters of a part carry its name and a dot in front ("0.Wx", "1.backward.Wh"); the states of the parts stand one
after another in one flat tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense, Dropout, Embedding, Last
from rnncore.recurrent import GRU, GRUD, LSTM, RNN, Recurrent, TimeLSTM
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.typing import Array, Grads, Lengths, Params, State


class StackCache(NamedTuple):
    """The caches of the parts, in order."""

    parts: tuple[Any, ...]


class BidirectionalCache(NamedTuple):
    """The caches of both directions (the backward one saw each row reversed), and lengths (N,) or None."""

    forward: Any
    backward: Any
    lengths: Lengths | None


class _Composition(Layer):
    """What Stack and Bidirectional share: named parts, dotted names, states one after another."""

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
    def state_sizes(self) -> tuple[int, ...]:
        """The widths of the parts' states, one after another."""
        return tuple(size for part in self.parts.values() for size in part.state_sizes)

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


class Stack(_Composition):
    """Layers one after another; part k's parameters are called "k.<name>".

    >>> model = Stack(GRU(3, 4, backend="numpy"), Last(), Dense(4, 1))
    >>> y, state, cache = model.forward(model.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 2])
    >>> y.shape, len(state)
    ((2, 1), 1)
    """

    def __init__(self, *parts: Layer) -> None:
        if not parts or not all(isinstance(part, Layer) for part in parts):
            came = ", ".join(type(part).__name__ for part in parts) or "nothing"
            raise ContractError(
                "parts", "one or more layers", came, "for instance Stack(GRU(3, 4), Last(), Dense(4, 1))"
            )
        self.parts = {str(k): part for k, part in enumerate(parts)}
        out, has_time = None, True
        for k, part in enumerate(parts):
            wanted, gives = part.sizes
            if k and wanted is not None and out is not None and wanted != out:
                came = f"{part} after {out} features"
                raise ContractError(f"parts[{k}]", f"a layer that takes {out} features", came, "let the sizes meet")
            if not has_time and isinstance(part, (Recurrent, RecurrentDropout, Last, Bidirectional)):
                advice = "after Last only layers without time fit"
                raise ContractError(f"parts[{k}]", "a layer without time", str(part), advice)
            out, has_time = out if gives is None else gives, has_time and part.keeps_time
        self._sizes = parts[0].sizes[0], out
        self.dtype = _common_dtype(parts)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer, those of the parts inside."""
        return {"layer": "Stack", "parts": [part.describe() for part in self.parts.values()]}

    def __repr__(self) -> str:
        return f"Stack({', '.join(map(repr, self.parts.values()))})"

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, features out."""
        return self._sizes

    @property
    def streamable(self) -> bool:
        """True where all parts are."""
        return all(part.streamable for part in self.parts.values())

    @property
    def keeps_time(self) -> bool:
        """True where all parts do."""
        return all(part.keeps_time for part in self.parts.values())

    def using(self, **words: str) -> Stack:
        """Return the same stack with another `backend` or `dtype` in every part that has the word."""
        return Stack(*(part.using(**words) for part in self.parts.values()))

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, StackCache)
        if len(cache.parts) != len(self.parts):
            came = f"one of {len(cache.parts)} parts"
            raise ContractError("cache", f"one of {len(self.parts)} parts", came, "pass what forward returned")
        return [part._output_shape(own) for part, own in zip(self.parts.values(), cache.parts, strict=True)][-1]

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        state_T: State = ()
        caches = []
        for _, part, own, state in self._split(params, state_0):
            x, state, cache = part.forward(own, x, state, lengths, rng)
            lengths = part.output_lengths(lengths)
            state_T += state
            caches.append(cache)
        return x, state_T, StackCache(tuple(caches))

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        dparams: Grads = {}
        dstate_0: State = ()
        d: Array | None = dy
        rows = list(zip(self._split(params, dstate_T), cache.parts, strict=True))
        for (key, part, own, dstate), part_cache in reversed(rows):
            assert d is not None  # only the first part can be an embedding
            grads, d, dstate = part.backward(own, part_cache, d, dstate)
            dparams = {**{f"{key}.{name}": g for name, g in grads.items()}, **dparams}
            dstate_0 = dstate + dstate_0
        return dparams, d, dstate_0


class Bidirectional(_Composition):
    """One layer in both directions, outputs side by side: y (T, N, 2H), forward first (Schuster and Paliwal 1997).

    Each row is reversed within its own length. Parameters "forward.<name>" and "backward.<name>"; states likewise.

    >>> model = Bidirectional(GRU(3, 4, backend="numpy"))
    >>> model.forward(model.init(seed=0), np.ones((5, 2, 3), np.float32))[0].shape
    (5, 2, 8)
    """

    def __init__(self, layer: Layer) -> None:
        if not isinstance(layer, Layer) or not (layer.streamable and layer.keeps_time):
            advice = "for instance Bidirectional(GRU(3, 4))"
            raise ContractError("layer", "a layer that runs step by step", repr(layer), advice)
        self.layer, self.dtype = layer, layer.dtype
        self.parts = {"forward": layer, "backward": layer}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer, that of the inner one inside."""
        return {"layer": "Bidirectional", "inner": self.layer.describe()}

    def __repr__(self) -> str:
        return f"Bidirectional({self.layer!r})"

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, twice the inner features out."""
        wanted, gives = self.layer.sizes
        return wanted, None if gives is None else 2 * gives

    @property
    def streamable(self) -> bool:
        """False: every output has seen the whole row."""
        return False

    def using(self, **words: str) -> Bidirectional:
        """Return the same layer with another `backend` or `dtype` inside."""
        return Bidirectional(self.layer.using(**words))

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, BidirectionalCache)
        *head, features = self.layer._output_shape(cache.forward)
        return (*head, 2 * features)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        (_, _, p_f, s_f), (_, _, p_b, s_b) = self._split(params, state_0)
        y_f, s_f, cache_f = self.layer.forward(p_f, x, s_f, lengths, rng)
        y_b, s_b, cache_b = self.layer.forward(p_b, reverse_rows(x, lengths), s_b, lengths, rng)
        y = np.concatenate([y_f, reverse_rows(y_b, lengths)], axis=-1)
        return y, s_f + s_b, BidirectionalCache(cache_f, cache_b, lengths)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        (_, _, p_f, d_f), (_, _, p_b, d_b) = self._split(params, dstate_T)
        dy_f, dy_b = np.split(dy, 2, axis=-1)
        grads_f, dx_f, d_f = self.layer.backward(p_f, cache.forward, dy_f, d_f)
        grads_b, dx_b, d_b = self.layer.backward(p_b, cache.backward, reverse_rows(dy_b, cache.lengths), d_b)
        grads = {f"{key}.{n}": g for key, own in (("forward", grads_f), ("backward", grads_b)) for n, g in own.items()}
        dx = None if dx_f is None or dx_b is None else dx_f + reverse_rows(dx_b, cache.lengths)
        return grads, dx, d_f + d_b


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


def _common_dtype(parts: Sequence[Layer]) -> str:
    dtypes = {part.dtype for part in parts if part.parameter_shapes()}
    if len(dtypes) > 1:
        raise ContractError("parts", "one dtype", checks.words(sorted(dtypes)), "give every part the same dtype=")
    return dtypes.pop() if dtypes else "float32"


LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        RNN,
        LSTM,
        GRU,
        TimeLSTM,
        GRUD,
        RecurrentDropout,
        Dense,
        Embedding,
        Last,
        Dropout,
        Stack,
        Bidirectional,
    )
}


def from_description(description: Any) -> Layer:
    """Make the layer that `layer.describe()` described; nothing but the named layers can be made.

    >>> from_description({"layer": "Dense", "D": 3, "H": 2, "dtype": "float64"})
    Dense(D=3, H=2, dtype='float64')
    """
    words = dict(description) if isinstance(description, dict) else {}
    name = words.pop("layer", None)
    if not isinstance(name, str) or name not in LAYERS:
        advice = "make it with layer.describe()"
        raise ContractError("description", f"a layer among {', '.join(LAYERS)}", repr(description)[:80], advice)
    try:
        if name == "Stack":
            return Stack(*(from_description(part) for part in words.pop("parts")), **words)
        inner = [from_description(words.pop("inner"))] if name in ("Bidirectional", "RecurrentDropout") else []
        return LAYERS[name](*inner, **words)
    except (TypeError, KeyError) as error:
        raise ContractError("description", f"the words of a {name}", repr(words)[:80], str(error)) from error
