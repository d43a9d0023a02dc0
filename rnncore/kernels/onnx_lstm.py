"""The fast twin of `rnncore/layers/onnx_lstm.py`: same arguments, results and cache; kernels in `onnx_forward.py`."""

from __future__ import annotations

import numpy as np

from rnncore.kernels import onnx_backward, onnx_forward
from rnncore.layers.onnx_activations import Activation
from rnncore.layers.onnx_lstm import OnnxLSTMCache
from rnncore.typing import Array, Grads, Lengths, Params, State


def forward(
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None = None,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    input_forget: bool = False,
    clip_cell: bool = False,
) -> tuple[Array, State, OnnxLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache. `activations` is (f, g, h)."""
    words = onnx_forward.words(activations, clip, coupled=input_forget, cell=clip_cell)
    y, state_T, (x, h, c, a, _) = onnx_forward.forward(params, x, state_0, lengths, words)
    return y, state_T, OnnxLSTMCache(x, h, c, a, lengths)


def backward(
    params: Params,
    cache: OnnxLSTMCache,
    dy: Array,
    dstate_T: State,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    input_forget: bool = False,
    clip_cell: bool = False,
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    x, h, c, a, lengths = cache
    none = np.empty((0, h.shape[-1]), h.dtype)
    words = onnx_forward.words(activations, clip, coupled=input_forget, cell=clip_cell)
    return onnx_backward.backward(params, (x, h, c, a, none), lengths, dy, dstate_T, words)
