"""What each line of the yardstick has to reach, and whether a run reached it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass
class Verdict:
    """One bar: what was asked for, what came, and whether that is enough; None where no line of it was measured."""

    bar: str
    wanted: str
    came: str
    met: bool | None


def best_rivals(rows: Iterable[Row]) -> list[Row]:
    """Of each line the row of the rival that was fastest."""
    found: dict[tuple[str, int], Row] = {}
    for row in rows:
        key = row["line"], row["threads"]
        if key not in found or row["ratio"] < found[key]["ratio"]:
            found[key] = row
    return list(found.values())


def geometric_mean(ratios: list[float]) -> float:
    """The n-th root of the product of n ratios."""
    product = 1.0
    for ratio in ratios:
        product *= ratio ** (1 / len(ratios))
    return product


def _named(rows: list[Row], pattern: str, rival: str = "") -> list[Row]:
    return [row for row in rows if re.search(pattern, row["line"]) and row["rival"].startswith(rival)]


def _ratios(bar: str, rows: list[Row], least: float, mean: float | None = None) -> Verdict:
    """Every ratio at least so much, and their geometric mean."""
    wanted = f"never below {least:g}x" + (f"; geometric mean {mean:g}x" if mean else "")
    if not rows:
        return Verdict(bar, wanted, "not measured", None)
    worst, average = min(rows, key=lambda row: row["ratio"]), geometric_mean([row["ratio"] for row in rows])
    below = sum(row["ratio"] < least for row in rows)
    came = f"lowest {worst['ratio']:.2f}x ({worst['line'].removeprefix('forward + backward ')})"
    came += f", {below} of {len(rows)} below" if len(rows) > 1 else ""
    came += f"; geometric mean {average:.2f}x" if mean else ""
    return Verdict(bar, wanted, came, below == 0 and average >= (mean or 0))


def _most(bar: str, rows: list[Row], number: Callable[[Row], float], most: float, unit: str) -> Verdict:
    """A number of every line, at most so much."""
    wanted = f"at most {most:g} {unit}"
    if not rows:
        return Verdict(bar, wanted, "not measured", None)
    worst = max(number(row) for row in rows)
    return Verdict(bar, wanted, f"{worst:.3g} {unit}", worst <= most)


def _tail(row: Row) -> float:
    p50, p99 = row["percentiles"]["rnncore"]
    return float(p99 / p50)


def verdicts(rows: list[Row]) -> list[Verdict]:
    """Every bar, on one thread where a line has threads of its own."""
    rows = [row for row in rows if row["threads"] <= 1]
    found = []
    for cell, least, mean in (("LSTM", 1.1, 2.0), ("GRU", 1.3, 4.0), ("RNN", 1.2, 3.5)):
        own = _named(rows, rf"^forward \+ backward {cell} ", "torch")
        found.append(_ratios(f"forward + backward, {cell}, against PyTorch", own, least, mean))
    own = best_rivals(_named(rows, "^inference"))
    found.append(_ratios("inference, against the better of PyTorch and onnxruntime", own, 1.0, 1.5))
    own = best_rivals(_named(rows, "^ragged"))
    found.append(_ratios("ragged, CDNOW's lengths, against the better of padded and packed", own, 5.0))
    event = "^one event (LSTM|GRU|RNN)"
    found.append(_ratios("one event, against onnxruntime", _named(rows, event, "onnx"), 8.0))
    found.append(_ratios("one event, against the framework's cell", _named(rows, event, "torch"), 12.0))
    found.append(_most("one event, p99 over p50", _named(rows, event, "torch"), _tail, 3.0, "times"))
    large = [
        r for r in _named(rows, r"^forward \+ backward", "torch") if int(r["line"].split("->")[1].split()[0]) >= 128
    ]
    shares = [{**row, "ratio": row["share"]} for row in large if row["share"]]
    share = _ratios("share of the measured sgemm, H >= 128, forward + backward", shares, 0.75)
    found.append(Verdict(share.bar, "at least 0.75", share.came.replace("x (", " ("), share.met))
    for cell, most in (("LSTM", 5), ("GRU", 4), ("RNN", 1)):
        own = _named(rows, f"^peak memory {cell}")
        found.append(
            _most(
                f"floats kept per step and unit, {cell}",
                own,
                lambda r: round(r["numbers"]["kept"][0], 1),
                most,
                "floats",
            )
        )
    own = [row for row in _named(rows, "^peak memory", "torch")]
    found.append(_most("added peak memory, forward + backward, over PyTorch's", own, _memory_share, 0.5, "times"))
    found.append(_ratios("two threads against one, N >= 64", _named(rows, "^two threads"), 1.7))
    own = _named(rows, "^worked example.*epochs$", "Keras")
    found.append(_ratios("worked example, whole process, against Keras", own, 10.0))
    for what, most in (
        ("import", 0.15),
        ("first prediction, warm cache", 0.8),
        ("first prediction, backend=numpy", 0.25),
    ):
        own = _named(rows, f"^new process: {what}$", "python")
        found.append(_most(f"new process: {what}", own, lambda row: row["numbers"]["cpu"][0], most, "s of CPU time"))
    own = _named(rows, "^long sequence")
    found.append(_most("100,000 steps, truncated: peak memory beyond that of 20,000", own, _grown, 1.0, "MB"))
    return found


def _memory_share(row: Row) -> float:
    ours, theirs = row["numbers"]["megabytes"]
    return float(ours / theirs)


def _grown(row: Row) -> float:
    short, long = row["numbers"]["megabytes"]
    return float(long - short)
