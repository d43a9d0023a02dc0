"""Cases with their histories, for `outcome.py` and `outcome_kind.py`: each case as steps of a network.

A case is an event; its history are the customer's events at earlier times. One step per event of the history, and a
closing step, the case. Columns of a step:

    closing, outcome known        1 in the case, 0 before; 1 where the outcome of an earlier event was known then
    outcome                       of that event; 0 where it was not known; of several kinds, a column for each
    before, gap                   how many events there were before, and days since the latest of them
    further columns of events     features.py
    static columns                in the case only
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import features, labels
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.log.columns import Columns
from rnncore.marketing.log.days import span
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Code = dict[str, Any]
FIRST = ("closing", "outcome known")
PARTS = ("before", "events", "static")
ROLES = ("value", "items", "event", "channel", "item", "action")


class Facts(NamedTuple):
    """What the simple methods read of N cases."""

    case: Floats
    """Their own columns, (N, D)."""
    before: Floats
    """Number of events before and the gap, standardised, (N, 2)."""
    known: Floats
    """How many earlier outcomes were known, (N,), of the latest events."""
    positive: Floats
    """How many of these were 1, (N,), or of each kind, (N, K)."""
    time: NDArray[np.datetime64]
    """When each case is, (N,)."""


def outcomes(log: EventLog, code: Code) -> Floats:
    """1, 0, or NaN where the cell is empty, (n,); DataError for numbers other than 0 and 1, and for further words.

    code: the two `words` that were measured.
    """
    yes = code["yes"]
    numbers = log.cells.numbers.get("outcome")
    if numbers is not None and np.isnan(numbers).all():  # an empty column has no kind
        return numbers
    if yes is not None:
        category = log.category("outcome")
        _require_two({yes, code.get("no") or yes, *category.common(10**9)}, fewest=1)  # older files know one of them
        one = np.isin(category.codes, np.flatnonzero(category.levels == yes))
        return np.where(category.codes < 0, np.nan, one)
    numbers = log.number("outcome")
    if not np.isin(numbers[~np.isnan(numbers)], (0, 1)).all():
        other = numbers[~np.isnan(numbers) & ~np.isin(numbers, (0, 1))][0]
        raise DataError(
            f"an outcome is {other:g}, where it must be 0 or 1, or one of two words: make it so (of two codes name it "
            "as one of categories: the second in sorted order counts as 1)"
        )
    return numbers


def _require_two(words: Collection[str], fewest: int = 2) -> None:
    if not fewest <= len(words) <= 2:
        shown = ", ".join(sorted(words)[:5]) or "none"
        raise DataError(
            f"outcome has {counted(len(words), 'word')} ({shown}), where there must be two, as yes and no: write "
            "each in one way and empty the cells of others, or fit outcome-kind, which tells several apart"
        )


def words(log: EventLog) -> Code:
    """Of an outcome in words, the one that counts as 1, the second in sorted order, and the other, None for numbers;
    DataError unless there are two.
    """
    if "outcome" in log.cells.numbers:
        return {"yes": None, "no": None}
    found = log.category("outcome").common(10**9)
    _require_two(found)
    return dict(zip(("no", "yes"), sorted(found), strict=True))


def measure(log: EventLog, kinds: list[str] | None = None) -> Code:
    """The code of the columns of a log that ends where the past does; kinds: of outcomes, if these are not 0 and 1."""
    columns = {"before": _before(log), "events": _columns(log), "static": _static(log)}
    code = {part: features.measure(found) for part, found in columns.items()}
    return {**code, **words(log)} if kinds is None else {**code, "kinds": kinds}


def names(code: Code) -> list[str]:
    """What each column of a step is called."""
    outcome = [f"outcome: {kind}" for kind in code["kinds"]] if "kinds" in code else ["outcome"]
    return [*FIRST, *outcome, *(name for part in PARTS for name in features.names(code[part]))]


def known_outcomes(log: EventLog, code: Code) -> Floats:
    """What the columns of outcomes hold, (n, 1) or (n, K), NaN in all where it is empty or of another kind."""
    if "kinds" not in code:
        return outcomes(log, code)[:, None]
    y = labels.coded(log, code["kinds"])
    return np.where(y[:, None] < 0, np.nan, y[:, None] == np.arange(len(code["kinds"])))


def of_history(code: Code) -> slice:
    """Where a step says how many events there were before, and the gap."""
    return slice(at := len(FIRST) + len(code.get("kinds", "y")), at + 2)


def of_case(code: Code) -> slice:
    """Where the columns of an event itself are."""
    return slice(of_history(code).stop, None)


def encode(log: EventLog, rows: NDArray[np.int64], code: Code, latest: int, known_after: int) -> Examples:
    """The events at these positions as cases: the `latest` steps of each with the case as the last, and the facts."""
    before = _ties(log)[rows]
    begin = np.maximum(log.offsets[log.codes[rows]], before - (latest - 1))
    lengths = before - begin + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ends = offsets[1:] - 1
    index = np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1])
    index[ends] = rows
    closing = np.zeros(len(index), bool)
    closing[ends] = True
    y = known_outcomes(log, code)[index]
    known = ~np.isnan(y[:, 0]) & (log.time[index] + span(known_after) <= np.repeat(log.time[rows], lengths))
    seen = ~closing & known
    y = np.where(seen[:, None], y, 0.0)
    parts: list[Array] = [np.column_stack([closing, seen, y]), features.encode(_before(log), code["before"])[index]]
    if features.names(code["events"]):
        parts.append(features.encode(_columns(log), code["events"])[index])
    if features.names(code["static"]):
        parts.append(features.encode(_static(log), code["static"])[log.codes[index]] * closing[:, None])
    values = np.concatenate(parts, axis=1).astype(np.float32)
    own = values[ends].astype(np.float64)
    counts, positive = (np.add.reduceat(column.astype(np.float64), offsets[:-1]) for column in (seen, y))
    positive = positive if "kinds" in code else positive[:, 0]
    facts = Facts(own[:, of_case(code)], own[:, of_history(code)], counts, positive, log.time[rows])
    return Examples(Histories(values, offsets), group=log.codes[rows], facts=facts)


def known_of(log: EventLog, rows: NDArray[np.int64]) -> tuple[Columns, Columns]:
    """The own columns of the events at these positions, with those of their customers, and what came before them."""
    events, static = _columns(log).take(rows), _static(log).take(log.codes[rows])
    own = Columns({**static.numbers, **events.numbers}, {**static.categories, **events.categories})
    return own, _before(log).take(rows)


def without_history(histories: Histories, code: Code) -> Histories:
    """The cases as those of customers who are new."""
    own = histories.values[histories.offsets[1:] - 1].copy()
    own[:, of_history(code)] = features.encode(Columns({"before": np.zeros(1), "gap": np.zeros(1)}), code["before"])
    return Histories(own, np.arange(len(own) + 1))


def without_case(histories: Histories, code: Code) -> Histories:
    """The same histories before cases of which nothing is known but when they are."""
    values = histories.values.copy()
    values[histories.offsets[1:] - 1, of_case(code)] = 0.0
    return Histories(values, histories.offsets)


def _before(log: EventLog) -> Columns:
    """Number of events before, and days since the latest of them; those of the same time are not before."""
    start, ties = log.offsets[log.codes], _ties(log)
    gap = np.where(ties > start, (log.time - log.time[np.maximum(ties - 1, 0)]) / features.DAY, 0.0)
    return Columns({"before": (ties - start).astype(np.float64), "gap": gap})


def _columns(log: EventLog) -> Columns:
    """The columns of the events themselves."""
    found = features.of_events(log, [*ROLES, *log.reading.get("extras", [])])
    return Columns({name: a for name, a in found.numbers.items() if name != "gap"}, found.categories)


def _static(log: EventLog) -> Columns:
    return Columns(log.static.numbers, log.static.categories)


def _ties(log: EventLog) -> NDArray[np.int64]:
    """The position of the first of the customer's events at the time of each, (n,)."""
    new = np.ones(len(log), bool)
    new[1:] = (log.time[1:] != log.time[:-1]) | (log.codes[1:] != log.codes[:-1])
    return np.asarray(np.maximum.accumulate(np.where(new, np.arange(len(log)), 0)), np.int64)
