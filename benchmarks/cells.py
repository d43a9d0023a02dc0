"""Forward and backward of the fast twins against torch.nn.RNN, LSTM and GRU: checked for agreement first, then timed.

    python benchmarks/cells.py [--threads 1 2] [--cells lstm gru rnn] [--shapes 32,50,32,64 ...] [--dtype float64]

A shape is N,T,D,H. The rivals take turns, the best of many turns counts; a ratio above 1 says rnncore is faster.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rnncore.kernels import jit

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
SHAPES = ["32,50,32,64", "64,100,64,128", "128,100,128,256"]


def problem(cell: str, N: int, T: int, D: int, H: int, dtype: str) -> dict[str, Any]:
    """Return params, x, states and upstream gradients, random and non-zero."""
    rng = np.random.default_rng(0)

    def draw(*shape: int, scale: float = 1.0) -> Any:
        return (scale * rng.standard_normal(shape)).astype(dtype)

    G, scale = GATES[cell], H**-0.5
    biases = ("bx", "bh") if cell == "gru" else ("b",)
    params = {"Wx": draw(D, G * H, scale=scale), "Wh": draw(H, G * H, scale=scale)}
    params |= {name: draw(G * H, scale=0.1) for name in biases}
    states = 2 if cell == "lstm" else 1
    return {
        "params": params,
        "x": draw(T, N, D),
        "state_0": tuple(draw(N, H, scale=0.5) for _ in range(states)),
        "dy": draw(T, N, H),
        "dstate_T": tuple(draw(N, H) for _ in range(states)),
    }


def ours(cell: str, p: dict[str, Any]) -> Callable[[], tuple[Any, Any, Any]]:
    """Return a call that gives y, dx and dWh."""
    twin = importlib.import_module(f"rnncore.kernels.{cell}")

    def call() -> tuple[Any, Any, Any]:
        y, _, cache = twin.forward(p["params"], p["x"], p["state_0"])
        grads, dx, _ = twin.backward(p["params"], cache, p["dy"], p["dstate_T"])
        return y, dx, grads["Wh"]

    return call


def torchs(cell: str, p: dict[str, Any]) -> Callable[[], tuple[Any, Any, Any]]:
    """Return the same call on PyTorch's module."""
    import torch

    as_tensor = torch.from_numpy
    D, H = p["x"].shape[-1], len(p["params"]["Wh"])
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](D, H).to(as_tensor(p["x"]).dtype)
    names = {"weight_ih_l0": "Wx", "weight_hh_l0": "Wh", "bias_ih_l0": "bx", "bias_hh_l0": "bh"}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            one_bias = p["params"].get("b") if name == "bias_ih_l0" else 0 * parameter.numpy()
            value = p["params"].get(names[name], one_bias)
            parameter.copy_(as_tensor(np.ascontiguousarray(value.T)))
    state = tuple(as_tensor(s)[None].requires_grad_() for s in p["state_0"])
    x, dy = as_tensor(p["x"].copy()).requires_grad_(), as_tensor(p["dy"])
    dstate = [as_tensor(d)[None] for d in p["dstate_T"]]

    def call() -> tuple[Any, Any, Any]:
        x.grad = None
        module.zero_grad()
        y, final = module(x, state if cell == "lstm" else state[0])
        torch.autograd.backward([y, *(final if cell == "lstm" else [final])], [dy, *dstate])
        return y.detach().numpy(), x.grad.numpy(), module.weight_hh_l0.grad.numpy().T

    return call


def best_times(calls: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Call each in turn until the time is over; return the best time of each."""
    best, end = [float("inf")] * len(calls), time.perf_counter() + seconds
    while time.perf_counter() < end or best[-1] == float("inf"):
        for k, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


def main() -> None:
    """Print one line for each thread count, cell, type and shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        torch = None
    for threads in options.threads:
        jit.set_num_threads(threads)
        if torch:
            torch.set_num_threads(threads)
        for cell in options.cells:
            for shape in options.shapes:
                N, T, D, H = (int(n) for n in shape.split(","))
                p = problem(cell, N, T, D, H, options.dtype)
                calls = [ours(cell, p), *([torchs(cell, p)] if torch else [])]
                results = [call() for call in calls]
                for mine, other in zip(results[0], results[-1], strict=True):
                    np.testing.assert_allclose(mine, other, atol=2e-5 * max(1, abs(other).max()), rtol=0)
                mine, *others = best_times(calls, options.seconds)
                flops = 3 * 2 * N * T * (D + H) * GATES[cell] * H
                line = f"{threads} threads {cell:4} N{N} T{T} {D}->{H}: rnncore {1e3 * mine:7.2f} ms"
                line += f" {flops / mine / 1e9:4.0f} GFLOP/s"
                print(line + "".join(f", torch {1e3 * t:7.2f} ms, ratio {t / mine:.2f}" for t in others), flush=True)


if __name__ == "__main__":
    main()
