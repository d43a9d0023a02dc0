"""Time splits: origins, embargo, populations, labels, and that no future event changes a history."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rnncore.datasets import cdnow
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.log.days import span
from rnncore.marketing.splits import TimeSplit, cut, rolling_origins, time_split

FIRST = datetime.date(2024, 1, 1)


def day(number: int) -> datetime.date:
    return FIRST + datetime.timedelta(days=number)


def make(rows) -> EventLog:
    """A log of rows (customer, day number, value)."""
    columns = {"id": [r[0] for r in rows], "t": [day(r[1]) for r in rows], "v": [float(r[2]) for r in rows]}
    return EventLog(pl.DataFrame(columns), customer="id", time="t", value="v")


@pytest.fixture(scope="module")
def shop() -> EventLog:
    return EventLog(cdnow(), customer="customer", time="date", value="amount", items="items")


def test_cdnow_origins(shop):
    split = time_split(shop, 181)
    assert (split.train, split.test) == (np.datetime64("1997-07-03"), np.datetime64("1997-12-31"))


def test_cdnow_test_window_has_the_known_rate_of_return(shop):
    window = cut(shop, time_split(shop, 181).test, 181)
    assert len(window.index) == 23_570
    assert round(float(np.mean(window.count > 0)), 3) == 0.228


def test_cdnow_windows_share_out_the_money(shop):
    window = cut(shop, time_split(shop, 181).test, 181)
    assert window.history.value.sum() + window.value.sum() == pytest.approx(2_500_315.63, abs=1e-6)


def test_population_of_an_origin_has_bought_by_then(shop):
    window = cut(shop, "1997-01-31", 90)
    first = shop.day[shop.offsets[:-1]]
    assert shop.customers[first <= np.datetime64("1997-01-31")].tolist() == window.history.customers.tolist()


def test_horizon_longer_than_the_log_names_the_longest(shop):
    with pytest.raises(
        DataError, match=r"1997-01-01 to 1998-06-30 \(545 days\).*longest horizon that works is 272 days"
    ):
        time_split(shop, 300)


@pytest.mark.parametrize("words", [{}, {"test": "1997-10-01"}, {"test": "1998-04-01"}])
def test_the_longest_horizon_named_works_and_the_next_does_not(shop, words):
    with pytest.raises(DataError) as caught:
        time_split(shop, 10_000, **words)
    longest = int(str(caught.value).split("longest horizon that works is ")[1].split()[0])
    assert cut(shop, time_split(shop, longest, **words).test, longest).horizon == longest
    with pytest.raises(DataError, match="does not fit"):
        time_split(shop, longest + 1, **words)


def test_windows_are_counted_as_there_are(shop):
    with pytest.raises(DataError, match=r"2 windows of it one after another \(the last to judge by\) need 600;"):
        time_split(shop, 300)


def test_no_horizon_works_on_one_day():
    with pytest.raises(DataError, match="no horizon works"):
        time_split(make([(1, 0, 1), (2, 0, 1)]), 1)


def test_one_customer_only():
    with pytest.raises(DataError, match="one customer only"):
        time_split(make([(1, 0, 1), (1, 50, 1), (1, 100, 1)]), 30)


def test_one_customer_at_the_training_origin():
    with pytest.raises(DataError, match="1 of the customers has an event by 2024-02-10"):
        time_split(make([(1, 0, 1), (2, 50, 1), (1, 100, 1)]), 30)


def test_window_past_the_end_of_the_log():
    with pytest.raises(DataError, match="the log ends on 2024-04-10; the longest horizon from there is 10 days"):
        cut(make([(1, 0, 1), (2, 100, 1)]), day(90), 11)


def test_window_before_the_first_event():
    with pytest.raises(DataError, match="the log begins on 2024-01-01"):
        cut(make([(1, 0, 1), (2, 100, 1)]), day(-1), 11)


@pytest.mark.parametrize("horizon", [0, -3, 1.5, "30", True])
def test_horizon_is_a_whole_number_of_days(shop, horizon):
    with pytest.raises(ContractError, match="a whole number of days"):
        time_split(shop, horizon)


def test_a_split_that_sees_its_test_is_refused():
    with pytest.raises(ContractError, match="past 2024-04-01"):
        TimeSplit(30, np.datetime64("2024-03-03"), np.datetime64("2024-04-01"))


rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=25)


@given(rows, rows, st.integers(0, 59))
def test_no_event_after_the_origin_changes_a_history(past, futures, origin):
    past = [r for r in past if r[1] <= origin]
    assume(past)
    one, other = ([*past, *((c, origin + 1 + d, v) for c, d, v in future)] for future in (futures, [(9, 3, 1)]))
    a, b = make(one).until(day(origin)), make(other).until(day(origin))
    for name in ("customers", "offsets", "time", "value", "count"):
        assert np.array_equal(getattr(a, name), getattr(b, name))


@given(rows, st.integers(0, 40), st.integers(1, 20))
def test_labels_count_the_events_of_the_window_only(events, origin, horizon):
    log = make([*events, (0, 0, 0), (0, 60, 0)])
    window = cut(log, day(origin), horizon)
    inside = [r[0] for r in events if origin < r[1] <= origin + horizon]
    expected = [inside.count(customer) for customer in window.history.customers]
    assert window.count.tolist() == expected


@given(rows, st.integers(1, 60), st.none() | st.integers(60, 80))
def test_embargo_holds_for_every_split(events, horizon, test):
    log = make([*events, (0, 0, 0), (1, 0, 0), (0, 120, 0)])
    assume(test is None or test + horizon <= 120)
    split = time_split(log, horizon, test=None if test is None else day(test))
    assert split.train + span(horizon) <= split.test
    assert split.test + span(horizon) <= log.last_day


def test_rolling_origins_leave_room_for_training_before_and_judging_after():
    days = [str(np.datetime64("2024-01-01") + np.timedelta64(d, "D")) for d in range(100)]
    log = EventLog(pl.DataFrame({"id": [d % 5 for d in range(100)], "t": days}), customer="id", time="t")
    origins = rolling_origins(log, 20, 3, step=10)
    assert [str(origin) for origin in origins] == ["2024-02-29", "2024-03-10", "2024-03-20"]
    assert origins[-1] + span(20) == log.last_day
    with pytest.raises(DataError, match="does not fit"):
        rolling_origins(log, 20, 5)
    with pytest.raises(ContractError, match="count"):
        rolling_origins(log, 20, 0)
