"""Our models as ONNX files: free batch and time axes, states and lengths in, states out.

    inputs    x (T, N, D), or ids (T, N) int64; lengths (N,) int32; state_0.<k> (N, H) for each state
    outputs   y as `forward` gives it; state_T.<k>

T and N are any sizes. As in our contract a row that has ended keeps its state, y is zero past its end, and rows of
length 0 give their initial state back: the operators of ONNX have zeros there, so that a Where stands behind them. Rows
need not be sorted in ONNX.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rnncore import checks
from rnncore.compose import Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense, Embedding, LayerNorm
from rnncore.interop.atomic import replacing
from rnncore.interop.onnx.attributes import operator_of, said_by
from rnncore.interop.onnx.emit import Emitter
from rnncore.interop.onnx.recurrent import from_params
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.pooling import Attention, MaxPool, MeanPool
from rnncore.recurrent import (
    GRU,
    GRUD,
    LSTM,
    RNN,
    CoupledLSTM,
    LayerNormGRU,
    LayerNormLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
    TimeLSTM,
)
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Dropout, Last
from rnncore.typing import Params
from rnncore.wrappers import Bidirectional, LearnedState, Masked, Residual, Reversed, Tied, WithStatic
from rnncore.wrappers.base import unmerged

OPSET = 17
Cells = (RNN, LSTM, GRU, PeepholeLSTM, CoupledLSTM, OnnxRNN, OnnxLSTM, OnnxGRU)
WRITTEN = (
    "RNN, LSTM, GRU, PeepholeLSTM, CoupledLSTM, OnnxRNN, OnnxLSTM, OnnxGRU, RecurrentDropout without zoneout, Stack, "
    "Bidirectional, Reversed, Residual, LearnedState, WithStatic, Tied, Dense, LayerNorm, Embedding, Dropout, Last, "
    "MeanPool, MaxPool and Attention"
)
# why a layer cannot be written
REASONS: dict[type[Layer], str] = {
    TimeLSTM: "no operator of ONNX lets elapsed time decay the memory",
    ProjectedLSTM: "the operator LSTM has no projection",
    LayerNormLSTM: "the operator LSTM normalises nothing inside the cell",
    LayerNormGRU: "the operator GRU normalises nothing inside the cell",
    GRUD: "no operator of ONNX lets missing values and the state decay",
    Masked: "the operators of ONNX know where a row ends, not gaps inside it: leave the masked steps out of x",
    RecurrentDropout: "zoneout mixes the old state into the new one at every step, inside the operators of ONNX",
}


def to_onnx(model: Layer, params: Params, path: str | os.PathLike[str] | None = None) -> onnx.ModelProto:
    """Return a model as an ONNX ModelProto, and write it to `path` where one is given; names as above.

    All layers but ProjectedLSTM, LayerNormLSTM, LayerNormGRU, TimeLSTM, GRUD, Masked and zoneout, for which ONNX has no
    operators; Dropout is left out. Numbers keep their dtype; ONNX Runtime computes recurrent operators in float32 only.
    ContractError names a layer that cannot be written, and why.

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.GRU(3, 4), rc.Last(), rc.Dense(4, 1))
    >>> [node.op_type for node in to_onnx(model, model.init(seed=0)).graph.node][-3:]
    ['Add', 'Identity', 'Identity']
    """
    dtype = checks.parameters(params, model.parameter_shapes(), model) or np.dtype(model.dtype)
    writer = _Writer(dtype)
    ids = model.sizes[0] == 0
    states = [f"state_0.{k}" for k in range(len(model.state_sizes))]
    y, final = writer.layer(model, "", params, "x", states)
    number = helper.np_dtype_to_tensor_dtype(dtype)

    def declared(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    x = declared("x", onnx.TensorProto.INT64, ["T", "N"]) if ids else declared("x", number, ["T", "N", model.sizes[0]])
    rows = zip(states, model.state_sizes, strict=True)
    inputs = [x, declared("lengths", onnx.TensorProto.INT32, ["N"])]
    inputs += [declared(name, number, ["N", size]) for name, size in rows]
    for name, made in [("y", y), *((f"state_T.{k}", s) for k, s in enumerate(final))]:
        writer.nodes.append(helper.make_node("Identity", [made], [name], name=f"{name}="))
    head: list[Any] = [*(["T"] if model.keeps_time else []), *([2] if unmerged(model) else []), "N"]
    outputs = [declared("y", number, [*head, model.sizes[1]])]
    outputs += [declared(f"state_T.{k}", number, ["N", size]) for k, size in enumerate(model.state_sizes)]
    arrays = [numpy_helper.from_array(a, name) for name, a in writer.arrays.items()]
    graph = helper.make_graph(writer.nodes, "rnncore", inputs, outputs, arrays)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    proto.producer_name = "rnncore"
    onnx.checker.check_model(proto)
    if path is not None:
        with replacing(os.fspath(path)) as file:
            file.write(proto.SerializeToString(deterministic=True))
    return proto


class _Writer(Emitter):
    """A method for each kind of layer returns the names of its output and of its final states."""

    def layer(self, layer: Layer, path: str, params: Params, x: str, states: list[str]) -> tuple[str, list[str]]:
        """Write any layer; `path` is the name that its parameters have in front."""
        own = {name: params[f"{path}{name}"] for name in layer.parameter_shapes()}
        if isinstance(layer, Cells):
            return self.cell(layer, path, own, x, states, "forward")
        if isinstance(layer, Stack):
            final: list[str] = []
            for key, part in layer.parts.items():
                count = len(part.state_sizes)
                mine = states[len(final) : len(final) + count]
                x, ends = self.layer(part, f"{path}{key}.", params, x, mine)
                final += ends
            return x, final
        if isinstance(layer, Bidirectional):
            return self.both(layer, path, params, x, states)
        if isinstance(layer, Reversed):
            return self.turned(layer.layer, f"{path}inner.", params, x, states)
        if isinstance(layer, Residual):
            y, states = self.layer(layer.layer, f"{path}inner.", params, x, states)
            return self.add("Add", y, self.within(x)), states
        if isinstance(layer, RecurrentDropout) and not any(layer.zoneout):
            return self.layer(layer.layer, path, params, x, states)
        if isinstance(layer, LearnedState):
            return self.learned(layer, path, params, x, states)
        if isinstance(layer, WithStatic):
            return self.static(layer, path, params, x, states)
        if isinstance(layer, Tied):
            E = self.constant(f"{path}E", own["E"], own["E"].dtype)
            h, states = self.layer(
                layer.layer, f"{path}inner.", params, self.within(self.add("Gather", E, self.ids(x))), states
            )
            y = self.add("MatMul", h, self.add("Transpose", E))
            y = self.add("Add", y, self.constant(f"{path}b", own["b"], own["b"].dtype))
            return self.within(y) if layer.keeps_time else y, states
        return self.stateless(layer, path, own, x), []

    def cell(
        self, layer: Any, path: str, own: Params, x: str, states: list[str], direction: str
    ) -> tuple[str, list[str]]:
        """One recurrent operator in one direction."""
        op, own = operator_of(layer, own)
        W, R, B, P = from_params(op, own)
        if op != "GRU":
            B = B * np.repeat([1, 0], len(B) // 2).astype(B.dtype)  # the operator adds its two halves
        names = [self.constant(f"{path}{key}", a[None], a.dtype) for key, a in (("W", W), ("R", R), ("B", B))]
        first = self.constant("axis 0", [0])
        given = [self.add("Unsqueeze", s, first) for s in states]
        peepholes = [] if P is None else [self.constant(f"{path}P", P[None], P.dtype)]
        outputs = self.add(
            op, x, *names, "lengths", *given, *peepholes,
            outputs=1 + len(states), hidden_size=layer.H, direction=direction, **said_by(layer, op)
        )  # fmt: skip
        y = self.add("Squeeze", outputs[0], self.constant("axis 1", [1]))
        ends = [self.add("Squeeze", end, first) for end in outputs[1:]]
        return y, [self.add("Where", self.moved(), end, s) for end, s in zip(ends, states, strict=True)]

    def turned(self, layer: Layer, path: str, params: Params, x: str, states: list[str]) -> tuple[str, list[str]]:
        """A layer from each row's end to its beginning."""
        if isinstance(layer, Cells):
            own = {name: params[f"{path}{name}"] for name in layer.parameter_shapes()}
            return self.cell(layer, path, own, x, states, "reverse")
        words = {"time_axis": 0, "batch_axis": 1}
        y, states = self.layer(layer, path, params, self.add("ReverseSequence", x, self.lengths(), **words), states)
        return (self.add("ReverseSequence", y, self.lengths(), **words) if layer.keeps_time else y), states

    def both(self, layer: Bidirectional, path: str, params: Params, x: str, states: list[str]) -> tuple[str, list[str]]:
        """Both directions, merged."""
        half = len(states) // 2
        before = self.pooled
        ahead, ends = self.layer(layer.layer, f"{path}forward.", params, x, states[:half])
        self.pooled = before
        back, more = self.turned(layer.layer, f"{path}backward.", params, x, states[half:])
        if layer.merge == "concat":
            y = self.add("Concat", ahead, back, axis=-1)
        elif layer.merge == "none":
            third = self.constant("axis -3", [-3])
            y = self.add("Concat", *(self.add("Unsqueeze", side, third) for side in (ahead, back)), axis=-3)
        else:
            y = self.add("Mul" if layer.merge == "mul" else "Add", ahead, back)
            if layer.merge == "ave":
                y = self.add("Mul", y, self.constant("half", 0.5, self.dtype))
        return y, [*ends, *more]

    def learned(
        self, layer: LearnedState, path: str, params: Params, x: str, states: list[str]
    ) -> tuple[str, list[str]]:
        """A row that starts here gets the learned vectors on its states; the last state says which have started."""
        *states, started = states
        starts = self.add("Less", started, self.constant("half", 0.5, self.dtype))
        begun = []
        for k, s in enumerate(states):
            vector = params[f"{path}state_{k}"]
            more = self.add("Add", s, self.constant(f"{path}state_{k}", vector, vector.dtype))
            begun.append(self.add("Where", self.moved(), self.add("Where", starts, more, s), s))
        y, final = self.layer(layer.layer, f"{path}inner.", params, x, begun)
        return y, [*final, self.add("Where", self.moved(), self.constant("unity", 1, self.dtype), started)]

    def static(self, layer: WithStatic, path: str, params: Params, x: str, states: list[str]) -> tuple[str, list[str]]:
        """The last columns of x beside what the layer makes of the others: at each step, or those of the first."""
        cut, last = self.constant(f"{path}static", [-layer.S]), self.constant("axis -1", [-1])
        moving = self.add("Slice", x, self.constant("axis 0", [0]), cut, last)
        beside = self.add("Slice", x, cut, self.constant("end", [np.iinfo(np.int64).max]), last)
        y, final = self.layer(layer.layer, f"{path}inner.", params, moving, states)
        if layer.keeps_time:
            return self.add("Concat", y, self.within(beside), axis=-1), final
        return self.add("Concat", y, self.first(beside), axis=-1), final

    def stateless(self, layer: Layer, path: str, own: Params, x: str) -> str:
        """A layer without a state."""

        def stored(name: str) -> str:
            return self.constant(f"{path}{name}", own[name], own[name].dtype)

        has_time = not self.pooled
        if isinstance(layer, Dropout):
            return x
        if isinstance(layer, Embedding):
            return self.within(self.add("Gather", stored("W"), self.ids(x)))
        if isinstance(layer, Dense):
            y = self.add("Add", self.add("MatMul", x, stored("W")), stored("b"))
        elif isinstance(layer, LayerNorm):
            away = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
            variance = self.add("ReduceMean", self.add("Mul", away, away), axes=[-1])
            eps = self.constant(f"{path}eps", layer.eps, self.dtype)
            z = self.add("Div", away, self.add("Sqrt", self.add("Add", variance, eps)))
            y = self.add("Add", self.add("Mul", z, stored("gain")), stored("bias"))
        elif isinstance(layer, (Last, MeanPool, MaxPool, Attention)):
            self.pooled = True
            if isinstance(layer, Attention):
                return self.attention(layer, path, dict(own), x)
            return {Last: self.last, MeanPool: self.mean, MaxPool: self.max}[type(layer)](x)
        else:
            advice = REASONS.get(type(layer), f"{path.rstrip('.') or 'the model'} is none of them")
            raise ContractError("model", f"layers among {WRITTEN}", repr(layer), advice)
        return self.within(y) if has_time else str(y)
