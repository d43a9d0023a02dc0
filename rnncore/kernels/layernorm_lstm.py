"""The fast twin of `rnncore/layers/layernorm_lstm.py`: same arguments, results and cache. Kernels: `normalised.py`."""

from __future__ import annotations

from rnncore.kernels import normalised
from rnncore.layers.layernorm_lstm import LayerNormLSTMCache
from rnncore.typing import Array, Grads, Lengths, Params, State


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, LayerNormLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache."""
    y, state_T, kept = normalised.forward(params, x, state_0, lengths)
    return y, state_T, LayerNormLSTMCache(*kept, lengths)


def predict(params: Params, x: Array, state_0: State, lengths: Lengths | None = None) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    return normalised.predict(params, x, state_0, lengths)


def backward(params: Params, cache: LayerNormLSTMCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    return normalised.backward(params, cache[:-1], cache.lengths, dy, dstate_T)
