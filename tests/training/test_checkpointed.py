"""Checkpointed BPTT: exact for any cut, one segment's cache at a time, masks drawn again as they were."""

import copy
import tracemalloc
import weakref

import numpy as np
import pytest
from conftest import CASES, MATRIX, TOLERANCE, make, scaled_error
from hypothesis import given, settings
from hypothesis import strategies as st

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.training.checkpointed import checkpointed_bptt

D, H, K = 3, 4, 2
WORDS = {"backend": "numpy", "dtype": "float64"}
MODELS = {
    "rnn": rc.RNN(D, H, **WORDS),
    "lstm": rc.LSTM(D, H, backend="numba", dtype="float64"),
    "stack": rc.Stack(rc.GRU(D, H, **WORDS), rc.Dropout(0.3), rc.LSTM(H, H, **WORDS), rc.Dense(H, K, dtype="float64")),
}


def problem(model, T, N=3, seed=0):
    """Parameters, inputs, targets and a state, all random and non-zero."""
    rng = np.random.default_rng([seed, T])
    params = {n: rng.normal(scale=0.7, size=s) for n, s in model.parameter_shapes().items()}
    x = np.abs(rng.normal(size=(T, N, model.sizes[0])))  # no elapsed time is negative
    state = tuple(rng.normal(size=(N, size)) for size in model.state_sizes)
    return params, x, rng.normal(size=(T, N, model.sizes[1])), state


def assert_close(a, b, bound=TOLERANCE["equal in float64"]):
    assert list(a[1]) == list(b[1])
    assert a[0] == pytest.approx(b[0], rel=bound)
    errors = {n: scaled_error(a[1][n], b[1][n]) for n in a[1]}
    assert max(errors.values()) <= bound, errors


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(MODELS)),
    st.integers(1, 20),
    st.none() | st.integers(1, 23),
    st.none() | st.lists(st.integers(0, 20), min_size=2, max_size=2),
    st.booleans(),
)
def test_the_gradient_is_that_of_the_whole_sequence_for_any_cut(name, T, every, shorter, weighted):
    model = MODELS[name]
    params, x, target, state = problem(model, T)
    lengths = None if shorter is None else sorted([T, *(min(n, T) for n in shorter)], reverse=True)
    weight = np.random.default_rng(T).uniform(0.5, 2, size=(T, 3)) if weighted else None
    words = {"state_0": state, "lengths": lengths, "weight": weight}
    whole = rc.full_bptt(model, params, x, target, rc.losses.mse, **words)
    cut = checkpointed_bptt(model, params, x, target, rc.losses.mse, every=every, **words)
    assert_close(cut, whole)


@pytest.mark.parametrize(("name", "options"), MATRIX)
def test_every_cell_and_twin(name, options):
    model = make(name, D, H, **options)
    params, x, target, state = problem(model, T=11)
    words = {"state_0": state, "lengths": [11, 6, 0]}
    whole = rc.full_bptt(model, params, x, target, rc.losses.mse, **words)
    assert_close(checkpointed_bptt(model, params, x, target, rc.losses.mse, **words), whole)


@pytest.mark.parametrize(("name", "options"), MATRIX)
@pytest.mark.parametrize("every", [1, 4])
def test_the_final_state_is_that_of_the_whole_sequence_bit_for_bit(name, options, every):
    model = make(name, D, H, **options)
    params, x, target, state = problem(model, T=11)
    words = {"state_0": state, "lengths": [11, 6, 0]}
    whole = rc.full_bptt(model, params, x, target, rc.losses.mse, **words)[2]
    for a, b in zip(
        checkpointed_bptt(model, params, x, target, rc.losses.mse, every=every, **words)[2], whole, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def assert_same_bits(a, b):
    assert a[0] == b[0]
    assert list(a[1]) == list(b[1])
    for name in a[1]:
        np.testing.assert_array_equal(a[1][name], b[1][name], err_msg=name)
    for one, other in zip(a[2], b[2], strict=True):
        np.testing.assert_array_equal(one, other)


SUMMED = [pytest.param(make(m.values[0], D, H, **m.values[1]), id=m.id) for m in MATRIX]
SUMMED += [pytest.param(MODELS["stack"].using(backend=b), id=f"stack-{b}") for b in ("numpy", "numba")]


@pytest.mark.parametrize("model", SUMMED)
@settings(max_examples=10)
@given(
    T=st.integers(1, 20),
    N=st.sampled_from([1, 3, 70]),
    every=st.integers(1, 23),
    ragged=st.booleans(),
    weighted=st.booleans(),
    seed=st.none() | st.integers(0, 9),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_it_is_full_bptt_over_the_same_segments_bit_for_bit(model, T, N, every, ragged, weighted, seed, dtype):
    params, x, target, state = problem(model, T, N)
    params = {name: p.astype(dtype) for name, p in params.items()}
    x, target, state = x.astype(dtype), target.astype(dtype), tuple(s.astype(dtype) for s in state)
    rng = np.random.default_rng(T)
    lengths = np.sort([T, *rng.integers(0, T + 1, N - 1)])[::-1] if ragged else None
    weight = rng.uniform(0.5, 2, size=(T, N)) if weighted else None
    runs = []
    for run in (rc.full_bptt, checkpointed_bptt):
        masks = None if seed is None else np.random.default_rng(seed)
        words = {"state_0": state, "lengths": lengths, "weight": weight, "rng": masks}
        runs.append(run(model, params, x, target, rc.losses.mse, every=every, **words))
    assert_same_bits(*runs)


def test_full_bptt_over_segments_keeps_its_caches_and_runs_forward_once():
    model = Watched()
    params, x, target, _ = problem(MODELS["rnn"], T=20)
    rc.full_bptt(model, params, x, target, rc.losses.mse, every=6)
    assert model.calls == [6, 6, 6, 2]
    assert model.most == 20


@pytest.mark.parametrize(("name", "options"), CASES)
def test_one_step_segments_of_a_power_of_two_give_the_very_bits_of_the_textbook(name, options):
    model = make(name, D, H, backend="numpy", **options)
    params, x, target, state = problem(model, T=16, N=4)
    whole = rc.full_bptt(model, params, x, target, rc.losses.mse, state_0=state)
    cut = checkpointed_bptt(model, params, x, target, rc.losses.mse, every=1, state_0=state)
    for n, g in whole[1].items():
        np.testing.assert_array_equal(cut[1][n], g, err_msg=n)


def test_one_segment_is_full_bptt_bit_for_bit():
    model = MODELS["stack"]
    params, x, target, state = problem(model, T=7)
    whole, one = (
        run(model, params, x, target, rc.losses.mse, state_0=state, rng=np.random.default_rng(1))
        for run in (rc.full_bptt, lambda *a, **w: checkpointed_bptt(*a, every=7, **w))
    )
    assert one[0] == whole[0]
    for n, g in whole[1].items():
        np.testing.assert_array_equal(one[1][n], g, err_msg=n)


def test_the_generator_ends_where_one_forward_pass_leaves_it():
    model = rc.Stack(rc.RNN(D, H, **WORDS), rc.Dropout(0.5))
    params, x, target, _ = problem(model, T=10)
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    checkpointed_bptt(model, params, x, target, rc.losses.mse, every=3, rng=rng)
    model.forward(params, x, rng=other)
    assert rng.random() == other.random()


def test_one_layer_of_dropout_draws_the_masks_of_the_whole_sequence():
    model = rc.Stack(rc.RNN(D, H, **WORDS), rc.Dropout(0.5))
    params, x, target, _ = problem(model, T=10)
    whole = rc.full_bptt(model, params, x, target, rc.losses.mse, rng=np.random.default_rng(3))
    assert_close(checkpointed_bptt(model, params, x, target, rc.losses.mse, rng=np.random.default_rng(3)), whole)


class Watched(rc.RNN):
    """An RNN that knows how many steps its living caches hold, and how long its calls are."""

    def __init__(self):
        super().__init__(D, H, **WORDS)
        self.most, self.alive, self.calls = 0, {}, []

    def _forward(self, params, x, state_0, lengths, rng):
        y, state, cache = super()._forward(params, x, state_0, lengths, rng)
        key = id(cache.h)
        self.alive[key] = len(x)
        weakref.finalize(cache.h, self.alive.pop, key)
        self.most = max(self.most, sum(self.alive.values()))
        self.calls.append(len(x))
        return y, state, cache


@pytest.mark.parametrize(("T", "every", "most"), [(20, 3, 3), (20, 20, 20), (25, None, 5), (26, None, 6), (1, None, 1)])
def test_one_segments_cache_is_alive_and_no_more(T, every, most):
    model = Watched()
    params, x, target, _ = problem(MODELS["rnn"], T)
    checkpointed_bptt(model, params, x, target, rc.losses.mse, every=every)
    assert model.most == most


def test_every_step_runs_forward_twice():
    model = Watched()
    params, x, target, _ = problem(MODELS["rnn"], T=20)
    checkpointed_bptt(model, params, x, target, rc.losses.mse, every=6)
    assert model.calls == [6, 6, 6, 2, 2, 6, 6, 6]


def peak(T):
    """Peak bytes allocated during a call, T steps."""
    model = rc.RNN(2, 16, **WORDS)
    params, x, target = model.init(0), np.zeros((T, 2, 2)), np.zeros((T, 2, 16))
    tracemalloc.start()
    try:
        checkpointed_bptt(model, params, x, target, rc.losses.mse)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_peak_memory_grows_as_the_square_root_of_the_steps():
    peak(16)  # what a first call loads is not counted
    assert peak(256 * 16) < 1.2 * 4 * peak(256)


def test_nothing_passed_in_is_changed():
    model = MODELS["lstm"]
    params, x, target, state = problem(model, T=5)
    arrays = [*params.values(), x, target, *state, np.array([5, 4, 1])]
    before = copy.deepcopy(arrays)
    checkpointed_bptt(
        model, params, x, target, rc.losses.mse, state_0=state, lengths=arrays[-1], weight=np.ones((5, 3))
    )
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_stands_past_a_rows_end_does_not_matter():
    model = MODELS["stack"]
    params, x, target, state = problem(model, T=7)
    lengths = np.array([7, 4, 0])
    past = np.arange(7)[:, None] >= lengths
    words = {"every": 2, "state_0": state, "lengths": lengths}
    clean = checkpointed_bptt(model, params, x, target, rc.losses.mse, **words)
    x[past], target[past] = np.nan, np.nan
    dirty = checkpointed_bptt(model, params, x, target, rc.losses.mse, **words)
    assert_close(dirty, clean, bound=0)


def test_segments_that_weigh_nothing_never_reach_the_loss():
    model = MODELS["rnn"]
    params, x, target, _ = problem(model, T=8)
    weight = np.repeat([0.0, 1.0, 0.0, 0.0], 2)[:, None] * np.ones((8, 3))
    seen = []

    def loss(y, target, weight):
        seen.append(len(y))
        return rc.losses.mse(y, target, weight)

    cut = checkpointed_bptt(model, params, x, target, loss, every=2, weight=weight)
    assert seen == [2]
    assert_close(cut, rc.full_bptt(model, params, x, target, rc.losses.mse, weight=weight))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"every": 0}, "every"),
        ({"every": 2.0}, "every"),
        ({"target": np.zeros((4, 3, H))}, "target"),
        ({"weight": np.zeros((5, 3))}, "weight"),
        ({"lengths": [0, 0, 0]}, "weight"),
        ({"lengths": [4, 5, 5]}, "lengths"),
        ({"x": np.zeros((0, 3, D)), "target": np.zeros((0, 3, H))}, "weight"),
        ({"model": rc.Stack(rc.RNN(D, H), rc.Last())}, "model"),
        ({"model": rc.Bidirectional(rc.RNN(D, H))}, "model"),
    ],
)
def test_what_cannot_be_cut_is_refused_by_name(words, name):
    params, x, target, _ = problem(MODELS["rnn"], T=5)
    usual = {"model": MODELS["rnn"], "params": params, "x": x, "target": target, "loss": rc.losses.mse}
    with pytest.raises(ContractError, match=f"^{name}:"):
        checkpointed_bptt(**(usual | words))
