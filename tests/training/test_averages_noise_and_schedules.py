"""What every optimiser can do besides its rule: schedules, accumulation, noise, averages."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import arguments
from test_optimizers import problem, run

import rnncore as rc
from rnncore.training import SGD, Adam, AdamW, Cosine, Momentum, Nadam, Plateau, Schedule, Warmup, evaluate, fit


def rates_of_torch(make, steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_that_of_torch():
    expected = rates_of_torch(lambda s, o: s.CosineAnnealingLR(o, T_max=9, eta_min=0.02), 10)
    np.testing.assert_allclose([Cosine(0.3, 9, 0.02)(k) for k in range(10)], expected, rtol=1e-12)


def test_a_warm_up_before_a_cosine_is_that_of_torch():
    def both(s, o):
        rise = s.LinearLR(o, start_factor=1 / 5, total_iters=4)
        return s.SequentialLR(o, [rise, s.CosineAnnealingLR(o, T_max=6)], milestones=[4])

    expected = rates_of_torch(both, 10)
    np.testing.assert_allclose([Warmup(Cosine(0.3, 6), 4)(k) for k in range(10)], expected, rtol=1e-12)


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 3))
def test_a_plateau_is_that_of_torch(losses, patience):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    words = {"factor": 0.5, "patience": patience - 1, "threshold": 0.0, "min_lr": 0.05}  # torch waits one more
    scheduler, history = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **words), []
    for loss in losses:
        scheduler.step(float(loss))
        history.append({"train_loss": 0.0, "validation_loss": float(loss)})
        ours = Plateau(0.3, factor=0.5, patience=patience, last=0.05)(7, history)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_a_plateau_without_validation_looks_at_the_training_loss():
    assert Plateau(1.0, 0.5, patience=1)(0, [{"train_loss": 1.0}, {"train_loss": 1.0}]) == 0.5


def test_a_schedule_gives_the_rate_of_each_step():
    params, grads = problem()
    expected = params
    for k, g in enumerate(grads):
        expected = SGD(Cosine(0.5, 3, 0.1)(k)).step(expected, g)
    np.testing.assert_array_equal(run(SGD(Cosine(0.5, 3, 0.1)), params, grads)["Wx"], expected["Wx"])


def test_fit_shows_the_history_to_a_schedule():
    job = arguments() | {"optimizer": SGD(Plateau(0.5, factor=1e-300, patience=1)), "epochs": 8, "clip": None}
    losses = [record["validation_loss"] for record in fit(**job)[1]]
    first = next(n for n in range(1, 8) if losses[n] >= min(losses[:n]))
    assert first < 6
    assert len(set(losses[first:])) == 1  # no step moves anything any more


def test_a_schedule_stands_in_the_description():
    optimizer = SGD(Warmup(Cosine(0.1, 9), 3))
    cosine = {"schedule": "Cosine", "rate": 0.1, "steps": 9, "last": 0.0}
    assert optimizer.describe()["learning_rate"] == {"schedule": "Warmup", "then": cosine, "steps": 3}


def test_a_schedule_of_ones_own():
    class Halving(Schedule):
        def __call__(self, k, history=()):
            return 0.5**k

    assert run(SGD(Halving()), {"w": np.zeros(1)}, [{"w": np.ones(1)}] * 3)["w"][0] == -1.75


@pytest.mark.parametrize("rule", [SGD(0.1), Momentum(0.1), Adam(0.1), Nadam(0.1)], ids=lambda o: type(o).__name__)
def test_accumulated_calls_are_steps_with_the_mean_gradient(rule):
    params, grads = problem(steps=6)
    means = [{n: (grads[k][n] + grads[k + 1][n] + grads[k + 2][n]) / 3 for n in params} for k in (0, 3)]
    optimizer = copy.deepcopy(rule)
    optimizer.accumulate = 3
    after = run(optimizer, params, grads)
    for name, expected in run(copy.deepcopy(rule), params, means).items():
        np.testing.assert_allclose(after[name], expected, rtol=1e-13)


def test_between_the_steps_the_parameters_stay_and_are_new_arrays():
    params, grads = problem()
    after = SGD(0.1, accumulate=2).step(params, grads[0])
    np.testing.assert_array_equal(after["Wx"], params["Wx"])
    assert not np.shares_memory(after["Wx"], params["Wx"])


def test_accumulation_over_equal_batches_is_the_step_of_the_large_batch():
    model = rc.Stack(rc.GRU(2, 3, backend="numpy", dtype="float64"), rc.Last(), rc.Dense(3, 1, dtype="float64"))
    rng = np.random.default_rng(0)
    params, x, y = model.init(0), rng.normal(size=(5, 6, 2)), rng.normal(size=(6, 1))

    def gradient(rows):
        return rc.full_bptt(model, params, x[:, rows], y[rows], rc.losses.mse)[1]

    optimizer, after = SGD(0.1, accumulate=2), params
    for rows in (slice(0, 3), slice(3, 6)):
        after = optimizer.step(after, gradient(rows))
    for name, expected in SGD(0.1).step(params, gradient(slice(0, 6))).items():
        np.testing.assert_allclose(after[name], expected, rtol=1e-12, atol=1e-15)


def test_noise_has_the_variance_of_the_paper():
    zero, optimizer = {"w": np.zeros(200_000)}, SGD(1.0, noise=0.3)
    for t in (1, 2, 3):
        drawn = optimizer.step(zero, zero)["w"]
        assert drawn.var() == pytest.approx(0.3 / t**0.55, rel=0.02)
        assert abs(drawn.mean()) < 0.01


def test_noise_is_a_function_of_seed_and_step():
    zero = {"a": np.zeros(3), "b": np.zeros(3)}

    def draws(seed, names=("a", "b")):
        optimizer = SGD(1.0, noise=1.0, noise_seed=seed)
        return [optimizer.step({n: zero[n] for n in names}, {n: zero[n] for n in names}) for _ in range(2)]

    one, again, other, turned = draws(0), draws(0), draws(1), draws(0, ("b", "a"))
    assert all((one[k][n] == again[k][n]).all() and (one[k][n] == turned[k][n]).all() for k in (0, 1) for n in zero)
    assert len({one[0]["a"][0], one[0]["b"][0], one[1]["a"][0], other[0]["a"][0]}) == 4


@pytest.mark.parametrize("decay", [None, 0.7])
@pytest.mark.parametrize(("start", "every"), [(0, 1), (2, 1), (1, 3)])
def test_averages_are_those_of_torch(decay, start, every):
    torch = pytest.importorskip("torch")
    utils = torch.optim.swa_utils
    params, grads = problem(steps=9)
    module = torch.nn.Module()
    module.w = torch.nn.Parameter(torch.tensor(params["Wx"]))
    words = {"multi_avg_fn": utils.get_ema_multi_avg_fn(decay)} if decay else {}
    averaged = utils.AveragedModel(module, **words)
    ours = SGD(0.1, average=decay or "equal", average_from=start, average_every=every)
    for t, g in enumerate(grads, start=1):
        params = ours.step(params, g)
        module.w.data = torch.tensor(params["Wx"])
        if t > start and (t - start - 1) % every == 0:
            averaged.update_parameters(module)
    np.testing.assert_allclose(ours.averaged(params)["Wx"], averaged.module.w.detach().numpy(), rtol=1e-12)


def test_before_its_start_the_average_is_the_parameters():
    params, grads = problem()
    optimizer = Adam(0.1, average=0.5, average_from=10)
    after = run(optimizer, params, grads)
    np.testing.assert_array_equal(optimizer.averaged(after)["b"], after["b"])


def test_without_an_average_the_parameters_themselves_are_kept_as_copies():
    params, _ = problem()
    kept = SGD(0.1).averaged(params)
    kept["b"][...] = 9
    assert (params["b"] != 9).all()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_average_does_not_change_the_steps(accumulate):
    params, grads = problem()
    plain, other = Adam(0.1, accumulate=accumulate), Adam(0.1, average="equal", accumulate=accumulate)
    np.testing.assert_array_equal(run(plain, params, grads)["Wx"], run(other, params, grads)["Wx"])


def test_fit_validates_and_returns_the_average():
    job = arguments() | {"optimizer": SGD(0.1, average="equal"), "epochs": 1}
    params, history = fit(**job)
    assert history[0]["validation_loss"] == evaluate(job["model"], params, job["validation"], job["loss"])
    without, _ = fit(**(job | {"validation": None}))
    last, _ = fit(**(job | {"validation": None, "optimizer": SGD(0.1)}))
    for name, p in params.items():
        np.testing.assert_array_equal(without[name], p)
        assert (last[name] != p).any()


def test_decay_can_spare_biases():
    params, _ = problem()
    zero = {n: np.zeros_like(p) for n, p in params.items()}
    after = AdamW(0.1, weight_decay=0.5, decay_biases=False).step(params, zero)
    np.testing.assert_allclose(after["Wx"], 0.95 * params["Wx"], rtol=1e-15)
    np.testing.assert_array_equal(after["b"], params["b"])


def test_only_unusual_words_stand_in_the_description():
    assert Adam(0.1, accumulate=2, average="equal").describe() == Adam(0.1).describe() | {
        "accumulate": 2,
        "average": "equal",
    }
