"""A node of an ONNX graph, read against the schema of its operator: nothing it says may be overlooked.

A node is refused, with its name and the attribute's, where its operator is not one of ours, where it has an attribute
that the operator does not know in this opset, that is of another kind, said twice, or not honoured by us, where inputs
are missing or too many, or of a dtype that the operator does not have in this opset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import defs, helper

from rnncore.errors import ContractError
from rnncore.typing import Array

Schema = Any  # onnx.defs.OpSchema
FLOATS = ("float32", "float64")
WIDE = (*FLOATS, "complex128")  # complex128: in the gradient laboratory
DTYPES = (*WIDE, "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
NAMES = {"tensor(float)": "float32", "tensor(double)": "float64"} | {f"tensor({name})": name for name in DTYPES[3:]}


@dataclass(frozen=True)
class Node:
    """An operator, the version of it that the opset means, its attributes with their defaults, and what it reads.

    `words` are the caller's own: backend, clip_cell. `given` are the names of the attributes that the file sets.
    """

    op: str
    name: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    given: frozenset[str]
    schema: Schema = field(repr=False)
    words: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.op})" if self.name else f"the {self.op} node that makes {self.outputs}"

    def refuse(self, part: str, expected: str, received: str, advice: str) -> NoReturn:
        """Raise ContractError that names this node and the part of it."""
        raise ContractError(f"{self}, {part}", expected, received, advice)

    def wrong(self, attribute: str, expected: str, advice: str = "correct the node") -> NoReturn:
        """Raise ContractError that names this node and an attribute."""
        value = self.attributes.get(attribute)
        self.refuse(f"attribute {attribute!r}", expected, repr(value)[:80], advice)

    def input_name(self, k: int) -> str:
        """Return how messages call input k: by the name in the specification."""
        known = self.schema.inputs
        return f"input {known[min(k, len(known) - 1)].name!r}"

    def flag(self, attribute: str) -> bool:
        """Return an attribute that is 0 or 1."""
        value = self.attributes.get(attribute, 0)
        if value not in (0, 1):
            self.wrong(attribute, "0 or 1")
        return bool(value)


def read_node(proto: onnx.NodeProto, opsets: Mapping[str, int], honoured: Mapping[str, frozenset[str]]) -> Node:
    """Return the node, or raise ContractError. `honoured` gives each operator of ours the attributes it reads."""
    label = f"node {proto.name!r} ({proto.op_type})"
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    opset, newest = opsets.get(domain), defs.onnx_opset_version()
    if domain or proto.op_type not in honoured:
        came = f"{proto.op_type} of the domain {domain!r}" if domain else proto.op_type
        raise ContractError(label, f"an operator among {', '.join(sorted(honoured))}", came, "it is not implemented")
    if opset is None:
        raise ContractError("opset_import", "a version of the domain ''", "none", f"{label} needs one")
    if opset > newest:
        advice = "a newer onnx knows what has changed"
        raise ContractError("opset_import", f"a version up to {newest} of the domain ''", str(opset), advice)
    try:
        schema = defs.get_schema(proto.op_type, opset, "")
    except defs.SchemaError as error:
        raise ContractError(label, f"an operator of opset {opset}", proto.op_type, str(error)[:80]) from None
    given = {a.name: _value(a, label) for a in proto.attribute}
    defaults = {k: helper.get_attribute_value(a.default_value) for k, a in schema.attributes.items() if _has(a)}
    attributes = {k: _text(v) for k, v in {**defaults, **given}.items()}
    node = Node(
        proto.op_type, proto.name, schema.since_version, tuple(proto.input), tuple(proto.output), attributes,
        frozenset(given), schema,
    )  # fmt: skip
    for said in proto.attribute:
        name, kind = said.name, onnx.AttributeProto.AttributeType.Name(said.type)
        if name not in schema.attributes:
            known = ", ".join(sorted(schema.attributes)) or "none"
            node.wrong(name, f"attributes among {known}", f"{proto.op_type} of opset {opset} has no such attribute")
        if name not in honoured[proto.op_type]:
            node.wrong(name, "no such attribute", "it is not implemented")
        wanted: Any = schema.attributes[name].type
        if kind != wanted.name:
            node.refuse(f"attribute {name!r}", f"one of kind {wanted.name}", kind, "see the specification")
        if sum(name == other.name for other in proto.attribute) > 1:
            node.wrong(name, "one value", "it stands there more than once")
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in given:
            node.wrong(name, "a value", "the specification requires it")
    _check_counts(node)
    return node


def _has(attribute: Any) -> bool:
    return bool(attribute.default_value.type)


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [_text(entry) for entry in value]
    return value


def _value(attribute: onnx.AttributeProto, label: str) -> Any:
    """Return an attribute's value: a number, a string, a list of them, or an array."""
    if attribute.ref_attr_name or attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        came = "a reference" if attribute.ref_attr_name else "a graph"
        raise ContractError(f"{label}, attribute {attribute.name!r}", "a value", came, "it is not implemented")
    value = helper.get_attribute_value(attribute)
    return to_array(value, f"{label}, attribute {attribute.name!r}") if isinstance(value, onnx.TensorProto) else value


def _check_counts(node: Node) -> None:
    """Require the inputs and outputs that the schema requires."""
    for what, names, formal, least, most in (
        ("inputs", node.inputs, node.schema.inputs, node.schema.min_input, node.schema.max_input),
        ("outputs", node.outputs, node.schema.outputs, node.schema.min_output, node.schema.max_output),
    ):
        if not least <= len(names) <= most:
            node.refuse(what, f"{least} to {most}", str(len(names)), "see the specification of the operator")
        if what == "outputs" and not any(names):
            node.refuse(what, "one with a name", "none", "the node makes nothing")
        for k, name in enumerate(names):
            parameter = formal[min(k, len(formal) - 1)]
            if not name and parameter.option != defs.OpSchema.FormalParameterOption.Optional and what == "inputs":
                node.refuse(f"input {parameter.name!r}", "an array", "an empty name", "it is not optional")


def to_array(tensor: onnx.TensorProto, what: str) -> Array:
    """Return a tensor as an array of a dtype that we compute in; ContractError for float16, strings and the like."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        advice = "load it with onnx.load, which reads the data too"
        raise ContractError(what, "data inside the model", "a reference to another file", advice)
    try:
        if min(tensor.dims, default=0) < 0:
            raise ValueError("a negative size")
        array = np.array(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError) as error:
        raise ContractError(what, f"numbers of shape {tuple(tensor.dims)}", str(error)[:80], "write it anew") from error
    if array.dtype.name not in DTYPES:
        raise ContractError(what, "float32, float64, integers or bool", str(array.dtype), "rnncore has no such numbers")
    return array


def check_inputs(node: Node, arrays: Sequence[Array | None]) -> None:
    """Require dtypes that we compute in, and one dtype wherever the specification has one letter."""
    seen: dict[str, tuple[str, str]] = {}
    for k, array in enumerate(arrays):
        if array is None:
            continue
        dtype = array.dtype.name
        if dtype not in DTYPES:
            advice = "rnncore computes in float32 and float64; put a Cast in front"
            node.refuse(node.input_name(k), "float32, float64, integers or bool", dtype, advice)
        formal = node.schema.inputs[min(k, len(node.schema.inputs) - 1)]
        letter = formal.type_str
        dtype = "float64" if dtype == "complex128" else dtype
        known = [NAMES[kind] for kind in formal.types if kind in NAMES]
        if dtype not in known and formal.name != "sequence_lens":  # which may be int64 too; the operators look
            advice = f"{node.op} of this opset has no others; put a Cast in front"
            node.refuse(node.input_name(k), " or ".join(sorted(known)), dtype, advice)
        first, where = seen.setdefault(letter, (dtype, node.input_name(k)))
        if dtype != first:
            node.refuse(node.input_name(k), f"{first}, as {where} has", dtype, "put a Cast in front")
