"""The simple methods that a network must beat when it predicts who comes back.

    RecencyRule    logistic regression on the log of the days since the last event
    RFMLogistic    logistic regression on log recency, log frequency, log monetary value and log age
    BGNBD          the buy-till-you-die model of Fader, Hardie and Lee (2005), by maximum likelihood

The first two may read label windows of several lengths, as a network does, and are told the log of each length. The
third needs no label: it is fitted to all purchases up to the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln, hyp2f1
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnncore.errors import DataError
from rnncore.marketing.customers.likelihood import customers, maximise
from rnncore.marketing.learning.encoding import Summary
from rnncore.marketing.learning.features import signed_log

Floats = NDArray[np.float64]


class RecencyRule:
    """Who was here lately comes back: one feature, the log of the days since the last event, made a probability.

    >>> few = Summary(*(np.array(column) for column in ([1.0, 2, 50, 90], [3.0, 2, 2, 1], [9.0, 9, 9, 9], [99.0] * 4)))
    >>> RecencyRule().fit(few, np.full(4, 30.0), np.array([1.0, 1, 0, 0])).predict(few, 30).round(1)
    array([0.8, 0.7, 0.3, 0.2])
    """

    columns: ClassVar[tuple[str, ...]] = ("since",)

    def fit(self, summary: Summary, length: Floats, returned: Floats, further: Floats | None = None) -> Self:
        """Learn from customers at origins in the past: window lengths in days and outcomes 0 or 1, each (N,).

        further: more columns, (N, B). DataError where all outcomes are equal.
        """
        if np.ptp(returned) == 0:
            raise DataError(f"all {len(returned)} outcomes are {returned[0]:.0f}: there is nothing to learn from")
        # in the place of the features, which are this method's own: of long logs they are large
        self.model_ = make_pipeline(StandardScaler(copy=False), LogisticRegression(max_iter=1000))
        self.model_.fit(self._features(summary, length, further), returned)
        return self

    def predict(self, summary: Summary, length: float, further: Floats | None = None) -> Floats:
        """P(an event within `length` days of the origin), (N,)."""
        lengths = np.full(len(summary.since), float(length))
        return np.asarray(self.model_.predict_proba(self._features(summary, lengths, further))[:, 1], np.float64)

    def _features(self, summary: Summary, length: Floats, further: Floats | None) -> Floats:
        n = len(self.columns)
        features = np.empty((len(length), n + 1 + (0 if further is None else further.shape[1])))
        for k, name in enumerate(self.columns):
            features[:, k] = np.log(summary.events) if name == "events" else signed_log(getattr(summary, name))
        features[:, n] = np.log(length)
        if further is not None:
            features[:, n + 1 :] = further
        return features


class RFMLogistic(RecencyRule):
    """Logistic regression on the logs of recency, frequency, monetary value and age."""

    columns: ClassVar[tuple[str, ...]] = ("since", "events", "value", "age")


class BGNBDParameters(NamedTuple):
    """Purchase rates are Gamma(r, rate alpha) over customers, chances to leave after a purchase are Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float


class BGNBD:
    """The beta-geometric/NBD model (Fader, Hardie and Lee 2005, Marketing Science 24(2), 275-284).

    While alive a customer buys at random with a rate of their own, and leaves after any purchase with a probability of
    their own. It needs of each customer: `frequency` x, the repeat purchases; `recency` t_x, the time from the first to
    the last purchase; `age` T, the time from the first purchase to the origin. Any unit of time, the same throughout.

    >>> model = BGNBD().fit(frequency=[0, 0, 3, 1], recency=[0, 0, 30, 5], age=[39, 30, 35, 38])
    >>> bool(model.probability_alive([0], [0], [39])[0] == 1.0)  # only a repeat purchase can be the last one
    True
    """

    parameters_: BGNBDParameters
    log_likelihood_: float

    def fit(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Self:
        """Maximise the mean log-likelihood over the logs of r, alpha, a, b, from r = a = b = 1 and alpha = mean age.

        Each in [1e-6, 1e6] (times the mean age for alpha): without a single repeat purchase there is no maximum inside.
        """
        x, t_x, T = customers(frequency, recency, age)
        unit = float(T.mean()) or 1.0  # a search in natural units is the same search for days and for weeks
        r, alpha, a, b = maximise(_log_likelihood(x, t_x / unit, T / unit), 4, bound=1e6)
        self.parameters_ = BGNBDParameters(r, alpha * unit, a, b)
        self.log_likelihood_ = float(_log_likelihood(x, t_x, T)(np.array(self.parameters_)).sum())
        return self

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
        """P(not yet left at T), (N,): 1 for everyone without a repeat purchase, so no measure of churn by itself."""
        x, t_x, T = customers(frequency, recency, age)
        r, alpha, a, b = self.parameters_
        log_odds = np.log(a) - np.log(b + np.maximum(x, 1) - 1) + (r + x) * np.log((alpha + T) / (alpha + t_x))
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(log_odds, 700))), 1.0)

    def rate(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
        """Expected purchases per unit of time at T, (N,): P(alive) (r + x) / (alpha + T)."""
        x, _, T = customers(frequency, recency, age)
        r, alpha, _, _ = self.parameters_
        return np.asarray(self.probability_alive(frequency, recency, age) * (r + x) / (alpha + T), np.float64)

    def probability_of_return(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float) -> Floats:
        """P(at least one purchase in (T, T + horizon]), (N,).

        It is P(alive) times 1 - ((alpha + T) / (alpha + T + horizon))^(r + x): at T the rate of a living customer is
        Gamma(r + x, alpha + T).
        """
        x, _, T = customers(frequency, recency, age)
        r, alpha, _, _ = self.parameters_
        none = np.exp(-(r + x) * np.log1p(horizon / (alpha + T)))
        return np.asarray(self.probability_alive(frequency, recency, age) * (1 - none), np.float64)

    def expected_purchases(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float) -> Floats:
        """Expected number of purchases in (T, T + horizon], (N,): equation (10) of the paper."""
        x, _, T = customers(frequency, recency, age)
        r, alpha, a, b = self.parameters_
        z = horizon / (alpha + T + horizon)
        shrink = np.exp((r + x) * np.log1p(-z)) * hyp2f1(r + x, b + x, a + b + x - 1, z)
        alive = self.probability_alive(frequency, recency, age)
        return np.asarray((a + b + x - 1) / (a - 1) * (1 - shrink) * alive, np.float64)


def simple_methods(
    summary: Summary,
    further: Floats,
    length: Floats,
    returned: Floats,
    latest: NDArray[np.bool_],
    now: Summary,
    beside: Floats,
    horizon: int,
    unfit: Sequence[str] = (),
) -> dict[str, Callable[[], Floats]]:
    """Functions that give P(return within `horizon` days), (M,), by each method but those `unfit`, for M customers who
    stand at `now`.

    summary, length, returned: N customers at origins in the past, see `RecencyRule.fit`. `rfm-windows` learns from all
    of them, as the network does; `recency` and `rfm`, as is usual, from the `latest` (N,) only, the newest windows as
    long as the horizon; `bg/nbd` from the events up to now, and it needs no calibration: time is in the model. further
    (N, B), beside (M, B): other columns; where there are any, both forms of `rfm` are there with them too.
    """
    alone = Summary(*(column[latest] for column in summary))
    repeats, last = now.events - 1, now.age - now.since
    one, all_ = (alone, length[latest], returned[latest]), (summary, length, returned)
    methods: dict[str, Callable[[], Floats]] = {
        "recency": lambda: RecencyRule().fit(*one).predict(now, horizon),
        "rfm": lambda: RFMLogistic().fit(*one).predict(now, horizon),
        "rfm-windows": lambda: RFMLogistic().fit(*all_).predict(now, horizon),
        "bg/nbd": lambda: BGNBD().fit(repeats, last, now.age).probability_of_return(repeats, last, now.age, horizon),
    }
    if further.shape[1]:
        methods |= {
            "rfm, columns": lambda: RFMLogistic().fit(*one, further[latest]).predict(now, horizon, beside),
            "rfm-windows, columns": lambda: RFMLogistic().fit(*all_, further).predict(now, horizon, beside),
        }
    return {name: said for name, said in methods.items() if name not in unfit}


def _log_likelihood(x: Floats, t_x: Floats, T: Floats) -> Callable[[Floats], Floats]:
    """Log-likelihood of each customer, (N,), from (r, alpha, a, b): equation (6), its two terms added on the log scale.

    Special functions are computed once for each number that occurs: for 50,000 customers in a quarter of the time.
    """
    (ux, of_x), (ut, of_t), (uT, of_T) = (np.unique(column, return_inverse=True) for column in (x, t_x, T))

    def likelihood(parameters: Floats) -> Floats:
        r, alpha, a, b = parameters
        rate = (gammaln(r + ux) - gammaln(r) + r * np.log(alpha))[of_x]
        stays, left = betaln(a, b + ux) - betaln(a, b), betaln(a + 1, b + np.maximum(ux, 1) - 1) - betaln(a, b)
        alive = stays[of_x] - (r + x) * np.log(alpha + uT)[of_T]
        gone = left[of_x] - (r + x) * np.log(alpha + ut)[of_t]
        return np.asarray(rate + np.logaddexp(alive, np.where(x > 0, gone, -np.inf)), np.float64)

    return likelihood
