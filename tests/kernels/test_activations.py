"""tanh and sigmoid of the kernels: error in ULP, symmetry, saturation, infinities, NaN, the smallest numbers."""

import numpy as np
import pytest

from rnncore.kernels.activations import activate, dactivate, sigmoid, tanh
from rnncore.kernels.jit import kernel
from rnncore.kernels.vectors import lanes, load, store

BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])


@kernel
def compute(which, m):
    n = m.shape[1]
    for j in range(0, n, lanes(m)):
        x = load(m, 0, j, n - j)
        if which == 0:
            x = tanh(x)
        elif which == 1:
            x = sigmoid(x)
        elif which == 2:
            x = activate(x, True)
        else:
            x = dactivate(x, which == 3)
        store(m, 0, j, n - j, x)


def apply(which, x):
    m = np.array(x)[None]
    compute(["tanh", "sigmoid", "relu", "drelu", "dtanh"].index(which), m)
    return m[0]


def ulp(actual, exact):
    """Largest distance in units of the last place of the rounded exact value."""
    rounded = exact.astype(actual.dtype)
    return np.max(np.abs(actual - exact) / np.spacing(np.abs(rounded)).astype(exact.dtype))


def single():
    """Every 499th positive float32."""
    x = np.arange(0, 0x7F800000, 499, dtype=np.uint32).view(np.float32)
    return x[x < 1e3]


def double():
    """Numbers of all sizes, and many where the functions bend."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.uniform(0, 20, 300_000), rng.uniform(0, 1, 300_000), 10 ** rng.uniform(-300, 2, 100_000)]
    )


extended = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no type longer than float64 to compare with")
CASES = [pytest.param(single, np.float64, 2.6, 2.6, id="float32"),
         pytest.param(double, np.longdouble, 2.7, 2.4, id="float64", marks=extended)]  # fmt: skip


@pytest.mark.parametrize(("numbers", "exact", "limit", "_"), CASES)
def test_tanh_is_within_the_stated_ulp(numbers, exact, limit, _):
    x = numbers()
    assert ulp(apply("tanh", x), np.tanh(x.astype(exact))) < limit


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("numbers", "exact", "_", "limit"), CASES)
def test_sigmoid_is_within_the_stated_ulp(numbers, exact, _, limit, sign):
    x = sign * numbers()
    x = x[x > (-87 if x.dtype == np.float32 else -708)]
    assert ulp(apply("sigmoid", x), 1 / (1 + np.exp(-x.astype(exact)))) < limit


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(0, 0x42AE0000, 2**26))
def test_every_float32_is_within_the_stated_ulp(part):
    for first in range(part, min(part + 2**26, 0x42AE0000), 2**21):  # from 0 to 87
        x = np.arange(first, min(first + 2**21, 0x42AE0000), dtype=np.uint32).view(np.float32)
        wide = x.astype(np.float64)
        assert ulp(apply("tanh", x), np.tanh(wide)) < 2.6
        assert ulp(apply("sigmoid", x), 1 / (1 + np.exp(-wide))) < 2.6
        assert ulp(apply("sigmoid", -x), 1 / (1 + np.exp(wide))) < 2.6


@BOTH
def test_tanh_is_odd(dtype):
    x = np.random.default_rng(0).normal(scale=4, size=10_001).astype(dtype)
    np.testing.assert_array_equal(apply("tanh", -x), -apply("tanh", x))


@BOTH
def test_tanh_keeps_the_sign_of_zero(dtype):
    np.testing.assert_array_equal(np.signbit(apply("tanh", np.array([0.0, -0.0], dtype))), [False, True])


@BOTH
def test_tanh_of_the_smallest_numbers_is_the_number(dtype):
    info = np.finfo(dtype)
    x = np.array([info.smallest_subnormal, 5 * info.smallest_subnormal, info.tiny, -info.tiny], dtype)
    np.testing.assert_array_equal(apply("tanh", x), x)


@BOTH
def test_neither_leaves_its_range(dtype):
    x = np.linspace(-1000, 1000, 100_003).astype(dtype)
    assert np.abs(apply("tanh", x)).max() == 1
    assert (apply("sigmoid", x).min(), apply("sigmoid", x).max()) == (0, 1)


@BOTH
@pytest.mark.parametrize(
    ("function", "expected"), [("tanh", [-1, 1]), ("sigmoid", [0, 1]), ("relu", [0, np.inf]), ("drelu", [-np.inf, 1])]
)
def test_infinities(dtype, function, expected):
    np.testing.assert_array_equal(apply(function, np.array([-np.inf, np.inf], dtype)), expected)


@BOTH
@pytest.mark.parametrize("function", ["tanh", "sigmoid", "relu", "drelu", "dtanh"])
def test_nan_stays_nan_in_every_lane(dtype, function):
    assert np.isnan(apply(function, np.full(35, np.nan, dtype))).all()


@BOTH
def test_relu_and_its_derivative(dtype):
    s = apply("relu", np.array([-2, -0.0, 0, 3], dtype))
    np.testing.assert_array_equal(s, [0, 0, 0, 3])
    np.testing.assert_array_equal(apply("drelu", s), [0, 0, 0, 1])
