"""Made-up subscribers: what is said to be true of them is."""

import numpy as np
import polars as pl
import pytest

from rnncore.datasets import subscriptions
from rnncore.datasets.contracts import PLANS
from rnncore.errors import ContractError


@pytest.fixture(scope="module", params=[0.0, 1.0])
def world(request):
    return request.param, subscriptions(3000, 24, seed=0, signal=request.param)


def decided(frame):
    """The payments with whether the next renewal was refused, where that is recorded."""
    following = pl.col("event").shift(-1).over("customer")
    paid = frame.with_columns(next=following).filter(pl.col("event") == "renew", pl.col("next").is_not_null())
    return paid.with_columns(left=(pl.col("next") == "cancel").cast(pl.Float64))


def test_renewals_are_refused_at_the_rate_that_is_said_to_be_true(world):
    _, frame = world
    seen = decided(frame).sort("chance")
    for k in range(5):
        part = seen[k * seen.height // 5 : (k + 1) * seen.height // 5]
        truth = part["chance"].mean()
        error = np.sqrt(truth * (1 - truth) / part.height)
        assert abs(part["left"].mean() - truth) < 4 * error


def test_the_chance_of_a_subscriber_is_constant_and_beta_without_a_signal_only(world):
    signal, frame = world
    own = frame.filter(pl.col("event") == "renew").group_by("customer").agg(pl.col("chance").n_unique())
    assert (own["chance"] == 1).all() == (signal == 0)
    if signal == 0:
        first = frame.group_by("customer").first()
        for plan, (_, alpha, beta) in PLANS.items():
            mine = first.filter(pl.col("plan") == plan)["chance"]
            assert mine.mean() == pytest.approx(alpha / (alpha + beta), abs=0.015)


def test_logins_tell_who_leaves_with_a_signal_only(world):
    signal, frame = world
    seen = decided(frame)
    means = seen.group_by("left").agg(pl.col("logins").mean()).sort("left")["logins"]
    gap = means[0] - means[1]
    assert gap > 1.0 if signal else abs(gap) < 0.7


def test_payments_are_thirty_days_apart_and_a_cancellation_is_the_end(world):
    _, frame = world
    gaps = frame.select(pl.col("date").diff().over("customer").dt.total_days()).drop_nulls()["date"]
    assert (gaps == 30).all()
    assert (
        frame.filter(pl.col("event") == "cancel").join(frame, on="customer")["date_right"] <= frame["date"].max()
    ).all()
    last = frame.group_by("customer", maintain_order=True).last()
    assert last["event"].eq("cancel").sum() == frame["event"].eq("cancel").sum()


def test_the_same_seed_gives_the_same_subscribers():
    assert subscriptions(20, 6, seed=3).equals(subscriptions(20, 6, seed=3))
    assert not subscriptions(20, 6, seed=3).equals(subscriptions(20, 6, seed=4))


@pytest.mark.parametrize("arguments", [(0, 6), (20, 0)])
def test_sizes_below_one_are_refused(arguments):
    with pytest.raises(ContractError):
        subscriptions(*arguments, seed=0)
