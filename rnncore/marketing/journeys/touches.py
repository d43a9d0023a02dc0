"""Journeys of touches and conversions, for `journey.py`: what comes next, Markov chains, paths, and credit.

A kind is what an event is called: its channel, or, where it has none, its event; a conversion is called what it is. A
journey is the touches of a customer until a conversion, or until more than `window` days without an event.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnncore.errors import DataError
from rnncore.marketing.answers.wording import in_lines
from rnncore.marketing.events import EventLog
from rnncore.marketing.journeys import attribution
from rnncore.marketing.journeys.attribution import RULES, Paths
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning.case_rivals import shifted
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.log.columns import Category, categorise

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY = np.timedelta64(1, "D")
_STEP = re.compile(r"\s*(?:->|>|→|»)\s*")  # between the touches of a path
STRENGTH = 10.0  # rows of the broader rate that a narrower one is drawn to


class Facts(NamedTuple):
    """What the simple methods read of N moments; kinds are numbers, 0 for those that are not known, -1 for none."""

    last: Ints
    """The kind of the event, (N,)."""
    before: Ints
    """The kind of the one before, (N,)."""
    counts: Floats
    """Events of each kind so far, (N, V + 1)."""
    times: Floats
    """Logarithms of 1 + the number of events, days since the one before, and since the first, (N, 3)."""
    next: Ints | None
    """What came next: 0 nothing within the horizon, 1 to V, or V + 1 for another kind, (N,)."""


class Credit(NamedTuple):
    """Conversions by channel and method; prints as a table."""

    channels: tuple[str, ...]
    methods: dict[str, Floats]
    """(C,) each; all sum to the conversions that had a touch."""
    intervals: dict[str, Floats]
    """(C, 2) each, 95 %, journeys drawn anew."""

    def columns(self) -> dict[str, list[str]]:
        """The table as text, a list per column."""
        return {"channel": list(self.channels)} | {
            name: [f"{c:.1f}" for c in own] for name, own in self.methods.items()
        }

    def __str__(self) -> str:
        return "\n".join(in_lines(self.columns()))


class Moment(NamedTuple):
    """What the network says after events of one kind."""

    kind: str
    times: int
    probability: float
    """Mean P(conversion) after it."""
    lift: float
    """That, over the mean after all events."""
    change: float
    """Mean of P after it minus P before it, where there is an event before; large: a critical moment."""


def kinds(log: EventLog, convert: str) -> tuple[Category, NDArray[np.bool_]]:
    """What each event is called, and which are conversions, (n,)."""
    event = log.category("event")
    names = np.append(event.levels, "")[event.codes].astype(object)
    won = names == convert
    if "channel" in log.cells.categories:
        channel = log.category("channel")
        called = np.append(channel.levels, "")[channel.codes].astype(object)
        names = np.where(won | (channel.codes < 0), names, called)
    return categorise(pl.Series(names, dtype=pl.String)), won


def require_touches(log: EventLog) -> None:
    """DataError where each row is a whole path of somebody, as "search > mail", and not a touch."""
    for role in ("event", "channel"):
        if len(log) > len(log.customers) or role not in log.cells.categories:
            continue
        long = [word for word in log.category(role).common(10**9) if len(_STEP.split(word)) > 1]
        if 2 * len(long) > len(log.category(role).common(10**9)):
            raise DataError(
                f"each customer has one row, and its {role} is a whole path, as {long[0][:60]!r}: give each touch "
                "a row of its own, with its time. To paths alone rnncore.marketing.journeys.attribution gives credit: "
                "paths(...), then markov, shapley and others"
            )


def moments(log: EventLog, won: NDArray[np.bool_]) -> Ints:
    """Positions of touches after which can be asked: all, or, where events have no order, the last of each time."""
    last = np.ones(len(log), bool)
    if "order" not in log.reading:
        last[:-1] = (log.time[1:] != log.time[:-1]) | (log.codes[1:] != log.codes[:-1])
    return np.flatnonzero(last & ~won)


def came(log: EventLog, won: NDArray[np.bool_], at: Ints, horizon: int) -> tuple[Floats, Ints]:
    """Whether a conversion came within the horizon after each event `at`, and the position of the next event, or -1."""
    n = len(log)
    ahead = np.where(won, np.arange(n), n)
    ahead = np.append(np.minimum.accumulate(ahead[::-1])[::-1], n)[at + 1]
    codes, time = np.append(log.codes, -1), np.append(log.time, log.time[-1:])
    limit = log.time[at] + horizon * DAY
    converted = (codes[ahead] == log.codes[at]) & (time[ahead] <= limit)
    follows = (codes[at + 1] == log.codes[at]) & (time[at + 1] <= limit)
    return converted.astype(np.float64), np.where(follows, at + 1, -1)


def facts(log: EventLog, kind: Ints, many: int, at: Ints, after: Ints | None) -> Facts:
    """Of the events `at`; kind: of all events, (n,), 0 to `many`; after: positions of the next events, or -1."""
    start = log.offsets[log.codes[at]]
    counts = np.empty((len(at), many + 1))
    for k in range(many + 1):
        total = np.append(0, np.cumsum(kind == k))
        counts[:, k] = total[at + 1] - total[start]
    gap = np.where(at > start, (log.time[at] - log.time[np.maximum(at - 1, 0)]) / DAY, 0.0)
    times = np.column_stack([at - start + 1, gap, (log.time[at] - log.time[start]) / DAY])
    before = np.where(at > start, kind[np.maximum(at - 1, 0)], -1)
    follows = None if after is None else np.where(after < 0, 0, np.where(kind[after] > 0, kind[after], many + 1))
    return Facts(kind[at], before, counts, np.log1p(times), follows)


def simple_methods(told: Examples, asked: Examples) -> dict[str, Floats]:
    """P(conversion) by the simple methods, (M,) each.

    "markov-1", "markov-2": the rate after the last kind, and the last two, drawn to the broader where rows are few.
    "logistic": counts of kinds, the last kind and times; "no channel": times alone. All are shifted to the rate of the
    newest window.
    """
    y, old, new = np.asarray(told.target)[:, 0].astype(np.float64), told.facts, asked.facts
    rate = np.full(len(y), y.mean())
    one, one_new = _rates(old.last, new.last, y, rate, np.full(len(new.last), y.mean()))

    pairs, pairs_new = (f.last * 10_000 + f.before + 1 for f in (old, new))
    two = _rates(pairs, pairs_new, y, one, one_new)
    found = {"markov-1": (one, one_new), "markov-2": two}
    width = old.counts.shape[1]
    columns = {
        "logistic": [
            np.column_stack([np.log1p(f.counts), f.last[:, None] == np.arange(width), f.times]) for f in (old, new)
        ],
        "no channel": [f.times for f in (old, new)],
    }
    for name, (past, now) in columns.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(past, y)
        found[name] = (model.predict_proba(past)[:, 1], model.predict_proba(now)[:, 1])
    newest = np.ones(len(y), bool) if told.newest is None or not told.newest.any() else told.newest
    recent = float(np.clip(y[newest].mean(), 1e-6, 1 - 1e-6))
    moved = {name: shifted(now, past[newest], recent) for name, (past, now) in found.items()}
    return {**moved, CONSTANT: np.full(len(new.last), recent)}


def next_losses(told: Facts, asked: Facts, classes: int) -> dict[str, Floats]:
    """-log P(what came next), (M,), by Markov chains of order 1 and 2; each with the broader one as its prior."""
    assert told.next is not None and asked.next is not None
    whole = np.bincount(told.next, minlength=classes) + 1.0
    prior = np.broadcast_to(whole / whole.sum(), (len(asked.last), classes))
    found = {}
    for order, keys in (
        (1, [f.last for f in (told, asked)]),
        (2, [f.last * 10_000 + f.before + 1 for f in (told, asked)]),
    ):
        levels, place = np.unique(keys[0], return_inverse=True)
        count = np.zeros((len(levels) + 1, classes))
        np.add.at(count, (place, told.next), 1.0)
        row = np.minimum(np.searchsorted(levels, keys[1]), len(levels) - 1)
        own = count[np.where(levels[row] == keys[1], row, len(levels))]
        prior = (own + STRENGTH * prior) / (own.sum(axis=1, keepdims=True) + STRENGTH)
        found[f"markov-{order}"] = -np.log(np.take_along_axis(prior, asked.next[:, None], axis=1)[:, 0])
    return found


class Cut(NamedTuple):
    """A log cut into journeys with at least one touch each."""

    paths: Paths
    first: Ints
    """Position in the log of the first touch of each, (P,)."""


def cut(log: EventLog, convert: str, window: int) -> Cut:
    """The journeys of a log."""
    called, won = kinds(log, convert)
    codes, gap = log.codes, np.diff(log.time, prepend=log.time[:1]) / DAY
    new = np.ones(len(log), bool)
    new[1:] = (codes[1:] != codes[:-1]) | won[:-1] | (gap[1:] > window)
    journey = np.cumsum(new) - 1
    touches = np.bincount(journey[~won], minlength=journey[-1] + 1)
    kept = np.flatnonzero(touches)
    if not won.any() or not len(kept):
        raise DataError(f"no conversion {convert!r} follows a touch: there is no credit to give")
    converted = np.bincount(journey[won], minlength=len(touches))[kept].astype(np.float64)
    first = np.flatnonzero(new)[kept]
    rows = [slice(a, a + m) for a, m in zip(first, touches[kept], strict=True)]
    end = [
        log.time[a + m] if c else log.time[a + m - 1] for a, m, c in zip(first, touches[kept], converted, strict=True)
    ]
    before = [(last - log.time[row]) / DAY for last, row in zip(end, rows, strict=True)]
    names = called.levels[called.codes]
    return Cut(attribution.paths([names[row].tolist() for row in rows], converted, 1 - converted, before), first)


def credit(cut: Cut, network: dict[str, Floats], seen: Ints, seed: int) -> Credit:
    """Credit by all methods; network: by name, what each touch of the journeys `seen` is worth, end to end, from 0."""
    paths = cut.paths
    found = {name: rule(paths) for name, rule in RULES.items()}
    wide = {name: attribution.intervals(paths, rule, draws=50, seed=seed) for name, rule in RULES.items()}
    size = np.diff(paths.offsets)[seen]
    row = np.repeat(np.arange(len(seen)), size)
    code = np.concatenate([paths.codes[paths.offsets[p] : paths.offsets[p + 1]] for p in seen])
    total, rng = paths.converted.sum(), np.random.default_rng(seed)
    for name, worth in network.items():
        sums = np.bincount(row, worth, len(seen))[row]
        share = np.where(sums > 0, worth / np.where(sums > 0, sums, 1.0), 1 / size[row])
        each = np.zeros((len(seen), len(paths.channels)))
        np.add.at(each, (row, code), share)
        found[name] = each.mean(axis=0) * total
        drawn = [each[rng.integers(len(seen), size=len(seen))].mean(axis=0) * total for _ in range(200)]
        wide[name] = np.quantile(drawn, [0.025, 0.975], axis=0).T
    return Credit(paths.channels, found, wide)


def _rates(old: Ints, new: Ints, y: Floats, prior_old: Floats, prior_new: Floats) -> tuple[Floats, Floats]:
    """The rate of y by key, drawn to the prior of each row; for the rows told (without their own y) and those asked."""
    levels, place = np.unique(old, return_inverse=True)
    won, number = np.append(np.bincount(place, y), 0.0), np.append(np.bincount(place), 0)
    row = np.minimum(np.searchsorted(levels, new), len(levels) - 1)
    row = np.where(levels[row] == new, row, len(levels))
    told = (won[place] - y + STRENGTH * prior_old) / (number[place] - 1 + STRENGTH)
    return told, (won[row] + STRENGTH * prior_new) / (number[row] + STRENGTH)
