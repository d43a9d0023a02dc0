"""The functions that NumPy lacks, against scipy, from the smallest floats to the largest, and by complex step."""

import numpy as np
import pytest
from scipy import special as reference

from rnncore.losses import special

X = np.concatenate([np.logspace(-300, 300, 301), np.linspace(0.5, 30, 200)])


def test_gammaln():
    np.testing.assert_allclose(special.gammaln(X), reference.gammaln(X), rtol=2e-14, atol=4e-15)


def test_digamma():
    np.testing.assert_allclose(special.digamma(X), reference.digamma(X), rtol=1e-14, atol=4e-15)


def test_stirling_is_what_gammaln_leaves():
    x = np.linspace(10, 40, 100)
    left = reference.gammaln(x) - ((x - 0.5) * np.log(x) - x + np.log(2 * np.pi) / 2)
    np.testing.assert_allclose(special.stirling(x)[0], left, atol=4e-14)


@pytest.mark.parametrize("x", [1e-8, 0.3, 4.0, 9.99, 10.01, 1e5])
def test_digamma_is_the_derivative_of_gammaln_and_analytic_itself(x):
    x = np.array(x)
    step = special.gammaln(x + 1e-150j).imag / 1e-150
    np.testing.assert_allclose(step, special.digamma(x), rtol=1e-13)
    trigamma = special.digamma(x + 1e-150j).imag / 1e-150
    np.testing.assert_allclose(trigamma, reference.polygamma(1, x), rtol=1e-13)


def test_softplus_sigmoid_and_the_logarithm_of_softplus():
    mp = pytest.importorskip("mpmath")
    z = np.array([-1e5, -800.0, -40.0, -36.0, -35.9, -1.0, 0.0, 3.0, 40.0, 800.0])
    with mp.workdps(60):
        plus = [mp.log1p(mp.exp(float(v))) for v in z]
        logs = [float(mp.log(v)) if v else float(b) for v, b in zip(plus, z, strict=True)]
    np.testing.assert_allclose(special.softplus(z), [float(v) for v in plus], rtol=1e-15)
    np.testing.assert_allclose(special.sigmoid(z), reference.expit(z), rtol=1e-15)
    np.testing.assert_allclose(special.log_softplus(z)[0], logs, rtol=1e-14)


def test_log1p_less_does_not_cancel():
    mp = pytest.importorskip("mpmath")
    q = np.concatenate([np.logspace(-150, 10, 100), [0.0, 0.49, 0.5]])
    with mp.workdps(400):
        expected = [float(mp.log1p(float(v)) - float(v)) for v in q]
    np.testing.assert_allclose(special.log1p_less(q), expected, rtol=4e-15)


def test_over_expm1_and_log1m_exp():
    mp = pytest.importorskip("mpmath")
    x = np.logspace(-300, 2.8, 200)
    with mp.workdps(400):
        ratio = [float(float(v) / mp.expm1(float(v))) for v in x]
        log = [float(mp.log(-mp.expm1(-float(v)))) for v in x]
    np.testing.assert_allclose(special.over_expm1(x), ratio, rtol=1e-14)
    np.testing.assert_allclose(special.log1m_exp(x, np.log(x)), log, rtol=1e-14)
