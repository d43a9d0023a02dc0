"""The fast twin of `rnncore/layers/peephole_lstm.py`: same arguments, results, cache. Kernels: `lstm_variants.py`."""

from __future__ import annotations

from rnncore.kernels import lstm_variants
from rnncore.layers.peephole_lstm import PeepholeLSTMCache
from rnncore.typing import Array, Grads, Lengths, Params, State


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, gradient: str = "exact"
) -> tuple[Array, State, PeepholeLSTMCache]:
    """Run T steps; return y (T, N, H), the final state (h, c) and the cache. `gradient` is for `backward`."""
    y, state_T, kept = lstm_variants.forward(params, x, state_0, lengths)
    return y, state_T, PeepholeLSTMCache(*kept, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, gradient: str = "exact"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    return lstm_variants.predict(params, x, state_0, lengths)


def backward(
    params: Params, cache: PeepholeLSTMCache, dy: Array, dstate_T: State, *, gradient: str = "exact"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    return lstm_variants.backward(params, cache, dy, dstate_T, truncated=gradient == "truncated")
