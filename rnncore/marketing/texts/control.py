"""Control charts: from a series of batches to alarms, at a stated rate of false ones.

The level before a change is not known, and is learned as the series goes on (self-starting; Hawkins 1987). With the
mean m and the deviation s of the n - 1 batches before, batch n of a series that does not change has

    t_n = (x_n - m) / s * sqrt((n - 1) / n)     Student's t with n - 2 degrees of freedom     (1)
    u_n = Phi^-1(F_t(t_n))                      independent and standard normal               (2)

whatever mean and deviation are, if batches are independent and normal. Three charts:

    cusum               up_n = max(0, up_{n-1} + u_n - k), alarm where it passes h; the same for -u (Page 1954)     (3)
    fixed threshold     alarm where |u_n| passes z (Shewhart 1931)                                                  (4)
    page-hinkley        alarm where the sum of (x_i - m_i) / s_i - k, minus its lowest value so far, passes h; m_i
                        and s_i are of the batches seen, batch i among them (Page 1954; Mouss et al. 2004)          (5)

h is the one at which (3) has one false alarm in so many batches, by the Markov chain of Brook and Evans (1972); z is
exact; (5) takes the h of (3), for which there is no such guarantee.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, t

from rnncore import checks

Floats = NDArray[np.float64]
K = 0.5  # half the size of the change, in deviations, that is found soonest
STATES = 200  # of the Markov chain


class Found(NamedTuple):
    """A change that a chart has seen."""

    alarm: int
    """The batch that raised it."""
    since: int
    """The first batch after the change, by the chart: where its sum last left 0."""
    rising: bool


def run_length(h: float, k: float = K) -> float:
    """Batches until the one-sided sum (3) passes h while nothing changes, on average (Brook and Evans 1972).

    >>> round(run_length(5.0))
    931
    """
    width = 2 * h / (2 * STATES - 1)  # state 0 is half as wide: the sum is cut at 0
    middles = width * np.arange(STATES)
    upper = norm.cdf(middles[None] + width / 2 + k - middles[:, None])
    steps = np.diff(upper, axis=1, prepend=0.0)
    return float(np.linalg.solve(np.eye(STATES) - steps, np.ones(STATES))[0])


def limit(one_in: float) -> float:
    """The h at which the sums of both sides together have one false alarm in so many batches."""
    return float(brentq(lambda h: np.log(run_length(h) / (2 * one_in)), 0.01, 20.0))


def standard(x: Floats) -> Floats:
    """u of (2), (B,), of a series x (B,); 0 for the first two batches, and while nothing has varied."""
    u = np.zeros(len(x))
    if len(x) < 3:
        return u
    n = np.arange(1, len(x) + 1)
    from_first = x - x[0]  # so that squares do not cancel
    mean = np.cumsum(from_first) / n
    square = np.maximum(np.cumsum(from_first**2) - n * mean**2, 0.0)
    n, m, s = n[2:], mean[1:-1], np.sqrt(square[1:-1] / n[:-2])
    varied = s > 1e-12 * np.abs(x).max()
    score = (from_first[2:] - m) / np.where(varied, s, 1.0) * np.sqrt((n - 1) / n)  # (1)
    u[2:] = np.where(varied, -np.sign(score) * norm.ppf(t.sf(np.abs(score), n - 2)), 0.0)  # (2)
    return u


def cusum(x: Floats, h: float) -> Found | None:
    """The first alarm of (3), or None."""
    u = standard(x)
    up, down, rose, fell = 0.0, 0.0, 0, 0
    for n, step in enumerate(u):
        up, down = max(0.0, up + step - K), max(0.0, down - step - K)
        rose, fell = (n + 1 if up == 0 else rose), (n + 1 if down == 0 else fell)
        if max(up, down) > h:
            return Found(n, rose if up > down else fell, up > down)
    return None


def fixed(x: Floats, one_in: float) -> Found | None:
    """The first alarm of (4), or None."""
    u = standard(x)
    beyond = np.flatnonzero(np.abs(u) > norm.isf(0.5 / one_in))
    return Found(int(beyond[0]), int(beyond[0]), bool(u[beyond[0]] > 0)) if len(beyond) else None


def page_hinkley(x: Floats, h: float) -> Found | None:
    """The first alarm of (5), or None."""
    sums, lowest = {True: 0.0, False: 0.0}, {True: (0.0, 2), False: (0.0, 2)}
    mean, square = 0.0, 0.0
    for n, value in enumerate(x):
        apart = value - mean
        mean += apart / (n + 1)
        square += apart * (value - mean)
        if n < 2 or square == 0:
            continue
        step = (value - mean) / np.sqrt(square / n)
        for rising in sums:
            sums[rising] += (step if rising else -step) - K
            lowest[rising] = min(lowest[rising], (sums[rising], n + 1))
            if sums[rising] - lowest[rising][0] > h:
                return Found(n, lowest[rising][1], rising)
    return None


def charts(one_in: float) -> dict[str, Any]:
    """The charts by name, each a function of a series, at one false alarm in so many batches."""
    checks.number("one_in", one_in, 10.0)
    h = limit(one_in)
    return {
        "cusum": lambda x: cusum(x, h),
        "fixed threshold": lambda x: fixed(x, one_in),
        "page-hinkley": lambda x: page_hinkley(x, h),
    }
