"""Masked steps: a step whose mask is 0 does not happen, for any layer.

    live_tn = mask_tn >= 1/2  and  t < length_n                (1)
    k_tn    = live_0n + ... + live_tn                          (2)   live steps of row n up to t
    u_kn    = x_tn   where live, at k = k_tn - 1               (3)   the row without its gaps, k_{T-1,n} steps long
    v       = layer(u)                                         (4)
    y_tn    = v_kn   at k = k_tn - 1                           (5)   at a masked step that of the last live one
            = carried_0n where k_tn = 0                        (6)   none yet: what an earlier chunk left
    carried_T = y at each row's end                            (7)
    output="zero": y_tn = v_kn where live, else 0              (5)   and no (6), (7)

Rows are sorted by their number of live steps, longest first, for (4), and put back. x, y and carried hold no mask: the
mask has no derivative. Shapes: x (T, N, D), u (K, N, D) with K the largest k, v (K, N, H), y (T, N, H), carried (N, H).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnncore.layers.elementary import valid_steps
from rnncore.typing import Array, Lengths


class Plan(NamedTuple):
    """Which steps count: live and valid (T, N) as booleans, k (T, N), order (N,): the row of each sorted place.

    K: the largest k.
    """

    live: Array
    valid: Array
    k: Array
    order: Lengths
    K: int

    @property
    def totals(self) -> Lengths:
        """(N,): the live steps of each row."""
        return np.asarray(self.live.sum(axis=0), np.int64)

    @property
    def places(self) -> Lengths:
        """(N,): where each row stands among the sorted ones."""
        return np.argsort(self.order)


def plan(mask: Array, lengths: Lengths | None = None) -> Plan:
    """Return what (1) and (2) say of mask (T, N)."""
    valid = valid_steps(mask.shape, lengths)
    live = valid & (mask.real >= 0.5)  # (1)
    k = np.cumsum(live, axis=0)  # (2)
    return Plan(live, valid, k, np.argsort(-live.sum(axis=0), kind="stable"), int(k.max(initial=0)))


def compress(x: Array, steps: Plan) -> Array:
    """Return u, rows sorted, zero past a row's live steps."""
    t, n = np.nonzero(steps.live)
    u = np.zeros((steps.K, *x.shape[1:]), x.dtype)
    u[steps.k[t, n] - 1, steps.places[n]] = x[t, n]  # (3)
    return u


def dcompress(du: Array, steps: Plan) -> Array:
    """Given dLoss/du, return dx: zero at masked steps."""
    t, n = np.nonzero(steps.live)
    dx = np.zeros((*steps.live.shape, du.shape[2]), du.dtype)
    dx[t, n] = du[steps.k[t, n] - 1, steps.places[n]]  # (3')
    return dx


def expand(v: Array, steps: Plan, carried_0: Array | None) -> tuple[Array, Array | None]:
    """Return y and carried_T; `carried_0` None: masked steps give zeros."""
    y = np.zeros((*steps.live.shape, v.shape[2]), v.dtype)
    t, n = np.nonzero(steps.live if carried_0 is None else steps.valid & (steps.k > 0))
    y[t, n] = v[steps.k[t, n] - 1, steps.places[n]]  # (5)
    if carried_0 is None:
        return y, None
    t, n = np.nonzero(steps.valid & (steps.k == 0))
    y[t, n] = carried_0[n]  # (6)
    carried = carried_0.copy()
    n = np.flatnonzero(steps.totals)
    carried[n] = v[steps.totals[n] - 1, steps.places[n]]  # (7)
    return y, carried


def dexpand(dy: Array, steps: Plan, dcarried_T: Array | None) -> tuple[Array, Array | None]:
    """Given dLoss/dy and dLoss/dcarried_T, return dv and dcarried_0."""
    dv = np.zeros((steps.K, *dy.shape[1:]), dy.dtype)
    places = steps.places
    if dcarried_T is None:
        t, n = np.nonzero(steps.live)
        dv[steps.k[t, n] - 1, places[n]] = dy[t, n]  # (5')
        return dv, None
    n = np.flatnonzero(steps.totals)
    dv[steps.totals[n] - 1, places[n]] += dcarried_T[n]  # (7')
    dcarried = np.where(steps.totals[:, None] > 0, 0, dcarried_T).astype(dy.dtype)  # (7')
    for dy_t, valid, k in zip(dy, steps.valid, steps.k, strict=True):
        n = np.flatnonzero(valid & (k == 0))
        dcarried[n] += dy_t[n]  # (6')
        n = np.flatnonzero(valid & (k > 0))
        dv[k[n] - 1, places[n]] += dy_t[n]  # (5') one output may be read at many steps
    return dv, dcarried
