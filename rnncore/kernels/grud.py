"""The fast twin of `rnncore/layers/grud.py`: same equations, names, arguments, results and cache; read them together.

The GRU in it is that of `gru.py`, part by part, on the decayed state k; the tricks are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.activations import ddecay, decay
from rnncore.kernels.gemm import add_outer, add_product, pack
from rnncore.kernels.gru_cell import dreset_after, dreset_before, dupdate_gate, reset_gate, update_gate
from rnncore.kernels.gru_weights import outer, packed, packed_transposes, unstacked
from rnncore.kernels.jit import forward_bounds, kernel, part, run, shard_bounds
from rnncore.kernels.rows import BLOCK, FIRST, PAD, as_rows, copy_row, fill_rows, live_rows
from rnncore.kernels.vectors import lanes, load, store
from rnncore.layers.grud import GRUDCache
from rnncore.typing import Array, Grads, Lengths, Params, State


@part
def _see(x: Any, row: Any, u: Any, r: Any, after: Any, of_x: Any, given: Any) -> None:
    """Equations (1), (3), (4) from a row of x and row r of u to row `after` of u and to [v m]; of_x: mean Wgx bgx."""
    D = u.shape[1]
    for j in range(0, D, lanes(x)):
        rest = D - j
        mean, m = load(of_x, 0, j, rest), load(x, row, D + j, rest)
        gx = decay(load(x, row, 2 * D + j, rest) * load(of_x, 1, j, rest) + load(of_x, 2, j, rest))  # (1)
        seen, missing = m * (load(x, row, j, rest) - mean), (1.0 - m) * load(u, r, j, rest)
        store(u, after, j, rest, seen + missing)  # (3)
        store(given, row, j, rest, mean + seen + missing * gx)  # (4)
        store(given, row, D + j, rest, m)


@part
def _fade(gh: Any, r: Any, h: Any, k: Any) -> None:
    """The rest of (2), and (5), for row r."""
    H = h.shape[1]
    for j in range(0, H, lanes(h)):
        g = decay(load(gh, r, j, H - j))
        store(gh, r, j, H - j, g)
        store(k, r, j, H - j, g * load(h, r, j, H - j))


@kernel
def _forward(
    x: Any, live: Any, N: int, stride: int, first: int, last: int, Wx: Any, Wh_rz: Any, Wh_n: Any, b: Any, bh_n: Any,
    Wgh: Any, bgh: Any, of_x: Any, after: bool, h: Any, u: Any, given: Any, gh: Any, k: Any, gates: Any, q: Any, y: Any
) -> None:  # fmt: skip
    """Run the rows first to last - 1 of the batch through all steps. The weights are packed, b is what they share.

    stride: how many rows of h, u, gh, k, gates and q lie between two steps; N where kept, 0 where overwritten. k has a
    row for each of h, since the GRU's parts write the new state behind the old one.
    """
    D, H = u.shape[1], h.shape[1]
    a = np.empty((last - first, 3 * H), x.dtype)
    for t in range(live.size):
        row, old, rows = t * N + first, t * stride + first, max(0, min(last, live[t]) - first)
        fill_rows(gh, old, rows, bgh)  # (2)
        add_product(rows, x, row, 2 * D, D, Wgh, gh, old, FIRST, H)
        for n in range(rows):
            _see(x, row + n, u, old + n, old + n + stride, of_x, given)
            _fade(gh, old + n, h, k)
        fill_rows(a, FIRST, rows, b)  # (6), from here on
        add_product(rows, given, row, FIRST, 2 * D, Wx, a, FIRST, FIRST, 3 * H)
        add_product(rows, k, old, FIRST, H, Wh_rz, a, FIRST, FIRST, 2 * H)
        if after:
            fill_rows(q, old, rows, bh_n)
            add_product(rows, k, old, FIRST, H, Wh_n, q, old, FIRST, H)
        for n in range(rows):
            reset_gate(a, n, old + n, k, after, gates, q)
        if not after:
            add_product(rows, q, old, FIRST, H, Wh_n, a, FIRST, 2 * H, H)
        for n in range(rows):
            update_gate(a, n, old + n, gates, k, h, old + n + stride)
            copy_row(h, old + n + stride, y, row + n, FIRST, H)
        if stride:
            for r in range(old + rows, t * N + last):  # a finished row keeps its state
                copy_row(h, r, h, r + N, FIRST, H)
                copy_row(u, r, u, r + N, FIRST, D)


def _run(
    params: Params, x: Array, lengths: Lengths | None, stride: int, h: Array, u: Array, given: Array, gh: Array,
    gates: Array, q: Array, after: bool
) -> Array:  # fmt: skip
    """Pack the weights, run the kernel over all shards, return y."""
    T, N, columns = x.shape
    D, H = params["Wgh"].shape
    y = (np.empty if lengths is None else np.zeros)((T, N, H), x.dtype)  # the zeros past a row's end
    bounds, live = forward_bounds(N, lengths), live_rows(lengths, T, N)
    of_h = pack(as_rows(params["Wgh"], H)), as_rows(params["bgh"], H)
    weights = *packed(params, after), *of_h, np.stack([params[n] for n in ("mean", "Wgx", "bgx")])
    x_rows, k = as_rows(x, columns), np.empty((h.size // H, H), x.dtype)
    rows = as_rows(h, H), as_rows(u, D), as_rows(given, 2 * D), as_rows(gh, H), k, as_rows(gates, 3 * H)
    last = as_rows(q, H), as_rows(y, H)

    def task(s: int) -> None:
        _forward(x_rows, live, N, stride, bounds[s], bounds[s + 1], *weights, after, *rows, *last)

    run(task, len(bounds) - 1, float(live.sum()) * ((2 * D + H) * 3 * H + D * H))
    return y


def forward(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, reset: str = "before"
) -> tuple[Array, State, GRUDCache]:
    """Run T steps; return y (T, N, H), the final state (h, u) and the cache."""
    T, N, columns = x.shape
    D, H = params["Wgh"].shape
    x = as_rows(x, columns).reshape(T, N, columns)
    h, u = np.empty((T + 1, N, H), x.dtype), np.empty((T + 1, N, D), x.dtype)
    h[0], u[0] = state_0
    new = np.empty if lengths is None else np.zeros
    given, gh, gates, q = (new((T, N, width), x.dtype) for width in (2 * D, H, 3 * H, H))
    y = _run(params, x, lengths, N, h, u, given, gh, gates, q, reset == "after")
    return y, (h[T].copy(), u[T].copy()), GRUDCache(x, h, u, given, gh, gates, q, lengths)


def predict(
    params: Params, x: Array, state_0: State, lengths: Lengths | None = None, *, reset: str = "before"
) -> tuple[Array, State]:
    """Return y and the final state of `forward`, bit for bit; of what `backward` needs only [v m] is written."""
    h, u = (np.array(s, order="C") for s in state_0)
    T, N, _ = x.shape
    D, H = params["Wgh"].shape
    given = np.empty((T, N, 2 * D), x.dtype)
    gh, gates, q = (np.empty((N, width), x.dtype) for width in (H, 3 * H, H))
    return _run(params, x, lengths, 0, h, u, given, gh, gates, q, reset == "after"), (h, u)


@part
def _dfade(gh: Any, r: Any, h: Any, dh: Any, n: Any, da: Any, row: Any) -> None:
    """Equations (5') and what of (2') comes before the product, for row r; dh comes in as dk."""
    H = dh.shape[1]
    for j in range(0, H, lanes(dh)):
        rest = H - j
        g, dk = load(gh, r, j, rest), load(dh, n, j, rest)
        store(da, row, 4 * H + j, rest, dk * load(h, r, j, rest) * ddecay(g))
        store(dh, n, j, rest, dk * g)


@part
def _dsee(
    x: Any, r: Any, u: Any, of_x: Any, dgiven: Any, i: Any, du: Any, n: Any, dx: Any, left: Any, row: Any, at: Any,
    sums: Any
) -> None:  # fmt: skip
    """Equations (4'), (3') and (1') for row r; e goes into `left`, dmean, dWgx, dbgx are added to the rows of sums."""
    D = u.shape[1]
    for j in range(0, D, lanes(x)):
        rest = D - j
        mean, slope = load(of_x, 0, j, rest), load(of_x, 1, j, rest)
        m, e, before = load(x, r, D + j, rest), load(x, r, 2 * D + j, rest), load(u, r, j, rest)
        gx, away = decay(e * slope + load(of_x, 2, j, rest)), load(x, r, j, rest) - mean
        dv, du_t = load(dgiven, i, j, rest), load(du, n, j, rest)
        dseen = (dv + du_t) * m
        da = dv * (1.0 - m) * before * ddecay(gx)
        store(dx, r, j, rest, dseen)
        store(dx, r, D + j, rest, load(dgiven, i, D + j, rest) + dv * (away - gx * before) + du_t * (away - before))
        store(dx, r, 2 * D + j, rest, load(dx, r, 2 * D + j, rest) + da * slope)
        store(du, n, j, rest, (1.0 - m) * (dv * gx + du_t))
        store(left, row, at + j, rest, e)
        store(sums, 0, j, rest, load(sums, 0, j, rest) + dv - dseen)
        store(sums, 1, j, rest, load(sums, 1, j, rest) + e * da)
        store(sums, 2, j, rest, load(sums, 2, j, rest) + da)


@kernel
def _backward(
    x: Any, h: Any, u: Any, given: Any, gh: Any, k: Any, gates: Any, q: Any, live: Any, N: int, first: int, last: int,
    Wx_T: Any, Wh_T: Any, Wh_n_T: Any, Wgh_T: Any, of_x: Any, after: bool,
    dy: Any, dh: Any, du: Any, dx: Any, dW: Any, dWgh: Any, sums: Any
) -> None:  # fmt: skip
    """Walk back over the rows first to last - 1; dW is the GRU's, dWgh (D + 1, H) has dbgh below dWgh."""
    D, H = u.shape[1], h.shape[1]
    space = max(BLOCK, last - first)
    wide, at = 2 * D, 2 * D + 2 * H + 3  # left: v m 1 k 1 q 1 e 1
    left, da = np.ones((space, at + D + 1 + PAD), x.dtype), np.empty((space, 5 * H + PAD), x.dtype)
    dq, dgiven = np.empty((last - first, H), x.dtype), np.empty((last - first, wide), x.dtype)
    used = FIRST
    for t in range(live.size - 1, -1, -1):
        row, rows = t * N + first, max(0, min(last, live[t]) - first)
        if used + rows > space:
            outer(used, left, da, wide, H, after, dW)
            add_outer(used, left, at, D + 1, da, 4 * H, H, dWgh, FIRST, FIRST)
            used = FIRST
        for n in range(rows):
            r, new = row + n, used + n
            dupdate_gate(gates, r, k, dy, dh, first + n, da, new)  # (6'), up to dgiven
            copy_row(given, r, left, new, FIRST, wide)
            copy_row(k, r, left, new, wide + 1, H)
            dgiven[n] = 0
            if after:
                dreset_after(gates, r, q, da, new)
            else:
                copy_row(q, r, left, new, wide + H + 2, H)
                copy_row(da, new, da, new, 3 * H, H)
                dq[n] = 0
        if after:
            add_product(rows, da, used, H, 3 * H, Wh_T, dh, first, FIRST, H)
        else:
            add_product(rows, da, used, 3 * H, H, Wh_n_T, dq, FIRST, FIRST, H)
            for n in range(rows):
                dreset_before(gates, row + n, k, dq, n, dh, first + n, da, used + n)
            add_product(rows, da, used, H, 2 * H, Wh_T, dh, first, FIRST, H)
        add_product(rows, da, used, FIRST, 3 * H, Wx_T, dgiven, FIRST, FIRST, wide)
        for n in range(rows):
            _dfade(gh, row + n, h, dh, first + n, da, used + n)
        add_product(rows, da, used, 4 * H, H, Wgh_T, dx, row, wide, D)  # (2')
        for n in range(rows):
            _dsee(x, row + n, u, of_x, dgiven, n, du, first + n, dx, left, used + n, at, sums)
        used += rows
    outer(used, left, da, wide, H, after, dW)
    add_outer(used, left, at, D + 1, da, 4 * H, H, dWgh, FIRST, FIRST)


def backward(
    params: Params, cache: GRUDCache, dy: Array, dstate_T: State, *, reset: str = "before"
) -> tuple[Grads, Array, State]:
    """Given dLoss/dy (T, N, H) and dLoss/dstate_T, return the gradients of params, x and state_0."""
    T, N, columns = cache.x.shape
    D, H = params["Wgh"].shape
    after, wide = reset == "after", 2 * D
    bounds = shard_bounds(N, cache.lengths, (wide + H + 2) * 3 * H)
    live = live_rows(cache.lengths, T, N)
    dh, du = (np.array(d, order="C") for d in dstate_T)
    dx = np.zeros((T, N, columns), dh.dtype)
    dW, dWgh, sums = (np.zeros((len(bounds) - 1, *s), dh.dtype) for s in ((wide + H + 2, 3 * H), (D + 1, H), (3, D)))

    Wgh_T = pack(as_rows(params["Wgh"], H), transpose=True)
    weights = *packed_transposes(params, after), Wgh_T, np.stack([params[name] for name in ("mean", "Wgx", "bgx")])
    k = cache.gh * cache.h[:-1]  # (5)
    x, u, given, gates = (as_rows(a, a.shape[2]) for a in (cache.x, cache.u, cache.given, cache.gates))
    h, gh, k, q, dy_rows = (as_rows(a, H) for a in (cache.h, cache.gh, k, cache.q, dy))
    rows, dx_rows = (x, h, u, given, gh, k, gates, q), as_rows(dx, columns)

    def task(s: int) -> None:
        first, last = bounds[s], bounds[s + 1]
        _backward(*rows, live, N, first, last, *weights, after, dy_rows, dh, du, dx_rows, dW[s], dWgh[s], sums[s])

    run(task, len(bounds) - 1, float(live.sum()) * ((wide + H) * 6 * H + 2 * D * H))
    of_h, of_x = dWgh.sum(axis=0), dict(zip(("mean", "Wgx", "bgx"), sums.sum(axis=0), strict=True))
    grads = {**unstacked(dW.sum(axis=0), wide), **of_x, "Wgh": of_h[:-1], "bgh": of_h[-1]}
    return {name: grads[name].copy() for name in params}, dx, (dh, du)
