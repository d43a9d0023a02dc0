"""Gradients by lag and the Jacobians on the way, each against an independent computation."""

import numpy as np
import pytest
from conftest import EXACT, MATRIX, make, scaled_error
from hypothesis import given
from hypothesis import strategies as st
from patients import DENSE, EQUAL, MODELS, STREAMABLE, WORDS, ends, run

import rnncore as rc
from rnncore import diagnostics
from rnncore.errors import ContractError
from rnncore.gradcheck import random_problem


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


@pytest.mark.parametrize("model", [*(make(n, 3, 5, backend="numpy", **o) for n, o in EXACT), STREAMABLE], ids=repr)
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
    for t in (-1, 6, 1.5):
        with pytest.raises(ContractError, match=r"^t:"):
            diagnostics.step_jacobian(model, params, cache, t)
