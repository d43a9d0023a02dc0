"""Operators that move numbers or count them: reshaping, slicing, gathering, joining, and the shapes themselves.

Whatever goes out of such an operator is a copy of what came in, so a gradient is moved the way back, and added up where
a number was copied more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from rnncore.interop.onnx.nodes import DTYPES, Node
from rnncore.interop.onnx.operator import Inputs, Operator, axis_of, integers, one, unbroadcast
from rnncore.typing import Array


def _squeeze(node: Node, x: Array, *rest: Array | None) -> Array:
    axes = integers(node, "axes", 1, [x, *rest])
    if axes is None:
        return np.squeeze(x)
    chosen = tuple(axis_of(node, k, x.ndim, "'axes'") for k in axes)
    for k in chosen:
        if x.shape[k] != 1:
            node.refuse("'axes'", "axes of length 1", f"axis {k} of shape {x.shape}", "such an axis cannot go")
    return np.squeeze(x, chosen)


def _unsqueeze(node: Node, x: Array, *rest: Array | None) -> Array:
    axes = integers(node, "axes", 1, [x, *rest]) or []
    ndim = x.ndim + len(axes)
    chosen = sorted(axis_of(node, k, ndim, "'axes'") for k in axes)
    if len(set(chosen)) != len(chosen):
        node.refuse("'axes'", "different axes", str(axes), "each new axis once")
    shape = list(x.shape)
    for k in chosen:
        shape.insert(k, 1)
    return x.reshape(shape)


def _reshape(node: Node, x: Array, *rest: Array | None) -> Array:
    wanted = integers(node, "shape", 1, [x, *rest]) or []
    keep_zero = node.flag("allowzero")
    for k, n in enumerate(wanted):
        if n == 0 and not keep_zero and k >= x.ndim:
            node.refuse("'shape'", "0 only where the input has that axis", str(wanted), f"the input is {x.shape}")
    shape = [x.shape[k] if n == 0 and not keep_zero else n for k, n in enumerate(wanted)]
    if -1 in shape and not x.size:  # what is left for -1 where other axes are empty
        known = int(np.prod([n for n in shape if n != -1]))
        shape[shape.index(-1)] = 0 if not known else x.size // known
    try:
        return x.reshape(shape)
    except ValueError:
        node.refuse("'shape'", f"a shape of {x.size} numbers", str(wanted), f"the input has shape {x.shape}")


def _flatten(node: Node, x: Array) -> Array:
    axis = axis_of(node, int(node.attributes["axis"]), x.ndim, last=0)
    return x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))


def _perm(node: Node, ndim: int) -> list[int]:
    perm = [int(k) for k in node.attributes.get("perm", range(ndim)[::-1])]
    if sorted(perm) != list(range(ndim)):
        node.refuse("attribute 'perm'", f"the axes 0 to {ndim - 1}, each once", str(perm), "correct the node")
    return perm


def _slices(node: Node, x: Array, *rest: Array | None) -> tuple[slice, ...]:
    """Return the slice of each axis; negative numbers and ends beyond the array mean what they mean in Python."""
    lists = [integers(node, name, k + 1, [x, *rest]) for k, name in enumerate(("starts", "ends", "axes", "steps"))]
    starts, ends = lists[0] or [], lists[1] or []
    axes = list(range(len(starts))) if lists[2] is None else lists[2]
    steps = [1] * len(starts) if lists[3] is None else lists[3]
    if not len(starts) == len(ends) == len(axes) == len(steps):
        lengths = [len(part) for part in (starts, ends, axes, steps)]
        node.refuse("'starts', 'ends', 'axes', 'steps'", "lists of one length", str(lengths), "correct the graph")
    chosen = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        k = axis_of(node, axis, x.ndim, "'axes'")
        if step == 0:
            node.refuse("'steps'", "steps that are not 0", str(steps), "correct the graph")
        chosen[k] = slice(start, end, step)
    return tuple(chosen)


def _dslice(node: Node, dy: Array, y: Array, x: Array, *rest: Array | None) -> Array:
    dx = np.zeros(x.shape, dy.dtype)
    dx[_slices(node, x, *rest)] = dy
    return dx


def _indices(node: Node, x: Array, indices: Array) -> tuple[int, Array]:
    """Return the axis of a Gather, and its indices counted from the front."""
    axis = axis_of(node, int(node.attributes["axis"]), x.ndim)
    n = x.shape[axis]
    bad = indices[(indices < -n) | (indices >= n)]
    if bad.size:
        node.refuse(
            "input 'indices'", f"indices from {-n} to {n - 1}", str(bad.flat[0]), f"axis {axis} has {n} entries"
        )
    return axis, np.where(indices < 0, indices + n, indices)


def _dgather(node: Node, dy: Array, y: Array, x: Array, indices: Array) -> Array:
    axis, where = _indices(node, x, indices)
    dx = np.zeros(x.shape, dy.dtype)
    front = np.moveaxis(dx, axis, 0)
    moved = np.moveaxis(dy, range(axis, axis + indices.ndim), range(indices.ndim))
    np.add.at(front, where, moved)
    return dx


def _dgather_elements(node: Node, dy: Array, y: Array, x: Array, indices: Array) -> Array:
    axis, where = _indices(node, x, indices)
    dx = np.zeros(x.shape, dy.dtype)
    full: list[Array] = list(np.indices(where.shape))
    full[axis] = where
    np.add.at(dx, tuple(full), dy)
    return dx


def _gather_elements(node: Node, x: Array, indices: Array) -> Array:
    axis, where = _indices(node, x, indices)
    full: list[Array] = list(np.indices(where.shape))
    full[axis] = where
    return np.asarray(x[tuple(full)])


def _scatter(node: Node, x: Array, indices: Array, updates: Array) -> Array:
    if node.attributes.get("reduction", "none") != "none":
        node.wrong("reduction", "'none'", "no other is implemented")
    axis, where = _indices(node, x, indices)
    full: list[Array] = list(np.indices(where.shape))
    full[axis] = where
    y = x.copy()
    y[tuple(full)] = updates
    return y


def _dscatter(node: Node, dy: Array, y: Array, x: Array, indices: Array, updates: Array) -> tuple[Array, Array]:
    axis, where = _indices(node, x, indices)
    full: list[Array] = list(np.indices(where.shape))
    full[axis] = where
    dx = dy.copy()
    dx[tuple(full)] = 0
    return dx, np.asarray(dy[tuple(full)])


def _concat(node: Node, *arrays: Array) -> Array:
    axis = axis_of(node, int(node.attributes.get("axis", 1)), arrays[0].ndim)
    try:
        return np.concatenate(arrays, axis)
    except ValueError as error:
        node.refuse("inputs", "shapes that agree beside the axis", str([a.shape for a in arrays]), str(error))


def _dconcat(node: Node, dy: Array, y: Array, *arrays: Array) -> tuple[Array, ...]:
    axis = axis_of(node, int(node.attributes.get("axis", 1)), dy.ndim)
    return tuple(np.split(dy, np.cumsum([a.shape[axis] for a in arrays])[:-1], axis))


def _split(node: Node, inputs: Inputs) -> tuple[list[Array], Any]:
    x = inputs[0]
    assert x is not None
    axis, count = axis_of(node, int(node.attributes.get("axis", 0)), x.ndim), len(node.outputs)
    sizes, n = integers(node, "split", 1, inputs), x.shape[axis]
    if node.attributes.get("num_outputs", count) != count:
        node.wrong("num_outputs", f"{count}, as the node has outputs")
    if sizes is None:
        each = -(-n // count)
        if each * count != n and node.version < 18:
            node.refuse("outputs", f"a number that divides {n}", str(count), "or say the sizes")
        sizes = [max(0, min(each, n - k * each)) for k in range(count)]
    if sum(sizes) != n or len(sizes) != count:
        node.refuse("'split'", f"{count} sizes that add up to {n}", str(sizes), "correct the graph")
    return list(np.split(x, np.cumsum(sizes)[:-1], axis)), axis


def _dsplit(node: Node, inputs: Inputs, cache: Any, upstream: Sequence[Array]) -> list[Array | None]:
    return [np.concatenate(upstream, cache), *[None] * (len(inputs) - 1)]


def _constant(node: Node) -> Array:
    found = node.given & {"value", "value_float", "value_floats", "value_int", "value_ints"}
    if len(found) != 1:
        node.refuse("attributes", "one value", ", ".join(sorted(node.given)) or "none", "see the specification")
    (name,) = found
    value = node.attributes[name]
    return np.asarray(value, {"value_f": np.float32, "value_i": np.int64}.get(name[:7])) if name != "value" else value


def _constant_of_shape(node: Node, shape: Array) -> Array:
    value = node.attributes.get("value", np.zeros(1, np.float32))
    if value.size != 1:
        node.wrong("value", "one number")
    return np.full([int(n) for n in shape], value.ravel()[0], value.dtype)


def _shape(node: Node, x: Array) -> Array:
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(x.shape[slice(start, end)], np.int64)


def _expand(node: Node, x: Array, shape: Array) -> Array:
    wanted = tuple(int(n) for n in shape)
    try:
        return np.broadcast_to(x, np.broadcast_shapes(x.shape, wanted)).copy()
    except ValueError:
        node.refuse("input 'shape'", f"a shape that {x.shape} broadcasts to", str(wanted), "correct the graph")


def _cast_to(node: Node) -> str:
    """Return the name of the dtype that a Cast gives."""
    to = node.attributes["to"]
    kinds = onnx.TensorProto.DataType
    number = kinds.Value(to) if isinstance(to, str) else int(to)
    name = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number)).name if number in kinds.values() and number else "?"
    if name not in DTYPES:
        node.refuse("attribute 'to'", "float32, float64, integers or bool", name, "rnncore has no such numbers")
    return name


def _cast(node: Node, x: Array) -> Array:
    name = _cast_to(node)
    return x if x.dtype.kind == "c" and name.startswith("float") else x.astype(name)


def _dcast(node: Node, dy: Array, y: Array, x: Array) -> Array | None:
    return dy.astype(x.dtype) if x.dtype.kind in "fc" and y.dtype.kind in "fc" else None


def _top_k(node: Node, inputs: Inputs) -> tuple[list[Array], Any]:
    x = inputs[0]
    assert x is not None
    axis = axis_of(node, int(node.attributes.get("axis", -1)), x.ndim)
    k = integers(node, "k", 1, inputs) if "k" not in node.attributes else [int(node.attributes["k"])]
    if k is None or len(k) != 1 or not 0 <= k[0] <= x.shape[axis]:
        node.refuse("'k'", f"a number from 0 to {x.shape[axis]}", str(k), f"axis {axis} has no more entries")
    key = x.real if x.dtype.kind == "c" else x
    largest = bool(node.attributes.get("largest", 1))
    order = np.argsort(-key if largest and key.dtype.kind in "if" else key, axis=axis, kind="stable")
    if largest and key.dtype.kind not in "if":
        node.refuse("input 'X'", "signed integers or floats", str(key.dtype), "put a Cast in front")
    where = np.take(order, np.arange(k[0]), axis)
    return [np.take_along_axis(x, where, axis), where.astype(np.int64)], (where, axis)


def _dtop_k(node: Node, inputs: Inputs, cache: Any, upstream: Sequence[Array]) -> list[Array | None]:
    where, axis = cache
    x = inputs[0]
    assert x is not None
    dx = np.zeros(x.shape, upstream[0].dtype)
    np.put_along_axis(dx, where, upstream[0], axis)
    return [dx, *[None] * (len(inputs) - 1)]


def _reverse_sequence(node: Node, x: Array, lengths: Array) -> Array:
    time, batch = (int(node.attributes[name]) for name in ("time_axis", "batch_axis"))
    if {time, batch} != {0, 1} or x.ndim < 2:
        node.refuse("attributes 'time_axis' and 'batch_axis'", "0 and 1", f"{time} and {batch}", "correct the node")
    turned = x.copy() if time == 0 else x.swapaxes(0, 1).copy()
    if lengths.shape != turned.shape[1:2] or (lengths.size and not 0 <= lengths.min() <= lengths.max() <= len(turned)):
        came = f"shape {lengths.shape}, {lengths.tolist()}"[:80]
        node.refuse("input 'sequence_lens'", f"{turned.shape[1]} values from 0 to {len(turned)}", came, "see X")
    for n, L in enumerate(lengths):
        turned[:L, n] = turned[:L, n][::-1].copy()
    return turned if time == 0 else turned.swapaxes(0, 1)


def _like(node: Node, dy: Array, y: Array, x: Array, *rest: Array | None) -> Array:
    return dy.reshape(x.shape)


OPERATORS: dict[str, Operator] = {
    "Squeeze": one(_squeeze, _like, "axes"),
    "Unsqueeze": one(_unsqueeze, _like, "axes"),
    "Reshape": one(_reshape, _like, "shape", "allowzero"),
    "Flatten": one(_flatten, _like, "axis"),
    "Identity": one(lambda node, x: x, lambda node, dy, y, x: dy),
    "Transpose": one(
        lambda node, x: x.transpose(_perm(node, x.ndim)),
        lambda node, dy, y, x: dy.transpose(np.argsort(_perm(node, x.ndim))),
        "perm",
    ),
    "Slice": one(lambda node, x, *rest: x[_slices(node, x, *rest)], _dslice, "starts", "ends", "axes"),
    "Gather": one(lambda node, x, k: np.take(x, _indices(node, x, k)[1], _indices(node, x, k)[0]), _dgather, "axis"),
    "GatherElements": one(_gather_elements, _dgather_elements, "axis"),
    "ScatterElements": one(_scatter, _dscatter, "axis", "reduction"),
    "Concat": one(_concat, _dconcat, "axis"),
    "Split": Operator(_split, _dsplit, frozenset({"axis", "split", "num_outputs"})),
    "Expand": one(_expand, lambda node, dy, y, x, shape: unbroadcast(dy, x)),
    "Cast": one(_cast, _dcast, "to", "saturate")._replace(check=_cast_to),
    "TopK": Operator(_top_k, _dtop_k, frozenset({"axis", "k", "largest", "sorted"})),
    "ReverseSequence": one(
        _reverse_sequence,
        lambda node, dy, y, x, lengths: _reverse_sequence(node, dy, lengths),
        *("time_axis", "batch_axis"),
    ),
    "Constant": one(_constant, None, "value", "value_float", "value_floats", "value_int", "value_ints"),
    "ConstantOfShape": one(_constant_of_shape, None, "value"),
    "Shape": one(_shape, None, "start", "end"),
}
