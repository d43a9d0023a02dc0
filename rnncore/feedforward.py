"""Dense, LayerNorm, Prototypes and Embedding as layers: what has parameters and stands around the recurrent ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.cells import twin
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.layers import dense, embedding, layer_norm, prototypes
from rnncore.layers.elementary import valid_steps
from rnncore.recurrent_layer import BACKENDS, check_precision, glorot
from rnncore.typing import Array, Grads, Lengths, Params, State


class _EveryStep(Layer):
    """A map of the D features of every step, or of a matrix (N, D), that a module of `rnncore.layers` computes."""

    module: Any
    options: dict[str, float] = {}  # noqa: RUF012 - read only
    D: int

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        shape = ("N", self.D) if getattr(x, "ndim", 3) == 2 else ("T", "N", self.D)
        checks.array("x", x, shape, dtype, f"{self.D} features in the last axis")

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        y, cache = self.module.forward(params, x, lengths, **self.options)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
        dparams, dx = self.module.backward(params, cache, dy)
        return dparams, dx, ()


class Beside(Layer):
    """A layer with two twins, by default the textbook, that is made fast in a `Stack` with a fast cell."""

    backend: str

    def __init__(self, backend: str, dtype: str) -> None:
        checks.one_of("backend", backend, BACKENDS)
        checks.one_of("dtype", dtype, checks.DTYPES)
        self.backend, self.dtype = backend, dtype

    @property
    def backends(self) -> frozenset[str]:
        """The fast twin, or none: the textbook has no loop over time."""
        return frozenset([self.backend]) - {"numpy"}

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        check_precision(self.backend, dtype)


class Dense(Beside, _EveryStep):
    """Affine map y = x W + b of every step, or of a matrix (N, D); parameters W (D, H), b (H,).

    In a `Stack` with a fast cell it computes by the fast twin, else by the one that `backend` says.

    >>> layer = Dense(3, 2)
    >>> layer.forward(layer.init(seed=0), np.ones((5, 4, 3), np.float32))[0].shape
    (5, 4, 2)
    """

    @property
    def module(self) -> Any:
        """The twin that computes."""
        return twin("dense", self.backend)

    def __init__(self, D: int, H: int, *, backend: str = "numpy", dtype: str = "float32") -> None:
        super().__init__(backend, dtype)
        self.D, self.H = checks.size("D", D), checks.size("H", H)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        return {"layer": "Dense", "D": self.D, "H": self.H, "backend": self.backend, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return {"W": (self.D, self.H), "b": (self.H,)}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, features out."""
        return self.D, self.H

    def _init(self, rng: np.random.Generator) -> Grads:
        return {"W": glorot(rng, self.D, self.H), "b": np.zeros(self.H)}

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, dense.DenseCache)
        checks.widths(cache.x.shape[-1:], (self.D,), self)
        return (*cache.x.shape[:-1], self.H)


class LayerNorm(_EveryStep):
    """Layer normalisation (Ba et al. 2016) of every step, or of a matrix (N, D), over its features.

    The mean of the D features is taken off, they are divided by sqrt(variance + eps), and `gain` (D,) and `bias` (D,)
    are learned. Behind a cell, not inside it.

    >>> layer = LayerNorm(2, dtype="float64")
    >>> layer.forward(layer.init(seed=0), np.array([[[1.0, 3.0]]]))[0].round(4)
    array([[[-1.,  1.]]])
    """

    module = layer_norm

    def __init__(self, D: int, eps: float = 1e-5, *, dtype: str = "float32") -> None:
        self.D, self.eps = checks.size("D", D), checks.number("eps", eps, open_left=True)
        checks.one_of("dtype", dtype, checks.DTYPES)
        self.dtype, self.options = dtype, {"eps": self.eps}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        return {"layer": "LayerNorm", "D": self.D, "eps": self.eps, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return {"gain": (self.D,), "bias": (self.D,)}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """As many features out as in."""
        return self.D, self.D

    def _init(self, rng: np.random.Generator) -> Grads:
        return {"gain": np.ones(self.D), "bias": np.zeros(self.D)}

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, layer_norm.LayerNormCache)
        checks.widths(cache.z.shape[-1:], (self.D,), self)
        return tuple(cache.z.shape)


class Prototypes(_EveryStep):
    """The nearness -log(1 + squared distance) of every step, or of a matrix (N, D), to K learned points M (K, D).

    Its softmax is the soft assignment of Deep Embedded Clustering (Xie, Girshick and Farhadi 2016).

    >>> layer = Prototypes(2, 3, dtype="float64")
    >>> points = {"M": np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])}
    >>> layer.forward(points, np.zeros((1, 2)))[0].round(4)
    array([[-0.    , -0.6931, -2.3026]])
    """

    module = prototypes

    def __init__(self, D: int, K: int, *, dtype: str = "float32") -> None:
        self.D, self.K = checks.size("D", D), checks.size("K", K)
        checks.one_of("dtype", dtype, checks.DTYPES)
        self.dtype = dtype

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        return {"layer": "Prototypes", "D": self.D, "K": self.K, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return {"M": (self.K, self.D)}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Features in, a number for each point out."""
        return self.D, self.K

    def _init(self, rng: np.random.Generator) -> Grads:
        return {"M": glorot(rng, self.K, self.D)}

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, prototypes.PrototypesCache)
        checks.widths((cache.x.shape[-1], cache.d.shape[-1]), (self.D, self.K), self)
        return tuple(cache.d.shape)


class Embedding(Layer):
    """A row of the table W (V, D) for every integer id; the ids have no derivative, so dx is None.

    >>> layer = Embedding(10, 3)
    >>> layer.forward(layer.init(seed=0), np.array([[7, 1], [2, 2]]))[0].shape
    (2, 2, 3)
    """

    def __init__(self, V: int, D: int, *, dtype: str = "float32") -> None:
        self.V, self.D = checks.size("V", V), checks.size("D", D)
        checks.one_of("dtype", dtype, checks.DTYPES)
        self.dtype = dtype

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer."""
        return {"layer": "Embedding", "V": self.V, "D": self.D, "dtype": self.dtype}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter."""
        return {"W": (self.V, self.D)}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Integer ids in, features out."""
        return 0, self.D

    def _init(self, rng: np.random.Generator) -> Grads:
        return {"W": glorot(rng, self.V, self.D)}

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        if not isinstance(x, np.ndarray) or x.dtype.kind not in "iu" or x.ndim not in (1, 2):
            came = f"shape {x.shape}, dtype {x.dtype}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
            raise ContractError("x", "integer ids of shape (T, N) or (N,)", came, "an embedding looks up whole numbers")

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, embedding.EmbeddingCache)
        return (*cache.ids.shape, self.D)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        used = x[valid_steps(x.shape, lengths)]
        bad = used[(used < 0) | (used >= self.V)]
        if bad.size:
            advice = "an id is a row of the table; ids past a row's end are ignored"
            raise ContractError("x", f"ids from 0 to {self.V - 1}", f"the id {bad[0]}", advice)
        y, cache = embedding.forward(params, x, lengths)
        return y, (), cache

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, None, State]:
        dparams, dx = embedding.backward(params, cache, dy)
        return dparams, dx, ()
