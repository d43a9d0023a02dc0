"""Sampled futures: week after week from the state that a network carries, each drawn week read as if it had come.

Expected numbers are means over futures of what the network expects of each next week, given the weeks drawn before:
the mean of the drawn weeks themselves scatters more (Rao and Blackwell). Intervals are quantiles of the drawn ones.

Draws are a function of the seed, of the customer's own steps, of future, week and purpose: splitmix64 (Steele, Lea and
Flood 2014) of a counter. So a customer's futures do not depend on who else is asked about.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

import rnncore as rc
from rnncore.contract import Layer
from rnncore.marketing.customers import weeks
from rnncore.marketing.customers.weeks import Standing
from rnncore.marketing.learning import features
from rnncore.marketing.learning.networks import Learned
from rnncore.sequences import Histories
from rnncore.typing import Params, State

Array = NDArray[Any]
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
ROWS = 32_768  # futures that are moved on together
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
PURPOSES = 4  # numbers for a week: how many, worth anything, how much, how many of them before the window ends
YEAR = 365.25


class Plan(NamedTuple):
    """What is drawn: the `days` ahead, so many futures of each network."""

    days: int
    futures: int
    discount: float
    """A year's; spend is discounted from the middle of its week."""
    seed: int


class Futures(NamedTuple):
    """Of each of n customers."""

    purchases: Floats
    """Expected, (n,)."""
    spend: Floats
    """Expected, (n,)."""
    value: Floats
    """Expected, discounted, (n,)."""
    drawn: Floats
    """Purchases and spend of each future, (n, futures, 2)."""


def sample(
    model: Layer, learned: Learned, histories: Histories, now: Standing, plan: Plan, like: Histories | None = None
) -> Futures:
    """The futures of customers with these histories, who stand `now` so; the networks' futures are put together.

    like: histories by whose draws they are drawn, those of the same customers with other events; their own if None.
    """
    order = np.argsort(-histories.lengths, kind="stable")
    keys = _keys(histories if like is None else like)
    parts = [
        _of(model, learned, histories, now, keys, rows, plan)
        for rows in np.array_split(order, max(1, -(-len(order) * plan.futures // ROWS)))
    ]
    back = np.argsort(order, kind="stable")
    purchases, spend, value, drawn = (np.concatenate(column)[back] for column in zip(*parts, strict=True))
    return Futures(purchases, spend, value, drawn)


def _keys(histories: Histories) -> Keys:
    """A number for each history, (N,)."""
    ends = zip(histories.offsets[:-1], histories.offsets[1:], strict=True)
    return np.array([zlib.crc32(histories.values[begin:end].tobytes()) for begin, end in ends], np.uint64)


def _of(
    model: Layer, learned: Learned, histories: Histories, now: Standing, keys: Keys, rows: Array, plan: Plan
) -> Futures:
    x, lengths, keys = histories.padded(rows), histories.lengths[rows], keys[rows]
    standing = Standing(*(column[rows] for column in now))
    rolled = []
    for k, own in enumerate(learned.params):
        y, state = rc.predict(model, own, x, lengths=lengths)
        last = y[lengths - 1, np.arange(len(rows))]
        keyed = _mixed(keys ^ np.uint64((plan.seed * 1_000_003 + k) % 2**32 << 32))
        rolled.append(_roll(model, own, learned, last, state, standing, keyed, plan))
    purchases, spend, value = (np.mean([future[name] for future in rolled], axis=0) for name in range(3))
    return Futures(purchases, spend, value, np.concatenate([future.drawn for future in rolled], axis=1))


def _roll(
    model: Layer, params: Params, learned: Learned, y: Array, state: State, now: Standing, keys: Keys, plan: Plan
) -> Futures:
    """Futures of one network, from its latest outputs (n, 11) and state."""
    n, S = len(y), plan.futures
    rows = np.repeat(np.arange(n), S)
    y, state, now = y[rows], tuple(s[rows] for s in state), Standing(*(column[rows] for column in now))
    keys = _mixed(keys[rows] + np.tile(np.arange(S, dtype=np.uint64), n) * GOLDEN)
    expected, drawn = np.zeros((3, n * S)), np.zeros((2, n * S))
    for week in range(-(-plan.days // 7)):
        share = min(1.0, plan.days / 7 - week)  # of the week that lies within the days
        law = weeks.law(weeks.LEVEL.apply(y, learned.calibration), learned.code, weeks.prior(now, learned.code))
        spend = law.purchases * law.amount
        factor = (1 + plan.discount) ** (-7 * (week + 0.5) / YEAR)
        expected += share * np.stack([law.purchases, spend, factor * spend])
        u = _uniform(keys, week)
        count = np.minimum((law.chance.cumsum(axis=1) < u[0, :, None]).sum(axis=1), weeks.MOST - 1).astype(np.float64)
        amount = (u[1] < law.paid) * np.exp(law.mean + law.deviation * ndtri(u[2]))
        inside = count if share == 1 else np.floor(count * share + u[3])
        drawn += np.stack([inside, inside * amount])
        now = now.after(count, amount)
        x = features.encode(weeks.columns(count, count * amount, now), learned.code)
        y, state = rc.predict(model, params, x[None], state)
        y = y[0]
    purchases, money, value = expected.reshape(3, n, S).mean(axis=2)
    return Futures(purchases, money, value, np.moveaxis(drawn.reshape(2, n, S), 0, 2))


def interval(drawn: Floats, probability: float) -> tuple[Floats, Floats]:
    """Low and high (n,) of futures (n, S), between which so many of them lie.

    A tail of (1 - probability) / 2 is left out below, or what is there of it: nothing where more futures than that are
    0; the rest is left out above. Of futures that are equal half count as below their number (quantiles of the
    mid-distribution: Ma, Genton and Parzen 2011), so that of the intervals of counts some hold more and some less than
    they say.

    >>> low, high = interval(np.repeat([[0.0, 1.0], [1.0, 2.0]], [10, 10], axis=1), 0.8)
    >>> low.tolist(), high.tolist()
    ([0.0, 1.0], [1.0, 2.0])
    """
    n, many = drawn.shape
    rank = np.sort(rankdata(drawn, axis=1), axis=1) / (many + 1)
    value = np.sort(drawn, axis=1)
    low = _at(rank, value, np.full(n, (1 - probability) / 2))
    below = (drawn < low[:, None]).sum(axis=1) / (many + 1)
    return low, _at(rank, value, below + probability)


def _at(rank: Floats, value: Floats, level: Floats) -> Floats:
    """The value (n,) at the rank `level` (n,), on the line between its neighbours; rank and value (n, S), rising."""
    right = np.minimum((rank < level[:, None]).sum(axis=1), value.shape[1] - 1)[:, None]
    both = np.concatenate([np.maximum(right - 1, 0), right], axis=1)
    (a, b), (x, y) = (np.take_along_axis(column, both, axis=1).T for column in (rank, value))
    share = np.clip((level - a) / np.where(b > a, b - a, 1.0), 0.0, 1.0)
    return np.asarray(x + share * (y - x), np.float64)


def _uniform(keys: Keys, week: int) -> Floats:
    """Numbers in (0, 1) for a week, (PURPOSES, n)."""
    counter = np.arange(week * PURPOSES, (week + 1) * PURPOSES, dtype=np.uint64)[:, None] + np.uint64(1)
    bits = _mixed(keys + counter * GOLDEN)
    return np.asarray(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53, np.float64)


def _mixed(z: Keys) -> Keys:
    """The finaliser of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)
