"""Gradients by step, by sequence and by lag, Jacobians and truncation: each against an independent computation."""

import sys

import numpy as np
import pytest
from conftest import CASES, MATRIX, TOLERANCE, make, scaled_error
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore import diagnostics
from rnncore.errors import ContractError
from rnncore.gradcheck import random_problem

EQUAL = TOLERANCE["equal in float64"]
WORDS = {"backend": "numpy", "dtype": "float64"}
DENSE = rc.Dense(5, 2, dtype="float64")
STREAMABLE = rc.Stack(rc.LSTM(3, 4, **WORDS), rc.Dropout(0.5), rc.GRU(4, 5, **WORDS), DENSE)
MODELS = {
    "streamable": STREAMABLE,
    "ids": rc.Stack(rc.Embedding(7, 3, dtype="float64"), rc.GRU(3, 5, **WORDS), DENSE),
    "last": rc.Stack(rc.GRU(3, 5, **WORDS), rc.Last(), rc.Dropout(0.5), DENSE),
    "bidirectional": rc.Stack(rc.Bidirectional(rc.LSTM(3, 4, **WORDS)), rc.RNN(8, 5, **WORDS), DENSE),
    "deep": rc.Stack(rc.GRU(3, 3, **WORDS), rc.Bidirectional(rc.Stack(rc.RNN(3, 4, **WORDS), rc.GRU(4, 5, **WORDS))),
                     rc.Last(), rc.Dense(10, 2, dtype="float64")),
}  # fmt: skip


def run(model, p, rng=None):
    """Forward pass of a random problem; return what the diagnostics take."""
    _, _, cache = model.forward(p.params, p.x, p.state_0, p.lengths, rng)
    return p.params, cache, p.dy


def ends(p):
    return np.full(p.x.shape[1], len(p.x)) if p.lengths is None else p.lengths


def assert_sums(parts, whole):
    assert list(parts) == list(whole)
    errors = {name: scaled_error(parts[name].sum(axis=0), whole[name]) for name in whole}
    assert max(errors.values()) <= EQUAL, errors


# by step and by sequence


@pytest.mark.parametrize("split", [diagnostics.per_step_gradients, diagnostics.per_sample_gradients])
@pytest.mark.parametrize(("name", "options"), MATRIX)
@pytest.mark.parametrize("ragged", [True, False])
def test_the_parts_of_every_cell_sum_to_the_gradient(split, name, options, ragged):
    layer = make(name, 3, 5, **options)
    p = random_problem(layer, seed=1, T=7, N=5, ragged=ragged)
    args = run(layer, p)
    assert_sums(split(layer, *args, p.dstate_T), layer.backward(*args, p.dstate_T)[0])


@pytest.mark.parametrize("split", [diagnostics.per_step_gradients, diagnostics.per_sample_gradients])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ragged", [True, False])
def test_the_parts_of_every_composition_sum_to_the_gradient(split, name, ragged):
    model = MODELS[name]
    p = random_problem(model, seed=2, T=7, N=5, ragged=ragged)
    args = run(model, p, np.random.default_rng(3))
    assert_sums(split(model, *args, p.dstate_T), model.backward(*args, p.dstate_T)[0])


def slope_at_step(model, p, direction, t):
    """Complex step: dL/dtheta along the direction, where only step t sees the moved parameters."""
    state, total = tuple(s.astype(complex) for s in p.state_0), 0
    moved = {n: a + 1e-20j * direction[n] for n, a in p.params.items()}
    still = {n: a.astype(complex) for n, a in p.params.items()}
    for start, stop, params in ((0, t, still), (t, t + 1, moved), (t + 1, len(p.x), still)):
        x, cut = p.x[start:stop].astype(complex), np.clip(ends(p) - start, 0, stop - start)
        y, state, _ = model.forward(params, x, state, cut)
        total += (p.dy[start:stop] * y).sum()
    return (total + sum((d * s).sum() for d, s in zip(p.dstate_T, state, strict=True))).imag / 1e-20


@pytest.mark.parametrize("model", [*(make(n, 3, 5, backend="numpy", **o) for n, o in CASES), STREAMABLE], ids=repr)
def test_a_slot_is_the_derivative_by_the_weights_of_that_step_alone(model):
    p = random_problem(model, seed=3)
    rng = np.random.default_rng(0)
    direction = {n: rng.normal(size=a.shape) for n, a in p.params.items()}
    steps = diagnostics.per_step_gradients(model, *run(model, p), p.dstate_T)
    found = [sum((steps[n][t] * direction[n]).sum() for n in steps) for t in range(len(p.x))]
    assert scaled_error(found, [slope_at_step(model, p, direction, t) for t in range(len(p.x))]) <= EQUAL


@pytest.mark.parametrize("ragged", [True, False])
def test_a_direction_that_runs_backwards_counts_steps_from_each_rows_own_beginning(ragged):
    inner = rc.GRU(3, 4, **WORDS)
    model = rc.Bidirectional(inner)
    p = random_problem(model, seed=4, N=5, ragged=ragged)
    own = {n: p.params[f"backward.{n}"] for n in inner.parameter_shapes()}
    expected = {n: np.zeros((len(p.x), *a.shape)) for n, a in own.items()}
    for n, end in enumerate(ends(p)):
        row = slice(n, n + 1)
        _, _, cache = inner.forward(own, p.x[:end, row][::-1].copy(), (p.state_0[1][row],))
        dy = p.dy[:end, row, 4:][::-1].copy()
        for name, g in diagnostics.per_step_gradients(inner, own, cache, dy, (p.dstate_T[1][row],)).items():
            expected[name][:end] += g[::-1]
    found = diagnostics.per_step_gradients(model, *run(model, p), p.dstate_T)
    assert max(scaled_error(found[f"backward.{n}"], g) for n, g in expected.items()) <= EQUAL


def test_a_part_behind_last_is_used_once():
    model = MODELS["last"]
    p = random_problem(model)
    shapes = {n: len(g) for n, g in diagnostics.per_step_gradients(model, *run(model, p)).items()}
    assert shapes == {"0.Wx": 6, "0.Wh": 6, "0.bx": 6, "0.bh": 6, "3.W": 1, "3.b": 1}


@pytest.mark.parametrize("name", [name for name in MODELS if name != "ids"])
def test_a_sequence_by_itself_gives_its_own_slot(name):
    model = MODELS[name]
    p = random_problem(model, seed=5, T=6, N=5)
    found = diagnostics.per_sample_gradients(model, *run(model, p), p.dstate_T)
    for n, end in enumerate(ends(p)):
        row = slice(n, n + 1)
        dy = p.dy[:, row] if p.dy.ndim == 3 else p.dy[row]
        _, _, cache = model.forward(p.params, p.x[:, row], tuple(s[row] for s in p.state_0), [end])
        alone, _, _ = model.backward(p.params, cache, dy, tuple(d[row] for d in p.dstate_T))
        assert max(scaled_error(found[m][n], alone[m]) for m in alone) <= EQUAL


def test_integer_ids_give_each_sequence_the_rows_it_read():
    model = rc.Embedding(5, 2, dtype="float64")
    ids = np.array([[0, 1], [0, 4], [3, 4]])
    _, _, cache = model.forward({"W": np.ones((5, 2))}, ids, lengths=[3, 2])
    rows = diagnostics.per_sample_gradients(model, {"W": np.ones((5, 2))}, cache, np.ones((3, 2, 2)))["W"]
    assert rows[:, :, 0].tolist() == [[2, 0, 0, 1, 0], [0, 1, 0, 0, 1]]


@pytest.mark.parametrize("split", [diagnostics.per_step_gradients, diagnostics.per_sample_gradients])
@pytest.mark.parametrize(("T", "N"), [(0, 3), (4, 0), (1, 1)])
def test_no_steps_or_no_sequences(split, T, N):
    layer = make("LSTM", 3, 5, backend="numba")
    p = random_problem(layer, T=T, N=N, ragged=False)
    assert_sums(split(layer, *run(layer, p), p.dstate_T), layer.backward(*run(layer, p), p.dstate_T)[0])


@pytest.mark.parametrize("split", [diagnostics.per_step_gradients, diagnostics.per_sample_gradients])
def test_nan_past_a_rows_end_does_not_leak(split):
    layer = make("GRU", 3, 5, backend="numba")
    p = random_problem(layer)
    past = np.arange(6)[:, None] >= p.lengths
    p.x[past], p.dy[past] = np.nan, np.nan
    assert all(np.isfinite(g).all() for g in split(layer, *run(layer, p)).values())


@pytest.mark.parametrize("split", [diagnostics.per_step_gradients, diagnostics.per_sample_gradients])
def test_an_upstream_gradient_of_another_shape_is_refused(split):
    layer = make("RNN", 3, 5, backend="numpy")
    p = random_problem(layer)
    params, cache, dy = run(layer, p)
    with pytest.raises(ContractError, match=r"^dy:"):
        split(layer, params, cache, dy[1:])
    with pytest.raises(ContractError, match=r"^dstate_T"):
        split(layer, params, cache, dy, (np.zeros((9, 5)),))


# by lag


def brute_lag(model, p, t, k):
    """Norms of dL_t/ds_{t-k} (S, N): the steps after t-k run by themselves, the loss at the last one alone."""
    cut = np.clip(ends(p), 0, t - k + 1)
    _, state, _ = model.forward(p.params, p.x[: t - k + 1], p.state_0, cut)
    rest = slice(t - k + 1, t + 1)
    y, _, cache = model.forward(p.params, p.x[rest], state, np.clip(ends(p) - rest.start, 0, k))
    dy = np.zeros_like(y)
    dy[-1] = p.dy[t]
    norm = np.array([np.linalg.norm(d, axis=1) for d in model.backward(p.params, cache, dy)[2]])
    norm[:, ends(p) <= t] = np.nan
    return norm


@pytest.mark.parametrize(
    "model", [*(make(*m.values[:1], 3, 5, **m.values[1]) for m in MATRIX), STREAMABLE, MODELS["ids"]], ids=repr
)
def test_every_pair_of_loss_and_state_is_that_of_the_steps_between_run_alone(model):
    p = random_problem(model, seed=6)
    found = diagnostics.gradient_by_lag(model, *run(model, p))
    for t in range(6):
        for k in range(1, 7):
            norm = found.norm[:, t, k - 1]
            expected = brute_lag(model, p, t, k) if k <= t + 1 else np.full_like(norm, np.nan)
            np.testing.assert_allclose(norm, expected, rtol=1e-11, atol=1e-15)


@given(st.integers(1, 8))
def test_fewer_lags_are_the_first_of_all(max_lag):
    model = make("LSTM", 3, 4, backend="numpy")
    p = random_problem(model, seed=7)
    every, few = (diagnostics.gradient_by_lag(model, *run(model, p), max_lag=m) for m in (None, max_lag))
    assert few.lags.tolist() == list(range(1, min(max_lag, 6) + 1))
    np.testing.assert_allclose(few.norm, every.norm[:, :, : len(few.lags)], rtol=1e-12)


def test_states_have_the_names_of_their_parts():
    p = random_problem(STREAMABLE)
    found = diagnostics.gradient_by_lag(STREAMABLE, *run(STREAMABLE, p))
    assert found.states == ("0.h", "0.c", "2.h")


def test_behind_last_only_the_loss_at_each_rows_end_is_there():
    model = MODELS["last"]
    p = random_problem(model, seed=8)
    found = diagnostics.gradient_by_lag(model, *run(model, p))
    reached = np.nansum(found.norm[0], axis=1) > 0
    assert [np.flatnonzero(row).tolist() for row in reached.T] == [[5], [2], [0], []]


@pytest.mark.parametrize("model", [MODELS["bidirectional"], DENSE, rc.Bidirectional(rc.GRU(3, 4, **WORDS))], ids=repr)
def test_a_model_without_a_state_that_goes_forward_is_refused(model):
    p = random_problem(model)
    with pytest.raises(ContractError, match=r"^model:"):
        diagnostics.gradient_by_lag(model, *run(model, p))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("T", "N"), [(0, 3), (4, 0)])
def test_lags_and_spectrum_of_no_steps_or_no_sequences_are_empty(T, N, backend):
    model = make("GRU", 3, 5, backend=backend)
    params, cache, dy = run(model, random_problem(model, T=T, N=N, ragged=False))
    assert diagnostics.gradient_by_lag(model, params, cache, dy).norm.shape == (1, T, T, N)
    assert diagnostics.jacobian_spectrum(model, params, cache).radius.shape == (T, N)


# Jacobians


def forward_jacobian(model, p, t):
    """Complex step of one step's forward pass, one unit after another: (N, S, S)."""
    cut = np.clip(ends(p), 0, t)
    _, state, _ = model.forward(p.params, p.x[:t], p.state_0, cut)
    params = {n: a.astype(complex) for n, a in p.params.items()}
    columns = []
    for s, part in enumerate(state):
        for unit in range(part.shape[1]):
            moved = [a.astype(complex) for a in state]
            moved[s][:, unit] += 1e-20j
            step = p.x[t : t + 1].astype(complex), tuple(moved), np.clip(ends(p) - t, 0, 1)
            columns.append(np.concatenate(model.forward(params, *step)[1], axis=1).imag / 1e-20)
    return np.stack(columns, axis=2)


@pytest.mark.parametrize("model", [*(make(n, 3, 5, backend="numpy", **o) for n, o in CASES), STREAMABLE], ids=repr)
def test_the_jacobian_is_that_of_the_forward_pass(model):
    p = random_problem(model, seed=9)
    params, cache, _ = run(model, p)
    for t in (0, 2, 5):
        J = diagnostics.step_jacobian(model, params, cache, t)
        assert scaled_error(J, forward_jacobian(model, p, t)) <= EQUAL


@pytest.mark.parametrize(("name", "options"), MATRIX)
def test_radius_and_gain_are_those_of_the_jacobian_and_nan_past_the_end(name, options):
    model = make(name, 3, 5, **options)
    p = random_problem(model, seed=10)
    params, cache, _ = run(model, p)
    found = diagnostics.jacobian_spectrum(model, params, cache)
    J = diagnostics.step_jacobian(model, params, cache, 2)[0]
    assert found.radius[2, 0] == pytest.approx(abs(np.linalg.eigvals(J)).max(), rel=1e-12)
    assert found.gain[2, 0] == pytest.approx(np.linalg.svd(J)[1][0], rel=1e-12)
    past = np.arange(6)[:, None] >= p.lengths
    np.testing.assert_array_equal(np.isnan(found.radius), past)
    np.testing.assert_array_equal(np.isnan(found.gain), past)


def test_a_row_that_has_ended_keeps_its_state():
    model = make("LSTM", 3, 5, backend="numba")
    p = random_problem(model)
    params, cache, _ = run(model, p)
    np.testing.assert_array_equal(diagnostics.step_jacobian(model, params, cache, 5)[-1], np.eye(10))


def test_a_step_that_is_not_there_is_refused():
    model = make("RNN", 3, 5, backend="numpy")
    params, cache, _ = run(model, random_problem(model))
    for t in (-1, 6):
        with pytest.raises(ContractError, match=r"^t:"):
            diagnostics.step_jacobian(model, params, cache, t)


# truncation


def truncation(k1s, k2s, lengths=(9, 7, 4, 0)):
    model = rc.Stack(rc.LSTM(3, 5, **WORDS), DENSE)
    p = random_problem(model, seed=11, T=9)
    target = np.random.default_rng(0).normal(size=p.dy.shape)
    args, words = (model, p.params, p.x, target, rc.losses.mse), {"state_0": p.state_0, "lengths": lengths}
    return args, words, diagnostics.truncation_error(*args, k1s=k1s, k2s=k2s, **words)


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


# plots


def by_lag():
    p = random_problem(STREAMABLE)
    return diagnostics.gradient_by_lag(STREAMABLE, *run(STREAMABLE, p))


def spectrum():
    params, cache, _ = run(STREAMABLE, random_problem(STREAMABLE))
    return diagnostics.jacobian_spectrum(STREAMABLE, params, cache)


PLOTS = {
    "lags": lambda **w: diagnostics.plot_gradient_by_lag(by_lag(), **w),
    "spectrum": lambda **w: diagnostics.plot_jacobian_spectrum(spectrum(), **w),
    "truncation": lambda **w: diagnostics.plot_truncation_error(truncation([1, 4], [1, 3, 6, 9])[2], **w),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_drawn_into_the_given_axes_and_can_be_saved(name, tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    assert PLOTS[name](axes=axes) is axes
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_the_line_of_a_state_is_the_median_over_what_is_there():
    pytest.importorskip("matplotlib")
    norm = np.array([[[[1.0, 3.0], [np.nan, np.nan]], [[5.0, 0.0], [0.5, np.nan]]]])
    found = diagnostics.GradientByLag(("h",), np.array([1, 2]), norm)
    assert diagnostics.plot_gradient_by_lag(found).lines[0].get_ydata().tolist() == [3, 0.5]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_gradient_that_reaches_nothing_can_still_be_drawn(value, tmp_path):
    pytest.importorskip("matplotlib")
    found = diagnostics.GradientByLag(("h",), np.array([1, 2]), np.full((1, 2, 2, 3), value))
    diagnostics.plot_gradient_by_lag(found).figure.savefig(tmp_path / "plot.png")


@pytest.mark.parametrize("name", PLOTS)
def test_without_matplotlib_the_error_names_the_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ContractError, match=r"rnncore\[marketing\]"):
        PLOTS[name]()


@pytest.mark.parametrize(("words", "name"), [({"measure": "angle"}, "measure"), ({"name": "Wz"}, "name")])
def test_a_measure_or_parameter_that_is_not_there_is_refused(words, name):
    with pytest.raises(ContractError, match=f"^{name}:"):
        PLOTS["truncation"](**words)
