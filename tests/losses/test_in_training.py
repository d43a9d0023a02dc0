"""Losses with several numbers per target in the loop: steps past a row's end, truncation, and what is learned."""

import numpy as np
import pytest

import rnncore as rc

L = rc.losses


def problem(width, target):
    model = rc.Stack(rc.GRU(2, 4, backend="numpy", dtype="float64"), rc.Dense(4, width, dtype="float64"))
    rng = np.random.default_rng(0)
    return model, model.init(0), rng.normal(size=(6, 3, 2)), target(rng)


PROBLEMS = {
    "quantile": (L.quantile, 3, lambda rng: rng.normal(size=(6, 3))),
    "negative_binomial": (L.negative_binomial, 2, lambda rng: rng.poisson(2, (6, 3))),
    "weibull": (L.weibull, 2, lambda rng: np.stack([rng.gamma(2, size=(6, 3)), rng.integers(0, 2, (6, 3))], axis=-1)),
    "discrete_hazard": (L.discrete_hazard, 4, lambda rng: rng.integers(0, 2, (6, 3, 2))),
    "zero_inflated_lognormal": (L.zero_inflated_lognormal, 3, lambda rng: np.exp(rng.normal(size=(6, 3)))),
}


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_steps_past_a_rows_end_count_for_nothing_and_pieces_add_up(name):
    loss, width, make = PROBLEMS[name]
    model, params, x, target = problem(width, make)
    lengths = [6, 4, 1]
    value, grads, _ = rc.full_bptt(model, params, x, target, loss, lengths=lengths)
    cut, _, _ = rc.truncated_bptt(model, params, x, target, loss, k1=2, lengths=lengths)
    past = np.arange(6)[:, None] >= lengths
    other = target.astype(float)
    other[past] = np.nan
    same, again, _ = rc.full_bptt(model, params, x, other, loss, lengths=lengths)
    assert cut == pytest.approx(value, rel=1e-12)
    assert same == value
    assert all((again[n] == g).all() for n, g in grads.items())


def descend(loss, prediction, target, steps=200):
    """Gradient descent on one prediction for all targets."""
    params, optimizer = {"p": np.array(prediction, float)}, rc.Adam(0.1)
    for _ in range(steps):
        tiled = np.tile(params["p"], (len(target), 1))
        params = optimizer.step(params, {"p": loss(tiled, target)[1].sum(axis=0)})
    return params["p"]


def test_weibull_finds_scale_and_shape_in_spite_of_censoring():
    rng = np.random.default_rng(1)
    t, end = 3.0 * rng.weibull(1.8, 4000), rng.uniform(0, 6, 4000)
    a, b = descend(L.weibull, [0.0, 0.0], np.stack([np.minimum(t, end), t <= end], axis=-1))
    assert np.exp(a) == pytest.approx(3.0, rel=0.05)
    assert np.log1p(np.exp(b)) == pytest.approx(1.8, rel=0.05)


def test_hazards_find_the_shares_in_spite_of_censoring():
    rng = np.random.default_rng(1)
    t, end = rng.choice(4, 6000, p=[0.4, 0.3, 0.2, 0.1]), rng.integers(0, 4, 6000)
    z = descend(L.discrete_hazard, np.zeros(3), np.stack([np.minimum(np.minimum(t, end), 2), (t <= end) & (t < 3)], -1))
    np.testing.assert_allclose(1 / (1 + np.exp(-z)), [0.4, 0.3 / 0.6, 0.2 / 0.3], atol=0.03)


def test_negative_binomial_finds_mean_and_dispersion():
    y = np.random.default_rng(1).negative_binomial(2.0, 0.4, 3000)  # mean 3, dispersion 1/2
    z, a = descend(L.negative_binomial, [0.0, 0.0], y)
    assert np.exp(z) == pytest.approx(3.0, rel=0.05)
    assert np.exp(a) == pytest.approx(0.5, rel=0.1)
