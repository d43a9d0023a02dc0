"""Every task on real data: five seeds, every rival, mean and spread, the date split; writes benchmarks/tasks.md.

    python -m benchmarks.tasks [--seeds 5] [--only WORD ...]

RNNCORE_DATA names the folder with the data (see tests/conftest.py). A run that is not asked for keeps its part of the
page. A new task adds a row to RUNS: a title, and a function of the folder that gives the class of the task, its
arguments, and the log.
"""

import argparse
import os
import re
from pathlib import Path

import numpy as np

from benchmarks import logs
from rnncore.datasets import cdnow
from rnncore.marketing import (
    CLV,
    Churn,
    ChurnHazard,
    ContractChurn,
    Demand,
    EventLog,
    Journey,
    NextPurchase,
    Outcome,
    OutcomeKind,
    Segments,
    Sentiment,
    Subscriptions,
)
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.judging.judgement import NETWORK

PAGE = Path(__file__).with_suffix(".md")
HEAD = r"""# Tasks on real data

[A command for each task](#a-command-for-each-task), and below it the tables.

Made by `python -m benchmarks.tasks`. Of the network: mean over the seeds, and the standard deviation; each network
is judged by itself (`seeds=1`), where a task takes the average of three unless told otherwise. Simple methods have no
seed. "better by": loss of the method minus that of the network, of the first seed, with its 95 % interval from the
paired bootstrap over customers (where there are fewer than 20, of demand over blocks of time, of sentiment over texts).
Everything after the test origin was unseen when methods learned, and when the settings named below were chosen; but the
recipe of `churn` ([churn_cdnow.md](churn_cdnow.md)), which texts calibrate `sentiment`, and that the newest examples of
customers from whom nothing is learned stop a training, were chosen with the judged window in sight. Simple methods run
with their usual settings.

Settings of `subscriptions` (what a step holds, width, learning rate) were chosen in the first twenty months of
telco_churn; those of `clv` (what the network corrects, window of calibration, batch size, learning rate, intervals) at
the origins 1997-05-16, 1997-06-02 and 1997-07-03 of CDNOW, all cut off at 1997-10-01.

## A command for each task

Each runs as it stands where the file of the third column is. Where rows of events must be made first,
`python -m benchmarks.logs` (of an installed rnncore, `python -m rnncore.benchmarks.logs`) makes them from a folder with
the files as they were published; its `--help` says which files, and lists further data. Online Retail is published as
an Excel sheet: saved as CSV instead of Parquet it is read too, with `--time-format` where times are not ISO. Of the
bicycles a week is left out (`--until`): the calendar must know the days that are forecast. CDNOW comes with
`rnncore demo`.

| task | data | file |
|---|---|---|
| `churn`, `churn-hazard`, `clv`, `segments`, `next-purchase` | Online Retail (UCI) | online_retail.parquet, as it is |
| `outcome`, `outcome-kind` | Online Retail (UCI): which orders come back | `python -m benchmarks.logs orders` |
| `sentiment` | Twitter US Airline Sentiment (CrowdFlower) | Tweets.csv, as it is |
| `demand` | Bike Sharing (UCI) | `python -m benchmarks.logs bikes` |
| `journey` | The Complete Journey (84.51°) | `python -m benchmarks.logs coupons` |
| `segments` of a table alone | Telco Customer Churn (IBM) | Telco-Customer-Churn.csv, as it is |
| `subscriptions`, `contract-churn` | Telco Customer Churn (IBM) | `python -m benchmarks.logs telco` |

```
rnncore fit churn online_retail.parquet --customer CustomerID --time InvoiceDate \
  --price UnitPrice --items Quantity --missing drop --negative drop --horizon 90
rnncore fit churn-hazard online_retail.parquet --customer CustomerID --time InvoiceDate \
  --price UnitPrice --items Quantity --missing drop --negative drop --horizon 90
rnncore predict rnncore-churn-hazard/churn-hazard.safetensors online_retail.parquet --start 30 --horizon 45
rnncore fit clv online_retail.parquet --customer CustomerID --time InvoiceDate \
  --price UnitPrice --items Quantity --missing drop --negative drop --horizon 90
rnncore fit segments online_retail.parquet --customer CustomerID --time InvoiceDate \
  --price UnitPrice --items Quantity --missing drop --negative drop --horizon 90
rnncore fit next-purchase online_retail.parquet --customer CustomerID --time InvoiceDate \
  --item StockCode --missing drop --horizon 30

python -m benchmarks.logs orders online_retail_1 orders.csv
rnncore fit outcome orders.csv --customer CustomerID --time InvoiceDate --value amount --items pieces \
  --channel Country --extra things --extra dearest --outcome returned --horizon 90 --set known_after=30
rnncore fit outcome-kind orders.csv --customer CustomerID --time InvoiceDate --value amount --items pieces \
  --channel Country --extra things --extra dearest --outcome kind --horizon 90 --set known_after=30

rnncore fit sentiment Tweets.csv --customer airline --time tweet_created --text text \
  --outcome airline_sentiment --horizon 1

python -m benchmarks.logs bikes bike_sharing bikes.csv
rnncore fit demand bikes.csv --customer series --time day --value cnt --calendar bikes-calendar.csv \
  --category weathersit --until 2012-12-24 --horizon 140 --set ahead=7

python -m benchmarks.logs coupons complete_journey coupons.csv
rnncore fit journey coupons.csv --customer household_id --time time --event event --channel channel \
  --value value --missing keep --horizon 30 --set convert=redemption

rnncore fit segments Telco-Customer-Churn.csv --customer customerID --outcome Churn --set by=static --out telco-segments
python -m benchmarks.logs telco telco_churn telco.csv
rnncore fit subscriptions telco.csv --customer customerID --time date --event event --value MonthlyCharges \
  --item Contract --channel PaymentMethod --static telco-static.csv --category SeniorCitizen \
  --horizon 90 --set silent=60
rnncore fit contract-churn telco.csv --customer customerID --time date --event event --value MonthlyCharges \
  --item Contract --channel PaymentMethod --static telco-static.csv --category SeniorCitizen --horizon 90

rnncore leaks online_shoppers_intention.csv --outcome Revenue
```
"""


def cdnow_log(_):
    return EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")


def retail_log(folder):
    words = {"customer": "CustomerID", "time": "InvoiceDate", "price": "UnitPrice", "items": "Quantity"}
    path = folder / "online_retail_1" / "online_retail.parquet"
    return EventLog(path, **words, missing="drop", negative="drop")


def baskets_log(folder):
    path = folder / "online_retail_1" / "online_retail.parquet"
    return EventLog(path, customer="CustomerID", time="InvoiceDate", item="StockCode", missing="drop")


def tweets_log(folder):
    words = {"customer": "airline", "time": "tweet_created", "text": "text", "outcome": "airline_sentiment"}
    return EventLog(folder / "airline_tweets" / "Tweets.csv", **words)


def sample_log(_):
    return EventLog(cdnow(sample=True), customer="customer", time="date", value="amount", items="items")


def people_log(folder):
    return EventLog(folder / "telco_churn" / "Telco-Customer-Churn.csv", customer="customerID", outcome="Churn")


RUNS = {
    "churn, CDNOW, 181 days": lambda folder: (Churn, {"horizon": 181}, cdnow_log(folder)),
    "churn-hazard, CDNOW, 181 days": lambda folder: (ChurnHazard, {"horizon": 181}, cdnow_log(folder)),
    "churn, online_retail_1, 90 days": lambda folder: (Churn, {"horizon": 90}, retail_log(folder)),
    "churn-hazard, online_retail_1, 90 days": lambda folder: (ChurnHazard, {"horizon": 90}, retail_log(folder)),
    "clv, CDNOW, spend in 181 days": lambda folder: (CLV, {"horizon": 181}, cdnow_log(folder)),
    "clv, CDNOW, purchases in 181 days": lambda folder: (CLV, {"horizon": 181, "of": "purchases"}, cdnow_log(folder)),
    "clv, CDNOW sample, purchases in 272 days": lambda folder: (
        CLV,
        {"horizon": 272, "of": "purchases"},
        sample_log(folder),
    ),
    "clv, online_retail_1, spend in 90 days": lambda folder: (CLV, {"horizon": 90}, retail_log(folder)),
    "subscriptions, telco_churn as one cohort, 90 days": lambda folder: (
        Subscriptions,
        {"horizon": 90, "silent": 60},
        logs.log("telco", folder),
    ),
    "subscriptions, simulated, logins that mean nothing, 90 days": lambda folder: (
        Subscriptions,
        {"horizon": 90},
        logs.subscribers_log(0.0),
    ),
    "subscriptions, simulated, logins that fall before somebody leaves, 90 days": lambda folder: (
        Subscriptions,
        {"horizon": 90},
        logs.subscribers_log(1.0),
    ),
    "contract-churn, simulated, logins that fall before somebody leaves, 90 days": lambda folder: (
        ContractChurn,
        {"horizon": 90},
        logs.subscribers_log(1.0),
    ),
    "outcome, returns of online_retail_1, 90 days": lambda folder: (
        Outcome,
        {"horizon": 90, "known_after": 30},
        logs.log("orders", folder),
    ),
    "outcome, bank_marketing in time order, 180 days": lambda folder: (
        Outcome,
        {"horizon": 180},
        logs.log("calls", folder),
    ),
    "outcome, campaigns of complete_journey, 90 days": lambda folder: (
        Outcome,
        {"horizon": 90, "known_after": 30},
        logs.log("campaigns", folder),
    ),
    "outcome, online_shoppers without PageValues, 60 days": lambda folder: (
        Outcome,
        {"horizon": 60},
        logs.log("shoppers", folder),
    ),
    "outcome-kind, orders of online_retail_1 kept or sent back, 90 days": lambda folder: (
        OutcomeKind,
        {"horizon": 90, "known_after": 30},
        logs.log("orders", folder, outcome="kind"),
    ),
    "segments by history, CDNOW, 181 days": lambda folder: (Segments, {"horizon": 181}, cdnow_log(folder)),
    "segments by future, CDNOW, 181 days": lambda folder: (
        Segments,
        {"horizon": 181, "by": "future"},
        cdnow_log(folder),
    ),
    "segments of a table alone, telco_churn": lambda folder: (Segments, {"by": "static"}, people_log(folder)),
    "sentiment, airline_tweets, 1 day": lambda folder: (Sentiment, {"horizon": 1}, tweets_log(folder)),
    "next-purchase, eshop_clothing_2008, 14 days": lambda folder: (
        NextPurchase,
        {"horizon": 14},
        logs.log("clicks", folder),
    ),
    "next-purchase, online_retail_1, 30 days": lambda folder: (NextPurchase, {"horizon": 30}, baskets_log(folder)),
    "demand, bike_sharing, 146 days, a day ahead": lambda folder: (
        Demand,
        {"horizon": 146, "ahead": 1},
        logs.log("bikes", folder),
    ),
    "demand, bike_sharing, 146 days, a week ahead, recursive": lambda folder: (
        Demand,
        {"horizon": 146, "ahead": 7, "strategy": "recursive"},
        logs.log("bikes", folder),
    ),
    "demand, bike_sharing, 146 days, a week ahead, direct": lambda folder: (
        Demand,
        {"horizon": 146, "ahead": 7},
        logs.log("bikes", folder),
    ),
    "demand, air_passengers, 48 months, a month ahead": lambda folder: (
        Demand,
        {"horizon": 1461, "ahead": 1, "scale": "log", "latest": 25, "units": 16, "epochs": 100, "patience": 100}
        | {"learning_rate": 5e-3},
        logs.log("passengers", folder),
    ),
    "demand, orange_juice, 12 weeks, 4 weeks ahead": lambda folder: (
        Demand,
        {"horizon": 84, "ahead": 4, "scale": "log", "latest": 26, "units": 64},
        logs.log("juice", folder),
    ),
    "journey, complete_journey, coupons redeemed within 30 days": lambda folder: (
        Journey,
        {"horizon": 30, "convert": "redemption"},
        logs.log("coupons", folder),
    ),
    "journey, made-up journeys, 14 days": lambda folder: (Journey, {"horizon": 14}, logs.made_up_log(folder)),
    "journey, channel_attribution, 60 days": lambda folder: (Journey, {"horizon": 60}, logs.log("paths", folder)),
}

# what must be known of a table; how settings other than the defaults were found: by the network's loss at an earlier
# origin, of which nothing that is judged here was seen
CHOSEN = {
    "demand, bike_sharing": "Scale, latest and learning rate were chosen among 8 at the origin 2012-03-14, a day "
    "ahead; how bands are calibrated among 18 at that origin, by their coverage. The calendar holds the weather of the "
    "day itself, as if it had been forecast without an error.",
    "demand, air_passengers": "Latest, units and epochs were chosen among 8 at the origin 1954-12-02.",
    "demand, orange_juice": "Latest and units were chosen among 4 at the origin 1992-04-16. Prices, deals and "
    "features are taken to be planned four weeks ahead.",
    "journey, complete_journey": "Latest and learning rate were chosen among 3 at the origin 2017-09-03.",
}


def section(title, kind, arguments, log, seeds):
    """The part of the page for one run."""
    fits = []
    for seed in range(seeds):
        fits.append(kind(**arguments, seed=seed, seeds=1).fit(log))
        print(f"{title}, seed {seed}: {fits[-1].verdict_}", flush=True)
    first = fits[0].table_
    of = counted(first.customers, first.of)
    judged = f"test origin {fits[0].held_out_.origin}, {of} judged" if log.dated else f"judged on {of} set aside"
    names = [*(["AUROC"] if first.rate is not None else []), *first.rivals[0].measures]
    lines = [
        f"## {title}",
        "",
        f"{log!r}; {judged}; verdicts of {seeds} seeds: {', '.join(fit.verdict_ for fit in fits)}.",
        f"The first seed: {first.reason}",
        *(said for start, said in CHOSEN.items() if title.startswith(start)),
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


def page(done):
    """The whole page of sections by title, in the order of RUNS."""
    return "\n".join([HEAD, *(done[name] for name in RUNS if name in done)])


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
            PAGE.write_text(page(done), encoding="utf-8")


if __name__ == "__main__":
    main()
