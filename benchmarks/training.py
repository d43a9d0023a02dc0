"""Lines of the yardstick: a whole training step, and ragged batches with CDNOW's real lengths."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rnncore as rc

from .cells import problem
from .rivals import load_torch, present, torch_module
from .turns import Arrays, Call, Work

V, E, H, N, T = 500, 32, 128, 64, 50


def training_step(threads: int) -> Work:
    """Next item: Embedding(500, 32), GRU 128, Dense to 500 items, cross-entropy, clip by the global norm, Adam."""
    model = rc.Stack(rc.Embedding(V, E), rc.GRU(E, H), rc.Dense(H, V))
    start, rng = model.init(0), np.random.default_rng(0)
    ids, target = rng.integers(0, V, (T, N)), rng.integers(0, V, (T, N))
    params, optimizer = start, rc.Adam(1e-3)

    def ours() -> Arrays:
        nonlocal params
        value, grads, _ = rc.full_bptt(model, params, ids, target, rc.losses.softmax_cross_entropy)
        clipped, norm = rc.clip_by_global_norm(grads, 0.5)
        params = optimizer.step(params, clipped)
        return np.array(value), np.array(norm), params["1.Wh"]

    calls: dict[str, Call] = {"rnncore": ours}
    if present("torch"):
        calls["torch"] = torch_step(start, ids, target)
    return Work(calls, 3.0 * N * T * ((E + H) * 3 * H + H * V), 5e-4, note="first step compared")


def torch_step(start: Any, ids: Any, target: Any) -> Call:
    """The same step in torch, with its fused loss, clipping and Adam."""
    torch = present("torch")
    nn = torch.nn
    embed, gru, dense = nn.Embedding(V, E), nn.GRU(E, H), nn.Linear(H, V)
    load_torch(gru, {name: start[f"1.{name}"] for name in ("Wx", "Wh", "bx", "bh")}, "_l0")
    with torch.no_grad():
        embed.weight.copy_(torch.from_numpy(start["0.W"]))
        dense.weight.copy_(torch.from_numpy(start["2.W"].T.copy()))
        dense.bias.copy_(torch.from_numpy(start["2.b"]))
    weights = [*embed.parameters(), *gru.parameters(), *dense.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3)
    x, wanted = torch.from_numpy(ids), torch.from_numpy(target).reshape(-1)

    def call() -> Arrays:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(dense(gru(embed(x))[0]).reshape(-1, V), wanted)
        value.backward()
        norm = nn.utils.clip_grad_norm_(weights, 0.5)
        optimizer.step()
        return value.detach().numpy(), norm.numpy(), gru.weight_hh_l0.detach().numpy().T.copy()

    return call


def ragged(cell: str, threads: int) -> Work:
    """Forward + backward of 8 batches of 128 CDNOW customers, one step per purchase day; 16 features, 64 units."""
    from rnncore.datasets import cdnow

    counts = cdnow(per_day=True)["customer"].value_counts(sort=True)["count"].to_numpy()
    rng = np.random.default_rng(0)
    chosen = rng.permutation(counts)[: 8 * 128].reshape(8, 128)
    batches = []
    for row in chosen:
        lengths = np.sort(row.astype(np.int64))[::-1].copy()
        layer, p = problem(cell, (128, int(lengths[0]), 16, 64))
        live = np.arange(lengths[0])[:, None] < lengths
        p["x"], p["dy"] = p["x"] * live[:, :, None], p["dy"] * live[:, :, None]
        batches.append((p, lengths))

    def ours() -> Arrays:
        results: list[Any] = []
        for p, lengths in batches:
            y, _, cache = layer.forward(p["params"], p["x"], p["state_0"], lengths)
            grads, dx, _ = layer.backward(p["params"], cache, p["dy"])
            results += [y, dx, grads["Wh"]]
        return tuple(results)

    calls: dict[str, Call] = {"rnncore": ours}
    if present("torch"):
        calls["torch, padded"] = torch_ragged(cell, batches, packed=False)
        calls["torch, packed"] = torch_ragged(cell, batches, packed=True)
    steps = float(sum(lengths.sum() for _, lengths in batches))
    fill = steps / sum(lengths.size * lengths[0] for _, lengths in batches)
    gates = len(batches[0][0]["params"]["Wx"][0]) // 64
    return Work(calls, 3 * steps * 80 * gates * 64, note=f"{fill:.1%} of the padded steps are real")


def torch_ragged(cell: str, batches: list[Any], packed: bool) -> Call:
    """torch on the same batches: padded (past a row's end nothing comes in or back), or as a packed sequence."""
    torch = present("torch")
    module = torch_module(cell, batches[0][0]["params"])
    pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    ready = []
    for p, lengths in batches:
        state = tuple(torch.from_numpy(s)[None].requires_grad_() for s in p["state_0"])
        x = torch.from_numpy(p["x"].copy()).requires_grad_()
        live = torch.from_numpy((p["dy"] != 0).any(axis=2, keepdims=True))
        ready.append(
            (x, state if cell == "LSTM" else state[0], torch.from_numpy(p["dy"]), torch.from_numpy(lengths), live)
        )

    def call() -> Arrays:
        results: list[Any] = []
        for x, state, dy, lengths, live in ready:
            x.grad = None
            module.zero_grad()
            if packed:
                y = pad(module(pack(x, lengths), state)[0], total_length=len(x))[0]
            else:
                y = module(x, state)[0] * live
            y.backward(dy)
            results += [y.detach().numpy(), x.grad.numpy(), module.weight_hh_l0.grad.numpy().T]
        return tuple(results)

    return call


def lines() -> dict[str, Any]:
    """Name and work of every line of this file."""
    found: dict[str, Any] = {f"training step: embedding, GRU, dense N{N} T{T} {E}->{H}": training_step}
    for cell in ("LSTM", "GRU", "RNN"):
        found[f"ragged forward + backward {cell}, CDNOW lengths N128 16->64"] = partial(ragged, cell)
    return found
