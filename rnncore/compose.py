"""`Stack`: layers one after another, under the same contract; and the table of all layers by name.

The parameters of a part carry its name and a dot in front ("0.Wx", "1.backward.Wh"); the states of the parts stand one
after another in one flat tuple. Layers around one other are in `rnncore.wrappers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense, Embedding, LayerNorm, Prototypes
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.pooling import Attention, MaxPool, MeanPool
from rnncore.recurrent import (
    GRU,
    GRUD,
    LSTM,
    RNN,
    CoupledLSTM,
    LayerNormGRU,
    LayerNormLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
    TimeLSTM,
)
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Dropout, Last
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers import (
    Bidirectional,
    Composition,
    LearnedState,
    Masked,
    Repeated,
    Residual,
    Reversed,
    Tied,
    WithStatic,
    reverse_rows,
)
from rnncore.wrappers.base import unmerged

__all__ = ["LAYERS", "Bidirectional", "Stack", "StackCache", "from_description", "reverse_rows"]


class StackCache(NamedTuple):
    """The caches of the parts, in order."""

    parts: tuple[Any, ...]


class Stack(Composition):
    """Layers one after another; part k's parameters are called "k.<name>".

    Dropout between the layers is a layer between them, a connection past some of them is `Residual(Stack(...))`.
    Beside a fast cell Dense and Attention are fast too: `parts` then holds them with backend="numba".

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
        fast = any("numba" in part.backends for part in parts)  # then what stands beside the cells is
        self.parts = {
            str(k): part.using(backend="numba") if fast and not part.backends else part for k, part in enumerate(parts)
        }
        first, out, has_time = None, None, True
        for k, part in enumerate(parts):
            wanted, gives = part.sizes
            first = wanted if first is None and out is None else first  # a layer for any number passes it on
            if k and wanted is not None and out is not None and wanted != out:
                came = f"{part} after {out} features"
                raise ContractError(f"parts[{k}]", f"a layer that takes {out} features", came, "let the sizes meet")
            if not has_time and part.needs_time:
                advice = "after Last only layers without time fit"
                raise ContractError(f"parts[{k}]", "a layer without time", str(part), advice)
            if k and unmerged(parts[k - 1]):
                advice = 'merge="none" is for the last layer; say merge="concat"'
                raise ContractError(f"parts[{k}]", "nothing behind both directions apart", str(part), advice)
            out, has_time = out if gives is None else gives, has_time and part.keeps_time
        self._sizes = first, out
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

    @property
    def unmerged(self) -> bool:
        """True where the last part gives both directions apart."""
        return unmerged(list(self.parts.values())[-1])

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


def _common_dtype(parts: Sequence[Layer]) -> str:
    dtypes = {part.dtype for part in parts if part.parameter_shapes()}
    if len(dtypes) > 1:
        raise ContractError("parts", "one dtype", checks.words(sorted(dtypes)), "give every part the same dtype=")
    return dtypes.pop() if dtypes else "float32"


LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        *(RNN, LSTM, GRU, PeepholeLSTM, CoupledLSTM, ProjectedLSTM, LayerNormLSTM, LayerNormGRU),
        *(TimeLSTM, GRUD, RecurrentDropout, OnnxRNN, OnnxLSTM, OnnxGRU),
        *(Dense, LayerNorm, Prototypes, Embedding, Dropout),
        *(Last, MeanPool, MaxPool, Attention),
        *(Stack, Bidirectional, Reversed, Residual, Masked, LearnedState, WithStatic, Tied, Repeated),
    )
}


def from_description(description: Any) -> Layer:
    """Make the layer that `layer.describe()` described; nothing but the named layers can be made.

    >>> from_description({"layer": "Dense", "D": 3, "H": 2, "dtype": "float64"})
    Dense(D=3, H=2, backend='numpy', dtype='float64')
    """
    words = dict(description) if isinstance(description, dict) else {}
    name = words.pop("layer", None)
    if not isinstance(name, str) or name not in LAYERS:
        own = f" of the cell {words['cell']!r:.80}" if "cell" in words else ""
        came = f"{name!r:.80}{own}" if isinstance(name, str) else f"a {type(description).__name__} that names no layer"
        advice = "a cell of your own is made in code: keep its params alone, with numpy.savez for instance"
        raise ContractError("description", f"a layer among {', '.join(LAYERS)}", came, advice)
    try:
        if name == "Stack":
            return Stack(*(from_description(part) for part in words.pop("parts")), **words)
        inside = [from_description(words.pop("inner"))] if "inner" in words else []
        return LAYERS[name](*inside, **words)
    except (TypeError, KeyError) as error:
        raise ContractError("description", f"the words of a {name}", repr(words)[:80], str(error)) from error
