"""Lines of the yardstick that need a process of their own: cold start, and the memory of a very long sequence.

python -m benchmarks.processes long rnncore 100000      one measurement, printed as JSON
python -m benchmarks.processes memory rnncore LSTM      the same for the memory of one forward + backward
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .cells import problem, training
from .rivals import load_torch, present
from .turns import Result

T = TypeVar("T")
HERE = Path(__file__).parent
ROOT = HERE.parents[1] if HERE.parent.name == "rnncore" else HERE.parent  # what a new process finds this package in
MEMORY = (64, 400, 64, 128)  # N, T, D, H of the lines that measure memory
K = 100  # steps of one chunk of truncated BPTT

PREDICT = """
import numpy as np, rnncore as rc
model = rc.Stack(rc.GRU(16, 64, backend={backend!r}), rc.Last(), rc.Dense(64, 1))
model.forward(model.init(0), np.ones((12, 8, 16), np.float32))
"""
TORCH = """
import torch
model, head = torch.nn.GRU(16, 64), torch.nn.Linear(64, 1)
with torch.inference_mode():
    head(model(torch.ones(12, 8, 16))[0][-1])
"""
STARTS = {  # what -> the program, and the rival's
    "import": ("import rnncore", "import torch"),
    "first prediction, warm cache": (PREDICT.format(backend="numba"), TORCH),
    "first prediction, backend=numpy": (PREDICT.format(backend="numpy"), TORCH),
    "first prediction, cold cache": (PREDICT.format(backend="numba"), TORCH),
}


def new_process(*words: str, **environment: str) -> str:
    """Run Python and return what it prints; the byte code is kept, as that of an installed package is."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    given = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", **environment}
    return subprocess.run([sys.executable, *words], check=True, env=given, capture_output=True, text=True).stdout


def _seconds(program: str, **environment: str) -> float:
    start = time.perf_counter()
    new_process("-c", program, **environment)
    return time.perf_counter() - start


def _cpu_seconds(program: str, processes: int) -> float:
    """The least CPU time of so many processes: near the time on a machine that does nothing else."""
    return min(_used(program) for _ in range(processes))


def _used(program: str) -> float:
    before = os.times()
    _seconds(program)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def cold_start(what: str, name: str, quick: bool) -> list[Result]:
    """Time a whole process, the interpreter's own start included, in turns with an empty one and torch's."""
    program, theirs = STARTS[what]
    turns = 1 if quick else 2 if "cold" in what else 9
    rivals = {"python alone": "pass", "import numpy alone": "import numpy"}
    rivals |= {"torch": theirs} if present("torch") else {}
    for code in (program, *rivals.values()):
        _seconds(code)
    times: dict[str, list[float]] = {rival: [] for rival in ("rnncore", *rivals)}
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as empty:
            times["rnncore"].append(_seconds(program, **({"NUMBA_CACHE_DIR": empty} if "cold" in what else {})))
        for rival, other in rivals.items():
            times[rival].append(_seconds(other))
    beyond = float(np.median(np.subtract(times["rnncore"], times["python alone"])))
    note, numbers = f"beyond the interpreter's own start {beyond:.3f} s", {"beyond": [beyond]}
    if "cold" not in what:
        numbers["cpu"] = [_cpu_seconds(program, 2 if quick else 5)]
        note += f"; least CPU time {numbers['cpu'][0]:.3f} s"
    return [paired(name, rival, times, note, **numbers) for rival in rivals]


def installed_size(name: str, quick: bool) -> list[Result]:
    """Megabytes of the installed package, without byte code and machine code."""

    def megabytes(module: Any) -> float:
        files = (f for f in Path(module.__file__).parent.rglob("*") if f.is_file())
        return sum(f.stat().st_size for f in files if f.suffix not in (".pyc", ".nbi", ".nbc")) / 1e6

    needs = ("numpy", "scipy", "numba", "llvmlite")
    sizes = {other: megabytes(present(other)) for other in (*needs, "torch", "keras") if present(other)}
    note = f"rnncore needs {', '.join(f'{other} {sizes[other]:.0f}' for other in needs)}"
    own = megabytes(present("rnncore"))
    rivals = [other for other in sizes if other not in needs] or ["-"]
    pairs = [{"rnncore": [own], rival: [sizes.get(rival, own)]} for rival in rivals]
    return [replace(paired(name, rival, pair, note), unit="MB") for rival, pair in zip(rivals, pairs, strict=True)]


def paired(name: str, rival: str, times: dict[str, list[float]], note: str = "", **numbers: list[float]) -> Result:
    ours, theirs = np.array(times["rnncore"]), np.array(times[rival])
    low, middle, high = np.quantile(theirs / ours, [0.25, 0.5, 0.75])
    medians = float(np.median(ours)), float(np.median(theirs))
    best = float(theirs.min() / ours.min())
    return Result(
        name, 0, rival, *medians, float(middle), (float(low), float(high)), best, len(ours), note=note, numbers=numbers
    )


def _long_problem(T: int) -> tuple[Any, Any, Any, Any]:
    import rnncore as rc

    model, rng = rc.LSTM(8, 32), np.random.default_rng(0)
    return model, model.init(0), rng.standard_normal((T, 1, 8), np.float32), rng.standard_normal((T, 1, 32), np.float32)


def _ours(T: int) -> Callable[[], tuple[float, Any]]:
    import rnncore as rc

    model, params, x, target = _long_problem(T)
    rc.set_num_threads(1)

    def call() -> tuple[float, Any]:
        value, grads, _ = rc.truncated_bptt(model, params, x, target, rc.losses.mse, k1=K)
        return value, grads["Wh"]

    return call


def _torchs(T: int) -> Callable[[], tuple[float, Any]]:
    torch = present("torch")
    torch.set_num_threads(1)
    _, params, x, target = _long_problem(T)
    module = torch.nn.LSTM(8, 32)
    load_torch(module, params, "_l0")
    tx, wanted = torch.from_numpy(x), torch.from_numpy(target)

    def call() -> tuple[float, Any]:
        module.zero_grad()
        total, state = 0.0, None
        for start in range(0, T, K):
            chunk = tx[start : start + K]
            y, state = module(chunk, state)
            loss = torch.nn.functional.mse_loss(y, wanted[start : start + K]) * (len(chunk) / T)
            loss.backward()
            total, state = total + float(loss), tuple(s.detach() for s in state)
        return total, module.weight_hh_l0.grad.numpy().T

    return call


def long_run(who: str, T: int) -> dict[str, float]:
    """Run once over a short sequence, then over T steps: seconds, added peak memory, loss and size of the gradient."""
    make = {"rnncore": _ours, "torch": _torchs}[who]
    make(10 * K)()
    call = make(T)
    start = time.perf_counter()
    (value, dWh), megabytes = peak_of(call)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": megabytes, "loss": value, "dWh": float(np.linalg.norm(dWh))}


def peak_of(call: Callable[[], T]) -> tuple[T, float]:
    """What the call returns, and the most memory that was resident during it beyond that before, in MB."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest memory so far: it was the compiler's
    before = _status("VmRSS")
    returned = call()
    return returned, _status("VmHWM") - before


def _status(what: str) -> float:
    """VmRSS (resident now) or VmHWM (at most so far), in MB."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(float(row.split()[1]) / 1024 for row in rows if row.startswith(what))


def long_sequence(name: str, quick: bool) -> list[Result]:
    """Truncated BPTT over 20,000 and 100,000 steps, each in a process of its own: time, and peak memory."""
    if not os.path.exists("/proc/self/clear_refs"):
        print(f"{name:62} skipped: peak memory is read from Linux's /proc")
        return []
    sides = ["rnncore", *(["torch"] if present("torch") else [])]
    lengths = (20_000, 100_000)
    runs: dict[tuple[str, int], list[dict[str, float]]] = {(side, T): [] for side in sides for T in lengths}
    for _ in range(2 if quick else 3):
        for side, T in runs:
            runs[side, T].append(json.loads(new_process("-m", f"{__package__}.processes", "long", side, str(T))))
    for what in ("loss", "dWh"):
        values = [runs[side, lengths[1]][0][what] for side in sides]
        assert max(values) - min(values) < 1e-4 * max(values), f"{what}: {values}"
    times = {side: [run["seconds"] for run in runs[side, lengths[1]]] for side in sides}
    peaks = {key: min(run["megabytes"] for run in group) for key, group in runs.items()}
    memory = "; ".join(f"{side} T={T} +{peak:.1f} MB" for (side, T), peak in peaks.items())
    flat = [peaks["rnncore", T] for T in lengths]
    return [paired(name, side, times, memory, megabytes=flat) for side in sides[1:] or sides]


def memory_run(who: str, cell: str) -> dict[str, float]:
    """Run forward + backward once: seconds, and what it adds to the peak memory; compiled and warmed up before."""
    training(cell, (64, 2, 64, 128), "float32", 1).calls[who]()
    call = training(cell, MEMORY, "float32", 1).calls[who]
    start = time.perf_counter()
    _, megabytes = peak_of(call)
    return {"seconds": time.perf_counter() - start, "megabytes": megabytes}


def kept(cell: str) -> float:
    """Floats that forward leaves for backward, per step, sequence and unit: the cache, without x and beside y.

    Counted are whole blocks of memory, each once: of an array that y is a part of, what is more than y.
    """
    layer, p = problem(cell, (8, 100, 4, 32))
    y, _, cache = layer.forward(p["params"], p["x"], p["state_0"])
    own = [y, *(a for a in cache if a is not None and not np.shares_memory(a, p["x"]))]
    blocks = {id(block): block.nbytes for block in map(_block, own)}
    return (sum(blocks.values()) - y.nbytes) / y.nbytes


def _block(array: Any) -> Any:
    """The array that owns the memory."""
    return array if array.base is None else _block(array.base)


def peak_memory(cell: str, name: str, quick: bool) -> list[Result]:
    """MB that one forward + backward adds at its peak, each side in a process of its own; the least of three."""
    if not os.path.exists("/proc/self/clear_refs"):
        print(f"{name:62} skipped: peak memory is read from Linux's /proc")
        return []
    sides = ["rnncore", *(["torch"] if present("torch") else [])]
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(1 if quick else 3):
        for side in sides:
            runs[side].append(json.loads(new_process("-m", f"{__package__}.processes", "memory", side, cell)))
    least = {side: min(run["megabytes"] for run in runs[side]) for side in sides}
    seconds = {side: float(np.median([run["seconds"] for run in runs[side]])) for side in sides}
    floats = kept(cell)
    took = ", ".join(f"{side} {1e3 * seconds[side]:.0f} ms" for side in sides)
    note = f"kept beside y: {floats:.2f} floats per unit and step; one call took {took}"
    mine, both = {side: [least[side]] for side in sides}, [least[side] for side in sides]
    rows = [paired(name, side, mine, note, megabytes=both, kept=[floats]) for side in sides[1:] or sides]
    return [replace(row, unit="MB", turns=len(runs["rnncore"])) for row in rows]


def lines() -> dict[str, Callable[[str, bool], list[Result]]]:
    """Name and measurement of every line of this file."""
    starts: dict[str, Any] = {f"new process: {what}": partial(cold_start, what) for what in STARTS}
    starts["installed size"] = installed_size
    N, T, D, H = MEMORY
    memory = {f"peak memory {c} N{N} T{T} {D}->{H}": partial(peak_memory, c) for c in ("LSTM", "GRU", "RNN")}
    return {**starts, f"long sequence: LSTM 8->32, T=100000, truncated BPTT k={K}": long_sequence, **memory}


if __name__ == "__main__":
    what, who, value = sys.argv[1:]
    print(json.dumps(memory_run(who, value) if what == "memory" else long_run(who, int(value))))
