"""CLV: weeks and their law, futures drawn from a known law, and what is said of them."""

import datetime

import numpy as np
import polars as pl
import pytest
from made_up import NAMES, SMALL, purchases
from scipy.stats import kstest

import rnncore as rc
from rnncore.datasets import cdnow
from rnncore.errors import ContractError, DataError
from rnncore.marketing import CLV, EventLog
from rnncore.marketing.baselines import BGNBD, BGNBDParameters
from rnncore.marketing.customers import futures as sampled
from rnncore.marketing.customers import spend, weeks
from rnncore.marketing.learning.encoding import summarise
from rnncore.marketing.learning.networks import Learned
from rnncore.marketing.log.days import span
from rnncore.sequences import Histories

END = np.datetime64("2024-03-01")


def log_of(rows, **words):
    frame = pl.DataFrame(rows, schema=["who", "back", "paid"], orient="row")
    day = pl.lit(END.astype(object)) - pl.duration(days=pl.col("back"))
    named = {"customer": "who", "time": "when", "value": "paid", **words}
    return EventLog(frame.with_columns(when=day), **named).per_day()


@pytest.fixture(scope="module")
def log():
    return EventLog(purchases(), **NAMES)


@pytest.fixture(scope="module")
def fitted(log):
    return CLV(horizon=30, futures=20, **SMALL).fit(log)


def learned_of(outputs, futures=1, rate=None):
    """A network of one unit that says these outputs, whatever it reads; rate: of purchases a week, by BG/NBD, the same
    for everybody at all times (None: one a week).
    """
    model = rc.Stack(rc.GRU(5, 1, backend="numpy"), rc.Dense(1, weeks.OUTPUTS))
    params = {name: np.zeros_like(a) for name, a in model.init(seed=0).items()}
    params["1.b"] = np.asarray(outputs, np.float32)
    code = weeks.measure(weeks.of(log_of([("a", 20, 20.0), ("a", 3, 20.0)]), END))
    code["bg/nbd"] = [1e9, 1e9 / (1.0 if rate is None else rate), 1e-9, 1e9]
    return model, Learned((params,) * futures, np.zeros(1), code, [])


def test_weeks_end_on_the_day_of_the_origin_and_begin_with_the_first_purchase():
    found = weeks.of(log_of([("a", 20, 8.0), ("a", 7, 4.0), ("a", 6, 2.0), ("a", 0, 4.0), ("b", 1, 1.0)]), END)
    assert found.offsets.tolist() == [0, 3, 4]
    assert found.bought.tolist() == [1, 1, 2, 1]
    assert found.amount.tolist() == [8, 4, 3, 1]
    assert found.standing.since.tolist() == [0, 0, 0, 0]
    assert found.standing.age.tolist() == [0, 1, 2, 0]
    assert found.standing.purchases.tolist() == [1, 2, 4, 1]
    assert found.standing.paid.tolist() == [8, 12, 18, 1]


def test_the_steps_of_a_future_are_those_that_a_history_would_have():
    found = weeks.of(log_of([("a", 30, 8.0), ("a", 16, 4.0), ("a", 15, 2.0), ("a", 1, 4.0)]), END)
    standing = weeks.Standing(*(column[:1] for column in found.standing))
    for week in range(1, len(found.bought)):
        amount = np.maximum(found.amount[week : week + 1], 0)
        standing = standing.after(found.bought[week : week + 1], amount)
        made = weeks.columns(found.bought[week : week + 1], found.bought[week : week + 1] * amount, standing)
        assert {name: a[0] for name, a in made.numbers.items()} == {
            name: a[week] for name, a in found.columns.numbers.items()
        }


def test_a_purchase_of_unknown_amount_counts_and_its_amount_does_not():
    log = log_of([("a", 20, 8.0), ("a", 9, None), ("a", 1, 4.0)], missing="keep")
    found = weeks.of(log, END)
    assert found.amount.tolist() == [8, weeks.UNKNOWN, 4]
    assert np.isnan(found.columns.numbers["spend"]).tolist() == [False, True, False]
    assert found.standing.known.tolist() == [1, 1, 2]


def test_the_likelihood_is_that_of_counts_and_amounts_and_its_derivative_is_right():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6, 3, weeks.OUTPUTS))
    count = rng.integers(0, weeks.MOST, (6, 3))
    amount, prior = np.where(count > 0, rng.gamma(2.0, size=(6, 3)), weeks.UNKNOWN), rng.normal(size=(6, 3))
    target = np.stack([count, amount, prior], axis=-1)
    weight = rng.uniform(size=(6, 3))
    value, d = weeks.likelihood(z, target, weight)
    known = weight * (count > 0)
    logits = z[..., : weeks.MOST] + np.where(np.arange(weeks.MOST) > 0, prior[..., None], 0.0)
    one = rc.losses.softmax_cross_entropy(logits, count, weight)[0]
    two = rc.losses.zero_inflated_lognormal(z[..., weeks.MOST :], target[..., 1], known)[0]
    assert value == pytest.approx(one + two * known.sum() / weight.sum(), rel=1e-12)
    slope = np.zeros_like(z)
    for place in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[place] = 1e-6
        high, low = (weeks.likelihood(z + sign * step, target, weight)[0] for sign in (1, -1))
        slope[place] = (high - low) / 2e-6
    assert np.allclose(d, slope, atol=1e-8)


@pytest.mark.parametrize(("horizon", "late"), [(14, 2), (15, 3), (3, 1)])
def test_the_newest_answers_are_the_weeks_of_the_latest_horizon(horizon, late):
    found = weeks.of(log_of([("a", 30, 8.0), ("a", 2, 4.0), ("b", 9, 1.0), ("c", 3, 1.0)]), END)
    _, _, newest, who = weeks.told(found, weeks.measure(found), 10, horizon)
    assert who.tolist() == [0, 1]  # of "c" no week follows another
    assert newest.values.tolist() == [*[False] * (4 - late), *[True] * late, True]  # four answers of "a", one of "b"


def test_the_calibration_makes_weeks_come_out_right_in_sum_and_leaves_amounts_alone():
    rng = np.random.default_rng(1)
    said = rng.normal(size=(500, weeks.OUTPUTS))
    prior = rng.normal(size=500)
    target = np.column_stack([rng.integers(0, 2, 500), np.ones(500), prior])
    moved = weeks.LEVEL.apply(said, weeks.LEVEL.fit(said, target))
    expected = weeks.law(moved, {"unit": 1.0}, prior).purchases.sum()
    assert expected == pytest.approx(target[:, 0].sum(), rel=1e-9)
    assert np.array_equal(moved[:, weeks.MOST :], said[:, weeks.MOST :])


LAW = np.log([0.6, 0.2, 0.1, 0.05, 0.03, 0.01, 0.005, 0.005])


def drawn(futures=400, days=28, networks=1, seed=0, customers=3):
    rows = [(f"c{n}", 20 - n, 10.0 + n) for n in range(customers)]
    log = log_of(rows)
    model, learned = learned_of([*LAW, 1.0, 0.5, 0.0], networks)
    histories, now = weeks.asked(weeks.of(log, END), learned.code, 10)
    return sampled.sample(model, learned, histories, now, sampled.Plan(days, futures, 0.1, seed)), learned


def test_futures_have_the_expectations_of_the_law():
    found, learned = drawn()
    law = weeks.law(np.array([[*LAW, 1.0, 0.5, 0.0]]), learned.code, np.zeros(1))
    assert found.purchases == pytest.approx(
        4 * law.purchases[0], rel=1e-5
    )  # without scatter: the law is the same in each week
    assert found.spend == pytest.approx(4 * law.purchases[0] * law.amount[0], rel=1e-5)
    assert found.drawn[..., 0].mean() == pytest.approx(4 * law.purchases[0], rel=0.1)
    assert found.drawn[..., 1].mean() == pytest.approx(found.spend[0], rel=0.15)


def test_rolled_out_futures_of_a_constant_rate_come_to_that_rate_at_ages_that_nobody_had():
    """One step ahead every customer buys 0.3 times a week; so they do in 60 weeks, each fed back to the next."""
    flat = [0.0, 0.0, *[-50.0] * (weeks.MOST - 2), 0.0, 0.0, 0.0]  # 0 or 1 purchases: the odds are those of BG/NBD
    log = log_of([(f"c{n}", 20 - n, 10.0) for n in range(3)])
    model, learned = learned_of(flat, rate=0.3 / 0.7)
    histories, now = weeks.asked(weeks.of(log, END), learned.code, 10)
    found = sampled.sample(model, learned, histories, now, sampled.Plan(420, 100, 0.1, 0))
    assert found.purchases == pytest.approx(60 * 0.3, rel=1e-5)
    assert found.drawn[..., 0].mean(axis=1) == pytest.approx(np.full(3, 18.0), rel=0.1)


def test_what_bgnbd_expects_is_read_at_the_end_of_each_week():
    found = weeks.of(log_of([("a", 30, 8.0), ("a", 16, 4.0), ("b", 22, 4.0)]), END)
    model = BGNBD().fit([1, 0], [2, 0], [4.5, 3.5])  # of a two weeks from the first purchase to the last, of b none
    assert weeks.measure(found)["bg/nbd"] == list(model.parameters_)
    model.parameters_ = BGNBDParameters(0.5, 5.0, 0.8, 2.5)
    expected = model.rate([0, 0, 1, 1, 1], [0, 0, 2, 2, 2], [0.5, 1.5, 2.5, 3.5, 4.5])
    assert np.exp(weeks.prior(found.standing, {"bg/nbd": [0.5, 5.0, 0.8, 2.5]}))[:5] == pytest.approx(expected)


def test_a_fall_of_the_level_is_met_and_nothing_after_the_end_is_read():
    """Customers of one rate, who buy half as often in the weeks of the latest horizon."""
    rng = np.random.default_rng(2)
    slow = np.repeat([0.3, 0.15], [30, 20])
    rows = [
        (f"c{n:03d}", 349 - 7 * w, 10.0) for n in range(150) for w in range(50) if w == 0 or rng.uniform() < slow[w]
    ]
    task = CLV(horizon=140, of="purchases", units=4, epochs=3, seeds=1, batch_size=16, backend="numpy").check()
    before = log_of(rows)
    after = log_of([*rows, *((f"c{n:03d}", -k, 10.0) for n in range(150) for k in range(1, 8))])
    (code, told), (same, again) = (task.told(log, END) for log in (before, after))
    learned, relearned = task.learned(code, told), task.learned(same, again)
    assert learned.calibration == relearned.calibration
    assert all(np.array_equal(learned.params[0][name], a) for name, a in relearned.params[0].items())
    asked = task.asked(before, END, code)
    said, plain = (task._says(own, asked)[:, 0] for own in (learned, learned._replace(calibration=np.zeros(1))))
    came = 150 * 20 * 0.15
    assert plain.sum() > 1.4 * came
    assert said.sum() == pytest.approx(came, rel=0.25)  # that rates fall is what BG/NBD takes from such a past


@pytest.mark.parametrize("mean", [1.0, 4.0, None])
def test_intervals_of_known_laws_hold_what_they_say(mean):
    rng = np.random.default_rng(3)
    draw = rng.standard_normal if mean is None else lambda size: rng.negative_binomial(2, 2 / (2 + mean), size)
    low, high = sampled.interval(np.asarray(draw((4000, 60)), float), 0.8)
    came = draw(4000)
    assert ((low <= came) & (came <= high)).mean() == pytest.approx(0.8, abs=0.03)


def test_value_is_spend_discounted_from_the_middle_of_its_week():
    found, _ = drawn(futures=1)
    factors = 1.1 ** (-7 * (np.arange(4) + 0.5) / 365.25)
    assert found.value == pytest.approx(found.spend * factors.mean())


def test_part_of_a_week_counts_for_a_part():
    found, learned = drawn(days=10)
    law = weeks.law(np.array([[*LAW, 1.0, 0.5, 0.0]]), learned.code, np.zeros(1))
    assert found.purchases == pytest.approx(10 / 7 * law.purchases[0], rel=1e-5)
    assert found.drawn[..., 0].mean() == pytest.approx(found.purchases[0], rel=0.1)


def test_the_numbers_behind_the_draws_are_uniform():
    keys = sampled._mixed(np.arange(2000, dtype=np.uint64))
    numbers = np.stack([sampled._uniform(keys, week) for week in range(3)])
    assert (numbers > 0).all() and (numbers < 1).all()
    assert kstest(numbers.ravel(), "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef(numbers.reshape(12, -1)) - np.eye(12)).max() < 0.1


def test_a_customers_futures_do_not_depend_on_who_else_is_asked_about():
    few, many = drawn(customers=2)[0], drawn(customers=3)[0]
    assert np.array_equal(few.drawn, many.drawn[:2])
    assert not np.array_equal(many.drawn[0], many.drawn[1])


def test_futures_of_several_networks_are_put_together_and_another_seed_draws_others():
    one, two = drawn(futures=50)[0], drawn(futures=50, networks=2)[0]
    assert two.drawn.shape == (3, 100, 2)
    assert np.array_equal(two.drawn[:, :50], one.drawn)
    assert not np.array_equal(two.drawn[:, :50], two.drawn[:, 50:])
    assert not np.array_equal(drawn(futures=50, seed=1)[0].drawn, one.drawn)


def test_what_is_judged_is_the_spend_or_the_purchases_of_the_window(fitted, log):
    held = fitted.held_out_
    after = log.value_between(held.origin, held.origin + span(30))[log.population(held.origin)]
    assert np.allclose(held.target, after)
    assert fitted.of is None  # what a log with amounts is judged by
    counted = CLV(horizon=30, of="purchases", futures=5, **SMALL).fit(log).held_out_
    days = log.per_day().count_between(held.origin, held.origin + span(30))[log.population(held.origin)]
    assert counted.target.tolist() == days.tolist()


def test_an_answer_is_in_order_and_discounted(fitted, log):
    said = fitted.predict(log)
    assert (said["low"] <= said["high"]).all() and (said["value"] < said["spend"]).all()
    assert said.sort("spend", descending=True)["decile"].is_sorted()
    assert said["decile"].unique().to_list() == list(range(1, 11))


def test_each_week_with_purchases_is_taken_away_in_an_explanation(fitted, log):
    who = log.customers[np.diff(log.offsets).argmax()]
    found = fitted.explain(log, who)
    ago = weeks.back(log.per_day().of(who), log.last_day)
    bought = len(found.steps) - 1 - np.unique(ago)
    assert np.isfinite(found.removal[bought]).all()
    assert np.isnan(np.delete(found.removal, bought)).all()
    assert found.answer == pytest.approx(found.blank + found.gradient.sum(), abs=1e-3)
    assert found.said == pytest.approx(fitted.predict(log).filter(pl.col("who") == who)["spend"].item())
    assert found.whole == "expected spend of the next 30 days" and found.unit == "expected spend of the next week"


def test_the_draws_are_those_of_the_history_that_is_named():
    model, learned = learned_of([0.0] * weeks.OUTPUTS)
    at = weeks.of(log_of([("a", 20, 8.0), ("b", 13, 2.0), ("c", 1, 9.0)]), END)
    histories, now = weeks.asked(at, learned.code, 50)
    plan = sampled.Plan(28, 20, 0.1, 0)
    own = sampled.sample(model, learned, histories, now, plan)
    named = sampled.sample(model, learned, histories, now, plan, histories)
    assert np.array_equal(own.drawn, named.drawn)
    one = histories.select(np.array([True, False, False]))
    standing = weeks.Standing(*(column[[1, 1]] for column in now))
    twins = Histories(np.concatenate([histories.padded(np.array([1]))[:, 0]] * 2), np.array([0, 2, 4]))
    like = Histories(
        np.concatenate([one.values, twins.values[:2]]), np.array([0, len(one.values), len(one.values) + 2])
    )
    first, second = sampled.sample(model, learned, twins, standing, plan, like).drawn
    assert not np.array_equal(first, second) and np.array_equal(second, own.drawn[1])


def test_deciles_add_up_to_everybody_judged(fitted):
    held, table = fitted.held_out_, fitted.deciles_
    assert table["customers"].sum() == len(held.target)
    assert (table["came"] * table["customers"]).sum() == pytest.approx(held.target.sum())
    assert table["expected"].is_sorted(descending=True)


def test_the_coverage_that_is_said_is_what_was_measured(fitted):
    held = fitted.held_out_
    low, high = held.prediction["rnn"][:, -2:].T
    inside = np.mean((low <= held.target) & (held.target <= high))
    assert f"Intervals of 80% held what came for {inside:.1%} of the customers" in fitted.table_.reason


def test_a_log_without_amounts_has_purchases_only(log, tmp_path):
    words = {role: name for role, name in NAMES.items() if role in ("customer", "time")}
    days = EventLog(purchases(), **words)
    with pytest.raises(ContractError, match='"purchases" for a log without'):
        CLV(horizon=30, of="spend", **SMALL).fit(days)
    one, other = (CLV(horizon=30, of=of, futures=5, **SMALL).fit(days) for of in (None, "purchases"))
    said = one.predict(days)
    assert said.columns == ["who", "purchases", "low", "high", "decile"]
    assert said.equals(other.predict(days)) and str(one.table_) == str(other.table_)
    assert one.further(days) == other.further(days)
    assert "expected purchases of the next 30 days" in str(one.explain(days, said["who"][0]))
    one.save(tmp_path / "clv.safetensors")
    assert CLV.load(tmp_path / "clv.safetensors").predict(days).equals(said)
    with pytest.raises(DataError, match="the model was fitted with the columns"):
        one.predict(log)


def test_negative_amounts_are_refused_and_unknown_ones_are_not_judged():
    frame = purchases()
    back = frame.with_columns(paid=pl.when(pl.int_range(pl.len()) == 5).then(-3.0).otherwise("paid"))
    with pytest.raises(DataError, match='negative="drop"'):
        CLV(horizon=30, **SMALL).fit(EventLog(back, **NAMES, negative="keep"))
    gaps = frame.with_columns(paid=pl.when(pl.int_range(pl.len()) % 9 == 0).then(None).otherwise("paid"))
    log = EventLog(gaps, **NAMES, missing="keep")
    fitted = CLV(horizon=30, futures=5, **SMALL).fit(log)
    assert np.isfinite(fitted.held_out_.target).all()
    assert fitted.table_.customers < len(log.population(fitted.held_out_.origin))


def test_nobody_buys_in_the_window():
    rows = [(n, datetime.date(2024, 1, 1) + datetime.timedelta(days=d), 5.0) for n in range(30) for d in (n % 5, 10)]
    rows.append((0, datetime.date(2024, 6, 1), 0.0))
    frame = pl.DataFrame(rows, schema=["who", "when", "paid"], orient="row")
    with pytest.raises(DataError, match="nobody bought"):
        CLV(horizon=30, **SMALL).fit(EventLog(frame, customer="who", time="when", value="paid"))


def test_amounts_that_are_all_zero_are_called_so():
    rows = [(n, datetime.date(2024, 1, 1) + datetime.timedelta(days=10 * d), 0.0) for n in range(30) for d in range(9)]
    frame = pl.DataFrame(rows, schema=["who", "when", "paid"], orient="row")
    with pytest.raises(
        DataError, match=r'all amounts are 0 .of="purchases" asks for their number. in the 30 days until'
    ):
        CLV(horizon=30, **SMALL).fit(EventLog(frame, customer="who", time="when", value="paid"))


@pytest.mark.parametrize("argument", [{"of": "profit"}, {"discount": -0.1}, {"futures": 0}, {"interval": 1.0}])
def test_a_wrong_argument_is_named(argument, log):
    with pytest.raises(ContractError, match=next(iter(argument))):
        CLV(horizon=30, **SMALL, **argument).fit(log)


def test_simple_methods_give_the_published_numbers_of_the_cdnow_sample():
    log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount").per_day()
    origin = np.datetime64("1997-09-30")
    came = log.count_between(origin, origin + span(273))
    told = spend.past(log, origin, 90, money=False)
    said = spend.simple_methods(told, summarise(log.until(origin), origin), 273, money=False)
    error = {name: np.abs(came - own()).mean() for name, own in said.items()}
    assert error["bg/nbd"] == pytest.approx(0.7855, abs=0.002)
    assert error["pareto/nbd"] == pytest.approx(0.7545, abs=0.002)
    assert error["x/T*H"] == pytest.approx(1.0237, abs=0.05)
