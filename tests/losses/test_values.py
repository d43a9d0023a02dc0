"""Values against scipy, mpmath and torch, and against what the papers say."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import ITEMS, LOG_Q, case
from scipy import stats

import rnncore as rc

L = rc.losses
RNG = np.random.default_rng(3)


def one(loss, prediction, target):
    """Value and gradient of a single target."""
    value, d = loss(np.array([prediction], float), np.array([target]))
    return value, d[0]


def test_quantile_is_lowest_at_the_quantiles_of_the_targets():
    y, levels = RNG.normal(size=2001), (0.1, 0.5, 0.75)
    best = np.quantile(y, levels)
    loss = partial(L.quantile, levels=levels)
    value = loss(np.tile(best, (2001, 1)), y)[0]
    assert all(
        value < loss(np.tile(best + step, (2001, 1)), y)[0] for step in 0.05 * np.array([*np.eye(3), *-np.eye(3)])
    )


def test_the_quantile_of_one_half_is_half_the_absolute_error():
    p, y = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
    value, d = L.quantile(p, y, levels=(0.5,))
    mae, dmae = L.mae(p, y)
    assert value == pytest.approx(mae / 2, rel=1e-14)
    np.testing.assert_allclose(d, dmae / 2, rtol=1e-14)


@pytest.mark.parametrize("scale", ["log-variance", "softplus"])
def test_gaussian_is_the_normal_density(scale):
    mu, v, y = RNG.normal(size=(3, 20))
    sigma = np.exp(v / 2) if scale == "log-variance" else np.log1p(np.exp(v))
    value, _ = L.gaussian(np.stack([mu, v], axis=-1), y, scale=scale)
    assert value == pytest.approx(-stats.norm.logpdf(y, mu, sigma).mean(), rel=1e-13)


def test_zero_inflated_lognormal_is_the_mixture_of_a_zero_and_a_density():
    z, mu, v = RNG.normal(size=(3, 20))
    y = np.where(RNG.random(20) < 0.5, 0, np.exp(RNG.normal(size=20)))
    p, sigma = 1 / (1 + np.exp(-z)), np.log1p(np.exp(v))
    density = stats.lognorm.logpdf(np.where(y > 0, y, 1), sigma, scale=np.exp(mu))
    expected = -np.where(y > 0, np.log(p) + density, np.log(1 - p)).mean()
    value, _ = L.zero_inflated_lognormal(np.stack([z, mu, v], axis=-1), y)
    assert value == pytest.approx(expected, rel=1e-13)


def test_poisson_is_the_probability_of_the_count():
    z, y = RNG.normal(size=50) * 2, RNG.poisson(4, 50)
    assert L.poisson(z, y)[0] == pytest.approx(-stats.poisson.logpmf(y, np.exp(z)).mean(), rel=1e-13)


def test_negative_binomial_is_the_probability_of_the_count():
    (z, a), y = RNG.normal(size=(2, 50)) * 2, RNG.poisson(6, 50)
    r = np.exp(-a)
    expected = -stats.nbinom.logpmf(y, r, r / (r + np.exp(z))).mean()
    assert L.negative_binomial(np.stack([z, a], axis=-1), y)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("y", [0, 1, 7, 1000])
@pytest.mark.parametrize("a", [-100.0, -60.0, -25.0, -12.0, -2.31, 0.0, 5.0, 60.0, 600.0])
@pytest.mark.parametrize("z", [-50.0, -1.0, 3.0, 40.0])
def test_negative_binomial_and_its_derivatives_hold_far_out_against_mpmath(y, a, z):
    mp = pytest.importorskip("mpmath")
    with mp.workdps(150):
        r, mu = mp.exp(-a), mp.exp(z)
        value = mp.loggamma(y + 1) + mp.loggamma(r) - mp.loggamma(y + r)
        value += r * mp.log(1 + mu / r) + y * mp.log(1 + r / mu)
        dz = (mu - y) * r / (r + mu)
        da = r * (mp.digamma(y + r) - mp.digamma(r) - mp.log(1 + mu / r)) + (mu - y) * r / (r + mu)
        expected = [float(v) for v in (value, dz, da)]
    got, (d0, d1) = one(L.negative_binomial, [z, a], y)
    assert got == pytest.approx(expected[0], rel=1e-11)
    assert d0 == pytest.approx(expected[1], rel=1e-11)
    assert d1 == pytest.approx(expected[2], rel=1e-9, abs=1e-13)


def test_negative_binomial_without_dispersion_is_poisson():
    z, y = RNG.normal(size=30), RNG.poisson(2, 30)
    value, d = L.negative_binomial(np.stack([z, np.full(30, -1e4)], axis=-1), y)
    expected, dz = L.poisson(z, y)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(d[:, 0], dz, rtol=1e-13)
    assert np.abs(d[:, 1]).max() < 1e-300


def test_discrete_hazard_probabilities_add_up_to_one():
    z, K = RNG.normal(size=6), 6
    came = [np.exp(-one(L.discrete_hazard, z, [k, 1])[0]) for k in range(K)]
    assert sum(came) + np.exp(-one(L.discrete_hazard, z, [K - 1, 0])[0]) == pytest.approx(1, rel=1e-14)


def test_discrete_hazard_is_the_cross_entropy_of_the_intervals_at_risk():
    loss, z, target = case("discrete_hazard")
    time, event = target[..., :1], target[..., 1:]
    k = np.arange(5)
    value, dz = loss(z, target)
    mean, d = L.binary_cross_entropy(z, (k == time) & (event == 1), k <= time)
    entries = (k <= time).sum()
    assert value * time.size == pytest.approx(mean * entries, rel=1e-13)
    np.testing.assert_allclose(dz * time.size, d * entries, rtol=1e-12, atol=1e-15)


def test_a_censored_interval_leaves_all_that_comes_later_open():
    z = RNG.normal(size=6)
    later = sum(np.exp(-one(L.discrete_hazard, z, [k, 1])[0]) for k in range(3, 6))
    later += np.exp(-one(L.discrete_hazard, z, [5, 0])[0])
    assert np.exp(-one(L.discrete_hazard, z, [2, 0])[0]) == pytest.approx(later, rel=1e-13)


def test_weibull_is_the_density_where_it_came_and_the_survival_where_it_did_not():
    a, b = RNG.normal(size=(2, 40))
    t, event = RNG.gamma(2, 2, 40), RNG.integers(0, 2, 40)
    law = stats.weibull_min(np.log1p(np.exp(b)), scale=np.exp(a))
    expected = -np.where(event, law.logpdf(t), law.logsf(t)).mean()
    value, _ = L.weibull(np.stack([a, b], axis=-1), np.stack([t, event], axis=-1))
    assert value == pytest.approx(expected, rel=1e-12)


def test_discrete_weibull_is_the_mass_between_whole_times():
    a, b = RNG.normal(size=(2, 40)) + np.array([[1], [0]])
    t, event = RNG.integers(0, 4, 40), RNG.integers(0, 2, 40)
    law = stats.weibull_min(np.log1p(np.exp(b)), scale=np.exp(a))
    expected = -np.where(event, np.log(law.sf(t) - law.sf(t + 1)), law.logsf(t + 1)).mean()
    value, _ = L.weibull(np.stack([a, b], axis=-1), np.stack([t, event], axis=-1), discrete=True)
    assert value == pytest.approx(expected, rel=1e-10)


def test_discrete_weibull_is_the_formula_of_wtte_rnn():
    t, a, b, event = 3.0, 0.7, 0.4, 1.0
    alpha, beta = np.exp(a), np.log1p(np.exp(b))
    h0, h1 = (t / alpha) ** beta, ((t + 1) / alpha) ** beta
    expected = -(event * np.log(np.exp(h1 - h0) - 1) - h1)
    assert one(partial(L.weibull, discrete=True), [a, b], [t, event])[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("t", [0.0, 1.0, 400.0])
@pytest.mark.parametrize(("a", "b"), [(30.0, 1.0), (-9.0, 0.5), (3.0, -300.0), (2.0, 25.0), (200.0, 2.0)])
def test_discrete_weibull_and_its_derivatives_hold_far_out_against_mpmath(t, a, b):
    mp = pytest.importorskip("mpmath")
    with mp.workdps(400):

        def loss(a, b):
            alpha, beta = mp.exp(a), mp.log(1 + mp.exp(b))
            return -mp.log(mp.exp(-((t / alpha) ** beta)) - mp.exp(-(((t + 1) / alpha) ** beta)))

        expected = [float(v) for v in (loss(a, b), mp.diff(loss, (a, b), (1, 0)), mp.diff(loss, (a, b), (0, 1)))]
    value, d = one(partial(L.weibull, discrete=True), [a, b], [t, 1])
    assert value == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(d, expected[1:], rtol=1e-10, atol=1e-14 * abs(expected[0]))


@given(shape=st.floats(0.3, 3), scale=st.floats(-2, 2))
def test_the_time_unit_of_a_weibull_shifts_the_value_and_leaves_the_gradient(shape, scale):
    t = np.array([[2.0, 1], [5.0, 1], [1.0, 0]])
    hours = t * [24, 1]
    value, d = L.weibull(np.tile([scale, shape], (3, 1)), t)
    other, same = L.weibull(np.tile([scale + np.log(24), shape], (3, 1)), hours)
    assert other == pytest.approx(value + 2 / 3 * np.log(24), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(same, d, rtol=1e-9, atol=1e-12)


def test_sampled_softmax_over_all_items_with_equal_chances_is_the_softmax():
    z, y = RNG.normal(size=(5, 7)), RNG.integers(0, 7, 5)
    value, d = L.sampled_softmax(z, y, log_q=np.full(7, -3.0), items=np.arange(7))
    expected, dz = L.softmax_cross_entropy(z, y)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(d, dz, rtol=1e-12)


def test_sampled_softmax_tends_to_the_gradient_of_all_items_whatever_is_popular():
    K, S = 6, 200_000
    scores, q = RNG.normal(size=K), np.array([0.5, 0.2, 0.15, 0.1, 0.04, 0.01])
    drawn = np.concatenate([[3], RNG.choice(K, size=S, p=q)])
    log_q = np.log(q * S)[drawn]
    log_q[0] = 0.0  # the right item is there once, whatever was drawn
    _, dz = L.sampled_softmax(scores[drawn][None], np.array([0]), log_q=log_q, items=drawn)
    gradient = np.bincount(drawn, dz[0], minlength=K)
    _, full = L.softmax_cross_entropy(scores[None], np.array([3]))
    np.testing.assert_allclose(gradient, full[0], atol=0.01)
    _, plain = L.softmax_cross_entropy(
        np.where(np.arange(S + 1) == 0, scores[3], scores[drawn] - np.log(S / K))[None], np.array([0])
    )
    assert np.abs(np.bincount(drawn, plain[0], minlength=K) - full[0]).max() > 0.1  # and not without the correction


@pytest.mark.parametrize("name", ["sampled_softmax", "bpr_max"])
def test_an_accidental_hit_is_as_if_it_were_not_there(name):
    z = RNG.normal(size=(1, 6))
    words = {"log_q": LOG_Q} if name == "sampled_softmax" else {}
    value, d = getattr(L, name)(z, np.array([0]), items=ITEMS, **words)
    keep = [0, 1, 3, 4, 5]
    words = {"log_q": LOG_Q[keep]} if words else {}
    without, dz = getattr(L, name)(z[:, keep], np.array([0]), items=ITEMS[keep], **words)
    assert value == pytest.approx(without, rel=1e-14)
    np.testing.assert_allclose(d[:, keep], dz, rtol=1e-13)
    assert d[0, 2] == 0


def test_bpr_max_is_the_formula_of_the_paper():
    z, y, lam = RNG.normal(size=6), 2, 0.3
    wrong = np.delete(z, y)
    s = np.exp(wrong) / np.exp(wrong).sum()
    expected = -np.log((s / (1 + np.exp(wrong - z[y]))).sum()) + lam * (s * wrong**2).sum()
    assert one(partial(L.bpr_max, regularization=lam), z, y)[0] == pytest.approx(expected, rel=1e-13)


def test_the_derivative_of_bpr_max_is_right_where_its_value_is_beyond_all_floats():
    value, d = one(L.bpr_max, [0.0, 1e200, -1e200], 0)
    assert value == np.inf
    np.testing.assert_allclose(d, [-1.0, 2e200, 0.0])


def test_kl_gaussian_of_a_law_from_itself_is_zero():
    p = RNG.normal(size=(5, 6))
    value, d = L.kl_gaussian(p, p)
    assert value == 0
    assert not d.any()


def test_kl_categorical_from_a_one_hot_target_is_the_cross_entropy():
    z, y = RNG.normal(size=(5, 4)), RNG.integers(0, 4, 5)
    value, d = L.kl_categorical(z, np.eye(4)[y])
    expected, dz = L.softmax_cross_entropy(z, y)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(d, dz, rtol=1e-12)


def test_what_torch_has_agrees_with_torch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    p, y = RNG.normal(size=(6, 2)), RNG.normal(size=6)
    z, counts, q = RNG.normal(size=6), RNG.poisson(3, 6), case("kl_categorical")[2].reshape(-1, 5)[:6]
    logits = RNG.normal(size=(6, 5))
    law = torch.distributions.Normal
    tp = torch.tensor(p)
    mine = law(tp[:, 0], torch.exp(tp[:, 1] / 2))
    assert L.gaussian(p, y)[0] == pytest.approx(
        f.gaussian_nll_loss(tp[:, 0], torch.tensor(y), torch.exp(tp[:, 1]), full=True).item(), rel=1e-12
    )
    assert L.poisson(z, counts)[0] == pytest.approx(
        f.poisson_nll_loss(torch.tensor(z), torch.tensor(counts)).item()
        + np.mean([float(torch.lgamma(torch.tensor(c + 1.0, dtype=torch.float64))) for c in counts]),
        rel=1e-12,
    )
    assert L.kl_categorical(logits, q)[0] == pytest.approx(
        f.kl_div(torch.log_softmax(torch.tensor(logits), -1), torch.tensor(q), reduction="batchmean").item(), rel=1e-12
    )
    standard = torch.distributions.kl_divergence(mine, law(torch.zeros(6), torch.ones(6)))
    assert L.kl_gaussian(p)[0] == pytest.approx(standard.mean().item(), rel=1e-12)
