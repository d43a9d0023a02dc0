"""Prediction over whole histories: what `model.forward` gives, without what only `backward` would need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnncore import checks
from rnncore.compose import Bidirectional, Stack, reverse_rows
from rnncore.contract import CELLS, Layer
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.recurrent import Recurrent
from rnncore.streaming.steps import parts
from rnncore.typing import Array, Lengths, Params, State
from rnncore.wrappers.directions import merged, turned

ROWS = 4096  # steps x sequences at a time: 2,000 x 32 of an OnnxLSTM, 64 units, add 29 MB instead of 109; y has 16
_REAL = (np.dtype("float32"), np.dtype("float64"))


def predict(
    model: Layer,
    params: Params,
    x: Array,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
) -> tuple[Array, State]:
    """Return y and the final state of `model.forward`, bit for bit, in less time and without the memory of the cache.

    Shapes and errors are those of `model.forward` (`rnncore.contract`); dropout is the identity. An LSTM's cache holds
    6 numbers per unit and step, of which y is one. `rnncore.sequences.pad` makes x and lengths of a list of histories.

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.GRU(3, 4, backend="numpy"), rc.Last(), rc.Dense(4, 1))
    >>> y, (h,) = predict(model, model.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 2])
    >>> y.shape, h.shape
    ((2, 1), (2, 4))
    """
    dtype = checks.parameters(params, model.parameter_shapes(), type(model).__name__)
    model._check_x(x, dtype)
    if (dtype or x.dtype) not in _REAL:
        model._check_dtype(dtype or x.dtype)
    N = x.shape[1] if x.ndim > 1 else len(x)
    state = checks.state("state_0", state_0, model.state_sizes, N, dtype or x.dtype)
    run = _through if isinstance(model, Stack) else _layer
    return run(model, params, x, state, checks.lengths(lengths, x))


def _through(model: Layer, params: Params, x: Array, state_0: State, lengths: Lengths | None) -> tuple[Array, State]:
    """The layers of nested stacks, one after another."""
    state_T: State = ()
    for k, (part, own) in enumerate(parts(model, params)):
        if k:
            part._check_x(x, x.dtype)
        state = state_0[len(state_T) : len(state_T) + len(part.state_sizes)]
        x, after = _layer(part, own, x, state, lengths)
        lengths, state_T = part.output_lengths(lengths), state_T + after
    return x, state_T


def _layer(part: Layer, params: Params, x: Array, state: State, lengths: Lengths | None) -> tuple[Array, State]:
    """One layer: by its fast twin's `predict` where it has one, else by its own forward, of ONNX in chunks."""
    if isinstance(part, Recurrent) and part.backend == "numba" and CELLS.get(part.cell.name) is part.cell:
        twin = part.cell.twin("numba")
        if hasattr(twin, "predict"):
            result: tuple[Array, State] = twin.predict(params, x, state, lengths, **part.options)
            return result
    if isinstance(part, Bidirectional):
        half = len(state) // 2
        p_f, p_b = (
            {name.split(".", 1)[1]: a for name, a in params.items() if name.startswith(f"{way}.")}
            for way in ("forward", "backward")
        )
        y_f, s_f = _through(part.layer, p_f, x, state[:half], lengths)
        y_b, s_b = _through(part.layer, p_b, reverse_rows(x, lengths), state[half:], lengths)
        return merged(y_f, turned(part.layer, y_b, lengths), part.merge), s_f + s_b
    if isinstance(part, (OnnxRNN, OnnxLSTM, OnnxGRU)) and part.backend == "numba" and len(x) * x.shape[1] > ROWS:
        return _in_chunks(part, params, x, state, lengths)
    y, state_T, _ = part.forward(params, x, state, lengths)
    return y, state_T


def _in_chunks(
    part: OnnxRNN | OnnxLSTM | OnnxGRU, params: Params, x: Array, state: State, lengths: Lengths | None
) -> tuple[Array, State]:
    """Some steps at a time, each time with a cache of its own: the kernel goes step by step, so that no bit differs."""
    y, steps = np.empty((*x.shape[:2], part.H), x.dtype), max(16, ROWS // x.shape[1])
    for start in range(0, len(x), steps):
        piece = slice(start, start + steps)
        own = None if lengths is None else np.clip(lengths - start, 0, len(x[piece]))
        y[piece], state, _ = part.forward(params, x[piece], state, own)
    return y, state
