"""Operators that look numbers up by place: slicing, gathering, scattering, the largest, and turning sequences round.

A gradient goes back to the place that was read, and is added up where one was read more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore.interop.onnx.nodes import Node
from rnncore.interop.onnx.operator import Inputs, Operator, axis_of, integers, one
from rnncore.typing import Array


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
        if chosen[k] != slice(None):
            node.refuse("'axes'", "different axes", str(axes), "each axis once")
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


def _places(node: Node, x: Array, indices: Array) -> tuple[Array, ...]:
    """Return the place in x of each index that moves along the axis alone."""
    axis, where = _indices(node, x, indices)
    if where.ndim != x.ndim or any(n > x.shape[k] for k, n in enumerate(where.shape) if k != axis):
        node.refuse("input 'indices'", f"a shape within {x.shape}", f"shape {where.shape}", "but for the axis itself")
    full: list[Array] = list(np.indices(where.shape))
    full[axis] = where
    return tuple(full)


def _dgather(node: Node, dy: Array, y: Array, x: Array, indices: Array) -> Array:
    axis, where = _indices(node, x, indices)
    dx = np.zeros(x.shape, dy.dtype)
    front = np.moveaxis(dx, axis, 0)
    moved = np.moveaxis(dy, range(axis, axis + indices.ndim), range(indices.ndim))
    np.add.at(front, where, moved)
    return dx


def _dgather_elements(node: Node, dy: Array, y: Array, x: Array, indices: Array) -> Array:
    dx = np.zeros(x.shape, dy.dtype)
    np.add.at(dx, _places(node, x, indices), dy)
    return dx


def _gather_elements(node: Node, x: Array, indices: Array) -> Array:
    return np.asarray(x[_places(node, x, indices)])


def _scatter(node: Node, x: Array, indices: Array, updates: Array) -> Array:
    if node.attributes.get("reduction", "none") != "none":
        node.wrong("reduction", "'none'", "no other is implemented")
    if updates.shape != indices.shape:
        node.refuse("input 'updates'", f"shape {indices.shape}, as 'indices' has", f"{updates.shape}", "see 'indices'")
    y = x.copy()
    y[_places(node, x, indices)] = updates
    return y


def _dscatter(node: Node, dy: Array, y: Array, x: Array, indices: Array, updates: Array) -> tuple[Array, Array]:
    places, dx = _places(node, x, indices), dy.copy()
    dx[places] = 0
    return dx, np.asarray(dy[places])


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


OPERATORS: dict[str, Operator] = {
    "Slice": one(lambda node, x, *rest: x[_slices(node, x, *rest)], _dslice, "starts", "ends", "axes"),
    "Gather": one(lambda node, x, k: np.take(x, _indices(node, x, k)[1], _indices(node, x, k)[0]), _dgather, "axis"),
    "GatherElements": one(_gather_elements, _dgather_elements, "axis"),
    "ScatterElements": one(_scatter, _dscatter, "axis", "reduction"),
    "TopK": Operator(_top_k, _dtop_k, frozenset({"axis", "k", "largest", "sorted"})),
    "ReverseSequence": one(
        _reverse_sequence,
        lambda node, dy, y, x, lengths: _reverse_sequence(node, dy, lengths),
        *("time_axis", "batch_axis"),
    ),
}
