"""Journey: what comes after a touch, how journeys are cut, who gets credit, and a simulator whose truth is known."""

import csv
import datetime

import numpy as np
import polars as pl
import pytest
from conftest import data_folder
from made_up import MADE_UP, unjudged

from rnncore.datasets import journeys as simulator
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, Journey
from rnncore.marketing.journey import converts_and_next
from rnncore.marketing.journeys import attribution
from rnncore.marketing.journeys import touches as journeys
from rnncore.marketing.journeys.attribution import RULES
from rnncore.marketing.log.days import span

START = datetime.date(2024, 1, 1)
WORDS = {"customer": "who", "time": "day", "event": "event", "channel": "channel"}


def log_of(rows, **words):
    """(who, day, channel), where the channel "won" is a conversion."""
    frame = pl.DataFrame(rows, schema=["who", "day", "channel"], orient="row").with_row_index("place")
    won = pl.col("channel") == "won"
    frame = frame.with_columns(
        day=pl.lit(START) + pl.duration(days=pl.col("day")),
        event=pl.when(won).then(pl.lit("conversion")).otherwise(pl.lit("touch")),
        channel=pl.when(won).then(None).otherwise(pl.col("channel")),
    )
    return EventLog(frame, **WORDS, **words)


LOG = log_of([("a", 0, "ad"), ("a", 3, "mail"), ("a", 5, "won"), ("a", 30, "ad"), ("b", 1, "ad"), ("b", 1, "web")])


def asked(log, horizon):
    kinds, won = journeys.kinds(log, "conversion")
    at = journeys.moments(log, won)
    target, after = journeys.came(log, won, at, horizon)
    return at.tolist(), target.tolist(), [None if k < 0 else kinds.levels[kinds.codes[k]] for k in after]


@pytest.mark.parametrize(
    ("horizon", "target", "after"),
    [
        (2, [0, 1, 0, 0], [None, "conversion", None, None]),
        (4, [0, 1, 0, 0], ["mail", "conversion", None, None]),
        (5, [1, 1, 0, 0], ["mail", "conversion", None, None]),
    ],
)
def test_what_comes_is_counted_within_the_horizon_and_of_the_same_customer(horizon, target, after):
    assert asked(LOG, horizon) == ([0, 1, 3, 5], target, after)  # none after a conversion, one after two of one time


def test_a_word_that_is_no_conversion_is_answered_with_those_there_are_and_how_many_more():
    rows = [(f"c{n}", START + datetime.timedelta(days=n), f"e{min(n, 7)}") for n in range(9)]
    log = EventLog(
        pl.DataFrame(rows, schema=["who", "day", "event"], orient="row"), customer="who", time="day", event="event"
    )
    with pytest.raises(DataError, match=r"is 'won' \(there are 'e7', 'e0', 'e1', 'e2', 'e3' and 3 more\)"):
        Journey(horizon=2, convert="won").told(log, log.last_day)


@pytest.mark.parametrize("between", [" > ", "->", " → "])
def test_rows_that_are_whole_paths_are_told_from_touches(between):
    said = [between.join(("search", "mail", "ad")[: 1 + n % 3]) + f"{n % 4}" for n in range(60)]
    log = log_of([(f"c{n}", n, said[n]) for n in range(60)])
    with pytest.raises(
        DataError, match=r"one row, and its channel is a whole path, as 'search.*attribution gives credit"
    ):
        Journey(horizon=5).fit(log)


def test_the_longest_horizon_that_fits_is_said():
    log = log_of([("a", 0, "ad"), ("a", 41, "won")])
    with pytest.raises(DataError, match="four horizons of 30 days must fit: choose one of 10 days at most"):
        Journey(horizon=30).origin(log)


def test_touches_after_which_nothing_is_bought_are_a_clear_error():
    rows = [(who, day, "ad" if day else "won") for who in "ab" for day in range(0, 100, 5)]
    with pytest.raises(
        DataError, match=r"^no touch until 2024-03-16 is followed by a conversion within 10 days: there"
    ):
        Journey(horizon=10, seeds=1).fit(log_of(rows))


def test_the_newest_moments_are_those_of_the_latest_horizon_whose_end_is_known():
    rows = [(f"c{n}", day + n % 7, "won" if day == 40 else "ad") for n in range(30) for day in range(0, 80, 8)]
    log = log_of(rows)
    task, end = Journey(horizon=10), log.last_day - span(5)
    work = log.until(end)
    at = journeys.moments(work, journeys.kinds(work, "conversion")[1])
    at = at[work.day[at] <= end - span(10)]
    newest = task.told(log, end)[1].newest
    assert 0 < newest.sum() < len(newest)
    assert np.array_equal(newest, work.day[at] > end - span(20))


def test_events_of_one_time_have_an_order_where_a_column_says_so():
    assert asked(log_of([("b", 1, "ad"), ("b", 1, "web")], order="place"), 5)[0] == [0, 1]


def test_a_journey_ends_with_a_conversion_or_a_long_silence():
    found = journeys.cut(LOG, "conversion", window=10)
    paths = found.paths
    names = [
        [paths.channels[c] for c in paths.codes[a:b]] for a, b in zip(paths.offsets, paths.offsets[1:], strict=False)
    ]
    assert names == [["ad", "mail"], ["ad"], ["ad", "web"]]
    assert (paths.converted.tolist(), paths.lost.tolist(), found.first.tolist()) == ([1, 0, 0], [0, 1, 1], [0, 3, 4])
    assert paths.before.tolist() == [5, 2, 0, 0, 0]


def test_a_conversion_long_after_the_last_touch_is_not_its_own():
    with pytest.raises(DataError, match="no conversion"):
        journeys.cut(log_of([("a", 0, "won"), ("b", 0, "won")]), "conversion", window=10)
    found = journeys.cut(log_of([("a", 0, "ad"), ("a", 50, "won"), ("b", 0, "ad"), ("b", 1, "won")]), "conversion", 10)
    assert found.paths.converted.tolist() == [0, 1]


def test_rules_and_chains_give_the_same_through_a_log_as_on_paths():
    with open(data_folder("channel_attribution") / "Data.csv") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";")][:400]
    touches = [row["path"].split(" > ") for row in rows]
    won = [float(row["total_conversions"]) > 0 for row in rows]
    events = [
        (f"j{n:03d}", day, way)
        for n, path in enumerate(touches)
        for day, way in enumerate([*path, *(["won"] if won[n] else [])])
    ]
    through = journeys.cut(log_of(events), "conversion", window=5).paths
    direct = attribution.paths(touches, np.array(won, float), 1 - np.array(won, float))
    assert through.channels == direct.channels
    for name in ("first", "last", "linear", "position", "markov", "shapley"):
        assert RULES[name](through) == pytest.approx(RULES[name](direct))


def test_what_touches_are_worth_is_shared_out_within_a_journey():
    found = journeys.cut(log_of([("a", 0, "ad"), ("a", 1, "mail"), ("a", 2, "won"), ("b", 0, "ad"), ("b", 1, "won")]),
                         "conversion", 10)  # fmt: skip
    credit = journeys.credit(found, {"own": np.array([0.1, 0.3, 0.0])}, np.array([0, 1]), seed=0)
    assert dict(zip(credit.channels, credit.methods["own"], strict=True)) == pytest.approx({"ad": 1.25, "mail": 0.75})


def test_a_rate_of_few_rows_is_drawn_to_the_broader_one_and_leaves_the_row_itself_out():
    half = np.full(3, 0.5)
    told, asked = journeys._rates(np.array([1, 1, 2]), np.array([1, 2, 9]), np.array([1.0, 0.0, 1.0]), half, half)
    assert told == pytest.approx([5 / 11, 6 / 11, 0.5])
    assert asked == pytest.approx([6 / 12, 6 / 11, 0.5])


def test_the_derivative_of_both_losses_together_agrees_with_the_complex_step():
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=(4, 5)), rng.uniform(size=4)
    target = np.column_stack([[0, 1, 1, 0], [3, 0, 2, 1]]).astype(float)
    _, dz = converts_and_next(z, target, w)
    for place in np.ndindex(z.shape):
        step = z.astype(complex)
        step[place] += 1e-30j
        assert converts_and_next(step, target, w)[0].imag / 1e-30 == pytest.approx(dz[place], rel=1e-12, abs=1e-15)


@pytest.fixture(scope="module")
def fitted():
    task, frame, words = MADE_UP["journey"]()
    log = EventLog(frame, **words)
    return task.fit(log), log


def test_every_method_gives_all_conversions_away(fitted):
    task, log = fitted
    credit = task.attribution(log, journeys_read=10)
    total = credit.methods["last"].sum()
    assert {*RULES, "removal", "gradient", "attention"} == set(credit.methods)
    for name, own in credit.methods.items():
        assert own.sum() == pytest.approx(total) and (own >= 0).all()
        assert (credit.intervals[name][:, 0] <= credit.intervals[name][:, 1]).all()


def test_what_comes_next_is_a_distribution(fitted):
    task, log = fitted
    found = task.next_events(log)
    assert found.select(pl.sum_horizontal(pl.exclude("customer"))).to_series().to_numpy() == pytest.approx(1.0)
    assert {"nothing", "mail", "conversion", "other"} < set(found.columns)


def test_moments_name_every_kind_of_touch_the_largest_change_first(fitted):
    task, log = fitted
    found = task.moments(log)
    assert {moment.kind for moment in found} == {"affiliate", "direct", "display", "mail", "search", "social"}
    assert found == sorted(found, key=lambda moment: -abs(moment.change))


def test_transitions_and_handover_count_what_follows_what():
    task = Journey(horizon=10)
    kinds, share = task.transitions(LOG)
    assert kinds == ["ad", "conversion", "mail", "web"]
    assert share[0] == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])
    assert share[1] == pytest.approx([1, 0, 0, 0, 0])
    channels, count = task.handover(LOG)
    assert count[channels.index("ad"), channels.index("mail")] == count.sum() == 1


def test_the_next_event_is_judged_too(fitted):
    for word in ("What comes next", "markov-1", "markov-2"):
        assert word in fitted[0].table_.reason


def test_the_worth_of_a_channel_is_what_is_lost_without_its_effect(monkeypatch):
    module = __import__("rnncore.datasets.journeys", fromlist=["EFFECT"])
    whole = simulator(customers=1000, seed=1)
    monkeypatch.setattr(module, "EFFECT", module.EFFECT * (np.array(whole.channels) != "mail"))
    without = simulator(customers=1000, seed=1)
    lost = sum(sign * (found.frame["event"] == "conversion").sum() for sign, found in ((1, whole), (-1, without)))
    mail = whole.channels.index("mail")
    assert lost == pytest.approx(whole.worth[mail], abs=3 * np.sqrt(whole.worth[mail]))
    assert without.worth[mail] == 0 and whole.worth[whole.channels.index("social")] == 0


@pytest.mark.parametrize(("name", "value"), [("convert", ""), ("window", 0)])
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ContractError, match=name):
        Journey(**{name: value}).check()


def test_the_report_has_moments_transitions_credit_its_intervals_and_handover(fitted):
    task, log = fitted
    found = task.further(log)
    assert len(found) == 5
    for table in found.values():
        assert len({len(column) for column in table.values()}) == 1


@pytest.mark.parametrize("verdict", ["no signal", "rnn", "baseline:logistic"])
def test_credit_by_a_network_without_signal_is_said_to_be_chance(fitted, monkeypatch, verdict):
    task, log = fitted
    monkeypatch.setattr(task, "verdict_", verdict)
    (head,) = [head for head in task.further(log) if head.startswith(task.printed)]
    assert ("removal, gradient, attention) is chance" in head) == (verdict == "no signal")


def test_a_log_without_a_conversion_has_transitions_and_no_credit():
    case = MADE_UP["journey"]()
    log = EventLog(case.frame, **case.words)
    task = unjudged(case.task, log)
    assert list(task.printed) == [head for head in task.further(log) if head.startswith("Credit")]
    lost = EventLog(case.frame.filter(pl.col("event") != task.convert), **case.words)
    assert not any(head.startswith("Credit") for head in task.further(lost))
