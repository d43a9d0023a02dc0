"""Who gets the credit for a conversion: rules, Markov chains and Shapley values over paths of touches.

    first, last     all of it to one touch
    linear          to all touches alike
    time_decay      half as much for each half-life before the conversion
    position        40 % each to the first and the last touch, the rest to those between
    markov          by the share of conversions that is lost when a channel is taken out (Anderl et al. 2016)
    shapley         by the mean of what a channel adds to the channels before it, over all orders (Shapley 1953)

Each gives an array (C,), a number of conversions per channel, and these sum to all conversions: who gets credit, not
who caused what. Only an experiment, or a simulator with known effects, can say which of them comes close to causes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from rnncore import checks
from rnncore.errors import ContractError, DataError

Floats = NDArray[np.float64]
Rule = Callable[["Paths"], Floats]


class Paths(NamedTuple):
    """P paths of touches with what came of each; make them with `paths`."""

    channels: tuple[str, ...]
    """Names, (C,)."""
    codes: NDArray[np.int64]
    """The channel of each touch, one path behind the other, (n,)."""
    offsets: NDArray[np.int64]
    """Touches of path p are codes[offsets[p]:offsets[p + 1]], (P + 1,)."""
    before: Floats
    """How long before the end of its path each touch was, (n,); steps where no times are known."""
    converted: Floats
    """Conversions by each path, (P,)."""
    lost: Floats
    """Journeys along each path that ended without one, (P,)."""

    @property
    def path(self) -> NDArray[np.int64]:
        """Which path each touch belongs to, (n,)."""
        return np.repeat(np.arange(len(self.converted)), np.diff(self.offsets))


def paths(
    touches: Sequence[Sequence[str]], converted: ArrayLike, lost: ArrayLike, before: Sequence[ArrayLike] | None = None
) -> Paths:
    """Paths from the names of their touches, in order, and their numbers of conversions and non-conversions.

    before: for each path how long before its end each touch was, in any unit of time; steps if None. ContractError
    where the columns do not fit together or a number is negative, DataError for a path without a touch or where nothing
    converts.

    >>> few = paths([["ad", "mail"], ["mail"]], converted=[3, 1], lost=[5, 9])
    >>> few.channels, last(few)
    (('ad', 'mail'), array([0., 4.]))
    """
    won, gone = np.asarray(converted, np.float64), np.asarray(lost, np.float64)
    if won.shape != (len(touches),) or gone.shape != won.shape:
        came = f"{len(touches)} paths, {won.shape}, {gone.shape}"
        raise ContractError("touches, converted, lost", "one row for each path", came, "give a number for each path")
    if not ((won >= 0) & (gone >= 0) & np.isfinite(won) & np.isfinite(gone)).all():
        raise ContractError("converted, lost", "numbers from 0", "another one", "count the journeys along each path")
    lengths = np.array([len(path) for path in touches], np.int64)
    if not lengths.all():
        raise DataError(f"path {int(np.argmin(lengths))} (counted from 0) has no touch: nobody can have the credit")
    if not won.sum() > 0:
        raise DataError("no path has a conversion: there is no credit to give")
    channels, codes = np.unique([str(name) for path in touches for name in path], return_inverse=True)
    offsets = np.append(0, np.cumsum(lengths))
    steps = np.repeat(offsets[1:], lengths) - 1 - np.arange(offsets[-1])
    since = steps if before is None else np.concatenate([np.asarray(times, np.float64) for times in before])
    if len(since) != len(codes) or not (np.asarray(since) >= 0).all():
        raise ContractError("before", "a time from 0 for each touch", "others", "count back from the end of each path")
    names = tuple(str(name) for name in channels)
    return Paths(names, codes.astype(np.int64), offsets, np.asarray(since, np.float64), won, gone)


def first(paths: Paths) -> Floats:
    """All credit to the first touch."""
    return _sum(paths.codes[paths.offsets[:-1]], paths.converted, paths)


def last(paths: Paths) -> Floats:
    """All credit to the last touch."""
    return _sum(paths.codes[paths.offsets[1:] - 1], paths.converted, paths)


def linear(paths: Paths) -> Floats:
    """The same credit to every touch of a path."""
    return _by_weight(paths, np.ones(len(paths.codes)))


def time_decay(paths: Paths, half_life: float = 7.0) -> Floats:
    """Credit that halves with each `half_life` before the end of the path."""
    checks.number("half_life", half_life, open_left=True)
    since = paths.before - np.repeat(paths.before[paths.offsets[1:] - 1], np.diff(paths.offsets))
    return _by_weight(paths, np.exp2(-since / half_life))


def position(paths: Paths, ends: float = 0.4) -> Floats:
    """A share `ends` each to first and last touch, the rest alike to those between; of two touches, halves."""
    checks.number("ends", ends, below=np.nextafter(0.5, 1))
    lengths = np.repeat(np.diff(paths.offsets), np.diff(paths.offsets))
    between = np.maximum(lengths - 2, 1)
    weight = (1 - 2 * ends) / between
    edge = np.zeros(len(paths.codes), bool)
    edge[paths.offsets[:-1]] = edge[paths.offsets[1:] - 1] = True
    return _by_weight(paths, np.where(edge, np.where(lengths > 2, ends, 0.5), weight))


def shapley(paths: Paths) -> Floats:
    """Shapley values of the game in which a coalition earns the conversions of the paths made of its channels alone.

    Each path is a game of its own in which only all its channels together earn anything; they are alike there, so that
    each gets the same. The value of the sum of games is the sum of values (Zhao, Mahboobi and Bagheri 2018).
    """
    pairs = np.unique(np.column_stack([paths.path, paths.codes]), axis=0)
    distinct = np.bincount(pairs[:, 0], minlength=len(paths.converted))
    return _sum(pairs[:, 1], (paths.converted / distinct)[pairs[:, 0]], paths)


def markov(paths: Paths, order: int = 1) -> Floats:
    """Credit in proportion to removal effects in a Markov chain of the given order (Anderl et al. 2016).

    A state is the last `order` touches. The removal effect of a channel is the share of P(conversion) that is lost when
    every journey that would reach it ends without a conversion. All effects are scaled to sum to all conversions.
    """
    effects = removal_effects(paths, order)
    return np.asarray(effects / effects.sum() * paths.converted.sum(), np.float64)


def removal_effects(paths: Paths, order: int = 1) -> Floats:
    """The share of P(conversion) that is lost without each channel, (C,); see `markov`."""
    checks.size("order", order)
    chain = _chain(paths, order)
    full = _reach(chain, np.zeros(len(chain.states) + 1, bool))
    without = (_reach(chain, np.append((chain.states == c).any(axis=1), False)) for c in range(len(paths.channels)))
    return np.array([1 - left / full for left in without])


def intervals(paths: Paths, method: Rule, *, draws: int = 200, level: float = 0.95, seed: int = 0) -> Floats:
    """Bootstrap interval of each channel's credit (C, 2): journeys are drawn anew, `draws` times.

    >>> few = paths([["ad", "mail"], ["mail"]], converted=[30, 10], lost=[50, 90])
    >>> intervals(few, linear, draws=50).shape
    (2, 2)
    """
    checks.size("draws", draws)
    rng = np.random.default_rng(seed)
    each = np.concatenate([paths.converted, paths.lost])
    total = round(each.sum())
    credit = []
    for _ in range(draws):
        drawn = rng.multinomial(total, each / each.sum()).astype(np.float64)
        won, gone = np.split(drawn, 2)
        if won.sum() > 0:
            credit.append(method(paths._replace(converted=won, lost=gone)))
    tail = (1 - level) / 2
    return np.quantile(credit, [tail, 1 - tail], axis=0).T


class _Chain(NamedTuple):
    """Steps of a Markov chain, (E,) each: from a state to a state, or to one of its two ends."""

    states: NDArray[np.int64]
    """The last touches that make each state, (S, order), -1 where there were fewer; the start comes behind, as S."""
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: Floats
    """How many journeys made the step."""


_WON, _LOST = -1, -2  # the ends are no states: what is there stays there


def _chain(paths: Paths, order: int) -> _Chain:
    starts, ends = paths.offsets[:-1], paths.offsets[1:] - 1
    place = np.arange(len(paths.codes)) - np.repeat(starts, np.diff(paths.offsets))
    touches = np.full((len(paths.codes), order), -1)
    for back in range(order):
        there = np.flatnonzero(place >= back)
        touches[there, order - 1 - back] = paths.codes[there - back]
    states, codes = np.unique(touches, axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    inner = np.setdiff1d(np.arange(len(codes)), ends)
    journeys = (paths.converted + paths.lost)[paths.path]
    steps = [
        (np.full(len(starts), len(states)), codes[starts], journeys[starts]),
        (codes[inner], codes[inner + 1], journeys[inner]),
        (codes[ends], np.full(len(ends), _WON), paths.converted),
        (codes[ends], np.full(len(ends), _LOST), paths.lost),
    ]
    source, target, weight = (np.concatenate(column) for column in zip(*steps, strict=True))
    return _Chain(states, source, target, weight)


def _reach(chain: _Chain, removed: NDArray[np.bool_]) -> float:
    """P(conversion) from the start: the solution of p = Q p + r, where nothing leaves a removed state."""
    states = len(chain.states) + 1
    out = np.bincount(chain.source, chain.weight, states)[chain.source]
    share = np.where(removed[chain.source] | (out == 0), 0.0, chain.weight / np.where(out > 0, out, 1.0))
    inner, won = chain.target >= 0, chain.target == _WON
    Q = sparse.csc_array((share[inner], (chain.source[inner], chain.target[inner])), shape=(states, states))
    r = np.bincount(chain.source[won], share[won], states)
    return float(spsolve(sparse.eye_array(states, format="csc") - Q, r)[-1])


def _by_weight(paths: Paths, weight: Floats) -> Floats:
    """Share the conversions of each path among its touches in proportion to their weights, (C,)."""
    total = np.add.reduceat(weight, paths.offsets[:-1])
    return _sum(paths.codes, weight * (paths.converted / total)[paths.path], paths)


def _sum(codes: NDArray[np.int64], credit: Floats, paths: Paths) -> Floats:
    return np.bincount(codes, credit, len(paths.channels)).astype(np.float64)


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (first, last, linear, time_decay, position, markov, shapley)}
