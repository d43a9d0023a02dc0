"""ContractChurn: whose contract ends within the horizon, where the log says when a contract was cancelled.

As hazard.py, with three differences: the event that is waited for is the cancellation; who has cancelled is asked about
no more; and the further columns of events are read, plan, channel and the like, of a day those of its last event. Of
the simple methods BG/NBD does not fit: it knows no end that is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.customers import cancellations
from rnncore.marketing.customers.hazards import no_event
from rnncore.marketing.events import EventLog
from rnncore.marketing.hazard import ChurnHazard
from rnncore.marketing.learning import cases
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.windows import ENDED

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class ContractChurn(ChurnHazard):
    """Probability that a contract is cancelled in any time to come.

    cancel: the word in the column `event` that says so. The other arguments are those of `Task`. A contract ends with
    the first cancellation; later events of the customer are not asked about. `predict` gives churn_probability and
    stay_probability at the horizon; `survival`, `quiet` and `expected` are about the time until the cancellation.

    >>> import datetime
    >>> import polars as pl
    >>> rng, first = np.random.default_rng(0), datetime.date(2024, 1, 1)
    >>> rows = []
    >>> for n in range(60):
    ...     end = int(rng.exponential(120)) + 1
    ...     days = [*range(n % 20, min(end, 200), 10)]
    ...     rows += [(n, first + datetime.timedelta(days=d), "paid") for d in days]
    ...     rows += [(n, first + datetime.timedelta(days=end), "cancelled")] if n % 20 < end < 200 else []
    >>> frame = pl.DataFrame(rows, schema=["who", "when", "what"], orient="row")
    >>> log = EventLog(frame, customer="who", time="when", event="what")
    >>> task = ContractChurn(horizon=40, cancel="cancelled", units=4, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['who', 'churn_probability', 'stay_probability']
    """

    _: KW_ONLY
    cancel: str = "cancel"

    name = "contract-churn"
    example = (
        "rnncore fit contract-churn contracts.csv --customer id --time day --event what --set cancel=cancelled "
        "--horizon 90"
    )
    question = "Contract kept for {horizon} after {origin}?"
    came = "kept it"
    stays = "keeps the contract"
    unit = "probability of staying"
    survived = "P(contract kept) for so many days from now"
    printed = (survived,)
    needs = ("event",)
    uses = (*cases.ROLES, "extras")
    unfit = ("bg/nbd",)

    def check(self) -> Self:
        """As in `Task`, and the word is text."""
        cancellations.require_word(self.cancel)
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """One event per customer and day, and the day on which each contract ended."""
        kept = [*cases.ROLES, *log.reading.get("extras", [])]
        return cancellations.marked(log, self.cancel).per_day(kept)

    def origin(self, log: EventLog) -> np.datetime64:
        """As in `Task`; DataError where no contract was cancelled at all."""
        ended = log.static.numbers[ENDED]
        if np.isnan(ended).all():
            there = log.category("event").listed()
            raise DataError(
                f"no event of the log is {self.cancel!r} (there are {there}): say with cancel= how a cancellation is "
                "called"
            )
        if not (ended > log.day[log.offsets[:-1]].astype(np.int64)).any():
            raise DataError(
                f"every {self.cancel!r} is on the first day of its customer: a contract that ends has begun before, so "
                "bring a row for that, as for each payment, with its own day"
            )
        return super().origin(log)

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """P(no cancellation within the horizon), (N,)."""
        return no_event(outputs, self.horizon, self.horizon)

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """Both probabilities."""
        return {"churn_probability": 1 - prediction, "stay_probability": prediction}
