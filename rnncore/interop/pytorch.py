"""PyTorch's RNN, LSTM and GRU, and their cells, as layers of ours and back; torch itself is the extra `peers`.

    torch                                  rnncore
    weight_ih_l<k> (G*H, D)                Wx (D, G*H), transposed; the order of the gates is the same
    weight_hh_l<k> (G*H, H)                Wh (H, G*H), transposed
    weight_hr_l<k> (P, H)                  Wp (H, P), transposed: proj_size, a ProjectedLSTM, whose Wh is (P, 4H)
    bias_ih_l<k>, bias_hh_l<k>             b, their sum, of RNN and LSTM; bx and bh of GRU; bias=False: zeros
    ..._reverse, with bidirectional=True   Bidirectional(cell): "forward.<name>" and "backward.<name>"
    num_layers > 1                         Stack(cell, cell), with dropout Stack(cell, Dropout(rate), cell)
    h_n, c_n (layers * directions, N, H)   state_T, flat: h and c of the first layer forward, of the first backward, ...
    batch_first=True                       nothing: x and y of ours are (T, N, ...) always, x.transpose(0, 1) of theirs
    pack_padded_sequence(x, lengths)       lengths

The derivative by b is torch's by bias_ih, and by bias_hh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.compose import Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.interop.extras import library
from rnncore.recurrent import GRU, LSTM, RNN, ProjectedLSTM, Recurrent
from rnncore.shaping import Dropout
from rnncore.typing import Array, Grads, Params
from rnncore.wrappers import Bidirectional

Ours = RNN | LSTM | GRU | ProjectedLSTM
KINDS: dict[int, type[RNN] | type[GRU] | type[LSTM]] = {1: RNN, 3: GRU, 4: LSTM}  # blocks of rows -> our layer
DIRECTIONS = {"": "forward.", "_reverse": "backward."}
Module = Any  # torch ships types, but is not there for everybody


def from_torch(
    source: Module | Mapping[str, Any], *, activation: str | None = None, dropout: float = 0.0, backend: str = "numba"
) -> tuple[Layer, Grads]:
    """Return (layer, params) that compute what a module of torch.nn computes, with the same gradients.

    source: an RNN, LSTM, GRU, RNNCell, LSTMCell or GRUCell, or its state dict: a dict of tensors or arrays under
    torch's names, from whose shapes kind, layers, directions and sizes are read. activation ("tanh" or "relu", of an
    RNN) and dropout (between layers) are for a state dict, which does not say them. The layer has the dtype of the
    weights and takes x (T, N, D), whatever batch_first is; an LSTM with proj_size is a ProjectedLSTM. Raises
    ContractError for other modules, names and shapes.

    >>> weights = {"weight_ih": np.ones((12, 3)), "weight_hh": np.ones((12, 4))}
    >>> layer, params = from_torch(weights, backend="numpy")
    >>> layer
    GRU(D=3, H=4, reset='after', backend='numpy', dtype='float64')
    """
    if not isinstance(source, Mapping):
        if activation is not None or dropout:
            advice = "the module says its own; activation and dropout are for a state dict"
            raise ContractError("activation, dropout", "none beside a module", f"{activation}, {dropout}", advice)
        source, activation, dropout = _opened(source)
    arrays = {name: _array(name, value) for name, value in source.items()}
    layers, dtype = _suffixes(arrays), next(iter(arrays.values())).dtype
    kind, sizes = _measured(arrays, layers[0][0])
    if (kind is RNN) != (activation is not None):
        wanted = checks.words(["tanh", "relu"]) if kind is RNN else f"None for a {kind.__name__}"
        advice = "a state dict of an RNN does not say it, and torch has no other LSTM and GRU"
        raise ContractError("activation", wanted, repr(activation), advice)
    options: dict[str, Any] = {} if activation is None else {"activation": activation}
    parts: list[Layer] = []
    params: Grads = {}
    for suffixes in layers:
        if parts and dropout:
            parts.append(Dropout(dropout))
        cell = kind(**sizes, backend=backend, dtype=dtype.name, **options)
        both = len(suffixes) > 1
        for suffix, direction in zip(suffixes, DIRECTIONS.values(), strict=False):
            prefix = (f"{len(parts)}." if len(layers) > 1 else "") + (direction if both else "")
            own = _ours(arrays, suffix, cell, dtype)
            params |= {prefix + name: own[name] for name in cell.parameter_shapes()}
        parts.append(Bidirectional(cell) if both else cell)
        sizes["D"] = cell.state_sizes[0] * len(suffixes)
    return parts[0] if len(layers) == 1 else Stack(*parts), params


def to_torch(layer: Layer, params: Params, *, cell: bool = False) -> Module:
    """Return the module of torch.nn that computes what layer computes with params; time-major, batch_first=False.

    layer: an RNN, LSTM, ProjectedLSTM (P < H) or GRU (reset "after"), a `Bidirectional` of one (merge "concat"), or a
    `Stack` of such, alike but for their D, with equal `Dropout` between them or none. cell: give an RNNCell, LSTMCell
    or GRUCell, of a single layer. The bias b becomes bias_ih, bias_hh is zero. Raises ContractError for what torch.nn
    does not have.

    >>> layer = GRU(3, 4, dtype="float64", backend="numpy")
    >>> to_torch(layer, layer.init(seed=0))  # doctest: +SKIP
    GRU(3, 4)
    """
    dtype = checks.parameters(params, layer.parameter_shapes(), layer) or np.dtype(layer.dtype)
    checks.one_of("dtype of params", dtype.name, checks.DTYPES)
    rows, dropout = _rows(layer)
    first, both = _cell(rows[0][1])
    words = dict(first.options)
    if words.pop("reset", "after") != "after" or (isinstance(first, LSTM) and words["activation"] != "tanh"):
        advice = "torch.nn has no other GRU and LSTM"
        raise ContractError("layer", "reset='after' of a GRU, activation='tanh' of an LSTM", repr(first), advice)
    if cell and (both or len(rows) > 1):
        raise ContractError("cell", "False", "True", "a cell of torch has one layer and one direction")
    projected = isinstance(first, ProjectedLSTM)
    if projected and (cell or first.letters["P"] >= first.H):
        advice = "LSTMCell has no projection" if cell else "torch projects to fewer numbers than there are units"
        raise ContractError("cell" if cell else "P", "False" if cell else f"less than {first.H}", repr(first), advice)
    torch = library("torch", "peers")
    options: dict[str, Any] = {"nonlinearity": words["activation"]} if isinstance(first, RNN) else {}
    options |= {"proj_size": first.letters["P"]} if projected else {}
    if not cell:
        options |= {"num_layers": len(rows), "bidirectional": both, "dropout": dropout}
    kind = getattr(torch.nn, type(first).__name__.removeprefix("Projected") + ("Cell" if cell else ""))
    options |= {"dtype": getattr(torch, dtype.name), "device": "meta"}  # "meta" draws no starting weights
    module = kind(first.D, first.H, **options).to_empty(device="cpu")
    weights: dict[str, Array] = {}
    for k, (prefix, _) in enumerate(rows):
        for suffix, direction in DIRECTIONS.items() if both else [("", "")]:
            weights |= _theirs(params, prefix + direction, "" if cell else f"_l{k}{suffix}")
    module.load_state_dict({name: torch.tensor(a) for name, a in weights.items()})
    return module


def _opened(module: Module) -> tuple[dict[str, Any], str | None, float]:
    """The state dict of a module, and what it does not say."""
    torch = library("torch", "peers")
    names = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
    if type(module) not in [getattr(torch.nn, name) for name in names]:
        came = f"a {type(module).__name__}"
        raise ContractError("source", f"one of {', '.join(names)} or a state dict", came, "give that part of the model")
    many = getattr(module, "num_layers", 1) > 1  # torch drops nothing behind the last layer
    return module.state_dict(), getattr(module, "nonlinearity", None), module.dropout if many else 0.0


def _array(name: str, value: Any) -> Array:
    """A tensor as an array, which may share its memory."""
    value = value.detach().cpu() if hasattr(value, "detach") else value
    if str(getattr(value, "dtype", "")).removeprefix("torch.") not in checks.DTYPES:
        came = f"a {type(value).__name__} of {getattr(value, 'dtype', 'no dtype')}"
        raise ContractError(name, "float32 or float64 numbers", came, "convert the module with .float() or .double()")
    array: Array = np.asarray(value)
    return array


def _suffixes(arrays: Mapping[str, Array]) -> list[list[str]]:
    """The ends of torch's names, layer by layer and direction by direction; no name may be missing or too many."""
    count = sum(f"weight_ih_l{k}" in arrays for k in range(len(arrays)))
    ends = ("", "_reverse") if "weight_ih_l0_reverse" in arrays else ("",)
    layers = [[f"_l{k}{end}" for end in ends] for k in range(count)] or [[""]]
    sorts = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if any(n.startswith("bias") for n in arrays) else [])
    sorts += ["weight_hr"] if any(n.startswith("weight_hr") for n in arrays) else []
    names = {f"{sort}{suffix}" for suffixes in layers for suffix in suffixes for sort in sorts}
    if names != set(arrays):
        wrong = [f"without {n}" for n in sorted(names - set(arrays))] + [
            f"with {n}" for n in sorted(set(arrays) - names)
        ]
        advice = "take the entries of one module, and the module's own name off: weight_ih_l0, not rnn.weight_ih_l0"
        raise ContractError("source", ", ".join(sorted(names)), f"a dict {', '.join(wrong)}", advice)
    return layers


def _measured(arrays: Mapping[str, Array], suffix: str) -> tuple[type[Ours], dict[str, Any]]:
    """Kind and sizes by the shapes of the first layer."""
    name = f"weight_hh{suffix}"
    shapes = arrays[f"weight_ih{suffix}"].shape, arrays[name].shape
    projection = arrays.get(f"weight_hr{suffix}")
    if projection is not None:
        if len(shapes[0]) != 2 or projection.ndim != 2:
            came = f"shape {checks.show(projection.shape)}"
            raise ContractError(f"weight_hr{suffix}", "shape (P, H)", came, "it is the projection of an LSTM")
        return ProjectedLSTM, {"D": shapes[0][1], "H": projection.shape[1], "P": projection.shape[0]}
    H = shapes[1][1] if len(shapes[0]) == len(shapes[1]) == 2 else 0
    if not H or shapes[1][0] not in [H * G for G in KINDS]:
        advice = "as many rows as columns in an RNN, three times as many in a GRU, four times in an LSTM"
        raise ContractError(name, "shape (H, H), (3H, H) or (4H, H)", f"shape {checks.show(shapes[1])}", advice)
    return KINDS[shapes[1][0] // H], {"D": shapes[0][1], "H": H}


def _ours(arrays: Mapping[str, Array], suffix: str, cell: Recurrent, dtype: np.dtype[Any]) -> Grads:
    """Our weights of one cell, freshly allocated, from torch's."""
    rows, width = cell.cell.blocks * cell.H, cell.state_sizes[0]
    shapes = {"weight_ih": (rows, cell.D), "weight_hh": (rows, width), "bias_ih": (rows,), "bias_hh": (rows,)}
    shapes |= {"weight_hr": (width, cell.H)} if "Wp" in cell.parameter_shapes() else {}
    found = {}
    for sort, shape in shapes.items():
        found[sort] = arrays[sort + suffix] if "weight" in sort else arrays.get(sort + suffix, np.zeros(rows, dtype))
        why = f"{cell.D} features in, {cell.H} units, {cell.cell.blocks} blocks"
        checks.array(sort + suffix, found[sort], shape, dtype, why)
    bx, bh = found["bias_ih"], found["bias_hh"]
    ours = {"Wx": found["weight_ih"].T, "Wh": found["weight_hh"].T}
    ours |= {"b": bx + bh} if len(cell.cell.biases) == 1 else {"bx": bx, "bh": bh}
    ours |= {"Wp": found["weight_hr"].T} if "weight_hr" in found else {}
    return {name: np.array(a, order="C") for name, a in ours.items()}


def _theirs(params: Params, prefix: str, suffix: str) -> dict[str, Array]:
    """Torch's weights of one cell from ours."""
    bx = params[prefix + "b"] if prefix + "b" in params else params[prefix + "bx"]
    bh = params.get(prefix + "bh", np.zeros_like(bx))
    weights = {"weight_ih": params[prefix + "Wx"].T, "weight_hh": params[prefix + "Wh"].T, "bias_ih": bx, "bias_hh": bh}
    weights |= {"weight_hr": params[prefix + "Wp"].T} if prefix + "Wp" in params else {}
    return {sort + suffix: np.array(a, order="C") for sort, a in weights.items()}


def _rows(layer: Layer) -> tuple[list[tuple[str, Layer]], float]:
    """The recurrent layers of a model, each with the prefix of its parameters, and the dropout between them."""
    if not isinstance(layer, Stack):
        _cell(layer)
        return [("", layer)], 0.0
    rows: list[tuple[str, Layer]] = []
    rates: list[tuple[int, float]] = []
    for k, part in enumerate(layer.parts.values()):
        if isinstance(part, Dropout) and part.per == "step" and 0 < k < len(layer.parts) - 1:
            rates.append((len(rows), part.rate))
        else:
            rows.append((f"{k}.", part))
    first = _cell(rows[0][1])
    for _, part in rows:
        cell, both = _cell(part)
        if (_alike(cell), both) != (_alike(first[0]), first[1]):
            advice = "the layers of a module of torch are alike but for their D; write them one by one"
            raise ContractError("layer", f"a stack of layers like {first[0]}", repr(part), advice)
    if rates and ([at for at, _ in rates] != list(range(1, len(rows))) or len({rate for _, rate in rates}) > 1):
        advice = "torch drops behind each layer but the last, at one rate"
        raise ContractError("layer", "equal Dropout between all layers, or none", repr(layer), advice)
    return rows, rates[0][1] if rates else 0.0


def _alike(cell: Ours) -> dict[str, Any]:
    """What all layers of a module of torch have in common."""
    return {**cell.letters, **cell.options, "D": None, "kind": type(cell)}


def _cell(part: Layer) -> tuple[Ours, bool]:
    """The cell of a recurrent layer, and whether it runs both ways."""
    both = isinstance(part, Bidirectional) and part.merge == "concat"
    cell = part.layer if isinstance(part, Bidirectional) and both else part
    if not isinstance(cell, Ours):
        advice = "torch.nn has no module for others"
        raise ContractError(
            "layer", "RNN, LSTM, GRU, ProjectedLSTM, Bidirectional(one of them), or a Stack of such", repr(part), advice
        )
    return cell, both
