"""Models of customer bases and of subscribers against published numbers, brute force and simulation."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.metrics import roc_auc_score

from rnncore.datasets import cdnow
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.customers.customer_base import (
    GammaGamma,
    GammaGammaParameters,
    ParetoNBD,
    ParetoNBDParameters,
    _log_integral,
    _pareto_nbd,
)
from rnncore.marketing.customers.retention import ShiftedBetaGeometric
from rnncore.marketing.learning.encoding import summarise
from rnncore.marketing.splits import cut

PUBLISHED = ParetoNBDParameters(0.553, 10.578, 0.606, 11.669)


@pytest.fixture(scope="module")
def sample():
    """The 1/10 sample of CDNOW: x, t_x, T in weeks, purchases in the next 39 weeks, mean value of the repeats."""
    log = EventLog(cdnow(sample=True), customer="customer", time="date", value="amount").per_day()
    window = cut(log, "1997-09-30", 273)
    s = summarise(window.history, window.origin)
    first = window.history.value[window.history.offsets[:-1]]
    x = s.events - 1
    return (x, (s.age - s.since) / 7, s.age / 7), window.count, (s.value - first) / np.maximum(x, 1)


@pytest.fixture(scope="module")
def model(sample):
    return ParetoNBD().fit(*sample[0])


@pytest.fixture
def published():
    model = ParetoNBD()
    model.parameters_ = PUBLISHED
    return model


def test_the_published_parameters_of_pareto_nbd_come_out(model):
    assert model.parameters_ == pytest.approx(PUBLISHED, abs=2e-3)
    assert model.log_likelihood_ == pytest.approx(-9595.0, abs=0.05)


def test_the_errors_of_pareto_nbd_are_the_known_ones(sample, model):
    expected, came = model.expected_purchases(*sample[0], 39), sample[1]
    measured = np.abs(expected - came).mean(), np.sqrt(((expected - came) ** 2).mean()), expected.sum() / came.sum() - 1
    assert measured == pytest.approx((0.7545, 1.6028, -0.115), abs=6e-4)
    assert roc_auc_score(came > 0, expected) == pytest.approx(0.7787, abs=6e-5)


def test_the_unit_of_time_does_not_matter_to_pareto_nbd(sample, model):
    x, t_x, T = sample[0]
    r, alpha, s, beta = model.parameters_
    assert ParetoNBD().fit(x, 7 * t_x, 7 * T).parameters_ == pytest.approx((r, 7 * alpha, s, 7 * beta), rel=1e-4)


@pytest.mark.parametrize(("alpha", "beta"), [(10.0, 3.0), (3.0, 10.0), (5.0, 5.0)])
def test_the_integral_over_the_time_of_leaving_is_right(alpha, beta):
    r, s, start, end = 2.5, 0.7, 4.0, 30.0
    area, _ = integrate.quad(lambda u: (alpha + u) ** -r * (beta + u) ** -(s + 1), start, end, epsabs=0, epsrel=1e-12)
    got = _log_integral(np.array([r]), alpha, s, beta, np.array([start]), np.array([end]))
    assert np.exp(got[0]) == pytest.approx(area, rel=1e-10)


@pytest.mark.parametrize(("x", "t_x", "T"), [(0.0, 0.0, 30.0), (1.0, 5.0, 30.0), (4.0, 20.0, 30.0)])
def test_the_likelihood_of_pareto_nbd_is_the_mean_over_both_rates(x, t_x, T):
    quantiles = (np.arange(3000) + 0.5) / 3000
    r, alpha, s, beta = 1.5, 10.0, 2.0, 12.0
    rate = stats.gamma.ppf(quantiles, r, scale=1 / alpha)[:, None]
    leave = stats.gamma.ppf(quantiles, s, scale=1 / beta)[None]
    both = rate + leave
    each = rate**x * (leave * np.exp(-both * t_x) + rate * np.exp(-both * T)) / both
    one = tuple(np.array([number]) for number in (x, t_x, T))
    total, _ = _pareto_nbd(np.array([r, alpha, s, beta]), *one)
    assert np.exp(total[0]) == pytest.approx(each.mean(), rel=2e-3)


def test_pareto_nbd_foretells_what_a_simulation_does(published):
    rng, n, T, horizon = np.random.default_rng(0), 400_000, 40.0, 30.0
    rate = rng.gamma(PUBLISHED.r, 1 / PUBLISHED.alpha, n)
    gone = rng.exponential(1 / rng.gamma(PUBLISHED.s, 1 / PUBLISHED.beta, n))
    before = rng.poisson(rate * np.minimum(gone, T))
    after = rng.poisson(rate * np.clip(gone - T, 0, horizon))
    never = before == 0  # t_x is 0 for all of them, so that they share one prediction
    one = [0], [0], [T]
    assert published.probability_alive(*one)[0] == pytest.approx((gone[never] > T).mean(), abs=3e-3)
    assert published.probability_of_return(*one, horizon)[0] == pytest.approx((after[never] > 0).mean(), abs=3e-3)
    assert published.expected_purchases(*one, horizon)[0] == pytest.approx(after[never].mean(), abs=6e-3)


def test_the_published_parameters_of_gamma_gamma_come_out(sample):
    (x, _, _), _, value = sample
    repeat = (x > 0) & (value > 0)
    model = GammaGamma().fit(x[repeat], value[repeat])
    assert repeat.sum() == 946
    assert model.parameters_ == pytest.approx(GammaGammaParameters(6.25, 3.74, 15.44), rel=2e-3)


def test_gamma_gamma_is_a_mean_of_what_is_seen_and_of_all_customers():
    model = GammaGamma()
    model.parameters_ = GammaGammaParameters(6.25, 3.74, 15.44)
    everyone, seen = 6.25 * 15.44 / 2.74, np.array([10.0, 100.0])
    share = 6.25 * 4 / (6.25 * 4 + 2.74)
    assert model.expected_value([4, 4], seen) == pytest.approx(share * seen + (1 - share) * everyone)
    assert model.expected_value([0], [np.nan]) == pytest.approx(everyone)


def test_gamma_gamma_refuses_customers_without_a_purchase():
    with pytest.raises(ContractError, match="numbers above 0"):
        GammaGamma().fit([1, 0], [3.0, 4.0])
    with pytest.raises(DataError, match="1 customer"):
        GammaGamma().fit([1], [3.0])


# Survival in per cent by year of two groups of subscribers, Fader and Hardie (2007), table 1, years 0 to 7.
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1]
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1]


@pytest.mark.parametrize(("survival", "parameters"), [(REGULAR, (0.704, 1.182)), (HIGH_END, (0.668, 3.806))])
def test_the_published_parameters_of_the_shifted_beta_geometric_come_out(survival, parameters):
    lost = -np.diff(survival)
    tenure = np.append(np.arange(7), 7)
    left = np.append(np.ones(7), 0)
    model = ShiftedBetaGeometric().fit(tenure, left, np.append(lost, survival[-1]))
    assert model.parameters_ == pytest.approx(parameters, abs=2e-3)


def test_survival_is_the_product_of_the_retention_rates():
    model = ShiftedBetaGeometric().fit([0, 0, 1, 2, 5, 5], [1, 1, 1, 1, 0, 0])
    assert model.survival(4, tenure=3) == pytest.approx(model.retention([3, 4, 5, 6]).prod())


def test_a_base_that_nobody_has_left_is_refused():
    with pytest.raises(DataError, match="nobody has left"):
        ShiftedBetaGeometric().fit([3, 4], [0, 0])


def test_half_a_renewal_is_refused():
    with pytest.raises(ContractError, match="whole tenures"):
        ShiftedBetaGeometric().fit([0.5], [1])
