"""Every task on real data: five seeds, every rival, mean and spread, the date split; writes benchmarks/tasks.md.

    python -m benchmarks.tasks [--seeds 5] [--only WORD ...]

RNNCORE_DATA names the folder with the data (see tests/conftest.py). A run that is not asked for keeps its part of the
page. A new task adds a row to RUNS: a title, and a function of the folder that gives the class of the task, its
arguments, and the log.
"""

import argparse
import os
import re
import time
from pathlib import Path

import numpy as np

from rnncore.datasets import cdnow
from rnncore.marketing import Churn, ChurnHazard, EventLog
from rnncore.marketing.verdict import NETWORK

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Tasks on real data

Made by `python -m benchmarks.tasks`. Of the network: mean over the seeds, and the standard deviation; simple methods
have no seed. "better by": loss of the method minus that of the network, of the first seed, with its 95 % interval from
the paired bootstrap over customers. Everything after the test origin was unseen.
"""


def cdnow_log(_):
    return EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")


def retail_log(folder):
    words = {"customer": "CustomerID", "time": "InvoiceDate", "price": "UnitPrice", "items": "Quantity"}
    path = folder / "online_retail_1" / "online_retail.parquet"
    return EventLog(path, **words, missing="drop", negative="drop")


RUNS = {
    "churn, CDNOW, 181 days": lambda folder: (Churn, {"horizon": 181}, cdnow_log(folder)),
    "churn-hazard, CDNOW, 181 days": lambda folder: (ChurnHazard, {"horizon": 181}, cdnow_log(folder)),
    "churn, online_retail_1, 90 days": lambda folder: (Churn, {"horizon": 90}, retail_log(folder)),
    "churn-hazard, online_retail_1, 90 days": lambda folder: (ChurnHazard, {"horizon": 90}, retail_log(folder)),
}


def section(title, kind, arguments, log, seeds):
    """The part of the page for one run."""
    fits, start = [], time.perf_counter()
    for seed in range(seeds):
        fits.append(kind(**arguments, seed=seed).fit(log))
        print(f"{title}, seed {seed}: {fits[-1].verdict_}", flush=True)
    first = fits[0].table_
    seconds = (time.perf_counter() - start) / seeds
    names = [*(["AUROC"] if first.rate is not None else []), *first.rivals[0].measures]
    lines = [
        f"## {title}",
        "",
        f"{log!r}; test origin {fits[0].held_out_.origin}, {first.customers:,} {first.of}s judged; verdicts of {seeds} "
        f"seeds: {', '.join(fit.verdict_ for fit in fits)}; {seconds:.0f} s a fit.",
        "",
        f"| method | {first.loss} | rnn better by | {' | '.join(names)} |",
        "|---" * (3 + len(names)) + "|",
    ]
    for row in first:
        rows = [fit.table_[row.name] for fit in fits] if row.name == NETWORK else [row]
        gap = "" if row.name == NETWORK else f"{row.gap.value:+.4f} [{row.gap.low:+.4f}, {row.gap.high:+.4f}]"
        cells = [_spread([r.loss.value for r in rows]), gap]
        cells += [_spread([r.auroc.value if name == "AUROC" else r.measures[name] for r in rows]) for name in names]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(values):
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def parts(text):
    """The sections of a page by title."""
    found = re.split(r"^## ", text, flags=re.M)[1:]
    return {part.splitlines()[0]: f"## {part.rstrip()}\n" for part in found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[""], help="run those whose title holds one of these words")
    asked = parser.parse_args()
    folder = Path(os.environ.get("RNNCORE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    done = parts(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    for title, run in RUNS.items():
        if any(word in title for word in asked.only):
            done[title] = section(title, *run(folder), asked.seeds)
            page = "\n".join([HEAD, *(done[name] for name in RUNS if name in done)])
            PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
