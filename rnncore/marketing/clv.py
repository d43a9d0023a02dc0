"""CLV: what customers without a contract will buy and spend, from sampled futures of their weeks.

    history       weeks.py: a step per week since the first purchase
    head, loss    GRU, after each week the law of the next: how many purchases, as a correction of what BG/NBD expects,
                  and what one is worth (zero-inflated log-normal); likelihood. As Valendin et al. (2022), International
                  Journal of Research in Marketing 39(4), 988-1018, but for BG/NBD, and spend beside the counts
    decoding      futures.py: futures drawn from the carried state; their means, and intervals that hold so many
    must beat     x/T*H, BG/NBD and Pareto/NBD with gamma-gamma, gradient boosting on RFM, and the mean of all

The season is not told to the network: a log of a year holds each week of it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError, DataError
from rnncore.marketing.answers.wording import counted, in_columns
from rnncore.marketing.customers import futures, spend, weeks
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.judging.judgement import NETWORK
from rnncore.marketing.learning import features
from rnncore.marketing.learning.encoding import Summary, summarise
from rnncore.marketing.learning.examples import Examples, Learned, tenth
from rnncore.marketing.splits import cut
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.marketing.task_parts import Rival
from rnncore.sequences import Histories

Array = NDArray[Any]
COLUMNS = ("purchases", "spend", "value", "low", "high")
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


@dataclass(eq=False, repr=False)
class CLV(Task):
    """Expected purchases, spend and discounted value of customers; arguments beside those of `Task`:

    of: what is judged, "spend" or "purchases" (days with one; a log without amounts has these only). discount: the rate
    of a year; value is spend discounted from the middle of its week. futures: so many are drawn for a customer by each
    network. interval: its probability; a customer who is more likely than that to bring nothing has the interval from 0
    to 0. `predict` gives purchases, spend, value, low and high (of what is judged), and decile, 1 for the tenth with
    the highest expectation. After `fit`, `deciles_` has what each tenth was expected to bring and brought, and
    `table_.reason` how many of the intervals held what came.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount")
    >>> clv = CLV(horizon=181, units=4, epochs=1, futures=10, backend="numpy", seeds=1).fit(log)
    >>> clv.predict(log).columns
    ['customer', 'purchases', 'spend', 'value', 'low', 'high', 'decile']
    >>> clv.deciles_.columns
    ['decile', 'customers', 'expected', 'came']
    """

    horizon: int = 180
    _: KW_ONLY
    of: str = "spend"
    discount: float = 0.1
    futures: int = 30
    interval: float = 0.8
    epochs: int = 20
    batch_size: int | None = 128
    learning_rate: float = 5e-3
    latest: int = 104

    name = "clv"
    example = "rnncore fit clv shop.csv --customer client_id --time bought_at --value amount --horizon 180 --out value"
    question = "What do customers bring in the {horizon} after {origin}?"
    unit = "expected spend of the next week"
    measure = measures.DEVIANCE
    calibration = weeks.LEVEL
    reference = spend.MEAN
    printed = (DECILES,)
    loss = staticmethod(weeks.likelihood)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.one_of("of", self.of, ("spend", "purchases"))
        checks.number("discount", self.discount)
        checks.size("futures", self.futures)
        checks.number("interval", self.interval, open_left=True, below=1.0)
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """One event per customer and day, whose amount is at least 0."""
        if log.value is None and self.of == "spend":
            raise ContractError("of", '"purchases" for a log without a column value', '"spend"', "or name one: value=")
        if log.value is not None and (log.value < 0).any():
            raise DataError('CLV asks for amounts of at least 0; leave out returns: negative="drop"')
        return log.per_day()

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """All weeks until `end` but the last, with what came in the week after each."""
        past = log.until(end)
        found = weeks.of(past, end)
        code = code or weeks.measure(found)
        read, came, newest, who = weeks.told(found, code, self.latest, self.horizon)
        windows = spend.past(log, end, self.horizon, self._money)
        if not windows.came[windows.latest].any():
            raise DataError(f"nobody bought in the {self.horizon} days until {end}: there is nothing to tell apart")
        watched = tenth(who, self.seed)
        return code, Examples(read, group=who, target=came, newest=newest, watched=watched, facts=windows)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Everybody known at `origin`, and what they bought in the `horizon` days after it."""
        window = cut(log, origin, self.horizon)
        came = np.asarray(window.value if self._money else window.count, np.float64)
        known = ~np.isnan(came)
        if not came[known].any():
            raise DataError(f"nobody bought in the {self.horizon} days after {origin}: there is nothing to judge")
        return self.asked(log, origin, code)._replace(target=np.where(known, came, 0.0), weight=known.astype(float))

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`."""
        past = log.until(at)
        histories, now = weeks.asked(weeks.of(past, at), code, self.latest)
        facts = Facts(summarise(past, at), now, code, log.value is not None)
        return Examples(histories, group=log.population(at), facts=facts)

    def network(self, code: Code) -> Layer:
        """A GRU over the weeks, and the law of the next after each."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Dense(self.units, weeks.OUTPUTS))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """What is expected, its interval, and the tenth the customer belongs to."""
        wanted = dict(zip(COLUMNS, prediction[:, 1:].T, strict=True))
        shown = COLUMNS if asked.facts.money else ("purchases", "low", "high")
        return {**{name: wanted[name] for name in shown}, "decile": _deciles(prediction[:, 0])}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """The same by the simple methods."""
        return spend.simple_methods(told.facts, asked.facts.summary, self.horizon, self._money)

    def explained(self, said: Array, asked: Examples) -> Array:
        """Expected purchases of the next week, times the expected amount of one; BG/NBD's part is of the customer."""
        law = weeks.law(said, asked.facts.code, weeks.prior(asked.facts.standing, asked.facts.code))
        return law.purchases * law.amount if self._money else law.purchases

    def named(self, asked: Examples, code: Code) -> str:
        """What that is."""
        return f"expected {self.of} of the next week"

    @property
    def whole(self) -> tuple[str, str]:
        """What is expected of all weeks ahead, of which the network says the next."""
        return self.of, f"expected {self.of} of the next {counted(self.horizon, 'day')}"

    def inputs(self, code: Code) -> list[str]:
        """The columns of `weeks`."""
        return features.names(code)

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
        by = "value" if self._money else "purchases"
        tenths = pl.DataFrame(self.predict(log)).group_by("decile").agg(
            pl.len().alias("customers"), pl.col(by).mean().alias(f"mean {by}"), pl.col(by).sum().alias("share of all")
        )  # fmt: skip
        shares = pl.col("share of all") / pl.col("share of all").sum()
        return {DECILES: in_columns(tenths.sort("decile").with_columns(shares))}

    @property
    def deciles_(self) -> pl.DataFrame:
        """Of the customers judged, from the tenth with the highest expectation down: means expected, and that came."""
        held = self.held_out_
        expected = held.prediction[NETWORK][:, 0]
        decile = _deciles(expected)
        frame = pl.DataFrame({"decile": decile, "expected": expected, "came": held.target})
        means = pl.len().alias("customers"), pl.col("expected").mean(), pl.col("came").mean()
        return frame.group_by("decile", maintain_order=True).agg(*means).sort("decile")

    @property
    def _money(self) -> bool:
        return self.of == "spend"

    def _says(self, learned: Learned, asked: Examples) -> Array:
        """What is judged, and COLUMNS, (N, 6)."""
        plan = futures.Plan(self.horizon, self.futures, self.discount, self.seed)
        model, facts = self.network(learned.code), asked.facts
        found = futures.sample(model, learned, asked.histories, facts.standing, plan, facts.like)
        low, high = futures.interval(found.drawn[:, :, int(self._money)], self.interval)
        judged = found.spend if self._money else found.purchases
        return np.column_stack([judged, found.purchases, found.spend, found.value, low, high])

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """How many intervals held what came, and what the best customers brought."""
        said, y = held.prediction[NETWORK], np.asarray(held.target)
        inside = (said[:, -2] <= y) & (y <= said[:, -1])
        best = _deciles(said[:, 0]) == 1
        return [
            f"Intervals of {self.interval:.0%} held what came for {inside.mean():.1%} of the customers, and for "
            f"{inside[best].mean():.1%} of the tenth with the highest expectation, who brought "
            f"{y[best].sum() / y.sum():.1%} of all."
        ]


def _deciles(expected: Array) -> Array:
    """1 for the tenth with the highest expectation, to 10, (N,)."""
    rank = np.argsort(np.argsort(-expected, kind="stable"), kind="stable")
    return rank * 10 // len(rank) + 1
