"""A wrong argument is named, with what was expected, what came and what to do."""

import re

import numpy as np
import pytest

import rnncore as rc
from rnncore.errors import ContractError

L = rc.losses
ONE, TWO, THREE = np.ones((3, 1)), np.ones((3, 2)), np.ones((3, 3))
Y, CLASS = np.ones(3), np.zeros(3, int)

BREACHES = {
    "levels out of reach": (lambda: L.quantile(THREE, Y, levels=(0.1, 1.0)), "levels: expected a number in (0, 1)"),
    "no level": (lambda: L.quantile(THREE, Y, levels=()), "levels: expected at least one level"),
    "a level by itself": (lambda: L.quantile(ONE, Y, levels=0.5), "levels: expected several levels, received 0.5"),
    "two quantiles for three levels": (
        lambda: L.quantile(TWO, Y),
        "prediction: expected shape (3, 3), the 3 quantiles of each target (or (9,)), received shape (3, 2)",
    ),
    "another scale": (lambda: L.gaussian(TWO, Y, scale="sd"), "scale: expected 'log-variance' or 'softplus'"),
    "a target of words": (lambda: L.gaussian(TWO, np.array(["a"] * 3)), "target: expected real numbers"),
    "words to regress on": (lambda: L.mse(Y, np.array(["a"] * 3)), "target: expected real numbers, received dtype <U1"),
    "a negative count": (lambda: L.poisson(Y, -Y), "target: expected counts of at least 0, received -1"),
    "an infinite count": (lambda: L.negative_binomial(TWO, Y * np.inf), "target: expected counts of at least 0"),
    "a negative amount": (lambda: L.zero_inflated_lognormal(THREE, -Y), "target: expected amounts of at least 0"),
    "poisson of another shape": (lambda: L.poisson(ONE, Y), "target: expected shape (3, 1), received shape (3,)"),
    "a time without event": (lambda: L.discrete_hazard(THREE, Y), "target: expected shape (3, 2)"),
    "an event of 2": (lambda: L.discrete_hazard(THREE, TWO * 2), "target: expected events: 1 (it came) or 0"),
    "a time past the last interval": (
        lambda: L.discrete_hazard(THREE, TWO * [3, 0]),
        "intervals from 0 to 2, received 3; one that was seen through all 3 intervals is (2, 0)",
    ),
    "half an interval": (lambda: L.discrete_hazard(THREE, TWO * [0.5, 1]), "intervals from 0 to 2, received 0.5"),
    "a negative time": (lambda: L.weibull(TWO, TWO * [-1, 1], discrete=True), "times of at least 0"),
    "an event at time 0": (lambda: L.weibull(TWO, TWO * [0, 1]), "times above 0 (of at least 0 where censored)"),
    "an infinite time": (lambda: L.weibull(TWO, TWO * [np.inf, 0]), "times above 0"),
    "complex targets of real numbers": (lambda: L.mse(Y, Y + 1j), "target: expected real numbers, received dtype comp"),
    "logits in a list": (lambda: L.kl_categorical([0.0, 1.0], Y), "prediction: expected a NumPy array"),
    "no probabilities": (lambda: L.kl_categorical(TWO, TWO), "target: expected rows of probabilities"),
    "an odd number of moments": (lambda: L.kl_gaussian(THREE), "(mean, log-variance)"),
    "a prior of another shape": (lambda: L.kl_gaussian(TWO, ONE), "target: expected shape (3, 2)"),
    "log_q of another length": (
        lambda: L.sampled_softmax(TWO, CLASS, log_q=Y),
        "log_q: expected numbers of shape (2,)",
    ),
    "q of zero": (
        lambda: L.sampled_softmax(TWO, CLASS, log_q=np.array([0.0, -np.inf])),
        "log_q: expected finite logarithms",
    ),
    "ids that are no integers": (
        lambda: L.bpr_max(TWO, CLASS, items=np.ones(2)),
        "items: expected integers of shape (2,) or (3, 2), received float64 of shape (2,)",
    ),
    "a column that is not there": (lambda: L.bpr_max(TWO, CLASS + 2), "target: expected classes from 0 to 1"),
    "nothing wrong to choose": (lambda: L.bpr_max(ONE, CLASS), "logits: expected a wrong candidate in each row"),
    "a negative lambda": (lambda: L.bpr_max(TWO, CLASS, regularization=-1), "regularization: expected a number in [0"),
}


@pytest.mark.parametrize("what", sorted(BREACHES))
def test_a_breach_is_named(what):
    call, words = BREACHES[what]
    with pytest.raises(ContractError, match=re.escape(words)):
        call()
