"""Write `results.md` and its pictures from `results.json`: the table of the last full run, with its bars.

python -m benchmarks --json benchmarks/results.json    a full run, or with --only a part of it, line by line
python -m benchmarks.results
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .__main__ import duration, times
from .bars import Row, verdicts

HERE = Path(__file__).parent
LIMITS = HERE / "limits.md"  # written by hand: what was tried where a bar is not met, and what limits it
GROUPS = ("forward + backward", "inference", "ragged", "one event", "1,000 customers", "training step", "float64")


def page(found: dict[str, Any]) -> str:
    """The whole page."""
    rows, about = found["results"], found["machine"]
    caches = ", ".join(f"{name} {size}" for name, size in sorted(about["caches"].items()))
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    parts = [
        "# The last full run",
        "Made by `python -m benchmarks.results` from `results.json`, which `python -m benchmarks --json "
        "benchmarks/results.json` fills, all at once or in parts. Ratios are the rival's time over rnncore's, taken in "
        "turns in one process and on the same number of threads: the median over the turns, in brackets the quartiles. "
        "Above 1 rnncore is faster; of memory and size, in MB, it needs less. Both sides are first checked to compute "
        "the same numbers.",
        "On one thread the clock is the CPU time of the process, which stands still while others are at work on the "
        "machine; new processes, p50 and p99, and two threads are timed by the clock on the wall. The column "
        "cores is how much of a processor the process got: below 1 on one thread others were at work beside it, and "
        "times by the clock on the wall are too long.",
        f"Machine: {about['processor']}, {about['cores']} cores; {caches}; Python {about['python']}; {versions}.",
        "## The bars",
        _table(
            ["bar", "wanted", "came", "met"],
            [[v.bar, v.wanted, v.came, {True: "yes", False: "**no**", None: "-"}[v.met]] for v in verdicts(rows)],
        ),
        LIMITS.read_text(encoding="utf-8").strip(),
        "![Ratios to the rivals](results.png)",
        "![Growth of time and memory](growth.png)",
        "## Every line",
        _table(
            ["line", "threads", "rnncore", "rival", "its time", "ratio", "GFLOP/s", "share of sgemm", "cores", "more"],
            [_line(row) for row in rows],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _line(row: Row) -> list[str]:
    alone = row["rival"] == "-"
    low, high = row["quartiles"]
    more = [f"{name} p50 {duration(p50)}, p99 {duration(p99)}" for name, (p50, p99) in row["percentiles"].items()]
    return [
        row["line"],
        str(row["threads"] or "-"),
        duration(row["ours"], row["unit"]),
        row["rival"],
        "" if alone else duration(row["theirs"], row["unit"]),
        "" if alone else f"{times(row['ratio'])} [{times(low)}, {times(high)}]",
        f"{row['gflops']:.0f}" if row["gflops"] else "",
        f"{row['share']:.0%}" if row["share"] else "",
        f"{row['numbers']['cores'][0]:.2f}" if "cores" in row["numbers"] else "",
        "; ".join([*more, row["note"]] if row["note"] else more),
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def draw_ratios(rows: list[Row], path: Path) -> None:
    """Every ratio to a rival as a dot, its quartiles as a line, on a logarithmic axis."""
    from matplotlib import pyplot as plt

    shown = [r for r in rows if r["line"].startswith(GROUPS) and r["rival"] != "-" and r["threads"] == 1]
    names = list(dict.fromkeys(row["line"] for row in shown))
    rivals = list(dict.fromkeys(row["rival"] for row in shown))
    figure, axes = plt.subplots(figsize=(9, 0.19 * len(names) + 1.6), layout="constrained")
    for k, rival in enumerate(rivals):
        own = [row for row in shown if row["rival"] == rival]
        places = [-names.index(row["line"]) for row in own]
        axes.hlines(places, *zip(*(row["quartiles"] for row in own), strict=True), color=f"C{k}", lw=2, alpha=0.5)
        axes.plot([row["ratio"] for row in own], places, "o", color=f"C{k}", ms=4, label=rival)
    axes.axvline(1, color="black", lw=0.8)
    axes.set(xscale="log", xlabel="time of the rival / time of rnncore (right of 1: rnncore is faster)")
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50) if axes.get_xlim()[0] < tick < axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([-k for k in range(len(names))], names, fontsize=6.5)
    axes.set_ylim(-len(names), 1)
    axes.minorticks_off()
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=5, fontsize=8)  # no corner is free of points
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_growth(rows: list[Row], path: Path) -> None:
    """Time above, memory below, against each size, with the fitted exponents."""
    from matplotlib import pyplot as plt

    shown = [row for row in rows if row["line"].startswith("growth")]
    if not shown:
        return
    letters = list(dict.fromkeys(row["line"].split()[2].rstrip(":") for row in shown))
    figure, axes = plt.subplots(2, len(letters), figsize=(3 * len(letters), 5.4), layout="constrained", squeeze=False)
    for column, letter in enumerate(letters):
        for row in (r for r in shown if r["line"].split()[2].rstrip(":") == letter):
            numbers = row["numbers"]
            cell = next(name for name in ("LSTM", "GRU", "RNN") if name in row["line"])
            for place, what, exponent in zip((0, 1), ("seconds", "megabytes"), numbers["exponents"], strict=True):
                label = f"{cell}: {letter}$^{{{exponent:.2f}}}$"
                axes[place][column].loglog(numbers["sizes"], numbers[what], "o-", ms=3, label=label)
        for place, what in ((0, "seconds"), (1, "peak MB")):
            axes[place][column].set(xlabel=letter, ylabel=what if column == 0 else "")
            axes[place][column].minorticks_off()
            axes[place][column].legend(fontsize=7)
            axes[place][column].grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Write the page and the pictures beside the results."""
    import matplotlib

    matplotlib.use("agg")
    found = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    draw_ratios(found["results"], HERE / "results.png")
    draw_growth(found["results"], HERE / "growth.png")
    (HERE / "results.md").write_text(page(found), encoding="utf-8")
    for verdict in verdicts(found["results"]):
        print(f"{'-' if verdict.met is None else 'met' if verdict.met else 'NO':4} {verdict.bar}: {verdict.came}")


if __name__ == "__main__":
    main()
