"""How the weights of `gru.py` and its kin lie for their products: blocks r z n, packed; and their gradients by name."""

from __future__ import annotations

import numpy as np

from rnncore.kernels.gemm import pack
from rnncore.kernels.rows import as_rows
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


def packed_transposes(params: Params, after: bool) -> tuple[Array, Array, Array]:
    """Return the transposes of Wx, of what of Wh is multiplied with h, and of its block n, packed for da as n r z v.

    With the reset after the product the block n has no product of its own, and the third is not read.
    """
    H, width = params["Wh"].shape
    Wx, Wh = params["Wx"], as_rows(params["Wh"], width)
    Wx_T = pack(np.concatenate((Wx[:, 2 * H :], Wx[:, : 2 * H]), axis=1), transpose=True)  # from r z n to n r z
    if after:
        Wh_T = pack(Wh, transpose=True)
        return Wx_T, Wh_T, Wh_T
    return Wx_T, pack(Wh[:, : 2 * H].copy(), transpose=True), pack(Wh[:, 2 * H :].copy(), transpose=True)


def unstacked(total: Array, D: int) -> Grads:
    """Return the gradients that dW (D + H + 2, 3H) holds, by name."""
    return {"Wx": total[:D], "Wh": total[D + 1 : -1], "bx": total[D], "bh": total[-1]}
