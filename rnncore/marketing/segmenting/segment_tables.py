"""What the segments of a table alone are, for `segments.py`: a profile of each; see `table_source.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore.marketing.answers.report import as_png
from rnncore.marketing.learning import features
from rnncore.marketing.segmenting import segment_profiles
from rnncore.marketing.segmenting.segment_profiles import Standing

Floats = NDArray[np.float64]
TOLD, SHOWN = 3, 8  # columns that a profile names, and in the picture
TWIN = 0.99  # a correlation from which on two columns say the same


def profiles(standing: Standing) -> pl.DataFrame:
    """A row per segment: how many, their rate, the median of each number, the commonest word of each category."""
    rows, past, segment = [], standing.past, standing.segment
    for k, rate in enumerate(standing.rates):
        own = past.own.take(segment == k)
        row: dict[str, Any] = {"segment": k + 1, "customers": int((segment == k).sum())}
        row |= {"outcome_rate": float(rate)} if past.rated else {}
        row |= {f"median {name}": _median(column) for name, column in own.numbers.items()}
        row |= {f"mostly {name}": next(iter(column.common(1)), None) for name, column in own.categories.items()}
        rows.append(row | {"prototype": segment_profiles.prototype(standing, k)})
    return pl.DataFrame(rows, infer_schema_length=None)


def table(standing: Standing) -> dict[str, list[str]]:
    """The profiles as text, for a person: of the columns those that set a segment apart."""
    segment, apart = standing.segment, _apart(standing)
    shown: dict[str, list[str]] = {
        "segment": [str(k + 1) for k in range(len(apart))],
        "customers": [str((segment == k).sum()) for k in range(len(apart))],
    }
    if standing.past.rated:
        shown["rate of the outcome"] = [f"{rate:.1%}" for rate in standing.rates]
    strongest = [_first(standing, np.abs(row), TOLD) for row in apart]
    words = [", ".join(_said(standing, k, j) for j in columns) for k, columns in enumerate(strongest)]
    shown["what sets it apart (of all)"] = words
    found = [segment_profiles.prototype(standing, k) for k in range(len(apart))]
    return shown | {"prototype": ["" if one is None else str(one) for one in found]}


def drawn(standing: Standing) -> bytes:
    """How many are in each segment, and by which columns segments differ most, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    rated = standing.past.rated
    segment_profiles.sizes(left, standing, "" if rated else None)
    left.set_title("How many, and rate of the outcome" if rated else "How many")
    apart = _apart(standing)
    best = sorted(_first(standing, np.abs(apart).max(axis=0), SHOWN))
    names = features.names(standing.past.code)
    right.imshow(apart[:, best], cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
    for (k, j), z in np.ndenumerate(apart[:, best]):
        right.text(j, k, f"{z:+.1f}", ha="center", va="center", color="white" if abs(z) > 1.2 else "black")
    right.set_xticks(range(len(best)), [names[j][:24] for j in best], rotation=30, ha="right", fontsize="small")
    right.set_yticks(range(len(apart)), [str(k + 1) for k in range(len(apart))])
    right.set(ylabel="segment", title="Its mean above or below that of all, in standard deviations")
    return as_png(figure)


def _standard(standing: Standing) -> Floats:
    """The columns in standard deviations from their mean, (N, D)."""
    x = standing.past.columns
    return np.asarray((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9), np.float64)


def _apart(standing: Standing) -> Floats:
    """By how many standard deviations each segment's mean of each column is above that of all, (groups, D)."""
    z, apart = _standard(standing), np.zeros((len(standing.rates), standing.past.columns.shape[1]))
    for k in np.unique(standing.segment):
        apart[k] = z[standing.segment == k].mean(axis=0)
    return apart


def _first(standing: Standing, size: Floats, most: int) -> list[int]:
    """The columns of the largest sizes (D,), without those that say the same as a larger one."""
    z, chosen = _standard(standing), list[int]()
    for j in np.argsort(-size, kind="stable").tolist():
        if size[j] > 0 and len(chosen) < most and all(abs((z[:, j] * z[:, i]).mean()) < TWIN for i in chosen):
            chosen.append(j)
    return chosen


def _said(standing: Standing, k: int, j: int) -> str:
    """A column of a segment beside that of all: the median of a number, the share of a word, or of empty cells."""
    past, own = standing.past, standing.segment == k
    name = features.names(past.code)[j]
    if name in past.code["numbers"]:
        column = past.own.numbers[name]
        few, many = ("empty" if m is None else f"{m:.4g}" for m in (_median(column[own]), _median(column)))
        return f"{name} {few} ({many})"
    return f"{name} {past.columns[own, j].mean():.0%} ({past.columns[:, j].mean():.0%})"


def _median(column: Floats) -> float | None:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else None
