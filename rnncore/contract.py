"""The contract that every layer obeys, from a cell to a whole model.

    y, state_T, cache     = layer.forward(params, x, state_0=None, lengths=None, rng=None)
    dparams, dx, dstate_0 = layer.backward(params, cache, dy, dstate_T=None)

    x         (T, N, D)   T steps, N sequences, D features; integer ids (T, N) for an embedding
    y         (T, N, H)   outputs; zero past a row's end. Of the fast RNN, LSTM and GRU without lengths y is the cache's
              h[1:], read-only, since `backward` reads it: to write into y, copy it; `rnncore.predict` gives a fresh one
    state     tuple of (N, H): (h,) for RNN and GRU, (h, c) for LSTM, () where there is none; in a composition one flat
              tuple, the parts' states one after another; None means zeros. A projected h, and its y, is P wide
    params    dict, name to array; in a composition the names are dotted: "1.backward.Wh"
    cache     a NamedTuple of arrays, the first of the dtype of y; its h has T+1 slots, slot 0 is state_0
    lengths   (N,) integers, longest first, or None. At step t only the first n_t rows move; a finished row keeps its
              state. What stands in x and dy past a row's end is ignored, and dx is zero there.
    rng       a numpy Generator: training (dropout draws from it); None: inference
    dX        dLoss/dX, always freshly allocated; nothing that is passed in is ever changed

Truncated backpropagation through time is passing zeros (or None) as dstate_T. All arrays of a call have one dtype:
float32 or float64 in both twins, complex128 in the textbook. Whatever breaks the contract raises `ContractError` before
anything is computed; NaN among the numbers is no such breach: it comes out as NaN.

Starting weights, fast twins, losses and training are the same bits on any number of threads, and so are imported ONNX
graphs and all of `rnncore.marketing`, which lets the libraries use one. Fast is what has backend="numba": cells, where
nothing else is said, and Dense and Attention where that is said or a `Stack` or `Tied` holds a fast cell. The textbooks
(backend="numpy") multiply by NumPy's BLAS, which rounds large products otherwise where its threads share them, and so
measure `diagnostics` and `gradcheck`. To have the same bits there too, set the number before Python starts:
OPENBLAS_NUM_THREADS=1 (for other BLAS libraries MKL_NUM_THREADS, VECLIB_MAXIMUM_THREADS).

To add a cell: write `layers/<cell>.py` and `kernels/<cell>.py`, and add one row to `CELLS` (`rnncore/cells.py`); the
tests then run on it. CONTRIBUTING.md has the steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.cells import CELLS, Cell
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Lengths, Params, State

__all__ = ["CELLS", "Cell", "ContractError", "Layer"]


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
        """The twins that compute in this layer and its parts; textbooks without a loop over time are not counted."""
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
        said = {name: value for name, value in words.items() if name in own}
        return type(self)(**{**own, **said}) if said else self

    def init(self, seed: int | np.random.Generator) -> Grads:
        """Return fresh parameters in the layer's dtype; every array comes from the one seed, at least 0, or generator.

        Input weights are Glorot uniform per gate block (Glorot and Bengio 2010), recurrent ones orthogonal per block
        (Saxe et al. 2014), biases zero except the LSTM's forget gate, which is one (Jozefowicz et al. 2015).
        """
        if not isinstance(seed, np.random.Generator):
            seed = np.random.default_rng(checks.size("seed", seed, least=0))
        params = self._init(seed)
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
        if not checks.is_array(dy, shape, dtype):  # the message is made only where it is needed
            checks.array("dy", dy, shape, dtype, "it has the shape and dtype of y")
        checks.cached_dtype(cache, dy.dtype)
        dstate = checks.state("dstate_T", dstate_T, self.state_sizes, shape[-2], dy.dtype)
        return self._backward(params, cache, dy, dstate)

    def __repr__(self) -> str:
        words = self.describe()
        return f"{words.pop('layer')}({', '.join(f'{name}={value!r}' for name, value in words.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash(repr(self))
