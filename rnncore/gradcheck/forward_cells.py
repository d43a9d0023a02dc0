"""Forward mode of the cells: a step of each, from the equations and without a look at the backward pass."""

from __future__ import annotations

import numpy as np

from rnncore.gradcheck.dual import (
    Dual,
    add,
    affine,
    at_least,
    block,
    exp,
    log,
    multiply,
    reciprocal,
    relu,
    sigmoid,
    tanh,
)
from rnncore.gradcheck.forward_dropout import Step
from rnncore.gradcheck.forward_layers import beside, normalised, product, scaled, side_by_side

EPS = 1e-5  # of the norms; written once more, as all equations here are


def step_rnn(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the simple recurrent network."""
    act = {"tanh": tanh, "relu": relu}[options.get("activation", "tanh")]
    zero = (0 * p["b"][0], 0 * p["b"][1])
    return [act(add(affine(x, p["Wx"], p["b"]), affine(state[0], p["Wh"], zero)))]


def step_lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the LSTM, gates i f g o."""
    act = {"tanh": tanh, "relu": relu}[options.get("activation", "tanh")]
    h, c = state
    H = h[0].shape[-1]
    zero = (0 * p["b"][0], 0 * p["b"][1])
    a = add(affine(x, p["Wx"], p["b"]), affine(h, p["Wh"], zero))
    i, f, o = (sigmoid(block(a, k, H)) for k in (0, 1, 3))
    c = add(multiply(f, c), multiply(i, act(block(a, 2, H))))
    return [multiply(o, act(c)), c]


def step_gru(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the GRU, gates r z n, the reset gate after the recurrent product or before it."""
    h = state[0]
    H = h[0].shape[-1]
    u, v = affine(x, p["Wx"], p["bx"]), affine(h, p["Wh"], p["bh"])
    r, z = (sigmoid(add(block(u, k, H), block(v, k, H))) for k in (0, 1))
    if options.get("reset", "after") == "after":
        q = multiply(r, block(v, 2, H))
    else:
        q = affine(multiply(r, h), block(p["Wh"], 2, H), block(p["bh"], 2, H))
    n = tanh(add(block(u, 2, H), q))
    keep = multiply(z, add(h, (-n[0], -n[1])))  # (1 - z) n + z h = n + z (h - n)
    return [add(n, keep)]


def step_time_lstm(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of the time-aware LSTM: the LSTM's, on a memory whose short-term part is multiplied by the decay."""
    h, c = state
    elapsed = x[0][..., -1:], x[1][..., -1:]
    if options.get("decay", "log") == "log":
        t = at_least(elapsed, 0)
        left = reciprocal(log((t[0] + np.e, t[1])))
    else:
        left = reciprocal(at_least(elapsed, 1))
    gone = multiply((1 - left[0], -left[1]), tanh(affine(c, p["Wd"], p["bd"])))
    memory = add(c, (-gone[0], -gone[1]))
    return step_lstm(p, (x[0][..., :-1], x[1][..., :-1]), [h, memory], {})


def step_grud(p: dict[str, Dual], x: Dual, state: list[Dual], options: dict[str, str]) -> list[Dual]:
    """One step of GRU-D: the GRU's, on a decayed state and on values that decay where they are missing."""
    h, u = state
    value, mask, elapsed = (block(x, k, u[0].shape[-1]) for k in range(3))
    mean, Wgx, bgx = ((p[name][0], p[name][1][:, None]) for name in ("mean", "Wgx", "bgx"))
    of_values = relu(add(multiply(elapsed, Wgx), bgx))
    of_units = relu(affine(elapsed, p["Wgh"], p["bgh"]))
    seen = multiply(mask, add(value, (-mean[0], -mean[1])))
    kept = multiply((1 - mask[0], -mask[1]), u)
    filled = add(mean, add(seen, multiply(kept, exp((-of_values[0], -of_values[1])))))
    decayed = multiply(h, exp((-of_units[0], -of_units[1])))
    given = np.concatenate([filled[0], mask[0]], -1), np.concatenate([filled[1], mask[1]], -1)
    return [*step_gru(p, given, [decayed], {"reset": "before", **options}), add(seen, kept)]


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


STEPS: dict[str, Step] = {
    "rnn": step_rnn,
    "lstm": step_lstm,
    "gru": step_gru,
    "peephole_lstm": step_peephole_lstm,
    "coupled_lstm": step_coupled_lstm,
    "projected_lstm": step_projected_lstm,
    "layernorm_lstm": step_layernorm_lstm,
    "layernorm_gru": step_layernorm_gru,
    "time_lstm": step_time_lstm,
    "grud": step_grud,
}
