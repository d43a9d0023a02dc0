"""Lines of the yardstick: the extended cells, forward + backward, against the plain cell and what a framework can do.

PyTorch has the projection; of the others a loop over time with the same equations is what its user would write: the
inputs' products of all steps at once, then one step after another, and autograd. It is first held to the same numbers.
What is measured against the plain cell is what the extension costs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rnncore as rc

from .cells import problem
from .rivals import present
from .turns import Arrays, Call, Work, check

SHAPE = (32, 50, 32, 64)  # N, T, D, H
Tensors = tuple[Any, ...]


def sums(p: Any, x: Any) -> Tensors:
    """What all steps get from x, one product."""
    return (x @ p["Wx"] + p["b"],)


def peephole(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of `layers/peephole_lstm.py`."""
    i, f, g, o = (given[0] + h @ p["Wh"]).chunk(4, 1)
    p_i, p_f, p_o = p["P"].chunk(3)
    c = (f + p_f * c).sigmoid() * c + (i + p_i * c).sigmoid() * g.tanh()
    return (o + p_o * c).sigmoid() * c.tanh(), c


def coupled(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of `layers/coupled_lstm.py`."""
    f, g, o = (given[0] + h @ p["Wh"]).chunk(3, 1)
    c = g.tanh().lerp(c, f.sigmoid())
    return o.sigmoid() * c.tanh(), c


def projected(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of `layers/projected_lstm.py`."""
    m, c = lstm(p, given, h, c)
    return m @ p["Wp"], c


def lstm(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of the LSTM."""
    i, f, g, o = (given[0] + h @ p["Wh"]).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def norm(a: Any, gain: Any, bias: Any) -> Any:
    """Layer normalisation of the last axis."""
    torch = present("torch")
    return torch.nn.functional.layer_norm(a, a.shape[-1:], gain, bias, 1e-5)


def normed_sums(p: Any, x: Any) -> Tensors:
    """The normalised sums of the LSTM."""
    return (norm(x @ p["Wx"], p["gain_x"], p["b"]),)


def layernorm_lstm(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of `layers/layernorm_lstm.py`."""
    i, f, g, o = (given[0] + norm(h @ p["Wh"], p["gain_h"], None)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * norm(c, p["gain_c"], p["bias_c"]).tanh(), c


def two_norms(a: Any, gain: Any, bias: Any) -> Tensors:
    """The norms of the gates r z and of the candidate."""
    cut = [2 * a.shape[-1] // 3, a.shape[-1] // 3]
    parts = zip(a.split(cut, -1), gain.split(cut), bias.split(cut), strict=True)
    return tuple(norm(*part) for part in parts)


def normed_gru_sums(p: Any, x: Any) -> Tensors:
    """The normalised sums of the GRU."""
    return two_norms(x @ p["Wx"], p["gain_x"], p["bx"])


def layernorm_gru(p: Any, given: Tensors, h: Any) -> Tensors:
    """A step of `layers/layernorm_gru.py`."""
    of_gates, of_new = two_norms(h @ p["Wh"], p["gain_h"], p["bh"])
    r, z = (given[0] + of_gates).sigmoid().chunk(2, 1)
    return ((given[1] + r * of_new).tanh().lerp(h, z),)


def time_sums(p: Any, x: Any) -> Tensors:
    """What all steps get from x, and the decay."""
    return x[..., :-1] @ p["Wx"] + p["b"], 1 / (x[..., -1:].clamp(min=0) + np.e).log()


def time_lstm(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of `layers/time_lstm.py`."""
    s = (c @ p["Wd"] + p["bd"]).tanh()
    return lstm(p, given[:1], h, c - s + given[1] * s)


def gap_sums(p: Any, x: Any) -> Tensors:
    """Values and masks of GRU-D, and its decays."""
    value, m, e = x.chunk(3, 2)
    of_values, of_units = e * p["Wgx"] + p["bgx"], e @ p["Wgh"] + p["bgh"]
    return m * (value - p["mean"]), m, (-of_values.relu()).exp(), (-of_units.relu()).exp()


def grud(p: Any, given: Tensors, h: Any, u: Any) -> Tensors:
    """A step of `layers/grud.py`."""
    torch = present("torch")
    seen, m, gx, gh = given
    kept, k, H = (1 - m) * u, gh * h, h.shape[1]
    a = torch.cat([p["mean"] + seen + kept * gx, m], 1) @ p["Wx"] + p["bx"]
    r, z = (a[:, : 2 * H] + k @ p["Wh"][:, : 2 * H] + p["bh"][: 2 * H]).sigmoid().chunk(2, 1)
    new = (a[:, 2 * H :] + (r * k) @ p["Wh"][:, 2 * H :] + p["bh"][2 * H :]).tanh()
    return new.lerp(k, z), seen + kept


def dropped_lstm(p: Any, given: Tensors, h: Any, c: Any) -> Tensors:
    """A step of `layers/recurrent_dropout.py` around the LSTM; the masks came beside the sums."""
    new = lstm(p, given[:1], given[1] * h, c)
    return new[0].lerp(h, given[2]), new[1].lerp(c, given[3])


CELLS: dict[str, tuple[Callable[[int, int], Any], Callable[..., Tensors], Callable[..., Tensors], str]] = {
    "PeepholeLSTM": (rc.PeepholeLSTM, sums, peephole, "LSTM"),
    "CoupledLSTM": (rc.CoupledLSTM, sums, coupled, "LSTM"),
    "ProjectedLSTM": (rc.ProjectedLSTM, sums, projected, "LSTM"),
    "LayerNormLSTM": (rc.LayerNormLSTM, normed_sums, layernorm_lstm, "LSTM"),
    "LayerNormGRU": (rc.LayerNormGRU, normed_gru_sums, layernorm_gru, "GRU"),
    "TimeLSTM": (rc.TimeLSTM, time_sums, time_lstm, "LSTM"),
    "GRUD": (rc.GRUD, gap_sums, grud, "GRU"),
    "RecurrentDropout of LSTM": (
        lambda D, H: rc.RecurrentDropout(rc.LSTM(D, H), dropout=0.2, zoneout=(0.1, 0.1)), sums, dropped_lstm, "LSTM"
    ),
}  # fmt: skip


def arrays_of(layer: Any) -> dict[str, Any]:
    """Parameters, input, states and upstream gradients; masks of GRU-D are 0 and 1, times positive."""
    N, T, D, H = SHAPE
    rng = np.random.default_rng(0)

    def draw(*size: int, scale: float = 1.0) -> Any:
        return (scale * rng.standard_normal(size)).astype("float32")

    params = {name: draw(*size, scale=H**-0.5) for name, size in layer.parameter_shapes().items()}
    x = draw(T, N, {"TimeLSTM": D + 1, "GRUD": 3 * D}.get(type(layer).__name__, D))
    if isinstance(layer, rc.GRUD):
        x[..., D : 2 * D] = x[..., D : 2 * D] > 0
    if isinstance(layer, (rc.TimeLSTM, rc.GRUD)):
        x[..., -D if isinstance(layer, rc.GRUD) else -1 :] **= 2
    states = [(N, width) for width in layer.state_sizes]
    found = {"params": params, "x": x, "dy": draw(T, *states[0]), "state_0": tuple(draw(*s, scale=0.5) for s in states)}
    return {**found, "dstate_T": tuple(draw(*s) for s in states)}


def torch_loop(before: Callable[..., Tensors], step: Callable[..., Tensors], p: dict[str, Any], masks: Arrays) -> Call:
    """Forward and backward in torch, step after step: y, dx and dWh. masks (T, ...) are handed to the steps."""
    torch = present("torch")
    params = {name: torch.from_numpy(a.copy()).requires_grad_() for name, a in p["params"].items()}
    x, *start = (torch.from_numpy(a.copy()).requires_grad_() for a in (p["x"], *p["state_0"]))
    upstream = [torch.from_numpy(d) for d in (p["dy"], *p["dstate_T"])]
    given_masks = [torch.from_numpy(np.ascontiguousarray(m)) for m in masks]

    def call() -> Arrays:
        for leaf in (x, *start, *params.values()):
            leaf.grad = None
        state, y = tuple(start), []
        for given in zip(*before(params, x), *given_masks, strict=True):
            state = step(params, given, *state)
            y.append(state[0])
        whole = torch.stack(y)
        torch.autograd.backward([whole, *state], upstream)
        return whole.detach().numpy(), x.grad.numpy(), params["Wh"].grad.numpy()

    return call


def torch_projection(p: dict[str, Any]) -> Call:
    """Forward and backward of torch.nn.LSTM with proj_size."""
    torch = present("torch")
    own = p["params"]
    module = torch.nn.LSTM(len(own["Wx"]), len(own["Wp"]), proj_size=len(own["Wh"]))
    values = {"weight_ih_l0": own["Wx"].T, "weight_hh_l0": own["Wh"].T, "weight_hr_l0": own["Wp"].T}
    with torch.no_grad():
        for name, value in {**values, "bias_ih_l0": own["b"], "bias_hh_l0": 0 * own["b"]}.items():
            getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    x, *start = (torch.from_numpy(a.copy()).requires_grad_() for a in (p["x"], *p["state_0"]))
    upstream = [torch.from_numpy(d) for d in (p["dy"], *(d[None] for d in p["dstate_T"]))]

    def call() -> Arrays:
        x.grad = None
        module.zero_grad()
        y, final = module(x, tuple(s[None] for s in start))
        torch.autograd.backward([y, *final], upstream)
        return y.detach().numpy(), x.grad.numpy(), module.weight_hh_l0.grad.numpy().T

    return call


def both_ways(layer: Any, p: dict[str, Any], seed: int | None = None) -> Call:
    """Forward and backward of rnncore: y, dx and dWh; with a seed, masks are drawn at every call."""

    def call() -> Arrays:
        rng = None if seed is None else np.random.default_rng(seed)
        y, _, cache = layer.forward(p["params"], p["x"], p["state_0"], rng=rng)
        grads, dx, _ = layer.backward(p["params"], cache, p["dy"], p["dstate_T"])
        return y, dx, grads["Wh"]

    return call


def extended(name: str, threads: int) -> Work:
    """A cell against a loop in torch, which it has to agree with, and against the plain cell of the same sizes."""
    make, before, step, plain = CELLS[name]
    layer = make(*SHAPE[2:])
    p, masks, seed = arrays_of(layer), (), None
    if isinstance(layer, rc.RecurrentDropout):
        seed = 1
        _, _, cache = layer.forward(p["params"], p["x"], p["state_0"], rng=np.random.default_rng(seed))
        masks = cache.drop, *cache.zone
    calls: dict[str, Call] = {"rnncore": both_ways(layer, p, seed)}
    if present("torch"):
        calls["torch, a loop"] = torch_loop(before, step, p, masks)
        if isinstance(layer, rc.ProjectedLSTM):
            calls["torch"] = torch_projection(p)
    check(Work(calls))
    calls[f"rnncore, plain {plain}"] = both_ways(*problem(plain, SHAPE))
    return Work(calls, checked=True)


def lines() -> dict[str, Any]:
    """Name and work of every line of this file."""
    N, T, D, H = SHAPE
    return {f"extended cell {name} N{N} T{T} {D}->{H}": partial(extended, name) for name in CELLS}
