"""The steps of the variants of LSTM and GRU, of one row, in torch; see `rnncore.gradcheck.torch_autograd`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnncore.gradcheck.forward_cells import EPS
from rnncore.recurrent import Recurrent

Torch = Any  # torch ships types, but is not there for everybody
Params = dict[str, Torch]


def _peephole_lstm(layer: Recurrent, p: Params, x: Torch, state: list[Torch]) -> list[Torch]:
    def cut(s: Torch) -> Torch:
        return s if layer.exact else s.detach()

    i, f, g, o = (x @ p["Wx"] + cut(state[0]) @ p["Wh"] + p["b"]).chunk(4)
    p_i, p_f, p_o = p["P"].chunk(3)
    seen = cut(state[1])
    c = (f + p_f * seen).sigmoid() * state[1] + (i + p_i * seen).sigmoid() * g.tanh()
    return [(o + p_o * cut(c)).sigmoid() * c.tanh(), c]


def _coupled_lstm(layer: Recurrent, p: Params, x: Torch, state: list[Torch]) -> list[Torch]:
    f, g, o = (x @ p["Wx"] + state[0] @ p["Wh"] + p["b"]).chunk(3)
    c = f.sigmoid() * state[1] + (-f).sigmoid() * g.tanh()
    return [o.sigmoid() * c.tanh(), c]


def _projected_lstm(layer: Recurrent, p: Params, x: Torch, state: list[Torch]) -> list[Torch]:
    i, f, g, o = (x @ p["Wx"] + state[0] @ p["Wh"] + p["b"]).chunk(4)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return [(o.sigmoid() * c.tanh()) @ p["Wp"], c]


def _norm(a: Torch, gain: Torch, bias: Torch | None = None) -> Torch:
    import torch

    return torch.nn.functional.layer_norm(a, a.shape, gain, bias, EPS)


def _layernorm_lstm(layer: Recurrent, p: Params, x: Torch, state: list[Torch]) -> list[Torch]:
    a = _norm(x @ p["Wx"], p["gain_x"]) + _norm(state[0] @ p["Wh"], p["gain_h"], p["b"])
    i, f, g, o = a.chunk(4)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return [o.sigmoid() * _norm(c, p["gain_c"], p["bias_c"]).tanh(), c]


def _layernorm_gru(layer: Recurrent, p: Params, x: Torch, state: list[Torch]) -> list[Torch]:
    H = len(state[0])

    def sums(a: Torch, gain: Torch, bias: Torch) -> list[Torch]:
        both = _norm(a[: 2 * H], gain[: 2 * H], bias[: 2 * H])
        return [both[:H], both[H:], _norm(a[2 * H :], gain[2 * H :], bias[2 * H :])]

    u_r, u_z, u_n = sums(x @ p["Wx"], p["gain_x"], p["bx"])
    v_r, v_z, v_n = sums(state[0] @ p["Wh"], p["gain_h"], p["bh"])
    z = (u_z + v_z).sigmoid()
    return [(1 - z) * (u_n + (u_r + v_r).sigmoid() * v_n).tanh() + z * state[0]]


VARIANTS: dict[str, Callable[[Recurrent, Params, Torch, list[Torch]], list[Torch]]] = {
    "peephole_lstm": _peephole_lstm,
    "coupled_lstm": _coupled_lstm,
    "projected_lstm": _projected_lstm,
    "layernorm_lstm": _layernorm_lstm,
    "layernorm_gru": _layernorm_gru,
}
