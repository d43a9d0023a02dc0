"""Dropout on the recurrence and zoneout as a layer around a recurrent one."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.layers import recurrent_dropout as textbook
from rnncore.recurrent import Recurrent
from rnncore.typing import Array, Grads, Lengths, Params, State


class RecurrentDropout(Layer):
    """Variational dropout of h (Gal and Ghahramani 2016) and zoneout (Krueger et al. 2017) in a recurrent layer.

    `dropout` is the rate at which units are hidden from the gates: one mask for each sequence and call of `forward`,
    the same at every step. `zoneout` is the rate at which a unit of the state keeps its old value, drawn at every step:
    one number for all states or one for each, as (h, c). Rates are at least 0 and below 1. With `rng` the masks are
    drawn, are in the cache, and are the same in both twins; without it nothing is dropped, and zoneout takes its
    expectation. Parameters and states are those of `layer`. Equations in `rnncore.layers.recurrent_dropout`; the fast
    twin is made for RNN, LSTM and GRU; around other cells it goes step by step, and where units are dropped sequence by
    sequence, in some 30 times the time. To drop inputs by one mask for each sequence, put
    `Dropout(rate, per="sequence")` in front.

    >>> from rnncore.recurrent import LSTM
    >>> layer = RecurrentDropout(LSTM(3, 4, backend="numpy"), dropout=0.3, zoneout=(0.05, 0.5))
    >>> x = np.ones((5, 2, 3), np.float32)
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), x, rng=np.random.default_rng(0))
    >>> cache.drop.shape, [k.shape for k in cache.zone]
    ((5, 2, 4), [(5, 2, 4), (5, 2, 4)])
    """

    def __init__(self, layer: Layer, dropout: float = 0.0, zoneout: float | tuple[float, ...] = 0.0) -> None:
        if not isinstance(layer, Recurrent) or "Wh" not in layer.parameter_shapes():
            advice = "for instance RecurrentDropout(LSTM(3, 4), dropout=0.2)"
            raise ContractError("layer", "a recurrent layer, as RNN, LSTM or GRU", repr(layer), advice)
        states = layer.cell.states
        rates = tuple(zoneout) if isinstance(zoneout, (tuple, list)) else (zoneout,) * len(states)
        if len(rates) != len(states):
            advice = f"the states are {', '.join(states)}"
            raise ContractError("zoneout", f"one rate, or {len(states)}", f"{len(rates)} rates", advice)
        self.layer, self.dtype = layer, layer.dtype
        self.dropout = checks.number("dropout", dropout, below=1)
        self.zoneout = tuple(checks.number("zoneout", rate, below=1) for rate in rates)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able description of this layer, that of the inner one inside."""
        rates = {"dropout": self.dropout, "zoneout": list(self.zoneout)}
        return {"layer": "RecurrentDropout", "inner": self.layer.describe(), **rates}

    def __repr__(self) -> str:
        return f"RecurrentDropout({self.layer!r}, dropout={self.dropout}, zoneout={self.zoneout})"

    @property
    def needs_time(self) -> bool:
        """True: a cell moves from step to step."""
        return True

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of each parameter of the inner layer."""
        return self.layer.parameter_shapes()

    def using(self, **words: str) -> RecurrentDropout:
        """Return the same layer with another `backend` or `dtype` inside."""
        return RecurrentDropout(self.layer.using(**words), self.dropout, self.zoneout)

    @property
    def backends(self) -> frozenset[str]:
        """That of the inner layer."""
        return self.layer.backends

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The widths of the inner layer's states."""
        return self.layer.state_sizes

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Columns of x and features out of the inner layer."""
        return self.layer.sizes

    def _init(self, rng: np.random.Generator) -> Grads:
        return self.layer._init(rng)

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        self.layer._check_x(x, dtype)

    def _check_dtype(self, dtype: np.dtype[Any]) -> None:
        self.layer._check_dtype(dtype)

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        checks.cache(cache, textbook.RecurrentDropoutCache)
        found = (cache.x.shape[2], *(s.shape[2] for s in cache.states))
        checks.widths(found, (self.sizes[0], *self.state_sizes), self)
        return (*cache.x.shape[:2], self.state_sizes[0])

    def _twins(self) -> tuple[ModuleType, ModuleType]:
        """The twin of these equations that belongs to the backend, and that of the cell."""
        cell = self.layer.cell.twin(self.layer.backend)  # an error that says what to do where Numba is absent
        if self.layer.backend == "numpy":
            return textbook, cell
        return importlib.import_module("rnncore.kernels.recurrent_dropout"), cell

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        drop, zone = textbook.masks(rng, self.dropout, self.zoneout, x, state_0)
        twin, cell = self._twins()
        result: tuple[Array, State, Any] = twin.forward(
            cell, params, x, state_0, lengths, drop, zone, **self.layer.options
        )
        return result

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        twin, cell = self._twins()
        result: tuple[Grads, Array, State] = twin.backward(cell, params, cache, dy, dstate_T, **self.layer.options)
        return result
