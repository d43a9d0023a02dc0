"""Subscriptions: who is asked about, the renewals ahead, revenue at risk, and the simple methods."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import SMALL

import rnncore as rc
from rnncore.datasets import subscriptions
from rnncore.datasets.contracts import PLANS
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, Subscriptions
from rnncore.marketing.customers import renewals
from rnncore.marketing.customers.retention import ShiftedBetaGeometric
from rnncore.marketing.learning.calibration import PLATT
from rnncore.marketing.learning.networks import outputs
from rnncore.sequences import Histories

START = datetime.date(2020, 1, 1)
WORDS = {"customer": "customer", "time": "date", "event": "event", "value": "price", "item": "plan"}


def read(frame, **words):
    return EventLog(frame.drop("chance"), **{**WORDS, "extras": ["logins"], **words})


@pytest.fixture(scope="module")
def frame():
    return subscriptions(400, 24, seed=0)


@pytest.fixture(scope="module")
def log(frame):
    return read(frame)


@pytest.fixture(scope="module")
def fitted(log):
    return Subscriptions(horizon=90, **SMALL).fit(log)


def subscribed(frame, day):
    """Ids of those who have paid by that day and have not cancelled."""
    until = frame.filter(pl.col("date") <= day)
    return sorted(set(until["customer"]) - set(until.filter(pl.col("event") == "cancel")["customer"]))


def test_only_those_who_are_subscribed_are_answered_for(fitted, log, frame):
    day = datetime.date(2021, 5, 1)
    assert fitted.predict(log, at=day)["customer"].to_list() == subscribed(frame, day)


def test_what_is_judged_is_whether_a_cancellation_came(fitted, frame):
    held = fitted.held_out_
    day = held.origin.astype(object)
    end = day + datetime.timedelta(days=90)
    assert held.customers.tolist() == subscribed(frame, day)
    assert held.target.tolist() == [float(who in set(subscribed(frame, end))) for who in held.customers]


def test_a_subscription_ends_with_its_first_cancellation(fitted, log, frame):
    gone = frame.filter(pl.col("event") == "cancel")
    later = gone.with_columns(pl.col("date") + pl.duration(days=10), event=pl.lit("renew"))
    again = read(pl.concat([frame, later.filter(pl.col("date") <= frame["date"].max())]))
    assert fitted.predict(again, at=log.last_day).equals(fitted.predict(log))


@pytest.mark.parametrize("name", ["value", "renewals", "gap"])
def test_a_column_of_the_customers_called_as_one_of_payments_does_not_take_its_place(log, name):
    one = np.arange(len(log.customers), dtype=float)
    found, without = renewals.columns(log.with_static(name, one)).numbers, renewals.columns(log).numbers
    assert np.array_equal(found[name], without[name], equal_nan=True)
    assert np.array_equal(found[f"{name} of the customer"], one[log.codes])


def test_renewals_ahead_are_read_as_if_each_were_taken(fitted, log):
    at = np.datetime64("2021-06-01")
    task, _, asked = fitted._asked(log, at)
    one = asked.facts.asked[:1]
    who = asked.facts.log.customers[one[0]]
    own = task.prepare(log.until(at)).of(who)
    rows = pl.DataFrame(
        {
            "customer": [who] * len(own),
            "date": own.day,
            "event": ["renew"] * len(own),
            "price": own.value,
            "plan": own.category("item").levels[own.category("item").codes],
            "logins": own.number("logins"),
        }
    )
    last = rows[-1:]
    chances = task._says(fitted._learned, asked)[0]
    for month in range(3):
        found = read(rows.with_columns(chance=0.0))
        after = task._says(fitted._learned, fitted._asked(found, found.last_day)[2])
        assert after[0, 0] == pytest.approx(chances[month], rel=1e-5)
        last = last.with_columns(pl.col("date") + pl.duration(days=30))
        rows = pl.concat([rows, last])


def busiest(task, log):
    """The subscriber with most payments, and their row of `predict`."""
    who = max(task.predict(log)["customer"], key=lambda name: len(log.of(name)))
    return who, task.predict(log).row(by_predicate=pl.col("customer") == who, named=True)


def test_gradients_and_removals_are_of_the_chance_to_be_subscribed_after_the_horizon(fitted, log, frame):
    who, said = busiest(fitted, log)
    found = fitted.explain(log, who)
    assert found.unit == "probability to be subscribed after 90 days" and not found.whole
    assert found.answer == pytest.approx(said["stay_probability"], rel=1e-6)
    days = frame.filter(pl.col("customer") == who)["date"].sort()
    rest = read(frame.filter((pl.col("customer") != who) | (pl.col("date") != days[-2])))
    without = fitted.predict(rest, at=log.last_day).row(by_predicate=pl.col("customer") == who, named=True)
    assert found.removal[-2] == pytest.approx(said["stay_probability"] - without["stay_probability"], abs=1e-6)
    assert [step[:10] for step in found.steps] == [str(day) for day in days]


def shares_of_plans(task, log):
    """Of all payments."""
    paid = task.prepare(log).category("item")
    return [float((paid.levels[paid.codes] == plan).mean()) for plan in PLANS]


@pytest.mark.parametrize("latest", [50, 5])
def test_a_blank_history_is_average_payments_of_which_those_ahead_are_a_period_apart(latest, log):
    task = Subscriptions(horizon=100, latest=latest, **SMALL | {"seeds": 2}).fit(log)
    who, _ = busiest(task, log)
    found, (_, _, asked) = task.explain(log, who), task._asked(log.of(who), log.last_day)
    values, ahead, gap = asked.histories.values, np.arange(len(asked.histories.values)) >= len(found.steps), 0
    assert task.inputs(task.code_)[gap] == "gap" and ahead.sum() == 3
    blank = np.zeros_like(values)
    blank[:, [task.inputs(task.code_).index(f"item: {plan}") for plan in PLANS]] = shares_of_plans(task, log)
    blank[ahead, gap] = values[ahead, gap]
    chances = task._says(task._learned, asked._replace(histories=Histories(blank, asked.histories.offsets)))
    assert found.blank == pytest.approx(renewals.survival(chances, 100 / 30)[0], rel=1e-6)
    assert abs(found.gap) < 1e-9 < 1e-3 < abs(found.answer - found.blank)


class Forgetful(Subscriptions):
    """Each payment is read by itself."""

    def network(self, code):
        return rc.Stack(rc.Dense(len(self.inputs(code)), 1))


def test_what_months_ahead_repeat_of_the_latest_payment_is_credited_to_it(log):
    task = Forgetful(horizon=100, learning_rate=0.05, **SMALL).fit(log)
    who, _ = busiest(task, log)
    found, (_, _, asked) = task.explain(log, who), task._asked(log.of(who), log.last_day)
    x = asked.histories.values[len(found.steps) - 1 :].astype(float)
    repeated = ~np.isin(found.inputs, ["gap", "renewals"])
    assert (x[:, repeated] == x[0, repeated]).all() and len(x) == 4
    blank = np.zeros_like(x)
    blank[:, [found.inputs.index(f"item: {plan}") for plan in PLANS]] = shares_of_plans(task, log)
    blank[1:, 0] = x[1:, 0]
    node, weight = np.polynomial.legendre.leggauss(40)
    w, numbers, share = task.params_[0]["0.W"], task._learned.calibration, np.array([1, 1, 1, 1 / 3])
    part = np.zeros(x.shape[1])
    for way, each in zip((node + 1) / 2, weight / 2, strict=True):
        chance = PLATT.apply((blank + way * (x - blank)) @ w + task.params_[0]["0.b"], numbers)
        slope = np.prod(chance**share) * share * (1 - chance) * numbers[0]  # of the product, by each logit
        part += each * (slope[:, None] * w[:, 0] * (x - blank)).sum(axis=0)
    assert found.gradient[-1] == pytest.approx(part, rel=1e-6, abs=1e-9)
    assert not found.gradient[:-1].any()
    assert abs(part.sum()) > 1e-3


def test_the_chance_to_stay_is_the_product_of_the_renewals_and_part_of_the_last():
    chances = np.array([[0.9, 0.8, 0.5]])
    assert renewals.survival(chances, 2)[0] == pytest.approx(0.72)
    assert renewals.survival(chances, 2.5)[0] == pytest.approx(0.72 * 0.5**0.5)


def test_months_and_cohorts_add_up_to_the_answers(fitted, log):
    said, table = fitted.predict(log), fitted.at_risk(log)
    assert table["month"].unique().to_list() == [1, 2, 3]
    assert (table.group_by("month").agg(pl.col("subscribers").sum())["subscribers"] == said.height).all()
    for name in ("renewals", "revenue", "at_risk"):
        assert table[name].sum() == pytest.approx(said[name].sum())
    assert table["cancellations"].sum() == pytest.approx(said["cancel_probability"].sum())


def test_revenue_and_what_is_at_risk_are_what_all_would_pay(fitted, log):
    said = fitted.predict(log)
    price = {row["customer"]: row["price"] for row in subscriptions(400, 24, seed=0).iter_rows(named=True)}
    full = [3 * price[who] for who in said["customer"]]
    assert np.allclose(said["revenue"] + said["at_risk"], full)


def test_a_log_without_prices_has_no_money(frame):
    words = {role: name for role, name in WORDS.items() if role != "value"}
    log = EventLog(frame.drop("chance"), **words)
    task = Subscriptions(horizon=90, **SMALL).fit(log)
    assert task.predict(log).columns == ["customer", "stay_probability", "cancel_probability", "renewals"]
    assert "revenue" not in task.at_risk(log).columns


def test_the_models_of_subscribers_are_fitted_to_what_had_been_seen(fitted, log, frame):
    held = fitted.held_out_
    until = frame.filter(pl.col("date") <= held.origin.astype(object))
    each = until.group_by("customer", maintain_order=True).agg(
        (pl.col("event") == "renew").sum().alias("paid"), (pl.col("event") == "cancel").sum().alias("left")
    )
    model = ShiftedBetaGeometric().fit(each["paid"] - 1, each["left"])
    now = each.filter(pl.col("left") == 0)
    assert np.allclose(held.prediction["sbg"], model.survival(3, now["paid"] - 1))
    assert {"sbg by plan", "cohort average", "logistic", "boosting"} < set(held.prediction)


def test_the_error_of_a_cohort_that_is_said_is_what_was_measured(fitted, log):
    held = fitted.held_out_
    begun = dict(zip(log.customers, log.day[log.offsets[:-1]].astype("datetime64[M]"), strict=True))
    cohort = np.array([begun[who] for who in held.customers])
    gaps = [
        abs((held.prediction["sbg"] - held.target)[cohort == month].sum()) / len(cohort) for month in np.unique(cohort)
    ]
    assert f"sbg {sum(gaps):.4f}" in fitted.table_.reason


def test_whoever_is_silent_is_asked_about_no_more(fitted, frame, log):
    quiet = frame.filter((pl.col("customer") != 0) | (pl.col("date") < datetime.date(2020, 6, 1)))
    quiet = quiet.filter((pl.col("customer") != 0) | (pl.col("event") == "renew"))
    extra = pl.DataFrame({**quiet[:1].to_dict(as_series=False), "customer": [0], "date": [datetime.date(2020, 5, 1)]})
    told = read(pl.concat([quiet.filter(pl.col("customer") != 0), extra.cast(quiet.schema)]))
    task = Subscriptions(horizon=90, silent=60, **SMALL).fit(told)
    assert 0 not in task.predict(told)["customer"].to_list()
    assert 0 not in task.held_out_.customers.tolist()
    assert 0 in fitted.predict(told)["customer"].to_list()


def test_in_a_world_of_constant_chances_no_network_is_needed():
    task = Subscriptions(horizon=90, units=8, epochs=3, seeds=1, backend="numpy").fit(
        read(subscriptions(800, 24, seed=1))
    )
    assert task.verdict_ in {"baseline:sbg by plan", "baseline:logistic", "baseline:sbg", "no signal"}


def test_cancellations_without_a_price_are_kept_and_not_advised_to_be_dropped(frame, fitted, log):
    bare = frame.with_columns(price=pl.when(pl.col("event") != "cancel").then("price"))
    with pytest.raises(DataError, match="empty wherever the event is 'cancel', and nowhere else: missing=\"keep\""):
        read(bare)
    assert fitted.predict(read(bare, missing="keep")).equals(fitted.predict(log))
    elsewhere = bare.with_columns(price=pl.when(pl.col("customer") != 3).then("price"))
    with pytest.raises(DataError, match=r"or fill the cells in the source$"):
        read(elsewhere)


def test_payments_whose_renewal_is_not_due_are_not_learned_from():
    """Whoever cancels does so ten days after a payment: of the latest payments only refusals are known."""
    rows = subscriptions(1500, 24, seed=1).drop("chance").sort("customer", "date")
    early = pl.when(pl.col("event") == "cancel").then(pl.col("date") - pl.duration(days=20)).otherwise("date")
    made = EventLog(rows.with_columns(date=early).drop("logins"), **WORDS)
    task = Subscriptions(horizon=90)
    work = task.prepare(made)
    end = work.last_day - np.timedelta64(15, "D")
    told = task.told(work, end)[1]
    found, recent = told.facts
    day = work.until(end).day
    assert np.isnan(found.taken[day + np.timedelta64(30, "D") > end]).all()
    assert np.array_equal(
        recent & ~np.isnan(found.taken), (day > end - np.timedelta64(120, "D")) & ~np.isnan(found.taken)
    )
    assert told.newest.values.sum() == recent.sum()


def test_what_is_said_is_calibrated_on_the_renewals_of_the_latest_horizon(log):
    task = Subscriptions(horizon=90, **SMALL)
    work = task.prepare(log)
    end = work.last_day
    code, told = task.told(work, end)
    late = told.late()
    learned = task.learned(code, told)
    said = outputs(task.network(code), learned.params, late.histories)[late.judged()[2]]
    assert np.array_equal(learned.calibration, PLATT.fit(said, late.judged()[0]))
    due = work.day + np.timedelta64(30, "D")
    assert len(said) == ((due > end - np.timedelta64(90, "D")) & (due <= end)).sum()


def test_a_word_that_ends_nothing_is_a_clear_error_that_lists_the_words_there_are(log):
    with pytest.raises(
        DataError, match=r"an event 'stopped' after a payment \(other events are 'renew', 'cancel'\): say"
    ):
        Subscriptions(horizon=90, cancel="stopped", **SMALL).fit(log)


def test_cancellations_of_those_who_never_paid_are_said_to_lack_payments(frame):
    gone = frame.filter(pl.col("event") == "cancel")["customer"]
    alone = frame.filter(~pl.col("customer").is_in(gone.implode()) | (pl.col("event") == "cancel"))
    with pytest.raises(DataError, match=r"'cancel' after a payment \(other events are 'renew'\).*bring the payments"):
        Subscriptions(horizon=90, **SMALL).fit(read(alone))


def test_subscribers_who_all_stay_are_a_clear_error():
    rows = [(who, day, "renew") for who in "abc" for day in range(0, 600, 30)]
    rows += [("d", 0, "renew"), ("d", 30, "renew"), ("d", 50, "cancel")]
    frame = pl.DataFrame(rows, schema=["customer", "day", "event"], orient="row")
    log = EventLog(
        frame.with_columns(date=pl.lit(START) + pl.duration(days=pl.col("day"))),
        customer="customer",
        time="date",
        event="event",
    )
    with pytest.raises(DataError, match="everybody is still subscribed 90 days after 2021-04-25: there is nothing"):
        Subscriptions(horizon=90, **SMALL).fit(log)


def test_a_log_without_payments_is_a_clear_error(frame):
    with pytest.raises(DataError, match="no payment"):
        Subscriptions(horizon=90, **SMALL).fit(read(frame.filter(pl.col("event") == "cancel")))


@pytest.mark.parametrize("argument", [{"cancel": ""}, {"period": 0}, {"silent": 0}])
def test_a_wrong_argument_is_named(argument, log):
    with pytest.raises(ContractError, match=next(iter(argument))):
        Subscriptions(horizon=90, **SMALL, **argument).fit(log)
