"""Outcomes of any number of kinds: their names, which each event has, and why one is predicted.

>>> import polars as pl
>>> rows = {"id": [1, 1, 2], "t": ["2024-01-01", "2024-01-04", "2024-01-02"], "said": ["good", None, "bad"]}
>>> log = EventLog(pl.DataFrame(rows), customer="id", time="t", outcome="said")
>>> labels(log), coded(log, labels(log))
(['bad', 'good'], array([ 1, -1,  0]))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.log.columns import EMPTY
from rnncore.marketing.task import Code, Task

Array = NDArray[Any]
Ints = NDArray[np.int64]
MOST = 50  # kinds of outcomes; more are no kinds but numbers


def labels(log: EventLog) -> list[str]:
    """The kinds of outcomes that occur, sorted: words, or whole numbers as text.

    DataError unless there are 2 to 50 of them.
    """
    kinds, codes = _kinds(log)
    found = [str(kind) for kind in kinds[np.unique(codes[codes >= 0])]]
    if not 2 <= len(found) <= MOST:
        shown = ", ".join([*found[:5], *(["..."] if found[5:] else [])]) or "none"
        advice = "write the rarer ones as one" if found[1:] else "bring rows of others too"
        raise DataError(
            f"outcome has {counted(len(found), 'kind')} ({shown}); there must be 2 to {MOST} to be told apart: {advice}"
        )
    return found


def coded(log: EventLog, known: Sequence[str]) -> Ints:
    """The position of each event's outcome in `known`, (n,); EMPTY = -1 where it is empty or of another kind."""
    kinds, codes = _kinds(log)
    place = {label: k for k, label in enumerate(known)}
    table = np.array([*(place.get(str(kind), EMPTY) for kind in kinds), EMPTY], np.int64)
    return np.asarray(table[codes])  # EMPTY is the last entry


class KindAnswers(Task):
    """A task that predicts one of several kinds; the names of these are last among the facts of what is asked."""

    unit = "probability of the kind predicted"

    def about(self, said: Array, asked: Examples) -> Examples:
        """The kind that is predicted."""
        return asked._replace(target=said.argmax(axis=1))

    def named(self, asked: Examples, code: Code) -> str:
        """Which kind that is."""
        return f"probability of {asked.facts[-1][asked.target[0]]!r} (predicted)"

    def explained(self, said: Array, asked: Examples) -> Array:
        """The probability of that kind."""
        return np.asarray(said[:, asked.target[0]])


def _kinds(log: EventLog) -> tuple[NDArray[Any], Ints]:
    """All kinds of the column, sorted, and the position of each event's among them."""
    if "outcome" not in log.cells.numbers:
        category = log.category("outcome")
        return category.levels, category.codes.astype(np.int64)
    numbers = log.number("outcome")
    known = ~np.isnan(numbers)
    if not np.array_equal(numbers[known], np.round(numbers[known])):
        broken = numbers[known & (numbers != np.round(numbers))][0]
        raise DataError(
            f"an outcome is {broken:g}, and kinds are words or whole numbers: make kinds of such scores, as low, "
            "middle and high, or name the column as one of categories if each is a kind"
        )
    kinds, codes = np.unique(numbers[known].astype(np.int64), return_inverse=True)
    full = np.full(len(numbers), EMPTY, np.int64)
    full[known] = codes
    return kinds.astype(str).astype(object), full
