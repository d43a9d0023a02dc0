"""Contracts: who has cancelled is asked about no more, and only a cancellation ends one."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import SMALL, WITH_EVENTS, contracts, unjudged

from rnncore.errors import ContractError, DataError
from rnncore.marketing import ContractChurn, EventLog

START = datetime.date(2024, 1, 1)


@pytest.fixture(scope="module")
def log():
    return EventLog(contracts(), **WITH_EVENTS)


@pytest.fixture(scope="module")
def fitted(log):
    return ContractChurn(horizon=30, cancel="gone", **SMALL).fit(log)


def still(log, day):
    """Ids of those who are there on that day and have not cancelled."""
    frame = contracts().filter(pl.col("when") <= day)
    gone = frame.filter(pl.col("what") == "gone")["who"]
    return sorted(set(frame["who"]) - set(gone))


def test_its_curve_is_called_what_it_is(fitted, log):
    (head,) = fitted.further(log)
    assert head == "P(contract kept) for so many days from now" and head.startswith(fitted.printed)


def test_only_contracts_that_run_are_answered_for(fitted, log):
    day = datetime.date(2024, 5, 1)
    assert fitted.predict(log, at=day)["who"].to_list() == still(log, day)
    assert 0 < len(still(log, day)) < len(log.until(day).customers)


def test_who_has_left_is_not_explained_in_words(fitted, log):
    gone = sorted(set(log.customers.tolist()) - set(fitted.predict(log)["who"].to_list()))[0]
    with pytest.raises(DataError, match=f"customer {gone!r} is asked about no more, as where a contract has ended"):
        fitted.explain(log, gone)


def test_what_is_judged_is_whether_a_cancellation_came(fitted, log):
    held = fitted.held_out_
    gone = contracts().filter((pl.col("what") == "gone") & (pl.col("when") > held.origin.astype(object)))["who"]
    assert held.customers.tolist() == still(log, held.origin.astype(object))
    assert held.target.tolist() == [float(who not in set(gone)) for who in held.customers]


def test_no_method_without_an_end_that_is_seen_is_among_the_rivals(fitted):
    simple = {"recency", "rfm", "rfm-windows", "rfm, columns", "rfm-windows, columns"}
    assert {rival.name for rival in fitted.table_} == {"rnn", "constant rate", *simple}


def test_a_quiet_customer_has_not_left():
    rng = np.random.default_rng(0)
    rows = []
    for n in range(300):  # nobody comes twice within the horizon; whoever pays by mail leaves soon
        end, way = rng.exponential(60), n % 2
        times = [d for d in range(int(rng.integers(60)), 200, 60) if d < end or not way]
        rows += [(n, START + datetime.timedelta(days=d), "paid", float(way + 1)) for d in times]
        if way and times and end < 200 and end > times[-1]:
            rows.append((n, START + datetime.timedelta(days=int(end) + 1), "left", 2.0))
    frame = pl.DataFrame(rows, schema=["who", "when", "what", "paid"], orient="row")
    log = EventLog(frame, customer="who", time="when", event="what", value="paid")
    words = {"units": 6, "epochs": 8, "seeds": 1, "learning_rate": 0.02, "backend": "numpy"}
    task = unjudged(ContractChurn(horizon=30, cancel="left", **words), log)
    answers = task.predict(log)
    loyal = answers.filter(pl.col("who") % 2 == 0)["stay_probability"].mean()
    others = answers.filter(pl.col("who") % 2 == 1)["stay_probability"].mean()
    assert loyal > 0.9 > others


def test_a_row_for_each_customer_alone_is_no_log_of_contracts():
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=5 * k) for k in range(60)]
    table = pl.DataFrame({"id": range(60), "start": days, "left": [k % 3 == 0 for k in range(60)]})
    log = EventLog(table, customer="id", time="start", event="left")
    with pytest.raises(DataError, match=r"every 'true' is on the first day of its customer: .* bring a row for that"):
        ContractChurn(horizon=30, cancel="true", **SMALL).fit(log)


def test_a_word_that_never_comes_is_a_clear_error(log):
    with pytest.raises(DataError, match=r"no event of the log is 'farewell' \(there are .*'gone'\): say with cancel="):
        ContractChurn(horizon=30, cancel="farewell", **SMALL).fit(log)


def test_contracts_that_are_all_kept_are_a_clear_error():
    days = [START + datetime.timedelta(days=d) for d in range(0, 200, 10)]
    rows = [(who, day, "paid") for who in "ab" for day in days] + [("c", START, "paid"), ("c", days[1], "gone")]
    kept = EventLog(
        pl.DataFrame(rows, schema=["who", "when", "what"], orient="row"), customer="who", time="when", event="what"
    )
    with pytest.raises(DataError, match="everybody keeps the contract in the training windows: there is nothing to"):
        ContractChurn(horizon=30, cancel="gone", **SMALL).fit(kept)


@pytest.mark.parametrize("word", ["", None, 3])
def test_a_word_that_is_none_is_refused(log, word):
    with pytest.raises(ContractError, match="cancel: expected a word"):
        ContractChurn(cancel=word).fit(log)


def by_plan(customers=300, days=240, seed=0):
    """Everybody pays the same every ten days; in plan b one leaves soon, and many change to it at some time."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(customers):
        changes, day = rng.integers(0, 2 * days), int(rng.integers(days))
        while day < days:
            plan = "b" if day >= changes else "a"
            if rng.random() < {"a": 0.005, "b": 0.12}[plan]:
                rows.append((n, START + datetime.timedelta(days=day), "left", plan))
                break
            rows.append((n, START + datetime.timedelta(days=day), "paid", plan))
            day += 10
    return pl.DataFrame(rows, schema=["who", "when", "what", "plan"], orient="row")


def test_a_plan_that_makes_people_leave_is_read():
    log = EventLog(by_plan(), customer="who", time="when", event="what", item="plan")
    settings = {"units": 6, "epochs": 12, "patience": 12, "learning_rate": 0.02, "latest": 10, "backend": "numpy"}
    task = ContractChurn(horizon=40, cancel="left", seeds=1, **settings).fit(log)
    latest = by_plan().sort("when").group_by("who").last().select("who", "plan")
    found = task.predict(log).join(latest, on="who").group_by("plan").agg(pl.col("stay_probability").mean())
    stay = dict(found.rows())
    assert stay["a"] > stay["b"] + 0.2
    assert task.table_["rnn"].has_signal and not task.table_["rfm"].has_signal
    with pytest.raises(DataError, match="was fitted with the columns"):
        task.predict(EventLog(by_plan(), customer="who", time="when", event="what"))


def test_further_columns_of_events_are_inputs(log):
    words = {"channel": "way", "extras": ["number"]}
    other = EventLog(contracts(), customer="who", time="when", event="what", **words)
    task = ContractChurn(horizon=30, cancel="gone", **SMALL).fit(other)
    assert {"number", "event: bought", "channel: web"} <= set(task.inputs(task.code_))
