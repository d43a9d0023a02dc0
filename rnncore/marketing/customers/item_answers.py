"""What `next_purchase.py` answers with and beside: items that can come, why the first, scores as each item comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore.contract import Layer
from rnncore.marketing.customers.items import Choice, Ints, Items, cut
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.task import Code, Task

Array = NDArray[Any]
CELLS = 20_000_000  # scores, of rows times items, that are in memory at a time; at least 200 rows are judged
JUDGED = 5_000  # events, at most


def most_judged(code: Code) -> int:
    """So many events are judged, at most: a row of scores over all items is held for each."""
    return int(np.clip(CELLS // (len(code["items"]) + 1), 200, JUDGED))


class ItemAnswers(Task):
    """What a fitted `NextPurchase` says of items; the facts of what is asked are a `Choice`."""

    available: Sequence[str] | None
    exclude: str

    unit = "probability of the item ranked first"

    def _choice(self, found: Items, events: Ints, until: Ints, code: Code) -> Choice:
        """What cannot come in the place of each event: not on offer, or had by the customer before `until`."""
        names = code["items"]
        shut = np.ones(len(names) + 1, bool)
        shut[1:] = False if self.available is None else ~np.isin(names, [str(name) for name in self.available])
        start = found.start[events] if self.exclude == "seen" else until
        return Choice(shut, names, cut(found.ids, start, until))

    @property
    def live_(self) -> Layer:
        """The network with scores after each item: a `rc.Stream(task.live_, own)` for each `own` of `params_`.

        The mean of what the streams say is what the task says of the whole history, before its temperature.
        """
        network: Any = self.network_
        return rc.Tied(rc.Stack(network.layer.parts["0"]), network.V)

    def parts(self, asked: Examples) -> Iterator[Examples]:
        """So many rows at a time that their scores of all items fit."""
        rows, size = np.arange(len(asked.group)), max(1, CELLS // len(asked.facts.shut))
        for begin in range(0, len(rows), size):
            now = (rows >= begin) & (rows < begin + size)
            yield asked.select(now)._replace(facts=asked.facts.some(now))

    def about(self, said: Array, asked: Examples) -> Examples:
        """The item that is ranked first."""
        return asked._replace(target=np.where(asked.facts.barred, -1.0, said).argmax(axis=1))

    def named(self, asked: Examples, code: Code) -> str:
        """Which item that is."""
        return f"probability of {['', *asked.facts.names][asked.target[0]]!r} (ranked first)"

    def explained(self, said: Array, asked: Examples) -> Array:
        """The probability of that item among those that can come, which is what `predict` says."""
        return np.asarray(self.decode(said, asked._replace(target=None))[:, asked.target[0]])
