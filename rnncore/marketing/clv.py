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

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError, DataError
from rnncore.marketing.customers import futures, spend, weeks
from rnncore.marketing.customers.clv_answers import CLVAnswers, Facts, deciles
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.learning.encoding import summarise
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.splits import cut
from rnncore.marketing.task import Code, Told
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]
COLUMNS = ("purchases", "spend", "value", "low", "high")


@dataclass(eq=False, repr=False)
class CLV(CLVAnswers):
    """Expected purchases, spend and discounted value of customers; arguments beside those of `Task`:

    of: what is judged, "spend" or "purchases" (days with one); None: spend, of a log without amounts purchases.
    discount: the rate of a year; value is spend discounted from the middle of its week. futures: so many are drawn for
    a customer by each network. interval: its probability; a customer who is more likely than that to bring nothing has
    the interval from 0 to 0. `predict` gives purchases, spend, value, low and high (of what is judged), and decile, 1
    for the tenth with the highest expectation. After `fit`, `deciles_` has what each tenth was expected to bring and
    brought, and `table_.reason` how many of the intervals held what came.

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
    of: str | None = None
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
    measure = measures.DEVIANCE
    calibration = weeks.LEVEL
    reference = spend.MEAN
    loss = staticmethod(weeks.likelihood)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        if self.of is not None:
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
        windows = spend.past(log, end, self.horizon, self._money(log.value is not None))
        if not windows.came[windows.latest].any():
            raise DataError(
                f"{self._none(past)} in the {self.horizon} days until {end}: there is nothing to tell apart"
            )
        watched = tenth(who, self.seed)
        return code, Examples(read, group=who, target=came, newest=newest, watched=watched, facts=windows)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Everybody known at `origin`, and what they bought in the `horizon` days after it."""
        window = cut(log, origin, self.horizon)
        came = np.asarray(window.value if self._money(log.value is not None) else window.count, np.float64)
        known = ~np.isnan(came)
        if not came[known].any():
            raise DataError(f"{self._none(log)} in the {self.horizon} days after {origin}: there is nothing to judge")
        return self.asked(log, origin, code)._replace(target=np.where(known, came, 0.0), weight=known.astype(float))

    def _none(self, log: EventLog) -> str:
        """What is said where nothing came."""
        if log.value is not None and self._money(True) and len(log) and not log.value.any():
            return 'all amounts are 0 (of="purchases" asks for their number)'
        return "nobody bought"

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

    def _says(self, learned: Learned, asked: Examples) -> Array:
        """What is judged, and COLUMNS, (N, 6)."""
        plan = futures.Plan(self.horizon, self.futures, self.discount, self.seed)
        model, facts = self.network(learned.code), asked.facts
        money = self._money(facts.money)
        found = futures.sample(model, learned, asked.histories, facts.standing, plan, facts.like)
        low, high = futures.interval(found.drawn[:, :, int(money)], self.interval)
        judged = found.spend if money else found.purchases
        return np.column_stack([judged, found.purchases, found.spend, found.value, low, high])

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """What is expected, its interval, and the tenth the customer belongs to."""
        wanted = dict(zip(COLUMNS, prediction[:, 1:].T, strict=True))
        shown = COLUMNS if asked.facts.money else ("purchases", "low", "high")
        return {**{name: wanted[name] for name in shown}, "decile": deciles(prediction[:, 0])}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """The same by the simple methods."""
        return spend.simple_methods(told.facts, asked.facts.summary, self.horizon, self._money(asked.facts.money))
