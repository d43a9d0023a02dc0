"""Which method finds what touches are worth? Credit on made-up journeys with known effects; writes attribution.md.

    python -m benchmarks.attribution [--seeds 5] [--customers 3000] [--read 100]

Each seed draws other journeys (`rnncore.datasets.journeys`, whose head states the law) and trains another network.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from rnncore.datasets import journeys
from rnncore.marketing import EventLog, Journey

PAGE = Path(__file__).with_suffix(".md")
WORDS = {"customer": "customer", "time": "time", "event": "event", "channel": "channel"}
CASES = {
    "Customers who would buy anyway meet some channels more often": 1.0,
    "All customers meet the same channels": 0.0,
}


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--read", type=int, default=100)
    asked = parser.parse_args()
    head = f"""# Who gets the credit, and who should

Made by `python -m benchmarks.attribution`: {asked.seeds} seeds, each with {asked.customers:,} made-up customers
(`rnncore.datasets.journeys`) and a network of its own, which reads {asked.read} of the journeys that convert. Mean over
the seeds, and the standard deviation. "misplaced": the share of all credit that is given to the wrong channels, half of
the sum of |credit - truth|; the truth is what would be lost without a channel's effect. Channels: share of credit.
Nothing was chosen on these numbers.
"""
    page = "\n".join([head, *(section(title, pull, asked) for title, pull in CASES.items())])
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
