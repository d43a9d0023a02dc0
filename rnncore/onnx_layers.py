"""The recurrent operators of ONNX as layers under the contract: every activation, clip, peepholes, coupled gates.

They read the same parameters as `RNN`, `LSTM` and `GRU`, in the same order of blocks, so that an operator without any
extra is one of those, whose fast twin is faster. `rnncore.interop.onnx` makes them from the nodes of a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.onnx_words import Word, activation
from rnncore.recurrent import GRU, LSTM, RNN, PeepholeLSTM, Recurrent
from rnncore.typing import Array, Grads, Lengths, Params, State


class _Operator(Layer):
    """What the three share. `plain` is the layer without extras, which has the same parameters and states."""

    plain: Recurrent
    options: dict[str, Any]

    def __init__(self, words: Sequence[Word], count: int, clip: float | None) -> None:
        self.D, self.H = self.plain.D, self.plain.H
        if isinstance(words, str) or len(words) != count:
            advice = "one for each equation that has one"
            raise ContractError("activations", f"{count} of them", repr(words)[:80], advice)
        self.activations = tuple(activation(word) for word in words)
        self.clip = None if clip is None else checks.number("clip", clip)
        self.backend, self.dtype = self.plain.backend, self.plain.dtype

    @property
    def simple(self) -> Layer | None:
        """The layer of `rnncore.recurrent` that computes the same, in less time; None where there is none."""
        if self.clip is not None or self.options.get("input_forget"):
            return None
        found = self._simple(tuple(name for name, _, _ in self.activations))
        return found and found.using(backend=self.backend)

    def _simple(self, names: tuple[str, ...]) -> Recurrent | None:
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        own = {"activations": [list(a) for a in self.activations], "clip": self.clip, **self.options}
        head = {"layer": type(self).__name__, "D": self.D, "H": self.H}
        return {**head, **own, "backend": self.backend, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return self.plain.parameter_shapes()

    @property
    def backends(self) -> frozenset[str]:
        """The one twin that computes."""
        return frozenset([self.backend])

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """(H,) for each state."""
        return self.plain.state_sizes

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, features out."""
        return self.plain.sizes

    @property
    def needs_time(self) -> bool:
        """True: a cell moves from step to step."""
        return True

    def _init(self, rng: np.random.Generator) -> Grads:
        return self.plain._init(rng)

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        self.plain._check_x(x, dtype)

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        self.plain._check_dtype(dtype)

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, getattr(self._twin(), f"{type(self).__name__}Cache"))
        T, N, D = cache.x.shape
        checks.widths((D, cache.h.shape[2]), (self.D, self.H), self)
        return T, N, self.H

    def _twin(self) -> Any:
        return replace(self.plain.cell, name=f"onnx_{self.plain.cell.name}").twin(self.backend)

    def _words(self) -> dict[str, Any]:
        return {"activations": self.activations, "clip": self.clip, **self.options}

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        result: tuple[Array, State, Any] = self._twin().forward(params, x, state_0, lengths, **self._words())
        return result

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        result: tuple[Grads, Array, State] = self._twin().backward(params, cache, dy, dstate_T, **self._words())
        return result


class OnnxRNN(_Operator):
    """The operator RNN in one direction; equations in `rnncore.layers.onnx_rnn`.

    `activations` is (f,), a name or (name, alpha, beta); `clip` bounds its input. Parameters: Wx (D, H), Wh (H, H),
    b (H,). State: (h,).

    >>> OnnxRNN(3, 4, [("leakyrelu", 0.1)], clip=2.0).activations
    (Activation(name='LeakyRelu', alpha=0.1, beta=0.0),)
    """

    def __init__(
        self,
        D: int,
        H: int,
        activations: Sequence[Word] = ("Tanh",),
        clip: float | None = None,
        *,
        backend: str = "numba",
        dtype: str = "float32",
    ) -> None:
        self.plain, self.options = RNN(D, H, backend=backend, dtype=dtype), {}
        super().__init__(activations, 1, clip)

    def _simple(self, names: tuple[str, ...]) -> Recurrent | None:
        words = {("Tanh",): "tanh", ("Relu",): "relu"}
        return RNN(self.D, self.H, words[names], dtype=self.dtype) if names in words else None


class OnnxLSTM(_Operator):
    """The operator LSTM in one direction; equations in `rnncore.layers.onnx_lstm`.

    `activations` is (f, g, h) of the gates, the candidate and the cell; `clip` bounds the input of f and g, and with
    `clip_cell` that of h. `input_forget` is f = 1 - i. Parameters, gate blocks i f g o: Wx (D, 4H), Wh (H, 4H), b (4H,)
    and, with `peepholes`, P (3H,) in the order i f o. State: (h, c).

    >>> layer = OnnxLSTM(3, 4, ["HardSigmoid", "Tanh", "Softsign"], clip=3.0, peepholes=True, backend="numpy")
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 2])
    >>> y.shape, layer.parameter_shapes()["P"]
    ((5, 2, 4), (12,))
    """

    def __init__(
        self,
        D: int,
        H: int,
        activations: Sequence[Word] = ("Sigmoid", "Tanh", "Tanh"),
        clip: float | None = None,
        input_forget: bool = False,
        clip_cell: bool = False,
        peepholes: bool = False,
        *,
        backend: str = "numba",
        dtype: str = "float32",
    ) -> None:
        self.plain = LSTM(D, H, backend=backend, dtype=dtype)
        flags = {"input_forget": input_forget, "clip_cell": clip_cell, "peepholes": peepholes}
        for name, value in flags.items():
            if not isinstance(value, (bool, np.bool_)):
                raise ContractError(name, "True or False", repr(value), "it is a switch")
        self.options = {name: bool(value) for name, value in flags.items()}
        super().__init__(activations, 3, clip)

    def _simple(self, names: tuple[str, ...]) -> Recurrent | None:
        if self.options["peepholes"]:
            return PeepholeLSTM(self.D, self.H, dtype=self.dtype) if names == ("Sigmoid", "Tanh", "Tanh") else None
        words = {("Sigmoid", "Tanh", "Tanh"): "tanh", ("Sigmoid", "Relu", "Relu"): "relu"}
        return LSTM(self.D, self.H, words[names], dtype=self.dtype) if names in words else None

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return {**super().parameter_shapes(), **({"P": (3 * self.H,)} if self.options["peepholes"] else {})}

    def _init(self, rng: np.random.Generator) -> Grads:
        return {**super()._init(rng), **({"P": np.zeros(3 * self.H)} if self.options["peepholes"] else {})}

    def _words(self) -> dict[str, Any]:
        return {name: value for name, value in super()._words().items() if name != "peepholes"}


class OnnxGRU(_Operator):
    """The operator GRU in one direction; equations in `rnncore.layers.onnx_gru`.

    `activations` is (f, g) of the gates and the candidate, `clip` bounds their input, `reset` is "before" or "after"
    (linear_before_reset). Parameters, gate blocks r z n: Wx (D, 3H), Wh (H, 3H), bx (3H,), bh (3H,). State: (h,).

    >>> OnnxGRU(3, 4, ["Sigmoid", "Softplus"], reset="after").simple is None
    True
    """

    def __init__(
        self,
        D: int,
        H: int,
        activations: Sequence[Word] = ("Sigmoid", "Tanh"),
        clip: float | None = None,
        reset: str = "before",
        *,
        backend: str = "numba",
        dtype: str = "float32",
    ) -> None:
        self.plain = GRU(D, H, reset, backend=backend, dtype=dtype)
        self.options = {"reset": reset}
        super().__init__(activations, 2, clip)

    def _simple(self, names: tuple[str, ...]) -> Recurrent | None:
        return GRU(self.D, self.H, self.options["reset"], dtype=self.dtype) if names == ("Sigmoid", "Tanh") else None
