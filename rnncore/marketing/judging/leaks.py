"""Leaks: columns that know the outcome because they were filled in after it.

    too good    the column alone ranks the outcomes with an AUROC of ABSURD or more, better than all others joined, and
                that is no mere strength: it is PERFECT where the others are far from it, one cut of its numbers is
                nearly so, as of the last day on which somebody was seen, or one value of it (0 or not, empty or not)
                does it, as of cells that are filled in afterwards. That one value must reach CLEAR where the others say
                so little that any honest column would beat them
    too pure    one value of it settles the outcome, however few have it: purity.py
    too late    cells hold times after the time of the outcome: late.py

AUROCs of columns are out of fold, of trees, so that any form of dependence counts. The others of a column are all but
those that say nearly the same (rank correlation TWIN or more) and those that are suspected already, the best first. A
column that beats the others without more evidence is called strong: honest ones are, as the days since a purchase, but
the length of a call is too. What is found is a suspicion: whoever knows how the column comes about decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import ks_2samp, spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from rnncore import checks
from rnncore.errors import DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.judging import purity
from rnncore.marketing.judging.late import shares_after
from rnncore.marketing.judging.suspects import ABSURD, PERFECT, Leaks, Suspect
from rnncore.marketing.learning.examples import drawn
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.cells import parse_any
from rnncore.marketing.log.columns import EMPTY, Columns, gather
from rnncore.marketing.log.files import require_columns
from rnncore.marketing.log.quality import first_row
from rnncore.marketing.log.reading import UNNAMED, Raw, read

Floats = NDArray[np.float64]
TWIN, FOLDS = 0.95, 3
LEAF = 20  # cells that a leaf of a tree needs
SEARCHED = 5_000  # rows, at most, that a warning rests on


def find_leaks(
    source: Any,
    outcome: str,
    *,
    time: str | None = None,
    ignore: Sequence[str] = (),
    missing: str = "error",
    separator: str = ",",
    decimal: str = ".",
    encoding: str = "utf-8",
) -> Leaks:
    """Look for leaks in a table with a row per case.

    source: a dataframe or the path of a CSV or Parquet file. outcome: the column of 0 and 1, or true and false, or of
    two words. time: the column with the time of the outcome, with which columns of times are compared. ignore: columns
    to pass over, for example ids; those without a name are passed over too. missing: "error", or "drop" for leaving out
    rows whose outcome is empty. separator, decimal, encoding: of a CSV file, as of `EventLog`.

    DataError where a column is missing, the outcome has not two values, or one of them fewer than FOLDS times.

    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> y, age = rng.integers(0, 2, 400), rng.normal(size=400)
    >>> frame = pl.DataFrame({"bought": y, "age": age, "paid": y * rng.gamma(2, size=400)})
    >>> find_leaks(frame, "bought").suspected
    ['paid']
    """
    checks.one_of("missing", missing, ("error", "drop"))
    checks.one_of("decimal", decimal, (".", ","))
    raw = read(source, None, separator, encoding=encoding)._replace(decimal=decimal)
    require_columns([outcome, *([time] if time else []), *ignore], list(raw.columns), raw.label, separator)
    known, target = _two(raw, outcome, missing == "drop")
    apart = (outcome, time, *ignore)
    rest = {n: column for n, column in raw.columns.items() if n not in apart and not re.fullmatch(UNNAMED, str(n))}
    late = shares_after(raw, rest, time, known)
    if not rest:
        raise DataError(f"{raw.label} has no column beside the outcome")
    texts = [column.cast(pl.String) if column.dtype.is_temporal() else column for column in rest.values()]
    parsed = [parse_any(column, raw.label, decimal).filter(known) for column in texts]  # times in their order
    found = search(gather(pl.DataFrame(parsed)), target)
    suspects = [suspect._replace(later=late.get(suspect.name, 0.0)) for suspect in found]
    return Leaks(raw.label, tuple(sorted(suspects, key=lambda s: (not s.leaks, -s.alone))))


def search(columns: Columns, outcome: NDArray[Any]) -> list[Suspect]:
    """What each column says of the outcomes (n,) of 0 and 1, alone and against the others."""
    x: dict[str, Floats] = {**columns.numbers}
    for name, category in columns.categories.items():
        x[name] = np.where(category.codes == EMPTY, np.nan, category.codes).astype(np.float64)
    alone = {name: _alone(values, outcome, name in columns.categories) for name, values in x.items()}
    pure, found = purity.settled(columns, outcome), list[Suspect]()
    left = {name: values for name, values in x.items() if name not in pure and np.isfinite(values).sum() >= LEAF}
    for name in sorted(alone, key=lambda name: -alone[name]):
        suspect = Suspect(name, alone[name], None, settled=pure.get(name))
        if suspect.alone >= ABSURD:
            rest = {other: v for other, v in left.items() if other != name and not _twins(v, x[name])}
            if suspect.alone >= PERFECT:  # as good as another perfect one
                rest = {other: v for other, v in rest.items() if alone[other] < PERFECT}
            others = _auroc(_trees(), np.column_stack([*rest.values()]), outcome) if rest else 0.5
            suspect = suspect._replace(others=others, value=_by_one_value(x[name], outcome))
            if name in columns.numbers:
                suspect = suspect._replace(cut=_by_one_cut(x[name], outcome))
        if suspect.leaks:
            left.pop(name, None)
        found.append(suspect)
    return found


def warning(columns: Columns, beside: Columns, outcome: NDArray[Any], question: str, seed: int = 0) -> str:
    """A sentence that names the columns that are suspected, or nothing; of at most SEARCHED rows, drawn by the seed.

    beside: further columns, which are never suspected. question: what whoever knows the columns should ask.
    """
    some = drawn(np.arange(len(outcome)), SEARCHED, seed)
    came = np.asarray(outcome)[some].astype(np.int64)
    if not columns.names or min(came.sum(), len(came) - came.sum()) < FOLDS:
        return ""
    both = Columns({**beside.numbers, **columns.numbers}, {**beside.categories, **columns.categories}).take(some)
    names = [f"{s.name} ({s.why})" for s in search(both, came) if s.leaks and s.name in columns]
    return f"Leak? {question}: {', '.join(names)}; if not, leave it out." if names else ""


def _trees() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)


def _alone(values: Floats, outcome: NDArray[Any], words: bool) -> float:
    """AUROC of one column; of words, by the rate of each word, which a tree with a leaf for each reads."""
    empty = np.isnan(values)
    x = np.column_stack([np.where(empty, 0.0, values), empty])
    leaves = min(1000, int(np.nanmax(values, initial=0)) + 2) if words else 32
    return _auroc(
        DecisionTreeClassifier(max_leaf_nodes=max(2, leaves), min_samples_leaf=LEAF, random_state=0), x, outcome
    )


def _by_one_value(values: Floats, outcome: NDArray[Any]) -> float:
    """AUROC of the question whether a cell has the one value, or is empty, by which it ranks best."""
    kinds, kind = np.unique(values, return_inverse=True)
    came = np.bincount(kind, weights=outcome, minlength=len(kinds))
    not_came = np.bincount(kind, minlength=len(kinds)) - came
    return 0.5 + 0.5 * float(np.abs(came / outcome.sum() - not_came / (len(outcome) - outcome.sum())).max())


def _by_one_cut(values: Floats, outcome: NDArray[Any]) -> float:
    """AUROC of the question whether a number is above the one by which that ranks best."""
    without, having = (values[~np.isnan(values) & (outcome == came)] for came in (0, 1))
    if min(len(without), len(having)) == 0:  # of one outcome there are gaps alone
        return 0.5
    return 0.5 + 0.5 * float(ks_2samp(without, having, method="asymp").statistic)


@one_thread
def _auroc(model: Any, x: Floats, outcome: NDArray[Any]) -> float:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    p = cross_val_predict(model, x, outcome, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(outcome, p))


def _twins(one: Floats, other: Floats) -> bool:
    both = ~(np.isnan(one) | np.isnan(other))
    if both.sum() < 3 or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return False
    return bool(abs(spearmanr(one[both], other[both]).statistic) >= TWIN)


def _two(raw: Raw, outcome: str, drop: bool) -> tuple[pl.Series, NDArray[np.int64]]:
    """In which rows the outcome is known, and there 0 or 1: of two words the second in the alphabet is 1."""
    cells = parse_any(raw.columns[outcome], raw.label, raw.decimal)
    known = cells.is_not_null()
    if cells.null_count() and not drop:
        where = f"{counted(cells.null_count(), 'row')}, the first of them row {first_row(~known)}"
        raise DataError(f'{raw.label}: {outcome!r} is empty in {where}; missing="drop" leaves such rows out')
    cells = cells.filter(known)
    values = cells.unique().sort()
    counts = [int((cells == value).sum()) for value in values.head(3)]
    if len(values) != 2 or min(counts) < FOLDS:
        raise DataError(
            f"{raw.label}: {outcome!r} must have two values, each {FOLDS} times or more; it has {len(values)}"
            + (f", one of them {min(counts)} times" if len(values) == 2 else "")
        )
    return known, np.asarray((cells == values[1]).to_numpy(), np.int64)
