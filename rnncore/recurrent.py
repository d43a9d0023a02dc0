"""RNN, LSTM and GRU as layers: a row of the table of cells, two sizes, and the twin that computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import CELLS, Cell, Layer
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Lengths, Params, State

BACKENDS = ("numba", "numpy")


def glorot(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return a (rows, columns) matrix, uniform within sqrt(6 / (rows + columns)) (Glorot and Bengio 2010, eq. 16)."""
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


def orthogonal(rng: np.random.Generator, size: int) -> Array:
    """Return a random orthogonal matrix, uniform over all of them (Saxe et al. 2014; signs as in Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    turned: Array = q * np.sign(np.diag(r))
    return turned


class Recurrent(Layer):
    """A cell of the table over T steps; use `RNN`, `LSTM` or `GRU`, or give the row of a cell of your own."""

    def __init__(self, cell: Cell, D: int, H: int, *, backend: str, dtype: str, **options: str) -> None:
        self.cell, self.D, self.H = cell, checks.size("D", D), checks.size("H", H)
        checks.one_of("backend", backend, BACKENDS)
        checks.one_of("dtype", dtype, checks.DTYPES)
        for name, value in options.items():
            checks.one_of("option", name, tuple(cell.options) or ("none",))
            checks.one_of(name, value, cell.options[name])
        self.backend, self.dtype = backend, dtype
        self.options = {name: options.get(name, words[0]) for name, words in cell.options.items()}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        head = {"layer": type(self).__name__, "D": self.D, "H": self.H}
        return {**head, **self.options, "backend": self.backend, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return self.cell.shapes(self.D, self.H)

    def using(self, **words: str) -> Recurrent:
        """Return the same layer with another `backend` or `dtype`."""
        said = {"backend": self.backend, "dtype": self.dtype, **self.options}
        said |= {name: value for name, value in words.items() if name in said}
        if type(self) is Recurrent:  # a cell of one's own has no class that knows its row
            return Recurrent(self.cell, self.D, self.H, **said)
        return type(self)(self.D, self.H, **said)  # type: ignore[arg-type]

    @property
    def backends(self) -> frozenset[str]:
        """The one twin that computes."""
        return frozenset([self.backend])

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """(H,) for each state."""
        return (self.H,) * len(self.cell.states)

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, features out."""
        return self.D, self.H

    def _init(self, rng: np.random.Generator) -> Grads:
        D, H, G = self.D, self.H, self.cell.blocks
        params: Grads = {
            "Wx": np.concatenate([glorot(rng, D, H) for _ in range(G)], axis=1),
            "Wh": np.concatenate([orthogonal(rng, H) for _ in range(G)], axis=1),
            **{name: np.zeros(G * H) for name in self.cell.biases},
        }
        for gate in self.cell.open_gates:
            k = self.cell.gates.index(gate)
            params[self.cell.biases[0]][k * H : (k + 1) * H] = 1
        return params

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        checks.array("x", x, ("T", "N", self.D), dtype, f"time-major: T steps, N sequences, {self.D} features")

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        if self.backend == "numba" and dtype.name not in checks.DTYPES:
            advice = 'only the textbook computes in other precisions; say backend="numpy"'
            raise ContractError("dtype", "float32 or float64 for the fast twin", str(dtype), advice)

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, getattr(self.cell.twin("numpy"), f"{self.cell.name.upper()}Cache"))
        T, N, D = cache.x.shape
        if (D, cache.h.shape[2]) != (self.D, self.H):
            came = f"one for {D} features and {cache.h.shape[2]} units"
            raise ContractError("cache", f"one for {self}", came, "pass what forward of this layer returned")
        return T, N, self.H

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        result: tuple[Array, State, Any] = self.cell.twin(self.backend).forward(
            params, x, state_0, lengths, **self.options
        )
        return result

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        result: tuple[Grads, Array, State] = self.cell.twin(self.backend).backward(
            params, cache, dy, dstate_T, **self.options
        )
        return result


class RNN(Recurrent):
    """Simple recurrent network (Elman 1990): h_t = act(x_t Wx + h_{t-1} Wh + b); equations in `rnncore.layers.rnn`.

    `activation` is "tanh" or "relu", `backend` "numba" (the fast twin) or "numpy" (the textbook), `dtype` that of
    `init`. Parameters: Wx (D, H), Wh (H, H), b (H,). State: (h,).

    >>> layer = RNN(3, 4, backend="numpy")
    >>> y, (h,), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape
    ((5, 2, 4), (2, 4))
    """

    def __init__(
        self, D: int, H: int, activation: str = "tanh", *, backend: str = "numba", dtype: str = "float32"
    ) -> None:
        super().__init__(CELLS["rnn"], D, H, backend=backend, dtype=dtype, activation=activation)


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); equations in `rnncore.layers.lstm`.

    `activation` ("tanh" or "relu") is that of the candidate and of the output; the gates are sigmoid. Parameters, gate
    blocks i f g o: Wx (D, 4H), Wh (H, 4H), b (4H,). State: (h, c).

    >>> layer = LSTM(3, 4, backend="numpy")
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 2])
    >>> cache.gates.shape, bool(y[2:, 1].any())
    ((5, 2, 16), False)
    """

    def __init__(
        self, D: int, H: int, activation: str = "tanh", *, backend: str = "numba", dtype: str = "float32"
    ) -> None:
        super().__init__(CELLS["lstm"], D, H, backend=backend, dtype=dtype, activation=activation)


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014); equations in `rnncore.layers.gru`.

    `reset` says whether the reset gate acts "after" the recurrent product (PyTorch, cuDNN) or "before" it (the paper).
    Parameters, gate blocks r z n: Wx (D, 3H), Wh (H, 3H), bx (3H,), bh (3H,). State: (h,).

    >>> layer = GRU(3, 4, reset="before", backend="numpy")
    >>> layer
    GRU(D=3, H=4, reset='before', backend='numpy', dtype='float32')
    """

    def __init__(self, D: int, H: int, reset: str = "after", *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["gru"], D, H, backend=backend, dtype=dtype, reset=reset)
