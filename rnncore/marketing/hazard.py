"""ChurnHazard: when the next event comes, from one model for every horizon.

    history       encoding.py, as in churn.py; origins that the end of the log cuts short are used too, censored
    head, loss    GRU, its last output, the logits of the hazards of K intervals; likelihood with censoring
    decoding      hazards, calibrated on the latest windows, to the survival curve P(no event within t days)
    must beat     as in churn.py, at the horizon

Within an interval the hazard is spread evenly; beyond the horizon it stays at that of the last interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore.contract import Layer
from rnncore.losses import discrete_hazard
from rnncore.marketing.churn import Churn
from rnncore.marketing.customers.hazards import HazardAnswers, came_in, no_event
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.calibration import HAZARDS
from rnncore.marketing.learning.encoding import encode, ladder
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.learning.scaling import apply_scale, fit_scale
from rnncore.marketing.learning.windows import asked_at
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, Told

Array = NDArray[Any]
MOST = 12  # intervals


class ChurnHazard(HazardAnswers, Churn):
    """Probability that a customer has no event in any time to come, from hazards; arguments are those of `Task`.

    `predict` gives churn_probability and return_probability at the horizon, `survival` the curve, `quiet` the
    probability of no event between any two days to come, given none before them, `expected` the mean time without one:
    from any day, and all of it from one model. On the command line `rnncore predict MODEL FILE --at DAY --start 30
    --horizon 45` gives `quiet`: the probability of no event in 45 days, of whoever has had none in the 30 days after
    that day.

    >>> from rnncore.datasets import cdnow
    >>> log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount", items="items")
    >>> churn = ChurnHazard(horizon=181, units=8, epochs=1, backend="numpy", seeds=1).fit(log)
    >>> curve = churn.survival(log, [30, 90, 181, 365])
    >>> curve.columns
    ['customer', 'survival_30', 'survival_90', 'survival_181', 'survival_365']
    >>> bool((curve["survival_30"] >= curve["survival_365"]).all())
    True
    """

    name = "churn-hazard"
    example = "rnncore fit churn-hazard shop.csv --customer client_id --time bought_at --value amount --horizon 90"
    calibration = HAZARDS
    loss = staticmethod(discrete_hazard)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """All customers at the origins of the ladder, and the interval in which they were back, or the last seen."""
        code, window = super().told(log, end, code)  # what the simple methods learn from, and its errors
        origins = sorted({origin for origin, _ in ladder(end, self.horizon)})
        asked = [(asked_at(log, origin), origin, self.horizon) for origin in origins]
        steps = encode(log, asked, self.horizon, self.latest, code["masks"], code["beside"])
        target = np.concatenate(
            [came_in(log, origin, end, self.horizon, self.intervals)[who.who] for who, origin, _ in asked]
        )
        ended = np.concatenate([np.full(len(who.who), at + span(self.horizon) >= end) for who, at, _ in asked])
        person = np.searchsorted(log.population(end), np.concatenate([who.who for who, _, _ in asked]))
        scale = fit_scale(steps)
        told = Examples(
            apply_scale(steps, scale),
            group=person,
            target=np.maximum(target, 0),
            weight=(target[:, 0] >= 0).astype(np.float64),
            newest=ended & (target[:, 0] >= 0),
            watched=tenth(person, self.seed),
            facts=window.facts,
        )
        return {**code, "mean": scale.mean.tolist(), "deviation": scale.deviation.tolist()}, told

    def network(self, code: Code) -> Layer:
        """A GRU over the steps of a history, its last output, a logit for each interval."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Last(), rc.Dense(self.units, self.intervals))

    @property
    def intervals(self) -> int:
        """Into how many intervals the horizon is cut."""
        return min(MOST, self.horizon)

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """P(an event within the horizon), (N,)."""
        return np.asarray(1 - no_event(outputs, self.horizon, self.horizon))
