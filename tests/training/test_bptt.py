"""Full and truncated BPTT: the law of (k1, k2) by brute force, one value whatever the cut, memory that stays flat."""

import copy
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.training.bptt import full_bptt, truncated_bptt

D, H, K = 3, 4, 2
WORDS = {"backend": "numpy", "dtype": "float64"}
MODELS = {
    "rnn": rc.RNN(D, H, **WORDS),
    "lstm": rc.LSTM(D, H, **WORDS),
    "stack": rc.Stack(rc.GRU(D, H, **WORDS), rc.Dense(H, K, dtype="float64")),
}


def problem(model, T, N=3, seed=0):
    """Parameters, inputs, targets and a state, all random and non-zero."""
    rng = np.random.default_rng([seed, T])
    params = {n: rng.normal(scale=0.7, size=s) for n, s in model.parameter_shapes().items()}
    x, state = rng.normal(size=(T, N, D)), tuple(rng.normal(size=(N, size)) for size in model.state_sizes)
    return params, x, rng.normal(size=(T, N, model.sizes[1])), state


def assert_same(a, b, rtol=0.0):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=rtol, atol=rtol, err_msg=name)


def brute_force(model, params, x, target, state_0, k1, k2, weight):
    """Every window run again from the state at its start, with the upstream gradient of the whole loss in its block."""
    T = len(x)
    dy = rc.losses.mse(model.forward(params, x, state_0)[0], target, weight)[1]
    total = {n: np.zeros_like(p) for n, p in params.items()}
    for begin in range(0, T, k1):
        end = min(begin + k1, T)
        oldest = max(0, end - k2)
        state = model.forward(params, x[:oldest], state_0)[1]
        cache = model.forward(params, x[oldest:end], state)[2]
        upstream = np.concatenate([np.zeros_like(dy[oldest:begin]), dy[begin:end]])
        for name, g in model.backward(params, cache, upstream)[0].items():
            total[name] += g
    return total


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(MODELS)), st.integers(1, 13), st.integers(1, 6), st.integers(0, 9), st.booleans())
def test_the_gradient_is_that_of_the_windows_run_one_by_one(name, T, k1, more, weighted):
    model = MODELS[name]
    params, x, target, state = problem(model, T)
    weight = np.random.default_rng(T).uniform(0.5, 2, size=(T, 3)) if weighted else None
    _, grads, _ = truncated_bptt(
        model, params, x, target, rc.losses.mse, k1=k1, k2=k1 + more, state_0=state, weight=weight
    )
    assert_same(grads, brute_force(model, params, x, target, state, k1, k1 + more, weight), rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 5), st.lists(st.integers(0, 12), min_size=3, max_size=3))
def test_value_and_state_are_those_of_the_whole_sequence_for_any_cut(T, k1, more, lengths):
    model = MODELS["stack"]
    params, x, target, state = problem(model, T)
    lengths = np.array(sorted((min(n, T) for n in [T, *lengths[1:]]), reverse=True))
    words = {"state_0": state, "lengths": lengths}
    whole = full_bptt(model, params, x, target, rc.losses.mse, **words)
    cut = truncated_bptt(model, params, x, target, rc.losses.mse, k1=k1, k2=k1 + more, **words)
    assert cut[0] == pytest.approx(whole[0], rel=1e-13)
    np.testing.assert_allclose(cut[2], whole[2], rtol=1e-13, atol=1e-14)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(MODELS)), st.integers(1, 8), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_k1_from_the_whole_length_on_is_full_bptt_bit_for_bit(name, T, more1, more2, ragged):
    model = MODELS[name]
    params, x, target, state = problem(model, T)
    words = {"state_0": state, "lengths": [T, T // 2, 0] if ragged else None}
    whole = full_bptt(model, params, x, target, rc.losses.mse, **words)
    k1 = T + more1
    cut = truncated_bptt(model, params, x, target, rc.losses.mse, k1=k1, k2=k1 + more2, **words)
    assert cut[0] == whole[0]
    assert_same(cut[1], whole[1])


@pytest.mark.parametrize("k1", [1, 2, 3, 7])
def test_k2_from_the_whole_length_on_is_the_full_gradient_for_any_k1(k1):
    model = MODELS["lstm"]
    params, x, target, state = problem(model, T=10)
    whole = full_bptt(model, params, x, target, rc.losses.mse, state_0=state)
    cut = truncated_bptt(model, params, x, target, rc.losses.mse, k1=k1, k2=10, state_0=state)
    assert_same(cut[1], whole[1], rtol=1e-12)


def test_a_short_k2_gives_another_gradient():
    model = MODELS["rnn"]
    params, x, target, state = problem(model, T=10)
    whole = full_bptt(model, params, x, target, rc.losses.mse, state_0=state)[1]
    cut = truncated_bptt(model, params, x, target, rc.losses.mse, k1=2, state_0=state)[1]
    assert np.abs(whole["Wh"] - cut["Wh"]).max() > 0.01 * np.abs(whole["Wh"]).max()


def test_k2_left_out_is_k1():
    model = MODELS["rnn"]
    params, x, target, _ = problem(model, T=9)
    one = truncated_bptt(model, params, x, target, rc.losses.mse, k1=4)
    two = truncated_bptt(model, params, x, target, rc.losses.mse, k1=4, k2=4)
    assert_same(one[1], two[1])


def test_the_full_gradient_is_the_derivative_of_the_value():
    model = MODELS["stack"]
    params, x, target, state = problem(model, T=5)
    rng = np.random.default_rng(1)
    direction = {n: rng.normal(size=p.shape) for n, p in params.items()}

    def value(h):
        moved = {n: p + h * direction[n] for n, p in params.items()}
        return full_bptt(model, moved, x, target, rc.losses.huber, state_0=state, lengths=[5, 3, 0])[0]

    grads = full_bptt(model, params, x, target, rc.losses.huber, state_0=state, lengths=[5, 3, 0])[1]
    slope = sum(float((grads[n] * direction[n]).sum()) for n in grads)
    assert slope == pytest.approx((value(1e-5) - value(-1e-5)) / 2e-5, rel=1e-8)


@pytest.mark.parametrize("k1", [2, 20])
def test_what_stands_past_a_rows_end_does_not_matter(k1):
    model = MODELS["stack"]
    params, x, target, state = problem(model, T=7)
    lengths = np.array([7, 4, 0])
    past = np.arange(7)[:, None] >= lengths
    words = {"k1": k1, "k2": k1 + 1, "state_0": state, "lengths": lengths}
    clean = truncated_bptt(model, params, x, target, rc.losses.mse, **words)
    x[past], target[past] = np.nan, np.nan
    dirty = truncated_bptt(model, params, x, target, rc.losses.mse, **words)
    assert clean[0] == dirty[0]
    assert_same(clean[1], dirty[1])


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 3, K)])
def test_a_weight_of_every_shape_is_masked_by_the_lengths(shape):
    model = MODELS["stack"]
    params, x, target, state = problem(model, T=7)
    weight = np.random.default_rng(2).uniform(size=shape)
    live = np.arange(7)[:, None] < np.array([7, 4, 0])
    full = np.broadcast_to(weight.reshape(weight.shape + (1,) * (3 - weight.ndim)), (7, 3, K)) * live[..., None]
    y = model.forward(params, x, state, [7, 4, 0])[0]
    words = {"state_0": state, "lengths": [7, 4, 0], "weight": weight}
    values = [
        full_bptt(model, params, x, target, rc.losses.mse, **words)[0],
        truncated_bptt(model, params, x, target, rc.losses.mse, k1=2, **words)[0],
    ]
    assert values == pytest.approx([(full * (y - target) ** 2).sum() / full.sum()] * 2, rel=1e-13)


def test_chunks_that_weigh_nothing_never_reach_the_loss():
    model = MODELS["rnn"]
    params, x, target, _ = problem(model, T=8)
    weight = np.repeat([0.0, 1.0, 0.0, 0.0], 2)[:, None] * np.ones((8, 3))
    seen = []

    def loss(y, target, weight):
        seen.append(len(y))
        return rc.losses.mse(y, target, weight)

    cut = truncated_bptt(model, params, x, target, loss, k1=2, k2=8, weight=weight)
    assert seen == [2]
    assert_same(cut[1], full_bptt(model, params, x, target, rc.losses.mse, weight=weight)[1], rtol=1e-12)


def test_a_model_without_time_in_its_output_takes_a_weight_per_sequence():
    model = rc.Stack(rc.GRU(D, H, **WORDS), rc.Last())
    params, x, _, state = problem(MODELS["stack"], T=5)
    params = {n: params[n] for n in model.parameter_shapes()}
    y = model.forward(params, x, state, [5, 2, 0])[0]
    weight = np.array([1.0, 0.0, 3.0])
    value = full_bptt(
        model, params, x, np.zeros((3, H)), rc.losses.mse, state_0=state, lengths=[5, 2, 0], weight=weight
    )[0]
    assert value == pytest.approx((weight[:, None] * y**2).sum() / (4 * H), rel=1e-13)


def test_dropout_draws_from_the_generator():
    model = rc.Stack(rc.RNN(D, H, **WORDS), rc.Dropout(0.5))
    params, x, _, _ = problem(MODELS["rnn"], T=6)
    params, target = {f"0.{n}": p for n, p in params.items()}, np.zeros((6, 3, H))

    def value(seed, **words):
        return truncated_bptt(model, params, x, target, rc.losses.mse, k1=2, rng=np.random.default_rng(seed))[0]

    assert value(1) == value(1) != value(2)


@pytest.mark.parametrize("run", [full_bptt, lambda *a, **w: truncated_bptt(*a, k1=2, k2=3, **w)])
def test_nothing_passed_in_is_changed(run):
    model = MODELS["lstm"]
    params, x, target, state = problem(model, T=5)
    arrays = [*params.values(), x, target, *state, np.array([5, 4, 1])]
    before = copy.deepcopy(arrays)
    run(model, params, x, target, rc.losses.mse, state_0=state, lengths=arrays[-1], weight=np.ones((5, 3)))
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


class Watched(rc.RNN):
    """An RNN that knows how many steps its living caches hold."""

    def __init__(self):
        super().__init__(D, H, **WORDS)
        self.most, self.alive = 0, {}

    def _forward(self, params, x, state_0, lengths, rng):
        y, state, cache = super()._forward(params, x, state_0, lengths, rng)
        key = id(cache.h)
        self.alive[key] = len(x)
        weakref.finalize(cache.h, self.alive.pop, key)
        self.most = max(self.most, sum(self.alive.values()))
        return y, state, cache


@pytest.mark.parametrize(("k1", "k2"), [(2, 2), (2, 5), (3, 7), (1, 4), (4, 4)])
@pytest.mark.parametrize("T", [12, 41])
def test_the_caches_of_k2_steps_are_alive_and_no_more(k1, k2, T):
    model = Watched()
    params, x, target, _ = problem(MODELS["rnn"], T)
    truncated_bptt(model, params, x, target, rc.losses.mse, k1=k1, k2=k2)
    assert model.most == k2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"k1": 0}, "k1"),
        ({"k1": 2.0}, "k1"),
        ({"k1": 3, "k2": 2}, "k2"),
        ({"k1": 2, "target": np.zeros((4, 3, H))}, "target"),
        ({"k1": 2, "target": None}, "target"),
        ({"k1": 2, "x": [[0.0] * D] * 5}, "x"),
        ({"k1": 2, "weight": np.ones(3)}, "weight"),
        ({"k1": 2, "weight": np.ones((3, 5)), "lengths": [5, 5, 5]}, "weight"),
        ({"k1": 2, "weight": np.zeros((5, 3))}, "weight"),
        ({"k1": 2, "lengths": [0, 0, 0]}, "weight"),
        ({"k1": 2, "lengths": [6, 5, 5]}, "lengths"),
        ({"k1": 2, "lengths": [4, 5, 5]}, "lengths"),
        ({"k1": 2, "model": rc.Stack(rc.RNN(D, H), rc.Last())}, "model"),
        ({"k1": 2, "model": rc.Bidirectional(rc.RNN(D, H))}, "model"),
    ],
)
def test_what_cannot_be_truncated_is_refused_by_name(words, name):
    params, x, target, _ = problem(MODELS["rnn"], T=5)
    usual = {"model": MODELS["rnn"], "params": params, "x": x, "target": target, "loss": rc.losses.mse}
    with pytest.raises(ContractError, match=f"^{name}:"):
        truncated_bptt(**(usual | words))
