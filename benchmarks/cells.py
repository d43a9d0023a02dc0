"""Lines of the yardstick: one layer over whole sequences, forward + backward and inference."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rnncore as rc

from .rivals import GATES, load_torch, onnx_session, present, torch_module
from .turns import Arrays, Call, Work

SHAPES = [  # N, T, D, H
    (1, 50, 16, 64),
    (32, 50, 32, 64),
    (64, 100, 64, 128),
    (128, 100, 128, 256),
    (64, 100, 256, 512),
    (256, 30, 16, 50),
    (32, 1000, 8, 32),
]
COUNT_RECIPE = (32, 155, 16, 128)


def problem(cell: str, shape: tuple[int, int, int, int], dtype: str = "float32") -> tuple[rc.GRU, dict[str, Any]]:
    """Return a layer and params, x, states and upstream gradients, random and non-zero."""
    N, T, D, H = shape
    rng = np.random.default_rng(0)

    def draw(*size: int, scale: float = 1.0) -> Any:
        return (scale * rng.standard_normal(size)).astype(dtype)

    layer = getattr(rc, cell)(D, H, dtype=dtype)
    params = {name: draw(*size, scale=H**-0.5) for name, size in layer.parameter_shapes().items()}
    states = range(2 if cell == "LSTM" else 1)
    p = {"params": params, "x": draw(T, N, D), "dy": draw(T, N, H)}
    p |= {"state_0": tuple(draw(N, H, scale=0.5) for _ in states), "dstate_T": tuple(draw(N, H) for _ in states)}
    return layer, p


def products(cell: str, shape: tuple[int, int, int, int]) -> float:
    """Multiply-adds of the forward pass; forward + backward takes three times as many."""
    N, T, D, H = shape
    return float(N * T * (D + H) * GATES[cell] * H)


def torch_training(cell: str, p: dict[str, Any]) -> Call:
    """Forward and backward of torch's module: y, dx and dWh."""
    torch = present("torch")
    module = torch_module(cell, p["params"])
    state = tuple(torch.from_numpy(s)[None].requires_grad_() for s in p["state_0"])
    x, dy = torch.from_numpy(p["x"].copy()).requires_grad_(), torch.from_numpy(p["dy"])
    dstate = [torch.from_numpy(d)[None] for d in p["dstate_T"]]

    def call() -> Arrays:
        x.grad = None
        module.zero_grad()
        y, final = module(x, state if cell == "LSTM" else state[0])
        torch.autograd.backward([y, *(final if cell == "LSTM" else [final])], [dy, *dstate])
        return y.detach().numpy(), x.grad.numpy(), module.weight_hh_l0.grad.numpy().T

    return call


def training(cell: str, shape: tuple[int, int, int, int], dtype: str, threads: int) -> Work:
    """Forward and backward of one layer with gradients into x, the states and the weights."""
    layer, p = problem(cell, shape, dtype)

    def ours() -> Arrays:
        y, _, cache = layer.forward(p["params"], p["x"], p["state_0"])
        grads, dx, _ = layer.backward(p["params"], cache, p["dy"], p["dstate_T"])
        return y, dx, grads["Wh"]

    calls: dict[str, Call] = {"rnncore": ours}
    if present("torch"):
        calls["torch"] = torch_training(cell, p)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    return Work(calls, 3 * products(cell, shape), tolerance, dtype)


def inference(cell: str, shape: tuple[int, int, int, int], threads: int) -> Work:
    """Forward of one layer, nothing kept for a backward; y and the final state."""
    layer, p = problem(cell, shape)

    def ours() -> Arrays:
        y, state = rc.predict(layer, p["params"], p["x"], p["state_0"])
        return y, state[0]

    calls: dict[str, Call] = {"rnncore": ours}
    torch = present("torch")
    if torch:
        module = torch_module(cell, p["params"])
        x, given = torch.from_numpy(p["x"]), tuple(torch.from_numpy(s)[None] for s in p["state_0"])

        def torchs() -> Arrays:
            with torch.inference_mode():
                y, final = module(x, given if cell == "LSTM" else given[0])
            return y.numpy(), (final[0] if cell == "LSTM" else final).numpy()[0]

        calls["torch"] = torchs
    session = onnx_session(cell, p["params"], threads)
    if session:

        def onnxs() -> Arrays:
            y, h, *_ = session(p["x"], *p["state_0"])
            return y[:, 0], h[0]

        calls["onnxruntime"] = onnxs
    return Work(calls, products(cell, shape))


def bidirectional(shape: tuple[int, int, int, int], threads: int) -> Work:
    """Forward and backward of a two-layer bidirectional LSTM."""
    N, T, D, H = shape
    model = rc.Stack(rc.Bidirectional(rc.LSTM(D, H)), rc.Bidirectional(rc.LSTM(2 * H, H)))
    params, rng = model.init(0), np.random.default_rng(0)
    x = rng.standard_normal((T, N, D)).astype("float32")
    dy = rng.standard_normal((T, N, 2 * H)).astype("float32")

    def ours() -> Arrays:
        y, _, cache = model.forward(params, x)
        grads, dx, _ = model.backward(params, cache, dy)
        assert dx is not None
        return y, dx, grads["0.backward.Wh"]

    calls: dict[str, Call] = {"rnncore": ours}
    torch = present("torch")
    if torch:
        module = torch.nn.LSTM(D, H, num_layers=2, bidirectional=True)
        for layer in (0, 1):
            for direction, suffix in (("forward", f"_l{layer}"), ("backward", f"_l{layer}_reverse")):
                own = {name: params[f"{layer}.{direction}.{name}"] for name in ("Wx", "Wh", "b")}
                load_torch(module, own, suffix)
        tx, tdy = torch.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(dy)

        def torchs() -> Arrays:
            tx.grad = None
            module.zero_grad()
            y, _ = module(tx)
            y.backward(tdy)
            return y.detach().numpy(), tx.grad.numpy(), module.weight_hh_l0_reverse.grad.numpy().T

        calls["torch"] = torchs
    flops = 3 * 2 * (products("LSTM", shape) + products("LSTM", (N, T, 2 * H, H)))
    return Work(calls, flops)


def two_threads(cell: str, shape: tuple[int, int, int, int], threads: int) -> Work:
    """Forward and backward on two threads against one; first checked to give the same bits."""
    layer, p = problem(cell, shape)

    def on(n: int) -> Arrays:
        rc.set_num_threads(n)
        y, _, cache = layer.forward(p["params"], p["x"], p["state_0"])
        grads, dx, _ = layer.backward(p["params"], cache, p["dy"], p["dstate_T"])
        rc.set_num_threads(threads)
        return y, dx, *grads.values()

    calls: dict[str, Call] = {"rnncore": lambda: on(2), "rnncore, one thread": lambda: on(1)}
    return Work(calls, 3 * products(cell, shape), tolerance=0.0, wall=True)


def denormal(cell: str, threads: int) -> Work:
    """rnncore on denormal inputs, states and upstream gradients, against itself on normal ones: no slow-down."""
    shape = (32, 50, 32, 64)
    layer, p = problem(cell, shape)
    tiny = {name: p[name] * np.float32(1e-41) for name in ("x", "dy")}
    small = tuple(s * np.float32(1e-41) for s in p["state_0"])
    params = {name: a if a.ndim == 2 else 0 * a for name, a in p["params"].items()}

    def run(x: Any, dy: Any, state: Any) -> Arrays:
        _, _, cache = layer.forward(params, x, state)
        layer.backward(params, cache, dy)
        return (np.zeros(1),)

    calls: dict[str, Call] = {
        "rnncore": lambda: run(tiny["x"], tiny["dy"], small),
        "rnncore, normal numbers": lambda: run(p["x"], p["dy"], p["state_0"]),
    }
    return Work(calls, 3 * products(cell, shape))


def lines() -> dict[str, Any]:
    """Name and work of every line of this file."""
    found: dict[str, Any] = {}
    for what in ("forward + backward", "inference"):
        for cell in ("LSTM", "GRU", "RNN"):
            for shape in SHAPES:
                N, T, D, H = shape
                make = (
                    partial(training, cell, shape, "float32")
                    if what != "inference"
                    else partial(inference, cell, shape)
                )
                found[f"{what} {cell} N{N} T{T} {D}->{H}"] = make
    N, T, D, H = COUNT_RECIPE
    found[f"forward + backward LSTM N{N} T{T} {D}->{H} (counts)"] = partial(training, "LSTM", COUNT_RECIPE, "float32")
    for cell in ("LSTM", "GRU", "RNN"):
        found[f"float64 forward + backward {cell} N64 T100 64->128"] = partial(
            training, cell, (64, 100, 64, 128), "float64"
        )
    found["two-layer bidirectional LSTM N32 T50 32->64"] = partial(bidirectional, (32, 50, 32, 64))
    for cell in ("LSTM", "GRU", "RNN"):
        found[f"denormal inputs, {cell} N32 T50 32->64"] = partial(denormal, cell)
        for shape in SHAPES:
            N, T, D, H = shape
            if N >= 64:
                found[f"two threads, {cell} N{N} T{T} {D}->{H}"] = partial(two_threads, cell, shape)
    return found
