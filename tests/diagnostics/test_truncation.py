"""Truncated gradients beside the exact one."""

import numpy as np
import pytest
from patients import EQUAL, WORDS, truncation

import rnncore as rc
from rnncore import diagnostics
from rnncore.errors import ContractError


def test_the_measures_are_those_of_the_two_gradients():
    args, words, found = truncation([2], [3])
    exact, cut = rc.full_bptt(*args, **words)[1], rc.truncated_bptt(*args, k1=2, k2=3, **words)[1]
    a, b = (np.concatenate([g[n].ravel() for n in exact]) for g in (cut, exact))
    for k, (g, e) in enumerate([(a, b), *((cut[n].ravel(), exact[n].ravel()) for n in exact)]):
        lengths = np.sqrt(g @ g), np.sqrt(e @ e)
        gap = g - e
        expected = g @ e / np.prod(lengths), lengths[0] / lengths[1], np.sqrt(gap @ gap) / lengths[1]
        assert (found.cosine[0, 0, k], found.ratio[0, 0, k], found.bias[0, 0, k]) == pytest.approx(expected, rel=1e-12)
    assert found.names == ("overall", *exact)


def test_nothing_is_lost_where_k2_is_the_whole_length():
    _, _, found = truncation([1, 9], [9, 20])
    assert found.bias.max() <= EQUAL
    np.testing.assert_allclose(found.cosine, 1, rtol=EQUAL)


def test_a_longer_memory_is_closer_and_k2_below_k1_is_nan():
    _, _, found = truncation([1, 4], [1, 3, 6, 9])
    overall = found.bias[:, :, 0]
    np.testing.assert_array_equal(np.isnan(overall), [[False] * 4, [True, True, False, False]])
    assert overall[0, 0] > overall[0, 2] > overall[0, 3]


def test_a_gradient_of_zero_has_no_direction():
    model = rc.RNN(3, 5, **WORDS)
    x = np.zeros((6, 2, 3))
    params = {n: np.zeros(s) for n, s in model.parameter_shapes().items()}
    found = diagnostics.truncation_error(model, params, x, np.ones((6, 2, 5)), rc.losses.mse, [1], [2])
    assert np.isnan(found.cosine[0, 0, found.names.index("Wx")])


@pytest.mark.parametrize(("words", "name"), [({"k1s": []}, "k1s"), ({"k2s": [2, 0]}, r"k2s\[1\]")])
def test_lengths_of_truncation_are_whole_numbers(words, name):
    with pytest.raises(ContractError, match=f"^{name}:"):
        truncation(**({"k1s": [1], "k2s": [2]} | words))
