"""What `clv.py` answers beside `predict`: tenths of the customers, how well intervals held, what is explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rnncore.marketing.answers.wording import counted, in_columns
from rnncore.marketing.customers import weeks
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import NETWORK
from rnncore.marketing.learning.encoding import Summary
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.task import Code, HeldOut, Task
from rnncore.sequences import Histories

Array = NDArray[Any]
DECILES = "What is expected of each tenth of the customers"


class Facts(NamedTuple):
    """Of customers who are asked about."""

    summary: Summary
    standing: weeks.Standing
    code: Code
    money: bool
    """Whether the log has amounts."""
    like: Histories | None = None
    """Whose futures are drawn, where it is not their own: of the same customers with other events."""


class CLVAnswers(Task):
    """What a fitted `CLV` says beside its futures."""

    of: str | None
    interval: float

    blanked = "as long but of average weeks"
    printed = (DECILES,)

    def explained(self, said: Array, asked: Examples) -> Array:
        """Expected purchases of the next week, times the expected amount of one; BG/NBD's part is of the customer."""
        law = weeks.law(said, asked.facts.code, weeks.prior(asked.facts.standing, asked.facts.code))
        return law.purchases * law.amount if self._money(asked.facts.money) else law.purchases

    def named(self, asked: Examples, code: Code) -> str:
        """What that is."""
        return f"expected {self._of(asked.facts.money)} of the next week"

    @property
    def whole(self) -> tuple[str, str]:
        """What is expected of all weeks ahead: drawn ones have no slope, so that gradients are of the next."""
        of = self._of("value" in self.reading_ or "price" in self.reading_)
        return of, f"expected {of} of the next {counted(self.horizon, 'day')}"

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The weeks."""
        return [(f"{counted(number - 1 - k, 'week')} before the latest", None) for k in range(number)]

    def removals(self, own: EventLog, at: np.datetime64, code: Code, asked: Examples) -> Iterator[tuple[int, Examples]]:
        """Each week with purchases, and the question without these, answered by the draws of the question with them."""
        back, number = weeks.back(own, at), len(asked.histories.values)
        for week in np.unique(back[back < number])[::-1]:
            if len(rest := own.where(back != week)):
                without = self.asked(rest, at, code)
                facts = without.facts._replace(like=asked.histories)
                yield number - 1 - int(week), without._replace(facts=facts)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """What each tenth of the customers is expected to bring, and its share of all."""
        answers = pl.DataFrame(self.predict(log))
        by = "value" if self._used._money(log.value is not None) else "purchases"
        tenths = answers.group_by("decile").agg(
            pl.len().alias("customers"), pl.col(by).mean().alias(f"mean {by}"), pl.col(by).sum().alias("share of all")
        )  # fmt: skip
        shares = pl.col("share of all") / pl.col("share of all").sum()
        return {DECILES: in_columns(tenths.sort("decile").with_columns(shares))}

    @property
    def deciles_(self) -> pl.DataFrame:
        """Of the customers judged, from the tenth with the highest expectation down: means expected, and that came."""
        held = self.held_out_
        expected = held.prediction[NETWORK][:, 0]
        frame = pl.DataFrame({"decile": deciles(expected), "expected": expected, "came": held.target})
        means = pl.len().alias("customers"), pl.col("expected").mean(), pl.col("came").mean()
        return frame.group_by("decile", maintain_order=True).agg(*means).sort("decile")

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """How many intervals held what came, and what the best customers brought."""
        said, y = held.prediction[NETWORK], np.asarray(held.target)
        inside = (said[:, -2] <= y) & (y <= said[:, -1])
        best = deciles(said[:, 0]) == 1
        return [
            f"Intervals of {self.interval:.0%} held what came for {inside.mean():.1%} of the customers, and for "
            f"{inside[best].mean():.1%} of the tenth with the highest expectation, who brought "
            f"{y[best].sum() / y.sum():.1%} of all."
        ]

    def _of(self, amounts: bool) -> str:
        """What is judged of a log that has amounts, or has none."""
        return self.of or ("spend" if amounts else "purchases")

    def _money(self, amounts: bool) -> bool:
        """Whether that is spend."""
        return self._of(amounts) == "spend"


def deciles(expected: Array) -> Array:
    """1 for the tenth with the highest expectation, to 10, (N,)."""
    rank = np.argsort(np.argsort(-expected, kind="stable"), kind="stable")
    return rank * 10 // len(rank) + 1
