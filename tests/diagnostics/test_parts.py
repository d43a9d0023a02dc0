"""Gradients by step and by sequence: they sum to the gradient, and each is that of its own use alone."""

import numpy as np
import pytest
from conftest import EXACT, MATRIX, make, scaled_error
from patients import EQUAL, MODELS, STREAMABLE, WORDS, ends, run

import rnncore as rc
from rnncore import diagnostics
from rnncore.errors import ContractError
from rnncore.gradcheck import random_problem


def assert_sums(parts, whole):
    assert list(parts) == list(whole)
    errors = {name: scaled_error(parts[name].sum(axis=0), whole[name]) for name in whole}
    assert max(errors.values()) <= EQUAL, errors


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


@pytest.mark.parametrize("model", [*(make(n, 3, 5, backend="numpy", **o) for n, o in EXACT), STREAMABLE], ids=repr)
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
