"""The fast twin of `rnncore/layers/layernorm_gru.py`: same arguments, results and cache. Kernels: `normalised.py`."""

from __future__ import annotations

import numpy as np

from rnncore.kernels import normalised
from rnncore.layers.layernorm_gru import LayerNormGRUCache
from rnncore.typing import Array, Grads, Lengths, Params, State


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, LayerNormGRUCache]:
    """Run T steps; return y (T, N, H), the final state (h,) and the cache."""
    y, state_T, (x, h, _, gates, z, _, s) = normalised.forward(params, x, state_0, lengths)
    return y, state_T, LayerNormGRUCache(x, h, gates, z, s, lengths)


def predict(params: Params, x: Array, state_0: State, lengths: Lengths | None = None) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    return normalised.predict(params, x, state_0, lengths)


def backward(params: Params, cache: LayerNormGRUCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    x, h, gates, z, s, lengths = cache
    none = np.empty((0, h.shape[-1]), h.dtype)
    return normalised.backward(params, (x, h, none, gates, z, none, s), lengths, dy, dstate_T)
