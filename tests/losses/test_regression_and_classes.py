"""Errors of one number and cross-entropies: what is their own beside the laws of all losses."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import exact

import rnncore as rc
from rnncore.errors import ContractError

RNG = np.random.default_rng(5)
REGRESSION = [rc.losses.mse, rc.losses.mae, rc.losses.huber, rc.losses.binary_cross_entropy]


@pytest.mark.parametrize("weighted", [False, True])
def test_derivative_of_softmax_by_complex_step(weighted):
    logits, target = RNG.normal(size=(4, 3, 5)) * 3, RNG.integers(0, 5, (4, 3))
    target[0, 0] = -1
    report = exact(rc.losses.softmax_cross_entropy, logits, target, RNG.random((4, 3)) if weighted else None, ignore=-1)
    assert report.ok, str(report)


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
