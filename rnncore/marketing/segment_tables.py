"""Segments of a table alone, a row per customer and no times, for `segments.py`.

A fifth of the customers is set aside and judges; then all are learned from. Segments have

    with an outcome     of yes and no: a rate, which each customer set aside is given; log-loss
    without one         a mean of their columns, from which each customer set aside is so far; mean squared distance
    must beat           k-means on the columns as the network reads them, on these standardised, on their principal
                        components; all customers in one group

The outcome is no column of the network: it counts the rates, and nothing else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing import beside, cases, clusters, features, segment_profiles
from rnncore.marketing.days import span
from rnncore.marketing.events import EventLog
from rnncore.marketing.judgement import CONSTANT
from rnncore.marketing.learning import Examples
from rnncore.marketing.measures import Measure
from rnncore.marketing.report import as_png
from rnncore.marketing.segment_profiles import Standing
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Code = dict[str, Any]
ASIDE, FEWEST, TOLD = 5, 10, 3  # one in so many is set aside; of so many customers at least; columns a profile names
SHOWN = 8  # columns in the picture
TWIN = 0.99  # a correlation from which on two columns say the same
ONE = "one group"  # what knows nothing, without an outcome
DISTANCE = Measure("squared distance", lambda target, distance: distance, {}, "squared distance")


class Rows(NamedTuple):
    """What is known of N customers of a table."""

    columns: Floats
    """As the network reads them, (N, D)."""
    own: Any
    """As they came, `Columns`."""
    code: Code
    """Of them."""
    rated: bool
    """Whether the table has an outcome."""
    returned: Floats | None = None
    """1 or 0, those with an outcome that is known, where it is told."""
    told: Histories | None = None
    """Who is not set aside, where distances judge."""


def set_aside(log: EventLog) -> EventLog:
    """The table with one customer in ASIDE, always the same, a day later than the others."""
    many = len(log.customers)
    late = np.random.default_rng(0).permutation(many) < many // ASIDE
    return log._derive(time=np.where(late, log.time, log.time - span(1)))


def measure(log: EventLog) -> Code:
    """The code of the customers' columns, and, where there is an outcome, which word of it is 1."""
    if len(log.customers) < FEWEST:
        raise DataError(f"the table has {len(log.customers)} customers to learn from; {FEWEST} are needed")
    code: Code = {"static": features.measure(beside.static(log))}
    return {**code, "yes": cases.level(log)} if "outcome" in log.cells else code


def examples(log: EventLog, rows: Ints, code: Code) -> Examples:
    """Customers at these positions, each a history of one step."""
    own = beside.static(log).take(rows)
    values = features.encode(own, code["static"])
    facts = Rows(values.astype(np.float64), own, code["static"], "yes" in code)
    return Examples(Histories(values, np.arange(len(rows) + 1)), group=rows, facts=facts)


def told(log: EventLog, end: np.datetime64, code: Code) -> Examples:
    """Everybody who is there on the day `end`; who has an outcome makes groups and rates."""
    past = log.until(end)
    found, y = examples(past, np.arange(len(past)), code), _outcomes(past, code)
    known = ~np.isnan(y)
    _require_both(y[known], "yes" in code)
    facts = found.facts._replace(columns=found.facts.columns[known], returned=y[known])
    return found._replace(target=np.nan_to_num(y)[:, None].astype(np.float32), newest=known, facts=facts)


def judged(log: EventLog, origin: np.datetime64, code: Code) -> Examples:
    """Who was set aside, and what came of them."""
    y, late = _outcomes(log, code), log.day > origin
    asked = examples(log, np.flatnonzero(late & ~np.isnan(y)), code)
    target = y[asked.group]
    _require_both(target, "yes" in code)
    if "yes" not in code:
        others = examples(log, np.flatnonzero(~late), code).histories
        asked = asked._replace(facts=asked.facts._replace(told=others))
    return asked._replace(target=target)


def rivals(told: Rows, asked: Rows, groups: int, seed: int) -> dict[str, Floats]:
    """What is judged, by the simple groupings."""
    means = clusters.centres(told.columns, groups, seed)
    found = {"columns": tuple(clusters.nearest(rows.columns, means) for rows in (told, asked))}
    for name in ("standardised", "pca"):
        found[name] = clusters.simple_groups(told.columns, asked.columns, groups, seed, pca=name == "pca")
    found["all"] = tuple(np.zeros(len(rows.columns), np.int64) for rows in (told, asked))
    assert told.returned is not None
    said = {}
    for name, (past, now) in found.items():
        method = f"k-means, {name}" if name != "all" else CONSTANT if told.rated else ONE
        rated = clusters.rates(past, told.returned, groups)[now]
        said[method] = rated if told.rated else distances(asked.columns, now, told.columns, past)
    return said


def distances(columns: Floats, group: Ints, told: Floats, of_told: Ints) -> Floats:
    """The mean squared distance of each row (M, D) from the mean of those told (N, D) that are in its group, (M,).

    >>> distances(np.array([[1.0], [9.0]]), np.array([0, 1]), np.array([[0.0], [2.0], [8.0]]), np.array([0, 0, 1]))
    array([0., 1.])
    """
    means = np.tile(told.mean(axis=0), (int(max(group.max(), of_told.max())) + 1, 1))  # of a group without anybody
    for k in np.unique(of_told):
        means[k] = told[of_told == k].mean(axis=0)
    return np.asarray(((columns - means[group]) ** 2).mean(axis=1), np.float64)


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


def _outcomes(log: EventLog, code: Code) -> Floats:
    """1, 0, or NaN where it is not known, (n,); without an outcome all 0."""
    return cases.outcomes(log, code["yes"]) if "yes" in code else np.zeros(len(log))


def _require_both(y: Floats, rated: bool) -> None:
    """DataError where there is nobody, or all outcomes are alike."""
    if not len(y) or (rated and np.ptp(y) == 0):
        what = f"all of {len(y)} customers have the outcome {y[0]:.0f}" if len(y) else "no outcome is known"
        raise DataError(f"{what} where segments are learned or judged: there is nothing to tell apart")
