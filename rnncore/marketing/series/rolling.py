"""The windows of a log of series that a network learns from, is judged on and is asked about, for `demand.py`.

An origin is the period after which a window looks ahead. Those of training lie at every period, those that are judged
as far apart as is forecast at a time. Nothing after an origin is read, but what came is told to learn and to judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import features
from rnncore.marketing.learning.examples import Examples, drawn
from rnncore.marketing.log.days import span
from rnncore.marketing.series import bands
from rnncore.marketing.series import series_windows as series
from rnncore.marketing.series.periods import REGULAR, SEASON, Clock
from rnncore.sequences import Histories

if TYPE_CHECKING:
    from rnncore.marketing.demand import Demand

Array = NDArray[Any]
Code = dict[str, Any]
JUDGED, TAUGHT = 5_000, 20_000  # windows, at most
FEW = 20  # series, from which on they are drawn anew; of fewer, blocks of their time


def origin(task: Demand, log: EventLog) -> np.datetime64:
    """What `Demand.origin` gives."""
    often = 1 if len(log.customers) >= FEW else 2
    test, clock = log.last_day - span(task.horizon), Clock.of(log)
    begin, last = (int(period) for period in clock.at(np.array([test, log.last_day])))
    held, need = last - begin, task.ahead * often
    if held < need:
        days = int((log.last_day - clock.day(np.array(last - need))).astype(np.int64))
        raise DataError(
            f"the log has a value per {clock.every}: a horizon of {counted(task.horizon, 'day')} judges "
            f"{counted(held, clock.every)}, and {task.ahead} are forecast at a time, which must come "
            f"{'once' if often == 1 else 'twice'}: say horizon={days} or more, or a smaller "
            "ahead"
        )
    if test - span(task.horizon) < log.first_day:
        raise DataError(
            f"the log runs from {log.first_day} to {log.last_day}: two horizons of "
            f"{counted(task.horizon, 'day')} do not fit; choose a shorter one"
        )
    return test


def told(task: Demand, log: EventLog, end: np.datetime64, code: Code | None) -> tuple[Code, Examples]:
    """What `Demand.told` gives."""
    log = log.until(end)
    if len(log) == 0:
        raise DataError(f"no value is known until {end}")
    code = dict(code or series.measure(log, task.season, task.scale == "log"))
    first, last = series.first_and_last(log, code)
    clock = Clock(code["every"], code["anchor"])
    back = int(last - clock.at(clock.day(np.array(last)) - span(task.horizon)))
    watched = max(task.ahead, min(back, int(last - first.min()) // 5))
    code |= {"taught": last - watched, "watched": watched}
    old = origins(task.seed, first, int(first.min()), last - watched - task.ahead + 1, 1, TAUGHT)
    new = origins(task.seed, first, last - watched, last - task.ahead + 1, 1)
    if not len(old[0]):
        raise DataError(f"no series is known for {2 * task.ahead} periods until {end}; choose a smaller ahead")
    who, origin = (np.concatenate(pair) for pair in zip(old, new, strict=True))
    newest = np.arange(len(who)) >= len(old[0])
    scale = series.scales(log, code)
    whole = series.encode(log, code, who, origin, task.latest, task.ahead, scale)._replace(newest=newest)
    if task.strategy == "direct":
        return code, whole._replace(facts=whole)
    one = series.encode(log, code, who, origin, task.latest, 1, scale)
    return code, one._replace(newest=newest, facts=whole)


def judged(task: Demand, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
    """What `Demand.judged` gives."""
    first, last = series.first_and_last(log, code)
    begin = int(Clock(code["every"], code["anchor"]).at(np.array(origin)))
    who, at = origins(task.seed, first, begin, last, task.ahead)
    if not len(who):
        raise DataError(f"no series is known on {origin}")
    known = log.population(origin)
    scale = np.ones(len(first))
    scale[known] = series.scales(log.until(origin), code)
    asked = series.encode(log, code, who, at, task.latest, task.ahead, scale)
    if not asked.weight.values.any():
        raise DataError(f"nothing came after {origin}: there is nothing to judge")
    came = asked.facts.units(asked.target.values.reshape(len(who), -1), scaled=True)
    asked = asked._replace(target=Histories(came.ravel(), asked.target.offsets))
    return _with_recent(task, asked, log, code)


def asked(task: Demand, log: EventLog, at: np.datetime64, code: Code) -> Examples:
    """What `Demand.asked` gives; DataError where the calendar ends before the periods ahead."""
    own, asked = Clock.of(log).every, code["every"]
    if list(SEASON).index(own) > list(SEASON).index(asked) and len(np.unique(log.day)) >= REGULAR:
        raise DataError(
            f"the model is of a value per {asked}, and the log has one per {own}: fit a model on such a log"
        )
    clock, index = Clock(code["every"], code["anchor"]), log.population(at)
    if features.names(code["calendar"]) and log.calendar is not None:
        log.calendar.require(clock.ahead(at, task.ahead), log.customers[index])
    log, begin = log.until(at), np.full(len(index), clock.at(np.array(at)))
    who, scale = np.arange(len(index)), np.ones(len(index))
    asked = series.encode(log, code, who, begin, task.latest, task.ahead, scale)
    asked = asked._replace(group=index, target=None, weight=None)
    return _with_recent(task, asked, log, code) if len(log) else asked


def drawn_anew(task: Demand, asked: Examples, group: Array, counts: Array) -> tuple[Array, str]:
    """What `Demand.drawn` gives."""
    if len(np.unique(group)) >= FEW:
        return group, "series"
    day = np.zeros((len(asked.group), len(counts) // len(asked.group)), np.int64)
    day[:, -task.ahead :] = np.arange(len(asked.group) * task.ahead).reshape(-1, task.ahead)
    for length in (max(asked.facts.season, task.ahead), task.ahead):
        block = np.column_stack([group, day.ravel()[counts] // length])
        drawn = np.unique(block, axis=0, return_inverse=True)[1].ravel()
        if drawn.max() >= 3:
            break
    return drawn, "block"


def _with_recent(task: Demand, asked: Examples, log: EventLog, code: Code) -> Examples:
    """What is asked, with the windows until then that calibrate it: none of those that the network was taught."""
    first, last = series.first_and_last(log, code)
    begin = int(asked.facts.origin.min()) - code["watched"] - task.ahead + 1
    end = min(int(asked.facts.origin.max()), last) - task.ahead + 1
    who, at = origins(task.seed, first, max(begin, code["taught"]), end, 1)
    if not len(who):
        return asked
    windows = series.encode(log, code, who, at, task.latest, task.ahead, np.ones(len(first)))
    recent = bands.Recent(windows, code["watched"])
    return asked._replace(facts=asked.facts._replace(recent=recent))


def origins(seed: int, first: Array, begin: int, end: int, apart: int, most: int = JUDGED) -> tuple[Array, Array]:
    """Series (N,) and origins (N,) from `begin` to before `end` at which each is known; at most `most`, drawn."""
    each = np.arange(begin, end, apart)
    who, place = np.nonzero(first[:, None] <= each)
    keep = drawn(np.arange(len(who)), most, seed)
    return who[keep], each[place[keep]]
