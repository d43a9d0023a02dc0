"""Futures: a path is what the model says when it is given its own draws."""

import numpy as np
import pytest

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.streaming import futures

MODEL = rc.Stack(rc.LSTM(2, 4, backend="numpy", dtype="float64"), rc.Dense(4, 2, dtype="float64"))
PARAMS = MODEL.init(seed=0)
X = np.random.default_rng(0).normal(size=(5, 3, 2))


def noisy(y, rng):
    return y + rng.normal(size=y.shape)


def test_a_future_without_chance_is_the_model_run_on_its_own_outputs():
    found = futures(MODEL, PARAMS, X, lambda y, rng: y, steps=4)[:, :, 0]
    whole = MODEL.forward(PARAMS, np.concatenate([X, found]))[0]
    np.testing.assert_allclose(found, whole[4:8], rtol=1e-12)


def test_each_path_goes_on_from_its_own_draws():
    found = futures(MODEL, PARAMS, X, noisy, steps=3, paths=2, seed=1)
    noise = np.random.default_rng(1).normal(size=found.shape)
    for path in range(2):
        y = MODEL.forward(PARAMS, np.concatenate([X, found[:, :, path]]))[0][4:7]
        np.testing.assert_allclose(found[:, :, path], y + noise[:, :, path], rtol=1e-12)


def test_a_future_begins_where_its_row_ends():
    short = futures(MODEL, PARAMS, X, lambda y, rng: y, steps=2, lengths=[5, 4, 2])
    alone = futures(MODEL, PARAMS, X[:2, 2:], lambda y, rng: y, steps=2)
    np.testing.assert_allclose(short[:, 2:], alone, rtol=1e-12)


def test_the_same_seed_draws_the_same_futures():
    one, other = (futures(MODEL, PARAMS, X, noisy, steps=3, paths=4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", [rc.Stack(rc.GRU(2, 4), rc.Last()), rc.Bidirectional(rc.GRU(2, 4))])
def test_a_model_that_cannot_go_on_is_refused(model):
    with pytest.raises(ContractError, match="go on from its state"):
        futures(model, model.init(0), X.astype("float32"), noisy, steps=1)


@pytest.mark.parametrize(("x", "lengths"), [(X[:0], None), (X, [5, 3, 0])])
def test_a_row_without_a_step_has_nothing_to_begin_from(x, lengths):
    with pytest.raises(ContractError, match="one step in each row, or more"):
        futures(MODEL, PARAMS, x, noisy, steps=1, lengths=lengths)
