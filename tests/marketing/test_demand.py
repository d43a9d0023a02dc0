"""Demand: what a window may know, periods of every kind, known errors of simple methods, effects of the calendar."""

import datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from conftest import data_folder
from made_up import MADE_UP, SMALL, holidays, unjudged
from sklearn.base import clone

from rnncore.errors import ContractError, DataError
from rnncore.marketing import Demand, EventLog, demand
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.series import bands, series_rivals
from rnncore.marketing.series import series_windows as series
from rnncore.marketing.series.periods import Clock
from rnncore.marketing.series.series_effects import Effect, of_calendar, ordinary
from rnncore.sequences import Histories

START = datetime.date(2024, 1, 1)


def log_of(values, days=None, who="a", **words):
    days = [START + datetime.timedelta(days=d) for d in range(len(values))] if days is None else days
    frame = pl.DataFrame({"who": who, "when": days, "paid": np.asarray(values, float)})
    return EventLog(frame, customer="who", time="when", value="paid", **words)


def window(log, origin, latest=4, steps=3):
    """The columns of one window of the first series at an origin, a day after the start."""
    code = series.measure(log, None, False)
    at = Clock(code["every"], code["anchor"]).at(np.array([np.datetime64(START) + origin]))
    return series.encode(log, code, np.array([0]), at, latest, steps, np.ones(1))


@pytest.fixture(scope="module")
def case():
    task, frame, words = MADE_UP["demand"]()
    return task.fit(EventLog(frame, **words)), frame, words


def test_a_window_knows_nothing_after_its_origin():
    early, late = np.arange(40.0) % 7, np.arange(40.0) % 7
    late[21:] += 100
    code = series.measure(log_of(early), None, False)
    at = np.array([(np.datetime64(START) + 20).astype(int)])
    one, two = (series.encode(log_of(y), code, np.array([0]), at, 9, 5, np.ones(1)) for y in (early, late))
    assert np.array_equal(one.histories.values, two.histories.values)
    assert not np.array_equal(one.target.values, two.target.values)


def test_a_season_ago_lies_before_the_origin_however_far_ahead():
    found = window(log_of(np.arange(60.0)), origin=40, steps=9)
    ago = found.histories.values[-9:, series.AGO] * found.facts.spread + found.facts.level
    assert ago == pytest.approx([34, 35, 36, 37, 38, 39, 40, 34, 35], abs=1e-4)


def test_a_gap_is_masked_and_not_judged():
    values = np.arange(30.0)
    days = [START + datetime.timedelta(days=d) for d in range(30) if d not in (18, 22)]
    found = window(log_of(np.delete(values, (18, 22)), days), origin=20)
    assert found.histories.values[:, series.KNOWN].tolist() == [1, 0, 1, 1, 0, 0, 0]
    assert found.weight.values.tolist() == [0, 0, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("every", "days"),
    [
        ("day", ["2024-01-01", "2024-01-02", "2024-01-09"]),
        ("week", ["2023-12-27", "2024-01-03", "2024-01-17"]),
        ("month", ["2023-12-01", "2024-01-01", "2024-03-01"]),
        ("month", ["2023-12-31", "2024-01-31", "2024-02-29"]),
        ("quarter", ["2023-11-15", "2024-02-15", "2024-08-15"]),
        ("quarter", ["2023-12-31", "2024-03-31", "2024-06-30"]),
        ("year", ["2021-07-01", "2023-07-01", "2024-07-01"]),
    ],
)
def test_a_period_begins_on_its_day(every, days):
    days = np.array(days, "datetime64[D]")
    clock = Clock.of(log_of([1, 2, 3], days))
    assert clock.every == every
    assert np.array_equal(clock.day(clock.at(days)), days)
    assert np.array_equal(clock.at(days - 1), clock.at(days) - 1)


@pytest.mark.parametrize(("every", "step"), [("month", "M"), ("week", "W")])
def test_days_that_differ_make_calendar_periods_where_nearly_each_has_one(every, step):
    begin = np.datetime64("2020-01-02").astype(f"datetime64[{step}]") + np.arange(40)
    days = begin.astype("datetime64[D]") + np.arange(40) % 3
    clock = Clock.of(log_of(np.arange(40.0), days))
    assert clock.every == every
    assert np.array_equal(np.diff(clock.at(days)), np.ones(39))
    twice = np.append(days, days[-1] + 1)
    assert Clock.of(log_of(np.arange(41.0), twice)).every == "day"
    assert Clock.of(log_of(np.arange(20.0), days[::2])).every == "day"


def test_quarters_and_years_are_forecast_as_such():
    for every, many, step in (("quarter", 48, 3), ("year", 30, 12)):
        days = (np.datetime64("1990-01") + step * np.arange(many)).astype("datetime64[D]")
        log = log_of(10 + np.arange(float(many)) % 4, days)
        task = Demand(horizon=5 * 365, ahead=2, latest=8, **SMALL).fit(log)
        assert f"Forecast 2 {every}s at a time." in task.table_.reason
        assert ("seasonal naive" in {rival.name for rival in task.table_}) == (every == "quarter")
        ahead = (np.datetime64("1990-01") + step * (many + np.arange(2))).astype("datetime64[D]")
        assert task.predict(log)["day"].to_list() == ahead.tolist()


def test_a_log_of_other_periods_than_the_models_is_refused():
    task = Demand(horizon=365, ahead=6, latest=13, **SMALL).fit(monthly())
    assert "seasonal naive" in {rival.name for rival in task.table_}
    days = np.datetime64("2023-01-01") + np.arange(60)
    with pytest.raises(DataError, match="a value per month, and 'a' has several of that of 2023-01-01: add them up"):
        task.predict(log_of(np.arange(60.0), days))
    quarters = (np.datetime64("2018-01") + 3 * np.arange(20)).astype("datetime64[D]")
    with pytest.raises(DataError, match="a value per month, and the log has one per quarter: fit a model"):
        task.predict(log_of(np.arange(20.0), quarters))


def test_simple_methods_make_the_errors_on_air_passengers_that_are_known():
    """One month ahead, the last 48 of 144 months: last value 48.04; y[t-1] y[t-12] / y[t-13] 15.62."""
    months = pl.read_csv(data_folder("air_passengers") / "airline-passengers.csv")
    days = months["Month"].to_numpy().astype("datetime64[M]").astype("datetime64[D]")
    with pytest.warns(UserWarning, match="before 1971"):
        log = log_of(months["Passengers"].to_numpy(), days)
    task = Demand(horizon=1461, ahead=1, scale="log", latest=13, **SMALL).fit(log)
    scale = series.scales(log.until(task.held_out_.origin), task.code_)[0]
    found = {name: task.table_[name].measures["RMSSE"] * scale for name in ("last value", "seasonal drift")}
    assert found == pytest.approx({"last value": 48.04, "seasonal drift": 15.62}, abs=0.01)
    assert len(task.held_out_.target) == 48 and task.table_.of == "block"


def test_a_line_goes_on_through_gaps_and_one_value_alone_is_level():
    x = np.zeros((3, 7, 5))
    x[:, :5, series.KNOWN] = [[1, 1, 0, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    x[:2, :5, series.Y] = [[3, 5, 0, 9, 11], [4, 0, 0, 0, 0]]
    assert series_rivals._trend(x, 2, 7) == pytest.approx(np.array([[13, 15], [4, 4], [0, 0]]))


def test_an_error_of_one_is_a_change_over_a_season():
    log = log_of(np.arange(50.0) // 7 * 3)
    assert series.scales(log, series.measure(log, None, False)) == pytest.approx([3])


def test_one_period_ahead_direct_and_recursive_are_the_same():
    log = log_of(np.arange(60.0) % 7)
    ways = [Demand(horizon=14, ahead=1, latest=7, strategy=way, **SMALL) for way in ("direct", "recursive")]
    assert unjudged(ways[0], log).predict(log).equals(unjudged(ways[1], log).predict(log))


def test_a_recursive_network_reads_its_own_medians():
    log = log_of(np.arange(70.0) % 7 + np.arange(70) % 5)
    fitted = Demand(horizon=14, ahead=3, latest=9, strategy="recursive", **SMALL).fit(log)
    said = fitted.predict(log)["median"]
    x, facts = (fitted.asked(log, log.last_day, fitted.code_)[k] for k in (0, -1))
    x = x.values.copy()
    x[:, series.AHEAD] = 0
    for now in (9, 10, 11):
        x[now, series.AHEAD] = 1
        y = fitted.network_.forward(fitted.params_[0], x[now - 9 : now + 1, None])[0][-1, 0]
        x[now, [series.AHEAD, series.KNOWN, series.Y]] = 0, 1, np.median(y)
    assert x[9:, series.Y] * facts.spread + facts.level == pytest.approx(said.to_numpy(), rel=1e-4)


def test_quantiles_are_in_order_and_their_coverage_is_said(case):
    task, frame, words = case
    found = pl.DataFrame(task.predict(EventLog(frame, **words)))
    assert (found["low"] <= found["median"]).all() and (found["median"] <= found["high"]).all()
    inside = task.table_["rnn"].measures["inside 0.1-0.9"]
    assert f"{inside:.1%} of what came lay between" in task.table_.reason


def test_a_holiday_that_was_planted_has_an_effect(case):
    task, frame, words = case
    (effect,) = task.effects(EventLog(frame, **words))
    assert effect.what == "holiday = 1" and effect.change > 0
    assert "holiday = 1 means +" in task.table_.reason


def test_a_mark_is_taken_from_the_periods_ahead_and_not_from_those_with_whose_values_it_came():
    """Every other day or so has a deal, of which a network that knows the truth says that it brings 8."""
    deal = np.random.default_rng(0).uniform(size=60) < 0.45
    days = pl.DataFrame({"when": np.datetime64(START) + np.arange(60), "deal": deal.astype(float)})
    log = log_of(20 + 8.0 * deal, calendar=days)
    code = series.measure(log, None, False)
    place = series.names(code).index("deal")

    def says(_, asked):
        x, facts = asked.histories.values.reshape(len(asked.group), 9 + 3, -1), asked.facts
        value = x[:, :9, series.Y] * facts.spread[:, None] + facts.level[:, None]
        base = np.average(value - 8 * (x[:, :9, place] > 0), axis=1, weights=x[:, :9, series.KNOWN])
        said = np.zeros((*x.shape[:2], 3))
        said[:, 9:] = (base[:, None] + 8 * (x[:, 9:, place] > 0))[..., None]
        return said

    task = SimpleNamespace(seed=0, latest=9, ahead=3, _says=says)
    (effect,) = of_calendar(task, SimpleNamespace(code=code), log)
    assert effect.what == "deal = 1" and [effect.low, effect.change, effect.high] == pytest.approx([8, 8, 8], rel=1e-4)


def test_an_ordinary_calendar_differs_on_the_days_of_the_mark_alone():
    log = log_of(np.arange(60.0), calendar=holidays())
    days = np.datetime64(START) + np.arange(60)
    ((what, on, plain),) = ordinary(log, days, np.zeros(60, int))
    assert what == "holiday = 1" and np.array_equal(on, np.arange(60) % 17 == 3)
    assert not plain.calendar.columns.numbers["holiday"].any()
    assert log.calendar.columns.numbers["holiday"].any()


def test_rows_of_one_day_are_added_up(case):
    task, frame, words = case
    plain = {word: name for word, name in words.items() if word != "extras"}
    halves = pl.concat([frame.with_columns(pl.col("paid") / 2)] * 2).with_row_index("order")
    one = clone(task).fit(EventLog(frame, **plain))
    two = one.predict(EventLog(halves, **plain))
    said = clone(task).fit(EventLog(halves, **plain)).table_.reason
    assert f"The values of {len(frame):,} rows were added to others of their day." in said
    assert "were added" not in one.table_.reason
    assert np.allclose(two["median"], one.predict(EventLog(frame, **plain))["median"])
    with pytest.raises(DataError, match="has two rows"):
        clone(task).fit(EventLog(halves, **words))


@pytest.mark.parametrize(("left", "said"), [(24, False), (5, True)])
def test_a_last_day_with_fewer_hours_than_the_others_is_said(left, said):
    hours = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n) for n in range(24 * 39 + left)]
    task = Demand(horizon=14, ahead=3, latest=8, **SMALL).fit(log_of(np.arange(len(hours)) % 24, hours))
    warned = "The last day, 2024-02-09, has 5 of the usual 24: if it was not over" in task.table_.reason
    assert warned == said


def test_values_below_zero_have_no_logarithm():
    with pytest.raises(DataError, match="below 0"):
        Demand(horizon=14, scale="log", **SMALL).fit(log_of(np.arange(90.0) - 3, negative="keep"))


@pytest.mark.parametrize(("many", "drawn"), [(20, "series"), (2, "block")])
def test_many_series_are_drawn_as_a_whole_and_few_in_blocks_of_a_season(many, drawn):
    rows = [(f"s{n:02d}", START + datetime.timedelta(days=d), float(d % 5)) for n in range(many) for d in range(40)]
    frame = pl.DataFrame(rows, schema=["who", "when", "paid"], orient="row")
    log = EventLog(frame, customer="who", time="when", value="paid")
    task = Demand(ahead=1, latest=7)
    origin = log.last_day - np.timedelta64(14, "D")
    asked = task.judged(log, origin, task.told(log, origin)[0])
    _, group, counts = asked.judged()
    groups, of = task.drawn(asked, group, counts)
    assert of == drawn and len(groups) == many * 14
    assert np.bincount(groups).tolist() == ([14] * 20 if many == 20 else [7] * 4)


@pytest.mark.parametrize(("name", "value"), [("ahead", 0), ("strategy", "both"), ("scale", "cubic"), ("season", 0)])
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ContractError, match=name):
        Demand(**{name: value}).check()


def test_a_series_that_has_been_silent_for_a_whole_window_is_forecast_at_its_own_level():
    rng, days = np.random.default_rng(0), [datetime.date(2023, 1, 1) + datetime.timedelta(days=d) for d in range(200)]
    level = {"ended": 5000.0, "new": 20.0, "old": 30.0}
    rows = [
        (who, day, of + rng.normal()) for who, of in level.items() for day in days if who != "ended" or day < days[90]
    ]
    frame = pl.DataFrame(rows, schema=["who", "when", "sold"], orient="row")
    log = EventLog(frame, customer="who", time="when", value="sold")
    said = pl.DataFrame(unjudged(Demand(horizon=28, ahead=7, **SMALL), log).predict(log))
    for who, of in level.items():
        own = said.filter(who=who)
        assert len(own) == 7
        assert ((own["median"] - of).abs() < 0.5 * of).all()


def test_a_file_of_one_series_needs_no_column_that_says_so(tmp_path):
    days = np.datetime64("2024-01-01") + np.arange(90)
    sold = pl.DataFrame({"day": days, "sold": 50.0 + 20 * (np.arange(90) % 7 == 5)})
    task = Demand(horizon=14, ahead=7, units=4, epochs=1, backend="numpy", seeds=1)
    task.fit(EventLog(sold, time="day", value="sold")).save(tmp_path / "demand.safetensors")
    again = Demand.load(tmp_path / "demand.safetensors")
    said = again.predict(EventLog(sold, **again.reading_))
    assert said["series"].to_list() == ["all"] * 7
    assert "all" in str(again.explain(EventLog(sold, **again.reading_), "all"))


def test_the_report_has_the_effects_of_the_calendar(case):
    task, frame, words = case
    found = task.further(EventLog(frame, **words))
    forecasts, effects = found.values()
    many = frame["who"].n_unique()
    head = "The forecasts" if many <= 4 else f"The forecasts of the first 4 of {many} series"
    assert next(iter(found)) == head and head.startswith(task.printed)
    few = EventLog(frame.filter(pl.col("who").is_in(["s0", "s1"])), **words)
    assert next(iter(task.further(few))) == "The forecasts"
    assert effects["what"] == ["holiday = 1"]
    assert forecasts["who"] == [f"s{n}" for n in range(4) for _ in range(3)]


def monthly(months=72):
    """A value per month, busier in summer."""
    days = np.arange(np.datetime64("2018-01"), np.datetime64("2018-01") + months).astype("datetime64[D]")
    return log_of(100 + 10 * np.sin(np.arange(months) * np.pi / 6) + np.arange(months) % 5, days)


@pytest.mark.parametrize(
    ("log", "horizon", "ahead", "words"),
    [
        (
            monthly(),
            28,
            7,
            "a value per month: .* 28 days judges 1 month, and 7 .* say horizon=426 or more, or a smaller ahead",
        ),
        (monthly(), 300, 6, "judges 10 months, and 6 are forecast at a time, which must come twice"),
        (log_of(np.arange(60.0)), 5, 7, "a value per day: a horizon of 5 days judges 5 days"),
    ],
)
def test_a_horizon_that_does_not_hold_the_periods_ahead_is_refused_in_their_unit(log, horizon, ahead, words):
    with pytest.raises(DataError, match=words):
        Demand(horizon=horizon, ahead=ahead, **SMALL).fit(log)


def test_a_log_without_a_single_value_is_refused():
    with pytest.raises(DataError, match="no row has a value"):
        Demand().fit(log_of(np.full(90, np.nan), missing="keep"))


def test_the_share_of_an_effect_is_of_sizes_so_that_values_may_lie_below_zero():
    assert Effect.of("sale", np.array([-9.0]), np.array([-10.0])).share == pytest.approx(0.1)


def test_intervals_are_never_of_zero_width():
    task = Demand(horizon=365, ahead=6, latest=13, **SMALL).fit(monthly())
    assert task.table_.customers == 2
    assert all(rival.loss.low < rival.loss.value < rival.loss.high for rival in task.table_)
    assert "Forecast 6 months at a time." in task.table_.reason


@pytest.mark.parametrize("own", [False, True])
def test_a_calendar_that_ends_before_the_days_ahead_is_refused_with_its_last_day(case, own, tmp_path):
    task, frame, words = case
    days = holidays(122)
    if own:
        ids = pl.DataFrame({"who": [f"s{n}" for n in range(4)]})
        rows = ids.join(holidays(), how="cross")
        days = rows.filter((pl.col("who") != "s2") | (pl.col("when") < START + datetime.timedelta(days=122)))
    days.write_csv(tmp_path / "free.csv")
    log = EventLog(frame.with_columns(pl.col("when")), **{**words, "calendar": tmp_path / "free.csv"})
    want = "free.csv ends on 2024-05-01" + (" for 's2'" if own else "") + ", and the forecast reaches to 2024-05-02"
    for call in (task.predict, task.require_answers):
        with pytest.raises(DataError, match=want):
            call(log)
    task.predict(log, at="2024-04-28")


def test_a_calendar_that_was_learned_from_must_come_again(case):
    task, frame, words = case
    plain = {word: name for word, name in words.items() if word != "calendar"}
    with pytest.raises(DataError, match=r"fitted with a calendar \(holiday\), and this log has none: name the table"):
        task.predict(EventLog(frame, **plain))


def test_the_shifts_of_few_errors_are_those_of_the_equation():
    size = np.array([[1.0, 1.0, 1.0], [np.nan, 5.0, -1.0]])
    errors = np.arange(19.0, 0, -1)[:, None, None] * size
    found = bands.shifts(errors, demand.LEVELS)
    assert found.tolist() == [[2, 0, 18], [0, 0, -2]]  # of 19: the 2nd and the 18th
    assert bands.shifts(np.full((3, 1, 3), np.nan), demand.LEVELS).tolist() == [[0, 0, 0]]


def test_one_error_is_not_taken_for_both_tails():
    assert bands.shifts(np.full((1, 1, 3), 7.0), demand.LEVELS).tolist() == [[0, 0, 0]]


def recent_of(begun, came, steps, reach):
    """Windows of one past period each, and these values ahead."""
    many = len(begun)
    offsets = np.arange(many + 1) * (steps + 1)
    ahead = np.concatenate([np.zeros((many, 1)), came], axis=1).ravel()
    weight = np.tile([0.0, *[1.0] * steps], many)
    one = np.ones(many)
    facts = series.Facts(0 * one, one, one, np.zeros((many, steps), "datetime64[D]"), steps, 7, False, None, begun)
    column = Histories(np.zeros((many * (steps + 1), 1)), offsets)
    windows = Examples(column, begun, target=Histories(ahead, offsets), weight=Histories(weight, offsets), facts=facts)
    return bands.Recent(windows, reach)


def test_bands_of_a_known_law_hold_what_they_say_at_each_step_ahead():
    """Deviations of 1, 2 and 4, one, two and three steps ahead, where the network says -1, 0 and 1 for all."""
    rng, size = np.random.default_rng(0), np.array([1.0, 2.0, 4.0])
    begun = np.arange(3000)
    recent = recent_of(begun, rng.normal(size=(3000, 3)) * size, 3, 3000)
    said = np.broadcast_to([-1.0, 0.0, 1.0], (4000, 3, 3))
    found = bands.calibrated(said, np.full(4000, 3003), recent, said[:3000], np.zeros((3, 3)), demand.LEVELS)
    came = rng.normal(size=(4000, 3)) * size
    inside = ((found[..., 0] <= came) & (came <= found[..., 2])).mean(axis=0)
    assert inside == pytest.approx(np.full(3, 0.8), abs=0.04)
    assert found[0, :, 2] == pytest.approx(1.2816 * size, rel=0.15)


def test_an_origin_is_calibrated_by_windows_that_were_complete_before_it_and_a_shift_is_met():
    begun = np.arange(100)
    came = np.where(begun[:, None] + [1, 2] > 60, 50.0, 0.0) + np.arange(100)[:, None] % 10
    said, at = np.zeros((2, 2, 3)), np.array([60, 100])
    recent = recent_of(begun, came, 2, 30)
    usual = np.full((2, 3), 7.0)
    found = bands.calibrated(said, at, recent, np.zeros((100, 2, 3)), usual, demand.LEVELS)
    assert found[0].max() < 10  # the shift at 61 is not known at 60
    assert found[1, 0, 0] >= 50
    later = recent._replace(windows=recent_of(begun, np.where(begun[:, None] > 58, 1e6, came), 2, 30).windows)
    assert np.array_equal(
        bands.calibrated(said[:1], at[:1], later, np.zeros((100, 2, 3)), usual, demand.LEVELS), found[:1]
    )
    assert (
        bands.calibrated(said, np.array([5, 5]), recent, np.zeros((100, 2, 3)), usual, demand.LEVELS).tolist()
        == [usual.tolist()] * 2
    )


def test_a_step_ahead_whose_values_are_rarely_known_gets_what_is_usual():
    recent, usual = recent_of(np.arange(40), np.zeros((40, 2)), 2, 40), np.full((2, 3), 7.0)
    weight = recent.windows.weight.values.reshape(40, 3).copy()
    weight[bands.FEWEST - 1 :, 2] = 0.0
    known = Histories(weight.ravel(), recent.windows.weight.offsets)
    recent = recent._replace(windows=recent.windows._replace(weight=known))
    found = bands.calibrated(np.zeros((1, 2, 3)), np.array([42]), recent, np.zeros((40, 2, 3)), usual, demand.LEVELS)
    assert found.tolist() == [[[0, 0, 0], [7, 7, 7]]]


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_a_series_of_known_quantiles_is_covered(strategy):
    """A season and noise: of the days judged, four in five lie within the bands, whatever the strategy."""
    rng = np.random.default_rng(1)
    values = 100 + 20 * (np.arange(500) % 7 == 5) + rng.normal(0, 5, 500)
    task = Demand(horizon=140, ahead=2, latest=14, strategy=strategy, units=4, epochs=4, seeds=1, backend="numpy")
    inside = task.fit(log_of(values)).table_["rnn"].measures["inside 0.1-0.9"]
    assert inside == pytest.approx(0.8, abs=0.08)


def test_windows_that_the_network_was_taught_calibrate_nothing(case):
    task, frame, words = case
    work = task.prepare(EventLog(frame, **words))
    clock = Clock(task.code_["every"], task.code_["anchor"])
    late = task.asked(work, work.last_day, task.code_).facts
    assert late.recent.windows.facts.origin.min() >= task.code_["taught"]
    assert late.recent.windows.facts.origin.max() + task.ahead <= late.origin.max()
    early = clock.day(np.array(task.code_["taught"]))
    assert task.asked(work, early.astype("datetime64[D]"), task.code_).facts.recent is None
