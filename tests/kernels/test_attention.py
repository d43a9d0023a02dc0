"""The fast twin of Attention: against the textbook and forward mode, and the same bits on any number of threads."""

import numpy as np
import pytest
from conftest import EQUAL
from problems import assert_close, assert_same_bits
from threadpoolctl import threadpool_limits

import rnncore as rc
from rnncore import gradcheck
from rnncore.gradcheck import random_problem
from rnncore.kernels import jit
from rnncore.pooling import QUERIES, SCORES

KINDS = [(score, query) for score in SCORES for query in QUERIES]


def solved(layer, params, x, lengths, dy):
    y, _, cache = layer.forward(params, x, lengths=lengths)
    grads, dx, _ = layer.backward(params, cache, dy)
    return {"y": y, "dx": dx, **{f"d{name}": g for name, g in grads.items()}, **cache._asdict()}


def drawn(layer, T, N, lengths, dtype):
    rng = np.random.default_rng([T, N])
    params = {name: a + rng.normal(0, 0.3, a.shape).astype(dtype) for name, a in layer.init(1).items()}
    x, dy = rng.normal(size=(T, N, layer.D)).astype(dtype), rng.normal(size=(N, layer.D)).astype(dtype)
    if lengths is not None:
        x[np.arange(T)[:, None] >= lengths] = np.nan
        dy[lengths == 0] = np.nan
    return params, x, lengths, dy


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lengths", [None, [6, 6, 3, 1, 0]])
@pytest.mark.parametrize(("score", "query"), KINDS)
def test_equal_to_the_textbook(score, query, lengths, dtype):
    layer = rc.Attention(3, 4, score, query, dtype=dtype)
    p = drawn(layer, 6, 5, None if lengths is None else np.array(lengths), dtype)
    found = solved(layer.using(backend="numba"), *p)
    assert {a.dtype.name for name, a in found.items() if name != "lengths"} == {dtype}
    assert_close(found, solved(layer, *p), EQUAL[dtype])


@pytest.mark.parametrize(("score", "query"), KINDS)
def test_nan_in_a_row_is_nan_out_of_this_row_alone(score, query):
    layer = rc.Attention(3, 4, score, query, dtype="float64")
    params, x, lengths, dy = drawn(layer, 6, 5, np.array([6, 6, 3, 1, 0]), "float64")
    x[1, 2] = np.nan
    dy[1] = np.nan
    found, expected = (solved(each, params, x, lengths, dy) for each in (layer.using(backend="numba"), layer))
    assert np.isnan(found["y"]).any(axis=1).tolist() == [False, False, True, False, False]
    for name in ("y", "dx", "dWk"):
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(expected[name]), err_msg=name)


@pytest.mark.parametrize(("score", "query"), KINDS)
def test_scores_too_large_for_exp_choose_the_largest(score, query):
    layer = rc.Attention(3, 4, score, query, dtype="float64")
    params, x, lengths, dy = drawn(layer, 6, 5, np.array([6, 6, 3, 1, 0]), "float64")
    large = {name: 3e3 * a for name, a in params.items()}
    found = solved(layer.using(backend="numba"), large, x, lengths, dy)
    assert np.isfinite(found["y"]).all()
    assert_close(found, solved(layer, large, x, lengths, dy), 1e-9)  # rounding of scores of some 10,000


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("score", "query"), KINDS)
def test_every_derivative_by_forward_mode(score, query, ragged):
    layer = rc.Attention(3, 4, score, query, backend="numba", dtype="float64")
    p = random_problem(layer, seed=3, ragged=ragged)
    report = gradcheck.check(layer, p.params, p.x, lengths=p.lengths, method="forward-mode")
    assert report.ok, str(report)
    assert len(report.blocks) == len(p.params) + 1


@pytest.mark.parametrize("score", SCORES)
def test_the_same_bits_on_any_number_of_threads_of_blas_and_of_ours(score, monkeypatch):
    monkeypatch.setattr(jit, "_WORTH_A_THREAD", 0)
    before, found = jit.get_num_threads(), []
    layer = rc.Stack(rc.GRU(3, 40), rc.Attention(40, 300, score, "last"))
    params, x, lengths, dy = layer.init(0), *drawn(rc.Attention(3, 40), 20, 130, None, "float32")[1:]
    dy = np.resize(dy, (130, 40))
    for n in (1, 2):
        jit.set_num_threads(n)
        with threadpool_limits(n, user_api="blas"):
            y, _, cache = layer.forward(params, x, lengths=lengths)
            grads, dx, _ = layer.backward(params, cache, dy)
            found.append({"y": y, "dx": dx, **grads})
    jit.set_num_threads(before)
    assert_same_bits(found[1], found[0])
