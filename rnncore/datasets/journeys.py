"""Made-up journeys of which it is known what every touch adds to the chance of a conversion.

Customer n has an intent b ~ N(0, 1). Touches come after exponential gaps, four days in the mean, for `days` days; the
channel of each is drawn with weights exp(log share + pull b), so that channels with a pull are met by those who would
buy anyway. After a touch at time t the customer converts, within the day, with probability

    p_t = sigmoid(-4.2 + b + sum over touches s <= t of effect(channel_s) 2^(-(t - s) / 7)),      half-life 7 days

and a conversion ends the journey. What a channel is worth is known: the conversions expected of the touches that were
made, minus those expected of the same touches with the effect of that channel at 0. Expected of a journey's touches:
1 - prod (1 - p_t).

    channel      share   effect   pull
    display      .30     0.3      0.0     seen by everybody, a small effect
    social       .20     0.0      0.3     no effect at all
    mail         .20     1.2      0.0     the strongest effect
    search       .15     0.5      1.0     used by those who would buy anyway
    affiliate    .10     0.8      0.0
    direct       .05     0.0      1.5     no effect, the last touch of many who buy
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore import checks

Floats = NDArray[np.float64]
CHANNELS = ("affiliate", "direct", "display", "mail", "search", "social")
SHARE = np.array([0.10, 0.05, 0.30, 0.20, 0.15, 0.20])
EFFECT = np.array([0.8, 0.0, 0.3, 1.2, 0.5, 0.0])
PULL = np.array([0.0, 1.5, 0.0, 0.0, 1.0, 0.3])
BASE, GAP, HALF_LIFE = -4.2, 4.0, 7.0


class Journeys(NamedTuple):
    """A log of touches and conversions, and the truth."""

    frame: Any
    """polars: customer, time, event ("touch" or "conversion"), channel (empty for a conversion)."""
    channels: tuple[str, ...]
    worth: Floats
    """Conversions that each channel adds, in the mean over what chance decided, (6,)."""


def journeys(customers: int = 4000, days: int = 120, seed: int = 0, *, pull: float = 1.0) -> Journeys:
    """Draw journeys with known effects; the head of the file has the law. A conversion comes an hour after its touch.

    pull: multiplies that of all channels; 0: who would buy anyway meets the same channels as everybody.

    >>> found = journeys(customers=500, seed=0)
    >>> found.channels[int(found.worth.argmax())], found.worth[found.channels.index("direct")]
    ('mail', np.float64(0.0))
    """
    import polars as pl

    checks.size("customers", customers)
    checks.size("days", days)
    checks.number("pull", pull)
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, int, str, str | None]] = []
    worth = np.zeros(len(CHANNELS))
    for n in range(customers):
        intent = rng.normal()
        time = np.cumsum(rng.exponential(GAP, 3 * days)) + rng.uniform(0, days / 2)
        time = time[time < days]
        weight = SHARE * np.exp(pull * PULL * intent)
        channel = rng.choice(len(CHANNELS), len(time), p=weight / weight.sum())
        decay = np.tril(np.exp2(-np.maximum(time[:, None] - time, 0.0) / HALF_LIFE))
        p = _chance(intent, decay @ EFFECT[channel])
        won = np.flatnonzero(rng.uniform(size=len(time)) < p)
        end = won[0] + 1 if len(won) else len(time)
        for t, c in zip(time[:end], channel[:end], strict=True):
            rows.append((n, round(t * 86400), "touch", CHANNELS[c]))
        if len(won):
            rows.append((n, round(time[won[0]] * 86400) + 3600, "conversion", None))
        for c in np.unique(channel):
            without = _chance(intent, decay @ np.where(channel == c, 0.0, EFFECT[channel]))
            worth[c] += np.prod(1 - without) - np.prod(1 - p)
    frame = pl.DataFrame(rows, schema=["customer", "second", "event", "channel"], orient="row")
    when = pl.datetime(2024, 1, 1) + pl.duration(seconds=pl.col("second"))
    return Journeys(frame.select("customer", when.alias("time"), "event", "channel"), CHANNELS, worth)


def _chance(intent: float, lift: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(BASE + intent + lift))), np.float64)
