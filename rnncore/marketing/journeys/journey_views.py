"""What journeys show, for `journey.py`: moments, transitions, hand-overs, what each touch is worth; and as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.answers.explain import Explanation
from rnncore.marketing.events import EventLog
from rnncore.marketing.journeys import touches as journeys
from rnncore.marketing.journeys.attribution import Paths
from rnncore.marketing.journeys.touches import Array, Credit, Cut, Floats, Moment

Table = dict[str, list[str]]


def moments(kinds: Array, after: Floats, before: Floats) -> list[Moment]:
    """P(conversion) after events of these kinds (n,), and before them: a moment per kind, the largest change first."""
    found, mean = [], float(after.mean())
    for kind in np.unique(kinds.astype(str)):
        own = kinds == kind
        p, change = float(after[own].mean()), float((after - before)[own].mean())
        found.append(Moment(str(kind), int(own.sum()), p, p / mean, change))
    return sorted(found, key=lambda moment: -abs(moment.change))


def transitions(log: EventLog, convert: str) -> tuple[list[str], Floats]:
    """See `Journey.transitions`."""
    names, _ = journeys.kinds(log, convert)
    levels, kind = np.unique(names.astype(str), return_inverse=True)
    after = np.append(kind[1:], 0)
    after[log.offsets[1:] - 1] = len(levels)
    count = np.zeros((len(levels), len(levels) + 1))
    np.add.at(count, (kind, after), 1.0)
    return levels.tolist(), count / count.sum(axis=1, keepdims=True)


def handover(paths: Paths) -> tuple[tuple[str, ...], Floats]:
    """See `Journey.handover`."""
    inner = np.setdiff1d(np.arange(len(paths.codes)), paths.offsets[1:] - 1)
    count = np.zeros((len(paths.channels),) * 2)
    np.add.at(count, (paths.codes[inner], paths.codes[inner + 1]), paths.converted[paths.path[inner]])
    return paths.channels, count


def worths(
    log: EventLog, cut: Cut, seen: NDArray[np.int64], explained: Callable[[EventLog], Explanation]
) -> dict[str, Floats]:
    """What each touch of the journeys `seen` adds to P(conversion), end to end, by method, below 0 as 0.

    explained: takes apart the answer for the only customer of a log, after its last event.
    """
    worth: dict[str, list[Floats]] = {"removal": [], "gradient": [], "attention": []}
    for p in seen:
        size = int(cut.paths.offsets[p + 1] - cut.paths.offsets[p])
        last = int(cut.first[p]) + size
        who = log.codes[last - 1 : last]
        own = log.among(who)
        taken = explained(own.where(np.arange(len(own)) < last - log.offsets[who[0]]))
        for name, steps in (
            ("removal", np.nan_to_num(taken.removal)),
            ("gradient", taken.gradient.sum(axis=1)),
            ("attention", np.zeros(0) if taken.attention is None else taken.attention),
        ):
            touch, read = np.zeros(size), min(size, len(steps))
            touch[size - read :] = steps[len(steps) - read :]
            worth[name].append(np.maximum(touch, 0.0))
    return {name: np.concatenate(touches) for name, touches in worth.items()}


def of_moments(found: list[Moment]) -> Table:
    """Moments as columns of text."""
    return {
        "after": [m.kind for m in found],
        "times": [str(m.times) for m in found],
        "P(conversion)": [f"{m.probability:.4f}" for m in found],
        "lift": [f"{m.lift:.2f}" for m in found],
        "change": [f"{m.change:+.4f}" for m in found],
    }


def of_transitions(kinds: list[str], share: Floats) -> Table:
    """P(next | kind) as columns of text."""
    return {
        "after": kinds,
        **{name: [f"{p:.3f}" for p in share[:, k]] for k, name in enumerate([*kinds, "nothing more"])},
    }


def of_intervals(credit: Credit) -> Table:
    """The intervals of credit as columns of text."""
    return {
        "channel": list(credit.channels),
        **{name: [f"{low:.1f} to {high:.1f}" for low, high in own] for name, own in credit.intervals.items()},
    }


def of_handover(channels: tuple[str, ...], count: Floats) -> Table:
    """Hand-overs as columns of text."""
    return {
        "from": list(channels),
        **{f"to {name}": [f"{n:.0f}" for n in count[:, k]] for k, name in enumerate(channels)},
    }
