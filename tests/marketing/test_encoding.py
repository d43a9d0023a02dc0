"""What the network and the simple methods read of a history, against a history written out by hand."""

import numpy as np
import polars as pl
import pytest

from rnncore.marketing import EventLog
from rnncore.marketing.learning.encoding import COLUMNS, encode, ladder, standing, summarise
from rnncore.marketing.learning.scaling import Scale, apply_scale, fit_scale
from rnncore.marketing.log.days import span

ORIGIN = np.datetime64("2024-03-01")


PLAIN = Scale(np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))


def encoded(log, length, horizon, latest):
    return encode(log, [(standing(log, ORIGIN), ORIGIN, length)], horizon, latest)


def read(log, length, horizon, latest):
    """What is read at the origin, unscaled."""
    return apply_scale(encoded(log, length, horizon, latest), PLAIN)


def log_of(rows):
    frame = pl.DataFrame(rows, schema=["who", "day", "paid", "things"], orient="row")
    return EventLog(frame, customer="who", time="day", value="paid", items="things").per_day()


@pytest.fixture
def log():
    """Customer a: 31 January and 10 February (two rows); customer b: 1 March, the origin itself."""
    return log_of(
        [
            ("a", "2024-01-31", 10.0, 1),
            ("b", "2024-03-01", 7.0, 2),
            ("a", "2024-02-10", 3.0, 1),
            ("a", "2024-02-10", 5.0, 4),
        ]
    )


def test_steps_of_two_histories_by_hand(log):
    steps = read(log, 30, 60, latest=50)
    expected = [
        [0, np.log(11), np.log(2), 0, 0, 0, 0],
        [np.log(11), np.log(9), np.log(6), 0, 0, 0, 0],
        [np.log(21), 0, 0, 1, np.log(2), np.log(31), np.log(0.5)],
        [0, np.log(8), np.log(3), 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, np.log(0.5)],
    ]
    assert steps.offsets.tolist() == [0, 3, 5]
    np.testing.assert_allclose(steps.values, expected, rtol=1e-6)


def test_a_summary_by_hand(log):
    s = summarise(log, ORIGIN)
    assert [column.tolist() for column in s] == [[20, 0], [2, 1], [18, 7], [30, 0]]


@pytest.fixture
def long_log():
    days = np.datetime64("2024-01-01") + np.arange(0, 60, 2).astype("timedelta64[D]")
    return log_of([("a", str(day), float(n), 1) for n, day in enumerate(days)])


def test_a_long_history_keeps_its_latest_events(long_log):
    steps = read(long_log, 30, 30, latest=4)
    assert np.expm1(steps.values[:-1, 1]) == pytest.approx([26, 27, 28, 29])


def test_the_first_event_kept_has_its_true_distance_from_the_one_before(long_log):
    assert np.expm1(read(long_log, 30, 30, latest=4).values[0, 0]) == pytest.approx(2)


def test_the_closing_step_counts_the_events_that_were_left_out(long_log):
    assert np.exp(read(long_log, 30, 30, latest=4).values[-1, COLUMNS.index("events")]) == pytest.approx(30)


def test_without_items_the_rows_of_a_day_are_counted():
    frame = pl.DataFrame({"who": ["a"] * 3, "day": ["2024-01-31", "2024-01-31", "2024-02-10"]})
    log = EventLog(frame, customer="who", time="day").per_day()
    assert np.expm1(read(log, 30, 30, latest=9).values[:-1, 2]) == pytest.approx([2, 1])


def test_the_order_in_which_a_day_was_added_up_leaves_no_trace():
    amounts = [0.1, 0.2, 0.3]
    one, other = (log_of([("a", "2024-02-10", x, 1) for x in xs]) for xs in (amounts, amounts[::-1]))
    assert np.array_equal(one.value, other.value)
    assert np.array_equal(read(one, 9, 9, 9).values, read(other, 9, 9, 9).values)


@pytest.mark.parametrize("horizon", [1, 2, 3, 7, 90, 181])
def test_every_window_of_the_ladder_is_over_by_its_end(horizon):
    end = np.datetime64("2024-06-30")
    assert all(origin + span(length) <= end for origin, length in ladder(end, horizon))


@pytest.mark.parametrize("horizon", [1, 2, 3, 7, 90, 181])
def test_the_ladder_holds_the_latest_window_of_each_of_its_lengths(horizon):
    end = np.datetime64("2024-06-30")
    rungs = ladder(end, horizon)
    assert (end - span(horizon), horizon) in rungs
    assert {length for origin, length in rungs if origin + span(length) == end} == {length for _, length in rungs}


def test_the_ladder_has_long_windows_from_two_origins():
    rungs = ladder(np.datetime64("2024-06-30"), 90)
    assert [str(origin) for origin, length in rungs if length == 90] == ["2024-02-16", "2024-04-01"]


def test_the_ladder_has_no_window_twice():
    rungs = ladder(np.datetime64("2024-06-30"), 2)
    assert len(rungs) == len(set(rungs))


@pytest.fixture
def steps():
    rng = np.random.default_rng(0)
    days = np.datetime64("2024-01-01") + rng.integers(0, 60, 80).astype("timedelta64[D]")
    rows = [(f"c{n % 9}", str(day), float(n), n % 3 + 1) for n, day in enumerate(days)]
    return encoded(log_of(rows), 30, 60, 50)


def test_scaled_columns_have_mean_0_and_deviation_1_where_they_mean_something(steps):
    scaled = apply_scale(steps, fit_scale(steps)).values
    closing = scaled[:, COLUMNS.index("closing")] == 1
    parts = [scaled[:, 0], scaled[~closing, 1], scaled[~closing, 2], scaled[closing, 4], scaled[closing, 5]]
    assert [(p.mean(), p.std()) for p in parts] == [pytest.approx((0, 1), abs=1e-5)] * 5


def test_scaled_columns_are_0_where_they_mean_nothing(steps):
    scaled = apply_scale(steps, fit_scale(steps)).values
    closing = scaled[:, COLUMNS.index("closing")] == 1
    assert not scaled[closing, 1:3].any() and not scaled[~closing, 3:].any()


def test_a_column_without_spread_keeps_its_unit(steps):
    assert fit_scale(steps).deviation[COLUMNS.index("length")] == 1.0


def test_scaled_steps_are_float32(steps):
    assert apply_scale(steps, fit_scale(steps)).values.dtype == np.float32
