"""The outputs of the fast twins: where nothing ends early they are the states that the cache keeps, read-only."""

import numpy as np
import pytest
from conftest import CASES
from problems import problem, twins

from rnncore.kernels.rows import as_rows

BASIC = [case for case in CASES if case[0] in ("rnn", "lstm", "gru")]
NAMES = ["-".join([name, *options.values()]) for name, options in BASIC]


@pytest.fixture(params=BASIC, ids=NAMES)
def outputs(request):
    """y, the final state and the cache of four steps of three sequences."""
    name, options = request.param
    params, x, state_0, *_ = problem(name, 4, 3, 2, 5)
    return twins(name)[1].forward(params, x, state_0, **options)


def test_y_is_what_the_cache_has_kept(outputs):
    y, _, cache = outputs
    assert np.shares_memory(y, cache.h)
    np.testing.assert_array_equal(y, cache.h[1:])


def test_y_cannot_be_written(outputs):
    y, _, cache = outputs
    kept = cache.h.copy()
    with pytest.raises(ValueError, match="read-only"):
        y *= 2
    np.testing.assert_array_equal(cache.h, kept)


def test_the_final_state_is_a_copy_of_its_own(outputs):
    y, state_T, cache = outputs
    before = cache.h.copy()
    for s in state_T:
        s[:] = 7
    np.testing.assert_array_equal(y, before[1:])


@pytest.mark.parametrize("case", BASIC, ids=NAMES)
def test_y_of_ragged_rows_is_an_array_of_its_own(case):
    name, options = case
    params, x, state_0, lengths, *_ = problem(name, 4, 3, 2, 5, lengths="ragged")
    y, _, cache = twins(name)[1].forward(params, x, state_0, lengths, **options)
    assert y.flags.writeable and not np.shares_memory(y, cache.h)


@pytest.mark.parametrize("case", BASIC, ids=NAMES)
def test_y_of_predict_can_be_written(case):
    name, options = case
    params, x, state_0, *_ = problem(name, 4, 3, 2, 5)
    assert twins(name)[1].predict(params, x, state_0, **options)[0].flags.writeable


def test_y_as_the_input_of_the_next_layer_is_not_copied(outputs):
    y, *_ = outputs
    rows = as_rows(y, 5)
    assert np.shares_memory(rows, y) and rows.flags.writeable and not y.flags.writeable


def test_numbers_in_read_only_memory_are_copied():
    x = np.frombuffer(np.arange(6.0).tobytes()).reshape(3, 2)
    rows = as_rows(x, 2)
    assert rows.flags.writeable and not np.shares_memory(rows, x)
    np.testing.assert_array_equal(rows, x)
