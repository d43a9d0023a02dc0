"""Forward mode of the variants of LSTM and GRU: a step of each, see `rnncore.gradcheck.forward_mode`."""

from __future__ import annotations

from rnncore.gradcheck.dual import Dual, add, affine, block, multiply, sigmoid, tanh
from rnncore.gradcheck.forward_dropout import Step
from rnncore.gradcheck.forward_layers import beside, normalised, product, scaled, side_by_side

EPS = 1e-5  # of the norms; written once more, as all equations here are


def step_peephole_lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the LSTM with peepholes; under gradient="truncated" what gates and candidate read stands still."""
    exact = options.get("gradient", "exact") == "exact"
    h, c = state
    H = h[0].shape[-1]
    a = add(affine(x, p["Wx"], p["b"]), product(h if exact else (h[0], 0 * h[1]), p["Wh"]))

    def gate(k: int, peephole: int, memory: Dual) -> Dual:
        seen = memory if exact else (memory[0], 0 * memory[1])
        return sigmoid(add(block(a, k, H), multiply(seen, beside(block(p["P"], peephole, H), seen))))

    c_new = add(multiply(gate(1, 1, c), c), multiply(gate(0, 0, c), tanh(block(a, 2, H))))
    return [multiply(gate(3, 2, c_new), tanh(c_new)), c_new]


def step_coupled_lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the LSTM with coupled gates f g o: c = g + f (c - g)."""
    h, c = state
    a, H = add(affine(x, p["Wx"], p["b"]), product(h, p["Wh"])), c[0].shape[-1]
    f, g, o = sigmoid(block(a, 0, H)), tanh(block(a, 1, H)), sigmoid(block(a, 2, H))
    c = add(g, multiply(f, add(c, scaled(g, -1.0))))
    return [multiply(o, tanh(c)), c]


def step_projected_lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the LSTM with a projection, gates i f g o."""
    h, c = state
    a, H = add(affine(x, p["Wx"], p["b"]), product(h, p["Wh"])), c[0].shape[-1]
    i, f, o = (sigmoid(block(a, k, H)) for k in (0, 1, 3))
    c = add(multiply(f, c), multiply(i, tanh(block(a, 2, H))))
    return [product(multiply(o, tanh(c)), p["Wp"]), c]


def step_layernorm_lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the LSTM whose sums and memory are normalised, gates i f g o."""
    h, c = state
    u, v, H = product(x, p["Wx"]), product(h, p["Wh"]), c[0].shape[-1]
    sums = [multiply(normalised(k, EPS), beside(p[f"gain_{w}"], k)) for w, k in (("x", u), ("h", v))]
    a = add(add(*sums), beside(p["b"], u))
    i, f, o = (sigmoid(block(a, k, H)) for k in (0, 1, 3))
    c = add(multiply(f, c), multiply(i, tanh(block(a, 2, H))))
    r = multiply(normalised(c, EPS), beside(p["gain_c"], c))
    return [multiply(o, tanh(add(r, beside(p["bias_c"], c)))), c]


def step_layernorm_gru(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the GRU whose sums are normalised, those of the gates r z together, those of n by themselves."""
    (h,) = state
    H = h[0].shape[-1]

    def sums(k: Dual, letter: str) -> Dual:
        gates = k[0][..., : 2 * H], k[1][..., : 2 * H]
        z = side_by_side(*(normalised(part, EPS) for part in (gates, block(k, 2, H))))
        return add(multiply(z, beside(p[f"gain_{letter}"], z)), beside(p[f"b{letter}"], z))

    u, v = sums(product(x, p["Wx"]), "x"), sums(product(h, p["Wh"]), "h")
    r, z = (sigmoid(add(block(u, k, H), block(v, k, H))) for k in (0, 1))
    n = tanh(add(block(u, 2, H), multiply(r, block(v, 2, H))))
    return [add(n, multiply(z, add(h, scaled(n, -1.0))))]


VARIANTS: dict[str, Step] = {
    "peephole_lstm": step_peephole_lstm,
    "coupled_lstm": step_coupled_lstm,
    "projected_lstm": step_projected_lstm,
    "layernorm_lstm": step_layernorm_lstm,
    "layernorm_gru": step_layernorm_gru,
}
