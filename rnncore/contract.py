"""The contract that every layer obeys, from a cell to a whole model, and the table of cells.

    y, state_T, cache     = layer.forward(params, x, state_0=None, lengths=None, rng=None)
    dparams, dx, dstate_0 = layer.backward(params, cache, dy, dstate_T=None)

    x         (T, N, D)   T steps, N sequences, D features; integer ids (T, N) for an embedding
    y         (T, N, H)   outputs; zero past a row's end
    state     tuple of (N, H): (h,) for RNN and GRU, (h, c) for LSTM, () where there is none; in a composition one flat
              tuple, the parts' states one after another; None means zeros. A projected h, and its y, is P wide
    params    dict, name to array; in a composition the names are dotted: "1.backward.Wh"
    cache     a NamedTuple of arrays; its h has T+1 slots, slot 0 is state_0
    lengths   (N,) integers, longest first, or None. At step t only the first n_t rows move; a finished row keeps its
              state. What stands in x and dy past a row's end is ignored, and dx is zero there.
    rng       a numpy Generator: training (dropout draws from it); None: inference
    dX        dLoss/dX, always freshly allocated; nothing that is passed in is ever changed

Truncated backpropagation through time is passing zeros (or None) as dstate_T. All arrays of a call have one dtype:
float32 or float64 in both twins, complex128 in the textbook. Whatever breaks the contract raises `ContractError` before
anything is computed; NaN among the numbers is no such breach: it comes out as NaN.

To add a cell: write `layers/<cell>.py` and `kernels/<cell>.py`, and add one row to `CELLS` below; the tests then run on
it. CONTRIBUTING.md has the steps.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Lengths, Params, State

__all__ = ["CELLS", "Cell", "ContractError", "Layer"]


@dataclass(frozen=True)
class Cell:
    """One row of the table: what is particular to a recurrent cell.

    `gates` has a letter for each block of H columns of Wx and Wh, `states` names the states (the first is the output),
    `biases` the biases, and `options` gives each keyword of the cell with the words it accepts, the default first.
    `open_gates` are those whose bias starts at one. What few cells have:

    title     the name in print, and that of its cache: `<title>Cache`; else the name in capitals
    extra     each further parameter: its shape in letters ("3H", "H P", "D 3H"), and how it starts: "zeros", "ones",
              "glorot" or "orthogonal", the last two for each block of H columns by itself
    widths    the states that are not H wide, as {"h": "P"}; P is a third size of the layer
    x         how many columns x has, where these are not the D features alone, as "D+1" or "3D"
    inexact   words of options under which `backward` is, on purpose, not the gradient of `forward`

    The twins are the modules `<package>.layers.<name>` and `<package>.kernels.<name>`: a cell of your own may live in a
    package of your own, and is used as `recurrent.Recurrent(row, D, H, ...)`.
    """

    name: str
    gates: str
    states: tuple[str, ...]
    biases: tuple[str, ...]
    options: dict[str, tuple[str, ...]]
    open_gates: str = ""
    package: str = "rnncore"
    title: str = ""
    extra: dict[str, tuple[str, str]] = field(default_factory=dict)
    widths: dict[str, str] = field(default_factory=dict)
    x: str = "D"
    inexact: tuple[str, ...] = ()

    @property
    def blocks(self) -> int:
        """How many blocks of H columns Wx and Wh have."""
        return len(self.gates)

    @property
    def printed(self) -> str:
        """The name in print."""
        return self.title or self.name.upper()

    @property
    def cache(self) -> type:
        """What `forward` returns for `backward`: a NamedTuple that the textbook defines."""
        kind: type = getattr(self.twin("numpy"), f"{self.printed}Cache")
        return kind

    @property
    def letters(self) -> str:
        """The sizes of a layer: D features, H units, and P where a state is that wide."""
        return "DHP" if "P" in self.widths.values() else "DH"

    @property
    def parameters(self) -> dict[str, tuple[str, str]]:
        """Each parameter, with its shape in letters and how it starts."""
        columns, h = f"{self.blocks}H", self.widths.get(self.states[0], "H")
        biases = {name: (columns, "zeros") for name in self.biases}
        return {"Wx": (f"D {columns}", "glorot"), "Wh": (f"{h} {columns}", "orthogonal"), **biases, **self.extra}

    def shapes(self, **sizes: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter; `sizes` gives each letter its number.

        >>> CELLS["gru"].shapes(D=3, H=4)
        {'Wx': (3, 12), 'Wh': (4, 12), 'bx': (12,), 'bh': (12,)}
        """
        return {
            name: tuple(in_numbers(width, sizes) for width in shape.split())
            for name, (shape, _) in self.parameters.items()
        }

    def state_sizes(self, **sizes: int) -> tuple[int, ...]:
        """Return the width of each state."""
        return tuple(in_numbers(self.widths.get(name, "H"), sizes) for name in self.states)

    def twin(self, backend: str) -> ModuleType:
        """Return the module that holds `forward` and `backward`: the textbook ("numpy") or the fast twin ("numba")."""
        room = {"numpy": "layers", "numba": "kernels"}[backend]
        try:
            return importlib.import_module(f"{self.package}.{room}.{self.name}")
        except ImportError as error:
            if error.name and error.name.split(".")[0] in ("numba", "llvmlite", "scipy"):
                missing = f"an installation without {error.name}"
                raise ContractError("backend", "numba, installed", missing, 'say backend="numpy"') from error
            raise


def in_numbers(width: str, sizes: Mapping[str, int]) -> int:
    """Return a width that is written in letters.

    >>> in_numbers("3H", {"D": 5, "H": 4}), in_numbers("D+1", {"D": 5, "H": 4})
    (12, 6)
    """
    total = 0
    for term in width.split("+"):
        factor, letter = (term[:-1], term[-1]) if term[-1] in sizes else (term, "")
        total += int(factor or 1) * sizes.get(letter, 1)
    return total


CELLS: dict[str, Cell] = {
    "rnn": Cell("rnn", "a", ("h",), ("b",), {"activation": ("tanh", "relu")}),
    "lstm": Cell("lstm", "ifgo", ("h", "c"), ("b",), {"activation": ("tanh", "relu")}, open_gates="f"),
    "gru": Cell("gru", "rzn", ("h",), ("bx", "bh"), {"reset": ("after", "before")}),
    "peephole_lstm": Cell(
        "peephole_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {"gradient": ("exact", "truncated")},
        open_gates="f",
        title="PeepholeLSTM",
        extra={"P": ("3H", "zeros")},
        inexact=("truncated",),
    ),
    "coupled_lstm": Cell("coupled_lstm", "fgo", ("h", "c"), ("b",), {}, open_gates="f", title="CoupledLSTM"),
    "projected_lstm": Cell(
        "projected_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {},
        open_gates="f",
        title="ProjectedLSTM",
        extra={"Wp": ("H P", "glorot")},
        widths={"h": "P"},
    ),
    "layernorm_lstm": Cell(
        "layernorm_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {},
        open_gates="f",
        title="LayerNormLSTM",
        extra={"gain_x": ("4H", "ones"), "gain_h": ("4H", "ones"), "gain_c": ("H", "ones"), "bias_c": ("H", "zeros")},
    ),
    "layernorm_gru": Cell(
        "layernorm_gru",
        "rzn",
        ("h",),
        ("bx", "bh"),
        {},
        title="LayerNormGRU",
        extra={"gain_x": ("3H", "ones"), "gain_h": ("3H", "ones")},
    ),
    "time_lstm": Cell(
        "time_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {"decay": ("log", "inverse")},
        open_gates="f",
        title="TimeLSTM",
        extra={"Wd": ("H H", "orthogonal"), "bd": ("H", "zeros")},
        x="D+1",
    ),
    "grud": Cell(
        "grud",
        "rzn",
        ("h", "u"),
        ("bx", "bh"),
        {"reset": ("before", "after")},
        extra={
            "Wx": ("2D 3H", "glorot"),
            "mean": ("D", "zeros"),
            "Wgx": ("D", "ones"),
            "bgx": ("D", "zeros"),
            "Wgh": ("D H", "glorot"),
            "bgh": ("H", "zeros"),
        },
        widths={"u": "D"},
        x="3D",
    ),
}


class Layer(ABC):
    """A pair of pure functions under the contract, with the sizes they were made for; no weights, no state."""

    dtype: str = "float32"

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description from which `rnncore.compose.from_description` makes an equal layer."""

    @abstractmethod
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter, in order."""

    @abstractmethod
    def _init(self, rng: np.random.Generator) -> Grads: ...

    @abstractmethod
    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]: ...

    @abstractmethod
    def _backward(
        self, params: Params, cache: Any, dy: Array, dstate_T: State
    ) -> tuple[Grads, Array | None, State]: ...

    @abstractmethod
    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None: ...

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        """Raise where the layer cannot compute in this dtype."""
        return

    @abstractmethod
    def _output_shape(self, cache: Any) -> tuple[int, ...]: ...

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The width of each state: (H,) for RNN and GRU, (H, H) for LSTM, () where there is none."""
        return ()

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in and features out: None for any number, 0 in for integer ids."""
        return None, None

    @property
    def backends(self) -> frozenset[str]:
        """The twins that compute in this layer and its parts; empty where nothing runs over time."""
        return frozenset()

    @property
    def streamable(self) -> bool:
        """True where y[t] needs x[:t+1] only, so that a sequence can be cut into chunks that carry the state on."""
        return True

    @property
    def keeps_time(self) -> bool:
        """True where y has a time axis; False for `Last` and a stack that holds one."""
        return True

    @property
    def needs_time(self) -> bool:
        """True where x must have a time axis; Dense and Dropout take a matrix (N, D) too."""
        return False

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths of the output: those of the input, or None where the output has no time axis."""
        return lengths if self.keeps_time else None

    def using(self, **words: str) -> Layer:
        """Return the same layer with another `backend` or `dtype`; a part that has no such word stays as it is.

        >>> import rnncore as rc
        >>> rc.GRU(3, 4).using(backend="numpy", dtype="float64")
        GRU(D=3, H=4, reset='after', backend='numpy', dtype='float64')
        """
        own = self.describe()
        del own["layer"]
        return type(self)(**{**own, **{name: value for name, value in words.items() if name in own}})

    def init(self, seed: int | np.random.Generator) -> Grads:
        """Return fresh parameters in the layer's dtype; every array comes from the one seed.

        Input weights are Glorot uniform per gate block (Glorot and Bengio 2010), recurrent ones orthogonal per block
        (Saxe et al. 2014), biases zero except the LSTM's forget gate, which is one (Jozefowicz et al. 2015).
        """
        params = self._init(np.random.default_rng(seed))
        return {name: array.astype(self.dtype) for name, array in params.items()}

    def forward(
        self,
        params: Params,
        x: Array,
        state_0: State | None = None,
        lengths: Sequence[int] | Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, State, Any]:
        """Return the outputs y, the final state and the cache for `backward`; shapes as in `rnncore.contract`."""
        dtype = checks.parameters(params, self.parameter_shapes(), self)
        self._check_x(x, dtype)
        self._check_dtype(dtype or x.dtype)
        N = x.shape[1] if x.ndim > 1 else len(x)
        state = checks.state("state_0", state_0, self.state_sizes, N, dtype or x.dtype)
        return self._forward(params, x, state, checks.lengths(lengths, x), checks.generator(rng))

    def backward(
        self, params: Params, cache: Any, dy: Array, dstate_T: State | None = None
    ) -> tuple[Grads, Array | None, State]:
        """Given dLoss/dy and dLoss/dstate_T (None: zeros), return the gradients of params, x and state_0."""
        dtype = checks.parameters(params, self.parameter_shapes(), self)
        shape = self._output_shape(cache)
        checks.array("dy", dy, shape, dtype, "it has the shape and dtype of y")
        dstate = checks.state("dstate_T", dstate_T, self.state_sizes, shape[-2], dy.dtype)
        return self._backward(params, cache, dy, dstate)

    def __repr__(self) -> str:
        words = self.describe()
        return f"{words.pop('layer')}({', '.join(f'{name}={value!r}' for name, value in words.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash(repr(self))
