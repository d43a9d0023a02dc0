"""The states of many customers, moved on event by event."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Embedding
from rnncore.streaming.steps import steps
from rnncore.typing import Array, Params, State
from rnncore.wrappers import Composition, Tied


def _ids_known(model: Layer) -> int | None:
    """How many ids there are for the layer that reads x, where it reads ids.

    >>> import rnncore as rc
    >>> _ids_known(rc.LearnedState(rc.Stack(rc.Embedding(9, 3), rc.GRU(3, 4))))
    9
    """
    if isinstance(model, (Embedding, Tied)):
        return model.V
    return _ids_known(next(iter(model.parts.values()))) if isinstance(model, Composition) else None


class Stream:
    """The states of many customers, moved on event by event.

    model: any layer or stack whose outputs need the past only. params: as for `model.forward`; they are copied, and
    their dtype is that of x and y. A customer who has not been seen starts from zeros. Fast twins give the bits of one
    run over the whole history. NaN in x makes this customer's outputs NaN until `forget`. Threads may share a stream.
    Raises `ContractError` for a model that cannot be streamed and for x that does not fit.

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.GRU(3, 4, backend="numpy"), rc.Last(), rc.Dense(4, 1))
    >>> params, x = model.init(seed=0), np.ones((5, 1, 3), np.float32)
    >>> stream = Stream(model, params)
    >>> scores = [stream.step("ann", event) for event in x[:, 0]]
    >>> bool(np.allclose(scores[-1], model.forward(params, x)[0][0]))
    True
    """

    def __init__(self, model: Layer, params: Params) -> None:
        if not isinstance(model, Layer):
            raise ContractError("model", "a layer", f"a {type(model).__name__}", "for instance rnncore.GRU(3, 4)")
        given = checks.parameters(params, model.parameter_shapes(), repr(model)) or np.dtype(model.dtype)
        model._check_dtype(given)
        dtype = np.dtype(given.name)  # the one object of this name, by which kernels know it
        self.model, self.dtype = model, dtype
        self.params = {name: np.array(a, dtype, order="C") for name, a in params.items()}
        first, *rest = each = steps(model, self.params)
        self._manys = [step.many for step in each]
        self._first, self._rest, self._quick = first.one, [step.one for step in rest], first.quick
        self._ids = _ids_known(model)
        self._shape: tuple[Any, ...] = (model.sizes[0],)
        self._row: dict[Hashable, int] = {}
        self._free: list[int] = []
        self._table = np.zeros((16, sum(model.state_sizes)), dtype)
        self._lock = threading.Lock()

    def step(self, key: Hashable, x: Array | int) -> Array:
        """Return y (K,) after one more event of one customer: x (D,), or an integer id for a model with an embedding.

        key: who it is, anything a dict takes.

        >>> import rnncore as rc
        >>> layer = rc.RNN(2, 3, backend="numpy")
        >>> stream = Stream(layer, layer.init(seed=0))
        >>> stream.step("ann", np.ones(2, np.float32)).shape, len(stream)
        ((3,), 1)
        """
        with self._lock:
            row = self._row.get(key)
            if row is not None and self._quick:
                y = self._first(x, row, self._table)
                if y is not None:
                    for advance in self._rest:
                        y = advance(y, row, self._table)
                    return y  # type: ignore[no-any-return]
        return self._checked(key, x)

    def _checked(self, key: Hashable, x: Array | int) -> Array:
        """`step` where x may be wrong, or the customer new."""
        if self._ids is not None:
            one = self._checked_ids(np.asarray(x), ())
        else:
            checks.array("x", x, (self._shape[0] or "D",), self.dtype, "one event: its features")
            one = np.empty(np.shape(x), self.dtype)
            one[:] = x
        with self._lock:
            row = self._row[key] if key in self._row else self._new(key)
            for advance in (self._first, *self._rest):
                one = advance(one, row, self._table)
        return one

    def step_batch(self, keys: Iterable[Hashable], x: Array) -> Array:
        """Return y (N, K) after one more event of each of N customers: x (N, D), or ids (N,); each customer once.

        >>> import rnncore as rc
        >>> layer = rc.RNN(2, 3, backend="numpy")
        >>> stream = Stream(layer, layer.init(seed=0))
        >>> stream.step_batch(["ann", "bob"], np.ones((2, 2), np.float32)).shape
        (2, 3)
        """
        keys = list(keys)
        if len(set(keys)) < len(keys):
            advice = "a second event of the same customer is a second call"
            raise ContractError("keys", "each customer once", "one twice", advice)
        if self._ids is None:
            checks.array("x", x, (len(keys), self._shape[0] or "D"), self.dtype, "one row for each key")
            one = np.require(x, requirements=["C", "A", "W"])
        else:
            one = self._checked_ids(np.asarray(x), (len(keys),))
        with self._lock:
            rows = np.array([self._row[key] if key in self._row else self._new(key) for key in keys], np.int64)
            for advance in self._manys:
                one = advance(one, rows, self._table)
        return one

    def states(self, keys: Iterable[Hashable]) -> State:
        """Return the states of these customers as `model.forward` takes them, (N, H) each; zeros for those not seen.

        >>> import rnncore as rc
        >>> layer = rc.LSTM(2, 3, backend="numpy")
        >>> stream = Stream(layer, layer.init(seed=0))
        >>> [s.shape for s in stream.states(["ann", "bob"])]
        [(2, 3), (2, 3)]
        """
        with self._lock:
            rows = [self._row.get(key, -1) for key in keys]
            table = np.zeros((len(rows), self._table.shape[1]), self.dtype)
            known = [n for n, row in enumerate(rows) if row >= 0]
            table[known] = self._table[[rows[n] for n in known]]
        return tuple(part.copy() for part in np.split(table, np.cumsum(self.model.state_sizes)[:-1], axis=1))[
            : len(self.model.state_sizes)
        ]

    def set_states(self, keys: Iterable[Hashable], states: State) -> None:
        """Let these customers go on from these states, for instance from what `model.forward` gave for their histories.

        >>> import rnncore as rc
        >>> layer = rc.RNN(2, 3, backend="numpy")
        >>> params, x = layer.init(seed=0), np.ones((5, 2, 2), np.float32)
        >>> stream = Stream(layer, params)
        >>> stream.set_states(["ann", "bob"], layer.forward(params, x)[1])
        >>> list(stream)
        ['ann', 'bob']
        """
        keys = list(keys)
        if len(set(keys)) < len(keys):
            raise ContractError("keys", "each customer once", "one twice", "a customer has one state")
        given = checks.state("states", states, self.model.state_sizes, len(keys), self.dtype)
        with self._lock:
            rows = [self._row[key] if key in self._row else self._new(key) for key in keys]
            if given:
                self._table[rows] = np.concatenate(given, axis=1)

    def forget(self, keys: Iterable[Hashable]) -> None:
        """Forget these customers, known or not: they start from zeros again, and their memory is free for others.

        >>> import rnncore as rc
        >>> layer = rc.RNN(2, 3, backend="numpy")
        >>> stream = Stream(layer, layer.init(seed=0))
        >>> _ = stream.step("ann", np.ones(2, np.float32))
        >>> stream.forget(["ann"])
        >>> len(stream)
        0
        """
        with self._lock:
            for key in keys:
                row = self._row.pop(key, None)
                if row is not None:
                    self._table[row] = 0
                    self._free.append(row)

    def __len__(self) -> int:
        """The number of customers who have been seen."""
        return len(self._row)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._row

    def __iter__(self) -> Iterator[Hashable]:
        return iter(list(self._row))

    def __repr__(self) -> str:
        return f"Stream({self.model!r}, {len(self)} customers)"

    def _new(self, key: Hashable) -> int:
        """A row of zeros for a customer who has not been seen."""
        row = self._free.pop() if self._free else len(self._row)
        if row == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        self._row[key] = row
        return row

    def _checked_ids(self, ids: Array, shape: tuple[int, ...]) -> Array:
        """Integers from 0 to V - 1."""
        assert self._ids is not None
        if ids.dtype.kind not in "iu" or ids.shape != shape:
            came = f"shape {ids.shape}, dtype {ids.dtype}"
            raise ContractError("x", f"integer ids of shape {shape}", came, "an embedding looks up whole numbers")
        if ids.size and not (ids.min() >= 0 and ids.max() < self._ids):
            came = f"ids from {ids.min()} to {ids.max()}"
            raise ContractError("x", f"ids from 0 to {self._ids - 1}", came, "an id is a row of the table")
        return ids
