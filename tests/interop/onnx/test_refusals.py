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


REFUSED = {
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
