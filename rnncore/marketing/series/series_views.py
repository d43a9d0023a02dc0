"""Forecasts for a reader: those of the first series, and a picture of them; for `demand.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from rnncore.marketing.answers.report import COLOURS, as_png
from rnncore.marketing.events import EventLog

FORECASTS = "The forecasts"
SHOWN = 4  # series, at most
QUANTILES = ("low", "median", "high")


def first(log: EventLog, forecasts: Any, ahead: int) -> tuple[str, pl.DataFrame]:
    """What the forecasts that are shown are called, and those of the first series, of all that were predicted."""
    many = len(log.customers)
    head = FORECASTS if many <= SHOWN else f"{FORECASTS} of the first {SHOWN} of {many:,} series"
    return head, pl.DataFrame(forecasts).head(SHOWN * ahead)


def drawn(log: EventLog, forecasts: pl.DataFrame, latest: int) -> bytes:
    """The `latest` values of each series and the forecasts after them, as a PNG; log: as the task reads it."""
    from matplotlib import dates
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    assert log.value is not None
    parts = forecasts.partition_by(forecasts.columns[0], maintain_order=True)
    figure = Figure(figsize=(9, 2.4 * len(parts)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, part in zip(np.ravel(figure.subplots(len(parts), 1)), parts, strict=True):
        own = log.of(part[0, 0])
        assert own.value is not None
        axes.plot(own.day[-latest:], own.value[-latest:], "o-", ms=3, color="0.45", label="values")
        day, low, median, high = (part[name].to_numpy() for name in ("day", *QUANTILES))
        axes.fill_between(day, low, high, color=COLOURS["rnn"], alpha=0.25, label="10 % to 90 %")
        axes.plot(day, median, "o-", ms=3, color=COLOURS["rnn"], label="median")
        axes.set(title=str(part[0, 0]))
        axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=3, maxticks=8))  # more labels would touch
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axes.get_legend_handles_labels(), frameon=False, fontsize="small", loc="outside upper right", ncols=3
    )
    return as_png(figure)
