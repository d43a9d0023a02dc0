"""What a task computes does not depend on how many threads the libraries may use."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import NAMES, SMALL, START, WITH_EVENTS, contracts, purchases
from sklearn.base import clone
from threadpoolctl import threadpool_info, threadpool_limits

from rnncore.marketing import Churn, EventLog, Subscriptions
from rnncore.marketing.learning.threads import one_thread


def test_a_fit_has_the_same_bits_on_one_thread_of_blas_and_two():
    log = EventLog(contracts(customers=3000), **WITH_EVENTS, channel="way")  # so many that BLAS shares out their sums
    task = Subscriptions(horizon=30, cancel="gone", period=10, **{**SMALL, "epochs": 1, "batch_size": 512})
    said = []
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            said.append(clone(task).fit(log))
    assert said[0].table_ == said[1].table_
    for name, one in said[0].held_out_.prediction.items():
        assert np.array_equal(one, said[1].held_out_.prediction[name]), name


SEEN = set()


class Watched(Churn):
    """Churn that writes down how many threads the libraries may use whenever a network is asked for."""

    def network(self, code):
        SEEN.update(pool["num_threads"] for pool in threadpool_info())
        return super().network(code)


@pytest.fixture(scope="module")
def fitted():
    return Watched(horizon=30, **SMALL).fit(
        EventLog(purchases().filter(pl.col("when") < START + datetime.timedelta(days=150)), **NAMES)
    )


@pytest.mark.parametrize("name", ["fit", "predict", "score", "evaluate", "explain"])
def test_the_libraries_have_one_thread_in_all_that_a_task_does_and_then_as_many_as_before(fitted, name):
    log = EventLog(purchases(), **NAMES)
    words = {"customer": "c001"} if name == "explain" else {}
    SEEN.clear()
    with threadpool_limits(2):
        before = threadpool_info()
        getattr(clone(fitted) if name == "fit" else fitted, name)(log, **words)
        assert threadpool_info() == before
    assert list(SEEN) == [1]


def test_an_error_leaves_the_threads_as_they_were():
    @one_thread
    def broken():
        raise KeyError

    before = threadpool_info()
    with pytest.raises(KeyError):
        broken()
    assert threadpool_info() == before
