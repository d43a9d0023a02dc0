"""What two threads can gain at most, as the kernels split the work: from the CPU time of each shard, on one thread.

    python -m benchmarks.split

It holds on a machine that others use too, where two threads cannot be timed against one: the part outside the shards
stays as it is, and the shards go, in their order, to whichever of two threads is free.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import rnncore as rc
from rnncore.kernels import gru, jit, lstm, rnn

from .cells import SHAPES, problem


def gain(call: Callable[[], Any]) -> tuple[float, float]:
    """How many times as fast two threads can be, and the part of the time outside the shards; of the best of six."""
    groups: list[list[float]] = []

    def timed(task: Callable[[int], None], shards: int, multiply_adds: float) -> None:
        times = [time.process_time()]
        for shard in range(shards):
            task(shard)
            times.append(time.process_time())
        groups.append([b - a for a, b in pairwise(times)])

    best = float("inf"), 1.0, 1.0
    for module in (rnn, lstm, gru):
        module.run = timed  # type: ignore[attr-defined]
    try:
        for _ in range(6):
            groups.clear()
            start = time.process_time()
            call()
            total = time.process_time() - start
            outside = total - sum(map(sum, groups))
            best = min(best, (total, total / (outside + sum(map(_longer, groups))), outside / total))
    finally:
        for module in (rnn, lstm, gru):
            module.run = jit.run  # type: ignore[attr-defined]
    return best[1:]


def _longer(shards: list[float]) -> float:
    """When the later of two threads is done, each of which takes the next shard when it is free."""
    done = [0.0, 0.0]
    for seconds in shards:
        done[done.index(min(done))] += seconds
    return max(done)


def main() -> None:
    """Print a line for each cell and size with at least 64 sequences."""
    rc.set_num_threads(2)  # the shards are those of two threads
    for cell in ("LSTM", "GRU", "RNN"):
        for shape in (shape for shape in SHAPES if shape[0] >= 64):
            layer, p = problem(cell, shape)

            def call(layer: Any = layer, p: dict[str, Any] = p) -> None:
                _, _, cache = layer.forward(p["params"], p["x"], p["state_0"])
                layer.backward(p["params"], cache, p["dy"], p["dstate_T"])

            times, outside = gain(call)
            N, T, D, H = shape
            print(f"{cell} N{N} T{T} {D}->{H}: up to {times:.2f} times as fast; {outside:.1%} outside the shards")


if __name__ == "__main__":
    main()
