"""Forward mode of dropout on the recurrence and of zoneout: tangents through a cell's step, under masks drawn again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnncore.gradcheck.dual import Dual
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.typing import Array, Lengths

Step = Callable[[dict[str, Dual], Dual, list[Dual], dict[str, str]], list[Dual]]


def masks(layer: RecurrentDropout, T: int, N: int, rng: np.random.Generator | None) -> tuple[Array, list[Array]]:
    """Return the factors of h (N, H), and for each state how much of the old one stays (T, N, H)."""
    widths = layer.state_sizes
    factors = np.ones((N, widths[0]))
    if rng is not None and layer.dropout:
        factors = (rng.random((N, widths[0])) >= layer.dropout) / (1 - layer.dropout)
    stays = []
    for rate, width in zip(layer.zoneout, widths, strict=True):
        random = rng is not None and rate > 0
        stays.append(1.0 * (rng.random((T, N, width)) < rate) if random and rng else np.full((T, N, width), rate))
    return factors, stays


def run_recurrent_dropout(
    layer: RecurrentDropout,
    step: Step,
    p: dict[str, Dual],
    x: Dual,
    state: list[Dual],
    lengths: Lengths | None,
    rng: np.random.Generator | None,
) -> tuple[Dual, list[Dual]]:
    """Carry values and tangents through T steps, each sequence by itself, since each has a Wh of its own."""
    T, N, _ = x[0].shape
    factors, stays = masks(layer, T, N, rng)
    ends = np.full(N, T) if lengths is None else lengths
    width = layer.state_sizes[0]
    y = np.zeros((T, N, width)), np.zeros((len(x[1]), T, N, width))
    state = [(v.copy(), d.copy()) for v, d in state]
    for n in range(N):
        seen = factors[n][:, None]
        own = {**p, "Wh": (seen * p["Wh"][0], seen * p["Wh"][1])}
        row = slice(n, n + 1)
        for t in range(ends[n]):
            now = [(v[row], d[:, row]) for v, d in state]
            moved = step(own, (x[0][t, row], x[1][:, t, row]), now, layer.layer.options)
            for (v, d), (v_new, d_new), stay in zip(state, moved, stays, strict=True):
                k = stay[t, row]
                v[row], d[:, row] = v_new + k * (v[row] - v_new), d_new + k * (d[:, row] - d_new)
            y[0][t, row], y[1][:, t, row] = state[0][0][row], state[0][1][:, row]
    return y, state
