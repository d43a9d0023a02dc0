"""Random recurrent nodes with their arrays, and other ways to compute them."""

import itertools

import numpy as np
import onnx
from onnx import helper

from rnncore.interop.onnx import run_node

ORDER = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
COUNT = {"RNN": 1, "GRU": 2, "LSTM": 3}
TAKES = {"Affine": 2, "LeakyRelu": 1, "ThresholdedRelu": 1, "ScaledTanh": 2, "HardSigmoid": 2, "Elu": 1}
NAMES = [*TAKES, "Relu", "Tanh", "Sigmoid", "Softsign", "Softplus"]
OUTPUTS = {"RNN": ("Y", "Y_h"), "GRU": ("Y", "Y_h"), "LSTM": ("Y", "Y_h", "Y_c")}


def random_case(rng, op, *, layout=0, dtype="float32", scale=0.7, numbers=True, known=NAMES):
    """Return (attributes, arrays) of a node that says as much as it can."""
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    dirs, G = 1 + (direction == "bidirectional"), GATES[op]
    T, N, D, H = (int(rng.integers(1, n)) for n in (6, 5, 5, 5))
    state = (N, dirs, H) if layout else (dirs, N, H)
    shapes = {
        "X": (N, T, D) if layout else (T, N, D),
        "W": (dirs, G * H, D),
        "R": (dirs, G * H, H),
        "B": (dirs, 2 * G * H),
        "initial_h": state,
    }
    if op == "LSTM":
        shapes |= {"initial_c": state, "P": (dirs, 3 * H)}
    arrays = {name: (rng.normal(size=shape) * scale).astype(dtype) for name, shape in shapes.items()}
    for name in [n for n in shapes if n not in ("X", "W", "R")]:
        if rng.random() < 0.35:
            del arrays[name]
    if rng.random() < 0.7:
        arrays["sequence_lens"] = rng.integers(0, T + 1, N).astype("int32")
    attributes = {"hidden_size": H, "direction": direction}
    if layout:
        attributes["layout"] = 1
    if rng.random() < 0.5:
        attributes["clip"] = float(np.round(rng.uniform(0.2, 1.0), 3))
    if op == "LSTM" and rng.random() < 0.4:
        attributes["input_forget"] = 1
    if op == "GRU" and rng.random() < 0.5:
        attributes["linear_before_reset"] = 1
    if rng.random() < 0.75:
        names = [str(rng.choice(known)) for _ in range(COUNT[op] * dirs)]
        attributes["activations"] = [str(rng.choice([n, n.lower(), n.upper()])) for n in names]
        alphas = sum(TAKES.get(n, 0) >= 1 for n in names)
        betas = sum(TAKES.get(n, 0) >= 2 for n in names)
        if alphas and numbers:
            attributes["activation_alpha"] = [float(v) for v in rng.uniform(0.2, 0.9, alphas).round(3)]
        if betas and numbers:
            attributes["activation_beta"] = [float(v) for v in rng.uniform(0.2, 0.9, betas).round(3)]
    return attributes, arrays


def make_model(op, attributes, arrays, opset=14, outputs=None, weights=False):
    """Return a model of one node; `weights` puts W, R, B and P into initialisers."""
    names = [n for n in ORDER if op == "LSTM" or n not in ("initial_c", "P")]
    listed = [n if n in arrays else "" for n in names]
    while not listed[-1]:
        listed.pop()
    node = helper.make_node(op, listed, list(outputs or OUTPUTS[op]), name="cell", **attributes)
    kept = [n for n in arrays if weights and n in ("W", "R", "B", "P")]
    kind = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in arrays.items()}
    inputs = [helper.make_tensor_value_info(n, kind[n], a.shape) for n, a in arrays.items() if n not in kept]
    gives = [helper.make_tensor_value_info(n, kind["X"], None) for n in node.output if n]
    graph = helper.make_graph([node], "g", inputs, gives, [onnx.numpy_helper.from_array(arrays[n], n) for n in kept])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def onnxruntime_outputs(model, arrays):
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: arrays[i.name] for i in session.get_inputs()})


def run(op, opset, *arrays, outputs=("y",), **attributes):
    """Return the first output of a node that is called 'small'."""
    return run_node(
        helper.make_node(op, [f"x{k}" for k in range(len(arrays))], list(outputs), name="small", **attributes),
        list(arrays), opset_version=opset,
    )[0]  # fmt: skip


def swapped(arrays):
    """Return the arrays of layout 0 as those of layout 1, and the other way round."""
    first = {"X", "initial_h", "initial_c"}
    return {n: np.ascontiguousarray(a.swapaxes(0, 1)) if n in first else a for n, a in arrays.items()}


ALL = list(itertools.product(GATES, range(40)))
