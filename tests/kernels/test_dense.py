"""The fast twin of Dense: against the textbook and forward mode, the same bits on any threads, and who takes it."""

import numpy as np
import pytest
from conftest import EQUAL, TOLERANCE
from hypothesis import given
from hypothesis import strategies as st
from problems import assert_close, assert_same_bits
from threadpoolctl import threadpool_limits

import rnncore as rc
from rnncore import gradcheck
from rnncore.compose import from_description
from rnncore.errors import ContractError
from rnncore.gradcheck import random_problem
from rnncore.kernels import dense as fast
from rnncore.kernels import jit
from rnncore.layers import dense as textbook


def drawn(steps, D, H, lengths=None, dtype="float64"):
    """Return params, x (*steps, D), lengths, dy, with NaN past a row's end."""
    rng = np.random.default_rng([*steps, D, H])
    shapes = ((D, H), (H,), (*steps, D), (*steps, H))
    W, b, x, dy = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    if lengths is not None:
        past = np.arange(steps[0])[:, None] >= lengths
        x[past], dy[past] = np.nan, np.nan
    return {"W": W, "b": b}, x, lengths, dy


def solved(module, params, x, lengths, dy):
    y, cache = module.forward(params, x, lengths)
    grads, dx = module.backward(params, cache, dy)
    return {"y": y, "dx": dx, **grads}


def falling(T, N):
    """Return lengths T to 0, many of them T and many short."""
    return np.sort(np.random.default_rng([T, N]).choice([T, T, T // 2, 1, 0], N))[::-1].copy()


SIZES = [
    ((5, 3), 2, 4),
    ((7,), 3, 5),
    ((0, 3), 2, 2),
    ((4, 0), 2, 2),
    ((1, 1), 1, 1),
    ((9, 130), 5, 33),
    ((3, 2), 600, 70),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("steps", "D", "H"), SIZES)
def test_equal_to_the_textbook(steps, D, H, ragged, dtype):
    p = drawn(steps, D, H, falling(*steps) if ragged and len(steps) == 2 else None, dtype)
    found = solved(fast, *p)
    assert {a.dtype.name for a in found.values()} == {dtype}
    assert_close(found, solved(textbook, *p), EQUAL[dtype])


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=90).map(lambda ends: np.array(sorted(ends)[::-1])),
    st.integers(1, 40),
)
def test_ragged_rows_of_any_lengths(lengths, D):
    p = drawn((9, len(lengths)), D, 3, lengths)
    assert_close(solved(fast, *p), solved(textbook, *p), TOLERANCE["equal in float64"])


@pytest.mark.parametrize("live", [3, 5, 85, 127])
def test_steps_that_are_cut_where_a_block_of_256_rows_is_full(live):
    """After 255 rows one of a step, after 254 two; the others go into the next block."""
    p = drawn((512 // live, live + 1), 4, 3, np.array([512 // live] * live + [0]))
    assert_close(solved(fast, *p), solved(textbook, *p), TOLERANCE["equal in float64"])


@pytest.mark.parametrize("ragged", [False, True])
def test_every_derivative_by_forward_mode(ragged):
    layer = rc.Dense(3, 5, backend="numba", dtype="float64")
    p = random_problem(layer, seed=3, ragged=ragged)
    report = gradcheck.check(layer, p.params, p.x, lengths=p.lengths, method="forward-mode")
    assert report.ok, str(report)
    with pytest.raises(ContractError, match="complex-step"):
        gradcheck.check(layer, p.params, p.x, method="complex-step")


@pytest.mark.parametrize("ragged", [False, True])
def test_the_same_bits_on_any_number_of_threads(monkeypatch, ragged):
    monkeypatch.setattr(jit, "_WORTH_A_THREAD", 0)
    before, found = jit.get_num_threads(), []
    p = drawn((20, 130), 5, 33, falling(20, 130) if ragged else None, "float32")
    for n in (1, 2, 5):
        jit.set_num_threads(n)
        found.append(solved(fast, *p))
    jit.set_num_threads(before)
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


def test_a_row_does_not_depend_on_its_batch():
    params, x, _, _ = drawn((67,), 40, 50, dtype="float32")
    together = fast.forward(params, x)[0]
    apart = np.concatenate([fast.forward(params, x[n : n + 1])[0] for n in range(67)])
    np.testing.assert_array_equal(apart, together)


@pytest.mark.parametrize("name", ["W", "b", "x", "dy"])
def test_nan_in_is_nan_out(name):
    params, x, _, dy = drawn((4, 3), 2, 5)
    {**params, "x": x, "dy": dy}[name].flat[0] = np.nan
    found, expected = solved(fast, params, x, None, dy), solved(textbook, params, x, None, dy)
    for key, a in expected.items():
        np.testing.assert_array_equal(np.isnan(found[key]), np.isnan(a), err_msg=key)


def test_arrays_of_any_layout_are_read_and_left_alone():
    params, x, _, dy = drawn((6, 8), 4, 10)
    expected = solved(fast, params, x, None, dy)
    params = {"W": np.asfortranarray(params["W"]), "b": np.repeat(params["b"], 2)[::2]}
    x, dy = np.asfortranarray(x), np.repeat(dy, 2, axis=0)[::2]
    kept = [a.copy() for a in (*params.values(), x, dy)]
    for a in (*params.values(), x, dy):
        a.flags.writeable = False
    assert_same_bits(solved(fast, params, x, None, dy), expected)
    for a, before in zip((*params.values(), x, dy), kept, strict=True):
        np.testing.assert_array_equal(a, before)


def computing(layer):
    """Return the twins of all Dense inside."""
    found = {layer.backend} if isinstance(layer, rc.Dense) else set()
    for part in getattr(layer, "parts", {}).values():
        found |= computing(part)
    return found


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_dense_takes_the_twin_of_the_cells_beside_it(backend):
    gru, dense = rc.GRU(2, 4, backend=backend), rc.Dense(4, 4)
    for parts in (
        (gru, dense),
        (gru, rc.Stack(dense, dense)),
        (rc.Bidirectional(rc.Stack(gru, dense)),),
        (rc.Reversed(rc.Stack(gru)), rc.Residual(dense)),
    ):
        assert computing(rc.Stack(*parts)) == {backend}
        assert computing(rc.Stack(*parts).using(backend="numpy")) == {"numpy"}
    assert computing(dense) == computing(rc.Stack(rc.Embedding(3, 4), dense)) == {"numpy"}


def test_a_model_takes_the_same_twins_from_its_description():
    model = rc.Stack(rc.GRU(2, 4), rc.Last(), rc.Dense(4, 1))
    assert computing(from_description(model.describe())) == {"numba"}
    assert from_description(model.describe()) == model


@pytest.mark.parametrize("kind", [rc.Dense, rc.Attention])
def test_alone_it_is_saved_with_its_twin(kind, tmp_path):
    fast = rc.Stack(rc.GRU(3, 40), kind(40, 300)).parts["1"]
    for layer in (kind(40, 300), kind(40, 300, backend="numba"), kind(40, 300).using(backend="numba"), fast):
        rc.save(tmp_path / "layer.safetensors", layer, layer.init(0))
        loaded, _ = rc.load(tmp_path / "layer.safetensors")
        assert loaded == layer and loaded.backends == layer.backends
    assert fast == kind(40, 300, backend="numba") != kind(40, 300)


def test_the_fast_twin_refuses_other_precisions():
    layer = rc.Dense(2, 3, backend="numba", dtype="float64")
    params = {name: a.astype(complex) for name, a in layer.init(0).items()}
    with pytest.raises(ContractError, match='say backend="numpy"'):
        layer.forward(params, np.ones((4, 2), complex))
    assert layer.using(backend="numpy").forward(params, np.ones((4, 2), complex))[0].dtype == complex


MODELS = {
    "Dense": rc.Stack(rc.GRU(3, 40), rc.Dense(40, 500)),
    "Tied": rc.Tied(rc.GRU(40, 40), 500),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_with_a_fast_cell_has_the_same_bits_on_one_thread_of_blas_and_two(name):
    model = MODELS[name]
    params, rng, found = model.init(0), np.random.default_rng(0), []
    x = rng.integers(0, 500, (20, 64)) if model.sizes[0] == 0 else rng.standard_normal((20, 64, 3)).astype("float32")
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            y, _, cache = model.forward(params, x)
            grads, dx, _ = model.backward(params, cache, np.cos(y))
            found.append({"y": y, **grads, **({} if dx is None else {"dx": dx})})
    assert_same_bits(found[1], found[0])


SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((5, 1, 2, 3), (4, 3, 2)),
    ((6, 2, 3), (3, 4)),
]
SHAPES += [((3,), (5, 3, 2)), ((5, 2, 3), (3,)), ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((1, 2, 3), (5, 3, 4))]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_products_of_arrays_of_any_shape_are_those_of_numpy(a, b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(a), rng.standard_normal(b)
    expected = np.asarray(a @ b)
    found = fast.product(a, b)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((), (2,)), ((4, 2, 3), (5, 3, 2))])
def test_what_numpy_does_not_multiply_is_its_error(a, b):
    with pytest.raises(ValueError, match=r"mismatch|enough dimensions"):
        fast.product(np.ones(a), np.ones(b))
