"""The report of an event log: what was checked, how many rows it concerns, and what was done about them.

`sift` decides about rows that cannot be used as they are; `describe` counts what a user should know about those that
are used.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from rnncore.errors import DataError

EARLIEST = datetime.datetime(1971, 1, 1)  # 1900-01-01 and 1970-01-01 are what software writes for "no date"


NUMBERS = ("value", "items", "price")  # the roles of columns that are added up
RETURNS = 'leaves such rows out, for instance returns and cancellations; negative="keep" keeps them'
NEEDED = ("customer", "time")  # without these an event cannot be kept
OF_SEVERAL = ("exact repeats", "repeated customer and day", "out of order", "events of one time")  # events of somebody
OF_TIMES = (*OF_SEVERAL, "unlikely dates")  # checks of which a table without times has none


class Check(NamedTuple):
    """One line of the report: what was looked for, how many rows show it, and what was done or should be known."""

    name: str
    rows: int
    remark: str


@dataclass(frozen=True)
class Quality:
    """A small table of checks; `quality["missing customer"]` is the number of rows. `print(quality)` shows those that
    found rows, and names the others.

    >>> found = Check("rows read", 3, ""), Check("missing customer", 1, "dropped"), Check("missing time", 0, "")
    >>> print(Quality("shop.csv", found))
    shop.csv
      rows read         3
      missing customer  1  dropped
      no rows with: missing time
    """

    source: str
    checks: tuple[Check, ...]

    def __getitem__(self, name: str) -> int:
        """The number of rows that check `name` counted; KeyError names the checks there are."""
        for check in self.checks:
            if check.name == name:
                return check.rows
        raise KeyError(
            f"{name!r} is no check of this report; there are {', '.join(check.name for check in self.checks)}"
        )

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __str__(self) -> str:
        shown: dict[tuple[str, int], list[str]] = {}  # columns of which the same is said share a line
        for check in self.checks:
            if check.rows or check.remark:
                shown.setdefault((check.name, check.rows), []).append(check.remark)
        names = max((len(name) for name, _ in shown), default=0)
        width = max((len(f"{rows:,}") for _, rows in shown), default=0)
        lines = []
        for (name, rows), remarks in shown.items():
            lines += _wrapped(f"{name:<{names}}  {rows:>{width},}  {', '.join(remarks)}", names + width + 4)
        others = ", ".join(check.name for check in self.checks if not (check.rows or check.remark))
        lines += _wrapped(f"no rows with: {others}", 2) if others else []
        return "\n".join([self.source, *lines])


def _wrapped(line: str, under: int) -> list[str]:
    """A line of the report in lines of at most 100 letters, the later ones set in."""
    return textwrap.wrap(
        line, max(100, under + 50), initial_indent="  ", subsequent_indent=" " * (2 + under), break_on_hyphens=False
    )


def sift(
    frame: pl.DataFrame, label: str, names: Mapping[str, str], missing: str, negative: str
) -> tuple[pl.DataFrame, list[Check]]:
    """Leave out rows without customer, time or a number to add up, and negative numbers, where "drop" asks for it; else
    raise DataError if there are any, unless "keep" says that they belong there.

    frame: `row` and the roles of `names` (role -> the caller's column name). Returns the rows left and a line for each
        check. Other empty cells are kept: a model is told that they are empty.
    """
    numbers = [role for role in NUMBERS if role in names]
    checks = [Check("rows read", frame.height, "")]
    bad = {f"missing {role}": frame[role].is_null() for role in (*NEEDED, *numbers) if role in names}
    kept = {name for name in bad if missing == "keep" and name.split()[1] in numbers}
    refused = {name: mask for name, mask in bad.items() if name not in kept}
    numeric = all(name.split()[1] in numbers for name, mask in refused.items() if mask.any())
    keep_them = ', missing="keep" keeps them as empty' if numeric else ""
    advice = f"leaves such rows out{keep_them}; or fill the cells in the source"
    _refuse(refused, frame, label, names, missing, advice + (_all_of_an_event(frame, numbers) if numeric else ""))
    below = {f"negative {role}": (frame[role] < 0).fill_null(False) for role in numbers}
    if negative == "keep":
        kept |= set(below)
    else:
        _refuse(below, frame, label, names, negative, RETURNS)
    keep = pl.repeat(True, frame.height, eager=True)
    for name, mask in (bad | below).items():
        done = "kept" if name in kept else "dropped"
        checks.append(Check(name, int(mask.sum()), done if mask.any() else ""))
        if name not in kept:
            keep &= ~mask
    for role in names:
        if role not in (*NEEDED, *numbers):
            empty = frame[role].null_count()
            checks.append(Check(f"missing {role}", empty, "kept, as empty" if empty else ""))
    if not keep.any():
        raise DataError(f"{label}: no row is left once rows with missing cells or negative numbers are dropped")
    return frame if keep.all() else frame.filter(keep), checks


RARE = 5  # rows of a level below which it is too rare to be learned
FAR = 6.0  # robust standard deviations, on the log scale, beyond which a number is an outlier


def unusual(frame: pl.DataFrame, roles: Sequence[str]) -> list[Check]:
    """Lines about outliers of each column of numbers, and rare levels of each column of categories.

    An outlier is FAR from the median of sign(v) log(1 + |v|), measured by 1.4826 times the median distance from it
    (Leys et al. 2013): where more than half of the cells are equal, nothing is.
    """
    checks = []
    for role in roles:
        column = frame[role]
        if column.dtype == pl.Float64:
            known = column.drop_nulls()
            log = np.copysign(np.log1p(np.abs(known.to_numpy())), known.to_numpy())
            log -= np.median(log) if len(log) else 0.0
            away = np.abs(log, out=log)
            deviation = 1.4826 * float(np.median(away)) if len(log) else 0.0
            found = int((away > FAR * deviation).sum()) if deviation > 0 else 0
            done = f"kept; the largest is {known.to_numpy().max():g}" if found else ""
            checks.append(Check(f"outliers of {role}", found, done))
        else:
            checks.append(rare_levels(column)._replace(name=f"rare levels of {role}"))
    return checks


def rare_levels(column: pl.Series) -> Check:
    """How many rows of a column of words have a level that fewer than RARE have; dates are such words."""
    counts = column.drop_nulls().value_counts()["count"]
    rare = counts.filter(counts < RARE)
    done = f"kept; {len(rare):,} of {len(counts):,} levels, which models may take as 'other'" if len(rare) else ""
    return Check("rare levels", int(rare.sum()), done)


def _refuse(
    masks: dict[str, pl.Series], frame: pl.DataFrame, label: str, names: Mapping[str, str], choice: str, effect: str
) -> None:
    """DataError for all the masks that are anywhere True, unless the choice is "drop"."""
    found = {check: mask for check, mask in masks.items() if mask.any()}
    if not found or choice == "drop":
        return
    argument = next(iter(found)).split()[0]
    parts = []
    for check, mask in found.items():
        role = check.split()[1]
        row = int(mask.arg_max() or 0)
        shown = "" if argument == "missing" else f" ({frame[role][row]:g})"
        parts.append(f"{mask.sum():,} in {names[role]!r}, the first in row {frame['row'][row]}{shown}")
    what = "missing cells (empty, NaN, NULL or the like)" if argument == "missing" else "negative numbers"
    raise DataError(f'{label} has {what}: {"; ".join(parts)}. {argument}="drop" {effect}')


def _all_of_an_event(frame: pl.DataFrame, numbers: Sequence[str]) -> str:
    """A sentence where events of some names never have a number, as a cancellation has no price, and all others do."""
    empty = frame.select(pl.any_horizontal(pl.col(numbers).is_null())).to_series()
    if "event" not in frame.columns or empty.all():
        return ""
    events = frame["event"].filter(empty).unique().sort()
    if (frame["event"].is_in(events.implode()).fill_null(False) != empty).any():
        return ""
    which = ", ".join(map(repr, events.to_list()))
    return f'. It is empty wherever the event is {which}, and nowhere else: missing="keep", or these events are lost'


def describe(frame: pl.DataFrame, ordered: bool = False) -> list[Check]:
    """Lines about the rows used; `frame` is sorted by customer, time and all else; `row` is the place in the source.

    ordered: whether a column says the order of events at one time.
    """
    same = pl.col("customer") == pl.col("customer").shift()
    tie = pl.col("time") == pl.col("time").shift()
    day = pl.col("time").dt.date()
    counts = frame.select(
        day=(same & (day == day.shift())).sum(),
        order=(same & ~tie & (pl.col("row") < pl.col("row").shift())).sum(),
        tied=(same & tie).sum(),
        unlikely=((pl.col("time") < EARLIEST) | (pl.col("time") > datetime.datetime.now())).sum(),
    ).row(0, named=True)
    columns = [pl.col(name) for name in frame.columns if name != "row"]
    equal = frame.select(pl.all_horizontal(c.eq_missing(c.shift()) for c in columns)).to_series()
    repeats = int(equal[1:].to_numpy().sum())  # the first row has none before it
    tied = f"kept; their order is that of {'the order column' if ordered else 'their cells'}, whatever the rows'"
    lines = []
    if "value" in frame.columns:
        zeros = int((frame["value"] == 0).sum())
        lines = [Check("zero value", zeros, "kept" if zeros else "")]
    lines += [
        Check("exact repeats", repeats, "kept; equal to an earlier row in all named columns" if repeats else ""),
        Check("repeated customer and day", counts["day"], "kept" if counts["day"] else ""),
        Check("out of order", counts["order"], "sorted by time" if counts["order"] else ""),
        Check("events of one time", counts["tied"], tied if counts["tied"] else ""),
        Check("unlikely dates", counts["unlikely"], "kept; before 1971 or in the future" if counts["unlikely"] else ""),
    ]
    return [*lines, Check("rows used", frame.height, "")]


def first_row(mask: pl.Series) -> int:
    """The row number, from 1, of the first True of a boolean series that has one."""
    return int(mask.arg_true()[0]) + 1
