"""Demand: the next values of many series, as quantiles, from their past and from what is known in advance.

    history       series_windows.py: a window of periods, the last of which lie ahead; a customer of the log is a series
    head, loss    GRU, a dense layer on every step, quantiles of the value; pinball loss in the periods ahead
    decoding      bands.py: widened or narrowed by the errors in the latest windows, and back in units of the series
    must beat     last value, seasonal naive and with drift, moving average, a line, ridge and boosting with all columns

Judged at rolling origins: in the last `horizon` days `ahead` periods at a time are forecast, each time from all values
before. "direct" says them at once; "recursive" one at a time, reading its own medians as if they had come. Losses are
in units of each series' own mean absolute change over a season in the past, so the error of the median is the MASE.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.learning.calibration import NONE, Calibration
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.series import bands, rolling
from rnncore.marketing.series.periods import Clock
from rnncore.marketing.series.series_answers import SeriesAnswers
from rnncore.marketing.series.series_rivals import simple_methods
from rnncore.marketing.task import Code, Told
from rnncore.marketing.task_parts import Rival

Array = NDArray[Any]
LEVELS = (0.1, 0.5, 0.9)


@dataclass(eq=False, repr=False)
class Demand(SeriesAnswers):
    """Quantiles (10 %, 50 %, 90 %) of the next values of each series; the customer column says which series.

    horizon: the last so many days judge; they must hold the periods ahead twice, of 20 series or more once: for monthly
    values 365 days and `ahead` 6, for instance. ahead: so many periods (days, weeks, months, quarters or years, as the
    log has them) are forecast at a time. strategy: "direct" or "recursive". scale: "linear", or "log" where ups and
    downs are in proportion. season: periods in one; None: 7 days, 52 weeks, 12 months, 4 quarters, 1 year. The other
    arguments are those of `Task`; `latest` periods are read. Without a customer column the log is one series. Rows of
    one day are added up; a day without a row is unknown, not 0. Extra columns are read of the past, the calendar of the
    future too. `predict` gives a row per series and period ahead.

    >>> import polars as pl
    >>> days = np.datetime64("2024-01-01") + np.arange(120)
    >>> sold = pl.DataFrame({"shop": "a", "day": days, "sold": 50 + 20 * (np.arange(120) % 7 == 5)})
    >>> log = EventLog(sold, customer="shop", time="day", value="sold")
    >>> task = Demand(horizon=21, ahead=7, units=4, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['shop', 'day', 'low', 'median', 'high']
    """

    horizon: int = 28
    _: KW_ONLY
    ahead: int = 7
    strategy: str = "direct"
    scale: str = "linear"
    season: int | None = None
    epochs: int = 30
    patience: int = 5
    latest: int = 28

    name = "demand"
    example = (
        "rnncore fit demand sales.csv --customer shop --time day --value sold --calendar holidays.csv --horizon 28 "
        "--set ahead=7"
    )
    question = "How much in the {horizon} after {origin}?"
    row = "forecast"
    judged_row = "value"
    needs = ("value",)
    uses = ("value", "extras")
    fewest = 1
    measure = measures.SCALED_QUANTILES
    reference = "last value"
    loss = staticmethod(rc.losses.quantile)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.size("ahead", self.ahead)
        checks.one_of("strategy", self.strategy, ("direct", "recursive"))
        checks.one_of("scale", self.scale, ("linear", "log"))
        if self.season is not None:
            checks.size("season", self.season)
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """One event per series and day, with a value."""
        assert log.value is not None
        log = log.where(~np.isnan(log.value))
        if not len(log):
            raise DataError("no row has a value: there is nothing to forecast")
        again = (log.day[1:] == log.day[:-1]) & (log.codes[1:] == log.codes[:-1])
        if again.any() and log.reading.get("extras"):
            where = f"{log.customers[log.codes[1:][again][0]]!r} on {log.day[1:][again][0]}"
            raise DataError(f"{where} has two rows: values are added up, extra columns cannot be; leave one row a day")
        return log.per_day() if again.any() else log

    def origin(self, log: EventLog) -> np.datetime64:
        """`horizon` days before the log ends; DataError where there are not as many before it, or where they do not
        hold the periods ahead: twice for fewer than 20 series, so that windows can be drawn anew.
        """
        return rolling.origin(self, log)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """Windows at all origins until `end`, at most 20,000; those of the latest days are watched and calibrate."""
        return rolling.told(self, log, end, code)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """Windows at rolling origins from `origin` on, `ahead` periods apart, of the series known by then."""
        return rolling.judged(self, log, origin, code)

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """The next periods of each series known at `at`."""
        return rolling.asked(self, log, at, code)

    def learned(
        self, code: Code, told: Examples, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None
    ) -> Learned:
        """As in `Task`; what calibrates where too few windows are known is measured on the newest."""
        found = super().learned(code, told, progress=progress, checkpoint=checkpoint)
        return found._replace(calibration=bands.usual(self, found, told, LEVELS))

    @property
    def calibration(self) -> Calibration:  # type: ignore[override]
        """What is added to the quantiles of each period ahead, (K * Q,); an explanation, of the median, needs none."""
        return NONE._replace(size=self.ahead * len(LEVELS))

    def require_answers(self, log: EventLog) -> None:
        """DataError where the calendar ends before the days to be forecast from the end of the log."""
        if log.calendar is not None:
            log.calendar.require(Clock.of(log).ahead(log.last_day, self.ahead), log.customers)

    def network(self, code: Code) -> Layer:
        """A GRU over the window, and quantiles at every step."""
        gru = rc.GRU(len(self.inputs(code)), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Dense(self.units, len(LEVELS)))

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """Quantiles per step (sum of L, Q): in units of the series, or, where it is known what came, of its scale."""
        said = np.sort(outputs.reshape(len(asked.group), -1, len(LEVELS)), axis=2)
        return np.asarray(asked.facts.units(said, asked.target is not None).reshape(outputs.shape))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """The day of each period ahead, and the quantiles."""
        said = prediction.reshape(len(asked.group), -1, len(LEVELS))[:, -self.ahead :].reshape(-1, len(LEVELS))
        return {"day": asked.facts.days.ravel(), "low": said[:, 0], "median": said[:, 1], "high": said[:, 2]}

    def whose(self, asked: Examples) -> Array:
        """The series of each period ahead."""
        return np.repeat(asked.group, self.ahead)

    def drawn(self, asked: Examples, group: Array, counts: Array) -> tuple[Array | None, str]:
        """All rows of a series; of few series those of one season, or of one window ahead, where that is longer or
        there are fewer than four seasons.
        """
        return rolling.drawn_anew(self, asked, group, counts)

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """Quantiles by the simple methods, per step as the network gives them."""

        def per_step(method: Callable[[], Array]) -> Array:
            return self.decode(bands.per_step(method(), self.latest), asked)

        methods = simple_methods(told.facts, asked, LEVELS, self.seed)
        return {name: partial(per_step, method) for name, method in methods.items()}

    def _says(self, learned: Learned, asked: Examples) -> Array:
        """Quantiles at each step; those of the past are 0."""
        return self.decode(bands.said(self, learned, asked, LEVELS), asked)
