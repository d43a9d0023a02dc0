"""What a cell of Keras 3 is called, and how its weights lie; the table of arguments is at the head of `keras3.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.onnx_words import Word, activation
from rnncore.recurrent import GRU, LSTM, RNN
from rnncore.typing import Array, Grads, Params

KINDS: dict[str, tuple[type[Layer], type[Layer]]] = {
    "SimpleRNN": (RNN, OnnxRNN),
    "LSTM": (LSTM, OnnxLSTM),
    "GRU": (GRU, OnnxGRU),
}
ACTIVATIONS: dict[str, Word] = {  # the names of Keras, with the numbers that it means by them
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "linear": ("Affine", 1.0, 0.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "elu": ("Elu", 1.0),
    "leaky_relu": ("LeakyRelu", 0.2),
    "softsign": "Softsign",
    "softplus": "Softplus",
}


def words_of(cell: Any) -> dict[str, Any]:
    """What Keras calls the options of a cell."""
    words = {"reset_after": cell.options["reset"] == "after"} if isinstance(cell, (GRU, OnnxGRU)) else {}
    if isinstance(cell, (RNN, LSTM, GRU)):
        gates = {} if isinstance(cell, RNN) else {"recurrent_activation": "sigmoid"}
        return {"activation": cell.options.get("activation", "tanh"), **gates, **words}
    extras = [n for n in ("input_forget", "clip_cell", "peepholes") if cell.options.get(n)]
    extras += [] if cell.clip is None else ["clip"]
    if extras:
        advice = "Keras has no such cell"
        raise ContractError("layer", f"a cell without {', '.join(extras)}", repr(cell), advice)
    if isinstance(cell, OnnxLSTM) and cell.activations[1] != cell.activations[2]:
        advice = "an LSTM of Keras has one activation for both"
        raise ContractError("activations", "the same for candidate and output", repr(cell.activations), advice)
    known = {activation(word): name for name, word in ACTIVATIONS.items()}
    for own in cell.activations:
        if own not in known:
            allowed = ", ".join(f"{one.name}({one.alpha:g}, {one.beta:g})" for one in known)
            raise ContractError("activations", f"those that Keras has: {allowed}", repr(own), "choose one of them")
    *gate, f = [known[own] for own in (cell.activations[:2] if isinstance(cell, OnnxLSTM) else cell.activations)]
    return {"activation": f, **({"recurrent_activation": gate[0]} if gate else {}), **words}


def _swapped(a: Array) -> Array:
    """Blocks z r h as r z n, and back."""
    first, second, n = np.split(a, 3, axis=-1)
    return np.concatenate([second, first, n], axis=-1)


def ours(cell: Layer, weights: list[Array]) -> Grads:
    """Our weights from kernel, recurrent kernel and bias, which may be missing."""
    if "b" in cell.parameter_shapes():
        Wx, Wh, *biases = weights
        return {"Wx": Wx, "Wh": Wh, "b": biases[0] if biases else np.zeros(Wx.shape[1], Wx.dtype)}
    Wx, Wh, *biases = [_swapped(w) for w in weights]
    zeros = np.zeros(Wx.shape[1], Wx.dtype)
    bias = biases[0] if biases else zeros
    bx, bh = bias if bias.ndim == 2 else (bias, zeros)
    return {"Wx": Wx, "Wh": Wh, "bx": bx.copy(), "bh": bh.copy()}


def theirs(cell: Any, own: Params) -> list[Array]:
    """Kernel, recurrent kernel and bias from our weights."""
    if "b" in own:
        return [own["Wx"], own["Wh"], own["b"]]
    bx, bh = own["bx"], own["bh"]
    bias = np.stack([bx, bh]) if cell.options["reset"] == "after" else bx + bh
    return [_swapped(w) for w in (own["Wx"], own["Wh"], bias)]
