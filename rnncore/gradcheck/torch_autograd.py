"""The derivatives that torch's autograd finds for the same equations, where torch is installed (extra: peers).

The forward pass is written once more, in torch, row by row; no derivative of ours is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnncore.compose import Bidirectional, Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense, Embedding
from rnncore.gradcheck.forward_dropout import masks
from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle
from rnncore.gradcheck.torch_variants import VARIANTS
from rnncore.recurrent import Recurrent
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Dropout, Last
from rnncore.typing import Array, Lengths

Torch = Any  # torch ships types, but is not there for everybody


def step(layer: Recurrent, p: dict[str, Torch], x: Torch, state: list[Torch]) -> list[Torch]:
    """One step of one row through a cell."""
    import torch

    if layer.cell.name in VARIANTS:
        return VARIANTS[layer.cell.name](layer, p, x, state)
    if layer.cell.name == "time_lstm":
        time, short = x[-1], (state[1] @ p["Wd"] + p["bd"]).tanh()
        log = layer.options["decay"] == "log"
        left = 1 / (time.clamp(min=0) + np.e).log() if log else 1 / time.clamp(min=1)
        return step_of("lstm", layer.options, p, x[:-1], [state[0], state[1] - short + left * short])
    if layer.cell.name == "grud":
        value, mask, time = x.chunk(3)
        last = p["mean"] + state[1]  # the last value observed
        left = (-(time * p["Wgx"] + p["bgx"]).relu()).exp()
        filled = mask * value + (1 - mask) * (left * last + (1 - left) * p["mean"])
        h = (-(time @ p["Wgh"] + p["bgh"]).relu()).exp() * state[0]
        seen = mask * value + (1 - mask) * last - p["mean"]
        return [*step_of("gru", layer.options, p, torch.cat([filled, mask]), [h]), seen]
    return step_of(layer.cell.name, layer.options, p, x, state)


def step_of(name: str, options: dict[str, str], p: dict[str, Torch], x: Torch, state: list[Torch]) -> list[Torch]:
    """One step of one row through RNN, LSTM or GRU."""
    h = state[0]
    act = {"tanh": lambda a: a.tanh(), "relu": lambda a: a.relu()}[options.get("activation", "tanh")]
    if name == "rnn":
        return [act(x @ p["Wx"] + h @ p["Wh"] + p["b"])]
    if name == "lstm":
        i, f, g, o = (x @ p["Wx"] + h @ p["Wh"] + p["b"]).chunk(4)
        c = f.sigmoid() * state[1] + i.sigmoid() * act(g)
        return [o.sigmoid() * act(c), c]
    if name != "gru":
        raise ContractError("method", "a cell that is also written in torch", name, "use another method")
    (r, z, n), (v_r, v_z, v_n) = (x @ p["Wx"] + p["bx"]).chunk(3), (h @ p["Wh"] + p["bh"]).chunk(3)
    r, z, H = (r + v_r).sigmoid(), (z + v_z).sigmoid(), len(h)
    v_n = r * v_n if options.get("reset", "after") == "after" else (r * h) @ p["Wh"][:, 2 * H :] + p["bh"][2 * H :]
    return [(1 - z) * (n + v_n).tanh() + z * h]


def run(
    layer: Layer, p: dict[str, Torch], rows: list[Torch], state: list[Torch], T: int | None, rng: Any
) -> tuple[list[Torch], list[Torch]]:
    """Return the outputs, one (L_n, H) tensor a row, and the final states; rows carry their own lengths.

    T is the length of the time axis, which masks of dropout have; None where there is none any more.
    """
    import torch

    if isinstance(layer, (Recurrent, RecurrentDropout)):
        return run_cell(layer, p, rows, state, T, rng)
    if isinstance(layer, (Stack, Bidirectional)):
        return run_composition(layer, p, rows, state, T, rng)
    if isinstance(layer, Dense):
        return [row @ p["W"] + p["b"] for row in rows], []
    if isinstance(layer, Embedding):
        return [p["W"][row] for row in rows], []
    if isinstance(layer, Last):
        return [row[-1:] if len(row) else row.new_zeros((1, row.shape[-1])) for row in rows], []
    if isinstance(layer, Dropout) and (rng is None or not rows):
        return rows, []
    if isinstance(layer, Dropout):
        N, D = len(rows), rows[0].shape[-1]
        once = T is None or layer.per == "sequence"
        kept = torch.tensor((rng.random((N, D) if once else (T, N, D)) >= layer.rate) / (1 - layer.rate))
        return [row * (kept[n] if once else kept[: len(row), n]) for n, row in enumerate(rows)], []
    raise ContractError("method", "a layer that is also written in torch", repr(layer), "use another method")


def run_cell(
    layer: Recurrent | RecurrentDropout,
    p: dict[str, Torch],
    rows: list[Torch],
    state: list[Torch],
    T: int | None,
    rng: Any,
) -> tuple[list[Torch], list[Torch]]:
    """Move each row on by itself, under masks where there are any."""
    import torch

    cell = layer if isinstance(layer, Recurrent) else layer.layer
    factors, stays = (None, []) if cell is layer else masks(layer, T or 0, len(rows), rng)  # type: ignore[arg-type]
    ends, outputs = [], []
    for n, row in enumerate(rows):
        now, y = [s[n] for s in state], []
        own = p if factors is None else {**p, "Wh": torch.tensor(factors[n])[:, None] * p["Wh"]}
        for t, x in enumerate(row):
            new = step(cell, own, x, now)
            kept = [torch.tensor(stay[t, n]) for stay in stays]
            now = [k * a + (1 - k) * b for k, a, b in zip(kept, now, new, strict=True)] if kept else new
            y.append(now[0])
        ends.append(now)
        outputs.append(torch.stack(y) if y else row.new_zeros((0, layer.state_sizes[0])))
    return outputs, [torch.stack([end[k] for end in ends]) for k in range(len(state))]


def run_composition(
    layer: Stack | Bidirectional, p: dict[str, Torch], rows: list[Torch], state: list[Torch], T: int | None, rng: Any
) -> tuple[list[Torch], list[Torch]]:
    """Run the parts one after another, or both directions side by side."""
    import torch

    sides: list[list[Torch]] = []
    final: list[Torch] = []
    at = 0
    for key, part in layer.parts.items():
        own = {name: p[f"{key}.{name}"] for name in part.parameter_shapes()}
        given = [row.flip(0) for row in rows] if key == "backward" else rows
        y, ends = run(part, own, given, state[at : at + len(part.state_sizes)], T, rng)
        T = T if part.keeps_time or isinstance(layer, Bidirectional) else None  # both directions begin with all steps
        at, final = at + len(part.state_sizes), final + ends
        rows = y if isinstance(layer, Stack) else rows
        sides.append([row.flip(0) for row in y] if key == "backward" else y)
    if isinstance(layer, Stack):
        return rows, final
    how = {"sum": torch.add, "mul": torch.mul, "ave": lambda a, b: (a + b) / 2}
    how |= {"concat": lambda a, b: torch.cat([a, b], -1), "none": lambda a, b: torch.stack([a, b], 1)}
    return [how[layer.merge](*pair) for pair in zip(*sides, strict=True)], final


def oracle(
    layer: Layer, inputs: Inputs, upstream: tuple[Array, ...], lengths: Lengths | None, dropout_seed: int | None = None
) -> Oracle:
    """Return the oracle; one backward pass of torch gives all entries. ContractError where torch is missing."""
    try:
        import torch
    except ImportError as error:
        raise ContractError("method", "torch, installed", "no torch", "install torch or use another method") from error
    leaves = {key: torch.tensor(a, requires_grad=a.dtype.kind == "f") for key, a in inputs.items()}
    x = leaves["x"]
    T, N = (len(x), x.shape[1]) if x.ndim > 1 else (1, len(x))
    ends = [T] * N if lengths is None else [int(n) for n in lengths]
    rows = [x[: ends[n], n] for n in range(N)]
    state = [leaves[f"state_0[{k}]"] for k in range(len(layer.state_sizes))]
    rng = None if dropout_seed is None else np.random.default_rng(dropout_seed)
    time = T if x.ndim > 1 else None
    y, final = run(layer, {name: leaves[name] for name in layer.parameter_shapes()}, rows, state, time, rng)
    up = torch.tensor(upstream[0])
    if isinstance(layer, Bidirectional) and layer.merge == "none":
        up = up.transpose(-3, -2)
    loss = sum((row * (up[: len(row), n] if layer.keeps_time else up[n])).sum() for n, row in enumerate(y))
    for s, u in zip(final, upstream[1:], strict=True):
        loss = loss + (s * torch.tensor(u)).sum()
    if isinstance(loss, torch.Tensor) and loss.requires_grad:
        loss.backward()

    def at(name: str, indices: list[Index]) -> Estimates:
        grad = leaves[name].grad
        found = np.zeros(inputs[name].shape) if grad is None else grad.numpy()
        return Estimates(np.array([found[index] for index in indices]), np.zeros(len(indices)))

    return Oracle("torch", at, float(loss.detach() if isinstance(loss, torch.Tensor) else loss))
