"""Histories that share their steps are those that were written out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnncore.sequences import Histories, Minibatches, Shared


def made(draw):
    rng = np.random.default_rng(draw)
    n = int(rng.integers(1, 6))
    begin = rng.integers(0, 8, n)
    end = begin + rng.integers(0, 4, n)
    return Shared(rng.normal(size=(12, 2)), [0, 3], begin, end, rng.normal(size=(n, 4)))


def written_out(shared):
    rows = []
    for k in range(len(shared)):
        piece = np.zeros((shared.end[k] - shared.begin[k] + 1, 4))
        piece[:-1, [0, 3]] = shared.steps[shared.begin[k] : shared.end[k]]
        piece[-1] = shared.closing[k]
        rows.append(piece)
    return Histories.of(rows)


@given(st.integers(0, 10**6))
def test_values_lengths_and_padding_are_those_of_the_histories_written_out(seed):
    shared, plain = made(seed), written_out(made(seed))
    assert np.array_equal(shared.values, plain.values) and np.array_equal(shared.lengths, plain.lengths)
    order = np.random.default_rng(seed).permutation(len(plain))
    assert np.array_equal(shared.padded(order), plain.padded(order))


@given(st.integers(0, 10**6))
def test_some_of_them_are_the_same_some(seed):
    shared, plain = made(seed), written_out(made(seed))
    keep = np.random.default_rng(seed).uniform(size=len(plain)) < 0.5
    assert np.array_equal(shared.select(keep).values, plain.select(keep).values)


def test_minibatches_are_the_same_and_a_changed_step_changes_their_fingerprint():
    shared, plain = made(3), written_out(made(3))
    target = np.arange(float(len(plain)))
    ours, theirs = (Minibatches(histories, target, batch_size=2) for histories in (shared, plain))
    for step in range(len(ours)):
        assert np.array_equal(ours.batch(0, step).x, theirs.batch(0, step).x)
    other = Shared(shared.steps + 1e-9, [0, 3], shared.begin, shared.end, shared.closing)
    assert Minibatches(other, target, batch_size=2).fingerprint() != ours.fingerprint()
