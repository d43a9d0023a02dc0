"""A stream on disk: model, parameters, customers and their states in one file, in the container of `interop`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError, ModelFileError
from rnncore.interop import safetensors
from rnncore.interop.models import describe, rebuild
from rnncore.streaming.stream import Stream

KIND = "stream"


def save_stream(path: str | os.PathLike[str], stream: Stream) -> None:
    """Write model, parameters and all states to one file; customers must be all integers or all strings.

    Raises ContractError for other customers, NonFiniteError where a state holds NaN, OSError from the disk.

    >>> import tempfile, rnncore as rc
    >>> layer = rc.RNN(2, 3, backend="numpy")
    >>> stream = Stream(layer, layer.init(seed=0))
    >>> y = stream.step("ann", np.ones(2, np.float32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_stream(f"{folder}/stream.safetensors", stream)
    ...     list(load_stream(f"{folder}/stream.safetensors"))
    ['ann']
    """
    keys = list(stream)
    kind = next((kind for kind in (int, str) if all(type(key) is kind for key in keys)), None)
    if kind is None:
        raise ContractError("keys", "all int or all str", "others", "name customers by numbers or by words")
    try:
        text = [str(key).encode() for key in keys]
    except UnicodeEncodeError as error:
        advice = "half of a surrogate pair has no place in a file"
        raise ContractError("keys", "words that UTF-8 can hold", ascii(error.object)[:80], advice) from error
    arrays = {f"model.{name}": a for name, a in stream.params.items()}
    arrays["keys"] = np.frombuffer(b"".join(text), np.uint8)
    arrays["ends"] = np.cumsum([len(word) for word in text], dtype=np.int64)
    arrays["states"] = np.concatenate([np.zeros((len(keys), 0), stream.dtype), *stream.states(keys)], axis=1)
    sizes = [len(keys), len(arrays["keys"])]
    words = {"model": describe(stream.model, stream.params), "keys": kind.__name__, "sizes": sizes}
    safetensors.write(path, arrays, words, kind=KIND)


def load_stream(path: str | os.PathLike[str]) -> Stream:
    """Return the stream that `save_stream` wrote; ModelFileError where the file is not a sound one.

    >>> load_stream("no-such-file.safetensors")
    Traceback (most recent call last):
    rnncore.errors.ModelFileError: no-such-file.safetensors: there is no such file [missing]
    """
    arrays, words = safetensors.read(path, _expect, kind=KIND)
    model, shapes = rebuild(words["model"])
    stream = Stream(model, {name: arrays[f"model.{name}"] for name in shapes})
    text, ends = arrays["keys"].tobytes(), arrays["ends"].tolist()
    try:
        if [0, *ends] != sorted([0, *ends]) or (ends or [0])[-1] != len(text):
            raise ValueError(f"their names do not end one after another in {len(text)} bytes")
        keys: list[Any] = [text[a:b].decode() for a, b in zip([0, *ends], ends, strict=False)]
        if words["keys"] == "int":
            keys = [int(key) for key in keys]
        widths = model.state_sizes
        states = np.split(arrays["states"], np.cumsum(widths)[:-1], axis=1)[: len(widths)]
        stream.set_states(keys, tuple(states))
    except ValueError as error:
        raise ModelFileError("description", path, f"its customers cannot be read: {error}") from error
    return stream


def _expect(words: dict[str, Any]) -> safetensors.Expected:
    if set(words) != {"model", "keys", "sizes"} or words["keys"] not in ("int", "str"):
        raise ContractError("metadata", "model, keys and sizes", ", ".join(sorted(words))[:80], "write it with save")
    model, shapes = rebuild(words["model"])
    customers, size = (checks.size("sizes", n, least=0) for n in words["sizes"])
    dtype = words["model"]["dtype"]
    return {
        **{f"model.{name}": shape for name, shape in shapes.items()},
        **{"keys": ((size,), "uint8"), "ends": ((customers,), "int64")},
        "states": ((customers, sum(model.state_sizes)), dtype),
    }
