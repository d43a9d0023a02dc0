"""The LSTM's variants are the LSTM where what they add does nothing; what each of them adds; all of them in models."""

import numpy as np
import pytest
from conftest import BACKENDS, TOLERANCE, all_results, assert_equal_results
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore import gradcheck
from rnncore.gradcheck import random_problem
from rnncore.layers import layer_norm
from rnncore.layers.elementary import sigmoid
from rnncore.onnx_layers import OnnxLSTM

EQUAL = TOLERANCE["equal in float64"]
WORDS = {"dtype": "float64"}
seeds = st.integers(0, 10**6)

VARIANTS = {
    "peephole_lstm": lambda D, H, **words: rc.PeepholeLSTM(D, H, **words),
    "peephole_lstm-truncated": lambda D, H, **words: rc.PeepholeLSTM(D, H, "truncated", **words),
    "coupled_lstm": rc.CoupledLSTM,
    "projected_lstm": lambda D, H, **words: rc.ProjectedLSTM(D, 2 * H - 1, H, **words),
    "layernorm_lstm": rc.LayerNormLSTM,
    "layernorm_gru": rc.LayerNormGRU,
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
    layer, operator = make("peephole_lstm", backend=backend), OnnxLSTM(3, 5, peepholes=True, backend="numpy", **WORDS)
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


# ---- coupled gates


@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds)
def test_coupled_gates_are_an_lstm_whose_input_gate_has_the_forget_gates_weights_turned_round(backend, seed):
    layer = make("coupled_lstm", backend=backend)
    p = random_problem(layer, seed)
    tied = {}
    for name, a in p.params.items():
        f, g, o = np.split(a, 3, axis=-1)
        tied[name] = np.concatenate([-f, f, g, o], axis=-1)  # 1 - sigmoid(a) = sigmoid(-a)
    expected = all_results(lstm(backend), p._replace(params=tied))
    for name in p.params:
        di, df, dg, do = np.split(expected[f"d{name}"], 4, axis=-1)
        expected[f"d{name}"] = np.concatenate([df - di, dg, do], axis=-1)
    assert_equal_results(all_results(layer, p), expected, EQUAL)


@given(seed=seeds)
def test_a_memory_with_coupled_gates_never_leaves_the_range_of_its_start_and_tanh(seed):
    layer = make("coupled_lstm")
    p = random_problem(layer, seed, T=20, scale=3.0, ragged=False)
    _, _, cache = layer.forward(p.params, p.x, p.state_0)
    assert (np.abs(cache.c) <= np.maximum(np.abs(p.state_0[1]), 1)).all()


# ---- projection


@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds)
def test_with_the_identity_as_projection_it_is_the_lstm(backend, seed):
    layer = rc.ProjectedLSTM(3, 5, 5, backend=backend, **WORDS)
    p = random_problem(layer, seed)
    p.params["Wp"][:] = np.eye(5)
    expected = all_results(lstm(backend), p._replace(params=without(p.params, "Wp")))
    assert_equal_results(without(all_results(layer, p), "dWp"), expected, EQUAL)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_projection_turned_by_an_orthogonal_matrix_turns_the_outputs_and_nothing_else(backend):
    layer = rc.ProjectedLSTM(3, 7, 4, backend=backend, **WORDS)
    p = random_problem(layer, 1)
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    params = {**p.params, "Wp": p.params["Wp"] @ Q, "Wh": Q.T @ p.params["Wh"]}
    y, (_, c), _ = layer.forward(p.params, p.x, p.state_0, p.lengths)
    turned, (_, c_turned), _ = layer.forward(params, p.x, (p.state_0[0] @ Q, p.state_0[1]), p.lengths)
    np.testing.assert_allclose(turned, y @ Q, rtol=0, atol=1e-12)
    np.testing.assert_allclose(c_turned, c, rtol=0, atol=1e-12)


def test_half_of_the_units_are_given_out_unless_said_otherwise():
    assert rc.ProjectedLSTM(3, 7).parameter_shapes() == {"Wx": (3, 28), "Wh": (4, 28), "b": (28,), "Wp": (7, 4)}
    assert rc.ProjectedLSTM(3, 7, 9).state_sizes == (9, 7)
    with pytest.raises(rc.ContractError, match="P"):
        rc.ProjectedLSTM(3, 7, 0)


# ---- layer normalisation

normed = pytest.mark.parametrize("name", ["layernorm_lstm", "layernorm_gru"])


def norms(name):
    """The columns of Wx and Wh that are normalised together."""
    return [slice(0, 20)] if name == "layernorm_lstm" else [slice(0, 10), slice(10, 15)]


@normed
@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds, scale=st.floats(0.05, 20))
def test_weights_times_s_are_eps_over_s_squared(name, backend, seed, scale):
    layer = make(name, backend=backend)
    p = random_problem(layer, seed)
    if name == "layernorm_lstm":  # the memory's norm has the same eps: it stays out of the law
        p.params["gain_c"][:] = 0
    plain = all_results(layer, p)
    times_s = {**p.params, "Wx": scale * p.params["Wx"], "Wh": scale * p.params["Wh"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_norm, "EPS", 1e-5 * scale**2)
        got = all_results(layer, p._replace(params=times_s))
    for weight in ("dWx", "dWh"):
        got[weight] = got[weight] * scale  # the derivative by W is that by s W, times s
    assert_equal_results(without(got, "dgain_c"), without(plain, "dgain_c"), 1e-11)


@normed
@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=seeds)
def test_one_vector_added_to_all_columns_that_are_normalised_together_changes_nothing(name, backend, seed):
    layer = make(name, backend=backend)
    p = random_problem(layer, seed)
    rng = np.random.default_rng(seed + 1)
    moved = {key: a.copy() for key, a in p.params.items()}
    for columns in norms(name):
        for weight in ("Wx", "Wh"):
            moved[weight][:, columns] += rng.normal(size=(len(moved[weight]), 1))
    a, b = all_results(layer, p), all_results(layer, p._replace(params=moved))
    assert_equal_results(without(b, "dx"), without(a, "dx"), 1e-11)
    assert_equal_results({"dx": b["dx"]}, {"dx": a["dx"]}, 1e-11)
    for columns in norms(name):  # so no gradient points that way
        for weight in ("dWx", "dWh"):
            assert np.abs(a[weight][:, columns].sum(axis=1)).max() <= EQUAL * np.abs(a[weight]).max()


@normed
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_eps_no_gradient_points_along_the_weights(name, backend, monkeypatch):
    monkeypatch.setattr(layer_norm, "EPS", 0.0)
    layer = make(name, backend=backend)
    p = random_problem(layer, 4)
    got = all_results(layer, p)
    for columns in norms(name):
        for weight in ("Wx", "Wh"):
            along = p.params[weight][:, columns] * got[f"d{weight}"][:, columns]
            assert abs(along.sum()) <= EQUAL * np.abs(along).sum()


@normed
def test_its_norm_is_the_layer_of_that_name(name):
    layer = make(name)
    p = random_problem(layer, 2, ragged=False)
    _, _, cache = layer.forward(p.params, p.x, p.state_0)
    for half, (a, W) in enumerate(((p.x, "Wx"), (cache.h[:-1], "Wh"))):
        for columns in norms(name):
            sums = a @ p.params[W][:, columns]
            width = sums.shape[-1]
            expected, _, _ = rc.LayerNorm(width, **WORDS).forward(
                {"gain": np.ones(width), "bias": np.zeros(width)}, sums
            )
            got = cache.z[..., half * cache.gates.shape[-1] :][..., columns]
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


# ---- all of them


def keeping(layer):
    return "f" if "f" in layer.cell.gates else "z"


@variants
def test_the_forget_gate_starts_open_and_what_is_added_does_nothing(name):
    layer = make(name)
    params, H = layer.init(seed=0), layer.H
    k = layer.cell.gates.index(keeping(layer))
    assert (params[layer.cell.biases[0]][H * k : H * k + H] == (keeping(layer) == "f")).all()
    assert not params.get("P", np.zeros(1)).any()
    assert all((a == 1).all() for key, a in params.items() if key.startswith("gain"))


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
def test_masks_of_dropout_and_zoneout_go_around_it(name, backend):
    cell = make(name, backend=backend)
    layer = rc.RecurrentDropout(cell, dropout=0.3, zoneout=(0.2, 0.4)[: len(cell.state_sizes)])
    p = random_problem(layer, 1)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, "forward-mode", dropout_seed=3, entries=6)
    assert report.ok, str(report)


@variants
@pytest.mark.parametrize("backend", BACKENDS)
def test_autograd_of_torch_finds_the_same_derivatives(name, backend):
    pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    layer = make(name, backend=backend)
    p = random_problem(layer, 6)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, ["forward-mode", "torch"], entries=10)
    assert report.ok, str(report)


@variants
@pytest.mark.parametrize("backend", BACKENDS)
def test_gaps_and_starting_values_of_long_memory(name, backend):
    layer = make(name, backend=backend)
    params = rc.initialisation.chrono(layer, layer.init(0), T_max=50, seed=1)
    k, H = layer.cell.gates.index(keeping(layer)), layer.H
    assert (params[layer.cell.biases[0]][H * k : H * k + H] >= 0).all()
    p = random_problem(rc.Masked(layer), 4)
    report = gradcheck.check(rc.Masked(layer), p.params, p.x, p.state_0, p.lengths, "forward-mode", entries=6)
    assert report.ok, str(report)
