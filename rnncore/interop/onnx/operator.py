"""What a small operator is: a pair of functions of a node and its arrays, and the attributes that they honour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnncore.interop.onnx.nodes import Node
from rnncore.typing import Array

Inputs = Sequence[Array | None]
Forward = Callable[[Node, Inputs], tuple[list[Array], Any]]
Backward = Callable[[Node, Inputs, Any, Sequence[Array]], list[Array | None]]


class Operator(NamedTuple):
    """`forward(node, inputs) -> (outputs, cache)` and `backward(node, inputs, cache, upstream) -> gradients`.

    `backward` is None where no output has a derivative (Shape and the like). A gradient is None where the input has
    none. `attributes` are those the pair reads: a node that sets another one is refused. `check(node)` refuses what is
    wrong whatever the arrays are, when the model is read.
    """

    forward: Forward
    backward: Backward | None
    attributes: frozenset[str] = frozenset()
    check: Callable[[Node], Any] = lambda node: None


def one(f: Callable[..., Array], df: Callable[..., Any] | None, *attributes: str) -> Operator:
    """Return the operator with one output y = f(node, *inputs), where `df(node, dy, y, *inputs)` gives the gradients.

    df returns one gradient, or a tuple of them: of the first inputs, the others have none.
    """

    def forward(node: Node, inputs: Inputs) -> tuple[list[Array], Any]:
        y = np.asarray(f(node, *inputs))
        return [y], y

    def backward(node: Node, inputs: Inputs, cache: Any, upstream: Sequence[Array]) -> list[Array | None]:
        assert df is not None
        grads = df(node, upstream[0], cache, *inputs)
        rows = list(grads) if isinstance(grads, tuple) else [grads]
        return [*rows, *[None] * (len(inputs) - len(rows))]

    return Operator(forward, backward if df is not None else None, frozenset(attributes))


def unbroadcast(d: Array, like: Array) -> Array:
    """Return the gradient of an array that was broadcast to the shape of d: the sum over what was repeated.

    >>> unbroadcast(np.ones((2, 3, 4)), np.zeros((3, 1))).ravel()
    array([8., 8., 8.])
    """
    d = d.sum(axis=tuple(range(d.ndim - like.ndim)))
    stretched = tuple(k for k, n in enumerate(like.shape) if n == 1 and d.shape[k] != 1)
    return d.sum(axis=stretched, keepdims=True) if stretched else d


def integers(node: Node, name: str, position: int, inputs: Inputs) -> list[int] | None:
    """Return a list of integers that older opsets keep in an attribute and newer ones in an input; None: left out."""
    if name in node.attributes:
        return [int(k) for k in node.attributes[name]]
    array = inputs[position] if position < len(inputs) else None
    if array is None:
        return None
    if array.dtype.kind not in "iu" or array.ndim > 1:
        came = f"shape {array.shape}, dtype {array.dtype}"
        node.refuse(node.input_name(position), "a list of integers", came, "correct the graph")
    return [int(k) for k in array.ravel()]


def axis_of(node: Node, value: int, ndim: int, what: str = "attribute 'axis'", last: int = -1) -> int:
    """Return an axis counted from the front; ContractError where there is none. `last`: how far beyond is allowed."""
    top = ndim + last
    if not -ndim <= value <= top:
        node.refuse(what, f"an axis from {-ndim} to {top}", str(value), f"the array has {ndim} axes")
    return value + ndim if value < 0 else value
