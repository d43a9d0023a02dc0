"""Save a layer with its parameters and load both back: a description and arrays, nothing that could be executed.

A file that holds more than a model (a fitted task, a training checkpoint) is written with `safetensors.write` under a
kind of its own; `describe` and `rebuild` are the parts it needs to keep a model inside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.compose import from_description
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.interop import safetensors
from rnncore.typing import Grads, Params

KIND = "model"


def save(path: str | os.PathLike[str], model: Layer, params: Params, extra: Mapping[str, Any] | None = None) -> None:
    """Write a layer and its parameters to `path`, in one step: an old file stays whole until the new one is.

    extra: JSON values of the caller's own, read back with `load_extra`. Raises ContractError where params are not the
    model's, NonFiniteError where they hold NaN or infinity, OSError from the disk.

    >>> import tempfile
    >>> from rnncore.recurrent import LSTM
    >>> model = LSTM(3, 4, backend="numpy")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", model, model.init(seed=0))
    ...     load(f"{folder}/model.safetensors")[0]
    LSTM(D=3, H=4, activation='tanh', backend='numpy', dtype='float32')
    """
    metadata = {"model": describe(model, params), "extra": dict(extra or {})}
    safetensors.write(path, params, metadata, kind=KIND)


def load(path: str | os.PathLike[str], *, max_bytes: int = safetensors.MAX_BYTES) -> tuple[Layer, Grads]:
    """Return (model, params) as they were saved; ModelFileError where the file is not a sound model file.

    Its codes are in `rnncore.interop.safetensors`. The parameters come in the dtype in which they were saved. Files
    over `max_bytes` are refused unread.

    >>> load("no-such-file.safetensors")
    Traceback (most recent call last):
    rnncore.errors.ModelFileError: no-such-file.safetensors: there is no such file [missing]
    """
    arrays, metadata = safetensors.read(path, _expect, kind=KIND, max_bytes=max_bytes)
    model, shapes = rebuild(metadata["model"])
    return model, {name: arrays[name] for name in shapes}


def load_extra(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `extra` that was saved with a model; the whole file is checked as in `load`."""
    extra: dict[str, Any] = safetensors.read(path, _expect, kind=KIND)[1]["extra"]
    return extra


def describe(model: Layer, params: Params) -> dict[str, Any]:
    """Return the JSON-able description that `rebuild` makes the model from; ContractError where params are not its own.

    >>> from rnncore.feedforward import Embedding
    >>> describe(Embedding(3, 2), Embedding(3, 2).init(seed=0))
    {'layer': {'layer': 'Embedding', 'V': 3, 'D': 2, 'dtype': 'float32'}, 'dtype': 'float32', 'state_sizes': []}
    """
    if not isinstance(model, Layer):
        raise ContractError("model", "a layer", f"a {type(model).__name__}", "for instance rnncore.GRU(3, 4)")
    dtype = checks.parameters(params, model.parameter_shapes(), model) or np.dtype(model.dtype)
    checks.one_of("dtype of params", dtype.name, checks.DTYPES)
    layer = model.describe()
    again = from_description(layer)
    if type(again) is not type(model) or again.parameter_shapes() != model.parameter_shapes():
        raise ContractError("model", "a layer that its description makes again", repr(model), "correct its describe()")
    return {"layer": layer, "dtype": dtype.name, "state_sizes": list(model.state_sizes)}


def rebuild(description: Any) -> tuple[Layer, dict[str, tuple[tuple[int, ...], str]]]:
    """Return the layer that was described and {name: (shape, dtype)} of its parameters, or raise ContractError."""
    if not isinstance(description, dict) or set(description) != {"layer", "dtype", "state_sizes"}:
        raise ContractError("description", "layer, dtype and state_sizes", "something else", "make it with describe")
    layer, dtype = from_description(description["layer"]), description["dtype"]
    checks.one_of("dtype", dtype, checks.DTYPES)
    if description["state_sizes"] != list(layer.state_sizes):
        sizes = repr(description["state_sizes"])[:80]
        raise ContractError("state_sizes", f"{list(layer.state_sizes)}", sizes, f"these are the states of {layer}")
    return layer, {name: (shape, dtype) for name, shape in layer.parameter_shapes().items()}


def _expect(metadata: dict[str, Any]) -> safetensors.Expected:
    if set(metadata) != {"model", "extra"} or type(metadata["extra"]) is not dict:
        raise ContractError("metadata", "model and extra", ", ".join(sorted(metadata))[:80], "write it with save")
    return rebuild(metadata["model"])[1]
