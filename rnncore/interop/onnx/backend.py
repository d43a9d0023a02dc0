"""ONNX's own Backend interface: `prepare`, `run_model`, `run_node`, `supports_device`, `is_compatible`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, namedtupledict

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.interop.onnx.graph import Graph, read_model
from rnncore.typing import Array, Grads

WORDS = {"backend": "numba", "clip_cell": False}


def _words(device: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """Require a device that there is, and the words that `prepare` knows."""
    if not RnncoreBackend.supports_device(device):
        raise ContractError("device", "'CPU'", repr(device), "rnncore computes on the CPU")
    for name in words:
        checks.one_of("argument of prepare", name, tuple(WORDS))
    chosen = {**WORDS, **words}
    checks.one_of("backend", chosen["backend"], ("numba", "numpy"))
    if not isinstance(chosen["clip_cell"], bool):
        raise ContractError("clip_cell", "True or False", repr(chosen["clip_cell"]), "see rnncore.interop.onnx")
    return chosen


def from_onnx(model: onnx.ModelProto | str, **words: Any) -> tuple[Graph, Grads]:
    """Return an imported model and its parameters, ready for gradients; words as in `prepare`.

    model: a ModelProto, or the name of a file. Raises ContractError that names the node and attribute it cannot honour.

    >>> import rnncore as rc
    >>> layer = rc.GRU(3, 4, dtype="float64")
    >>> graph, params = from_onnx(rc.interop.to_onnx(layer, layer.init(seed=0)))
    >>> graph
    Graph(10 nodes, inputs=('x', 'lengths', 'state_0.0'), outputs=('y', 'state_T.0'))
    >>> arrays = {"x": np.ones((5, 2, 3)), "lengths": np.array([5, 2], np.int32), "state_0.0": np.zeros((2, 4))}
    >>> (y, h), cache = graph.forward(arrays)
    >>> grads = graph.backward(arrays, cache, (y, h))  # of the loss whose derivatives by the outputs are y and h
    >>> grads["x"].shape, grads["W"].shape
    ((5, 2, 3), (1, 12, 3))
    """
    loaded = onnx.load(model) if isinstance(model, str) else model
    graph = read_model(loaded, _words("CPU", words))
    check_model(loaded)
    return graph, {name: array.copy() for name, array in graph.params.items()}


def check_model(model: onnx.ModelProto) -> None:
    """Raise ContractError where ONNX's own checker refuses the model; shapes of outputs may be left out."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        if "Field 'shape' of 'type' is required" not in str(error):
            first = str(error).splitlines()[0]
            raise ContractError("model", "one that onnx.checker accepts", first, "correct the model") from error


class RnncoreRep(BackendRep):
    """A model that was read and is ready to run; `graph` gives gradients and layers."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs, by place and by name; `inputs` is a list in the model's order, a dict, or one array."""
        if kwargs:
            raise ContractError("run", "no further arguments", ", ".join(kwargs), "give them to prepare")
        outputs, _ = self.graph.forward(self._named(inputs))
        result: tuple[Any, ...] = namedtupledict("Outputs", list(self.graph.outputs))(*outputs)
        return result

    def gradients(self, inputs: Any, upstream: Sequence[Array]) -> Grads:
        """Return dLoss/d(each parameter and floating-point input), given dLoss/d(each output)."""
        arrays = self._named(inputs)
        _, cache = self.graph.forward(arrays)
        return self.graph.backward(arrays, cache, upstream)

    def _named(self, inputs: Any) -> dict[str, Array]:
        if isinstance(inputs, Mapping):
            return {name: np.asarray(a) for name, a in inputs.items()}
        listed = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
        names = self.graph.inputs
        if len(listed) != len(names):
            came = f"{len(listed)} of them"
            raise ContractError("inputs", f"{len(names)} arrays: {', '.join(names)}", came, "in this order")
        return {name: np.asarray(a) for name, a in zip(names, listed, strict=True)}


class RnncoreBackend(Backend):
    """rnncore as a backend of ONNX; the module `rnncore.interop.onnx` has its methods as functions."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Say whether `prepare` would take the model.

        >>> import rnncore as rc
        >>> layer = rc.RNN(3, 4)
        >>> RnncoreBackend.is_compatible(rc.interop.to_onnx(layer, layer.init(seed=0)))
        True
        """
        try:
            read_model(model, _words(device, kwargs))
            check_model(model)
        except ContractError:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> RnncoreRep:
        """Read a model once, to run it often; the words are in `rnncore.interop.onnx`.

        >>> import rnncore as rc
        >>> layer = rc.RNN(3, 4)
        >>> rep = prepare(rc.interop.to_onnx(layer, layer.init(seed=0)))
        >>> x, lengths, h_0 = np.ones((5, 1, 3), np.float32), np.array([5], np.int32), np.zeros((1, 4), np.float32)
        >>> y, h = rep.run([x, lengths, h_0])
        >>> y.shape, h.shape
        ((5, 1, 4), (1, 4))
        """
        graph = read_model(model, _words(device, kwargs))
        check_model(model)
        return RnncoreRep(graph)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one node; `inputs` is a list, for the names that are not empty, or a dict. `opset_version` may be said.

        `outputs_info`, (dtype, shape) of each output, is held against what comes out.

        >>> node = onnx.helper.make_node("RNN", ["X", "W", "R"], ["Y", "Y_h"], hidden_size=2, activations=["Relu"])
        >>> X, W, R = (np.ones(shape, np.float32) for shape in ((3, 1, 2), (1, 2, 2), (1, 2, 2)))
        >>> run_node(node, [X, W, R])[1].ravel()
        array([14., 14.], dtype=float32)
        """
        newest = onnx.defs.onnx_opset_version()
        opset = checks.size("opset_version", kwargs.pop("opset_version", newest))
        names = list(dict.fromkeys(name for name in node.input if name))
        model = onnx.helper.make_model(
            onnx.helper.make_graph(
                [node],
                "node",
                [onnx.helper.make_empty_tensor_value_info(name) for name in names],
                [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name],
            ),
            opset_imports=[onnx.helper.make_opsetid("", opset)],
        )
        rep = RnncoreRep(read_model(model, _words(device, kwargs)))
        outputs = rep.run(inputs)
        for k, (dtype, shape) in enumerate(outputs_info or ()):
            if outputs[k].dtype != np.dtype(dtype) or outputs[k].shape != tuple(shape):
                came = f"dtype {outputs[k].dtype}, shape {outputs[k].shape}"
                raise ContractError(
                    f"outputs_info[{k}]", came, f"dtype {np.dtype(dtype)}, shape {shape}", "see the node"
                )
        return outputs

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """True for the CPU, and only for it."""
        return device.split(":")[0] == "CPU"


prepare, run_node = RnncoreBackend.prepare, RnncoreBackend.run_node
