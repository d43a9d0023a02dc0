"""Packed and masked layouts: nothing is lost on the way there and back, and PyTorch agrees."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError
from rnncore.sequences import from_masked, from_packed, mask, pad, restore, to_masked, to_packed

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=12)
MASKS = st.tuples(st.integers(0, 6), st.integers(1, 5), st.integers(0, 10**6), st.floats(0, 1))


def padded(lengths):
    return pad([1 + 100.0 * i + np.arange(2 * n).reshape(n, 2) for i, n in enumerate(lengths)])[:2]


def masked(T, N, seed, share):
    rng = np.random.default_rng(seed)
    return 1 + rng.random((T, N, 2)), rng.random((T, N)) < share


@given(LENGTHS)
def test_from_packed_undoes_to_packed(lengths):
    x, n = padded(lengths)
    back, again = from_packed(*to_packed(x, n), N=len(lengths))
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(again, n)


@given(LENGTHS)
def test_packed_data_hold_every_step_once_and_no_padding(lengths):
    data, sizes = to_packed(*padded(lengths))
    assert len(data) == sizes.sum() == sum(lengths)
    assert len(sizes) == max(lengths)
    assert (data > 0).all()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_packing_is_that_of_torch(lengths):
    torch = pytest.importorskip("torch")
    x, n = padded(lengths)
    theirs = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), torch.tensor(n))
    data, sizes = to_packed(x, n)
    np.testing.assert_array_equal(data, theirs.data.numpy())
    np.testing.assert_array_equal(sizes, theirs.batch_sizes.numpy())


@given(LENGTHS)
def test_a_mask_counts_the_lengths(lengths):
    live = mask(lengths, T=7)
    assert live.shape == (7, len(lengths))
    np.testing.assert_array_equal(live.sum(axis=0), lengths)
    assert (np.diff(live.astype(int), axis=0) <= 0).all()


@given(MASKS)
def test_to_masked_undoes_from_masked_wherever_the_padding_is(drawn):
    x, m = masked(*drawn)
    moved, _, order = from_masked(x, m)
    np.testing.assert_array_equal(to_masked(moved, m, order), np.where(m[..., None], x, 0))


@given(MASKS)
def test_the_marked_steps_of_a_row_are_its_history(drawn):
    x, m = masked(*drawn)
    moved, lengths, order = from_masked(x, m)
    expected, sizes, places = pad([x[m[:, n], n] for n in range(x.shape[1])])
    np.testing.assert_array_equal(moved, expected)
    np.testing.assert_array_equal(lengths, sizes)
    np.testing.assert_array_equal(order, places)


def test_padding_on_the_left_and_on_the_right_give_the_same():
    x, n = padded([1, 3, 2])
    right = mask(n, 3)
    left = right[::-1]
    shifted = np.zeros_like(x)
    shifted[left] = 7
    for row, length in enumerate(n):
        shifted[3 - length :, row] = x[:length, row]
    one, other = from_masked(x, right), from_masked(shifted, left)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_outputs_of_another_width_go_back_to_their_steps():
    x, m = masked(4, 3, 0, 0.5)
    moved, _, order = from_masked(x, m)
    y = np.concatenate([moved, 2 * moved[..., :1]], axis=-1)
    np.testing.assert_array_equal(to_masked(y, m, order)[..., 2], np.where(m, 2 * x[..., 0], 0))
    np.testing.assert_array_equal(restore(order, order), np.arange(3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mask([3], T=2), "lengths: expected values from 0 to T = 2"),
        (lambda: mask([1.0]), "lengths: expected integers of shape (N,)"),
        (lambda: to_packed(np.zeros((2, 2)), None), "lengths: expected one length for each row"),
        (lambda: to_packed(np.zeros((2, 2)), [1, 2]), "lengths: expected the longest first"),
        (lambda: from_packed(np.zeros(3), [1, 2]), "batch_sizes: expected whole numbers above 0 that do not rise"),
        (lambda: from_packed(np.zeros(3), [2]), "add up to the 3 rows of data"),
        (lambda: from_packed(np.zeros(3), [2, 1], N=1), "N: expected a whole number of at least 2"),
        (lambda: from_masked(np.zeros((2, 3)), np.ones((2, 3))), "mask: expected booleans of shape (2, 3)"),
        (lambda: from_masked(np.zeros((2, 3)), np.ones((3, 2), bool)), "mask: expected booleans of shape (2, 3)"),
        (lambda: to_masked(np.zeros((1, 2)), np.ones((2, 2), bool), np.arange(2)), "y: expected shape (T, 2, ...)"),
    ],
)
def test_a_breach_is_named(call, words):
    with pytest.raises(ContractError, match=re.escape(words)):
        call()
