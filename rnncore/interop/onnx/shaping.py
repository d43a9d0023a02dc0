"""Operators that move numbers or count them: reshaping, joining, splitting, and the shapes themselves.

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
    if axes is None or (not axes and node.version < 13):  # an empty attribute is one left out
        return np.squeeze(x)
    chosen = tuple(axis_of(node, k, x.ndim, "'axes'") for k in axes)
    if len(set(chosen)) != len(chosen):
        node.refuse("'axes'", "different axes", str(axes), "each axis once")
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
    free = wanted.count(-1)
    if free > 1 or min(wanted, default=0) < -1 or (keep_zero and free and 0 in wanted):
        node.refuse("'shape'", "sizes, and -1 once and not beside a size of 0", str(wanted), "say the sizes")
    shape = [x.shape[k] if n == 0 and not keep_zero else n for k, n in enumerate(wanted)]
    if free and not x.size:  # -1 is what is left of the axes that are not copied
        copied = [k for k, n in enumerate(wanted) if n == 0]
        left = int(np.prod([n for k, n in enumerate(x.shape) if k not in copied]))
        known = int(np.prod([n for n in wanted if n > 0]))
        if left % known:
            node.refuse("'shape'", "sizes, since the input is empty", str(wanted), f"the input has shape {x.shape}")
        shape[wanted.index(-1)] = left // known
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
    if shape.ndim != 1 or (shape < 0).any():
        node.refuse("input 'input'", "a list of sizes", str(shape.tolist()), "correct the graph")
    value = node.attributes.get("value", np.zeros(1, np.float32))
    if value.size != 1:
        node.wrong("value", "one number")
    return np.full([int(n) for n in shape], value.ravel()[0], value.dtype)


def _shape(node: Node, x: Array) -> Array:
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(x.shape[slice(start, end)], np.int64)


def _expand(node: Node, x: Array, shape: Array) -> Array:
    wanted = tuple(int(n) for n in shape.ravel())
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
    "Concat": one(_concat, _dconcat, "axis"),
    "Split": Operator(_split, _dsplit, frozenset({"axis", "split", "num_outputs"})),
    "Expand": one(_expand, lambda node, dy, y, x, shape: unbroadcast(dy, x)),
    "Cast": one(_cast, _dcast, "to", "saturate")._replace(check=_cast_to),
    "Constant": one(_constant, None, "value", "value_float", "value_floats", "value_int", "value_ints"),
    "ConstantOfShape": one(_constant_of_shape, None, "value"),
    "Shape": one(_shape, None, "start", "end"),
}
