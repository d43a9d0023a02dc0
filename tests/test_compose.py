"""Stack and Bidirectional equal the composition of their parts."""

import numpy as np
import pytest
from conftest import TOLERANCE, all_results, assert_equal_results, scaled_error

import rnncore as rc
from rnncore import gradcheck
from rnncore.compose import reverse_rows
from rnncore.gradcheck import random_problem

EQUAL = TOLERANCE["equal in float64"]
WORDS = {"backend": "numpy", "dtype": "float64"}


def deep(backend="numpy"):
    words = {**WORDS, "backend": backend}
    return rc.Stack(
        rc.Bidirectional(rc.LSTM(3, 4, **words)),
        rc.GRU(8, 5, **words),
        rc.RNN(5, 2, **words),
        rc.Dense(2, 3, dtype="float64"),
    )


COMPOSITIONS = {
    "three layers, both directions": deep(),
    "embedding to last": rc.Stack(
        rc.Embedding(7, 3, dtype="float64"), rc.GRU(3, 4, **WORDS), rc.Last(), rc.Dense(4, 2, dtype="float64")
    ),
    "bidirectional stack": rc.Bidirectional(rc.Stack(rc.LSTM(3, 4, **WORDS), rc.GRU(4, 2, **WORDS))),
    "dense alone": rc.Dense(3, 2, dtype="float64"),
    "embedding alone": rc.Embedding(7, 3, dtype="float64"),
    "last alone": rc.Last(),
    **{f"both directions, {m}": rc.Bidirectional(rc.LSTM(3, 4, **WORDS), m) for m in ("sum", "mul", "ave", "none")},
    "reversed": rc.Reversed(rc.GRU(3, 4, **WORDS)),
    **{
        f"one vector of both directions, {m}": rc.Bidirectional(rc.Stack(rc.GRU(3, 4, **WORDS), rc.Last()), m)
        for m in ("concat", "mul", "none")
    },
    "one vector, reversed": rc.Reversed(rc.Stack(rc.LSTM(3, 4, **WORDS), rc.Last())),
    "residual": rc.Residual(rc.Stack(rc.LSTM(3, 4, **WORDS), rc.GRU(4, 3, **WORDS))),
    "masked": rc.Masked(rc.LSTM(3, 4, **WORDS)),
    "masked, zero output": rc.Masked(rc.GRU(3, 4, **WORDS), "zero"),
    "masked both directions": rc.Masked(rc.Bidirectional(rc.GRU(3, 4, **WORDS))),
    "learned state": rc.LearnedState(rc.LSTM(3, 4, **WORDS)),
    "learned states of a stack": rc.LearnedState(rc.Stack(rc.LSTM(3, 4, **WORDS), rc.GRU(4, 2, **WORDS))),
    "static features": rc.WithStatic(rc.Stack(rc.GRU(3, 4, **WORDS), rc.Last()), 2),
    "static features at each step": rc.WithStatic(rc.GRU(3, 4, **WORDS), 2),
    "tied": rc.Tied(rc.GRU(3, 3, **WORDS), V=7),
    "tied to one vector": rc.Tied(rc.Stack(rc.GRU(3, 3, **WORDS), rc.Last()), V=7),
    "layer norm": rc.LayerNorm(3, dtype="float64"),
    "mean": rc.Stack(rc.GRU(3, 4, **WORDS), rc.MeanPool()),
    "max": rc.Stack(rc.GRU(3, 4, **WORDS), rc.MaxPool()),
    **{
        f"attention, {score}, {query}": rc.Stack(
            rc.GRU(3, 4, **WORDS), rc.Attention(4, 5, score, query, dtype="float64")
        )
        for score in ("additive", "dot")
        for query in ("learned", "last")
    },
    "dropout between": rc.Stack(rc.GRU(3, 4, **WORDS), rc.Dropout(0.4), rc.GRU(4, 2, **WORDS)),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
@pytest.mark.parametrize("ragged", [False, True])
def test_every_derivative_by_complex_step_and_forward_mode(name, ragged):
    layer = COMPOSITIONS[name]
    p = random_problem(layer, seed=3, ragged=ragged)
    # forward mode at every entry; complex step, thirty times slower, at ten of each array, its largest among them
    for method, entries in (("forward-mode", None), ("complex-step", 10)):
        report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, method, dropout_seed=11, entries=entries)
        assert report.ok, str(report)
        assert len(report.blocks) == len(p.params) + (p.x.dtype.kind == "f") + len(p.state_0)


def test_the_fast_twins_inside_a_composition_pass_by_differences():
    layer = deep("numba")
    p = random_problem(layer, seed=3)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, entries=12)
    assert report.ok, str(report)


def test_a_stack_equals_its_parts_one_after_another():
    layer = deep()
    p = random_problem(layer, seed=1)
    together = all_results(layer, p)
    x, states, caches = p.x, list(p.state_0), []
    for key, part in layer.parts.items():
        own = {name: p.params[f"{key}.{name}"] for name in part.parameter_shapes()}
        mine = tuple(states.pop(0) for _ in part.state_sizes)
        x, _, cache = part.forward(own, x, mine, p.lengths)
        caches.append((key, part, own, cache))
    np.testing.assert_array_equal(x, together["y"])
    d, ends = p.dy, list(p.dstate_T)
    for key, part, own, cache in reversed(caches):
        mine = tuple(ends.pop() for _ in part.state_sizes)[::-1]
        grads, d, _ = part.backward(own, cache, d, mine)
        for name, g in grads.items():
            np.testing.assert_array_equal(g, together[f"d{key}.{name}"])
    np.testing.assert_array_equal(d, together["dx"])


def test_the_backward_direction_is_the_layer_on_rows_reversed_within_their_lengths():
    inner = rc.GRU(3, 4, **WORDS)
    layer = rc.Bidirectional(inner)
    p = random_problem(layer, seed=2)
    y, _, _ = layer.forward(p.params, p.x, p.state_0, p.lengths)
    own = {name: p.params[f"backward.{name}"] for name in inner.parameter_shapes()}
    for n, L in enumerate(p.lengths):
        alone, _, _ = inner.forward(own, p.x[:L, n : n + 1][::-1].copy(), (p.state_0[1][n : n + 1],))
        assert scaled_error(y[:L, n : n + 1, 4:], alone[::-1]) <= EQUAL


def test_reversing_twice_gives_the_valid_part_back():
    x = np.arange(24.0).reshape(4, 3, 2) + 1
    lengths = np.array([4, 2, 0])
    valid = np.arange(4)[:, None] < lengths
    np.testing.assert_array_equal(reverse_rows(reverse_rows(x, lengths), lengths), np.where(valid[..., None], x, 0))


def test_without_rng_dropout_is_the_identity_and_with_it_keeps_the_mean():
    x = np.ones((20, 30, 40))
    layer = rc.Dropout(0.3)
    np.testing.assert_array_equal(layer.forward({}, x)[0], x)
    y = layer.forward({}, x, rng=np.random.default_rng(0))[0]
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs(y.mean() - 1) < 5 * np.sqrt(0.3 / 0.7 / y.size)  # five standard errors


def test_nan_in_the_padding_leaks_nowhere_through_a_whole_model():
    layer = deep()
    p = random_problem(layer, seed=4)
    past = np.arange(len(p.x))[:, None] >= p.lengths
    x, dy = p.x.copy(), p.dy.copy()
    x[past], dy[past] = np.nan, np.nan
    assert_equal_results(all_results(layer, p._replace(x=x, dy=dy)), all_results(layer, p), 0.0)


def test_an_embedding_adds_up_the_gradients_of_an_id_that_comes_twice():
    layer = rc.Embedding(3, 2, dtype="float64")
    ids = np.array([[1, 1], [1, 0]])
    _, _, cache = layer.forward(layer.init(0), ids, lengths=[2, 1])
    grads, dx, _ = layer.backward(layer.init(0), cache, np.ones((2, 2, 2)))
    assert dx is None
    np.testing.assert_array_equal(grads["W"], [[0, 0], [3, 3], [0, 0]])


def test_float32_stays_float32_through_forward_and_backward():
    layer = rc.Stack(rc.GRU(3, 4, backend="numpy"), rc.Dropout(0.5), rc.Last(), rc.Dense(4, 1))
    params = layer.init(0)
    y, state, cache = layer.forward(
        params, np.ones((5, 2, 3), np.float32), lengths=[5, 1], rng=np.random.default_rng(0)
    )
    grads, dx, dstate = layer.backward(params, cache, np.ones_like(y))
    assert {a.dtype.name for a in [y, *state, *grads.values(), dx, *dstate]} == {"float32"}
