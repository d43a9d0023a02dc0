"""What the attributes of the operators RNN, LSTM and GRU say: from a node to the layer it means, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.errors import ContractError
from rnncore.interop.onnx.directions import Directions
from rnncore.interop.onnx.nodes import Node
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.onnx_words import NUMBERS, activation, proper_name
from rnncore.recurrent import CoupledLSTM
from rnncore.typing import Params

FUNCTIONS = {"RNN": ("Tanh",), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}
COMMON = frozenset({"activations", "activation_alpha", "activation_beta", "clip", "direction", "hidden_size", "layout"})
ATTRIBUTES = {
    "RNN": COMMON | {"output_sequence"},
    "LSTM": COMMON | {"output_sequence", "input_forget"},
    "GRU": COMMON | {"output_sequence", "linear_before_reset"},
}


def directions(node: Node) -> tuple[str, ...]:
    """Return the names of the directions that a node runs in."""
    word = node.attributes.get("direction", "forward")
    if node.op == "GRU" and node.version == 1 and word == "foward":  # so the default is spelt in opset 1
        word = "forward"
    known = {"forward": ("forward",), "reverse": ("backward",), "bidirectional": ("forward", "backward")}
    if word not in known:
        node.wrong("direction", "'forward', 'reverse' or 'bidirectional'")
    return known[word]


def _activations(node: Node, count: int) -> list[tuple[str, float, float]]:
    """Return (name, alpha, beta) for each equation of each direction; alphas and betas are taken in that order."""
    wanted = len(FUNCTIONS[node.op]) * count
    names = node.attributes["activations"] if "activations" in node.given else list(FUNCTIONS[node.op]) * count
    if node.op == "RNN" and len(names) == 2 and count == 1 and names[0].lower() == names[1].lower():
        names = names[:1]  # the default of the operator has two, whatever the direction
    if len(names) != wanted:
        node.wrong("activations", f"{wanted} names", "one for each equation and direction")
    left = {key: list(node.attributes.get(f"activation_{key}", ())) for key in ("alpha", "beta")}
    chosen: list[tuple[str, float, float]] = []
    for name in names:
        try:
            proper = proper_name(name)
        except ContractError as error:
            node.wrong("activations", error.expected, error.advice)
        numbers = {key: left[key].pop(0) if key in NUMBERS[proper] and left[key] else None for key in left}
        filled = [NUMBERS[proper].get(key, 0.0) if value is None else value for key, value in numbers.items()]
        if not np.isfinite(filled).all():
            part = "attributes 'activation_alpha' and 'activation_beta'"
            node.refuse(part, f"finite numbers for {proper}", str(filled), "correct the node")
        chosen.append((proper, filled[0], filled[1]))
    for key, rest in left.items():
        if rest:
            takers = sum(key in NUMBERS[name] for name, *_ in chosen)
            node.wrong(f"activation_{key}", f"{takers} numbers", f"one for each activation that takes {key}")
    return chosen


def _clip(node: Node) -> float | None:
    clip = node.attributes.get("clip")
    if clip is not None and not 0 <= clip < np.inf:
        node.wrong("clip", "a number of at least 0", "leave it out for no clip")
    return clip


def check_attributes(node: Node) -> None:
    """Raise ContractError for an attribute that is wrong whatever the arrays are."""
    _activations(node, len(directions(node)))
    _clip(node)
    for name in ("layout", "input_forget", "linear_before_reset", "output_sequence"):
        node.flag(name)


def make_layer(node: Node, D: int, H: int, peepholes: bool, dtype: str) -> Directions:
    """Return the layer that a node means, for D features and H units; ContractError names a wrong attribute."""
    said = node.attributes.get("hidden_size")
    if said is not None and said != H:
        node.wrong("hidden_size", f"{H}, as R has", "let the attribute and the weights agree")
    if node.flag("output_sequence") and not (node.outputs and node.outputs[0]):
        node.wrong("output_sequence", "0, since Y is not asked for", "name the output Y, or leave the attribute out")
    keys = directions(node)
    chosen, size = _activations(node, len(keys)), len(FUNCTIONS[node.op])
    words: dict[str, Any] = {"clip": _clip(node), "backend": node.words.get("backend", "numba"), "dtype": dtype}
    parts = {}
    for k, key in enumerate(keys):
        own = [activation(word) for word in chosen[size * k : size * (k + 1)]]
        layer: OnnxRNN | OnnxLSTM | OnnxGRU
        if node.op == "RNN":
            layer = OnnxRNN(D, H, own, **words)
        elif node.op == "GRU":
            layer = OnnxGRU(D, H, own, reset="after" if node.flag("linear_before_reset") else "before", **words)
        else:
            words |= {"input_forget": node.flag("input_forget"), "clip_cell": bool(node.words.get("clip_cell", False))}
            layer = OnnxLSTM(D, H, own, peepholes=peepholes, **words)
        parts[key] = layer.simple or layer
    return Directions(parts)


def operator_of(layer: Any, own: Params) -> tuple[str, Params]:
    """Return the operator that a cell is, and the parameters for it in our order of blocks."""
    if not isinstance(layer, CoupledLSTM):
        return type(layer).__name__.removeprefix("Onnx").removeprefix("Peephole"), own
    parts = {name: np.split(a, 3, axis=-1) for name, a in own.items()}
    # the operator keeps i, leaves its block f unread, and takes f = 1 - i: i is 1 - f where a_i is -a_f
    return "LSTM", {name: np.concatenate([-f, 0 * f, g, o], axis=-1) for name, (f, g, o) in parts.items()}


def said_by(layer: Any, op: str) -> dict[str, Any]:
    """Return the attributes that say what a cell is beyond its weights; ContractError where none do."""
    if not isinstance(layer, (OnnxRNN, OnnxLSTM, OnnxGRU)):
        words = {"tanh": FUNCTIONS[op], "relu": tuple("Relu" if f == "Tanh" else f for f in FUNCTIONS[op])}
        found: dict[str, Any] = {"activations": list(words[layer.options.get("activation", "tanh")])}
        found |= {"input_forget": 1} if isinstance(layer, CoupledLSTM) else {}
        return found | ({"linear_before_reset": int(layer.options["reset"] == "after")} if op == "GRU" else {})
    found = {"activations": [a.name for a in layer.activations]}
    for key in ("alpha", "beta"):
        numbers = [getattr(a, key) for a in layer.activations if key in NUMBERS[a.name]]
        found |= {f"activation_{key}": numbers} if numbers else {}
    found |= {} if layer.clip is None else {"clip": layer.clip}
    if layer.options.get("clip_cell"):
        advice = "runtimes do not clip what h gets; say clip_cell=False"
        raise ContractError("model", "cells whose h is not clipped", repr(layer), advice)
    found |= {"linear_before_reset": int(layer.options["reset"] == "after")} if op == "GRU" else {}
    return found | ({"input_forget": int(layer.options["input_forget"])} if op == "LSTM" else {})
