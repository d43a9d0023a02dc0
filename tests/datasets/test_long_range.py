"""The tasks of memory: what stands where, the score of the trivial baseline, the same seed twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore.datasets import Fresh, adding, copy, echo
from rnncore.errors import ContractError


@given(
    T=st.integers(2, 40), N=st.integers(1, 9), seed=st.integers(0, 10**6), dtype=st.sampled_from(["float32", "float64"])
)
def test_the_sum_is_that_of_two_marked_numbers_one_in_each_half(T, N, seed, dtype):
    x, target = adding(T, N, seed, dtype=dtype)
    assert (x.dtype, target.dtype) == (dtype, dtype)
    assert (x[..., 1].sum(axis=0) == 2).all()
    assert (x[: T // 2, :, 1].sum(axis=0) == 1).all()
    assert ((x[..., 0] >= 0) & (x[..., 0] <= 1)).all()
    np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(axis=0), target[:, 0], rtol=1e-6)


def test_always_saying_one_has_a_squared_error_of_a_sixth():
    _, target = adding(20, 200_000, seed=1)
    assert rc.losses.mse(np.ones_like(target), target)[0] == pytest.approx(1 / 6, abs=2e-3)


@given(st.data(), st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_what_was_said_first_is_asked_for_last(data, length, symbols, seed):
    T = data.draw(st.integers(2 * length + 1, 30))
    x, target = copy(T, 3, seed, symbols=symbols, length=length)
    np.testing.assert_array_equal(x[:length], target[T - length :])
    assert x[:length].max() < symbols
    assert (target[: T - length] == symbols).all()
    assert (x[T - length - 1] == symbols + 1).all()
    assert (np.delete(x[length:], T - 2 * length - 1, axis=0) == symbols).all()


def test_the_memoryless_score_of_copy_is_the_one_stated():
    _, target = copy(100, 500, seed=0)
    logits = np.full((100, 500, 10), -100.0)
    logits[:90, :, 8] = 0
    logits[90:, :, :8] = 0
    assert rc.losses.softmax_cross_entropy(logits, target)[0] == pytest.approx(10 * np.log(8) / 100, rel=1e-9)


@pytest.mark.parametrize("task", [adding, copy])
def test_a_seed_gives_the_same_bits_and_another_others(task):
    a, b, c = task(30, 4, 0), task(30, 4, np.random.default_rng(0)), task(30, 4, 1)
    for one, same, other in zip(a, b, c, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: adding(1, 2, 0), "T"),
        (lambda: adding(5, 0, 0), "N"),
        (lambda: adding(5, 2, 0, dtype="int8"), "dtype"),
        (lambda: copy(20, 2, 0), "T"),
        (lambda: copy(30, 2, 0, symbols=0), "symbols"),
        (lambda: copy(30, 2, 0, length=1.5), "length"),
    ],
)
def test_a_size_that_makes_no_task_is_refused_by_name(call, name):
    with pytest.raises(ContractError, match=f"^{name}:"):
        call()


def test_fresh_minibatches_are_the_same_on_every_call_and_never_the_same_twice():
    batches = Fresh(copy, 12, 3, seed=1, steps=2, length=2)
    once, again = batches.batch(4, 1), batches.batch(4, 1)
    np.testing.assert_array_equal(once.x, again.x)
    seen = {batches.batch(epoch, step).x.tobytes() for epoch in range(3) for step in range(2)}
    assert len(seen) == 6 and Fresh(copy, 12, 3, seed=2, length=2).batch(4, 1).x.tobytes() != once.x.tobytes()


def test_a_model_learns_from_fresh_minibatches_and_a_checkpoint_knows_them(tmp_path):
    model = rc.Stack(rc.GRU(2, 4, backend="numpy"), rc.Last(), rc.Dense(4, 1))
    words = {"epochs": 1, "checkpoint": tmp_path / "run.safetensors"}
    arguments = (model, model.init(0), Fresh(adding, 5, 4, steps=3), rc.losses.mse, rc.Adam(1e-2))
    assert len(rc.fit(*arguments, **words)[1]) == 1
    other = (*arguments[:2], Fresh(adding, 6, 4, steps=3), *arguments[3:])
    with pytest.raises(ContractError):
        rc.fit(*other, **words)


@given(T=st.integers(2, 30), N=st.integers(1, 5), seed=st.integers(0, 10**6), data=st.data())
def test_what_was_said_is_asked_for_after_the_lag_and_nowhere_else(T, N, seed, data):
    lag = data.draw(st.integers(1, T - 1))
    x, target = echo(T, N, seed, lag=lag)
    assert (np.abs(x[..., 0]).sum(axis=0) == 1).all() and (x[..., 1].sum(axis=0) == 1).all()
    np.testing.assert_array_equal(target[lag:, :, 0], x[: T - lag, :, 0])
    np.testing.assert_array_equal(np.abs(target[..., 0]), x[..., 1])


def test_an_echo_after_the_end_is_refused():
    with pytest.raises(ContractError, match="T"):
        echo(5, 1, 0, lag=5)
