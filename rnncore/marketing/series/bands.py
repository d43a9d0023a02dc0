"""Quantiles of the next K values of series as a network says them, and what is added so that they hold what they say.

Conformalised quantile regression (Romano, Patterson and Candes 2019): by how much did what came lie above a quantile,
so many steps ahead, in the latest windows? Of n such errors e, sorted, that at the level q gets

    e_k,  k = ceil((n + 1) q) above the middle, floor((n + 1) q) below it                             (1)

Each tail has its own; the median stays as it is. Each origin has the windows that were complete before it, as far back
as the later window that was watched in training: so a change of the errors is met as soon as it shows. None of them was
trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned, outputs
from rnncore.marketing.series import series_windows as series
from rnncore.sequences import Histories

if TYPE_CHECKING:
    from rnncore.marketing.demand import Demand

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 9  # windows, from which on (1) is an error for 10 % and for 90 %


class Recent(NamedTuple):
    """Complete windows that calibrate, at one origin after another."""

    windows: Examples
    reach: int
    """So many periods before an origin, at most, they have ended."""

    @property
    def came(self) -> Floats:
        """What came in them, (n, K), in their numbers; NaN where it is not known."""
        return came(self.windows)


def came(windows: Examples) -> Floats:
    """What came ahead of windows, (n, K), in their numbers; NaN where it is not known."""
    shape, steps = (len(windows.group), -1), windows.facts.steps
    y, known = (a.values.reshape(shape)[:, -steps:] for a in (windows.target, windows.weight))
    return np.where(known > 0, y, np.nan).astype(np.float64)


def shifts(errors: Floats, levels: Sequence[float]) -> Floats:
    """Equation (1) of the errors (n, K, Q) that are known, (K, Q); 0 for the median, and where there are fewer than
    two: one error would be both tails, and leave nothing between them.
    """
    found = np.zeros(errors.shape[1:])
    for step, k in np.ndindex(found.shape):
        e, q = np.sort(errors[:, step, k][~np.isnan(errors[:, step, k])]), levels[k]
        if len(e) > 1 and q != 0.5:
            exact = (len(e) + 1) * q
            rank = np.ceil(exact) if q > 0.5 else np.floor(exact)
            found[step, k] = e[int(np.clip(rank, 1, len(e))) - 1]
    return found


def calibrated(
    said: Floats, at: Ints, recent: Recent | None, then: Floats | None, usual: Floats, levels: Sequence[float]
) -> Floats:
    """Quantiles `said` (N, K, Q) at the origins `at` (N,), calibrated by those said `then` of the recent windows.

    usual: what is added (K, Q) to the steps of which fewer than FEWEST of these are known.
    """
    found = said + usual
    if recent is None or then is None:
        return found
    known, begun = ~np.isnan(recent.came), recent.windows.facts.origin
    errors = recent.came[..., None] - then
    for origin in np.unique(at):
        own = (begun + said.shape[1] <= origin) & (begun + said.shape[1] > origin - recent.reach)
        enough = known[own].sum(axis=0) >= FEWEST
        if enough.any():
            found[at == origin] = said[at == origin] + np.where(enough[:, None], shifts(errors[own], levels), usual)
    return found


def raw(task: Demand, learned: Learned, asked: Examples, levels: int) -> Floats:
    """Quantiles (N, K, Q) as the network says them, in order and in the numbers of the windows.

    A recursive network is asked again and again, about the period after its own median.
    """
    model, many, steps = task.network(learned.code), len(asked.group), asked.facts.steps
    if task.strategy == "direct":
        said = outputs(model, learned.params, asked.histories)
        return np.sort(said.reshape(many, -1, levels)[:, -steps:], axis=2)
    x = asked.histories.values.reshape(many, -1, asked.histories.values.shape[1]).copy()
    found = np.zeros((many, steps, levels))
    latest = x.shape[1] - steps
    offsets = np.arange(many + 1) * (latest + 1)
    for step in range(steps):
        now = latest + step
        x[:, :now, series.AHEAD], x[:, now, series.AHEAD] = 0.0, 1.0
        window = Histories(x[:, now - latest : now + 1].reshape(-1, x.shape[2]), offsets)
        told: Any = outputs(model, learned.params, window).reshape(many, -1, levels)[:, -1]
        found[:, step] = np.sort(told, axis=1)
        x[:, now, series.Y], x[:, now, series.KNOWN] = found[:, step, levels // 2], 1.0
    return found


def usual(task: Demand, learned: Learned, told: Examples, levels: Sequence[float]) -> Floats:
    """What is added where too few windows are known: measured on the newest of those told, (K * Q,)."""
    whole = told.facts
    newest = whole.select(whole.newest)._replace(facts=whole.facts)
    return shifts(came(newest)[..., None] - raw(task, learned, newest, len(levels)), levels).ravel()


def said(task: Demand, learned: Learned, asked: Examples, levels: Sequence[float]) -> Floats:
    """Calibrated quantiles of every step asked, (sum of L, Q), 0 in the past."""
    now, recent = raw(task, learned, asked, len(levels)), asked.facts.recent
    then = None if recent is None else raw(task, learned, recent.windows, len(levels))
    found = calibrated(now, asked.facts.origin, recent, then, learned.calibration.reshape(now.shape[1:]), levels)
    return per_step(found, task.latest)


def per_step(said: Floats, latest: int) -> Floats:
    """Quantiles (N, K, Q) of the periods ahead as those of every step, (N * (latest + K), Q), 0 in the past."""
    return np.pad(said, ((0, 0), (latest, 0), (0, 0))).reshape(-1, said.shape[2])
