"""A value that settles the outcome: whoever has it has the same outcome, which is far from certain otherwise.

Rare as it may be, so that the column alone ranks few, such a value was mostly filled in after the outcome: whoever
bought has visited. For each value of a column, for "anything but the commonest value", for empty cells and for filled
ones:

    pure            PURE or more of its cases have the same outcome
    otherwise open  at most OPEN of the other cases have it
    beyond chance   so many would have it with a chance below LEVEL / (number of such tests in the table), if its odds
                    were ODDS times those of the others: what even strong columns that are honest do not reach
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from rnncore.marketing.log.columns import EMPTY, Columns

PURE, OPEN, ODDS, LEVEL = 0.99, 0.8, 200.0, 0.01
LEAST = 20  # cases on either side


class Settled(NamedTuple):
    """What was found of one value."""

    value: str
    """In words: "= 1", "other than 0", "empty" or "filled"."""
    cases: int
    """How many have it."""
    share: float
    """Of these, how many have the same outcome."""
    others: float
    """How many of the others have that outcome."""


def settled(columns: Columns, outcome: NDArray[Any]) -> dict[str, Settled]:
    """For each column with a value that settles the outcomes (n,) of 0 and 1, the one of most cases.

    >>> rng = np.random.default_rng(0)
    >>> visited, bought = rng.uniform(size=9000) < 0.1, np.zeros(9000)
    >>> bought[np.flatnonzero(visited)[:300]] = 1.0
    >>> settled(Columns({"bought": bought, "age": rng.normal(size=9000)}), visited.astype(int))["bought"].value
    '= 1'
    """
    groups = {name: [*_groups(columns, name)] for name in (*columns.numbers, *columns.categories)}
    tests = 2 * sum(map(len, groups.values()))
    found = {
        name: [s for words, who in group if (s := _one(words, who, outcome, tests))] for name, group in groups.items()
    }
    return {name: max(values, key=lambda s: s.cases) for name, values in found.items() if values}


def _groups(columns: Columns, name: str) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The values of a column that enough cases have and enough have not, and who has them."""
    values: NDArray[Any] = columns.numbers[name] if name in columns.numbers else columns.categories[name].codes
    filled = ~np.isnan(values) if name in columns.numbers else values != EMPTY
    kinds, counts = np.unique(values[filled], return_counts=True)
    called = [f"{k:g}" if name in columns.numbers else str(columns.categories[name].levels[k]) for k in kinds]
    for k in np.flatnonzero(counts >= LEAST):
        yield f"= {called[k]}", values == kinds[k]
    if len(kinds) > 2:
        commonest = int(counts.argmax())
        yield f"other than {called[commonest]}", filled & (values != kinds[commonest])
    yield "empty", ~filled
    yield "filled", filled


def _one(words: str, who: NDArray[np.bool_], outcome: NDArray[Any], tests: int) -> Settled | None:
    n, rest = int(who.sum()), len(who) - int(who.sum())
    if min(n, rest) < LEAST:
        return None
    inside, outside = int(outcome[who].sum()), int(outcome[~who].sum())
    for same, other in ((inside, outside), (n - inside, rest - outside)):
        if same / n >= PURE and other / rest <= OPEN:
            odds = ODDS * (other + 1) / (rest - other + 1)
            if binom.sf(same - 1, n, odds / (1 + odds)) <= LEVEL / tests:
                return Settled(words, n, same / n, other / rest)
    return None
