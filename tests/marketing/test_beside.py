"""Columns beside the events, in churn: what stands in which step, what is learned from it, what must not be read."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import SMALL, WITH_EVENTS, contracts, holidays, purchases, unjudged

from rnncore.errors import DataError
from rnncore.marketing import Churn, ChurnHazard, EventLog, metrics
from rnncore.marketing.contract_churn import ContractChurn
from rnncore.marketing.learning import beside
from rnncore.marketing.learning.encoding import COLUMNS, encode, names, standing
from rnncore.marketing.learning.scaling import Scale, apply_scale

START = datetime.date(2024, 1, 1)
KINDS = {"customer": "who", "time": "when"}


def visits(customers=120, days=160, seed=0):
    """New customers every day: of each two one comes again and again, every eight days or so, and one never again."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(customers):
        first = rng.integers(0, days)
        times = first + np.append(0, np.cumsum(rng.exponential(8, 40)))[: 41 if n % 2 else 1]
        rows += [(f"c{n:03d}", START + datetime.timedelta(days=int(d))) for d in times if d < days]
    rows.append(("c001", START + datetime.timedelta(days=days)))
    return pl.DataFrame(rows, schema=["who", "when"], orient="row")


def people(customers=120):
    kinds = ["stays" if n % 2 else "once" for n in range(customers)]
    return pl.DataFrame({"who": [f"c{n:03d}" for n in range(customers)], "kind": kinds})


def log_of(**words):
    rows = [("a", 0, 1.0), ("a", 3, 2.0), ("b", 1, 3.0), ("b", 9, 4.0)]
    days = [START + datetime.timedelta(days=d) for _, d, _ in rows]
    frame = pl.DataFrame({"who": [w for w, *_ in rows], "when": days, "paid": [v for *_, v in rows]})
    return EventLog(frame, **KINDS, value="paid", **words)


def read(log, length, code, day=None):
    """What is read of each customer on a day, by default the last one, unscaled."""
    day, width = log.last_day if day is None else day, len(names(False, code))
    found = encode(log, [(standing(log, day), day, length)], length, latest=9, code=code)
    return apply_scale(found, Scale(np.zeros(width), np.ones(width)))


def test_an_event_shows_its_day_and_the_closing_step_the_mean_of_the_days_ahead():
    dates = [START + datetime.timedelta(days=d) for d in range(20)]
    log = log_of(calendar=pl.DataFrame({"when": dates, "warmth": [float(d) for d in range(20)]}))
    code = beside.measure(log)
    mean, deviation, _ = code["calendar"]["numbers"]["warmth"]
    encoded = read(log, 4, code).values[:, len(COLUMNS)]
    told = (np.log1p([0.0, 3.0, 1.0, 9.0]) - mean) / deviation
    ahead = ((np.log1p([10.0, 11.0, 12.0, 13.0]) - mean) / deviation).mean()
    assert encoded == pytest.approx([*told[:2], ahead, *told[2:], ahead], abs=1e-6)


@pytest.mark.parametrize(
    ("days", "gone"), [(range(20), None), ([0, 1, 2, 5, 6], 2), (range(0, 20, 7), None), ([19, 0, 1], 17)]
)
def test_days_that_a_calendar_by_day_leaves_out_are_counted(days, gone):
    dates = [START + datetime.timedelta(days=d) for d in days]
    calendar = pl.DataFrame({"when": dates, "warmth": [1.0] * len(dates)})
    lines = {check.name: check.rows for check in log_of(calendar=calendar).quality()}
    assert lines.get("calendar: days without row") == gone


def test_a_calendar_by_customer_is_read_for_each():
    dates = [START + datetime.timedelta(days=d) for d in range(20)]
    rows = {"who": ["a"] * 20 + ["b"] * 20, "when": dates * 2, "price": [1.0] * 20 + [5.0] * 20}
    log = log_of(calendar=pl.DataFrame(rows))
    code = beside.measure(log)
    column = read(log, 3, code).values[:, len(COLUMNS)]
    assert (column[:3] == column[0]).all() and (column[3:] == column[3]).all() and column[0] < column[3]


def test_static_columns_stand_in_the_closing_step_with_masks_and_levels():
    static = pl.DataFrame({"who": ["a", "b"], "age": [30.0, None], "city": ["x", "y"]})
    log = log_of(static=static)
    code = {**beside.nothing(), "static": {"numbers": {"age": [0.0, 1.0, True]}, "levels": {"city": ["x"]}}}
    found = read(log, 3, code).values[:, len(COLUMNS) :]
    assert names(False, code)[len(COLUMNS) :] == ["age", "age empty", "city: other", "city: x"]
    assert found[[2, 5]].tolist() == [[pytest.approx(np.log(31)), 0, 0, 1], [0, 1, 1, 0]]
    assert not found[[0, 1, 3, 4]].any()


@pytest.mark.parametrize("kind", [Churn, ChurnHazard])
def test_what_a_static_column_says_is_learned_by_the_network_and_by_the_simple_methods_that_read_it(kind):
    log = EventLog(visits(), **KINDS, static=people())
    words = {"horizon": 25, "epochs": 6, "learning_rate": 0.05, "batch_size": None}
    task = kind(**{**SMALL, **words}).fit(log)
    held = task.held_out_
    loss = {name: metrics.log_loss(held.target, p) for name, p in held.prediction.items()}
    assert max(loss["rnn"], loss["rfm, columns"], loss["rfm-windows, columns"]) < 0.85 * min(
        loss["rfm"], loss["bg/nbd"]
    )
    new = pl.DataFrame({"who": ["x", "y"], "when": [log.last_day.item()] * 2})
    who = pl.DataFrame({"who": ["x", "y"], "kind": ["stays", "once"]})
    p = task.predict(EventLog(new, **KINDS, static=who))["return_probability"]
    assert p[0] > p[1] + 0.5


def test_the_day_on_which_a_contract_ended_is_no_input():
    log = ContractChurn(horizon=30, cancel="gone").prepare(EventLog(contracts(), **WITH_EVENTS))
    assert beside.ENDED in log.static.names
    assert not any(beside.ENDED in name for name in beside.names(beside.measure(log)))


def test_a_column_that_knows_who_came_back_is_named_and_an_honest_one_is_not():
    frame = purchases(customers=80)
    last = frame.group_by("who").agg(pl.col("when").max().alias("seen"))
    rng = np.random.default_rng(0)
    static = last.sort("who").with_columns(
        age=rng.normal(40, 9, last.height), seen=(pl.col("seen") - START).dt.total_days().cast(pl.Float64)
    )
    task = Churn(horizon=30, **SMALL).fit(EventLog(frame, **KINDS, static=static))
    assert "Leak?" in task.table_.reason and "seen (alone " in task.table_.reason
    assert "age (alone" not in task.table_.reason


def test_a_log_without_the_table_says_which_column_it_lacks():
    frame = purchases(customers=40)
    ids = frame["who"].unique().sort()
    static = pl.DataFrame({"who": ids, "age": np.arange(len(ids), dtype=float)})
    task = unjudged(Churn(horizon=30, **SMALL), EventLog(frame, **KINDS, static=static, calendar=holidays(300)))
    for words, column in (({"static": static}, "holiday"), ({"calendar": holidays(300)}, "age")):
        with pytest.raises(DataError, match=column):
            task.predict(EventLog(frame, **KINDS, **words))


def test_later_events_do_not_count():
    log, day = log_of(), np.datetime64("2024-01-04")
    early, alone = (read(one, 3, beside.nothing(), day) for one in (log, log.until(day)))
    assert early.lengths.tolist() == [3, 2] and np.array_equal(early.values, alone.values)


def test_a_calendar_that_ends_before_the_days_that_are_asked_about_is_refused():
    frame = purchases(customers=40)
    task = unjudged(Churn(horizon=30, **SMALL), EventLog(frame, **KINDS, calendar=holidays(300)))
    short = EventLog(frame, **KINDS, calendar=holidays(220))
    for call in (task.predict, task.require_answers):
        with pytest.raises(DataError, match=r"ends on 2024-08-07.*reaches to 2024-08-18"):
            call(short)


def test_further_columns_of_events_stand_in_their_steps_and_those_of_the_latest_in_the_closing_step():
    rows = {"who": ["a", "a", "a", "b"], "when": [START + datetime.timedelta(days=d) for d in (0, 0, 3, 1)]}
    frame = pl.DataFrame({**rows, "at": [1, 2, 1, 1], "plan": ["y", "x", "y", None]})
    log = EventLog(frame, **KINDS, item="plan", order="at").per_day(["item"])  # of the first day the last: x
    code = {**beside.nothing(), "events": {"numbers": {}, "levels": {"item": ["x", "y"]}}}
    assert names(False, code)[len(COLUMNS) :] == ["item: other", "item: x", "item: y"]
    whole, early = (read(log, 3, code, np.datetime64(day)) for day in ("2024-01-04", "2024-01-02"))
    x, y, empty = [0, 1, 0], [0, 0, 1], [0, 0, 0]
    assert whole.values[:, len(COLUMNS) :].tolist() == [x, y, y, empty, empty]
    assert early.values[:, len(COLUMNS) :].tolist() == [x, x, empty, empty]
