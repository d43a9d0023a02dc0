"""Compile the fast twins before they are needed, and keep the machine code on disk."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense
from rnncore.recurrent import GRU, LSTM, RNN
from rnncore.streaming import Stream, predict

__all__ = ["warmup"]


def warmup(*models: Layer) -> dict[str, float]:
    """Run each model once on two short made-up sequences, so that what it needs is compiled and kept; return seconds.

    models: any layers or stacks; none: RNN, LSTM, GRU and Dense in float32. Forward and backward, with and without
    lengths, `rnncore.predict`, and `rnncore.Stream` where the model can be streamed. A process that finds the code on
    disk needs 0.3 s instead of 3 to 10. Numba keeps it in `__pycache__` beside the kernels, in the user's cache folder
    where that one cannot be written, or in NUMBA_CACHE_DIR; where no folder is writable only this process is warm. What
    takes longer than a second says so on stderr. ContractError as `forward`.

    >>> import rnncore as rc
    >>> list(warmup(rc.RNN(3, 8, backend="numpy")))  # nothing to compile
    ["RNN(D=3, H=8, activation='tanh', backend='numpy', dtype='float32')"]
    """
    seconds = {}
    for model in models or (RNN(2, 2), LSTM(2, 2), GRU(2, 2), Dense(2, 2, backend="numba")):
        told = threading.Timer(1.0, _tell, [model])
        told.daemon = True
        start = time.perf_counter()
        told.start()
        try:
            _run(model)
        finally:
            told.cancel()
        seconds[repr(model)] = time.perf_counter() - start
    return seconds


def _tell(model: Layer) -> None:
    print(f"rnncore: compiling what {model!r} needs", file=sys.stderr, flush=True)


def _run(model: Layer) -> None:
    features = model.sizes[0]
    params = model.init(0)
    x = np.zeros((3, 2), np.int64) if features == 0 else np.zeros((3, 2, features or 1), model.dtype)
    for lengths in (None, [3, 2]):
        y, _, cache = model.forward(params, x, lengths=lengths)
        model.backward(params, cache, np.zeros_like(y))
    predict(model, params, x)
    try:
        stream = Stream(model, params)
    except ContractError:  # its outputs need the whole sequence
        return
    stream.step("one", x[0, 0])
    stream.step_batch(["one", "two"], x[0])
