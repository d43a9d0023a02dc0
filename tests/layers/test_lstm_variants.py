"""The LSTM's variants are the LSTM where what they add does nothing; what each of them adds; all of them in models."""

import numpy as np
import pytest
from conftest import BACKENDS, TOLERANCE, all_results, assert_equal_results
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore import gradcheck
from rnncore.gradcheck import random_problem
from rnncore.layers.elementary import sigmoid
from rnncore.onnx_layers import OnnxLSTM

EQUAL = TOLERANCE["equal in float64"]
WORDS = {"dtype": "float64"}
seeds = st.integers(0, 10**6)

VARIANTS = {
    "peephole_lstm": lambda D, H, **words: rc.PeepholeLSTM(D, H, **words),
    "peephole_lstm-truncated": lambda D, H, **words: rc.PeepholeLSTM(D, H, "truncated", **words),
}
variants = pytest.mark.parametrize("name", VARIANTS)


def make(name, D=3, H=5, backend="numpy"):
    return VARIANTS[name](D, H, backend=backend, **WORDS)


def lstm(backend):
    return rc.LSTM(3, 5, backend=backend, **WORDS)


def without(results, *names):
    return {name: a for name, a in results.items() if name not in names}


# ---- peepholes


@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds)
def test_without_peepholes_it_is_the_lstm(backend, seed):
    layer = make("peephole_lstm", backend=backend)
    p = random_problem(layer, seed)
    p.params["P"][:] = 0
    expected = all_results(lstm(backend), p._replace(params=without(p.params, "P")))
    assert_equal_results(without(all_results(layer, p), "dP"), expected, EQUAL)


@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds)
def test_with_peepholes_it_is_the_operator_of_onnx(backend, seed):
    layer, operator = make("peephole_lstm", backend=backend), OnnxLSTM(3, 5, peepholes=True, **WORDS)
    p = random_problem(layer, seed)
    assert_equal_results(all_results(layer, p), all_results(operator, p), EQUAL)


def frozen(params, x, state_0, h, c):
    """The cell whose gates and candidate read, for h_{t-1} and through the peepholes, numbers that do not move."""
    Wx, Wh, b, p = (params[name] for name in ("Wx", "Wh", "b", "P"))
    (p_i, p_f, p_o), memory, out = np.split(p, 3), state_0[1], []
    for t in range(len(x)):
        a_i, a_f, a_g, a_o = np.split(x[t] @ Wx + h[t] @ Wh + b, 4, axis=1)
        memory = sigmoid(a_f + p_f * c[t]) * memory + sigmoid(a_i + p_i * c[t]) * np.tanh(a_g)
        out.append(sigmoid(a_o + p_o * c[t + 1]) * np.tanh(memory))
    return np.array(out), (out[-1], memory)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_truncated_gradient_is_exact_for_the_cell_whose_recurrence_and_peepholes_stand_still(backend):
    layer = make("peephole_lstm-truncated", backend=backend)
    p = random_problem(layer, 3, T=5, N=2, ragged=False)
    got = all_results(layer, p)
    _, _, cache = layer.forward(p.params, p.x, p.state_0)
    given = {**p.params, "x": p.x, "state_0[0]": p.state_0[0], "state_0[1]": p.state_0[1]}
    for name, array in given.items():
        slopes = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            moved = {key: a.astype(complex) for key, a in given.items()}
            moved[name][index] += 1e-30j
            state_0 = moved["state_0[0]"], moved["state_0[1]"]
            y, state_T = frozen(moved, moved["x"], state_0, cache.h, cache.c)
            loss = (y * p.dy).sum() + sum((a * d).sum() for a, d in zip(state_T, p.dstate_T, strict=True))
            slopes[index] = loss.imag / 1e-30
        np.testing.assert_allclose(got[f"d{name}"], slopes, rtol=0, atol=1e-12 * max(1, np.abs(slopes).max()))


def test_a_check_against_the_loss_says_that_the_truncated_gradient_is_another():
    layer = make("peephole_lstm-truncated")
    p = random_problem(layer)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, method="complex-step", entries=20)
    assert {block.name for block in report.blocks if block.verdict == "fail"} == {*p.params, "x", *report_states(layer)}
    assert gradcheck.check(layer, p.params, p.x, p.state_0, method=["forward-mode"]).ok


def report_states(layer):
    return [f"state_0[{k}]" for k in range(len(layer.state_sizes))]


def test_exact_and_truncated_are_one_where_neither_weights_nor_peepholes_lead_back():
    exact, truncated = make("peephole_lstm"), make("peephole_lstm-truncated")
    p = random_problem(exact)
    for name in ("Wh", "P"):
        p.params[name][:] = 0
    assert_equal_results(all_results(truncated, p), all_results(exact, p), EQUAL)


# ---- all of them


@variants
def test_the_forget_gate_starts_open_and_what_is_added_does_nothing(name):
    params = make(name).init(seed=0)
    k = make(name).cell.gates.index("f")
    np.testing.assert_array_equal(params["b"][5 * k : 5 * k + 5], 1)
    assert not params.get("P", np.zeros(1)).any()


@variants
@pytest.mark.parametrize("backend", BACKENDS)
def test_streaming_gives_what_the_whole_history_gives(name, backend):
    layer = make(name, backend=backend)
    p = random_problem(layer, 3, ragged=False)
    stream = rc.Stream(layer, p.params)
    steps = np.stack([stream.step_batch(range(4), x) for x in p.x])
    whole, state_T, _ = layer.forward(p.params, p.x)
    np.testing.assert_allclose(steps, whole, rtol=0, atol=1e-14)
    for a, b in zip(stream.states(range(4)), state_T, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(rc.predict(layer, p.params, p.x)[0], whole)


@variants
def test_it_works_in_every_composition_is_saved_and_comes_back(name, tmp_path):
    def one(D, H):
        return make(name, D, H)

    inner = rc.Stack(rc.Bidirectional(one(3, 4), "sum"), rc.LearnedState(rc.Reversed(one(4, 4))))
    model = rc.Stack(inner, rc.Residual(one(4, 4)), rc.Last(), rc.Dense(4, 2, **WORDS))
    p = random_problem(model, 2, T=5, N=3)
    report = gradcheck.check(model, p.params, p.x, p.state_0, p.lengths, "forward-mode", entries=6)
    assert report.ok, str(report)
    rc.save(tmp_path / "m.safetensors", model, p.params)
    again, loaded = rc.load(tmp_path / "m.safetensors")
    assert again == model
    assert_equal_results(all_results(again, p._replace(params=loaded)), all_results(model, p), 0)


@variants
@pytest.mark.parametrize("backend", BACKENDS)
def test_gaps_and_starting_values_of_long_memory(name, backend):
    layer = make(name, backend=backend)
    params = rc.initialisation.chrono(layer, layer.init(0), T_max=50, seed=1)
    k = layer.cell.gates.index("f")
    assert (params["b"][5 * k : 5 * k + 5] >= 0).all()
    p = random_problem(rc.Masked(layer), 4)
    report = gradcheck.check(rc.Masked(layer), p.params, p.x, p.state_0, p.lengths, "forward-mode", entries=6)
    assert report.ok, str(report)
