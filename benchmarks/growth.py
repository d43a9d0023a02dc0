"""Lines of the yardstick: how time and peak memory grow with T, N and H, and a stream with its customers.

An exponent is the slope of a line through log(time), or log(bytes), against log(size): of the larger half of the sizes,
where what a call costs by itself no longer counts. Time is CPU time on one thread, memory the most that NumPy holds
during the call (tracemalloc).
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rnncore as rc

from .cells import problem
from .turns import Result

BASE = {"N": 32, "T": 100, "D": 32, "H": 64}
SIZES = {
    "T": [25, 50, 100, 200, 400, 800, 1600],
    "N": [8, 16, 32, 64, 128, 256, 512],
    "H": [16, 32, 64, 128, 256, 512],
    "customers": [100, 1000, 10_000, 100_000],
}


def whole(cell: str, letter: str, size: int) -> Callable[[], Any]:
    """Forward + backward of one layer, one of its sizes changed."""
    N, T, D, H = (size if name == letter else usual for name, usual in BASE.items())
    layer, p = problem(cell, (N, T, D, H))

    def call() -> None:
        _, _, cache = layer.forward(p["params"], p["x"], p["state_0"])
        layer.backward(p["params"], cache, p["dy"], p["dstate_T"])

    return call


def stream(cell: str, letter: str, customers: int) -> Callable[[], Any]:
    """One event of each customer, a new stream: what it holds is the table of states and the customers' names."""
    layer, p = problem(cell, (1, 1, 16, 64))
    x, keys = np.ones((customers, 16), np.float32), list(range(customers))

    def call() -> None:
        rc.Stream(layer, p["params"]).step_batch(keys, x)

    return call


def slope(sizes: list[float], values: list[float]) -> float:
    """The exponent with which the values grow over the larger half of the sizes."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0])


def growth(make: Callable[..., Callable[[], Any]], cell: str, letter: str, name: str, quick: bool) -> list[Result]:
    """Time and memory by size: the sizes take turns, the best time of each counts."""
    sizes = [float(size) for size in SIZES[letter]]
    calls = [make(cell, letter, int(size)) for size in sizes]
    seconds, megabytes = [float("inf")] * len(sizes), []
    calls[0]()  # loads the machine code
    for call in calls:
        tracemalloc.start()
        call()
        megabytes.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    for _ in range(3 if quick else 7):
        for k, call in enumerate(calls):
            start = time.process_time()
            call()
            seconds[k] = min(seconds[k], time.process_time() - start)
    exponents = slope(sizes, seconds), slope(sizes, megabytes)
    note = f"{letter} {sizes[0]:.0f} to {sizes[-1]:.0f}; time ~ {letter}^{exponents[0]:.2f}, memory ~ "
    note += f"{letter}^{exponents[1]:.2f}, {megabytes[-1]:.1f} MB at the end"
    numbers = {"sizes": sizes, "seconds": seconds, "megabytes": megabytes, "exponents": list(exponents)}
    last = seconds[-1]
    return [Result(name, 1, "-", last, last, 1.0, (1.0, 1.0), 1.0, 7, note=note, numbers=numbers)]


def lines() -> dict[str, Any]:
    """Name and measurement of every line of this file."""
    found = {}
    for cell in ("LSTM", "GRU", "RNN"):
        for letter in "TNH":
            found[f"growth with {letter}: forward + backward {cell}"] = partial(growth, whole, cell, letter)
    found["growth with customers: a stream, GRU 16->64"] = partial(growth, stream, "GRU", "customers")
    return found
