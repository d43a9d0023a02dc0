"""Peak memory and time of full, checkpointed and truncated BPTT over one long sequence: checked first, then measured.

    python benchmarks/truncated_memory.py [--steps 100000] [--k 100 1000] [--cell LSTM] [--sequences 1] [--units 32]

Memory is what a call allocates at its peak (tracemalloc), over and above the input, the target and the parameters that
it is given. The gradient's error is relative to that of full BPTT, over all parameters as one vector. The rivals take
turns; the best time of `--turns` counts, measured apart from the memory.
"""

import argparse
import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import rnncore as rc

Result = tuple[float, dict[str, Any], Any]


def peak_bytes(call: Callable[[], Result]) -> int:
    """Return the most that is allocated at any time during the call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def relative_error(grads: dict[str, Any], exact: dict[str, Any]) -> float:
    """Return |grads - exact| / |exact|, all parameters as one vector."""
    a, b = (np.concatenate([g[name].ravel() for name in exact]).astype(float) for g in (grads, exact))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def rivals(options: argparse.Namespace, T: int) -> dict[str, Callable[[], Result]]:
    """Return a call for each way to the gradient, over T steps."""
    D, H, N = 8, options.units, options.sequences
    model = getattr(rc, options.cell)(D, H, backend=options.backend, dtype=options.dtype)
    rng = np.random.default_rng(0)
    params = model.init(rng)
    x, target = (rng.standard_normal((T, N, size)).astype(options.dtype) for size in (D, H))
    args: tuple[Any, ...] = (model, params, x, target, rc.losses.mse)
    calls: dict[str, Callable[[], Result]] = {
        "full": lambda: rc.full_bptt(*args),
        "full, in segments": lambda: rc.full_bptt(*args, every=math.isqrt(T - 1) + 1),
        "checkpointed": lambda: rc.checkpointed_bptt(*args),
    }
    for k in options.k:
        calls[f"truncated k1=k2={k}"] = lambda k=k: rc.truncated_bptt(*args, k1=k)
    return calls


def check(options: argparse.Namespace) -> None:
    """Require that checkpointed BPTT gives the full gradient, and its value, on a short sequence.

    Bit for bit where both sum over the same segments, else to rounding.
    """
    calls = rivals(options, T=1000)
    full, checkpointed, segments = (calls[name]() for name in ("full", "checkpointed", "full, in segments"))
    assert checkpointed[0] == segments[0]
    assert all(np.array_equal(g, segments[1][name]) for name, g in checkpointed[1].items())
    bound = 1e-12 if options.dtype == "float64" else 1e-4
    assert relative_error(checkpointed[1], full[1]) < bound
    assert abs(checkpointed[0] - full[0]) < bound * abs(full[0])


def main() -> None:
    """Print one line for each way to the gradient."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--k", nargs="+", type=int, default=[100, 1000])
    parser.add_argument("--cell", default="LSTM", choices=["RNN", "LSTM", "GRU"])
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--backend", default="numba", choices=["numba", "numpy"])
    parser.add_argument("--dtype", default="float64", choices=["float32", "float64"])
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()

    check(options)
    calls = rivals(options, options.steps)
    exact = calls["full"]()[1]
    seconds = dict.fromkeys(calls, float("inf"))
    for _ in range(options.turns):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    peaks = {name: peak_bytes(call) for name, call in calls.items()}
    errors = {name: relative_error(call()[1], exact) for name, call in calls.items()}

    print(
        f"{options.cell} {options.backend} {options.dtype}, T={options.steps} N={options.sequences} H={options.units}"
    )
    print(f"{'':22}{'peak MB':>9}{'of full':>9}{'seconds':>9}{'of full':>9}{'error':>10}")
    for name in calls:
        memory, duration = peaks[name] / peaks["full"], seconds[name] / seconds["full"]
        line = f"{name:22}{peaks[name] / 1e6:9.2f}{memory:9.4f}{seconds[name]:9.2f}{duration:9.2f}{errors[name]:10.1e}"
        print(line)


if __name__ == "__main__":
    main()
