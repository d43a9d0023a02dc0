"""Segments: order and matching of groups, what is found where the truth is known, and where a customer stands."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import unjudged
from sklearn.metrics import adjusted_rand_score

from rnncore.errors import ContractError, DataError
from rnncore.marketing import Churn, EventLog, Segments, splits
from rnncore.marketing.segmenting import clusters
from rnncore.marketing.segmenting.table_source import distances

START = datetime.date(2024, 1, 1)
TINY = {"units": 8, "code": 3, "epochs": 4, "seeds": 1, "batch_size": 64, "learning_rate": 1e-2, "backend": "numpy"}


def two_kinds(customers=60, days=240, seed=0):
    """Half come every few days and stay, half come three times in the first weeks and then rarely; and a table of
    the customers that says which.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(customers):
        if n % 2:
            when = np.cumsum(rng.integers(3, 12, 60))
        else:
            when = np.concatenate([np.cumsum(rng.integers(2, 9, 3)), 30 + rng.integers(0, days - 30, 2)])
        rows += [(f"c{n:02d}", int(day), float(rng.gamma(4, 10))) for day in when if day < days]
    frame = pl.DataFrame(rows, schema=["who", "day", "paid"], orient="row")
    frame = frame.with_columns(when=pl.lit(START) + pl.duration(days=pl.col("day")))
    table = pl.DataFrame(
        {"who": [f"c{n:02d}" for n in range(customers)], "plan": [("a", "b")[n % 2] for n in range(customers)]}
    )
    return EventLog(frame, customer="who", time="when", value="paid", static=table)


LOG = two_kinds()
TRUTH = np.arange(60) % 2


@pytest.fixture(scope="module", params=["history", "future", "static"])
def fitted(request):
    seeds = 2 if request.param == "history" else 1
    return Segments(horizon=40, by=request.param, groups=2, **TINY | {"seeds": seeds}).fit(LOG)


def test_customers_of_a_kind_are_in_one_segment(fitted):
    found = pl.DataFrame(fitted.predict(LOG))
    assert adjusted_rand_score(TRUTH, found["segment"]) > 0.8


def test_segments_are_numbered_by_their_rate(fitted):
    found = fitted.profiles(LOG)
    assert found["segment"].to_list() == [1, 2]
    assert found["return_rate"].is_sorted(descending=True) and "value" in found.columns


def test_a_prototype_is_a_customer_of_its_segment(fitted):
    where = dict(pl.DataFrame(fitted.predict(LOG)).select("who", "segment").iter_rows())
    for row in fitted.profiles(LOG).iter_rows(named=True):
        assert where[row["prototype"]] == row["segment"]
        assert row["customers"] == list(where.values()).count(row["segment"])


def test_the_verdict_says_how_steady_the_segments_are(fitted):
    assert "stability" in fitted.table_.reason and "silhouette" in fitted.table_.reason


def test_sharpening_makes_memberships_sharper():
    sure = []
    for rounds in (0, 3):
        task = unjudged(Segments(horizon=40, groups=2, rounds=rounds, **TINY), LOG)
        sure.append(pl.DataFrame(task.predict(LOG))["membership"].mean())
    assert sure[1] > sure[0]


def test_a_customer_is_moved_only_by_a_margin():
    task = unjudged(Segments(horizon=40, by="future", groups=3, **TINY), LOG)
    every, never = (task.live(LOG, "c01", margin) for margin in (0.0, 2.0))
    assert every["segment"].equals(every["nearest"])
    assert never["segment"].n_unique() == 1
    assert every["day"].to_list() == sorted(set(LOG.of("c01").day.tolist()))
    moves = [task.live(LOG, "c01", margin)["segment"].diff().fill_null(0).ne(0).sum() for margin in (0.0, 0.1, 2.0)]
    assert moves == sorted(moves, reverse=True)


def test_after_the_last_day_live_and_predict_agree(fitted):
    who = LOG.customers[LOG.day[LOG.offsets[1:] - 1] == LOG.last_day][0]
    last = fitted.live(LOG, who, margin=0.0).row(-1, named=True)
    said = pl.DataFrame(fitted.predict(LOG)).filter(pl.col("who") == who).row(0, named=True)
    assert (last["nearest"], last["membership"]) == (said["segment"], pytest.approx(said["membership"], abs=1e-6))


def test_columns_of_the_customers_must_be_there_to_group_by_them():
    bare = EventLog(pl.DataFrame({"who": ["a", "b"], "when": [START] * 2}), customer="who", time="when")
    with pytest.raises(DataError, match="static="):
        Segments(by="static").fit(bare)
    with pytest.raises(ContractError, match="by"):
        Segments(by="colour").fit(LOG)


def test_groups_are_matched_by_the_customers_they_share():
    first = np.array([0, 0, 1, 1, 2])
    for order in ([2, 0, 1], [1, 2, 0]):
        other = np.array(order)[first]
        matched = clusters.alike(other, first, 3)
        assert np.array_equal(np.argsort(matched)[other], first)


def test_a_rate_is_shrunk_to_that_of_all():
    found = clusters.rates(np.array([0] * 90 + [1] * 10), np.array([1.0] * 90 + [0.0] * 10), 3)
    assert found.tolist() == pytest.approx([0.99, 0.45, 0.9])


def test_what_is_far_apart_is_steady_and_noise_is_not():
    rng = np.random.default_rng(0)
    apart = np.concatenate([rng.normal(0, 0.1, (50, 2)), rng.normal(5, 0.1, (50, 2))])
    noise = rng.normal(size=(100, 8))
    steady = []
    for code in (apart, noise):
        group = clusters.nearest(code, clusters.centres(code, 2, 0))
        steady.append((clusters.stability(code, group, 2, 0), clusters.silhouette(code, group, 0)))
    assert steady[0][0] > 0.99 > 0.8 > steady[1][0]
    assert steady[0][1] > 0.9 > 0.3 > steady[1][1]


def test_fewer_different_customers_than_groups_are_grouped():
    code = np.zeros((5, 2))
    assert clusters.centres(code, 3, 0).shape == (3, 2)
    assert clusters.nearest(code, clusters.centres(code, 3, 0)).tolist() == [0] * 5


def test_weeks_are_counted_back_from_the_day():
    found = clusters.series(LOG.until(LOG.first_day), LOG.first_day)
    assert (found[:, :-1] == 0).all() and (found[:, -1] == np.log(2)).all()


def table(customers=120, outcome=True, seed=0):
    """Two kinds of customers, a row each: one is young, of plan a, and mostly says yes; the age of some is unknown."""
    rng = np.random.default_rng(seed)
    kind = np.arange(customers) % 2
    age = [None if n % 9 == 4 else float(rng.normal((30, 60)[k], 4)) for n, k in enumerate(kind)]
    said = rng.uniform(size=customers) < np.where(kind == 0, 0.85, 0.15)
    columns = {"id": [f"c{n:03d}" for n in range(customers)], "age": age, "plan": [("a", "b")[k] for k in kind]}
    return pl.DataFrame({**columns, **({"left": np.where(said, "yes", "no").tolist()} if outcome else {})})


def read(frame):
    return EventLog(frame, customer="id", **({"outcome": "left"} if "left" in frame.columns else {}))


@pytest.fixture(scope="module", params=[True, False], ids=["outcome", "no outcome"])
def of_table(request):
    log = read(table(outcome=request.param))
    return log, Segments(by="static", groups=2, **TINY).fit(log)


def test_of_a_table_alone_customers_of_a_kind_are_in_one_segment(of_table):
    log, task = of_table
    found = pl.DataFrame(task.predict(log))
    assert found["id"].to_list() == log.customers.tolist()
    assert adjusted_rand_score(np.arange(120) % 2, found["segment"]) > 0.8


def test_a_table_is_judged_on_a_fifth_of_its_customers_against_groupings_of_its_columns(of_table):
    log, task = of_table
    rated = "outcome" in log.reading
    assert task.table_.customers == 120 // splits.ASIDE
    assert {row.name for row in task.table_} == {
        *("rnn", "k-means, columns", "k-means, standardised", "k-means, pca"),
        "constant rate" if rated else "one group",
    }
    assert task.table_.loss == ("log-loss" if rated else "squared distance")
    assert task.verdict_ != "no signal" and "stability" in task.table_.reason
    assert ("outcome_rate" in pl.DataFrame(task.predict(log)).columns) == rated


def test_of_a_table_an_answer_is_taken_apart_column_by_column(of_table):
    log, task = of_table
    found = task.explain(log, "c001")
    assert found.steps == task.inputs(task.code_) and found.gradient.shape == (5, 1)
    assert found.gradient.sum() == pytest.approx(found.answer - found.blank, abs=1e-6)
    assert set(found.columns()) == {"step", "gradient"}


def test_a_profile_of_a_table_says_what_sets_a_segment_apart(of_table):
    log, task = of_table
    found = task.profiles(log)
    by = dict(zip(found["mostly plan"], found["median age"], strict=True))
    assert by["a"] < 40 < 50 < by["b"]
    if "outcome" in log.reading:
        assert dict(zip(found["mostly plan"], found["outcome_rate"], strict=True))["a"] > 0.6
    (shown,) = task.further(log).values()
    assert "plan: a " in shown["what sets it apart (of all)"][0] and "(50%)" in shown["what sets it apart (of all)"][0]


def test_new_rows_of_a_table_need_no_outcome_once_it_is_learned(tmp_path):
    log = read(table())
    task = Segments(by="static", groups=2, **TINY).fit(log)
    task.save(tmp_path / "model")
    new = EventLog(table(outcome=False)[:7], customer="id")
    for one in (task, Segments.load(tmp_path / "model")):
        found = one.predict(new)
        assert found.columns == ["id", "segment", "membership", "outcome_rate"]
        assert found["segment"].equals(task.predict(log)["segment"][:7])
        assert one.question == task.question != Segments().question


def test_the_outcome_of_a_table_is_no_column_of_its_network():
    task = Segments(by="static", groups=2, **TINY).fit(read(table()))
    assert task.inputs(task.code_) == ["age", "age empty", "plan: other", "plan: a", "plan: b"]


def test_a_leak_of_a_table_is_seen_in_all_its_customers():
    frame = table().with_columns(pl.col("left").shuffle(seed=1))  # of 24 customers set aside no tree would grow
    frame = frame.with_columns(fee=pl.when(pl.col("left") == "yes").then(1.0).otherwise(2.0))
    reason = Segments(by="static", groups=2, **TINY).fit(read(frame)).table_.reason
    assert "Leak? Was this column known before the outcome: fee (alone 1.000" in reason and "age (" not in reason


def test_progress_of_a_table_names_no_day(capsys):
    Segments(by="static", groups=2, **{**TINY, "epochs": 1}).fit(read(table()), progress=True)
    shown = capsys.readouterr().err
    assert "judged network: 96 examples\n" in shown and "until" not in shown


def test_profiles_of_a_log_without_amounts_have_none():
    log = EventLog(pl.DataFrame({"who": LOG.customers[LOG.codes], "when": LOG.day}), customer="who", time="when")
    task = Segments(horizon=40, groups=2, **{**TINY, "epochs": 1}).fit(log)
    assert "value" not in task.profiles(log).columns
    (shown,) = task.further(log).values()
    assert "median events" in shown and "median value" not in shown


def test_a_table_without_signal_has_none():
    frame = table(400).with_columns(pl.col("left").shuffle(seed=1))
    assert Segments(by="static", groups=2, **TINY).fit(read(frame)).verdict_ == "no signal"


def test_distances_are_from_the_mean_of_those_told():
    found = distances(np.array([[1.0], [9.0], [4.0]]), np.array([0, 1, 2]), np.zeros((2, 1)), np.array([0, 1]))
    assert found.tolist() == [1.0, 81.0, 16.0]  # of the third group nobody was told: the mean of all


def test_what_a_table_cannot_say_is_an_error(of_table):
    log, task = of_table
    with pytest.raises(DataError, match="Segments needs a column time"):
        Segments(by="history").fit(log)
    with pytest.raises(DataError, match="needs a column time"):
        Churn().fit(log)
    with pytest.raises(DataError, match="no later days"):
        task.evaluate(log)
    with pytest.raises(DataError, match="has no days"):
        task.live(log, "c001")
    with pytest.raises(
        DataError, match="fitted on a table without times; this is a log with times: leave out the column time"
    ):
        task.predict(LOG)
    with pytest.raises(DataError, match="say a smaller groups="):
        Segments(by="static", groups=200, **TINY).fit(log)
