"""Keras 3's SimpleRNN, LSTM, GRU and Bidirectional as layers of ours and back, on any of its backends (extra: peers).

Keras                                  rnncore
kernel, recurrent_kernel, bias         Wx, Wh, b of RNN and LSTM; gates i f c o are our i f g o
GRU: gates z r h                       r z n: the first two blocks change places
GRU, reset_after=True, bias (2, 3H)    bx and bh of GRU(reset="after")
GRU, reset_after=False, bias (3H,)     bx of GRU(reset="before"), bh is zero; back: their sum
use_bias=False                         zeros
activation, recurrent_activation       those of `ACTIVATIONS`: OnnxRNN and its kin where RNN, LSTM, GRU have them not
return_sequences=False                 Stack(cell, Last())
go_backwards=True                      Reversed(cell), y at the steps of x: theirs is y[::-1]; one vector is the same
dropout=rate                           Dropout(rate, per="sequence") in front, in a Stack
recurrent_dropout=rate, SimpleRNN      RecurrentDropout(RNN, rate); LSTM and GRU of Keras draw a mask for each gate
Bidirectional, merge_mode              Bidirectional, merge; None is "none", y[:, 0] and y[:, 1] the pair of Keras
return_state=True                      nothing: state_T is always there, in the order of Keras
x, y (N, T, ...)                       x, y (T, N, ...)
mask (N, T), False at the end of rows  lengths; y past a row's end is zero, as with zero_output_for_mask=True
mask (N, T) with gaps                  Masked(cell), within Reversed; zero_output_for_mask=True: Masked(layer, "zero")
unroll, use_cudnn, initialisers        nothing: they change no number

Except on TensorFlow Keras multiplies float64 matrices in float32 (3.15.1: its `result_type` has no 64 bits there), so
that its own float64 layers agree with anybody's to some 1e-7 only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore import checks
from rnncore.compose import Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.interop.extras import library
from rnncore.interop.keras_cells import ACTIVATIONS, KINDS, ours, theirs, words_of
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.recurrent import GRU, LSTM, RNN
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Dropout, Last
from rnncore.typing import Grads, Params
from rnncore.wrappers import Bidirectional, Reversed

WEIGHTS = ("kernel", "recurrent", "bias")
IN_TRAINING = "it belongs to the training, not to the layer: take it off and add it to your loss"
# what a layer may say only so; the advice where it says something else
FIXED: dict[str, tuple[Any, str]] = {
    "stateful": (False, "pass state_T on as the next state_0"),
    **{f"{weight}_{what}": (None, IN_TRAINING) for weight in WEIGHTS for what in ("regularizer", "constraint")},
    "activity_regularizer": (None, IN_TRAINING),
}
KerasLayer = Any  # Keras is not there for everybody


def from_keras(layer: KerasLayer, *, backend: str = "numba") -> tuple[Layer, Grads]:
    """Return (layer, params) that compute what a built layer of Keras 3 computes, with the same gradients.

    layer: a SimpleRNN, LSTM, GRU, or a Bidirectional of one; arguments as in the table of this file. Raises
    ContractError that names the argument and what it may be: for other layers and activations, regularisers,
    constraints, stateful, mixed precision, recurrent_dropout of LSTM and GRU.

    >>> import keras  # doctest: +SKIP
    >>> gru = keras.layers.GRU(4, return_sequences=True)  # doctest: +SKIP
    >>> gru.build((None, None, 3))  # doctest: +SKIP
    >>> from_keras(gru)[0]  # doctest: +SKIP
    GRU(D=3, H=4, reset='after', backend='numba', dtype='float32')
    """
    checks.one_of("backend", backend, ("numba", "numpy"))
    if type(layer).__name__ != "Bidirectional":
        inner, params = _in(layer, backend)
        if not layer.go_backwards:
            return inner, params
        return Reversed(inner), {f"inner.{name}": a for name, a in params.items()}
    directions = (layer.forward_layer, layer.backward_layer)
    told = [own.get_config() for own in directions]
    words = [{n: v for n, v in own.items() if n not in ("name", "go_backwards", "seed")} for own in told]
    if words[0] != words[1] or told[0]["go_backwards"] or not told[1]["go_backwards"]:
        differ = sorted(n for n in words[0] if words[0][n] != words[1].get(n)) or ["go_backwards"]
        advice = "only weights and direction may differ"
        came = f"layers that differ in {', '.join(differ)}"
        raise ContractError("backward_layer", "forward_layer, running backwards", came, advice)
    _check_dtype(layer, directions[0].compute_dtype)
    (inner, ahead), (_, back) = (_in(part, backend) for part in directions)
    both = {f"forward.{name}": a for name, a in ahead.items()} | {f"backward.{name}": a for name, a in back.items()}
    return Bidirectional(inner, layer.merge_mode or "none"), both


def to_keras(layer: Layer, params: Params) -> KerasLayer:
    """Return the built layer of Keras 3 that computes what layer computes with params.

    layer: an RNN, LSTM or GRU, or an OnnxRNN and its kin; in a `Stack` with `Dropout(rate, per="sequence")` in front
    and `Last` behind, if you like; `Bidirectional` or `Reversed` around that. Of `Reversed` Keras gives y[::-1]. Set
    return_state of what comes back if you want it. Raises ContractError for what Keras does not have.

    >>> layer = GRU(3, 4, backend="numpy")
    >>> to_keras(layer, layer.init(seed=0)).units  # doctest: +SKIP
    4
    """
    dtype = checks.parameters(params, layer.parameter_shapes(), layer) or np.dtype(layer.dtype)
    checks.one_of("dtype of params", dtype.name, checks.DTYPES)
    inside = layer.layer if isinstance(layer, (Bidirectional, Reversed)) else layer
    prefix, cell, words = _apart(inside)
    (name,) = (name for name, kinds in KINDS.items() if isinstance(cell, kinds))
    words |= {"dtype": dtype.name, "go_backwards": isinstance(layer, Reversed), **words_of(cell)}
    keras = library("keras", "peers")
    made = getattr(keras.layers, name)(cell.H, **words)
    ends = ["inner."] if isinstance(layer, Reversed) else [""]
    if isinstance(layer, Bidirectional):
        made = keras.layers.Bidirectional(made, None if layer.merge == "none" else layer.merge, dtype=dtype.name)
        ends = ["forward.", "backward."]
    made.build((None, None, cell.D))
    parts = [made.forward_layer, made.backward_layer] if len(ends) == 2 else [made]
    for part, end in zip(parts, ends, strict=True):
        part.set_weights(theirs(cell, {own: params[end + prefix + own] for own in cell.parameter_shapes()}))
    return made


def _in(layer: KerasLayer, backend: str) -> tuple[Layer, Grads]:
    """One direction, as if it ran forward."""
    name = type(layer).__name__
    if name not in KINDS or type(layer).__module__.split(".")[0] != "keras":
        expected = f"keras.layers {', '.join(KINDS)} or Bidirectional"
        raise ContractError("layer", expected, f"a {name}", "give such a layer")
    if not layer.built:
        advice = "call layer.build((None, None, D))"
        raise ContractError("layer", "a layer with weights", "one that is not built", advice)
    told = layer.get_config()
    for word, (allowed, advice) in FIXED.items():
        if told.get(word) not in (allowed, None):
            raise ContractError(word, repr(allowed), repr(told[word])[:80], advice)
    if told["zero_output_for_mask"] and not told["return_sequences"]:
        advice = "`Last` gives the last step that counts, whatever is masked behind it"
        raise ContractError("zero_output_for_mask", "False with return_sequences=False", "True", advice)
    if told["recurrent_dropout"] and name != "SimpleRNN":
        advice = "Keras draws a mask for each gate, RecurrentDropout(layer, dropout=) one for all: put it around"
        raise ContractError("recurrent_dropout", f"0 of a {name}", repr(told["recurrent_dropout"]), advice)
    if told["dropout"] and getattr(layer.cell, "implementation", 2) == 1:
        advice = "implementation=1 draws a mask for each gate"
        raise ContractError("implementation", "2 with dropout", "1", advice)
    _check_dtype(layer, layer.variable_dtype)
    cell, own = _cell(layer, told, backend)
    if told["recurrent_dropout"]:
        cell = RecurrentDropout(cell, told["recurrent_dropout"])
    parts: list[Layer] = [Dropout(told["dropout"], per="sequence")] if told["dropout"] else []
    parts += [cell] if told["return_sequences"] else [cell, Last()]
    if len(parts) == 1:
        return cell, own
    return Stack(*parts), {f"{parts.index(cell)}.{n}": a for n, a in own.items()}


def _check_dtype(layer: KerasLayer, expected: str) -> None:
    """Require one float type for weights and results."""
    if layer.compute_dtype != expected or expected not in checks.DTYPES:
        advice = "give the layer, and Bidirectional around it, dtype='float32' or dtype='float64'"
        came = f"{expected} weights or layers, computed in {layer.compute_dtype}"
        raise ContractError("dtype", "float32 or float64 throughout", came, advice)


def _cell(layer: KerasLayer, told: dict[str, Any], backend: str) -> tuple[Layer, Grads]:
    """The cell with its weights: RNN, LSTM or GRU where they have the activations."""
    values = [w.value.detach().cpu().numpy() if hasattr(w.value, "detach") else w.value for w in layer.weights]
    weights = [np.array(value) for value in values]  # "detach": on the torch backend
    functions = []
    for word in ("recurrent_activation", "activation"):
        name = told.get(word, "linear")  # a SimpleRNN has no gates
        checks.one_of(word, name if isinstance(name, str) else repr(name)[:40], tuple(ACTIVATIONS))
        functions.append(ACTIVATIONS[name])
    gates, f = functions
    sizes = len(weights[0]), told["units"]
    words: dict[str, Any] = {"backend": backend, "dtype": weights[0].dtype.name}
    made: OnnxRNN | OnnxLSTM | OnnxGRU
    if "reset_after" in told:
        made = OnnxGRU(*sizes, [gates, f], reset="after" if told["reset_after"] else "before", **words)
    elif "recurrent_activation" in told:
        made = OnnxLSTM(*sizes, [gates, f, f], **words)
    else:
        made = OnnxRNN(*sizes, [f], **words)
    cell = made.simple or made
    return cell, ours(cell, weights)


def _apart(layer: Layer) -> tuple[str, Any, dict[str, Any]]:
    """The prefix of the cell's parameters, the cell, and what Keras calls the layers around it."""
    parts = list(layer.parts.items()) if isinstance(layer, Stack) else [("", layer)]
    words: dict[str, Any] = {}
    if isinstance(parts[0][1], Dropout) and parts[0][1].per == "sequence":
        words["dropout"] = parts.pop(0)[1].rate  # type: ignore[attr-defined]
    sequences = not (parts and isinstance(parts[-1][1], Last))
    words |= {"return_sequences": sequences, "zero_output_for_mask": sequences}
    parts = parts if sequences else parts[:-1]
    key, cell = parts[0] if len(parts) == 1 else ("", None)
    if isinstance(cell, RecurrentDropout) and isinstance(cell.layer, RNN) and not any(cell.zoneout):
        words["recurrent_dropout"], cell = cell.dropout, cell.layer
    if not isinstance(cell, (RNN, LSTM, GRU, OnnxRNN, OnnxLSTM, OnnxGRU)):
        expected = (
            "RNN, LSTM, GRU or OnnxRNN and its kin, alone or in a Stack with Dropout(per='sequence') in front and Last "
            "behind, or Bidirectional or Reversed of that; RecurrentDropout around RNN alone, without zoneout"
        )
        raise ContractError("layer", expected, repr(layer), "write larger models part by part")
    return f"{key}." if key else "", cell, words
