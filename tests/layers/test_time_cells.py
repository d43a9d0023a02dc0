"""TimeLSTM and GRUD are the LSTM and the GRU where no time passes and nothing is missing; what time takes away."""

import numpy as np
import pytest
from conftest import BACKENDS, TOLERANCE, all_results, assert_equal_results, scaled_error
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore import gradcheck
from rnncore.gradcheck import command, random_problem
from rnncore.sequences import with_gaps

EQUAL = TOLERANCE["equal in float64"]
seeds = st.integers(0, 10**6)


def time_lstm(backend="numpy", decay="log"):
    return rc.TimeLSTM(3, 5, decay, backend=backend, dtype="float64")


def grud(backend="numpy", reset="before"):
    return rc.GRUD(3, 5, reset, backend=backend, dtype="float64")


def gappy(p, rng):
    """The problem with masks of 0 and 1, and elapsed times that are not negative."""
    x = p.x.copy()
    x[..., 3:6] = rng.random(x[..., 3:6].shape) < 0.6
    x[..., 6:] = np.abs(x[..., 6:])
    return p._replace(x=x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("decay", "still"), [("log", 0.0), ("log", -3.0), ("inverse", 1.0), ("inverse", 0.2)])
@given(seed=seeds)
def test_where_no_time_passes_the_time_aware_lstm_is_the_lstm(backend, decay, still, seed):
    p = random_problem(time_lstm(), seed)
    p.x[..., -1] = still
    lstm = rc.LSTM(3, 5, backend=backend, dtype="float64")
    own = {name: p.params[name] for name in ("Wx", "Wh", "b")}
    expected = all_results(lstm, p._replace(params=own, x=p.x[..., :-1].copy()))
    got = all_results(time_lstm(backend, decay), p)
    got = {**got, "dx": got["dx"][..., :-1]}
    assert_equal_results({name: got[name] for name in expected}, expected, EQUAL)


@pytest.mark.parametrize(("decay", "time", "left"), [("log", np.e**2 - np.e, 1 / 2), ("inverse", 4.0, 1 / 4)])
def test_the_short_term_part_of_the_memory_is_multiplied_by_the_papers_decay(decay, time, left):
    layer = time_lstm(decay=decay)
    params = {name: 0 * a for name, a in layer.init(0).items()}
    params["bd"] += 0.5  # the short-term part is tanh(0.5) everywhere
    params["b"][5:10] = 50  # the forget gate is open, the input gate half and its candidate zero
    x = np.zeros((1, 2, 4))
    x[..., -1] = time
    _, (_, c), _ = layer.forward(params, x, (np.zeros((2, 5)), np.full((2, 5), 0.8)))
    np.testing.assert_allclose(c, 0.8 - (1 - left) * np.tanh(0.5), rtol=1e-12)


@pytest.mark.parametrize("decay", ["log", "inverse"])
def test_the_longer_the_time_the_less_is_left_and_never_more_than_all(decay):
    from rnncore.layers.time_lstm import retention

    times = np.array([-5.0, 0.0, 0.5, 1.0, 2.0, 30.0, 1e6, np.inf])
    left, slope = retention(times, decay)
    assert (np.diff(left) <= 0).all()
    assert left.max() == 1
    assert (slope <= 0).all()
    assert np.isnan(retention(np.array([np.nan]), decay)[0]).all()


@pytest.mark.parametrize("layer", [time_lstm(), grud()], ids=["time_lstm", "grud"])
def test_every_derivative_on_sensible_input_with_times_of_zero(layer):
    p = random_problem(layer, 5)
    if isinstance(layer, rc.GRUD):
        p = gappy(p, np.random.default_rng(0))
    p.x[::2, :, -1] = 0  # at the corner of the decay
    p = p._replace(x=np.where(np.arange(p.x.shape[-1]) == p.x.shape[-1] - 1, np.abs(p.x), p.x))
    methods = command.installed(["complex-step", "forward-mode", "torch"])
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, methods)
    assert report.ok, str(report)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reset", ["before", "after"])
@given(seed=seeds)
def test_with_nothing_missing_and_no_decay_grud_is_a_gru_on_values_and_mask(backend, reset, seed):
    p = random_problem(grud(), seed)
    p.x[..., 3:6] = 1
    p.x[..., 6:] = 0  # no time passes, and with biases of zero or less nothing decays
    for name in ("bgx", "bgh"):
        p.params[name][:] = -np.abs(p.params[name])
    gru = rc.GRU(6, 5, reset, backend=backend, dtype="float64")
    own = {name: p.params[name] for name in ("Wx", "Wh", "bx", "bh")}
    plain = p._replace(params=own, x=p.x[..., :6].copy(), state_0=p.state_0[:1], dstate_T=(p.dstate_T[0],))
    expected, got = all_results(gru, plain), all_results(grud(backend, reset), p)
    for name in ("y", "dWx", "dWh", "dbx", "dbh", "state_T[0]", "dstate_0[0]"):
        assert scaled_error(got[name], expected[name]) <= EQUAL, name
    late = np.arange(len(p.x))[:, None] < p.lengths - 1  # u_T reads the last value of a row too
    assert scaled_error(got["dx"][..., :3][late], expected["dx"][..., :3][late]) <= EQUAL


@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds, other=st.floats(-1e3, 1e3))
def test_what_stands_in_place_of_a_missing_value_changes_nothing(backend, seed, other):
    p = gappy(random_problem(grud(), seed), np.random.default_rng(seed))
    missing = p.x[..., 3:6] == 0
    a, layer = p.x.copy(), grud(backend)
    a[..., :3][missing] = other
    one, two = all_results(layer, p), all_results(layer, p._replace(x=a))
    for results in (one, two):
        assert not results["dx"][..., :3][missing & (np.arange(len(a))[:, None] < p.lengths)[..., None]].any()
        results["dx"][..., 3:6] = 0  # the derivative by a mask is the difference that observing it would make
    assert_equal_results(two, one, EQUAL)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_missing_value_decays_from_the_last_one_to_the_mean(backend):
    layer = grud(backend)
    params = layer.init(0)
    params["mean"][:] = [10.0, 20.0, 30.0]
    params["Wgx"][:] = np.log(2)  # half of it is left after each unit of time
    x = np.zeros((3, 1, 9))
    x[0, 0, :6] = [14, 0, 38, 1, 0, 1]
    x[1, 0, 6:], x[2, 0, 6:] = 1, 2
    _, (_, u), cache = layer.forward(params, x)
    np.testing.assert_allclose(cache.given[:, 0, :3], [[14, 20, 38], [12, 20, 34], [11, 20, 32]], rtol=1e-12)
    np.testing.assert_allclose(u, [[4, 0, 8]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_state_of_grud_decays_to_zero(backend):
    layer = grud(backend)
    params = layer.init(0)
    params["bgh"][:] = 1e3
    x = np.zeros((1, 2, 9))
    h = np.ones((2, 5))
    started, _, _ = layer.forward(params, x, (h, np.zeros((2, 3))))
    fresh, _, _ = layer.forward(params, x)
    np.testing.assert_array_equal(started, fresh)


def test_with_gaps_gives_values_masks_and_elapsed_times_as_the_recursion_of_the_paper():
    rng = np.random.default_rng(0)
    values, times = rng.normal(size=(9, 3)), np.cumsum(rng.random(9))
    values[rng.random(values.shape) < 0.5] = np.nan
    x = with_gaps(values, times)
    mask, elapsed = ~np.isnan(values), np.zeros((9, 3))
    for t in range(1, 9):
        elapsed[t] = times[t] - times[t - 1] + np.where(mask[t - 1], 0, elapsed[t - 1])
    np.testing.assert_array_equal(x[:, :6], np.concatenate([np.where(mask, values, 0), mask], axis=1))
    np.testing.assert_allclose(x[:, 6:], elapsed, atol=1e-12)
    assert with_gaps(values.astype(np.float32), times).dtype == np.float32
    assert with_gaps(np.zeros((0, 3)), []).shape == (0, 9)


@pytest.mark.parametrize("times", [[0, 1], [0, 2, 1], [0, 1, np.nan], ["a", "b", "c"]])
def test_with_gaps_names_times_that_cannot_be(times):
    with pytest.raises(rc.ContractError, match=r"times: expected 3 finite numbers that do not fall"):
        with_gaps(np.zeros((3, 2)), times)


@pytest.mark.parametrize("layer", [time_lstm("numba"), grud("numba"), grud()], ids=["time_lstm", "grud", "textbook"])
def test_streaming_gives_what_the_whole_history_gives(layer):
    p = random_problem(layer, 3, ragged=False)
    stream = rc.Stream(layer, p.params)
    one = np.stack([stream.step_batch(range(4), x) for x in p.x])
    expected, state_T, _ = layer.forward(p.params, p.x)
    np.testing.assert_allclose(one, expected, rtol=0, atol=1e-14)
    for a, b in zip(stream.states(range(4)), state_T, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("layer", [rc.TimeLSTM(2, 4, "inverse"), rc.GRUD(2, 4, "after")], ids=str)
def test_a_saved_model_comes_back(layer, tmp_path):
    model = rc.Stack(layer, rc.Last(), rc.Dense(4, 1))
    params = model.init(0)
    rc.save(tmp_path / "m.safetensors", model, params)
    again, loaded = rc.load(tmp_path / "m.safetensors")
    assert again == model
    for name in params:
        np.testing.assert_array_equal(loaded[name], params[name])


def test_a_fresh_grud_can_learn_its_decays():
    layer = grud()
    params = layer.init(0)
    x = np.abs(np.random.default_rng(0).normal(size=(5, 3, 9)))
    x[..., 3:6] = np.arange(5)[:, None, None] % 2
    y, _, cache = layer.forward(params, x)
    grads, _, _ = layer.backward(params, cache, np.ones_like(y))
    assert all(grads[name].any() for name in ("Wgx", "bgx", "Wgh", "bgh", "mean"))


def test_x_without_its_further_columns_is_refused():
    with pytest.raises(rc.ContractError, match=r"x: expected shape \(T, N, 4\), received shape \(5, 2, 3\)"):
        time_lstm().forward(time_lstm().init(0), np.zeros((5, 2, 3)))
    with pytest.raises(rc.ContractError, match=r"x: expected shape \(T, N, 9\), received shape \(5, 2, 3\)"):
        grud().forward(grud().init(0), np.zeros((5, 2, 3)))
