"""Segments: order and matching of groups, what is found where the truth is known, and where a customer stands."""

import datetime

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import adjusted_rand_score

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, Segments, clusters

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
    assert found["return_rate"].is_sorted(descending=True)


def test_a_prototype_is_a_customer_of_its_segment(fitted):
    where = dict(pl.DataFrame(fitted.predict(LOG)).select("who", "segment").iter_rows())
    for row in fitted.profiles(LOG).iter_rows(named=True):
        assert where[row["prototype"]] == row["segment"]
        assert row["customers"] == list(where.values()).count(row["segment"])


def test_the_verdict_says_how_steady_the_segments_are(fitted):
    assert "stability" in fitted.table_.reason and "silhouette" in fitted.table_.reason


def test_sharpening_makes_memberships_sharper():
    sure = []
    for rounds in (0, 6):
        task = Segments(horizon=40, groups=2, rounds=rounds, **TINY).fit(LOG)
        sure.append(pl.DataFrame(task.predict(LOG))["membership"].mean())
    assert sure[1] > sure[0]


def test_a_customer_is_moved_only_by_a_margin():
    task = Segments(horizon=40, by="future", groups=3, **TINY).fit(LOG)
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
