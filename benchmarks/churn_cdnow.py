"""Churn on CDNOW: who of 23,570 customers buys again in the first half of 1998? Five seeds, and every rival.

    python benchmarks/churn_cdnow.py [SEEDS]

Everything is learned from purchases until 1997-12-31; those from 1998-01-01 to 1998-06-30 judge. Gradient boosting on
the same windows and numbers as the logistic regression is shown beside the rivals that the verdict knows.
"""

import sys
import time

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from rnncore.datasets import cdnow
from rnncore.marketing import EventLog, metrics
from rnncore.marketing.churn import Churn
from rnncore.marketing.learning.encoding import summarise
from rnncore.marketing.learning.windows import windows

HORIZON = 181
COLUMNS = ("log_loss", "auroc", "pr_auc", "brier", "lift", "bias")


def gradient_boosting(log, origin):
    """P(return) from recency, frequency, value, age and the length of the window, 150 trees of 15 leaves."""
    told = windows(log.per_day(), origin, HORIZON, latest=50)
    now = summarise(log.per_day().until(origin), origin)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=15, max_iter=150, early_stopping=False, random_state=0
    )
    trees.fit(np.column_stack([*told.summary, told.length]), told.returned)
    return trees.predict_proba(np.column_stack([*now, np.full(len(now.since), HORIZON)]))[:, 1]


def line(name, numbers, rest=""):
    shown = "  ".join(
        f"{numbers[column]:+8.4f}" if column == "bias" else f"{numbers[column]:8.4f}" for column in COLUMNS
    )
    print(f"{name:<18}{shown}  {rest}".rstrip(), flush=True)


def main(seeds):
    log = EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")
    print(f"{log}\n{'':<18}{'  '.join(f'{column:>8}' for column in COLUMNS)}")
    rows, verdicts = [], []
    for seed in range(seeds):
        start = time.perf_counter()
        churn = Churn(HORIZON, seed=seed, seeds=1).fit(log)
        held = churn.held_out_
        rows.append(metrics.summary(held.target, held.prediction["rnn"]))
        best = next(rival for rival in churn.table_ if rival.name != "rnn")
        gap = f"{best.gap.value:+.4f} [{best.gap.low:+.4f}, {best.gap.high:+.4f}]"
        line(f"rnn, seed {seed}", rows[-1], f"{churn.verdict_}; {best.name} {gap}; {time.perf_counter() - start:.1f} s")
        verdicts.append(churn.verdict_)
    table = {column: np.array([row[column] for row in rows]) for column in COLUMNS}
    line("rnn, mean", {column: numbers.mean() for column, numbers in table.items()})
    line("rnn, deviation", {column: numbers.std(ddof=1) if seeds > 1 else 0.0 for column, numbers in table.items()})
    rivals = {name: p for name, p in held.prediction.items() if name != "rnn"}
    rivals |= {"(boosted trees)": gradient_boosting(log, held.origin)}
    rivals |= {
        "constant rate": np.full(len(held.target), churn.table_["constant rate"].measures["bias"] + held.target.mean())
    }
    for name, p in sorted(rivals.items(), key=lambda item: metrics.log_loss(held.target, item[1])):
        line(name, metrics.summary(held.target, p))
    print(f"verdicts: {', '.join(verdicts)}; intervals of 95 %, paired bootstrap over {len(held.target):,} customers")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
