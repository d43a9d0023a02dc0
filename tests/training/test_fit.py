"""`fit` is the loop that one would write by hand."""

import copy
import functools

import numpy as np
import pytest
from small_run import EPOCHS, arguments

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.sequences import Batch, Minibatches
from rnncore.training import SGD, Adam, clip_by_global_norm, evaluate, fit, full_bptt, global_norm, truncated_bptt


def assert_same(a, b):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def by_hand(job, epochs, bptt=full_bptt, **words):
    """The documented loop, written out; returns the weights after each epoch and the history."""
    params, optimizer, after, history = job["params"], copy.deepcopy(job["optimizer"]), [], []
    for epoch in range(epochs):
        losses, weights, norms = [], [], []
        for step in range(len(job["batches"])):
            x, lengths, target, weight, _ = job["batches"].batch(epoch, step)
            rng = np.random.default_rng([job["seed"], epoch, step])
            run = {"lengths": lengths, "weight": weight, "rng": rng, **words}
            value, grads, _ = bptt(job["model"], params, x, target, job["loss"], **run)
            grads, norm = clip_by_global_norm(grads, job["clip"])
            params = optimizer.step(params, grads)
            losses.append(value), norms.append(norm)
            weights.append(np.sum(x.shape[1] if weight is None else weight))
        after.append(params)
        train, mean, most = np.average(losses, weights=weights), np.mean(norms), max(norms)
        history.append({"epoch": epoch, "train_loss": train, "gradient_norm": mean, "gradient_norm_max": most})
    return after, history


def per_step_job():
    """A model with an output at every step, ragged histories (one batch of empty ones) and a target per step."""
    rng = np.random.default_rng(4)
    x = [rng.normal(size=(n, 2)) for n in (7, 7, 5, 3, 0, 0)]
    model = rc.Stack(rc.LSTM(2, 3, backend="numpy", dtype="float64"), rc.Dense(3, 2, dtype="float64"))
    batches = Minibatches(x, [np.roll(h, 1, axis=0) for h in x], batch_size=2)
    job = {"model": model, "params": model.init(seed=0), "batches": batches, "loss": rc.losses.huber, "seed": 0}
    return job | {"optimizer": SGD(0.1), "clip": 0.05}


def test_the_weights_are_those_of_the_loop_written_out():
    job = arguments() | {"validation": None}
    assert_same(fit(**job)[0], by_hand(job, EPOCHS)[0][-1])


def test_the_history_is_that_of_the_loop_written_out():
    job = arguments() | {"validation": None}
    for ours, expected in zip(fit(**job)[1], by_hand(job, EPOCHS)[1], strict=True):
        assert ours == pytest.approx(expected, rel=1e-12)


def test_k1_and_k2_choose_truncated_bptt():
    job = per_step_job()
    job["batches"] = Minibatches(list(np.ones((2, 7, 2))), list(np.full((2, 7, 2), 0.5)), batch_size=2)
    expected = by_hand(job, 2, truncated_bptt, k1=2, k2=3)[0][-1]
    assert_same(fit(**job, epochs=2, k1=2, k2=3)[0], expected)


def test_without_clip_the_gradient_goes_in_as_it_is():
    job = arguments() | {"validation": None}
    assert_same(fit(**(job | {"clip": None}))[0], by_hand(job | {"clip": 1e9}, EPOCHS)[0][-1])


def test_with_validation_the_weights_of_the_best_epoch_come_back():
    job = arguments() | {"epochs": 6, "optimizer": Adam(0.1)}
    params, history = fit(**job)
    losses = [record["validation_loss"] for record in history]
    best = int(np.argmin(losses))
    assert 0 < best < 5  # neither the first nor the last: the test means something
    assert_same(params, by_hand(job, 6)[0][best])


def test_the_validation_loss_is_that_of_all_rows_at_once_without_dropout():
    job = arguments() | {"epochs": 1}
    params, history = fit(**job)
    whole = job["validation"].histories
    x, lengths, order = rc.sequences.pad(whole)
    y = job["model"].forward(params, x, lengths=lengths)[0]
    value = rc.losses.mse(y, job["validation"].target[order])[0]
    assert history[0]["validation_loss"] == pytest.approx(value, rel=1e-6)


def test_patience_stops_after_so_many_epochs_without_a_lower_loss():
    job = arguments() | {"epochs": 12, "optimizer": Adam(0.1)}
    losses = [record["validation_loss"] for record in fit(**job)[1]]
    best = int(np.argmin(losses[:5]))
    assert len(fit(**job, patience=3)[1]) == best + 1 + 3


def test_stopping_early_returns_the_best_weights():
    job = arguments() | {"epochs": 12, "optimizer": Adam(0.1)}
    best = int(np.argmin([record["validation_loss"] for record in fit(**job, patience=3)[1]]))
    assert_same(fit(**job, patience=3)[0], by_hand(job, best + 1)[0][-1])


def flat(prediction, target, weight):
    """A loss of one value for every prediction, but with a slope."""
    return 1.0, np.ones_like(prediction)


def test_of_equal_validation_losses_the_first_counts():
    job = arguments() | {"epochs": 12, "loss": flat}
    params, history = fit(**job, patience=2)
    assert len(history) == 3
    assert_same(params, by_hand(job, 1)[0][-1])


def test_a_batch_that_weighs_nothing_is_passed_over():
    job = per_step_job()
    whole = fit(**job, epochs=3)
    full = Minibatches(job["batches"].histories, np.zeros(6), batch_size=2)
    assert any(full.batch(0, step).lengths.sum() == 0 for step in range(3))  # it is there
    assert np.isfinite(whole[1][-1]["train_loss"])


def test_the_training_loss_counts_live_steps():
    job = per_step_job()
    still = {name: np.zeros_like(p) for name, p in job["params"].items()}
    _, history = fit(**(job | {"params": still, "optimizer": SGD(1e-300), "clip": None}), epochs=1)
    steps = np.concatenate(job["batches"].target.values)
    assert history[0]["train_loss"] == pytest.approx(rc.losses.huber(np.zeros_like(steps), steps)[0], rel=1e-12)


def test_evaluate_is_the_loss_over_all_live_steps():
    job = per_step_job()
    still = {name: np.zeros_like(p) for name, p in job["params"].items()}
    steps = job["batches"].target.values
    expected = rc.losses.huber(np.zeros_like(steps), steps)[0]
    assert evaluate(job["model"], still, job["batches"], job["loss"]) == pytest.approx(expected, rel=1e-12)


def test_a_weight_for_each_step_counts_for_every_row_of_a_batch():
    class Batches:
        def __len__(self):
            return 2

        def batch(self, epoch, step):
            x = np.zeros((2, 1 + 3 * step, 1), np.float32)  # one row, then four
            return rc.sequences.Batch(x, None, np.full_like(x, step), weight=np.ones(2))

    model = rc.RNN(1, 1, backend="numpy")
    assert evaluate(model, model.init(0), Batches(), rc.losses.mse) == pytest.approx(4 / 5)


def test_equal_calls_give_equal_results():
    one, two = fit(**arguments()), fit(**arguments())
    assert one[1] == two[1]
    assert_same(one[0], two[0])


def test_the_seed_moves_the_dropout():
    assert fit(**arguments())[1] != fit(**(arguments() | {"seed": 4}))[1]


def test_parameters_and_optimizer_passed_in_stay_as_they_are():
    job = arguments()
    before = copy.deepcopy(job["params"])
    fit(**job)
    assert_same(job["params"], before)
    assert job["optimizer"].steps == 0


def test_changing_the_result_does_not_change_the_parameters_passed_in():
    job = arguments()
    before = copy.deepcopy(job["params"])
    for p in fit(**(job | {"epochs": 1}))[0].values():
        p[...] = 9
    assert_same(job["params"], before)


class Own:
    """The least that `fit` needs: a length and a batch."""

    def __len__(self):
        return 1

    def batch(self, epoch, step):
        return Batch(np.ones((4, 2, 3), np.float32), None, np.zeros((4, 2, 3), np.float32))


def test_minibatches_of_ones_own_need_two_methods(tmp_path):
    model = rc.RNN(3, 3, backend="numpy")
    job = (model, model.init(seed=0), Own(), functools.partial(rc.losses.huber, delta=0.5), SGD(0.1))
    _, history = fit(*job, epochs=2, checkpoint=tmp_path / "c")
    x, _, target, *_ = Own().batch(0, 0)
    value, grads, _ = full_bptt(model, model.init(seed=0), x, target, job[3])
    assert (history[0]["train_loss"], history[0]["gradient_norm"]) == pytest.approx((value, global_norm(grads)))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"epochs": 0}, "epochs"),
        ({"every": 0}, "every"),
        ({"clip": 0.0}, "clip"),
        ({"clip": np.nan}, "clip"),
        ({"seed": -1}, "seed"),
        ({"patience": 0}, "patience"),
        ({"patience": 1, "validation": None}, "validation"),
        ({"k2": 3}, "k1"),
        ({"k1": 3}, "model"),
        ({"params": {}}, "params"),
        ({"checkpoint": "no/such/folder/c"}, "checkpoint"),
        ({"batches": Minibatches([np.ones((1, 2), np.float32)], np.ones((1, 1)), [0.0])}, "batches"),
        ({"validation": Minibatches([np.ones((1, 2), np.float32)], np.ones((1, 1)), [0.0])}, "batches"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(words, name):
    with pytest.raises(ContractError, match=f"^{name}:"):
        fit(**(arguments() | words))


KINDS = {
    "a list of batches": ("batches", lambda job: [job["batches"].batch(0, 0)], "a list", "Minibatches"),
    "a loss by name": ("loss", lambda job: "mse", "'mse'", "rnncore.losses.mse"),
    "an optimiser's class": ("optimizer", lambda job: Adam, "the class Adam", "rnncore.Adam(1e-3)"),
    "no model": ("model", lambda job: None, "None", "rnncore.Stack"),
    "a model's class": ("model", lambda job: rc.GRU, "the class GRU", "rnncore.Stack"),
    "arrays for validation": ("validation", lambda job: np.zeros(3), "a ndarray", "Minibatches"),
}


@pytest.mark.parametrize("case", KINDS)
def test_an_argument_of_another_kind_is_named_with_what_belongs_there(case):
    name, wrong, received, advice = KINDS[case]
    job = arguments()
    with pytest.raises(ContractError) as caught:
        fit(**job | {name: wrong(job)})
    assert caught.value.argument == name
    assert caught.value.received == received
    assert advice in caught.value.advice
