"""Learning rates that change: functions of the steps done and of the history, given as `learning_rate`.

Written for the base rate eta and k steps done, k = 0, 1, 2, ...

    Cosine    last + (eta - last) (1 + cos(pi min(k, K) / K)) / 2               Loshchilov and Hutter 2017
    Warmup    eta_0 (k + 1) / (K + 1) where k < K, then the other schedule from its own step 0: k - K
    Plateau   eta factor^n, n: how often `patience` epochs brought no lower loss

A schedule holds no state, so that a run resumed from a checkpoint has the rates of one that never stopped. One of one's
own is a frozen dataclass derived from `Schedule`; a checkpoint knows it by its name and fields.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from rnncore import checks

Record = dict[str, float]
History = list[Record]


@dataclass(frozen=True)
class Schedule(ABC):
    """A learning rate as a function of the steps done before and of the records of the epochs done before."""

    @abstractmethod
    def __call__(self, k: int, history: Sequence[Record] = ()) -> float:
        """Return the learning rate of step k, counted from 0."""

    def describe(self) -> dict[str, Any]:
        """Return the name and the fields, ready for JSON.

        >>> Cosine(0.1, steps=50).describe()
        {'schedule': 'Cosine', 'rate': 0.1, 'steps': 50, 'last': 0.0}
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"schedule": type(self).__name__} | {
            name: value.describe() if isinstance(value, Schedule) else plain(value) for name, value in values.items()
        }


@dataclass(frozen=True)
class Cosine(Schedule):
    """From `rate` down to `last` along half a cosine in so many steps, and `last` from there on.

    >>> [round(Cosine(1.0, steps=4)(k), 4) for k in range(6)]
    [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]
    """

    rate: float
    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.number("rate", self.rate, open_left=True)
        checks.size("steps", self.steps)
        checks.number("last", self.last)

    def __call__(self, k: int, history: Sequence[Record] = ()) -> float:
        """Return the learning rate of step k."""
        return self.last + (self.rate - self.last) * (1 + math.cos(math.pi * min(k, self.steps) / self.steps)) / 2


@dataclass(frozen=True)
class Warmup(Schedule):
    """So many steps up in a straight line to where `then`, a number or a schedule, begins.

    >>> [Warmup(1.0, steps=3)(k) for k in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    then: float | Schedule
    steps: int

    def __post_init__(self) -> None:
        """Check the fields."""
        check_rate("then", self.then)
        checks.size("steps", self.steps)

    def __call__(self, k: int, history: Sequence[Record] = ()) -> float:
        """Return the learning rate of step k."""
        full = rate_at(self.then, max(k - self.steps, 0), history)
        return full * min(1.0, (k + 1) / (self.steps + 1))


@dataclass(frozen=True)
class Plateau(Schedule):
    """`rate`, times `factor` whenever so many epochs in a row brought no lower loss than the lowest before.

    The loss is that of the validation, or of the training where there is none. Not below `last`.

    >>> history = [{"validation_loss": loss} for loss in (3.0, 2.0, 2.5, 2.0, 1.9)]
    >>> [Plateau(1.0, factor=0.5, patience=2)(0, history[:n]) for n in range(6)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    """

    rate: float
    factor: float = 0.1
    patience: int = 10
    last: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.number("rate", self.rate, open_left=True)
        checks.number("factor", self.factor, below=1.0, open_left=True)
        checks.size("patience", self.patience)
        checks.number("last", self.last)

    def __call__(self, k: int, history: Sequence[Record] = ()) -> float:
        """Return the learning rate after the epochs of the history."""
        rate, best, waited = self.rate, math.inf, 0
        for record in history:
            loss = record.get("validation_loss", record.get("train_loss", math.nan))
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
            if waited == self.patience:
                rate, waited = max(rate * self.factor, self.last), 0
        return rate


def plain(value: Any) -> Any:
    """Return a number of NumPy's as one of Python's, which JSON holds; anything else as it is.

    >>> plain(np.int64(5)), plain(None)
    (5, None)
    """
    return value.item() if isinstance(value, np.generic) else value


def check_rate(name: str, rate: object) -> None:
    """Require a number above 0 or a schedule."""
    if not isinstance(rate, Schedule):
        checks.number(name, rate, open_left=True)


def rate_at(rate: float | Schedule, k: int, history: Sequence[Record]) -> float:
    """Return the learning rate of step k, of a number or a schedule."""
    return rate(k, history) if isinstance(rate, Schedule) else rate
