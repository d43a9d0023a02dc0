"""Timing in turns: every rival runs once in every turn, so that whatever else the machine does falls on all of them.

A ratio is taken inside a turn, rival / rnncore; what is reported is the median over the turns and the quartiles. Beside
it stands the ratio of the best times. On one thread the clock is the CPU time of the process, which stands still while
others are at work on the machine; on more it is the clock on the wall.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Arrays = tuple[Any, ...]
Call = Callable[[], Arrays]

SIZE = 768  # of the matrices whose product is the measure of the machine
CHUNK = 2e-3  # seconds: short calls are repeated until the clock's own cost does not count


@dataclass
class Work:
    """One line of the yardstick: the calls, rnncore's first, each of which returns the numbers to be compared."""

    calls: dict[str, Call]
    multiply_adds: float = 0.0
    tolerance: float = 2e-5
    dtype: str = "float32"
    single: bool = False  # every call is timed by itself, for its 99th percentile
    checked: bool = False  # the line has compared by itself: its calls move a state on
    note: str = ""
    wall: bool = False  # timed by the clock on the wall on one thread too


@dataclass
class Result:
    """What one rival needed beside rnncore, in seconds; ratio above 1: rnncore is faster."""

    line: str
    threads: int
    rival: str
    ours: float
    theirs: float
    ratio: float
    quartiles: tuple[float, float]
    best: float
    turns: int
    gflops: float | None = None
    share: float | None = None
    percentiles: dict[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""
    unit: str = "s"  # of ours and theirs
    numbers: dict[str, list[float]] = field(default_factory=dict)  # what else the page of results needs


def check(work: Work) -> None:
    """Require that all calls return the same numbers, relative to the largest of each array."""
    name, *others = work.calls
    mine = [np.asarray(a) for a in work.calls[name]()]
    for other in others:
        theirs = [np.asarray(a) for a in work.calls[other]()]
        for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            assert a.shape == b.shape, f"result {k} of {other}: shape {b.shape}, ours {a.shape}"
            gap = float(np.abs(a - b).max(initial=0)) / max(1.0, float(np.abs(b).max(initial=0)))
            assert gap <= work.tolerance, f"result {k} of {other} differs by {gap:.1e}"


def _chunk(call: Call, repeat: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeat):
        call()
    return (clock() - start) / repeat


def _singles(call: Call, repeat: int) -> list[float]:
    clock, times = time.perf_counter_ns, []
    for _ in range(repeat):
        start = clock()
        call()
        times.append((clock() - start) * 1e-9)
    return times


def in_turns(
    work: Work, seconds: float, clock: Callable[[], float]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the time of each call in every turn, and, where `work.single`, of every single call."""
    repeat = {name: max(1, int(CHUNK / max(_chunk(call, 2, clock), 1e-7))) for name, call in work.calls.items()}
    times: dict[str, list[float]] = {name: [] for name in work.calls}
    singles: dict[str, list[float]] = {name: [] for name in work.calls}
    names, end = list(work.calls), time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[names[0]]) < 3:
        for name in names:
            if work.single:
                each = _singles(work.calls[name], repeat[name])
                singles[name] += each
                times[name].append(float(np.median(each)))
            else:
                times[name].append(_chunk(work.calls[name], repeat[name], clock))
        names = [*names[1:], names[0]]  # nobody is always the one who comes after a cache-eater
    return times, singles


def measure(line: str, work: Work, threads: int, seconds: float, gemm: Call | None) -> list[Result]:
    """Check, time in turns, and return one result for each rival (one with no rival where there is none)."""
    if not work.checked:
        check(work)
    mine, *others = work.calls
    clock = time.process_time if threads == 1 and not work.wall else time.perf_counter
    clocks = time.perf_counter(), time.process_time()
    times, singles = in_turns(replace(work, calls={**work.calls, **({"": gemm} if gemm else {})}), seconds, clock)
    got = (time.process_time() - clocks[1]) / (time.perf_counter() - clocks[0])
    ours = np.array(times[mine])
    gflops = 2e-9 * work.multiply_adds / float(np.median(ours)) if work.multiply_adds else None
    peaks = 2e-9 * SIZE**3 / np.array(times.get("", [np.inf]))
    share = float(np.median(2e-9 * work.multiply_adds / ours / peaks)) if gflops and gemm else None
    percentiles = {n: (float(np.median(t)), float(np.quantile(t, 0.99))) for n, t in singles.items() if n and t}
    results = []
    for other in others or [mine]:
        theirs = np.array(times[other])
        low, middle, high = np.quantile(theirs / ours, [0.25, 0.5, 0.75])
        pair = float(np.median(ours)), float(np.median(theirs))
        best = float(theirs.min() / ours.min())
        rival = other if others else "-"
        ratios = float(middle), (float(low), float(high)), best
        results.append(Result(line, threads, rival, *pair, *ratios, len(ours), gflops, share, percentiles, work.note))
        results[-1].numbers["cores"] = [got]
    return results


def best_gemm(dtype: str) -> tuple[Call, float, str]:
    """The fastest product of two SIZE x SIZE matrices that is installed, its GFLOP/s, and whose it is."""
    a = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype(dtype)
    products: dict[str, Call] = {"NumPy": lambda: (a @ a,)}
    try:
        import torch

        t = torch.from_numpy(a)
        products["torch"] = lambda: (torch.mm(t, t),)
    except ImportError:
        pass
    best = {name: min(_chunk(product, 1, time.process_time) for _ in range(9)) for name, product in products.items()}
    name = min(best, key=lambda k: best[k])
    return products[name], 2e-9 * SIZE**3 / best[name], name


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((row.split(":")[1].strip() for row in file if row.startswith("model name")), model)
    caches = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level, kind, size = ((index / what).read_text().strip() for what in ("level", "type", "size"))
        if kind != "Instruction":
            caches[f"L{level}"] = size
    versions = {}
    for name in ("numpy", "scipy", "numba", "llvmlite", "torch", "onnxruntime", "keras"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    settings = {name: value for name, value in os.environ.items() if name.startswith(("OPENBLAS_", "MKL_", "OMP_"))}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        **{"processor": model, "cores": os.cpu_count(), "caches": caches, "python": platform.python_version()},
        **{"versions": versions, "environment": settings, "load_before": load},
    }
