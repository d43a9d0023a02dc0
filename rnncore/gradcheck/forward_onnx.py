"""Forward mode of the recurrent operators of ONNX: each activation put together from duals, no slope written down."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.gradcheck.dual import Dual, add, affine, block, exp, log, multiply, reciprocal, sigmoid, tanh
from rnncore.gradcheck.forward_dropout import Step
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.typing import Array

Operator = OnnxRNN | OnnxLSTM | OnnxGRU


def scaled(a: Dual, by: float, plus: float = 0.0) -> Dual:
    """Return by * a + plus."""
    return by * a[0] + plus, by * a[1]


def choose(where: Array, u: Dual, v: Dual) -> Dual:
    """Return u where the condition holds, else v."""
    return np.where(where, u[0], v[0]), np.where(where, u[1], v[1])


def activated(function: Any, a: Dual) -> Dual:
    """Return an activation of `rnncore.layers.onnx_activations`, by its definition."""
    name, alpha, beta = function
    zero = scaled(a, 0.0)
    size = choose(a[0] < 0, scaled(a, -1.0), a)
    negative = choose(a[0] < 0, a, zero)
    u = scaled(a, alpha, beta)
    values = {
        "Relu": lambda: choose(a[0] > 0, a, zero),
        "Tanh": lambda: tanh(a),
        "Sigmoid": lambda: sigmoid(a),
        "Affine": lambda: u,
        "LeakyRelu": lambda: choose(a[0] >= 0, a, scaled(a, alpha)),
        "ThresholdedRelu": lambda: choose(a[0] >= alpha, a, zero),
        "ScaledTanh": lambda: scaled(tanh(scaled(a, beta)), alpha),
        "HardSigmoid": lambda: choose(u[0] < 0, zero, choose(u[0] > 1, scaled(a, 0.0, 1.0), u)),
        "Elu": lambda: choose(a[0] >= 0, a, scaled(exp(negative), alpha, -alpha)),
        "Softsign": lambda: multiply(a, reciprocal(scaled(size, 1.0, 1.0))),
        "Softplus": lambda: add(choose(a[0] > 0, a, zero), log(scaled(exp(scaled(size, -1.0)), 1.0, 1.0))),
    }
    return values[name]()


def bounded(a: Dual, clip: float | None) -> Dual:
    """Return a between -clip and clip."""
    if clip is None:
        return a
    return choose(a[0] > clip, scaled(a, 0.0, clip), choose(a[0] < -clip, scaled(a, 0.0, -clip), a))


def step_of(layer: Operator) -> Step:
    """Return one step of an operator; what the layer was made with stands in for the options."""
    functions, clip = layer.activations, layer.clip

    def act(k: int, a: Dual) -> Dual:
        return activated(functions[k], bounded(a, clip))

    def product(p: dict[str, Dual], x: Dual, h: Dual, biases: tuple[Dual, Dual]) -> tuple[Dual, Dual]:
        return affine(x, p["Wx"], biases[0]), affine(h, p["Wh"], biases[1])

    def rnn(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
        return [act(0, add(*product(p, x, state[0], (p["b"], scaled(p["b"], 0.0)))))]

    def lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
        h, c = state
        H = c[0].shape[-1]
        a = add(*product(p, x, h, (p["b"], scaled(p["b"], 0.0))))

        def gate(k: int, peephole: int, cell: Dual) -> Dual:
            if "P" not in p:
                return act(0, block(a, k, H))
            weight = block(p["P"], peephole, H)
            return act(0, add(block(a, k, H), multiply((weight[0], np.expand_dims(weight[1], -2)), cell)))

        i = gate(0, 0, c)
        f = scaled(i, -1.0, 1.0) if layer.options["input_forget"] else gate(1, 1, c)
        c = add(multiply(f, c), multiply(i, act(1, block(a, 2, H))))
        shown = activated(functions[2], bounded(c, clip if layer.options["clip_cell"] else None))
        return [multiply(gate(3, 2, c), shown), c]

    def gru(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
        h = state[0]
        H = h[0].shape[-1]
        u, v = product(p, x, h, (p["bx"], p["bh"]))
        r, z = (act(0, add(block(u, k, H), block(v, k, H))) for k in (0, 1))
        after = multiply(r, block(v, 2, H))
        before = affine(multiply(r, h), block(p["Wh"], 2, H), block(p["bh"], 2, H))
        n = act(1, add(block(u, 2, H), after if layer.options["reset"] == "after" else before))
        return [add(multiply(scaled(z, -1.0, 1.0), n), multiply(z, h))]

    steps = ((OnnxRNN, rnn), (OnnxLSTM, lstm), (OnnxGRU, gru))
    return next(step for kind, step in steps if isinstance(layer, kind))
