"""BG/NBD against published numbers, brute force and simulation; the logistic rules against what they claim."""

import numpy as np
import pytest
from scipy import stats

from rnncore.datasets import cdnow
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.baselines import (
    BGNBD,
    BGNBDParameters,
    RecencyRule,
    RFMLogistic,
    _log_likelihood,
    simple_methods,
)
from rnncore.marketing.learning.encoding import Summary, summarise
from rnncore.marketing.splits import cut

PUBLISHED = BGNBDParameters(0.2426, 4.4136, 0.7929, 2.4259)


@pytest.fixture(scope="module")
def sample():
    """The 1/10 sample of CDNOW: 39 weeks to fit, 39 to predict."""
    log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount").per_day()
    window = cut(log, "1997-09-30", 273)
    s = summarise(window.history, window.origin)
    return (s.events - 1, (s.age - s.since) / 7, s.age / 7), window.count


@pytest.fixture(scope="module")
def model(sample):
    return BGNBD().fit(*sample[0])


@pytest.fixture
def published():
    model = BGNBD()
    model.parameters_ = PUBLISHED
    return model


def test_the_rate_now_is_what_is_expected_of_a_moment():
    model = BGNBD()
    model.parameters_ = PUBLISHED
    three = [0, 2, 9], [0.0, 30.4, 20.0], [38.9, 38.9, 38.9]
    assert model.rate(*three) == pytest.approx(model.expected_purchases(*three, 1e-4) / 1e-4, rel=1e-3)


def test_the_published_parameters_come_out(model):
    assert model.parameters_ == pytest.approx(PUBLISHED, abs=6e-5)


def test_the_published_log_likelihood_comes_out(model):
    assert model.log_likelihood_ == pytest.approx(-9582.4, abs=0.05)


def test_the_error_of_the_expected_purchases_is_the_known_one(sample, model):
    expected, came = model.expected_purchases(*sample[0], 39), sample[1]
    measured = np.abs(expected - came).mean(), np.sqrt(((expected - came) ** 2).mean()), expected.sum() / came.sum() - 1
    assert measured == pytest.approx((0.7855, 1.6080, -0.121), abs=6e-4)


def test_the_gradient_is_zero_at_the_optimum(sample, model):
    logs, steps = np.log(np.array(model.parameters_)), 1e-4 * np.eye(4)

    def total(at):
        return _log_likelihood(*sample[0])(np.exp(at)).mean()

    gradient = [(total(logs + step) - total(logs - step)) / 2e-4 for step in steps]
    assert np.abs(gradient).max() < 1e-6


def test_the_unit_of_time_does_not_matter(sample, model):
    x, t_x, T = sample[0]
    days = BGNBD().fit(x, 7 * t_x, 7 * T)
    assert days.parameters_ == pytest.approx(
        (model.parameters_.r, 7 * model.parameters_.alpha, *model.parameters_[2:]), rel=1e-4
    )


@pytest.mark.parametrize(("x", "t_x", "T"), [(0.0, 0.0, 30.0), (1.0, 5.0, 30.0), (4.0, 20.0, 30.0)])
def test_the_log_likelihood_is_the_mean_over_rate_and_chance_to_leave(x, t_x, T):
    r, alpha, a, b = PUBLISHED
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    rate, leave = stats.gamma.ppf(quantiles, r, scale=1 / alpha), stats.beta.ppf(quantiles, a, b)
    mean = np.mean(rate**x * np.exp(-rate * T)) * np.mean((1 - leave) ** x)
    if x:
        mean += np.mean(rate**x * np.exp(-rate * t_x)) * np.mean(leave * (1 - leave) ** (x - 1))
    one = tuple(np.array([number]) for number in (x, t_x, T))
    assert np.exp(_log_likelihood(*one)(np.array(PUBLISHED))[0]) == pytest.approx(mean, rel=1e-4)


@pytest.fixture(scope="module")
def simulated():
    """Summaries at week 40 of 200,000 customers drawn from the model, and their purchases in the 20 weeks after."""
    rng = np.random.default_rng(3)
    n = 200_000
    rate, leave = rng.gamma(0.8, 1 / 8.0, n), rng.beta(0.9, 2.5, n)
    time, alive = np.zeros(n), np.ones(n, bool)
    x, t_x, future = np.zeros(n), np.zeros(n), np.zeros(n)
    while alive.any():
        time = time + rng.exponential(1 / rate)
        alive &= time < 60
        x += alive & (time <= 40)
        t_x = np.where(alive & (time <= 40), time, t_x)
        future += alive & (time > 40)
        alive &= rng.uniform(size=n) > leave  # may leave after a repeat purchase only
    model = BGNBD()
    model.parameters_ = BGNBDParameters(0.8, 8.0, 0.9, 2.5)
    return model, (x, t_x, np.full(n, 40.0)), future


@pytest.mark.parametrize("repeat", [0, 1, 2, 4])
def test_probability_of_return_is_the_simulated_rate(simulated, repeat):
    model, customers, future = simulated
    group = customers[0] == repeat
    predicted = model.probability_of_return(*(column[group] for column in customers), 20).mean()
    error = np.sqrt(predicted * (1 - predicted) / group.sum())
    assert abs((future[group] > 0).mean() - predicted) < 4 * error


@pytest.mark.parametrize("repeat", [0, 1, 2, 4])
def test_expected_purchases_are_the_simulated_mean(simulated, repeat):
    model, customers, future = simulated
    group = customers[0] == repeat
    predicted = model.expected_purchases(*(column[group] for column in customers), 20).mean()
    assert abs(future[group].mean() - predicted) < 4 * future[group].std() / np.sqrt(group.sum())


def test_a_one_time_buyer_is_alive_but_need_not_return(published):
    assert published.probability_alive([0], [0], [39.0])[0] == 1.0
    assert published.probability_of_return([0], [0], [39.0], 39)[0] < 0.2


def test_an_extreme_history_gives_a_probability(published):
    p = published.probability_of_return([5000, 5000], [1.0, 900.0], [1000.0, 900.0], 10)
    assert p[0] == pytest.approx(0, abs=1e-12) and 0.99 < p[1] <= 1


def test_a_log_without_any_repeat_purchase_predicts_almost_none():
    T = np.linspace(10, 40, 300)
    model = BGNBD().fit(np.zeros(300), np.zeros(300), T)
    assert model.probability_of_return(np.zeros(300), np.zeros(300), T, 20).max() < 0.01


@pytest.mark.parametrize(
    "row", [([1], [50.0], [40.0]), ([0], [3.0], [40.0]), ([-1], [0.0], [40.0]), ([0], [0.0], [np.nan])]
)
def test_a_history_that_contradicts_itself_is_refused(row):
    with pytest.raises(ContractError, match="recency"):
        BGNBD().fit(*row)


@pytest.fixture
def customers():
    rng = np.random.default_rng(0)
    since, events = rng.uniform(1, 200, 500), rng.integers(1, 9, 500).astype(float)
    return Summary(since, events, 10 * events, np.full(500, 200.0)), rng


def test_the_recency_rule_ranks_by_recency_alone(customers):
    summary, rng = customers
    returned = (rng.uniform(size=500) < 1 / (1 + summary.since / 30)).astype(float)
    p = RecencyRule().fit(summary, np.full(500, 30.0), returned).predict(summary, 30)
    assert (np.diff(p[np.argsort(summary.since)]) < 0).all()


@pytest.mark.parametrize("rule", [RecencyRule, RFMLogistic])
def test_a_rule_is_calibrated_on_what_it_has_seen(customers, rule):
    summary, rng = customers
    returned = (rng.uniform(size=500) < 1 / (1 + summary.since / 30)).astype(float)
    p = rule().fit(summary, np.full(500, 30.0), returned).predict(summary, 30)
    assert p.mean() == pytest.approx(returned.mean(), abs=1e-3)


def test_a_longer_window_means_a_higher_probability(customers):
    summary, rng = customers
    length = rng.choice([10.0, 80.0], 500)
    returned = (rng.uniform(size=500) < length / 100).astype(float)
    rule = RFMLogistic().fit(summary, length, returned)
    assert (rule.predict(summary, 80) > rule.predict(summary, 10)).all()


def test_rfm_uses_frequency_where_recency_says_nothing(customers):
    summary, rng = customers
    returned = (rng.uniform(size=500) < summary.events / 10).astype(float)
    p = RFMLogistic().fit(summary, np.full(500, 30.0), returned).predict(summary, 30)
    assert np.corrcoef(p, np.log(summary.events))[0, 1] > 0.9


def test_outcomes_that_are_all_equal_teach_nothing(customers):
    with pytest.raises(DataError, match="nothing to learn"):
        RecencyRule().fit(customers[0], np.full(500, 30.0), np.zeros(500))


def test_a_method_that_is_unfit_is_not_even_fitted(customers, monkeypatch):
    summary, rng = customers
    returned, all_of_them = rng.integers(0, 2, 500).astype(float), np.ones(500, bool)
    monkeypatch.setattr(BGNBD, "fit", lambda *_: pytest.fail("it was fitted"))
    told = summary, np.zeros((500, 0)), np.full(500, 30.0), returned, all_of_them
    said = simple_methods(*told, summary, np.zeros((500, 0)), 30, unfit=("bg/nbd",))
    assert {name: p().shape for name, p in said.items()} == dict.fromkeys(("recency", "rfm", "rfm-windows"), (500,))
