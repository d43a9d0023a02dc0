"""The fast twin of `rnncore/layers/projected_lstm.py`: same arguments, results, cache. Kernels: `lstm_variants.py`."""

from __future__ import annotations

from rnncore.kernels import lstm_variants
from rnncore.layers.projected_lstm import ProjectedLSTMCache
from rnncore.typing import Array, Grads, Lengths, Params, State


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None
) -> tuple[Array, State, ProjectedLSTMCache]:
    """Run T steps; return y (T, N, P), the final state (h, c) and the cache."""
    y, state_T, kept = lstm_variants.forward(params, x, state_0, lengths)
    return y, state_T, ProjectedLSTMCache(*kept, lengths)


def predict(params: Params, x: Array, state_0: State, lengths: Lengths | None = None) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; nothing is kept for `backward`."""
    return lstm_variants.predict(params, x, state_0, lengths)


def backward(params: Params, cache: ProjectedLSTMCache, dy: Array, dstate_T: State) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, P) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    return lstm_variants.backward(params, cache, dy, dstate_T)
