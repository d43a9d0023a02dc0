"""Hazards: one model for every horizon, censored windows used as such, and survival that is a probability."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import NAMES, SMALL, purchases
from scipy.integrate import trapezoid

from rnncore.errors import ContractError
from rnncore.marketing import ChurnHazard, EventLog
from rnncore.marketing.customers.hazards import came_in, no_event
from rnncore.marketing.learning.calibration import HAZARDS
from rnncore.marketing.log.days import span

START = datetime.date(2024, 1, 1)


@pytest.fixture(scope="module")
def log():
    return EventLog(purchases(), **NAMES)


@pytest.fixture(scope="module")
def churn(log):
    return ChurnHazard(horizon=30, **SMALL).fit(log)


def test_the_curve_starts_at_one_and_falls(churn, log):
    days = [0, 1, 2.5, 7, 30, 31, 90]
    curve = churn.survival(log, days).drop("who").to_numpy()
    assert (curve[:, 0] == 1).all()
    assert (np.diff(curve, axis=1) < 0).all() and (curve > 0).all()


def test_at_the_horizon_it_is_what_predict_says(churn, log):
    curve = churn.survival(log, [30])["survival_30"]
    assert curve.to_numpy() == pytest.approx(churn.predict(log)["churn_probability"].to_numpy(), abs=1e-12)


@pytest.mark.parametrize(("start", "days"), [(0, 10), (7.5, 12), (20, 40)])
def test_no_event_until_the_end_is_none_before_and_none_after(churn, log, start, days):
    quiet = churn.quiet(log, start, days)["quiet"]
    first, last = churn.survival(log, [start]), churn.survival(log, [start + days])
    assert (first[:, 1] * quiet).to_numpy() == pytest.approx(last[:, 1].to_numpy())


def test_however_late_it_begins_it_is_a_probability():
    hazards = np.full((1, 12), 0.999)
    late = no_event(hazards, 24, 1e6 + 7, 1e6)
    assert late == pytest.approx(no_event(hazards, 24, 24 + 7, 24)) and 0 < late < 1


def test_the_expected_time_is_the_area_of_the_curve(churn, log):
    grid = np.linspace(0, 45, 901)
    area = trapezoid(churn.survival(log, list(grid)).drop("who").to_numpy(), grid, axis=1)
    found = churn.expected(log, 45)["expected_days"].to_numpy()
    assert found == pytest.approx(area, rel=1e-4)
    assert (found < 45).all()


def test_beyond_the_horizon_the_last_hazard_goes_on(churn, log):
    curve = churn.survival(log, [27.5, 30, 32.5, 35]).drop("who").to_numpy()
    ratio = curve[:, 1:] / curve[:, :-1]
    assert ratio == pytest.approx(np.repeat(ratio[:, :1], 3, axis=1))


def test_times_are_counted_in_intervals_and_censored_where_the_log_ends():
    rows = [("a", 0), ("a", 1), ("b", 0), ("b", 10), ("c", 0), ("d", 0), ("d", 13)]
    frame = pl.DataFrame({"who": [w for w, _ in rows], "when": [START + datetime.timedelta(days=d) for _, d in rows]})
    log = EventLog(frame, customer="who", time="when")
    origin = np.datetime64("2024-01-01")
    found = {days: came_in(log, origin, origin + span(days), 24, 12).tolist() for days in (13, 14, 1)}  # of two days
    assert found[13] == [[0, 1], [4, 1], [5, 0], [5, 0]]
    assert found[14] == [[0, 1], [4, 1], [6, 0], [6, 1]]
    assert found[1] == [[-1, 0]] * 4


def test_nothing_is_learned_from_windows_too_short_to_see_an_interval(log):
    _, told = ChurnHazard(horizon=30, **SMALL).told(log.per_day(), log.last_day)
    assert set(told.weight) <= {0.0, 1.0}
    assert ((told.target[:, 0] >= 0) & (told.target[:, 0] < 12)).all()


def test_calibration_finds_the_shift_of_all_hazards():
    rng = np.random.default_rng(0)
    logits = rng.normal(-2, 1, (4000, 6))
    hazard = 1 / (1 + np.exp(-(0.8 * logits + 0.7)))
    hits = rng.uniform(size=hazard.shape) < hazard
    came = hits.any(axis=1)
    target = np.column_stack([np.where(came, hits.argmax(axis=1), 5), came]).astype(float)
    assert HAZARDS.fit(logits, target) == pytest.approx([0.8, 0.7], abs=0.08)


def test_a_steady_rate_is_found_for_every_horizon():
    """Everybody buys at random at the one rate of 1/20 a day: survival is exp(-days/20)."""
    rng = np.random.default_rng(1)
    times = [(n, d) for n in range(400) for d in np.cumsum(rng.exponential(20, 20)) if d < 200]
    rows = [(f"c{n}", START + datetime.timedelta(days=int(d))) for n, d in times]
    log = EventLog(pl.DataFrame(rows, schema=["who", "when"], orient="row"), customer="who", time="when")
    churn = ChurnHazard(horizon=36, units=4, epochs=6, seeds=1, learning_rate=0.02, backend="numpy").fit(log)
    means = churn.survival(log, [9, 18, 36]).drop("who").mean().row(0)
    assert means == pytest.approx([np.exp(-days / 20) for days in (9, 18, 36)], abs=0.07)
    assert churn.verdict_ != "rnn"


@pytest.mark.parametrize("days", [-1, float("nan")])
def test_days_that_are_none_are_refused(churn, log, days):
    with pytest.raises(ContractError, match="days"):
        churn.survival(log, [days])
