"""One row of a step of `gru.py` and its kin, without the products: the gates, and the gradients through them."""

from __future__ import annotations

from typing import Any

from rnncore.kernels.activations import dsigmoid, sigmoid, tanh
from rnncore.kernels.jit import inlined
from rnncore.kernels.vectors import lanes, load, store


@inlined
def reset_gate(a: Any, n: Any, r: Any, h: Any, after: bool, gates: Any, q: Any) -> None:
    """Equations (3), (4) and what of (5) comes before tanh, for row r of the batch; its pre-activations: row n of a."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        reset = sigmoid(load(a, n, j, rest))  # (3)
        store(gates, r, j, rest, reset)
        store(gates, r, H + j, rest, sigmoid(load(a, n, H + j, rest)))
        if after:
            store(a, n, 2 * H + j, rest, load(a, n, 2 * H + j, rest) + reset * load(q, r, j, rest))  # (5)
        else:
            store(q, r, j, rest, reset * load(h, r, j, rest))


@inlined
def update_gate(a: Any, n: Any, r: Any, gates: Any, h: Any, new: Any, after: Any) -> None:
    """The rest of (5), and (6), from row n of a and the rows r to row `after` of new."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        rest = H - j
        z, candidate = load(gates, r, H + j, rest), tanh(load(a, n, 2 * H + j, rest))  # (5)
        store(gates, r, 2 * H + j, rest, candidate)
        store(new, after, j, rest, (1.0 - z) * candidate + z * load(h, r, j, rest))  # (6)


@inlined
def dupdate_gate(gates: Any, r: Any, h: Any, dy: Any, dh: Any, n: Any, da: Any, row: Any) -> None:
    """Equations (6') and the tanh of (5') for row r of the batch: blocks n and z of da; dh keeps its part through z."""
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        z, new = load(gates, r, H + j, rest), load(gates, r, 2 * H + j, rest)
        dh_t = load(dy, r, j, rest) + load(dh, n, j, rest)
        store(da, row, 2 * H + j, rest, dh_t * (load(h, r, j, rest) - new) * dsigmoid(z))  # (6'), (3')
        store(da, row, j, rest, dh_t * (1.0 - z) * (1.0 - new * new))  # (6'), (5')
        store(dh, n, j, rest, dh_t * z)  # (6')


@inlined
def dreset_after(gates: Any, r: Any, q: Any, da: Any, row: Any) -> None:
    """The rest of (5'), (4') and (3'), for row r of the batch: blocks r and v of da."""
    H = q.shape[1]
    for j in range(0, H, lanes(q)):
        rest = H - j
        reset, da_n = load(gates, r, j, rest), load(da, row, j, rest)
        store(da, row, H + j, rest, da_n * load(q, r, j, rest) * dsigmoid(reset))
        store(da, row, 3 * H + j, rest, da_n * reset)


@inlined
def dreset_before(gates: Any, r: Any, h: Any, dq: Any, i: Any, dh: Any, n: Any, da: Any, row: Any) -> None:
    """The rest of (5'), (4') and (3'), for row r of the batch: block r of da, and dh's part through q."""
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        reset, dq_t = load(gates, r, j, rest), load(dq, i, j, rest)
        store(da, row, H + j, rest, dq_t * load(h, r, j, rest) * dsigmoid(reset))
        store(dh, n, j, rest, load(dh, n, j, rest) + dq_t * reset)
