"""How the weights of `gru.py` and its kin lie for their products: blocks r z n, packed; and their gradients by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.kernels.gemm import add_kept, groups, keep_rows, pack, room
from rnncore.kernels.jit import part
from rnncore.kernels.rows import FIRST, as_rows, plain
from rnncore.typing import Array, Grads, Params


def biases(params: Params, after: bool) -> tuple[Array, Array]:
    """Return what (1) and (2) share of the biases, and bh_n."""
    bx, bh = params["bx"], params["bh"]
    H, b = len(bh) // 3, bx + bh
    if after:
        b[2 * H :] = bx[2 * H :]  # bh_n goes into q
    return as_rows(b, 3 * H), as_rows(bh[2 * H :], H)


def packed(params: Params, after: bool) -> tuple[Array, Array, Array, Array, Array]:
    """Return Wx, the blocks r z and n of Wh packed, then the biases."""
    H, width = params["Wh"].shape
    Wx, Wh = as_rows(params["Wx"], width), as_rows(params["Wh"], width)
    return pack(Wx), pack(Wh, last=2 * H), pack(Wh, first=2 * H), *biases(params, after)


def in_order(params: Params, after: bool) -> tuple[Array, Array, Array]:
    """Return Wx, what of Wh is multiplied with h, and its block n, the columns in the order of da, n r z v.

    With the reset after the product the block n has no product of its own, and the third is the second.
    """
    H, width = params["Wh"].shape
    Wx, Wh = params["Wx"], as_rows(params["Wh"], width)
    Wx = plain(np.concatenate((Wx[:, 2 * H :], Wx[:, : 2 * H]), axis=1))  # of W.T NumPy joins a transpose again
    return (Wx, Wh, Wh) if after else (Wx, Wh[:, : 2 * H].copy(), Wh[:, 2 * H :].copy())


def packed_transposes(params: Params, after: bool) -> tuple[Array, Array, Array]:
    """Return the transposes of what `in_order` returns, packed; the third is not read where it is the second."""
    Wx, Wh, Wh_n = in_order(params, after)
    Wh_T = pack(Wh, transpose=True)
    return pack(Wx, transpose=True), Wh_T, Wh_T if after else pack(Wh_n, transpose=True)


def unstacked(total: Array, D: int) -> Grads:
    """Return the gradients that dW (D + H + 2, 3H) holds, by name."""
    return {"Wx": total[:D], "Wh": total[D + 1 : -1], "bx": total[D], "bh": total[-1]}


@part
def outer_kept(first: Any, used: Any, left: Any, da: Any, D: Any, H: Any, after: bool, dW: Any) -> None:
    """The weights' part of (5') or (4'), (2') and (1'): add the rows kept from `first` on to dW (D + H + 2, 3H).

    left: x h q, as `keep_rows` writes them; da: n r z v.
    """
    of_h, of_q, bx, bh = groups(D), groups(D) + groups(H), D, D + H + 1
    add_kept(first, used, left, FIRST, D, da, FIRST, H, dW, FIRST, 2 * H, bx)
    add_kept(first, used, left, FIRST, D, da, H, 2 * H, dW, FIRST, FIRST, bx)
    if after:
        add_kept(first, used, left, of_h, H, da, H, 3 * H, dW, D + 1, FIRST, bh)
    else:
        add_kept(first, used, left, of_h, H, da, H, 2 * H, dW, D + 1, FIRST, bh)
        add_kept(first, used, left, of_q, H, da, 3 * H, H, dW, D + 1, 2 * H, bh)


@part
def outer(used: Any, left: Any, da: Any, D: Any, H: Any, after: bool, dW: Any) -> None:
    """`outer_kept` of a matrix left: x 1 h 1 q 1."""
    kept = room(used, groups(D) + 2 * groups(H), dW)
    keep_rows(used, left, FIRST, FIRST, D, kept, FIRST, FIRST)
    keep_rows(used, left, FIRST, D + 1, H, kept, FIRST, groups(D))
    if not after:
        keep_rows(used, left, FIRST, D + H + 2, H, kept, FIRST, groups(D) + groups(H))
    outer_kept(FIRST, used, kept, da, D, H, after, dW)
