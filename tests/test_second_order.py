"""Hessian-vector products: symmetric, equal to differences of gradients, for every cell, loss and composition."""

import numpy as np
import pytest
from conftest import EXACT, make, scaled_error

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.gradcheck import hvp, mutants, random_problem

LOSSES = ["mse", "mae", "huber", "binary_cross_entropy", "softmax_cross_entropy"]
WHOLE = rc.Stack(
    rc.Embedding(7, 4, dtype="float64"),
    rc.Bidirectional(make("LSTM", 4, 5, backend="numpy")),
    rc.Dropout(0.3),
    rc.Last(),
    rc.Dense(10, 3, dtype="float64"),
)


def vectors(params, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=p.shape) for name, p in params.items()}


def dot(u, v):
    return sum(float((u[name] * v[name]).sum()) for name in u)


def task(model, seed=0, loss="mse"):
    """Parameters, then the other arguments of `full_bptt`: input, target, loss; state and lengths."""
    p = random_problem(model, seed)
    rng = np.random.default_rng([seed, 7])
    y = model.forward(p.params, p.x, p.state_0, p.lengths)[0]
    target = rng.integers(0, y.shape[-1], y.shape[:-1]) if loss.startswith("softmax") else rng.random(y.shape)
    return p.params, (p.x, target, getattr(rc.losses, loss)), {"state_0": p.state_0, "lengths": p.lengths}


def differences(gradient, params, v, e=1e-4):
    """Fourth-order central differences of the gradient along v."""
    g = {k: gradient({n: p + k * e * v[n] for n, p in params.items()}) for k in (-2, -1, 1, 2)}
    return {n: (8 * (g[1][n] - g[-1][n]) - (g[2][n] - g[-2][n])) / (12 * e) for n in params}


@pytest.mark.parametrize(("name", "options"), EXACT)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_product_is_symmetric(name, options, loss):
    model = make(name, 3, 5, backend="numpy", **options)
    params, args, words = task(model, loss=loss)
    u, v = vectors(params, 1), vectors(params, 2)
    Hu, Hv = hvp(model, params, *args, u, **words), hvp(model, params, *args, v, **words)
    size = np.sqrt(dot(u, u) * dot(Hv, Hv))
    assert abs(dot(u, Hv) - dot(v, Hu)) < 1e-12 * size


@pytest.mark.parametrize(("name", "options"), EXACT)
def test_the_product_is_that_of_differences_of_gradients(name, options):
    model = make(name, 3, 5, backend="numpy", **options)
    params, args, words = task(model, seed=3)
    v = vectors(params, 1)
    exact = hvp(model, params, *args, v, **words)
    numeric = differences(lambda p: rc.full_bptt(model, p, *args, **words)[1], params, v)
    assert max(scaled_error(exact[n], numeric[n]) for n in params) < 1e-8


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_behind_a_whole_model_with_its_masks_replayed(loss):
    params, args, words = task(WHOLE, seed=4, loss=loss)
    v = vectors(params, 1)

    def gradient(p):
        return rc.full_bptt(WHOLE, p, *args, **words, rng=np.random.default_rng(8))[1]

    exact = hvp(WHOLE, params, *args, v, **words, rng=np.random.default_rng(8))
    numeric = differences(gradient, params, v)
    assert max(scaled_error(exact[n], numeric[n]) for n in params) < 1e-8


def test_the_hessian_of_the_squared_error_of_a_linear_map_is_known():
    model = rc.Dense(2, 1, dtype="float64")
    x = np.random.default_rng(0).normal(size=(4, 3, 2))
    weight = np.random.default_rng(1).random((4, 3))
    v = {"W": np.array([[1.0], [-2.0]]), "b": np.array([0.5])}
    found = hvp(model, model.init(0), x, np.zeros((4, 3, 1)), rc.losses.mse, v, weight=weight)
    rows = np.concatenate([x, np.ones((4, 3, 1))], axis=2).reshape(12, 3)
    H = 2 * rows.T @ (weight.reshape(12, 1) * rows) / weight.sum()
    np.testing.assert_allclose(np.vstack([found["W"], found["b"]])[:, 0], H @ [1, -2, 0.5], rtol=1e-13)


@pytest.mark.parametrize("size", [1e-200, 1e150])
def test_the_product_is_linear_whatever_the_size_of_the_vector(size):
    model = make("GRU", 3, 5, backend="numpy")
    params, args, words = task(model)
    v = vectors(params, 1)
    small = hvp(model, params, *args, {n: size * a for n, a in v.items()}, **words)
    for name, Hv in hvp(model, params, *args, v, **words).items():
        np.testing.assert_allclose(small[name] / size, Hv, rtol=1e-10, atol=1e-14)


def test_a_vector_of_zeros_gives_zeros():
    model = make("RNN", 3, 5, backend="numpy")
    params, args, words = task(model)
    found = hvp(model, params, *args, {n: 0 * p for n, p in params.items()}, **words)
    assert not any(a.any() for a in found.values())


def test_the_fast_twin_in_float32_gets_the_product_of_its_textbook():
    slow = make("LSTM", 3, 5, backend="numpy")
    params, args, words = task(slow)
    params = {n: p.astype(np.float32) for n, p in params.items()}
    v = vectors(params, 1)
    fast = hvp(rc.LSTM(3, 5), params, *args, v, **words)
    again = hvp(slow, {n: p.astype(float) for n, p in params.items()}, *args, v, **words)
    for name in params:
        np.testing.assert_array_equal(fast[name], again[name])


@pytest.mark.parametrize("name", ["derivative of tanh as 1 - g", "carry of dc uses i", "dWh uses h_t"])
def test_a_wrong_backward_pass_is_not_symmetric(name):
    model = {m.name: m for m in mutants("lstm")}[name].layer(3, 5)
    params, args, words = task(model)
    u, v = vectors(params, 1), vectors(params, 2)
    Hu, Hv = hvp(model, params, *args, u, **words), hvp(model, params, *args, v, **words)
    assert abs(dot(u, Hv) - dot(v, Hu)) > 1e-6 * np.sqrt(dot(u, u) * dot(Hv, Hv))


@pytest.mark.parametrize("change", [lambda v: v.pop("b"), lambda v: v.update(b=np.zeros(3)), lambda v: v.update(b=1)])
def test_a_vector_that_does_not_fit_is_refused(change):
    model = make("RNN", 3, 5, backend="numpy")
    params, args, words = task(model)
    v = vectors(params, 1)
    change(v)
    with pytest.raises(ContractError, match=r"vector\['b'\]"):
        hvp(model, params, *args, v, **words)
