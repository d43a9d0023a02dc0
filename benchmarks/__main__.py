"""Time rnncore against its rivals: each line is first checked for equal numbers, then timed in turns.

    python -m benchmarks [--quick] [--threads 1,2] [--only REGEX] [--json FILE] [--list]

ratio: the rival's time (or memory, or size) over rnncore's, median over the turns, in brackets the quartiles; best: the
ratio of the best times; above 1 rnncore needs less. The two times before it are medians.
GFLOP/s and share are rnncore's; share is that of the best matrix product installed, which takes turns too.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

import rnncore as rc

from . import cells, growth, processes, streaming, training, variants, worked_example
from .rivals import present
from .turns import Result, best_gemm, machine, measure

QUICK = re.compile(
    r"^(forward \+ backward|inference) (LSTM|GRU|RNN) N(1|32|64) T(50|100) \d+->(64|128)$|ragged.*GRU|training step|"
    r"one event|customers at once|bidirectional|denormal.*LSTM|two threads, LSTM N64 T100 64->128"
)

SLOW = re.compile("long sequence|worked example|growth|cold cache|backend=numpy|peak memory (LSTM|RNN)")


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="fewer lines and turns: under two minutes")
    parser.add_argument("--threads", default="1", help="numbers of threads, for all sides, as 1,2")
    parser.add_argument("--only", default="", metavar="REGEX", help="lines whose name matches")
    parser.add_argument("--json", metavar="FILE", help="write all results there, in the place of older ones of a line")
    parser.add_argument("--seconds", type=float, help="for each line; 3, with --quick 0.5")
    parser.add_argument("--list", action="store_true", help="print the names of the lines and stop")
    return parser.parse_args(arguments)


def set_threads(n: int) -> None:
    """Give every side n threads."""
    rc.set_num_threads(n)
    torch = present("torch")
    if torch:
        torch.set_num_threads(n)


def duration(seconds: float, unit: str = "s") -> str:
    """A time in the unit that suits it; what is no time as it stands."""
    if unit != "s":
        return f"{seconds:.3g} {unit}"
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def times(ratio: float) -> str:
    """A ratio with two decimals; below 0.1 with two digits.

    >>> times(12.345), times(0.00437)
    ('12.35', '0.0044')
    """
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


HEAD = f"{'line':62} {'threads':>7} {'rnncore':>8}  {'rival':>24} {'its time':>8} {'ratio':>7} {'[quartiles]':16}"
HEAD += f" {'best':>6}  GFLOP/s, share"


def show(r: Result) -> str:
    """One row of the table under HEAD; threads: "-" where each side has a process of its own."""
    row = f"{r.line:62} {r.threads or '-':>7} {duration(r.ours, r.unit):>8}"
    if r.rival != "-":
        quartiles = f"[{times(r.quartiles[0])}, {times(r.quartiles[1])}]"
        row += f"  {r.rival:>24} {duration(r.theirs, r.unit):>8} {times(r.ratio):>7} {quartiles:16} {times(r.best):>6}"
    if r.gflops is not None:
        row += f"  {r.gflops:5.0f} GFLOP/s"
        row += f" {r.share:4.0%}" if r.share is not None else ""
    for name, (p50, p99) in r.percentiles.items():
        if name in ("rnncore", r.rival):
            row += f"; {name} p50 {duration(p50)} p99 {duration(p99)}"
    return row + (f"  ({r.note})" if r.note else "")


def run(chosen: argparse.Namespace, found: dict[str, Any], threads: int) -> Iterator[list[Result]]:
    """Measure every line on this number of threads."""
    set_threads(threads)
    seconds = chosen.seconds or (0.5 if chosen.quick else 3.0)
    with threadpool_limits(threads, user_api="blas"):
        gemms = {}
        for dtype in ("float32", "float64"):
            gemms[dtype], gflops, whose = best_gemm(dtype)
            print(f"{threads} threads: {dtype} matrix product {gflops:.0f} GFLOP/s ({whose})", flush=True)
        for name, make in found.items():
            try:
                work = make(threads)
                yield measure(name, work, threads, seconds, gemms[work.dtype])
            except ImportError as error:
                print(f"{name:62} skipped: {error}", flush=True)


def everything(chosen: argparse.Namespace, found: dict[str, Any], apart: dict[str, Any]) -> Iterator[list[Result]]:
    """Measure the lines of this process on each number of threads, then those with processes of their own."""
    for threads in (int(n) for n in chosen.threads.split(",")) if found else ():
        yield from run(chosen, found, threads)
    set_threads(1)
    for name, measure_apart in apart.items():
        yield measure_apart(name, chosen.quick)


def write(path: Path, about: dict[str, Any], results: list[Result]) -> None:
    """Put the results into the file: what it holds of other lines stays, so that a long run can be made in parts."""

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["line"], row["threads"], row["rival"]

    rows = {place(row): row for row in (json.loads(path.read_text())["results"] if path.exists() else [])}
    rows |= {place(row): row for row in map(asdict, results)}
    text = json.dumps({"machine": about, "results": list(rows.values())}, indent=1)
    beside = path.with_suffix(".new")
    beside.write_text(text + "\n")
    beside.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 where a line failed its check or broke."""
    chosen = options(arguments)
    found = {**cells.lines(), **variants.lines(), **training.lines(), **streaming.lines()}
    apart = {**processes.lines(), **growth.lines(), **worked_example.lines()}
    if chosen.quick and not chosen.only:
        found = {name: make for name, make in found.items() if QUICK.search(name)}
        apart = {name: make for name, make in apart.items() if not SLOW.search(name)}
    found, apart = ({n: m for n, m in group.items() if re.search(chosen.only, n)} for group in (found, apart))
    if chosen.list:
        print(*found, *apart, sep="\n")
        return 0
    about, start = machine(), time.monotonic()
    print(json.dumps(about))
    for name in ("torch", "onnxruntime"):
        if present(name) is None:
            print(f"{name} is not installed: its columns are left out")
    if any(name.startswith("OPENBLAS_") for name in about["environment"]):
        print("OPENBLAS_* is set: NumPy's products may be slower than this machine's", file=sys.stderr)
    try:
        for k, rows in enumerate(everything(chosen, found, apart)):
            for row in rows:
                if k == 0 and row is rows[0]:
                    print(HEAD)
                print(show(row), flush=True)
            if chosen.json:
                write(Path(chosen.json), about, rows)
    except Exception:
        traceback.print_exc()
        return 1
    print(f"{len(found) + len(apart)} lines in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
