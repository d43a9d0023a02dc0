"""What layers around a layer, pooling and attention must hold besides their derivatives."""

import numpy as np
import pytest
from conftest import TOLERANCE, all_results, scaled_error
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore.compose import from_description
from rnncore.diagnostics import per_sample_gradients, per_step_gradients
from rnncore.gradcheck import random_problem
from rnncore.gradcheck.mutants import LAYERS, right_layer
from rnncore.pooling import QUERIES

EQUAL = TOLERANCE["equal in float64"]
WORDS = {"backend": "numpy", "dtype": "float64"}
MODELS = {word: right_layer(word, 3, 5) for word in LAYERS}
PLAIN = {
    "dense": rc.Dense(3, 2, dtype="float64"),
    "dropout": rc.Dropout(0.5),
    "embedding": rc.Embedding(7, 3, dtype="float64"),
    "last": rc.Last(),
}
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("word", MODELS)
def test_a_layer_is_made_again_from_its_description(word):
    assert from_description(MODELS[word].describe()) == MODELS[word]


@pytest.mark.parametrize("word", MODELS)
def test_a_model_with_it_is_saved_and_loaded(word, tmp_path):
    model = MODELS[word]
    params = random_problem(model).params
    rc.save(tmp_path / "m", model, params)
    again, loaded = rc.load(tmp_path / "m")
    assert again == model
    assert all(np.array_equal(loaded[name], params[name]) for name in params)


@pytest.mark.parametrize("word", MODELS | PLAIN)
def test_padding_is_inert_even_where_it_is_nan(word):
    model = (MODELS | PLAIN)[word]
    p = random_problem(model)
    results = all_results(model, (p.params, p.x, p.state_0, p.lengths, p.dy, p.dstate_T))
    x = p.x.copy()
    x[np.arange(len(x))[:, None] >= p.lengths] = np.nan if x.dtype.kind == "f" else 99
    other = all_results(model, (p.params, x, p.state_0, p.lengths, p.dy, p.dstate_T))
    for name, value in results.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)


@pytest.mark.parametrize("word", [w for w in MODELS if w not in ("max_pool", "masked", "tied")])
def test_nan_at_a_live_step_reaches_the_output(word):
    model = MODELS[word]
    p = random_problem(model)
    p.x[1, 0] = np.nan
    assert np.isnan(model.forward(p.params, p.x, p.state_0, p.lengths)[0]).any()


@pytest.mark.parametrize("word", MODELS)
def test_rows_do_not_know_each_other(word):
    """Every row alone gives what it gives in the batch, in derivatives too."""
    model = MODELS[word]
    p = random_problem(model)
    _, _, cache = model.forward(p.params, p.x, p.state_0, p.lengths)
    grads = model.backward(p.params, cache, p.dy, p.dstate_T)[0]
    for name, apart in per_sample_gradients(model, p.params, cache, p.dy, p.dstate_T).items():
        assert scaled_error(apart.sum(axis=0), grads[name]) < EQUAL


@pytest.mark.parametrize("word", ["residual", "learned_state", "with_static_steps", "tied"])
def test_gradients_by_step_add_up(word):
    model = MODELS[word]
    p = random_problem(model)
    _, _, cache = model.forward(p.params, p.x, p.state_0, p.lengths)
    grads = model.backward(p.params, cache, p.dy, p.dstate_T)[0]
    for name, apart in per_step_gradients(model, p.params, cache, p.dy, p.dstate_T).items():
        assert scaled_error(apart.sum(axis=0), grads[name]) < EQUAL


def test_gradients_by_step_of_a_masked_layer_are_refused():
    model = MODELS["masked"]
    p = random_problem(model)
    _, _, cache = model.forward(p.params, p.x, p.state_0, p.lengths)
    with pytest.raises(rc.ContractError, match="can be cut in time"):
        per_step_gradients(model, p.params, cache, p.dy, p.dstate_T)


@pytest.mark.parametrize("word", ["residual", "masked", "learned_state", "with_static_steps", "tied"])
def test_two_chunks_equal_the_whole_bit_for_bit(word):
    model = MODELS[word]
    p = random_problem(model, T=7)
    whole, ends, _ = model.forward(p.params, p.x, p.state_0, p.lengths)
    first, state, _ = model.forward(p.params, p.x[:3], p.state_0, np.minimum(p.lengths, 3))
    second, state, _ = model.forward(p.params, p.x[3:], state, np.maximum(p.lengths - 3, 0))
    assert scaled_error(np.concatenate([first, second]), whole) < EQUAL
    assert all(scaled_error(a, b) < EQUAL for a, b in zip(state, ends, strict=True))


@pytest.mark.parametrize("word", ["residual", "masked", "learned_state", "with_static_steps", "tied"])
def test_a_stream_gives_what_the_whole_history_gives(word):
    model = MODELS[word]
    p = random_problem(model, N=1, ragged=False)
    whole = model.forward(p.params, p.x)[0]
    stream = rc.Stream(model, p.params)
    steps = np.stack([stream.step("a", x[0]) for x in p.x])
    assert scaled_error(steps, whole[:, 0]) < EQUAL


@pytest.mark.parametrize("word", ["bidirectional", "reversed", "mean_pool", "attention"])
def test_a_layer_that_looks_ahead_is_refused_by_a_stream(word):
    with pytest.raises(rc.ContractError, match="outputs need the past only"):
        rc.Stream(MODELS[word], random_problem(MODELS[word]).params)


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", "none"])
def test_predict_gives_the_bits_of_forward_for_every_merge(merge):
    model = rc.Bidirectional(rc.LSTM(3, 5, dtype="float64"), merge)
    p = random_problem(model)
    y, state = rc.predict(model, p.params, p.x, p.state_0, p.lengths)
    right, ends, _ = model.forward(p.params, p.x, p.state_0, p.lengths)
    np.testing.assert_array_equal(y, right)
    assert all(np.array_equal(a, b) for a, b in zip(state, ends, strict=True))


def test_the_merges_are_what_their_names_say():
    outputs = {}
    for merge in ("concat", "sum", "mul", "ave", "none"):
        model = rc.Bidirectional(rc.GRU(3, 4, **WORDS), merge)
        p = random_problem(model, seed=5)
        outputs[merge] = model.forward(p.params, p.x, p.state_0, p.lengths)[0]
    ahead, back = outputs["concat"][..., :4], outputs["concat"][..., 4:]
    np.testing.assert_array_equal(outputs["sum"], ahead + back)
    np.testing.assert_array_equal(outputs["mul"], ahead * back)
    np.testing.assert_array_equal(outputs["ave"], (ahead + back) / 2)
    np.testing.assert_array_equal(outputs["none"], np.stack([ahead, back], axis=1))


def test_two_directions_apart_are_for_the_last_layer():
    with pytest.raises(rc.ContractError, match='merge="none" is for the last layer'):
        rc.Stack(rc.Bidirectional(rc.GRU(3, 4), "none"), rc.Dense(4, 1))


def test_an_unknown_merge_names_the_known_ones():
    with pytest.raises(rc.ContractError, match="'concat', 'sum', 'mul', 'ave' or 'none'"):
        rc.Bidirectional(rc.GRU(3, 4), "max")


def test_reversed_and_the_layer_are_the_two_halves_of_bidirectional():
    gru = rc.GRU(3, 4, **WORDS)
    p = random_problem(rc.Bidirectional(gru))
    both = rc.Bidirectional(gru).forward(p.params, p.x, p.state_0, p.lengths)[0]
    own = {f"inner.{name}": p.params[f"backward.{name}"] for name in gru.parameter_shapes()}
    back = rc.Reversed(gru).forward(own, p.x, p.state_0[1:], p.lengths)[0]
    np.testing.assert_array_equal(back, both[..., 4:])


@given(
    st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4),
    st.sampled_from(["numpy", "numba"]),
)
def test_masked_steps_do_not_happen(masks, backend):
    """The row without its masked steps gives the same outputs there, the same final state and the same derivatives."""
    gru = rc.GRU(2, 3, backend=backend, dtype="float64")
    model, params = rc.Masked(gru, "zero"), gru.init(0)
    mask = np.array(masks, float).T
    x, h_0 = RNG.normal(size=(*mask.shape, 2)), RNG.normal(size=(mask.shape[1], 3))
    x[mask == 0] = np.nan
    own = {f"inner.{name}": p for name, p in params.items()}
    y, (h,), cache = model.forward(own, np.concatenate([x, mask[..., None]], axis=-1), (h_0,))
    _, dx, _ = model.backward(own, cache, np.ones_like(y), (np.ones_like(h),))
    for n in range(mask.shape[1]):
        at = np.flatnonzero(mask[:, n])
        right, (end,), kept = gru.forward(params, x[at, n : n + 1], (h_0[n : n + 1],))
        _, dright, _ = gru.backward(params, kept, np.ones_like(right), (np.ones((1, 3)),))
        assert scaled_error(y[at, n], right[:, 0]) < EQUAL
        assert scaled_error(h[n], end[0]) < EQUAL
        assert scaled_error(dx[at, n, :2], dright[:, 0]) < EQUAL
        assert not y[mask[:, n] == 0, n].any() and not dx[mask[:, n] == 0, n].any()


def test_a_masked_step_carries_the_last_output_on():
    model = rc.Masked(rc.GRU(1, 2, **WORDS))
    x = np.array([[1.0, 0], [2, 1], [3, 0], [4, 1], [5, 0]])[:, None]
    y = model.forward(model.init(0), x)[0][:, 0]
    assert not y[0].any() and np.array_equal(y[2], y[1]) and np.array_equal(y[4], y[3])


def test_nan_in_the_mask_is_refused():
    model = rc.Masked(rc.GRU(1, 2, **WORDS))
    with pytest.raises(rc.ContractError, match="0 or 1 in the last column, the mask"):
        model.forward(model.init(0), np.full((3, 1, 2), np.nan))


def test_nan_instead_of_whether_a_row_has_started_is_refused():
    model = rc.LearnedState(rc.GRU(1, 2, **WORDS))
    with pytest.raises(rc.ContractError, match="whether the row has started, received NaN"):
        model.forward(model.init(0), np.ones((3, 1, 1)), (np.zeros((1, 2)), np.full((1, 1), np.nan)))


def test_learned_states_start_rows_and_leave_states_that_go_on():
    gru = rc.GRU(3, 4, **WORDS)
    model = rc.LearnedState(gru)
    p = random_problem(model, ragged=False)
    own = {name.removeprefix("inner."): a for name, a in p.params.items() if name.startswith("inner.")}
    start = np.tile(p.params["state_0"], (4, 1))
    y, state, _ = model.forward(p.params, p.x)
    np.testing.assert_array_equal(y, gru.forward(own, p.x, (start,))[0])
    later = model.forward(p.params, p.x, state)[0]
    np.testing.assert_array_equal(later, gru.forward(own, p.x, state[:1])[0])


def test_static_features_of_a_row_stand_beside_its_encoding():
    encoder = rc.Stack(rc.GRU(3, 4, **WORDS), rc.Last())
    model = rc.WithStatic(encoder, 2)
    p = random_problem(model)
    y = model.forward(p.params, p.x, p.state_0, p.lengths)[0]
    np.testing.assert_array_equal(y[:3, 4:], p.x[0, :3, 3:])
    assert p.lengths[3] == 0
    assert not y[3].any()


def test_a_table_that_is_tied_is_one_parameter():
    model = rc.Tied(rc.GRU(3, 3, **WORDS), V=7)
    assert model.parameter_shapes()["E"] == (7, 3)
    assert sum(shape == (7, 3) for shape in model.parameter_shapes().values()) == 1


@pytest.mark.parametrize("score", ["additive", "dot"])
@pytest.mark.parametrize("query", ["learned", "last"])
def test_weights_of_attention_sum_to_one_over_a_rows_own_steps(score, query):
    layer = rc.Attention(3, 4, score, query, dtype="float64")
    p = random_problem(layer, scale=30.0)  # scores in the hundreds: exp must not overflow
    w = layer.forward(p.params, p.x, (), p.lengths)[2].weights[..., 0]
    np.testing.assert_allclose(w.sum(axis=0), p.lengths > 0, rtol=1e-14)
    assert not w[np.arange(len(w))[:, None] >= p.lengths].any()


def test_dot_attention_is_that_of_torch():
    torch = pytest.importorskip("torch")
    layer = rc.Attention(3, 4, "dot", "last", dtype="float64")
    p = random_problem(layer, ragged=False)
    x = torch.tensor(p.x.swapaxes(0, 1), requires_grad=True)
    keys, query = x @ torch.tensor(p.params["Wk"]), x[:, -1:] @ torch.tensor(p.params["Wq"])
    y = torch.nn.functional.scaled_dot_product_attention(query, keys, x)[:, 0]
    mine, _, cache = layer.forward(p.params, p.x)
    assert scaled_error(mine, y.detach().numpy()) < EQUAL
    y.backward(torch.tensor(p.dy))
    assert scaled_error(layer.backward(p.params, cache, p.dy)[1], x.grad.numpy().swapaxes(0, 1)) < EQUAL


def test_layer_norm_is_that_of_torch():
    torch = pytest.importorskip("torch")
    layer = rc.LayerNorm(5, dtype="float64")
    p = random_problem(layer, ragged=False)
    x = torch.tensor(p.x, requires_grad=True)
    weights = [torch.tensor(p.params[name], requires_grad=True) for name in ("gain", "bias")]
    y = torch.nn.functional.layer_norm(x, (5,), *weights)
    y.backward(torch.tensor(p.dy))
    mine, _, cache = layer.forward(p.params, p.x)
    grads, dx, _ = layer.backward(p.params, cache, p.dy)
    pairs = [(mine, y.detach()), (dx, x.grad), (grads["gain"], weights[0].grad), (grads["bias"], weights[1].grad)]
    assert all(scaled_error(a, b.numpy()) < EQUAL for a, b in pairs)


def test_pooling_reads_a_rows_own_steps_alone():
    x = np.array([[1.0, 5], [3, np.nan], [2, np.nan]])[..., None]
    assert rc.MeanPool().forward({}, x, lengths=[3, 1])[0].ravel().tolist() == [2, 5]
    assert rc.MaxPool().forward({}, x, lengths=[3, 1])[0].ravel().tolist() == [3, 5]


VECTORS = [rc.Last(), rc.MeanPool(), rc.MaxPool()]
VECTORS += [rc.Attention(3, 4, score, query, dtype="float64") for score in ("additive", "dot") for query in QUERIES]


@pytest.mark.parametrize("layer", VECTORS, ids=repr)
def test_nan_in_the_gradient_of_a_vector_goes_to_its_own_rows_steps_alone(layer):
    p = random_problem(layer)
    dy = p.dy.copy()
    dy[[1, 3]] = np.nan  # the last row has no steps
    *_, cache = layer.forward(p.params, p.x, (), p.lengths)
    _, dx, _ = layer.backward(p.params, cache, dy)
    assert np.isnan(dx[: p.lengths[1], 1]).any()
    assert not dx[p.lengths[1] :, 1].any()
    assert np.isfinite(np.delete(dx, 1, axis=1)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rc.Residual(rc.GRU(3, 4)), "as many features out as in"),
        (lambda: rc.LearnedState(rc.Dense(3, 4)), "a layer with a state"),
        (lambda: rc.Masked(rc.Embedding(5, 3)), "takes features"),
        (lambda: rc.Tied(rc.GRU(3, 4), 5), "as many features out as in"),
        (lambda: rc.WithStatic(rc.Embedding(5, 3), 2), "not ids"),
        (lambda: rc.Attention(3, 4, "cosine"), "'additive' or 'dot'"),
        (lambda: rc.Attention(3, 4, query="first"), "'learned' or 'last'"),
        (lambda: rc.Stack(rc.GRU(3, 4), rc.Last(), rc.MeanPool()), "without time"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(make, message):
    with pytest.raises(rc.ContractError, match=message):
        make()
