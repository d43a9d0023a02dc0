"""Lines of the yardstick: one event at a time, called from Python, and a thousand customers at once.

rnncore looks the customer's state up by id; the rivals are handed the state and hand it back, which costs them less.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rnncore as rc

from .cells import problem
from .rivals import GATES, onnx_session, present, torch_module
from .turns import Arrays, Call, Work

D, H = 16, 64


def rivals(cell: str, p: dict[str, Any], threads: int) -> dict[str, Call]:
    """One step of torch's cell and of onnxruntime from the states of p, whose N is that of x; each returns y."""
    found: dict[str, Call] = {}
    torch = present("torch")
    if torch:
        module = torch_module(cell, p["params"], single_step=True)
        x, given = torch.from_numpy(p["x"][0]), tuple(torch.from_numpy(s) for s in p["state_0"])

        def torchs() -> Arrays:
            with torch.inference_mode():
                after = module(x, given if cell == "LSTM" else given[0])
            return ((after[0] if cell == "LSTM" else after).numpy(),)

        found["torch cell"] = torchs
    session = onnx_session(cell, p["params"], threads)
    if session:
        found["onnxruntime"] = lambda: (session(p["x"], *p["state_0"])[0][0, 0],)
    return found


def one_event(cell: str, threads: int) -> Work:
    """One event of one customer."""
    layer, p = problem(cell, (1, 1, D, H))
    stream, event = rc.Stream(layer, p["params"]), p["x"][0, 0]
    stream.set_states(["ann"], p["state_0"])
    first = stream.step("ann", event)[None]  # what is compared: the rivals start from the same state in every call
    calls: dict[str, Call] = {"rnncore": lambda: (stream.step("ann", event),)}
    others = rivals(cell, p, threads)
    for other in others.values():
        assert np.abs(other()[0] - first).max() < 2e-5
    return Work({**calls, **others}, (D + H) * GATES[cell] * H, single=True, checked=True)


def scored_event(threads: int) -> Work:
    """One event of one customer through Stack(GRU, Last, Dense), the customer's score comes out."""
    model = rc.Stack(rc.GRU(D, H), rc.Last(), rc.Dense(H, 1))
    params, event = model.init(0), np.ones(D, np.float32)
    stream = rc.Stream(model, params)
    calls: dict[str, Call] = {"rnncore": lambda: (stream.step("ann", event),)}
    torch = present("torch")
    first = stream.step("ann", event)
    if torch:
        own = {name[2:]: a for name, a in params.items() if name.startswith("0.")}
        module, head = torch_module("GRU", own, single_step=True), torch.nn.Linear(H, 1)
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(params["2.W"].T.copy()))
            head.bias.copy_(torch.from_numpy(params["2.b"]))
        x, state = torch.from_numpy(event)[None], torch.zeros(1, H)

        def torchs() -> Arrays:
            with torch.inference_mode():
                return (head(module(x, state)).numpy()[0],)

        assert np.abs(torchs()[0] - first).max() < 2e-5
        calls["torch cell"] = torchs
    return Work(calls, D * 3 * H + H * 3 * H + H, single=True, checked=True)


def thousand(cell: str, threads: int) -> Work:
    """One event of each of 1,000 customers."""
    layer, p = problem(cell, (1000, 1, D, H))
    stream, keys, x = rc.Stream(layer, p["params"]), [f"customer {n}" for n in range(1000)], p["x"][0]
    stream.set_states(keys, p["state_0"])
    first = stream.step_batch(keys, x)
    others = rivals(cell, p, threads)
    for other in others.values():
        assert np.abs(other()[0] - first).max() < 2e-5
    calls: dict[str, Call] = {"rnncore": lambda: (stream.step_batch(keys, x),)}
    return Work({**calls, **others}, 1000.0 * (D + H) * GATES[cell] * H, checked=True)


def lines() -> dict[str, Any]:
    """Name and work of every line of this file."""
    found: dict[str, Any] = {}
    for cell in ("LSTM", "GRU", "RNN"):
        found[f"one event {cell} N1 {D}->{H}, from Python"] = partial(one_event, cell)
    found[f"one event GRU, Last, Dense N1 {D}->{H}->1, from Python"] = scored_event
    for cell in ("LSTM", "GRU", "RNN"):
        found[f"1,000 customers at once {cell} {D}->{H}"] = partial(thousand, cell)
    return found
