"""Which method finds what touches are worth? Credit on made-up journeys with known effects, and on complete_journey,
where nobody knows; writes attribution.md.

    python -m benchmarks.attribution [--seeds 5] [--customers 3000] [--read 100] [--only WORD ...]

Each seed draws other journeys (`rnncore.datasets.journeys`, whose head states the law) and trains another network.
RNNCORE_DATA names the folder with complete_journey; where it is not there, or a part is not asked for, the page keeps
what it has.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks import logs
from benchmarks.tasks import parts
from rnncore.datasets import journeys
from rnncore.marketing import EventLog, Journey

PAGE = Path(__file__).with_suffix(".md")
WORDS = {"customer": "customer", "time": "time", "event": "event", "channel": "channel"}
CASES = {
    "Customers who would buy anyway meet some channels more often": 1.0,
    "All customers meet the same channels": 0.0,
}

REAL = "Coupons redeemed in complete_journey"


def errors(pull, seed, customers, read):
    """Of each method the rank correlation of its credit with the truth, and the share that it gives to wrong channels;
    the truth in shares, and the mean credit in shares.
    """
    found = journeys(customers, seed=seed, pull=pull)
    log = EventLog(found.frame, **WORDS)
    task = Journey(horizon=14, seed=seed, seeds=1).fit(log)
    truth = found.worth / found.worth.sum()
    credit = {name: own / own.sum() for name, own in task.attribution(log, read).methods.items()}
    return {k: (spearmanr(c, truth).statistic, np.abs(c - truth).sum() / 2) for k, c in credit.items()}, truth, credit


def section(title, pull, asked):
    runs = []
    for seed in range(asked.seeds):
        runs.append(errors(pull, seed, asked.customers, asked.read))
        print(title, seed, flush=True)
    channels = journeys(1, seed=0).channels
    lines = [f"## {title}", "", f"| method | rank correlation | misplaced | {' | '.join(channels)} |"]
    lines += ["|---" * (3 + len(channels)) + "|"]
    rows = {name: np.array([run[0][name] for run in runs]) for name in runs[0][0]}
    for name in sorted(rows, key=lambda name: rows[name][:, 1].mean()):
        shares = np.mean([run[2][name] for run in runs], axis=0)
        (rank, wrong), (wide, far) = rows[name].mean(axis=0), rows[name].std(axis=0, ddof=1)
        cells = [f"{rank:.2f} ± {wide:.2f}", f"{wrong:.3f} ± {far:.3f}", *(f"{s:.3f}" for s in shares)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    truth = np.mean([run[1] for run in runs], axis=0)
    return "\n".join([*lines, f"| the truth | 1 | 0 | {' | '.join(f'{s:.3f}' for s in truth)} |", ""])


def real(title, asked, folder):
    """The credit for redemptions, of which no truth is known, in shares; of the network with the spread over seeds."""
    log = logs.log("coupons", folder)
    runs = []
    for seed in range(asked.seeds):
        task = Journey(horizon=30, convert="redemption", seed=seed, seeds=1).fit(log)
        found = task.attribution(log, asked.read)
        runs.append({name: own / own.sum() for name, own in found.methods.items()})
        print(title, seed, task.verdict_, flush=True)
    total = next(iter(found.methods.values())).sum()
    lines = [
        f"## {title}",
        "",
        f"{log!r}; {total:,.0f} redemptions that follow a touch, a basket of one of three sizes or a campaign that the "
        f"household was sent, by at most 30 days. {asked.seeds} seeds, a network each; rules have no seed. No truth is "
        "known here: where methods disagree, the made-up journeys above say which to doubt.",
        "",
        f"| method | {' | '.join(found.channels)} |",
        "|---" * (1 + len(found.channels)) + "|",
    ]
    for name in runs[0]:
        shares = np.array([run[name] for run in runs])
        spread = shares.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(len(found.channels))
        cells = [
            f"{s:.3f}{f' ± {w:.3f}' if w > 5e-4 else ''}" for s, w in zip(shares.mean(axis=0), spread, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--read", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[""], help="run those whose title holds one of these words")
    asked = parser.parse_args()
    head = f"""# Who gets the credit, and who should

Made by `python -m benchmarks.attribution`: {asked.seeds} seeds, each with {asked.customers:,} made-up customers
(`rnncore.datasets.journeys`) and a network of its own, which reads {asked.read} of the journeys that convert. Mean over
the seeds, and the standard deviation. "misplaced": the share of all credit that is given to the wrong channels, half of
the sum of |credit - truth|; the truth is what would be lost without a channel's effect. Channels: share of credit.
Nothing was chosen on these numbers.
"""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    done = parts(page)
    if page and not any(word in title for title in CASES for word in asked.only):
        head = page.partition("## ")[0].rstrip() + "\n"
    folder = Path(os.environ.get("RNNCORE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    for title in (*CASES, REAL):
        if not any(word in title for word in asked.only):
            continue
        if title == REAL and not (folder / "complete_journey").is_dir():
            print(f"{REAL}: left out, no folder complete_journey in {folder}; RNNCORE_DATA names another")
            continue
        done[title] = real(title, asked, folder) if title == REAL else section(title, CASES[title], asked)
        page = "\n".join([head, *(done[name] for name in (*CASES, REAL) if name in done)])
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
