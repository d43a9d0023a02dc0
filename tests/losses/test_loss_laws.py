"""What holds for every loss: exact derivatives, weights, layouts, dtypes, NaN, and nothing overflows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES, KINKED, SHAPE, case, exact

from rnncore.errors import ContractError

ALL = pytest.mark.parametrize("name", sorted(CASES))
LAYOUTS = [
    "gaussian",
    "gaussian, softplus",
    "negative_binomial",
    "quantile",
    "weibull",
    "weibull, discrete",
    "zero_inflated_lognormal",
]


@ALL
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), weighted=st.booleans())
def test_the_derivative_by_complex_step(name, seed, weighted):
    loss, prediction, target = case(name, seed)
    weight = np.random.default_rng(seed).random(SHAPE) + 0.01 if weighted else None
    report = exact(loss, prediction, target, weight)
    assert report.ok, str(report)


@ALL
def test_a_planted_error_is_caught(name):
    loss, prediction, target = case(name)

    def wrong(p, y, w=None):
        value, d = loss(p, y, w)
        d.reshape(-1)[np.argmax(np.abs(d))] *= 1 + 1e-6
        return value, d

    assert not exact(wrong, prediction, target).ok


@ALL
def test_the_derivative_is_analytic_too_so_that_a_second_one_can_be_taken(name):
    loss, prediction, target = case(name)
    direction = np.random.default_rng(1).normal(size=prediction.shape)
    second = loss(prediction + 1e-20j * direction, target)[1].imag / 1e-20
    h = 1e-5
    difference = (loss(prediction + h * direction, target)[1] - loss(prediction - h * direction, target)[1]) / (2 * h)
    if name not in KINKED:
        assert second.any()
    np.testing.assert_allclose(second, difference, atol=2e-8 * max(1, np.abs(second).max()))


@ALL
def test_how_the_prediction_lies_in_memory_changes_nothing(name):
    loss, p, y = case(name)
    value, d = loss(p, y)
    turned = np.moveaxis(np.moveaxis(p, 0, 1).copy(), 1, 0)  # the same numbers, batch-first in memory
    same, dturned = loss(turned, y)
    assert same == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(dturned, d, rtol=1e-14)


@ALL
def test_a_whole_number_weight_equals_repeating_the_entry(name):
    loss, p, y = case(name)
    times = np.array([2, 0, 3, 1])
    value, dp = loss(p, y, times)
    repeated, d = loss(np.repeat(p, times, axis=0), np.repeat(y, times, axis=0))
    assert value == pytest.approx(repeated, rel=1e-13)
    np.testing.assert_allclose(dp[0], d[:2].sum(axis=0), rtol=1e-12, atol=1e-15)


@ALL
def test_an_entry_of_weight_zero_counts_for_nothing_whatever_stands_there(name):
    loss, p, y = case(name)
    value, dp = loss(p, y, np.array([1, 0, 1, 1]))
    p[1], y[1] = np.nan, -7 if y.dtype.kind == "i" else np.nan
    same, d = loss(p, y, np.array([1, 0, 1, 1]))
    assert value == same
    np.testing.assert_array_equal(dp, d)
    assert not d[1].any()


@ALL
def test_nan_in_the_prediction_gives_nan_out(name):
    loss, p, y = case(name)
    p[2, 1] = np.nan
    value, dp = loss(p, y)
    assert np.isnan(value)
    assert np.isnan(dp[2, 1]).any()
    assert np.isfinite(np.delete(dp, 2, axis=0)).all()


@ALL
def test_nan_in_the_target_gives_nan_or_an_error(name):
    loss, p, y = case(name)
    y = y.astype(float)
    y[2, 1] = np.nan
    try:
        value, dp = loss(p, y)
    except ContractError as error:
        assert error.argument == "target"
    else:
        assert np.isnan(value)
        assert np.isnan(dp[2, 1]).any()


@ALL
@pytest.mark.parametrize("size", [30.0, 1e3, 1e4, 1e38, 1e100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_warning_and_no_nan_at_extreme_predictions(name, size, dtype):
    if dtype == "float32" and size > 1e38:
        return
    loss, p, y = case(name)
    for sign in np.random.default_rng(0).choice([-1, 0, 1], size=(8, *p.shape)):
        value, dp = loss((size * sign).astype(dtype), y)
        assert not np.isnan(value)
        assert not np.isnan(dp).any()


@ALL
def test_the_gradient_is_new_and_keeps_shape_and_dtype_and_arguments_stay_as_they_are(name):
    loss, p, y = case(name)
    for dtype in (np.float32, np.float64):
        narrow = p.astype(dtype)
        w = np.random.default_rng(0).random(SHAPE)
        before = [a.copy() for a in (narrow, y, w)]
        value, d = loss(narrow, y, w)
        assert isinstance(value, float)
        assert d.dtype == dtype
        assert d.shape == p.shape
        assert not any(np.shares_memory(d, a) for a in (narrow, y, w))
        assert all((a == b).all() for a, b in zip(before, (narrow, y, w), strict=True))


@ALL
def test_float32_is_as_good_as_float32_can_be(name):
    loss, p, y = case(name)
    p = p.astype(np.float32)
    (value, d), (exact_value, exact_d) = loss(p, y), loss(p.astype(float), y)
    assert value == pytest.approx(exact_value, rel=1e-6)
    np.testing.assert_allclose(d, exact_d, atol=1e-6 * np.abs(exact_d).max())


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_numbers_of_many_targets_stand_side_by_side(name):
    loss, p, y = case(name)
    value, dp = loss(p, y)
    flat, dflat = loss(p.reshape(SHAPE[0], -1), y)
    assert flat == value
    np.testing.assert_array_equal(dflat.reshape(dp.shape), dp)


@ALL
def test_another_shape_of_prediction_or_weight_is_named(name):
    loss, p, y = case(name)
    with pytest.raises(ContractError, match="expected"):
        loss(p[:, :, None], y)
    with pytest.raises(ContractError, match="weight: expected numbers of shape"):
        loss(p, y, np.ones(99))
    with pytest.raises(ContractError, match="weight: expected at least one positive weight"):
        loss(p, y, np.zeros(SHAPE))
