"""A row of the table of cells as a layer: two sizes, how its parameters start, and the twin that computes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

import numpy as np

from rnncore import checks
from rnncore.cells import Cell, in_numbers
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Lengths, Params, State

BACKENDS = ("numba", "numpy")


def glorot(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return a (rows, columns) matrix, uniform within sqrt(6 / (rows + columns)) (Glorot and Bengio 2010, eq. 16)."""
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return a random orthogonal matrix, uniform over all of them (Saxe et al. 2014; signs as in Mezzadri 2007).

    Of a matrix that is not square, the shorter of rows and columns are orthonormal. By Gram and Schmidt, not by BLAS,
    whose bits depend on its threads; twice is enough (Giraud et al. 2005).
    """
    vectors = rng.normal(size=(max(rows, columns), min(rows, columns))).T.copy()
    for i, v in enumerate(vectors):
        for _ in range(2):
            v -= np.einsum("j,jk->k", np.einsum("jk,k->j", vectors[:i], v), vectors[:i])
        v /= np.sqrt((v * v).sum())
    return vectors.T.copy() if rows >= columns else vectors  # row by row: kernels would copy it in every call


STARTS: dict[str, Callable[..., Array]] = {
    "zeros": lambda rng, *shape: np.zeros(shape),
    "ones": lambda rng, *shape: np.ones(shape),
    "glorot": glorot,
    "orthogonal": orthogonal,
}

# words of other libraries, and what is said here instead; {0} is the layer's name
ELSEWHERE = {
    "num_layers": "put layers one above another: Stack({0}(D, H), {0}(H, H))",
    "bidirectional": "say Bidirectional({0}(D, H))",
    "go_backwards": "say Reversed({0}(D, H))",
    "batch_first": "x is time-major, (T, N, D): pass x.swapaxes(0, 1)",
    "dropout": "put Dropout(rate) between the layers of a Stack",
    "recurrent_dropout": "say RecurrentDropout({0}(D, H), dropout=rate)",
    "return_sequences": "y has every step; for the last one alone put Last() behind it: Stack({0}(D, H), Last())",
    "return_state": "forward returns y, the final state and the cache",
    "stateful": "pass the state as state_0, or let Stream keep it",
    "proj_size": "say ProjectedLSTM(D, H, P)",
    **dict.fromkeys(("units", "hidden_size", "input_size"), "say {0}(D, H): D features, H units"),
    **dict.fromkeys(("bias", "use_bias"), "leave it out: every cell has its biases"),
}


def check_precision(backend: str, dtype: np.dtype[Any]) -> None:
    """Raise where a twin does not compute in this dtype."""
    if backend == "numba" and dtype.char not in "fd":  # float32, float64; `dtype.name` takes 2 us
        advice = 'only the textbook computes in other precisions; say backend="numpy"'
        raise ContractError("dtype", "float32 or float64 for the fast twin", str(dtype), advice)


class Recurrent(Layer):
    """A cell of the table over T steps; use `RNN`, `LSTM` or `GRU`, or give the row of a cell of your own.

    P is the width of the output, of a cell that has such a size; None: half of H. ContractError for a word that other
    libraries have, with what to say instead.
    """

    def __new__(cls, *sizes: object, **words: object) -> Self:
        """Make a layer, of whose words none is of another library, unless its class or its cell has such a word too."""
        for word in [word for word in words if word in ELSEWHERE]:
            if word in inspect.signature(cls.__init__).parameters or word in getattr([*sizes, None][0], "options", ()):
                continue
            came, advice = f"{word}={words[word]!r:.60}", ELSEWHERE[word].format(cls.__name__)
            raise ContractError(word, f"an argument of {cls.__name__}", came, advice)
        return super().__new__(cls)

    def __init__(
        self,
        cell: Cell,
        D: int,
        H: int,
        P: int | None = None,
        *,
        backend: str = "numba",
        dtype: str = "float32",
        **options: str,
    ) -> None:
        self.cell, self.D, self.H = cell, checks.size("D", D), checks.size("H", H)
        if P is not None and "P" not in cell.letters:
            raise ContractError("P", "None", repr(P), f"the output of a {cell.printed} has H columns")
        given = {"D": self.D, "H": self.H, "P": checks.size("P", (self.H + 1) // 2 if P is None else P)}
        self.letters = {letter: given[letter] for letter in cell.letters}
        self._shapes, self._state_sizes = cell.shapes(**self.letters), cell.state_sizes(**self.letters)
        self._columns = in_numbers(cell.x, self.letters)
        checks.one_of("backend", backend, BACKENDS)
        checks.one_of("dtype", dtype, checks.DTYPES)
        for name, value in options.items():
            checks.one_of("option", name, tuple(cell.options) or ("none",))
            checks.one_of(name, value, cell.options[name])
        self.backend, self.dtype = backend, dtype
        self.options = {name: options.get(name, words[0]) for name, words in cell.options.items()}

    @property
    def words(self) -> dict[str, Any]:
        """What the layer was made with, beside its cell: sizes, options, backend and dtype."""
        return {**self.letters, **self.options, "backend": self.backend, "dtype": self.dtype}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        own = {"cell": f"{self.cell.package}.{self.cell.name}"} if type(self) is Recurrent else {}
        return {"layer": type(self).__name__, **own, **self.words}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return dict(self._shapes)

    def using(self, **words: str) -> Recurrent:
        """Return the same layer with another `backend` or `dtype`."""
        said = {**self.words, **{name: word for name, word in words.items() if name in self.words}}
        if type(self) is Recurrent:  # a cell of one's own has no class that knows its row
            return Recurrent(self.cell, **said)
        return type(self)(**said)

    @property
    def backends(self) -> frozenset[str]:
        """The one twin that computes."""
        return frozenset([self.backend])

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The width of each state."""
        return self._state_sizes

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Columns of x, features out."""
        return self._columns, self.state_sizes[0]

    @property
    def needs_time(self) -> bool:
        """True: a cell moves from step to step."""
        return True

    @property
    def exact(self) -> bool:
        """False where an option says that `backward` is something else than the gradient of `forward`."""
        return not set(self.options.values()) & set(self.cell.inexact)

    def _init(self, rng: np.random.Generator) -> Grads:
        params: Grads = {}
        for name, shape in self.parameter_shapes().items():
            letters, start = self.cell.parameters[name]
            blocks = int(letters.split()[-1][:-1] or 1)  # "3H" are three
            block = (*shape[:-1], shape[-1] // blocks)
            params[name] = np.concatenate([STARTS[start](rng, *block) for _ in range(blocks)], axis=-1)
        for gate in self.cell.open_gates:
            k = self.cell.gates.index(gate)
            params[self.cell.biases[0]][k * self.H : (k + 1) * self.H] = 1
        return params

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        columns = self._columns
        if isinstance(x, np.ndarray) and x.ndim == 3 and checks.is_array(x, (*x.shape[:2], columns), dtype):
            return  # the message is made only where it is needed
        what = "features" if self.cell.x == "D" else f"columns ({self.cell.x})"
        checks.array("x", x, ("T", "N", columns), dtype, f"time-major: T steps, N sequences, {columns} {what}")

    @cached_property
    def _kept(self) -> type:
        """The cell's cache."""
        return self.cell.cache

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        check_precision(self.backend, dtype)

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, self._kept)
        T, N, D = cache.x.shape
        found = (D, *[getattr(cache, name).shape[2] for name in self.cell.states])
        checks.widths(found, (self._columns, *self._state_sizes), self)
        return T, N, self._state_sizes[0]

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        result: tuple[Array, State, Any] = self._called("forward", params, x, state_0, lengths)
        return result

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        result: tuple[Grads, Array, State] = self._called("backward", params, cache, dy, dstate_T)
        return result

    def _called(self, name: str, *given: Any) -> Any:
        """What the twin's function of this name returns. An error of a cell of one's own says what its row says too: of
        a gate too few NumPy speaks as of shapes.
        """
        try:
            return getattr(self.cell.twin(self.backend), name)(*given, **self.options)
        except (ValueError, IndexError) as error:
            if type(self) is Recurrent:
                row, shapes = self.cell, (f"{name} {checks.show(shape)}" for name, shape in self._shapes.items())
                said = f"gates={row.gates!r}, states={row.states!r}, biases={row.biases!r}"
                error.add_note(f"The row of the cell {row.name!r} says {said}: its parameters are {', '.join(shapes)}")
            raise
