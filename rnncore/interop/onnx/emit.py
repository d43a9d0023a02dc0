"""Nodes of a graph that is being written: arrays under names, masks of the steps that a row has, pooling over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from rnncore.pooling import Attention
from rnncore.typing import Array


class Emitter:
    """Collects nodes and arrays; a method returns the name of the array that its nodes make."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: dict[str, Array] = {}
        self.shared: dict[str, str] = {}
        self.pooled = False  # whether the time axis is gone

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node; return the name of its output, or a list of them."""
        count = sum(node.op_type == op for node in self.nodes)
        names = [f"{op}.{count}" + (f".{k}" if outputs > 1 else "") for k in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}.{count}", **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        """Store an array under a name, once."""
        self.arrays.setdefault(name, np.array(value, dtype))
        return name

    def once(self, key: str, make: Any) -> str:
        """Return the output of nodes that are needed once in the graph."""
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]

    def lengths(self) -> str:
        """(N,) int64."""
        return self.once("lengths", lambda: self.add("Cast", "lengths", to=onnx.TensorProto.INT64))

    def moved(self) -> str:
        """(N, 1) bool: rows that have a step."""
        zero = self.constant("zero", 0)
        one = self.constant("axis 1", [1])
        return self.once("moved", lambda: self.add("Unsqueeze", self.add("Greater", self.lengths(), zero), one))

    def live(self) -> str:
        """(T, N, 1) bool: steps before a row's end."""

        def make() -> str:
            T = self.add("Gather", self.add("Shape", "x"), self.constant("zero", 0))
            t = self.add("Range", self.constant("zero", 0), T, self.constant("one", 1))
            first, second = self.constant("axis 0", [0]), self.constant("axis 1", [1])
            live = self.add("Less", self.add("Unsqueeze", t, second), self.add("Unsqueeze", self.lengths(), first))
            return str(self.add("Unsqueeze", live, self.constant("axis 2", [2])))

        return self.once("live", make)

    def within(self, x: str) -> str:
        """x (T, N, H) with zeros past each row's end, whatever stands there."""
        return str(self.add("Where", self.live(), x, self.constant("nothing", 0, self.dtype)))

    def ids(self, x: str) -> str:
        """Ids (T, N) with zeros past each row's end, where none need be a row of the table."""
        live = self.once("live ids", lambda: self.add("Squeeze", self.live(), self.constant("axis 2", [2])))
        return str(self.add("Where", live, x, self.constant("zero", 0)))

    def before(self, x: str, value: str) -> tuple[str, str]:
        """x behind a step of this value, so that there is one to take where T is 0, and the shape of one step."""
        shape = self.add("Concat", self.constant("axis 1", [1]), self.add("Shape", x, start=1), axis=0)
        return self.add("Concat", self.add("Expand", value, shape), x, axis=0), shape

    def step(self, x: str, at: str) -> str:
        """Each row's step number `at` (N,), counted from 1, and zeros where that is 0."""
        steps, shape = self.before(x, self.constant("nothing", 0, self.dtype))
        at = self.add("Unsqueeze", at, self.constant("axes 0 2", [0, 2]))
        found = self.add("GatherElements", steps, self.add("Expand", at, shape), axis=0)
        return str(self.add("Squeeze", found, self.constant("axis 0", [0])))

    def first(self, x: str) -> str:
        """Each row's first step, zero for a row without one."""
        begun = self.add("Greater", self.lengths(), self.constant("zero", 0))
        return self.step(x, self.add("Cast", begun, to=onnx.TensorProto.INT64))

    def last(self, x: str) -> str:
        """Each row's last step, zero for a row without one."""
        return self.step(x, self.lengths())

    def mean(self, x: str) -> str:
        """The mean over each row's own steps; the sum of none is divided by one."""
        none = self.add(
            "Where",
            self.moved(),
            self.add("Unsqueeze", self.lengths(), self.constant("axis 1", [1])),
            self.constant("one", 1),
        )
        count = self.add("Cast", none, to=helper.np_dtype_to_tensor_dtype(self.dtype))
        return str(
            self.add("Div", self.add("ReduceSum", self.within(x), self.constant("axis 0", [0]), keepdims=0), count)
        )

    def max(self, x: str) -> str:
        """The largest value of each feature over each row's own steps, zero for a row without a step."""
        nothing = self.constant("-inf", -np.inf, self.dtype)
        seen, _ = self.before(self.add("Where", self.live(), x, nothing), nothing)
        largest, _ = self.add("TopK", seen, self.constant("axis 1", [1]), outputs=2, axis=0)
        y = self.add("Squeeze", largest, self.constant("axis 0", [0]))
        return str(self.add("Where", self.moved(), y, self.constant("nothing", 0, self.dtype)))

    def attention(self, layer: Attention, path: str, own: dict[str, Array], x: str) -> str:
        """The mean of each row's own steps under weights that sum to one; x is zero past a row's end."""
        stored = {name: self.constant(f"{path}{name}", a, a.dtype) for name, a in own.items()}
        x = self.within(x)
        keys = self.add("MatMul", x, stored["Wk"])
        query = stored["q"] if "q" in stored else self.add("MatMul", self.last(x), stored["Wq"])
        if layer.score == "dot":
            root = self.constant(f"{path}sqrt A", np.sqrt(layer.A), self.dtype)
            e = self.add("Mul", keys, query)
            e = self.add("Div", self.add("ReduceSum", e, self.constant("axis -1", [-1])), root)
        else:
            column = self.add("Unsqueeze", stored["v"], self.constant("axis 1", [1]))
            e = self.add("MatMul", self.add("Tanh", self.add("Add", keys, query)), column)
        seen = self.add("Where", self.live(), e, self.constant("-inf", -np.inf, self.dtype))
        # a row without a step would be a softmax over nothing; its x is zero, so that any weights do
        w = self.add("Softmax", self.add("Where", self.moved(), seen, e), axis=0)
        return str(self.add("ReduceSum", self.add("Mul", w, x), self.constant("axis 0", [0]), keepdims=0))
