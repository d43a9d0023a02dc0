"""`is_compatible` says no to whatever `prepare` refuses, and `prepare` refuses when it reads, not when it runs."""

import numpy as np
import onnx
import pytest
from nodes import make_model
from onnx import TensorProto, helper

import rnncore as rc
from rnncore.interop.onnx import RnncoreBackend, is_compatible, prepare

RNG = np.random.default_rng(0)


def cell(dtype="float32", op="LSTM", **attributes):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    shapes = {"X": (3, 2, 2), "W": (1, 2 * gates, 2), "R": (1, 2 * gates, 2)}
    arrays = {name: RNG.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    return make_model(op, attributes, arrays)


def small(op, kind, gives=TensorProto.FLOAT, opset=13, **attributes):
    node = helper.make_node(op, ["x"], ["y"], name="small", **attributes)
    x, y = (helper.make_tensor_value_info(n, k, [2, 2]) for n, k in (("x", kind), ("y", gives)))
    return helper.make_model(
        helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )


def of_sequences():
    x = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def with_half_initialiser():
    model = small("Identity", TensorProto.FLOAT)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(2, "float16"), "w"))
    return model


def of(*nodes, opsets=(("", 13),), stored=(), functions=(), sparse=(), inputs=("x",), outputs=("y",)):
    """A model of these nodes; x and y are (2, 2) float32, and so is each array of `stored`, which are tensors."""
    what = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, 2]) for n in names] for names in (inputs, outputs)]
    graph = helper.make_graph(list(nodes), "g", *what, list(stored), sparse_initializer=list(sparse))
    versions = [helper.make_opsetid(*pair) for pair in opsets]
    return helper.make_model(graph, opset_imports=versions, ir_version=8, functions=list(functions))


def node(op, inputs=("x",), outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), name="odd", **attributes)


def twice(one, **attributes):
    one.attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
    return one


def tensor(array=None, **fields):
    made = onnx.numpy_helper.from_array(np.ones((2, 2), "float32") if array is None else array, "w")
    for name, value in fields.items():
        if name == "dims":
            made.dims[:] = value
        else:
            setattr(made, name, value)
    return made


RELU, ADD = node("Relu"), node("Add", ("x", "w"))
SPARSE = helper.make_sparse_tensor(tensor(np.ones(1, "float32")), tensor(np.zeros(1, "int64")), [4])
BRANCH = helper.make_graph([node("Relu", outputs=("z",))], "b", [], [helper.make_empty_tensor_value_info("z")])
LOCAL = (("", 13), ("local", 1))
CALL = helper.make_node("Again", ["x"], ["y"], domain="local")
ITSELF = helper.make_function("local", "Again", ["x"], ["y"], [CALL], [helper.make_opsetid(*pair) for pair in LOCAL])
MALFORMED = {
    "two versions": (of(RELU, opsets=(("", 13), ("ai.onnx", 11))), "opset_import.*'' more than once"),
    "no version": (of(RELU, opsets=()), "opset_import.*received none"),
    "a version to come": (of(RELU, opsets=(("", 999),)), "opset_import.*received 999"),
    "another domain": (of(helper.make_node("Gelu", ["x"], ["y"], domain="com.other"), opsets=LOCAL), "'com.other'"),
    "an unknown function": (of(CALL, opsets=LOCAL), "Again of the domain 'local'"),
    "a function of itself": (of(CALL, opsets=LOCAL, functions=(ITSELF,)), "functions.*recursive"),
    "a float for an axis": (of(node("Softmax", axis=1.0)), "'odd'.*'axis': expected one of kind INT, received FLOAT"),
    "a list for an axis": (of(node("Softmax", axis=[1])), "'odd'.*'axis': expected one of kind INT, received INTS"),
    "an axis said twice": (of(twice(node("Softmax", axis=0), axis=1)), "'odd'.*'axis': expected one value"),
    "a branch": (of(node("If", then_branch=BRANCH, else_branch=BRANCH)), "'odd'.*received If"),
    "a name taken twice": (of(RELU, node("Tanh")), "'odd' .Tanh., output 'y': expected a new name"),
    "a name twice in a node": (of(node("Split", outputs=("y", "y"))), "'odd' .Split., output 'y': expected a new name"),
    "an input written to": (of(node("Relu", outputs=("x",)), RELU), "'odd' .Relu., output 'x'"),
    "an initialiser written to": (of(node("Relu", outputs=("w",)), ADD, stored=(tensor(),)), "output 'w'"),
    "an output without a name": (of(node("Relu", outputs=("",)), RELU), "'odd' .Relu., outputs.*received none"),
    "a gap among many": (of(node("Concat", ("x", ""), axis=0)), "'odd' .Concat., input 'inputs'.*an empty name"),
    "an input twice": (of(RELU, inputs=("x", "x")), "input: expected each name once, received 'x'"),
    "an output twice": (of(RELU, outputs=("y", "y")), "output: expected each name once, received 'y'"),
    "an initialiser twice": (of(ADD, stored=(tensor(), tensor())), "initialiser: expected each name once"),
    "a default of another shape": (
        of(ADD, stored=(tensor(np.ones(2, "float32")),), inputs=("x", "w")), r"initialiser 'w': expected shape \(2, 2\)"
    ),
    "too few numbers": (of(ADD, stored=(tensor(dims=[7, 2]),)), r"initialiser 'w'.*shape \(7, 2\)"),
    "a negative size": (of(ADD, stored=(tensor(dims=[-2, 2]),)), "initialiser 'w'.*a negative size"),
    "strings": (of(ADD, stored=(helper.make_tensor("w", TensorProto.STRING, [1], [b"a"]),)), "initialiser 'w'"),
    "data elsewhere": (
        of(ADD, stored=(tensor(data_location=TensorProto.EXTERNAL),)), "initialiser 'w'.*a reference to another file"
    ),
    "a sparse initialiser": (of(RELU, sparse=(SPARSE,)), "sparse_initializer"),
    "a sparse constant": (of(node("Constant", (), sparse_value=SPARSE)), "'odd'.*'sparse_value'"),
    "a constant of letters": (of(node("Constant", (), value_string="a")), "'odd'.*'value_string'"),
    "a constant elsewhere": (
        of(node("Constant", (), value=tensor(data_location=TensorProto.EXTERNAL))), "'odd'.*'value'.*another file"
    ),
}  # fmt: skip
REFUSED = MALFORMED | {
    "float16 in": (small("Relu", TensorProto.FLOAT16, TensorProto.FLOAT16), "input 'x'.*received float16"),
    "bfloat16 in": (small("Relu", TensorProto.BFLOAT16, TensorProto.BFLOAT16), "input 'x'.*received bfloat16"),
    "strings": (small("Identity", TensorProto.STRING, TensorProto.STRING), "input 'x'.*received string"),
    "complex": (small("Identity", TensorProto.COMPLEX128, TensorProto.COMPLEX128), "input 'x'.*received complex128"),
    "a cast to float16": (small("Cast", TensorProto.FLOAT, TensorProto.FLOAT16, to=10), "'small'.*'to'.*float16"),
    "a sequence": (of_sequences(), "input 'x': expected a tensor, received a sequence"),
    "a float16 initialiser": (with_half_initialiser(), "initialiser 'w'.*float16"),
    "a float16 cell": (cell("float16"), "input 'X'.*received float16"),
    "an unknown operator": (small("Erf", TensorProto.FLOAT), "'small'.*Erf"),
    "an unknown activation": (cell(activations=["Tanh", "Gelu", "Tanh"]), "'cell'.*'activations'.*Relu"),
    "too few activations": (cell(op="GRU", activations=["Sigmoid"]), "'cell'.*'activations': expected 2"),
    "too many numbers": (cell(activation_alpha=[0.1]), "'cell'.*'activation_alpha'"),
    "a negative clip": (cell(clip=-1.0), "'cell'.*'clip'"),
    "an odd direction": (cell(direction="up"), "'cell'.*'direction'"),
    "a layout of 2": (cell(layout=2), "'cell'.*'layout'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_prepare_refuses_is_not_compatible_and_is_refused_before_it_runs(name):
    model, words = REFUSED[name]
    assert not is_compatible(model)
    with pytest.raises(rc.ContractError, match=words):
        prepare(model)


def test_what_comes_out_as_another_number_than_the_model_declares_is_refused():
    with pytest.raises(rc.ContractError, match="output 'y': expected dtype int64, received dtype float32"):
        prepare(small("Relu", TensorProto.FLOAT, TensorProto.INT64)).run([np.ones((2, 2), "float32")])


def test_an_initialiser_is_the_default_of_an_input_and_can_be_given():
    x, w = np.ones((2, 2), "float32"), np.full((2, 2), 3, "float32")
    for inputs in (("x",), ("x", "w")):
        rep = prepare(of(ADD, stored=(tensor(),), inputs=inputs))
        assert rep.run([x])[0][0, 0] == 2 and rep.run({"x": x, "w": w})[0][0, 0] == 4
        for wrong in (w[:1], w.astype("float64")):
            with pytest.raises(rc.ContractError, match=r"w'?: expected .*(shape|dtype)"):
                rep.run({"x": x, "w": wrong})


def test_a_function_of_the_model_is_taken_apart_with_its_attributes():
    inside = helper.make_node("Softmax", ["a"], ["b"])
    inside.attribute.append(onnx.AttributeProto(name="axis", type=onnx.AttributeProto.INT, ref_attr_name="k"))
    own = helper.make_function("local", "Own", ["a"], ["b"], [inside], [helper.make_opsetid("", 13)], ["k"])
    call = helper.make_node("Own", ["x"], ["y"], domain="local", k=0)
    (y,) = prepare(of(call, opsets=LOCAL, functions=(own,))).run([np.array([[0, 1], [0, 1]], "float32")])
    assert (y == 0.5).all()


@pytest.mark.parametrize("model", ["model.onnx", None, b""])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(rc.ContractError, match=r"model: expected an onnx\.ModelProto"):
        prepare(model)


def test_another_device_or_word_is_not_compatible():
    assert is_compatible(cell())
    assert not is_compatible(cell(), "CUDA") and not is_compatible(cell(), backend="jax")
    assert not RnncoreBackend.supports_device("CUDA:0")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ["RNN", "LSTM", "GRU"])
def test_what_is_compatible_runs(op, dtype):
    model = cell(dtype, op)
    arrays = {v.name: np.ones([d.dim_value for d in v.type.tensor_type.shape.dim], dtype) for v in model.graph.input}
    assert is_compatible(model) and prepare(model).run(arrays)[0].dtype == dtype
