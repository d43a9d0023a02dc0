"""Customers week by week: what a network reads of each week, and how likely it holds the next one to be.

    step      a week; the last ends on the day of the origin, the first holds the first purchase
    numbers   purchases in it, their amount; weeks since the latest; purchases so far, and the mean amount of one
    outputs   8 logits: 0 to 7 purchases next week; 3 numbers, the zero-inflated log-normal law of what one is worth

The network says how far the next week is from what BG/NBD expects of it: the logarithm of that is added to the logits
of 1 to 7 purchases. Futures run to ages that nobody had reached in training. There a network that reads the weeks alone
goes on as it likes (on CDNOW its rates rise, those of the customers fall); BG/NBD has the ages in its formula.

A purchase is a day with one, so that a week has seven at most. Of purchases whose amount is not known the number counts
and the amount does not. Amounts are in units of the median amount of a purchase. The age of a customer is told
by BG/NBD alone.

LEVEL, the calibration, moves the odds of a purchase so that the weeks it is told, those of the latest horizon, come out
right in sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, softmax

import rnncore as rc
from rnncore.errors import DataError
from rnncore.losses import Pair
from rnncore.marketing.baselines import BGNBD, BGNBDParameters
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import features
from rnncore.marketing.learning.calibration import Calibration
from rnncore.marketing.log.columns import Columns
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Code = dict[str, Any]
MOST = 8  # classes of a week
OUTPUTS = MOST + 3
UNKNOWN = -1.0
LEAST = 1e-5  # purchases a week


class Standing(NamedTuple):
    """Where customers stand at the end of a week, (n,) each: all that the next step is made from, beside its events."""

    since: Floats
    """Weeks since the latest purchase."""
    age: Floats
    """Weeks since the first one."""
    purchases: Floats
    """So far."""
    known: Floats
    """Those whose amount is known."""
    paid: Floats
    """What these came to."""

    def after(self, count: Floats, amount: Floats) -> Standing:
        """A week later, in which so many purchases came, at so much each."""
        since = np.where(count > 0, 0.0, self.since + 1)
        totals = self.purchases + count, self.known + count, self.paid + count * amount
        return Standing(since, self.age + 1, *totals)


class Law(NamedTuple):
    """What the network holds the next week to be, a row each."""

    chance: Floats
    """P(0), ..., P(7 purchases), (n, 8)."""
    paid: Floats
    """P(a purchase is worth more than nothing), (n,)."""
    mean: Floats
    """Of the logarithm of what it is worth then, in units of money, (n,)."""
    deviation: Floats
    """Of that logarithm."""

    @property
    def purchases(self) -> Floats:
        """Expected number."""
        return np.asarray(self.chance @ np.arange(MOST), np.float64)

    @property
    def amount(self) -> Floats:
        """Expected amount of one."""
        return np.asarray(self.paid * np.exp(self.mean + self.deviation**2 / 2), np.float64)


class Weeks(NamedTuple):
    """All weeks of all customers, one customer after another."""

    columns: Columns
    """What is read of each week, unscaled."""
    bought: Floats
    """Purchases in it."""
    amount: Floats
    """Mean of those whose amount is known, UNKNOWN where there is none."""
    standing: Standing
    """At its end."""
    offsets: NDArray[np.int64]


def of(log: EventLog, end: np.datetime64) -> Weeks:
    """The weeks until `end` of a log with one event per customer and day, none of it later."""
    ago = back(log, end)
    lengths = ago[log.offsets[:-1]] + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place, n = (offsets[1:] - 1)[log.codes] - ago, int(offsets[-1])
    value = np.full(len(log), np.nan) if log.value is None else np.round(log.value, 6)  # see encoding._clean
    seen = ~np.isnan(value)
    count, known, paid = (
        np.bincount(place[rows], weight[rows], minlength=n).astype(np.float64)
        for rows, weight in ((ago >= 0, np.ones(len(log))), (seen, np.ones(len(log))), (seen, value))
    )
    week = np.arange(n)
    latest = np.maximum.accumulate(np.where(count > 0, week, 0))  # a customer's first week has a purchase
    since, age = ((week - own).astype(np.float64) for own in (latest, np.repeat(offsets[:-1], lengths)))
    so_far = [_so_far(column, offsets) for column in (count, known, paid)]
    standing = Standing(since, age, *so_far)
    spend = np.where((count > 0) & (known == 0), np.nan, paid) if log.value is not None else paid
    amount = np.where(known > 0, paid / np.maximum(known, 1), UNKNOWN)
    return Weeks(columns(count, spend, standing), count, amount, standing, offsets)


def back(log: EventLog, end: np.datetime64) -> NDArray[np.int64]:
    """How many weeks before the one that ends on the day `end` each event is, (n,)."""
    return np.asarray((end - log.day).astype(np.int64) // 7)


def columns(count: Floats, spend: Floats, standing: Standing) -> Columns:
    """What is read of weeks with so many purchases that came to so much, at the end of which customers stand so."""
    mean = standing.paid / np.maximum(standing.known, 1)
    names = ("purchases", "spend", "since", "purchases so far", "mean amount")
    return Columns(dict(zip(names, (count, spend, standing.since, standing.purchases, mean), strict=True)))


def measure(weeks: Weeks) -> Code:
    """Scales, the unit of amounts, and BG/NBD."""
    amounts, last = weeks.amount[weeks.amount > 0], weeks.offsets[1:] - 1
    model = BGNBD().fit(*_three(Standing(*(column[last] for column in weeks.standing))))
    unit = float(np.median(amounts)) if len(amounts) else 1.0
    return {**features.measure(weeks.columns), "unit": unit, "bg/nbd": [float(p) for p in model.parameters_]}


def prior(standing: Standing, code: Code) -> Floats:
    """The logarithm of the purchases that BG/NBD expects of the next week, at least LEAST, (n,)."""
    model = BGNBD()
    model.parameters_ = BGNBDParameters(*code["bg/nbd"])
    return np.asarray(np.log(np.clip(model.rate(*_three(standing)), LEAST, MOST - 1)), np.float64)


def asked(weeks: Weeks, code: Code, latest: int) -> tuple[Histories, Standing]:
    """The latest weeks of each customer, and where they stand."""
    last = weeks.offsets[1:] - 1
    now = Standing(*(column[last] for column in weeks.standing))
    return features.latest(features.encode(weeks.columns, code), weeks.offsets, latest), now


def told(
    weeks: Weeks, code: Code, latest: int, horizon: int
) -> tuple[Histories, Histories, Histories, NDArray[np.int64]]:
    """All weeks but the last of each customer, what came in the week after each, (n, 3), whether that was in the latest
    horizon (of days), (n,), and whose they are.

    What came: the number of purchases; their mean amount in units, UNKNOWN where there is none; and what BG/NBD had
    expected, see `prior`. DataError where nobody is known for more than a week.
    """
    lengths = np.diff(weeks.offsets)
    who = np.flatnonzero(lengths > 1)
    if not len(who):
        raise DataError("no customer is known for more than a week: how a week follows another cannot be learned")
    last = np.zeros(len(weeks.bought), bool)
    last[weeks.offsets[1:] - 1] = True
    first = np.zeros(len(weeks.bought), bool)
    first[weeks.offsets[:-1]] = True
    offsets = np.concatenate([[0], np.cumsum(lengths[who] - 1)])
    amount = np.where(weeks.amount >= 0, weeks.amount / code["unit"], UNKNOWN)
    ago = (np.repeat(weeks.offsets[1:], lengths) - 1 - np.arange(len(weeks.bought))) * 7 / horizon
    came = np.column_stack([weeks.bought[~first], amount[~first], prior(weeks.standing, code)[~last]])
    read = features.encode(weeks.columns, code)[~last]
    rows = read, came.astype(np.float32), ago[~first] < 1
    steps, answers, newest = (features.latest(column, offsets, latest) for column in rows)
    return steps, answers, newest, who


def likelihood(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Negative log-likelihood of weeks: of the number of purchases, and of the amount of one where it is known.

        l = cross-entropy(count) + [amount known] ZILN(amount)

    prediction (..., 11) and target (..., 3) as this file says.

    >>> value, d = likelihood(np.zeros((1, 1, 11)), np.array([[[0.0, UNKNOWN, 0.0]]]))
    >>> round(value, 4), d.shape
    (2.0794, (1, 1, 11))
    """
    each = np.ones(target.shape[:-1]) if weight is None else np.broadcast_to(weight, target.shape[:-1])
    logits = _moved(prediction, target[..., 2:3])[..., :MOST]
    value, dcount = rc.losses.softmax_cross_entropy(logits, target[..., 0].astype(np.int64), each)
    known = np.where(target[..., 1] >= 0, each, 0.0)
    damount = np.zeros_like(prediction[..., MOST:])
    if known.any():
        share = float(known.sum() / each.sum())
        spend, damount = rc.losses.zero_inflated_lognormal(prediction[..., MOST:], target[..., 1], known)
        value, damount = value + share * spend, share * damount
    return value, np.concatenate([dcount, damount], axis=-1).astype(prediction.dtype)


def law(outputs: Floats, code: Code, prior: Floats) -> Law:
    """What calibrated outputs (n, 11) say, where BG/NBD says `prior` (n,), or (1,) for all."""
    mean, scale = outputs[:, MOST + 1] + np.log(code["unit"]), np.logaddexp(0.0, outputs[:, MOST + 2])
    return Law(softmax(_moved(outputs, prior[:, None])[:, :MOST], axis=1), expit(outputs[:, MOST]), mean, scale)


def _so_far(column: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Running sums of each customer, rounded as the amounts are."""
    total = np.concatenate([[0.0], np.cumsum(column)])
    return np.asarray(np.round(total[1:] - np.repeat(total[offsets[:-1]], np.diff(offsets)), 6), np.float64)


def _level(outputs: Floats, target: Floats) -> Floats:
    """By how much to move the odds, (1,), so that the weeks told come out right in sum; 0 where it cannot."""
    said, came = _moved(outputs, target[:, 2:3]), float(target[:, 0].sum())

    def missing(move: float) -> float:
        moved = _moved(said, np.array([move]))
        return float((softmax(moved[:, :MOST], axis=1) @ np.arange(MOST)).sum()) - came

    return np.array([brentq(missing, -30.0, 30.0) if came > 0 and missing(30.0) > 0 else 0.0])


def _moved(outputs: Floats, by: Floats) -> Floats:
    """Outputs (..., 11) with the logits of 1 to 7 purchases moved by (..., 1) or (1,)."""
    moved = np.array(outputs, np.float64)
    moved[..., 1:MOST] += by
    return moved


def _three(standing: Standing) -> tuple[Floats, Floats, Floats]:
    """Repeat purchases, weeks from the first to the last, and weeks since the first, as BG/NBD asks for them."""
    return standing.purchases - 1, standing.age - standing.since, standing.age + 0.5  # the middle of the first week


LEVEL = Calibration(_level, _moved, 1)
