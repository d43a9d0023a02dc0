"""A whole imported graph as a pair of pure functions: outputs from arrays, and gradients from upstream gradients.

    outputs, cache = graph.forward(arrays)                   arrays: parameters and inputs by name
    grads          = graph.backward(arrays, cache, upstream) upstream: one array for each output

It is the pair that `rnncore.gradcheck.check_pair` takes. The backward pass walks the nodes in reverse; each operator
has its derivative written by hand beside it, and an array that is read several times gets the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.inliner

from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.interop.onnx import arithmetic, attributes, indexing, recurrent, shaping
from rnncore.interop.onnx.nodes import DTYPES, Node, check_inputs, read_node, to_array
from rnncore.interop.onnx.operator import Operator
from rnncore.typing import Array, Grads, Params

OPERATORS: dict[str, Operator] = {
    **shaping.OPERATORS,
    **indexing.OPERATORS,
    **arithmetic.OPERATORS,
    **{
        op: Operator(recurrent.forward, recurrent.backward, names, attributes.check_attributes)
        for op, names in attributes.ATTRIBUTES.items()
    },
}
HONOURED = {name: operator.attributes for name, operator in OPERATORS.items()}


class GraphCache(NamedTuple):
    """What the backward pass needs: all arrays by name, and each node's own cache."""

    values: dict[str, Array]
    caches: tuple[Any, ...]


class Graph:
    """An imported model: its nodes in order, what it reads, what it gives.

    `params` are its floating-point initialisers, `constants` the others; `inputs` and `outputs` are names.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        arrays: Params,
    ) -> None:
        self.nodes, self.outputs = tuple(nodes), tuple(value.name for value in outputs)
        self.params: Grads = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
        self.constants = {name: a for name, a in arrays.items() if a.dtype.kind != "f"}
        self._declared, self._given = ({value.name: value for value in values} for values in (inputs, outputs))
        self.inputs = tuple(name for name in self._declared if name not in arrays)
        for name in self._declared.keys() & arrays.keys():
            _check_declared(self._declared[name], arrays[name], "initialiser")
        known = {*self.inputs, *arrays, ""}
        for node in self.nodes:
            for name in node.inputs:
                if name not in known:
                    node.refuse(f"input {name!r}", "the output of an earlier node", "no such array", "sort the graph")
            for name in filter(None, node.outputs):
                if name in known or node.outputs.count(name) > 1:
                    node.refuse(f"output {name!r}", "a new name", "one that is taken", "each array has its own")
            known |= set(node.outputs)
        for name in self.outputs:
            if name not in known:
                raise ContractError(f"output {name!r}", "an array of the graph", "no such array", "correct the graph")

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes, inputs={self.inputs}, outputs={self.outputs})"

    def layers(self) -> dict[str, tuple[Layer, Grads]]:
        """Return each recurrent node whose weights are initialisers as a layer under the contract, with its parameters.

        Keys are the names of the nodes (of their first output, where they have none).
        """
        found = {}
        for node in self.nodes:
            if node.op not in attributes.ATTRIBUTES:
                continue
            key = node.name or next(name for name in node.outputs if name)
            found[key] = recurrent.as_layer(node, [self.params.get(name) for name in node.inputs])
        return found

    def forward(self, arrays: Mapping[str, Array]) -> tuple[tuple[Array, ...], GraphCache]:
        """Return the outputs and the cache, from the inputs and, where they differ from `params`, parameters by name.

        Raises ContractError that names the input, or the node and the attribute.
        """
        values = {**self.params, **self.constants, **self._checked(arrays)}
        caches = []
        for node in self.nodes:
            given = [values[name] if name else None for name in node.inputs]
            check_inputs(node, given)
            results, cache = OPERATORS[node.op].forward(node, given)
            caches.append(cache)
            values.update({name: y for name, y in zip(node.outputs, results, strict=False) if name})
        for name, value in self._given.items():
            _check_number(value, values[name], "output")
        return tuple(values[name].copy() for name in self.outputs), GraphCache(values, tuple(caches))

    def backward(self, arrays: Mapping[str, Array], cache: GraphCache, upstream: Sequence[Array]) -> Grads:
        """Return the gradient of every parameter and floating-point input, given dLoss/doutput for each output.

        Outputs that are integers get no gradient, whatever stands in `upstream`; an array that no output depends on
        gets zeros.
        """
        if not isinstance(cache, GraphCache):
            raise ContractError("cache", "a GraphCache", f"a {type(cache).__name__}", "pass what forward returned")
        if len(upstream) != len(self.outputs):
            came = f"{len(upstream)} of them"
            raise ContractError("upstream", f"{len(self.outputs)} arrays", came, "one for each output")
        sums: Grads = {}
        for name, d in zip(self.outputs, upstream, strict=True):
            if cache.values[name].dtype.kind in "fc":
                _add(sums, name, np.asarray(d), cache.values[name])
        for node, own in zip(reversed(self.nodes), reversed(cache.caches), strict=True):
            self._back(node, own, cache.values, sums)
        reads = {name: cache.values[name] for name in (*self.params, *self.inputs)}
        return {
            name: sums[name].copy() if name in sums else np.zeros_like(a)
            for name, a in reads.items()
            if a.dtype.kind in "fc"
        }

    def _back(self, node: Node, own: Any, values: Mapping[str, Array], sums: Grads) -> None:
        """Add to the sums what one node sends back to its inputs."""
        operator = OPERATORS[node.op]
        if operator.backward is None or not any(name in sums for name in node.outputs):
            return
        results = [*node.outputs, *[""] * (len(node.schema.outputs) - len(node.outputs))]
        upstream = [sums.get(name) if name else None for name in results]
        filled = [self._zeros(node, k, values, own) if d is None else d for k, d in enumerate(upstream)]
        given = [values[name] if name else None for name in node.inputs]
        for name, d in zip(node.inputs, operator.backward(node, given, own, filled), strict=True):
            if name and d is not None and values[name].dtype.kind in "fc":
                _add(sums, name, d, values[name])

    def _zeros(self, node: Node, k: int, values: Mapping[str, Array], own: Any) -> Array:
        """Return the gradient of an output that nobody reads."""
        if k < len(node.outputs) and node.outputs[k]:
            return np.zeros_like(values[node.outputs[k]])
        if node.op in attributes.ATTRIBUTES:
            return recurrent.zeros(node, k, own)
        return np.zeros(0)

    def _checked(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Require an array for every input, of the dtype and the fixed sizes that the model declares."""
        for name in self.inputs:
            if name not in arrays:
                raise ContractError(f"input {name!r}", "an array", "none", f"the model reads {', '.join(self.inputs)}")
        for name, array in arrays.items():
            if name not in self._declared and name not in self.params and name not in self.constants:
                known = ", ".join((*self.inputs, *self.params))
                raise ContractError(f"input {name!r}", f"a name among {known}", repr(name), "correct the name")
            if not isinstance(array, np.ndarray):  # what dtype it may have, the node says that reads it
                came = f"a {type(array).__name__}"
                raise ContractError(f"input {name!r}", "a NumPy array", came, "convert it with numpy.asarray")
            if name in self._declared:
                _check_declared(self._declared[name], array, "input")
                continue
            stored = self.params[name] if name in self.params else self.constants[name]
            if array.shape != stored.shape or array.dtype not in (stored.dtype, np.complex128):
                expected, came = (f"shape {a.shape}, dtype {a.dtype}" for a in (stored, array))
                raise ContractError(name, expected, came, "it replaces an initialiser")
        return dict(arrays)


def _check_kind(value: onnx.ValueInfoProto, what: str) -> None:
    """Require a tensor of numbers that we compute in, where the model declares any."""
    kind = value.type.WhichOneof("value")
    if kind not in (None, "tensor_type"):
        came = str(kind).removesuffix("_type")
        raise ContractError(f"{what} {value.name!r}", "a tensor", f"a {came}", "it is not implemented")
    number = value.type.tensor_type.elem_type
    name = onnx.TensorProto.DataType.Name(number).lower() if number else "float32"
    name = {"float": "float32", "double": "float64"}.get(name, name)
    if name not in DTYPES or name == "complex128":
        advice = "rnncore has no such numbers"
        raise ContractError(f"{what} {value.name!r}", "float32, float64, integers or bool", name, advice)


def _check_number(value: onnx.ValueInfoProto, array: Array, what: str) -> None:
    kind = value.type.tensor_type
    if kind.elem_type and array.dtype.kind != "c":
        wanted = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
        if array.dtype != wanted:
            advice = "the model declares it so"
            raise ContractError(f"{what} {value.name!r}", f"dtype {wanted}", f"dtype {array.dtype}", advice)


def _check_declared(value: onnx.ValueInfoProto, array: Array, what: str) -> None:
    _check_number(value, array, what)
    kind, what = value.type.tensor_type, f"{what} {value.name!r}"
    if kind.HasField("shape"):
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        fits = len(sizes) == array.ndim and all(s in (None, n) for s, n in zip(sizes, array.shape, strict=True))
        if not fits:
            shown = "(" + ", ".join("any" if s is None else str(s) for s in sizes) + ")"
            raise ContractError(what, f"shape {shown}", f"shape {array.shape}", "the model declares it so")


def _add(sums: Grads, name: str, d: Array, like: Array) -> None:
    if d.shape != like.shape:
        raise ContractError(f"gradient of {name!r}", f"shape {like.shape}", f"shape {d.shape}", "as the array has")
    sums[name] = sums[name] + d if name in sums else d


def read_model(model: onnx.ModelProto, words: Mapping[str, Any]) -> Graph:
    """Return the graph of a model, every node of it read and refused where it cannot be honoured."""
    if not isinstance(model, onnx.ModelProto):
        raise ContractError("model", "an onnx.ModelProto", f"a {type(model).__name__}", "read a file with onnx.load")
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except onnx.checker.ValidationError as error:
            raise ContractError("functions", "functions that can be inlined", str(error)[:200], "see onnx") from error
    domains = ["" if o.domain == "ai.onnx" else o.domain for o in model.opset_import]
    opsets = {domain: o.version for domain, o in zip(domains, model.opset_import, strict=True)}
    proto = model.graph
    for what, names in (
        ("opset_import", domains),
        *((word, [v.name for v in values])
          for word, values in (("input", proto.input), ("output", proto.output), ("initialiser", proto.initializer))),
    ):  # fmt: skip
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ContractError(what, "each name once", f"{twice!r} more than once", "correct the model")
    if model.graph.sparse_initializer:
        raise ContractError("sparse_initializer", "none", "some", "store the initialisers as dense tensors")
    nodes = [_with(read_node(proto, opsets, HONOURED), words) for proto in model.graph.node]
    for node in nodes:
        OPERATORS[node.op].check(node)
    for what, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            _check_kind(value, what)
    arrays = {t.name: to_array(t, f"initialiser {t.name!r}") for t in model.graph.initializer}
    return Graph(nodes, model.graph.input, model.graph.output, arrays)


def _with(node: Node, words: Mapping[str, Any]) -> Node:
    return replace(node, words=words)
