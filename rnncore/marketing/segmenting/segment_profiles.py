"""What segments are, for `segments.py`: a profile of each, and where a customer stood from day to day."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore.marketing.answers.report import as_png
from rnncore.marketing.segmenting.clusters import WEEKS

Array = NDArray[Any]
Floats = NDArray[np.float64]
MEDIANS = ("days_since", "events", "value", "age")


class Standing(NamedTuple):
    """Where N customers stand on a day."""

    customers: Array
    """Ids, (N,)."""
    members: Floats
    """Membership of each segment, (N, groups); theirs is the largest."""
    past: Any
    """`clusters.Past`, or `segment_tables.Rows` of a table."""
    rates: Floats
    """The rate of return of each segment, (groups,)."""
    valued: bool
    """Whether the log has a column value."""

    @property
    def segment(self) -> NDArray[np.int64]:
        """The position of each customer's segment, (N,)."""
        return np.asarray(self.members.argmax(axis=1), np.int64)


def profiles(standing: Standing) -> pl.DataFrame:
    """A row per segment; see `Segments.profiles`."""
    segment, rows = standing.segment, []
    for k, rate in enumerate(standing.rates):
        own = segment == k
        medians = {
            name: float(np.median(column[own])) if own.any() else None
            for name, column in zip(MEDIANS, standing.past.summary, strict=True)
            if name != "value" or standing.valued
        }
        rows.append(
            {
                "segment": k + 1,
                "customers": int(own.sum()),
                "return_rate": float(rate),
                **medians,
                "prototype": prototype(standing, k),
            }
        )
    return pl.DataFrame(rows)


def prototype(standing: Standing, k: int) -> Any:
    """The customer nearest the centre of a segment, None where nobody is in it."""
    own = standing.segment == k
    return standing.customers[int(np.argmax(np.where(own, standing.members[:, k], -1.0)))] if own.any() else None


def table(standing: Standing) -> dict[str, list[str]]:
    """The profiles as text, a list per column, for a person."""
    heads = {
        "segment": "segment",
        "customers": "customers",
        "return_rate": "rate of return",
        "days_since": "days since the last event",
        "events": "events",
        "value": "value",
        "age": "days known",
        "prototype": "prototype",
    }
    found, shown = profiles(standing), {}
    for name in found.columns:
        head, cells = heads[name], found[name].to_list()
        form = ".1%" if name == "return_rate" else ".4g" if name in MEDIANS else ""
        shown[f"median {head}" if name in MEDIANS else head] = ["" if c is None else format(c, form) for c in cells]
    return shown


def drawn(standing: Standing) -> bytes:
    """How many and how often back, and how active each segment was in the latest weeks, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    segment = standing.segment
    sizes(left, standing, " back")
    left.set_title("How many, and how often back")
    for k in np.unique(segment):
        weekly = np.expm1(standing.past.series[segment == k]).mean(axis=0)
        right.plot(np.arange(1 - WEEKS, 1), weekly, color=f"C{k % 10}", label=f"segment {k + 1}")
    right.set(xlabel="weeks before the day", ylabel="events a customer and week", title="What they did")
    right.legend(frameon=False, fontsize="small")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return as_png(figure)


def sizes(axes: Any, standing: Standing, came: str | None) -> None:
    """A bar per segment, as long as it has customers; came: what follows the rate beside it, None for no rate."""
    for k, rate in enumerate(standing.rates):
        many = int((standing.segment == k).sum())
        axes.barh(str(k + 1), many, color=f"C{k % 10}")
        axes.annotate(f" {many}" if came is None else f" {rate:.1%}{came}", (many, k), va="center", fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set(xlabel="customers", ylabel="segment")


def live(days: Array, members: Floats, margin: float) -> pl.DataFrame:
    """Where a customer stood after each of these days, (D,), by memberships (D, groups); see `Segments.live`."""
    rows, stands = [], -1
    for day, member in zip(days, members, strict=True):
        best = int(member.argmax())
        if stands < 0 or member[best] > member[stands] + margin:
            stands = best
        row = {"day": day.item(), "segment": stands + 1, "membership": float(member[stands]), "nearest": best + 1}
        rows.append(row)
    return pl.DataFrame(rows)
