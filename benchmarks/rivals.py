"""The rivals, with rnncore's weights: torch modules and onnxruntime sessions. Absent ones give None."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def present(name: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def torch_biases(params: Any) -> tuple[Any, Any]:
    """The two biases of every framework; rnncore's RNN and LSTM have one, since only their sum matters."""
    return (params["bx"], params["bh"]) if "bx" in params else (params["b"], 0 * params["b"])


def torch_module(cell: str, params: Any, single_step: bool = False) -> Any:
    """torch.nn.RNN, LSTM or GRU, or the Cell of that name, with rnncore's weights."""
    torch = present("torch")
    D, H = len(params["Wx"]), len(params["Wh"])
    kind = getattr(torch.nn, cell + "Cell" if single_step else cell)
    module = kind(D, H).to(torch.from_numpy(params["Wx"]).dtype)
    load_torch(module, params, "" if single_step else "_l0")
    return module


def load_torch(module: Any, params: Any, suffix: str) -> None:
    """Copy rnncore's weights into the parameters of a torch module that end in `suffix`."""
    torch = present("torch")
    bx, bh = torch_biases(params)
    values = {"weight_ih": params["Wx"].T, "weight_hh": params["Wh"].T, "bias_ih": bx, "bias_hh": bh}
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, name + suffix).copy_(torch.from_numpy(np.ascontiguousarray(value)))


def onnx_session(cell: str, params: Any, threads: int) -> Callable[..., list[Any]] | None:
    """A call (x, *states) -> [y, *final states] on onnxruntime, from one hand-made node; None where it is absent.

    ONNX orders the blocks i o f g and z r n; GRU has linear_before_reset=1, which is rnncore's reset="after".
    """
    onnx, runtime = present("onnx"), present("onnxruntime")
    if onnx is None or runtime is None:
        return None
    H = len(params["Wh"])
    order = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}[cell]

    def blocks(a: Any) -> Any:
        return np.concatenate([np.split(a, GATES[cell], axis=-1)[k] for k in order], axis=-1)

    bx, bh = torch_biases(params)
    weights = {"W": blocks(params["Wx"]).T[None], "R": blocks(params["Wh"]).T[None]}
    weights["B"] = np.concatenate([blocks(bx), blocks(bh)])[None]
    states = ["h", "c"] if cell == "LSTM" else ["h"]
    words = {"linear_before_reset": 1} if cell == "GRU" else {}
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(
        cell, ["x", "W", "R", "B", "", *states], ["y", *(f"{s}_T" for s in states)], hidden_size=H, **words
    )
    tensors = [onnx.numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in weights.items()]
    inputs = [helper.make_tensor_value_info(name, kind, [None] * 3) for name in ("x", *states)]
    outputs = [helper.make_tensor_value_info(name, kind, None) for name in ("y", *(f"{s}_T" for s in states))]
    graph = helper.make_graph([node], cell, inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def call(x: Any, *state: Any) -> list[Any]:
        given = dict(zip(states, (s[None] for s in state), strict=True))
        return session.run(None, {"x": x, **given})

    return call
