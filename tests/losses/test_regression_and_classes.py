"""Losses: right values, exact derivatives, weights that weigh, and no overflow at the extremes."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore import gradcheck
from rnncore.errors import ContractError

RNG = np.random.default_rng(5)
REGRESSION = [rc.losses.mse, rc.losses.mae, rc.losses.huber, rc.losses.binary_cross_entropy]


def exact(loss, prediction, target, weight=None, **words):
    """Check the derivative of a loss by complex step, through an upstream gradient that is not one."""

    def forward(inputs):
        value, _ = loss(inputs["prediction"], target, weight, **words)
        return (np.array([value]),), None

    def backward(inputs, cache, upstream):
        return {"prediction": loss(inputs["prediction"], target, weight, **words)[1] * upstream[0]}

    return gradcheck.check_pair(forward, backward, {"prediction": prediction})


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", REGRESSION)
def test_derivative_by_complex_step(loss, weighted):
    prediction, target = RNG.normal(size=(4, 3, 2)) * 3, RNG.random((4, 3, 2))
    weight = RNG.random((4, 3)) if weighted else None
    report = exact(loss, prediction, target, weight)
    assert report.ok, str(report)


@pytest.mark.parametrize("weighted", [False, True])
def test_derivative_of_softmax_by_complex_step(weighted):
    logits, target = RNG.normal(size=(4, 3, 5)) * 3, RNG.integers(0, 5, (4, 3))
    target[0, 0] = -1
    report = exact(rc.losses.softmax_cross_entropy, logits, target, RNG.random((4, 3)) if weighted else None, ignore=-1)
    assert report.ok, str(report)


def test_a_planted_error_in_a_loss_is_caught():
    def wrong(prediction, target, weight=None):
        value, d = rc.losses.huber(prediction, target, weight)
        return value, d * (1 + 1e-6)

    assert not exact(wrong, RNG.normal(size=(4, 2)), np.zeros((4, 2))).ok


@pytest.mark.parametrize("z", [-1e308, -1000.0, -40.0, 0.0, 40.0, 1000.0, 1e308])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_binary_cross_entropy_is_finite_and_right_at_extreme_logits(z, y):
    value, dz = rc.losses.binary_cross_entropy(np.array([z]), np.array([y]))
    away = z if y == 0 else -z  # how far the logit is on the wrong side
    assert value == pytest.approx(max(away, 0) + np.log1p(np.exp(-abs(z))), rel=1e-14)
    assert dz[0] == pytest.approx(
        (0.0 if away < -700 else 1 / (1 + np.exp(-min(away, 700.0)))) * (1 - 2 * y), rel=1e-14
    )


def test_softmax_cross_entropy_is_finite_and_right_at_extreme_logits():
    value, dz = rc.losses.softmax_cross_entropy(np.array([[1e4, -1e4, 0.0]]), np.array([1]))
    assert value == 2e4
    np.testing.assert_array_equal(dz, [[1.0, -1.0, 0.0]])


def test_softmax_over_two_classes_equals_the_binary_loss():
    z, y = RNG.normal(size=(7, 1)) * 5, RNG.integers(0, 2, (7, 1))
    binary, dz = rc.losses.binary_cross_entropy(z, y)
    both, dboth = rc.losses.softmax_cross_entropy(np.hstack([np.zeros_like(z), z]), y[:, 0])
    assert both == pytest.approx(binary, rel=1e-13)
    np.testing.assert_allclose(dboth[:, 1:], dz, rtol=1e-12, atol=1e-15)  # p - 1 cancels


@pytest.mark.parametrize("loss", REGRESSION)
def test_a_whole_number_weight_equals_repeating_the_entry(loss):
    p, y = RNG.normal(size=(3, 2)), RNG.random((3, 2))
    times = np.array([2, 0, 3])
    value, dp = loss(p, y, times)
    repeated, d = loss(np.repeat(p, times, axis=0), np.repeat(y, times, axis=0))
    assert value == pytest.approx(repeated, rel=1e-14)
    np.testing.assert_allclose(dp[0], d[:2].sum(axis=0), rtol=1e-13)


@pytest.mark.parametrize("loss", REGRESSION)
def test_an_entry_of_weight_zero_counts_for_nothing_even_if_it_is_nan(loss):
    p, y = RNG.normal(size=(3, 2)), RNG.random((3, 2))
    p[1] = np.nan
    value, dp = loss(p, y, np.array([1, 0, 1]))
    assert value == loss(p[[0, 2]], y[[0, 2]])[0]
    assert not dp[1].any()


@pytest.mark.parametrize("loss", REGRESSION)
def test_nan_in_gives_nan_out(loss):
    value, dp = loss(np.array([[np.nan], [1.0]]), np.zeros((2, 1)))
    assert np.isnan(value)
    assert np.isnan(dp[0, 0])


def test_nan_in_gives_nan_out_of_softmax():
    value, dz = rc.losses.softmax_cross_entropy(np.array([[np.nan, 1.0]]), np.array([1]))
    assert np.isnan(value)
    assert np.isnan(dz).all()


def test_a_class_that_does_not_count_may_be_any_number():
    logits = RNG.normal(size=(3, 4))
    value, dz = rc.losses.softmax_cross_entropy(logits, np.array([1, 99, -7]), np.array([1.0, 0.0, 2.0]), ignore=-7)
    assert value == rc.losses.softmax_cross_entropy(logits[:1], np.array([1]))[0]
    assert not dz[1:].any()


@given(seed=st.integers(0, 10**6), delta=st.floats(0.1, 3))
def test_huber_lies_between_a_parabola_and_a_cone(seed, delta):
    e = np.random.default_rng(seed).normal(size=(1, 1)) * 3
    value = rc.losses.huber(e, np.zeros((1, 1)), delta=delta)[0]
    assert value <= e[0, 0] ** 2 / 2 + 1e-15
    assert value <= delta * abs(e[0, 0]) + 1e-15


def test_gradients_keep_the_dtype_of_the_prediction():
    p = np.ones((2, 2), np.float32)
    assert all(loss(p, np.zeros((2, 2)))[1].dtype == np.float32 for loss in REGRESSION)
    assert rc.losses.softmax_cross_entropy(p, np.array([0, 1]))[1].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rc.losses.mse(np.ones((2, 1)), np.ones(2)), "target: expected shape (2, 1), received shape (2,)"),
        (lambda: rc.losses.mse(np.ones(2), np.ones(2), np.ones(3)), "weight: expected numbers of shape (2,)"),
        (lambda: rc.losses.mse(np.ones(2), np.ones(2), np.array([1, -1])), "weight: expected numbers of at least 0"),
        (lambda: rc.losses.mse(np.ones(2), np.ones(2), np.zeros(2)), "weight: expected at least one positive weight"),
        (lambda: rc.losses.huber(np.ones(2), np.ones(2), delta=0), "delta: expected a number in (0, inf)"),
        (
            lambda: rc.losses.softmax_cross_entropy(np.ones((2, 3)), np.array([0, 3])),
            "target: expected classes from 0 to 2, received the class 3",
        ),
        (
            lambda: rc.losses.softmax_cross_entropy(np.ones((2, 3)), np.ones(2)),
            "target: expected integers of shape (2,)",
        ),
    ],
)
def test_a_breach_is_named(call, words):
    with pytest.raises(ContractError, match=re.escape(words)):
        call()


@pytest.mark.parametrize("loss", REGRESSION)
@pytest.mark.parametrize("centre", [0.0, 1.5])
def test_the_derivative_is_analytic_too_so_that_a_second_one_can_be_taken(loss, centre):
    prediction = centre + np.array([[0.0, -2.0, 3.0]])
    step = 1e-5 if loss is not rc.losses.mae else 0.1
    _, d = loss(prediction + 1e-20j, np.full((1, 3), 0.25))
    right, left = (loss(prediction + h, np.full((1, 3), 0.25))[1] for h in (step, -step))
    np.testing.assert_allclose(d.imag / 1e-20, (right - left) / (2 * step), atol=1e-9)
