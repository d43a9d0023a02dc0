"""The fast twin of `rnncore/layers/onnx_gru.py`: same arguments, results and cache; kernels in `onnx_forward.py`."""

from __future__ import annotations

import numpy as np

from rnncore.kernels import onnx_backward, onnx_forward
from rnncore.layers.onnx_activations import Activation
from rnncore.layers.onnx_gru import OnnxGRUCache
from rnncore.typing import Array, Grads, Lengths, Params, State


def forward(
    params: Params,
    x: Array,
    state_0: State,
    lengths: Lengths | None = None,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    reset: str = "before",
) -> tuple[Array, State, OnnxGRUCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache. `activations` is (f, g)."""
    words = onnx_forward.words(activations, clip, reset)
    y, state_T, (x, h, _, a, q) = onnx_forward.forward(params, x, state_0, lengths, words)
    return y, state_T, OnnxGRUCache(x, h, a, q, lengths)


def backward(
    params: Params,
    cache: OnnxGRUCache,
    dy: Array,
    dstate_T: State,
    *,
    activations: tuple[Activation, ...],
    clip: float | None = None,
    reset: str = "before",
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    x, h, a, q, lengths = cache
    none = np.empty((0, h.shape[-1]), h.dtype)
    words = onnx_forward.words(activations, clip, reset)
    return onnx_backward.backward(params, (x, h, none, a, q), lengths, dy, dstate_T, words)
