"""Operators that compute: sums, products, matrices, means, activations; each with its derivative beside it.

With C = A B: dA = dC B', dB = A' dC (1). With s = softmax(x): dx = s (ds - sum(s ds)) (2); with s = log softmax(x):
dx = ds - softmax(x) sum(ds) (3). An array that was broadcast gets the sum over what was repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnncore.cells import twin
from rnncore.interop.onnx.nodes import Node
from rnncore.interop.onnx.operator import Inputs, Operator, axis_of, integers, one, unbroadcast
from rnncore.layers.onnx_activations import FUNCTIONS
from rnncore.onnx_words import NUMBERS
from rnncore.typing import Array


def _aligned(node: Node, a: Array, b: Array) -> Array:
    """Return b as it meets a: before opset 7 broadcasting had to be asked for, from the attribute `axis` on."""
    if node.version >= 7:
        return b
    if not node.flag("broadcast"):
        if a.shape != b.shape:
            node.refuse("inputs", "equal shapes", f"{a.shape} and {b.shape}", "or the attribute broadcast = 1")
        return b
    axis = int(node.attributes.get("axis", a.ndim - b.ndim))
    return b.reshape(b.shape + (1,) * (a.ndim - axis_of(node, axis, a.ndim, last=0) - b.ndim))


def binary(f: Callable[..., Array], df: Callable[..., tuple[Array, Array]] | None) -> Operator:
    """Return an operator y = f(a, b) on broadcast arrays, where df(dy, y, a, b) gives both gradients unsummed.

    df is None where y has no derivative.
    """

    def value(node: Node, a: Array, b: Array) -> Array:
        b = _aligned(node, a, b)
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            node.refuse("inputs", "shapes that broadcast", f"{a.shape} and {b.shape}", "correct the graph")
        if node.version < 7 and shape != a.shape:
            node.refuse("inputs", "a second that broadcasts to the first", f"{a.shape} and {b.shape}", "as of opset 7")
        try:
            return f(a, b)
        except ZeroDivisionError:
            node.refuse("input 'B'", "integers other than 0", "0", "divide floats")

    def slopes(node: Node, dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
        assert df is not None
        wide = _aligned(node, a, b)
        da, db = df(dy, y, a, wide)
        return unbroadcast(da, a), unbroadcast(db, wide).reshape(b.shape)

    return one(value, slopes if df else None, "axis", "broadcast")


def _where(node: Node, yes: Array, a: Array, b: Array) -> Array:
    try:
        return np.where(yes, a, b)
    except ValueError:
        shapes = f"{yes.shape}, {a.shape} and {b.shape}"
        node.refuse("inputs", "shapes that broadcast", shapes, "correct the graph")


def _dwhere(node: Node, dy: Array, y: Array, yes: Array, a: Array, b: Array) -> tuple[Array | None, ...]:
    return None, unbroadcast(np.where(yes, dy, 0), a), unbroadcast(np.where(yes, 0, dy), b)


def _range(node: Node, start: Array, limit: Array, delta: Array) -> Array:
    if not start.size == limit.size == delta.size == 1:
        node.refuse("inputs", "one number each", f"{start.shape}, {limit.shape} and {delta.shape}", "correct the graph")
    if not delta.item():
        node.refuse("input 'delta'", "a step other than 0", "0", "the range would not end")
    count = max(0, int(np.ceil((limit.item() - start.item()) / delta.item())))
    return np.asarray(start + np.arange(count) * delta).astype(start.dtype)


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    if not b.all():
        raise ZeroDivisionError
    quotient = np.abs(a) // np.abs(b)  # towards zero, as ONNX has it
    return np.asarray(np.where((a < 0) == (b < 0), quotient, -quotient).astype(a.dtype))


def _times(node: Node, a: Array, b: Array) -> Array:
    """Return a @ b, of real numbers by the fast twin of Dense: the same bits on any number of threads."""
    if node.words.get("backend", "numba") == "numba" and a.dtype.char in "fd":
        y: Array = twin("dense", "numba").product(a, b)
        return y
    return np.asarray(a @ b)


def _matmul(node: Node, a: Array, b: Array) -> Array:
    try:
        return _times(node, a, b)
    except ValueError:
        node.refuse("inputs", "matrices that can be multiplied", f"{a.shape} and {b.shape}", "correct the graph")


def _dmatmul(node: Node, dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    rows, columns = a.ndim == 1, b.ndim == 1  # a vector is a matrix of one row on the left, one column on the right
    A, B = a[None] if rows else a, b[:, None] if columns else b
    d = np.expand_dims(dy, -1) if columns else dy
    d = np.expand_dims(d, -2) if rows else d
    dA, dB = _times(node, d, B.swapaxes(-1, -2)), _times(node, A.swapaxes(-1, -2), d)  # (1)
    return unbroadcast(dA, A).reshape(a.shape), unbroadcast(dB, B).reshape(b.shape)


def _gemm_parts(node: Node, a: Array, b: Array) -> tuple[float, float, Array, Array]:
    if a.ndim != 2 or b.ndim != 2:
        node.refuse("inputs 'A' and 'B'", "matrices", f"shapes {a.shape} and {b.shape}", "put a Reshape in front")
    A, B = a.T if node.flag("transA") else a, b.T if node.flag("transB") else b
    alpha, beta = node.attributes["alpha"], node.attributes["beta"]
    if a.dtype.kind in "iu":
        if not (float(alpha).is_integer() and float(beta).is_integer()):
            node.refuse("attributes 'alpha' and 'beta'", "whole numbers for integers", f"{alpha} and {beta}", "see A")
        return int(alpha), int(beta), A, B
    return float(alpha), float(beta), A, B


def _gemm(node: Node, a: Array, b: Array, c: Array | None = None) -> Array:
    alpha, beta, A, B = _gemm_parts(node, a, b)
    product = alpha * _matmul(node, A, B)
    if c is None:
        return product
    try:
        fits = np.broadcast_shapes(c.shape, product.shape) == product.shape
    except ValueError:
        fits = False
    if not fits or (node.version < 7 and not node.flag("broadcast") and c.shape != product.shape):
        node.refuse("input 'C'", f"a shape that broadcasts to {product.shape}", str(c.shape), "correct the graph")
    return np.asarray(product + beta * c)


def _dgemm(node: Node, dy: Array, y: Array, a: Array, b: Array, c: Array | None = None) -> tuple[Array | None, ...]:
    alpha, beta, A, B = _gemm_parts(node, a, b)
    dA, dB = alpha * _times(node, dy, B.T), alpha * _times(node, A.T, dy)  # (1)
    dA, dB = dA.T if node.flag("transA") else dA, dB.T if node.flag("transB") else dB
    return (dA, dB) if c is None else (dA, dB, beta * unbroadcast(dy, c))


def _softmax_axes(node: Node, x: Array) -> tuple[int, ...]:
    """Return the axes that sum to 1: one from opset 13 on, before that all from `axis` to the last."""
    axis = axis_of(node, int(node.attributes["axis"]), x.ndim)
    return (axis,) if node.version >= 13 else tuple(range(axis, x.ndim))


def _log_softmax(node: Node, x: Array) -> Array:
    axes = _softmax_axes(node, x)
    if not x.size:
        return x.copy()
    shifted = x - x.real.max(axis=axes, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axes, keepdims=True)))


def _dsoftmax(node: Node, ds: Array, s: Array, x: Array) -> Array:
    return np.asarray(s * (ds - (s * ds).sum(axis=_softmax_axes(node, x), keepdims=True)))  # (2)


def _dlog_softmax(node: Node, ds: Array, s: Array, x: Array) -> Array:
    return np.asarray(ds - np.exp(s) * ds.sum(axis=_softmax_axes(node, x), keepdims=True))  # (3)


def _reduced(node: Node, x: Array, *rest: Array | None) -> tuple[int, ...]:
    axes = integers(node, "axes", 1, [x, *rest])
    if not axes:
        return () if node.flag("noop_with_empty_axes") else tuple(range(x.ndim))
    return tuple(axis_of(node, k, x.ndim, "'axes'") for k in axes)


def reduction(f: Callable[..., Array], share: Callable[..., Any]) -> Operator:
    """Return an operator that folds axes into one number, of which each entry has a share in the gradient."""

    def value(node: Node, x: Array, *rest: Array | None) -> Array:
        axes = _reduced(node, x, *rest)
        return f(x, axis=axes, keepdims=node.flag("keepdims")).astype(x.dtype) if axes else x  # NumPy widens integers

    def slope(node: Node, dy: Array, y: Array, x: Array, *rest: Array | None) -> Array:
        axes = _reduced(node, x, *rest)
        kept = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
        return np.broadcast_to(dy.reshape(kept) * share(x, axes), x.shape).copy()

    return one(value, slope, "axes", "keepdims", "noop_with_empty_axes")


def activation(name: str) -> Operator:
    """Return an activation of the recurrent operators as an operator of its own."""
    value, slope = FUNCTIONS[name]

    def numbers(node: Node) -> tuple[float, float]:
        return node.attributes.get("alpha", 0.0), node.attributes.get("beta", 0.0)

    return one(
        lambda node, x: value(x, *numbers(node)),
        lambda node, dy, y, x: dy * slope(x, *numbers(node)),
        *NUMBERS[name],
    )


def _dropout(node: Node, inputs: Inputs) -> tuple[list[Array], Any]:
    x, *rest = inputs
    assert x is not None
    training = rest[1] if len(rest) > 1 else None
    if (training is not None and bool(training.any())) or (node.version < 7 and not node.flag("is_test")):
        part = "input 'training_mode'" if training is not None else "attribute 'is_test'"
        node.refuse(part, "inference", "training", "its masks cannot be replayed; export the model for inference")
    mask = np.ones(x.shape, bool if node.version >= 10 else x.dtype)
    return [x, mask][: len(node.outputs)], None


def _ddropout(node: Node, inputs: Inputs, cache: Any, upstream: Sequence[Array]) -> list[Array | None]:
    return [upstream[0], *[None] * (len(inputs) - 1)]


def _count(x: Array, axes: tuple[int, ...]) -> int:
    return int(np.prod([x.shape[k] for k in axes]))


OPERATORS: dict[str, Operator] = {
    "Add": binary(lambda a, b: a + b, lambda dy, y, a, b: (dy, dy)),
    "Sub": binary(lambda a, b: a - b, lambda dy, y, a, b: (dy, -dy)),
    "Mul": binary(lambda a, b: a * b, lambda dy, y, a, b: (dy * b, dy * a)),
    "Div": binary(_divide, lambda dy, y, a, b: (dy / b, -dy * y / b)),
    "Neg": one(lambda node, x: -x, lambda node, dy, y, x: -dy),
    "Exp": one(lambda node, x: np.exp(x), lambda node, dy, y, x: dy * y),
    "Log": one(lambda node, x: np.log(x), lambda node, dy, y, x: dy / x),
    "Sqrt": one(lambda node, x: np.sqrt(x), lambda node, dy, y, x: dy / (2 * y)),
    "Less": binary(lambda a, b: a.real < b.real, None),
    "Greater": binary(lambda a, b: a.real > b.real, None),
    "Where": one(_where, _dwhere),
    "Range": one(_range, None),
    "MatMul": one(_matmul, _dmatmul),
    "Gemm": one(_gemm, _dgemm, "alpha", "beta", "transA", "transB", "broadcast"),
    "Softmax": one(lambda node, x: np.exp(_log_softmax(node, x)), _dsoftmax, "axis"),
    "LogSoftmax": one(_log_softmax, _dlog_softmax, "axis"),
    "ReduceSum": reduction(np.sum, lambda x, axes: 1.0),
    "ReduceMean": reduction(np.mean, lambda x, axes: 1 / max(_count(x, axes), 1)),
    "Dropout": Operator(_dropout, _ddropout, frozenset({"ratio", "is_test", "seed"})),
    **{name: activation(name) for name in NUMBERS if name not in ("Affine", "ScaledTanh", "ThresholdedRelu")},
    "ThresholdedRelu": one(  # zero at its threshold, where the activation of the recurrent operators is x
        lambda node, x: np.where(x.real <= node.attributes["alpha"], 0, x),
        lambda node, dy, y, x: dy * FUNCTIONS["ThresholdedRelu"][1](x, node.attributes["alpha"], 0.0),
        "alpha",
    ),
}
