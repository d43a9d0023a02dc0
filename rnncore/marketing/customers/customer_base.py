"""What customers without a contract will buy, and for how much, by two models of probability: no network, no features.

    ParetoNBD     how many purchases come: Schmittlein, Morrison and Colombo (1987), Management Science 33(1), 1-24
    GammaGamma    what a purchase is worth: Fader and Hardie (2013), "The Gamma-Gamma model of monetary value"

BG/NBD, which needs less arithmetic for much the same answer, is in `rnncore.marketing.baselines`.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, hyp2f1

from rnncore.errors import ContractError, DataError
from rnncore.marketing.customers.likelihood import customers, maximise

Floats = NDArray[np.float64]


class ParetoNBDParameters(NamedTuple):
    """Purchase rates are Gamma(r, rate alpha) over customers, rates of leaving are Gamma(s, rate beta)."""

    r: float
    alpha: float
    s: float
    beta: float


class ParetoNBD:
    """The Pareto/NBD model: a customer buys at a rate of their own and leaves, unseen, at another.

    `frequency` x, `recency` t_x and `age` T as in `rnncore.marketing.baselines.BGNBD`, in any unit of time. Formulas as
    in Fader and Hardie (2005), "A note on deriving the Pareto/NBD model and related expressions". NaN comes out where a
    likelihood cannot be computed.

    >>> model = ParetoNBD().fit(frequency=[0, 0, 3, 1, 7], recency=[0, 0, 30, 5, 34], age=[39, 30, 35, 38, 36])
    >>> alive = model.probability_alive([0, 3], [0, 30], [39, 35])
    >>> bool(alive[0] < alive[1] < 1)
    True
    """

    parameters_: ParetoNBDParameters
    log_likelihood_: float

    def fit(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Self:
        """Maximise the mean log-likelihood over the logs of r, alpha, s, beta, from r = s = 1, alpha = beta = mean age.

        Each in [1e-4, 1e4] (times the mean age for alpha and beta).
        """
        x, t_x, T = customers(frequency, recency, age)
        unit = float(T.mean()) or 1.0
        r, alpha, s, beta = maximise(lambda p: _pareto_nbd(p, x, t_x / unit, T / unit)[0], 4, bound=1e4)
        self.parameters_ = ParetoNBDParameters(r, alpha * unit, s, beta * unit)
        self.log_likelihood_ = float(_pareto_nbd(np.array(self.parameters_), x, t_x, T)[0].sum())
        return self

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
        """P(not yet left at T), (N,)."""
        total, alive = _pareto_nbd(np.array(self.parameters_), *customers(frequency, recency, age))
        return np.asarray(np.exp(alive - total), np.float64)

    def expected_purchases(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float) -> Floats:
        """Expected number of purchases in (T, T + horizon], (N,).

        It is P(alive) times the mean rate at T, (r + x) / (alpha + T), times the mean of the time that is left to a
        living customer within the horizon; the rate at which it ends is Gamma(s, beta + T).
        """
        x, _, T = customers(frequency, recency, age)
        r, alpha, s, beta = self.parameters_
        log_shrink = np.log1p(horizon / (beta + T))
        # (1 - e^(-(s-1) u)) / (s - 1), which is u where s = 1
        left = log_shrink if abs(s - 1) < 1e-9 else -np.expm1(-(s - 1) * log_shrink) / (s - 1)
        alive = self.probability_alive(frequency, recency, age)
        return np.asarray(alive * (r + x) / (alpha + T) * (beta + T) * left, np.float64)

    def probability_of_return(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float) -> Floats:
        """P(at least one purchase in (T, T + horizon]), (N,).

        A living customer buys nothing either by staying for the whole horizon without a purchase or by leaving before
        the first one: the likelihood of a customer with x = 0 and T = horizon, whose gammas are those at T.
        """
        x, _, T = customers(frequency, recency, age)
        r, alpha, s, beta = self.parameters_
        zero = np.zeros_like(T)
        nothing = _none_bought(r + x, alpha + T, s, beta + T, zero, zero + horizon)
        return np.asarray(self.probability_alive(frequency, recency, age) * -np.expm1(nothing), np.float64)


class GammaGammaParameters(NamedTuple):
    """A purchase is Gamma(p, rate nu), and nu is Gamma(q, rate gamma) over customers."""

    p: float
    q: float
    gamma: float


class GammaGamma:
    """The gamma-gamma model of spend: the mean of few purchases is drawn to the mean of all customers.

    It takes spend to be independent of the number of purchases: look at their correlation before you use it.

    >>> model = GammaGamma().fit([2, 5, 1, 9], [30.0, 28.0, 55.0, 33.0])
    >>> few, many = model.expected_value([1, 50], [60.0, 60.0])
    >>> bool(few < many < 60)
    True
    """

    parameters_: GammaGammaParameters
    log_likelihood_: float

    def fit(self, frequency: ArrayLike, value: ArrayLike) -> Self:
        """Learn from customers with x purchases (N,), all above 0, and the mean value of a purchase (N,), above 0.

        ContractError for columns that are none of that, DataError where fewer than two customers remain.
        """
        x, z = _spend(frequency, value)
        unit = float(z.mean())
        p, q, gamma = maximise(lambda theta: _gamma_gamma(theta, x, z / unit), 3, bound=1e4)
        self.parameters_ = GammaGammaParameters(p, q, gamma * unit)
        self.log_likelihood_ = float(_gamma_gamma(np.array(self.parameters_), x, z).sum())
        return self

    def expected_value(self, frequency: ArrayLike, value: ArrayLike) -> Floats:
        """The expected value of one further purchase, (N,); of a customer with x = 0 that of all: p gamma / (q - 1).

        NaN where q <= 1 and x = 0: such a heavy tail has no mean.
        """
        x, z = np.asarray(frequency, np.float64), np.asarray(value, np.float64)
        p, q, gamma = self.parameters_
        below = p * x + q - 1
        with np.errstate(divide="ignore"):
            return np.where(below > 0, p * (gamma + x * np.where(x > 0, z, 0.0)) / below, np.nan)


def _pareto_nbd(parameters: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood of each customer, and its part of those who are alive at T, (N,) each."""
    r, alpha, s, beta = parameters
    rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    alive = rate - (r + x) * np.log(alpha + T) - s * np.log(beta + T)
    left = rate + np.log(s) + _log_integral(r + x, alpha, s, beta, t_x, T)
    with np.errstate(invalid="ignore"):  # NaN where 2F1 is beyond SciPy: r in the hundreds, and alpha far from beta
        return np.logaddexp(alive, left), alive


def _none_bought(r: Floats, alpha: Floats, s: float, beta: Floats, start: Floats, end: Floats) -> Floats:
    """Log of P(no purchase until `end`) for rates Gamma(r, alpha) of buying and Gamma(s, beta) of leaving, (N,)."""
    stays = r * (np.log(alpha) - np.log(alpha + end)) + s * (np.log(beta) - np.log(beta + end))
    gone = r * np.log(alpha) + s * np.log(beta) + np.log(s) + _log_integral(r, alpha, s, beta, start, end)
    return np.asarray(np.logaddexp(stays, gone), np.float64)


def _log_integral(
    r: Floats, alpha: Floats | float, s: float, beta: Floats | float, start: Floats, end: Floats
) -> Floats:
    """Log of the integral of (alpha + u)^-r (beta + u)^-(s+1) from `start` to `end`, (N,); -inf where they are equal.

    With m the larger of alpha and beta, d their distance and z = d / (m + u), an antiderivative is -(m + u)^-(r+s) /
    (r + s) times 2F1(r + s, k; r + s + 1; z), k = s + 1 where alpha is larger, else r (Fader and Hardie 2005). Euler's
    transformation makes that (1 - z)^(1-k) 2F1(1, r + s + 1 - k; r + s + 1; z), which does not overflow.
    """
    larger, distance = np.maximum(alpha, beta), np.abs(np.subtract(alpha, beta))
    k = np.where(np.greater_equal(alpha, beta), s + 1, r)
    total = r + s

    def log_antiderivative(u: Floats) -> Floats:
        z = distance / (larger + u)
        value = np.log(hyp2f1(1, total + 1 - k, total + 1, z))
        return np.asarray((1 - k) * np.log1p(-z) + value - total * np.log(larger + u), np.float64)

    near, far = log_antiderivative(start), log_antiderivative(end)
    with np.errstate(divide="ignore"):
        return np.asarray(near + np.log(-np.expm1(np.minimum(far - near, 0.0))) - np.log(total), np.float64)


def _spend(frequency: ArrayLike, value: ArrayLike) -> tuple[Floats, Floats]:
    """Purchases and mean values as float64 (N,)."""
    x, z = np.asarray(frequency, np.float64), np.asarray(value, np.float64)
    if x.ndim != 1 or x.shape != z.shape:
        raise ContractError("frequency, value", "two columns of one length", f"{x.shape}, {z.shape}", "a row each")
    if not ((x > 0) & (z > 0) & np.isfinite(x) & np.isfinite(z)).all():
        advice = "leave out customers without a purchase or without a value"
        raise ContractError("frequency, value", "numbers above 0", "another number in a row", advice)
    if len(x) < 2:
        raise DataError(f"the spend of {len(x)} customer tells nothing about how customers differ")
    return x, z


def _gamma_gamma(parameters: Floats, x: Floats, z: Floats) -> Floats:
    """Log-likelihood of each customer's mean value, (N,): equation (1a) of Fader and Hardie (2013)."""
    p, q, gamma = parameters
    shape = p * x
    constant = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(gamma)
    return np.asarray(
        constant + (shape - 1) * np.log(z) + shape * np.log(x) - (shape + q) * np.log(gamma + x * z), np.float64
    )
