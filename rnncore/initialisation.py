"""Other starting values than those of `layer.init`: each takes a layer and its params and returns new params.

A layer may be a cell, or a model: then every cell inside that has the part in question gets it. Nothing passed in is
changed; dtypes stay.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnncore import checks
from rnncore.contract import CELLS, Layer
from rnncore.errors import ContractError
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.recurrent_layer import Recurrent
from rnncore.recurrent_layer import orthogonal as orthogonal_matrix
from rnncore.typing import Array, Grads, Params

# the gate that keeps the state where it is near one
KEEPS = {name: "f" if "f" in cell.gates else "z" for name, cell in CELLS.items() if len(cell.gates) > 1}


def forget_bias(layer: Layer, params: Params, value: float) -> Grads:
    """Return params with the bias of each gate that keeps the state at `value`: f of an LSTM, z of a GRU.

    Jozefowicz et al. (2015) recommend 1 for the LSTM, where `init` has it already; higher remembers longer. Where a
    gate has two biases (GRU) the other one is zero. ContractError where no cell has such a gate.

    >>> import rnncore as rc
    >>> layer = rc.LSTM(2, 3)
    >>> forget_bias(layer, layer.init(seed=0), 2.0)["b"]
    array([0., 0., 0., 2., 2., 2., 0., 0., 0., 0., 0., 0.], dtype=float32)
    """
    value = checks.number("value", value, least=-np.inf, open_left=True)
    new = _copy(layer, params)
    for prefix, cell in _cells(layer, tuple(KEEPS), "an LSTM or a GRU"):
        _set_bias(new, prefix, cell, KEEPS[cell.cell.name], np.full(cell.H, value))
    return new


def chrono(layer: Layer, params: Params, T_max: float, seed: int | np.random.Generator) -> Grads:
    """Return params whose units remember over 1 to T_max steps (Tallec and Ollivier 2018).

    The bias of the gate that keeps the state is log(u), u uniform in [1, T_max - 1], for each unit its own; that of an
    LSTM's input gate is -log(u). A unit then forgets over about u steps. T_max > 2 is the longest dependency expected.

    >>> import rnncore as rc
    >>> layer = rc.LSTM(2, 3)
    >>> i, f, g, o = np.split(chrono(layer, layer.init(seed=0), T_max=100, seed=0)["b"], 4)
    >>> bool((np.exp(f) >= 1).all() and (np.exp(f) <= 99).all()), bool((i == -f).all())
    (True, True)
    """
    T_max = checks.number("T_max", T_max, least=2, open_left=True)
    rng, new = np.random.default_rng(seed), _copy(layer, params)
    for prefix, cell in _cells(layer, tuple(KEEPS), "an LSTM or a GRU"):
        keep = np.log(rng.uniform(1, T_max - 1, cell.H))
        _set_bias(new, prefix, cell, KEEPS[cell.cell.name], keep)
        if "i" in cell.cell.gates:
            _set_bias(new, prefix, cell, "i", -keep)
    return new


def orthogonal(layer: Layer, params: Params, seed: int | np.random.Generator, gain: float = 1.0) -> Grads:
    """Return params with new orthogonal recurrent weights, a matrix for each gate, times `gain` (Saxe et al. 2014).

    `init` has them with gain 1; for a rectifier sqrt(2) keeps the size of what passes.

    >>> import rnncore as rc
    >>> layer = rc.RNN(2, 3, "relu", dtype="float64")
    >>> Wh = orthogonal(layer, layer.init(seed=0), seed=1, gain=2.0)["Wh"]
    >>> bool(np.allclose(Wh.T @ Wh, 4 * np.eye(3)))
    True
    """
    gain = checks.number("gain", gain, open_left=True)
    rng, new = np.random.default_rng(seed), _copy(layer, params)
    for prefix, cell in _cells(layer, (), "a recurrent layer"):
        Wh = new[f"{prefix}Wh"]
        blocks = [gain * orthogonal_matrix(rng, len(Wh), cell.H) for _ in cell.cell.gates]
        new[f"{prefix}Wh"] = np.concatenate(blocks, axis=1).astype(Wh.dtype)
    return new


def identity(layer: Layer, params: Params, scale: float = 1.0) -> Grads:
    """Return params of simple recurrent networks with Wh = scale * identity and b = 0: the IRNN (Le et al. 2015).

    With activation="relu" such a network only adds up at first; a scale below 1 forgets. ContractError without an RNN.

    >>> import rnncore as rc
    >>> layer = rc.RNN(2, 3, "relu")
    >>> identity(layer, layer.init(seed=0))["Wh"].diagonal()
    array([1., 1., 1.], dtype=float32)
    """
    scale = checks.number("scale", scale, open_left=True)
    new = _copy(layer, params)
    for prefix, cell in _cells(layer, ("rnn",), "an RNN"):
        new[f"{prefix}Wh"] = scale * np.eye(cell.H, dtype=new[f"{prefix}Wh"].dtype)
        new[f"{prefix}b"] = np.zeros_like(new[f"{prefix}b"])
    return new


def _copy(layer: Layer, params: Params) -> Grads:
    checks.parameters(params, layer.parameter_shapes(), layer)
    return {name: a.copy() for name, a in params.items()}


def _cells(layer: Layer, names: tuple[str, ...], wanted: str) -> list[tuple[str, Recurrent]]:
    """Return the cells with these names (none: all) and the prefix of their parameters."""
    found = [(prefix, cell) for prefix, cell in _inside(layer, "") if not names or cell.cell.name in names]
    if not found:
        raise ContractError("layer", f"{wanted}, or a model with one", repr(layer), "this start is for its parameters")
    return found


def _inside(layer: Layer, prefix: str) -> Iterator[tuple[str, Recurrent]]:
    if isinstance(layer, Recurrent):
        yield prefix, layer
    elif isinstance(layer, RecurrentDropout):  # its parameters are those of the layer inside
        yield from _inside(layer.layer, prefix)
    parts: dict[str, Layer] = getattr(layer, "parts", {})
    for key, part in parts.items():
        yield from _inside(part, f"{prefix}{key}.")


def _set_bias(new: Grads, prefix: str, layer: Recurrent, gate: str, value: Array) -> None:
    k, H = layer.cell.gates.index(gate), layer.H
    for at, name in enumerate(layer.cell.biases):
        new[f"{prefix}{name}"][k * H : (k + 1) * H] = value if at == 0 else 0
