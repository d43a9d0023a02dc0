"""Optimisers against hand-computed steps, against torch.optim, and the rules every one of them keeps."""

import copy

import numpy as np
import pytest

from rnncore.errors import ContractError
from rnncore.training.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nadam, RMSProp
from rnncore.training.schedules import Cosine, Plateau, Warmup

ALL = [
    SGD(0.1),
    Momentum(0.1, 0.8),
    Adagrad(0.1, 1e-3),
    RMSProp(0.1, 0.7, 1e-3),
    Adam(0.1, 0.8, 0.9, 1e-3),
    AdamW(0.1, 0.8, 0.9, 1e-3, 0.3),
    Nadam(0.1, 0.8, 0.9, 1e-3, 0.1),
]

# two steps from w = 1 with gradients 2 and -1, worked out on paper from the equations at the top of optimizers.py
ADAM_1 = 1 - 0.5 * 2 / (2 + 1)
ADAM_M2, ADAM_V2 = 0.5 * 1.0 - 0.5, 0.75 * 1.0 + 0.25
HAND = [
    (SGD(0.5), 0.0, 0.5),
    (Momentum(0.5, 0.5), 0.0, 0.0),
    (RMSProp(0.5, 0.75, 1.0), 1 - 0.5 * 2 / (1 + 1), 0.5 + 0.5 / (1.0 + 1.0)),
    (Adam(0.5, 0.5, 0.75, 1.0), ADAM_1, ADAM_1 - 0.5 * ADAM_M2),
    (Adam(0.5, 0.25, 0.75, 1.0), ADAM_1, ADAM_1 - 0.5 * (-0.375 / 0.9375) / (np.sqrt(1.0 / 0.4375) + 1)),
    (Adagrad(0.5, 1.0), 1 - 0.5 * 2 / 3, 1 - 1 / 3 + 0.5 / (np.sqrt(5) + 1)),
    (AdamW(0.5, 0.5, 0.75, 1.0, 0.1), 0.95 - 1 / 3, (0.95 - 1 / 3) * 0.95 - 0.5 * ADAM_M2 / ADAM_V2),
]


def problem(dtype="float64", steps=4):
    rng = np.random.default_rng(5)
    params = {"Wx": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=4).astype(dtype)}
    return params, [{n: rng.normal(size=p.shape).astype(dtype) for n, p in params.items()} for _ in range(steps)]


def run(optimizer, params, grads):
    for g in grads:
        params = optimizer.step(params, g)
    return params


@pytest.fixture(params=ALL, ids=lambda o: type(o).__name__)
def optimizer(request):
    return copy.deepcopy(request.param)


@pytest.mark.parametrize(("optimizer", "first", "second"), HAND, ids=lambda v: type(v).__name__)
def test_two_steps_are_those_computed_by_hand(optimizer, first, second):
    optimizer = copy.deepcopy(optimizer)
    one = optimizer.step({"w": np.array([1.0])}, {"w": np.array([2.0])})
    two = optimizer.step(one, {"w": np.array([-1.0])})
    np.testing.assert_allclose([one["w"][0], two["w"][0]], [first, second], rtol=1e-14, atol=1e-15)


def torch_twin(torch, optimizer, tensors):
    lr = optimizer.learning_rate
    if isinstance(optimizer, Nadam):
        words = {"betas": (optimizer.beta1, optimizer.beta2), "eps": optimizer.epsilon, "momentum_decay": optimizer.psi}
        return torch.optim.NAdam(tensors, lr=lr, **words)
    if isinstance(optimizer, Adagrad):
        return torch.optim.Adagrad(tensors, lr=lr, eps=optimizer.epsilon)
    if isinstance(optimizer, AdamW | Adam):
        extra = {"lr": lr, "betas": (optimizer.beta1, optimizer.beta2), "eps": optimizer.epsilon}
        if isinstance(optimizer, AdamW):
            return torch.optim.AdamW(tensors, weight_decay=optimizer.weight_decay, **extra)
        return torch.optim.Adam(tensors, **extra)
    if isinstance(optimizer, RMSProp):
        return torch.optim.RMSprop(tensors, lr=lr, alpha=optimizer.decay, eps=optimizer.epsilon)
    return torch.optim.SGD(tensors, lr=lr, momentum=getattr(optimizer, "momentum", 0.0))


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    module.set_default_dtype(module.float64)  # torch's NAdam multiplies its momenta in the default dtype
    yield module
    module.set_default_dtype(module.float32)


def test_the_steps_are_those_of_torch(optimizer, torch):
    params, grads = problem(steps=10)
    tensors = {n: torch.tensor(p.copy(), requires_grad=True) for n, p in params.items()}
    twin = torch_twin(torch, optimizer, list(tensors.values()))
    for g in grads:
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(g[name].copy())
        twin.step()
    ours = run(optimizer, params, grads)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(ours[name], tensor.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_nothing_passed_in_is_changed_or_shared(optimizer):
    params, grads = problem()
    before = copy.deepcopy((params, grads))
    for p in run(optimizer, params, grads).values():
        p[...] = 7.0
    for name in params:
        np.testing.assert_array_equal(params[name], before[0][name])
        np.testing.assert_array_equal(grads[0][name], before[1][0][name])


def test_changing_a_result_does_not_change_the_next_step(optimizer):
    params, grads = problem()
    reference = copy.deepcopy(optimizer)
    for p in optimizer.step(params, grads[0]).values():
        p[...] = np.nan
    reference.step(params, grads[0])
    np.testing.assert_array_equal(optimizer.step(params, grads[1])["Wx"], reference.step(params, grads[1])["Wx"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_and_slots_keep_the_dtype(optimizer, dtype):
    after = run(optimizer, *problem(dtype))
    slots = [a for name, a in optimizer.state().items() if name != "steps"]
    assert {a.dtype for a in [*after.values(), *slots]} == {np.dtype(dtype)}


def test_a_parameter_without_axes_stays_an_array(optimizer):
    after = run(optimizer, {"scale": np.array(2.0, np.float32)}, [{"scale": np.array(1.0, np.float32)}] * 2)
    assert isinstance(after["scale"], np.ndarray)
    assert after["scale"].dtype == np.float32


def test_a_loaded_state_continues_bitwise(optimizer):
    params, grads = problem()
    fresh = copy.deepcopy(optimizer)
    half = run(optimizer, params, grads[:2])
    fresh.load_state(optimizer.state())
    np.testing.assert_array_equal(run(fresh, half, grads[2:])["Wx"], run(optimizer, half, grads[2:])["Wx"])


def test_the_state_is_a_copy(optimizer):
    params, grads = problem()
    half = run(optimizer, params, grads[:2])
    reference = copy.deepcopy(optimizer)
    for a in optimizer.state().values():
        a[...] = 99
    np.testing.assert_array_equal(optimizer.step(half, grads[2])["b"], reference.step(half, grads[2])["b"])


def test_a_loaded_state_is_a_copy(optimizer):
    params, grads = problem()
    half = run(optimizer, params, grads[:2])
    state, fresh = optimizer.state(), copy.deepcopy(optimizer)
    fresh.load_state(state)
    for a in state.values():
        a[...] = 99
    np.testing.assert_array_equal(fresh.step(half, grads[2])["b"], optimizer.step(half, grads[2])["b"])


def test_the_description_names_every_hyper_parameter():
    assert AdamW(0.1, weight_decay=0.3).describe() == {
        "optimizer": "AdamW",
        "learning_rate": 0.1,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 0.3,
    }


def test_adam_is_adamw_without_decay():
    params, grads = problem()
    np.testing.assert_array_equal(run(Adam(), params, grads)["Wx"], run(AdamW(weight_decay=0.0), params, grads)["Wx"])


def test_a_zero_gradient_moves_only_what_decays():
    params, _ = problem()
    after = AdamW(0.1, weight_decay=0.5).step(params, {n: np.zeros_like(p) for n, p in params.items()})
    np.testing.assert_allclose(after["Wx"], 0.95 * params["Wx"], rtol=1e-15)


def test_nan_in_a_gradient_gives_nan_in_the_parameter(optimizer):
    params, grads = problem()
    grads[0]["Wx"][1, 2] = np.nan
    after = optimizer.step(params, grads[0])["Wx"]
    np.testing.assert_array_equal(np.isnan(after), np.isnan(grads[0]["Wx"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.pop("b"),
        lambda g: g.update(extra=np.zeros(2)),
        lambda g: g.update(b=np.zeros(3)),
        lambda g: g.update(b=np.zeros((1, 4))),
        lambda g: g.update(b=np.zeros(g["b"].shape, int)),
        lambda g: g.update(b=g["b"].tolist()),
    ],
    ids=["missing", "unknown", "shape", "broadcastable", "integers", "list"],
)
def test_gradients_that_do_not_match_are_refused_and_change_nothing(optimizer, change):
    params, grads = problem()
    change(grads[0])
    with pytest.raises(ContractError):
        optimizer.step(params, grads[0])
    assert optimizer.steps == 0


@pytest.mark.parametrize(("params", "grads", "name"), [(None, {}, "params"), ({}, None, "grads")])
def test_what_has_no_names_is_refused(params, grads, name):
    with pytest.raises(ContractError, match=f"{name}: expected a dict of arrays, received a NoneType"):
        SGD(0.5).step(params, grads)


def test_integers_which_would_never_move_are_refused():
    with pytest.raises(ContractError, match=r"params\['w'\]: expected dtype float32 or float64, received dtype int64"):
        SGD(0.5).step({"w": np.array([1, 2])}, {"w": np.array([0.9, 0.9])})


@pytest.mark.parametrize("which", ["params", "grads"])
def test_complex_numbers_are_refused_not_cut_to_their_real_part(which):
    given = {"params": {"w": np.ones(2)}, "grads": {"w": np.ones(2)}}
    given[which] = {"w": np.ones(2, complex)}
    with pytest.raises(ContractError, match=rf"{which}\['w'\]: expected real numbers, received dtype complex128"):
        SGD(0.5).step(**given)


@pytest.mark.parametrize("optimizer", [o for o in ALL if o.slots], ids=lambda o: type(o).__name__)
def test_slots_of_other_parameters_are_refused(optimizer):
    optimizer = copy.deepcopy(optimizer)
    run(optimizer, *problem())
    with pytest.raises(ContractError, match="new optimiser"):
        optimizer.step({"w": np.zeros(2)}, {"w": np.zeros(2)})


@pytest.mark.parametrize(
    "wrong", [{}, {"steps": np.array(1), "z.Wx": np.zeros(2)}, {"steps": np.array(1), "m.Wx": np.zeros(2)}]
)
def test_a_state_of_another_rule_is_refused(wrong):
    with pytest.raises(ContractError, match="state"):
        Adam().load_state(wrong)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (SGD, {"learning_rate": 0.0}),
        (SGD, {"learning_rate": np.nan}),
        (SGD, {"learning_rate": "0.1"}),
        (SGD, {"learning_rate": True}),
        (Momentum, {"learning_rate": 0.1, "momentum": 1.0}),
        (Momentum, {"learning_rate": 0.1, "momentum": -0.1}),
        (RMSProp, {"decay": 1.0}),
        (RMSProp, {"epsilon": 0.0}),
        (Adam, {"learning_rate": -1e-3}),
        (Adam, {"beta1": 1.0}),
        (Adam, {"beta2": -0.5}),
        (Adam, {"epsilon": np.inf}),
        (AdamW, {"weight_decay": -0.1}),
        (AdamW, {"beta1": 2}),
        (Adagrad, {"epsilon": 0.0}),
        (Nadam, {"psi": -1.0}),
        (SGD, {"learning_rate": 0.1, "accumulate": 0}),
        (SGD, {"learning_rate": 0.1, "noise": -1.0}),
        (SGD, {"learning_rate": 0.1, "noise_seed": -1}),
        (SGD, {"learning_rate": 0.1, "average": 1.0}),
        (SGD, {"learning_rate": 0.1, "average": "mean"}),
        (SGD, {"learning_rate": 0.1, "average_from": -1}),
        (SGD, {"learning_rate": 0.1, "average_every": 0}),
        (Cosine, {"steps": 3, "rate": 0.0}),
        (Cosine, {"rate": 1.0, "steps": 0}),
        (Cosine, {"rate": 1.0, "steps": 1, "last": -1.0}),
        (Warmup, {"then": 1.0, "steps": 0}),
        (Warmup, {"steps": 3, "then": "fast"}),
        (Plateau, {"rate": 1.0, "factor": 1.0}),
        (Plateau, {"rate": 1.0, "patience": 0}),
        (Plateau, {"rate": 1.0, "last": -1.0}),
    ],
)
def test_a_hyper_parameter_out_of_range_is_refused_by_name(rule, words):
    with pytest.raises(ContractError, match=list(words)[-1]):
        rule(**words)
