"""A target per history and one per step: `fit` and `evaluate` refuse the one that the model does not answer."""

import numpy as np
import polars as pl
import pytest

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.sequences import Minibatches, ParquetMinibatches, Prefetched, Windows
from rnncore.training import Adam, evaluate, fit

N, L = 8, 4
X = np.random.default_rng(0).normal(size=(N, L, 2)).astype(np.float32)
EACH_STEP = X.sum(axis=2, keepdims=True)  # (N, L, 1)
STEPS = rc.Stack(rc.RNN(2, 3, backend="numpy"), rc.Dense(3, 1))
LAST = rc.Stack(rc.RNN(2, 3, backend="numpy"), rc.Last(), rc.Dense(3, L))


def trained(model, batches, **words):
    return fit(model, model.init(seed=0), batches, rc.losses.mse, Adam(0.01), epochs=1, **words)


@pytest.mark.parametrize("batch_size", [L, L + 1])
def test_an_array_of_targets_per_step_is_never_taken_for_a_time_major_one(batch_size):
    batches = Minibatches(list(X), EACH_STEP, batch_size=batch_size)
    with pytest.raises(ContractError, match=r"^target: expected one for each step, .*list\(target\)"):
        trained(STEPS, batches)


@pytest.mark.parametrize("batch_size", [L, L + 1])
def test_as_a_list_each_step_meets_its_own_target(batch_size):
    batches = Minibatches(list(X), list(EACH_STEP), batch_size=batch_size)
    _, _, target, *_ = batch = batches.batch(0, 0)
    np.testing.assert_array_equal(target, EACH_STEP[batch.rows].swapaxes(0, 1))
    assert len(trained(STEPS, batches)[1]) == 1


def test_a_list_of_vectors_for_a_model_that_answers_once_is_refused_too():
    batches = Minibatches(list(X), list(EACH_STEP[..., 0]), batch_size=L)  # L numbers for L outputs, or one a step?
    with pytest.raises(ContractError, match=r"^target: expected one for each history, .*pass one array \(N, \.\.\.\)"):
        trained(LAST, batches)
    assert len(trained(LAST, Minibatches(list(X), EACH_STEP[..., 0], batch_size=L))[1]) == 1


def test_validation_and_evaluate_are_held_to_the_same():
    right, wrong = (Minibatches(list(X), target, batch_size=L) for target in (list(EACH_STEP), EACH_STEP))
    with pytest.raises(ContractError, match=r"^target:"):
        trained(STEPS, right, validation=wrong)
    with pytest.raises(ContractError, match=r"^target:"):
        evaluate(STEPS, STEPS.init(seed=0), wrong, rc.losses.mse)


def parquet(folder, per):
    rows = {"who": np.repeat(np.arange(N), L), "a": X[..., 0].ravel(), "b": X[..., 1].ravel(), "y": EACH_STEP.ravel()}
    pl.DataFrame(rows).write_parquet(folder / "log.parquet")
    return ParquetMinibatches(folder / "log.parquet", "who", ["a", "b"], ["y"], per=per, batch_size=L)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("per", "model"), [("history", STEPS), ("step", LAST)])
def test_of_a_file_per_says_which(tmp_path, per, model, ahead):
    batches = parquet(tmp_path, per)
    with pytest.raises(ContractError, match=f"^target: expected .* received one for each {per}"):
        trained(model, Prefetched(batches) if ahead else batches)


def test_windows_have_a_target_each():
    with pytest.raises(ContractError, match=r"^target: expected one for each step"):
        trained(STEPS, Windows(X[0], inputs=2, batch_size=2))


def test_a_weight_per_step_is_a_list_of_arrays_beside_a_target_per_step():
    with pytest.raises(ContractError, match=r"^weight: .*received shape \(8, 4\); .*list\(weight\)"):
        Minibatches(list(X), list(EACH_STEP), np.ones((N, L)))
    with pytest.raises(ContractError, match=r"^weight: .*list\(target\)"):
        Minibatches(list(X), EACH_STEP, list(np.ones((N, L))))


def test_a_loss_says_of_swapped_axes_what_they_are():
    with pytest.raises(ContractError, match=r"^target: .*target\.swapaxes\(0, 1\)"):
        rc.losses.mse(np.zeros((L, N, 1)), EACH_STEP)
    with pytest.raises(ContractError, match="reshape one of them"):
        rc.losses.mse(np.zeros((L, N, 1)), EACH_STEP[:, :2])
