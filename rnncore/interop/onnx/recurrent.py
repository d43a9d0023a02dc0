"""The operators RNN, LSTM and GRU: from a node and its arrays to layers under the contract, and back.

What is done here is what ONNX adds around a layer: another order of gate blocks, transposed weights, two biases, rows
in any order of length, batch-first layout, and zeros in Y, Y_h and Y_c for a sequence of length zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnncore.contract import Layer
from rnncore.interop.onnx.attributes import directions, make_layer
from rnncore.interop.onnx.directions import Directions
from rnncore.interop.onnx.nodes import WIDE, Node
from rnncore.typing import Array, Grads, Params, State

Inputs = Sequence[Array | None]

# Our gate blocks among those of ONNX: i f g o in i o f c, r z n in z r h; peepholes i f o in i o f.
BLOCKS = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
PEEPHOLES = (0, 2, 1)


class Cache(NamedTuple):
    """What the backward pass needs; rows of the batch in `order`, longest first."""

    layer: Directions
    params: Params
    inner: Any
    order: Array
    empty: Array  # which of the rows, in this order, have length zero


def _check(node: Node, inputs: Inputs) -> tuple[int, int, int, int]:
    """Require the shapes of the specification; return T, N, D and H."""
    X, W, R, _, lens, *rest = inputs
    assert X is not None and W is not None and R is not None  # required by the schema
    names = [parameter.name for parameter in node.schema.inputs]
    dirs, G, batch_first = len(directions(node)), len(BLOCKS[node.op]), node.flag("layout")
    for k, array in enumerate(inputs[:3]):
        if array is not None and array.ndim != 3:
            node.refuse(f"input {names[k]!r}", "three axes", f"shape {array.shape}", "see the specification")
    N, T, D = X.shape if batch_first else (X.shape[1], X.shape[0], X.shape[2])
    H = R.shape[2]
    state = (N, dirs, H) if batch_first else (dirs, N, H)
    shapes: list[tuple[int, ...]] = [X.shape, (dirs, G * H, D), (dirs, G * H, H), (dirs, 2 * G * H), (N,)]
    shapes += [state, state, (dirs, 3 * H)][: len(rest)]
    if not D or not H:
        node.refuse("inputs 'X' and 'R'", "at least one feature and one unit", f"{D} and {H}", "give it weights")
    for name, array, shape in zip(names, inputs, shapes, strict=False):
        if array is not None and array.shape != shape:
            why = f"{dirs} direction{'s' * (dirs > 1)}, {T} steps, {N} sequences, {D} features, {H} units"
            node.refuse(f"input {name!r}", f"shape {shape}", f"shape {array.shape}", why)
        kinds = ("int32", "int64") if name == "sequence_lens" else WIDE
        if array is not None and array.dtype.name not in kinds:
            node.refuse(f"input {name!r}", f"dtype {' or '.join(kinds[:2])}", str(array.dtype), "put a Cast in front")
    if lens is not None and lens.size and not (lens.min() >= 0 and lens.max() <= T):
        bad = int(np.flatnonzero((lens < 0) | (lens > T))[0])
        came = f"sequence_lens[{bad}] = {lens[bad]}"
        node.refuse("input 'sequence_lens'", f"values from 0 to {T}", came, "X has no more steps")
    return T, N, D, H


def _arguments(node: Node, inputs: Inputs) -> list[Array | None]:
    """Return all inputs that the operator may have, None for those left out, without the lab's complex mixture."""
    full = [*inputs, *[None] * (len(node.schema.inputs) - len(inputs))]
    wide = any(a is not None and a.dtype.kind == "c" for a in full)
    return [a.astype(np.complex128) if wide and a is not None and a.dtype.kind == "f" else a for a in full]


def _blocks(array: Array, order: Sequence[int]) -> Array:
    """Return the blocks of the first axis in another order."""
    return np.concatenate([np.split(array, len(order))[k] for k in order])


def to_params(node_op: str, W: Array, R: Array, B: Array | None, P: Array | None) -> Grads:
    """Return the parameters of a layer from the arrays of one direction of an operator."""
    order, half = BLOCKS[node_op], len(W)
    Wb, Rb = (np.zeros((2, half), W.dtype)) if B is None else (B[:half], B[half:])
    params = {"Wx": _blocks(W, order).T.copy(), "Wh": _blocks(R, order).T.copy()}
    if node_op == "GRU":
        params |= {"bx": _blocks(Wb, order), "bh": _blocks(Rb, order)}
    else:
        params["b"] = _blocks(Wb + Rb, order)
    return params if P is None else {**params, "P": _blocks(P, PEEPHOLES)}


def from_params(node_op: str, params: Params) -> tuple[Array, Array, Array, Array | None]:
    """Return W, R, B, P of one direction from the parameters of a layer, or their gradients from its gradients.

    RNN and LSTM read the sum of the two halves of B: both get the layer's one, which is right for a gradient.
    """
    back = [int(k) for k in np.argsort(BLOCKS[node_op])]
    W, R = (_blocks(params[name].T, back) for name in ("Wx", "Wh"))
    Wb, Rb = (params["bx"], params["bh"]) if node_op == "GRU" else (params["b"], params["b"])
    P = _blocks(params["P"], PEEPHOLES) if "P" in params else None
    return W, R, np.concatenate([_blocks(Wb, back), _blocks(Rb, back)]), P


def _to_state(arrays: Sequence[Array | None], dirs: int, shape: tuple[int, int], dtype: Any, order: Array) -> State:
    """Return the flat state tuple (h, c of one direction, then of the next) in the order of our rows."""
    return tuple(np.zeros(shape, dtype) if array is None else array[d][order] for d in range(dirs) for array in arrays)


def forward(node: Node, inputs: Inputs) -> tuple[list[Array], Cache]:
    """Return Y, Y_h (and Y_c), and the cache."""
    X, W, R, B, lens, *rest = given = _arguments(node, inputs)
    T, N, D, H = _check(node, given)
    assert X is not None and W is not None and R is not None  # `_check` has seen them
    states, P = (rest[:2], rest[2]) if node.op == "LSTM" else (rest[:1], None)
    if node.flag("layout"):
        X, states = X.swapaxes(0, 1), [None if s is None else s.swapaxes(0, 1) for s in states]
    dtype = X.dtype.name if X.dtype.kind == "f" else "float64"
    layer = make_layer(node, D, H, P is not None, dtype)
    params = _all_params(node, layer, W, R, B, P)
    lengths = np.full(N, T) if lens is None else lens.astype(np.int64)
    order = np.argsort(-lengths, kind="stable")
    empty = lengths[order] == 0
    dirs = len(layer.parts)
    state_0 = _to_state(states, dirs, (N, H), X.dtype, order)
    y, state_T, inner = layer.forward(
        params, np.ascontiguousarray(X[:, order]), state_0, None if lens is None else lengths[order]
    )
    back = np.argsort(order)
    Y = y[:, back].reshape(T, N, dirs, H)
    final = [np.where(empty[:, None], 0, s)[back] for s in state_T]
    outputs = [np.stack(final[k :: len(states)]) for k in range(len(states))]
    if node.flag("layout"):
        results = [Y.swapaxes(0, 1), *(s.swapaxes(0, 1) for s in outputs)]
    else:
        results = [Y.swapaxes(1, 2), *outputs]
    return [np.ascontiguousarray(a) for a in results], Cache(layer, params, inner, order, empty)


def zeros(node: Node, k: int, cache: Cache) -> Array:
    """Return a gradient of output k that is zero: of an output that the node does not name."""
    T, N, columns = cache.layer._output_shape(cache.inner)
    dirs = len(cache.layer.parts)
    H, dtype = columns // dirs, next(iter(cache.params.values())).dtype
    if k:
        return np.zeros((N, dirs, H) if node.flag("layout") else (dirs, N, H), dtype)
    return np.zeros((N, T, dirs, H) if node.flag("layout") else (T, dirs, N, H), dtype)


def as_layer(node: Node, inputs: Inputs) -> tuple[Layer, Grads]:
    """Return the layer that a node with these W, R, B and P means, and its parameters; X and the states are not read.

    One direction forward is the cell by itself, any other a `Directions`.
    """
    full: list[Array | None] = [*inputs, *[None] * (len(node.schema.inputs) - len(inputs))]
    _, W, R, B, *rest = full
    P = rest[3] if node.op == "LSTM" else None
    if W is None or R is None:
        node.refuse("inputs 'W' and 'R'", "initialisers", "arrays computed in the graph", "such weights have no layer")
    X = np.zeros((0, 0, W.shape[-1]), W.dtype)
    no_states: list[Array | None] = [None] * (2 if node.op == "LSTM" else 1)
    _check(node, [X, W, R, B, None, *no_states, *([P] if node.op == "LSTM" else [])])
    layer = make_layer(node, W.shape[2], R.shape[2], P is not None, W.dtype.name)
    params = _all_params(node, layer, W, R, B, P)
    if set(layer.parts) == {"forward"}:
        return layer.parts["forward"], {name.removeprefix("forward."): a for name, a in params.items()}
    return layer, params


def _all_params(node: Node, layer: Directions, W: Array, R: Array, B: Array | None, P: Array | None) -> Grads:
    """Return the parameters of all directions under their dotted names."""
    params: Grads = {}
    for d, key in enumerate(layer.parts):
        own = to_params(node.op, W[d], R[d], None if B is None else B[d], None if P is None else P[d])
        params |= {f"{key}.{name}": array for name, array in own.items()}
    return params


def backward(node: Node, inputs: Inputs, cache: Cache, upstream: Sequence[Array]) -> list[Array | None]:
    """Given dLoss/dY, dLoss/dY_h (and dLoss/dY_c), return the gradient of each input that has one."""
    (
        X,
        *_,
    ) = inputs
    assert X is not None
    layer, params, inner, order, empty = cache
    dY, *dfinal = upstream
    if node.flag("layout"):
        dY, dfinal = dY.swapaxes(0, 1), [d.swapaxes(0, 1) for d in dfinal]
    else:
        dY = dY.swapaxes(1, 2)
    T, N, dirs, H = dY.shape
    dy = np.ascontiguousarray(dY.reshape(T, N, dirs * H)[:, order])
    dstate_T = tuple(np.where(empty[:, None], 0, d[k][order]) for k in range(dirs) for d in dfinal)
    grads, dx, dstate_0 = layer.backward(params, inner, dy, dstate_T)
    assert dx is not None
    back = np.argsort(order)
    per_direction = [
        from_params(node.op, {n.removeprefix(f"{key}."): g for n, g in grads.items() if n.startswith(f"{key}.")})
        for key in layer.parts
    ]
    dX = dx[:, back]
    dstates = [np.stack([s[back] for s in dstate_0[k :: len(dfinal)]]) for k in range(len(dfinal))]
    if node.flag("layout"):
        dX, dstates = dX.swapaxes(0, 1), [d.swapaxes(0, 1) for d in dstates]
    dW, dR, dB = (np.stack([arrays[k] for arrays in per_direction]) for k in range(3))  # type: ignore[misc]
    result: list[Array | None] = [dX, dW, dR, dB, None, *dstates]
    if node.op == "LSTM":
        has_peepholes = per_direction[0][3] is not None
        result.append(np.stack([arrays[3] for arrays in per_direction]) if has_peepholes else None)  # type: ignore[misc]
    return [g if a is not None else None for g, a in zip(result, inputs, strict=False)]
