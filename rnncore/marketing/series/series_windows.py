"""Series as windows, for `demand.py`: so many periods of the past and the next ones, with all that is known of each.

A window at an origin o has the periods o - L + 1 to o + K (of periods.py). Columns of each:

    y, known              the value, where it lies in the past and is there; else 0 and 0
    season ago, its mask  the value so many whole seasons before, the fewest that reach into the past
    ahead                 0 in the past, then 1/K, 2/K ... 1
    day, month, year      of the week, the month or quarter, and two waves over the year: those that the period has
    calendar              known in advance, features.py
    past columns          extra columns of the log, 0 after the origin, features.py
    static                of the series, features.py

Values are numbers of a series' own: (T(y) - level) / spread, T the identity, or log(1 + y) for "log"; the level is the
mean of the last season of the window, the spread the deviation of the window, drawn to that of all where it is short.
Of a window without a value they are those of the season of values before it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import features
from rnncore.marketing.learning.beside import calendar
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.log.columns import Columns
from rnncore.marketing.series.periods import MONTHS, SEASON, Clock
from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Code = dict[str, Any]
Y, KNOWN, AGO, AGO_KNOWN, AHEAD = range(5)
FIRST = ("y", "known", "season ago", "season ago known", "ahead")
PARTS = ("calendar", "past", "static")


class Facts(NamedTuple):
    """What decoding and the simple methods want of N windows of K periods ahead."""

    level: Floats
    """(N,)."""
    spread: Floats
    """(N,)."""
    scale: Floats
    """Mean absolute change over a season in the past of each series, in its own units, (N,): what errors are counted
    in (Hyndman and Koehler 2006)."""
    days: NDArray[np.datetime64]
    """The days ahead, (N, K)."""
    steps: int
    """K."""
    season: int
    log: bool
    least: float | None
    """0 where no value of the past is below it, else None."""
    origin: Ints
    """The period after which each window looks ahead, (N,)."""
    recent: Any = None
    """Windows that were complete before, which calibrate (`bands.Recent`)."""

    def units(self, z: Floats, scaled: bool) -> Floats:
        """Numbers of the windows (N, K, ...) in units of the series, or of its scale."""
        wide = (len(self.level),) + (1,) * (z.ndim - 1)
        level, spread, scale = (a.reshape(wide) for a in (self.level, self.spread, self.scale))
        y = level + spread * z
        y = np.expm1(np.minimum(y, 50.0)) if self.log else y
        y = y if self.least is None else np.maximum(y, self.least)
        return np.asarray(y / scale if scaled else y, np.float64)


def measure(log: EventLog, season: int | None, log_scale: bool) -> Code:
    """The code of a log that ends where the past does."""
    clock = Clock.of(log)
    season = season or SEASON[clock.every]
    assert log.value is not None
    if log_scale and np.nanmin(log.value) < 0:
        raise DataError('a value is below 0, of which there is no logarithm; say scale="linear"')
    z = np.log1p(log.value) if log_scale else log.value
    return {
        "every": clock.every,
        "anchor": clock.anchor,
        "season": season,
        "log": log_scale,
        "least": 0.0 if np.nanmin(log.value) >= 0 else None,
        "level": float(np.nanmean(z)),
        "spread": max(_within(z, log.codes, len(log.customers)), 1e-9),
        "calendar": features.measure(calendar(log, log.day, log.codes)),
        "past": features.measure(past(log)),
        "static": features.measure(Columns(log.static.numbers, log.static.categories)),
    }


def names(code: Code) -> list[str]:
    """What each column of a period is called."""
    return [*FIRST, *date_names(code["every"]), *(name for part in PARTS for name in features.names(code[part]))]


def date_names(every: str) -> list[str]:
    """What the columns of the date are called."""
    waves = [f"{wave} {k} of the year" for k in (1, 2) for wave in ("sine", "cosine")]
    of_day = {"day": [f"weekday {k}" for k in range(7)] + waves, "week": waves}
    return of_day.get(every) or [f"{every} {k + 1}" for k in range(12 // MONTHS[every]) if every != "year"]


def past(log: EventLog) -> Columns:
    """The extra columns of the events."""
    found = features.of_events(log, log.reading.get("extras", []))
    return Columns({name: a for name, a in found.numbers.items() if name != "gap"}, found.categories)


def encode(log: EventLog, code: Code, who: Ints, origin: Ints, latest: int, steps: int, scale: Floats) -> Examples:
    """Windows of the series `who` (N,) at the periods `origin` (N,); the target is what came, per period, normalised.

    scale: of each series of the log, (C,). Nothing after an origin is read but the calendar, and the target.
    """
    clock, season = Clock(code["every"], code["anchor"]), code["season"]
    place = np.arange(1 - latest, steps + 1)
    period = origin[:, None] + place
    event = _finder(log, clock)(who[:, None], period)
    ago = period - season * np.maximum(1, -(-np.maximum(place, 0) // season))
    assert log.value is not None
    raw = np.log1p(log.value) if code["log"] else log.value
    value = np.append(raw, np.nan)
    z, before = value[event], value[_finder(log, clock)(who[:, None], ago)]
    level, spread = _normal(z[:, :latest], season, code)
    silent = np.isnan(z[:, :latest]).all(axis=1)
    if silent.any():
        level[silent], spread[silent] = _normal(
            _values_before(log, clock, raw, who[silent], period[silent, 0], season), season, code
        )
    z, before = ((a - level[:, None]) / spread[:, None] for a in (z, before))
    future = place > 0
    known, there = ~np.isnan(z) & ~future, ~np.isnan(before)
    days, whose = clock.day(period), np.repeat(who, len(place))
    parts = [
        np.stack([np.where(known, z, 0.0), known, np.where(there, before, 0.0), there], axis=-1),
        np.broadcast_to(np.maximum(place, 0)[:, None] / steps, (*period.shape, 1)),
        _dates(days, code["every"]),
    ]
    flat = {
        "calendar": lambda: features.encode(calendar(log, days.ravel(), whose), code["calendar"]),
        "past": lambda: features.encode(past(log).take(np.where(future, -1, event).ravel()), code["past"]),
        "static": lambda: features.encode(Columns(log.static.numbers, log.static.categories), code["static"])[whose],
    }
    parts += [flat[part]().reshape(*period.shape, -1) for part in PARTS if features.names(code[part])]
    x = np.concatenate(parts, axis=-1, dtype=np.float32)
    came = future & ~np.isnan(z)
    offsets = np.arange(len(who) + 1) * len(place)
    return Examples(
        Histories(x.reshape(-1, x.shape[-1]), offsets),
        group=who,
        target=Histories(np.where(came, z, 0.0).ravel().astype(np.float32), offsets),
        weight=Histories(came.ravel().astype(np.float32), offsets),
        facts=Facts(level, spread, scale[who], days[:, latest:], steps, season, code["log"], code["least"], origin),
    )


def scales(log: EventLog, code: Code) -> Floats:
    """Of each series the mean absolute change over a season, (C,); that of all where it has none, or is constant."""
    clock = Clock(code["every"], code["anchor"])
    period = clock.at(log.day)
    assert log.value is not None
    before = np.append(log.value, np.nan)[_finder(log, clock)(log.codes, period - code["season"])]
    change = np.abs(log.value - before)
    found = ~np.isnan(change)
    count = np.bincount(log.codes[found], minlength=len(log.customers))
    mean = np.bincount(log.codes[found], change[found], len(log.customers)) / np.maximum(count, 1)
    usual = float(mean[mean > 0].mean()) if (mean > 0).any() else max(float(np.nanstd(log.value)), 1e-9)
    return np.where(mean > 0, mean, usual)


def first_and_last(log: EventLog, code: Code) -> tuple[Ints, int]:
    """The first period of each series, (C,), and the last of the log."""
    period = Clock(code["every"], code["anchor"]).at(log.day)
    return period[log.offsets[:-1]], int(period.max())


def _finder(log: EventLog, clock: Clock) -> Any:
    """A function from series and periods to positions of events, -1 where there is none."""
    own = clock.at(log.day)
    low = int(own.min())
    width = int(own.max()) - low + 1
    key = log.codes * width + own - low
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        who, day = log.customers[log.codes[twice[0]]], log.day[twice[0]]
        raise DataError(
            f"the model is of a value per {clock.every}, and {who!r} has several of that of {day}: add them up to one, "
            "or fit a model on such a log"
        )

    def find(who: Ints, period: Ints) -> Ints:
        inside = (period >= low) & (period < low + width)
        wanted = np.where(inside, who * width + period - low, -1)
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where(key[place] == wanted, place, -1)

    return find


def _normal(z: Floats, season: int, code: Code) -> tuple[Floats, Floats]:
    """Level and spread of each window of the past, (N,)."""
    there = ~np.isnan(z)
    filled, count = np.where(there, z, 0.0), there.sum(axis=1)
    recent = there[:, ::-1].cumsum(axis=1)[:, ::-1] <= season
    recent &= there
    number = recent.sum(axis=1)
    level = np.where(number > 0, (filled * recent).sum(axis=1) / np.maximum(number, 1), code["level"])
    mean = filled.sum(axis=1) / np.maximum(count, 1)
    squares = (np.where(there, z - mean[:, None], 0.0) ** 2).sum(axis=1)
    return level, np.sqrt((squares + 2 * code["spread"] ** 2) / (count + 2))


def _values_before(log: EventLog, clock: Clock, raw: Floats, who: Ints, period: Ints, many: int) -> Floats:
    """The last values of the series `who` (N,) before the periods (N,), NaN where there are fewer, (N, many)."""
    own = clock.at(log.day)
    low, width = int(own.min()), int(own.max() - own.min()) + 1
    end = np.searchsorted(log.codes * width + own - low, who * width + np.clip(period - low, 0, width))
    place = end[:, None] - np.arange(many, 0, -1)
    return np.where(place >= log.offsets[who][:, None], raw[np.maximum(place, 0)], np.nan)


def _within(z: Floats, codes: Ints, many: int) -> float:
    """The deviation of values from the mean of their series."""
    there = ~np.isnan(z)
    count = np.maximum(np.bincount(codes[there], minlength=many), 1)
    mean = np.bincount(codes[there], z[there], many) / count
    return float(np.sqrt(np.mean((z[there] - mean[codes[there]]) ** 2)))


def _dates(days: NDArray[np.datetime64], every: str) -> Floats:
    """What the date alone says, (N, T, W)."""
    if every in MONTHS:
        part = days.astype("datetime64[M]").astype(np.int64) % 12 // MONTHS[every]
        return np.asarray(part[..., None] == np.arange(len(date_names(every))), np.float64)
    year = days.astype("datetime64[Y]").astype("datetime64[D]")
    angle = 2 * np.pi * (days - year).astype(np.int64) / 365.25
    waves = np.stack([f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)], axis=-1)
    if every == "week":
        return waves
    weekday = (days.astype(np.int64)[..., None] + 3) % 7 == np.arange(7)  # 1970-01-01 was a Thursday
    return np.concatenate([weekday, waves], axis=-1)
