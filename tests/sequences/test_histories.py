"""Padding loses nothing, and minibatches give every history once, in an order fixed by (seed, epoch)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError
from rnncore.sequences import Histories, Minibatches, pad, restore, unpad

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=12)


def histories(lengths, D=2, dtype="float32"):
    rng = np.random.default_rng(len(lengths))
    return [rng.normal(size=(n, D)).astype(dtype) for n in lengths]


def ragged(lengths):
    """One number per event: 1000 * history + step."""
    return [1000.0 * i + np.arange(n) for i, n in enumerate(lengths)]


@given(LENGTHS)
def test_unpad_undoes_pad(lengths):
    given_ = histories(lengths)
    for before, after in zip(given_, unpad(*pad(given_)), strict=True):
        np.testing.assert_array_equal(before, after)


@given(LENGTHS)
def test_padding_is_zero_and_the_longest_history_comes_first(lengths):
    x, sorted_lengths, _ = pad([1 + h**2 for h in histories(lengths)])
    np.testing.assert_array_equal(x[..., 0] > 0, np.arange(len(x))[:, None] < sorted_lengths)
    assert sorted_lengths.tolist() == sorted(lengths, reverse=True)


@given(LENGTHS)
def test_restore_puts_rows_back(lengths):
    x, _, order = pad(ragged(lengths))
    np.testing.assert_array_equal(restore(order, order), np.arange(len(lengths)))
    np.testing.assert_array_equal(restore(x, order, axis=1)[:, order], x)


def test_equal_lengths_keep_their_order():
    assert pad(histories([2, 3] * 50))[2].tolist() == [*range(1, 100, 2), *range(0, 100, 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_pad_keeps_the_dtype(dtype):
    assert pad(histories([1, 2], dtype=dtype))[0].dtype == dtype


def test_integer_ids_have_no_feature_axis():
    x, lengths, _ = pad([np.array([7]), np.array([3, 4])])
    assert x.tolist() == [[3, 7], [4, 0]]
    assert lengths.tolist() == [2, 1]


def test_histories_without_any_event_have_no_step():
    assert pad(histories([0, 0]))[0].shape == (0, 2, 2)


def test_what_is_unpadded_does_not_share_memory():
    x, lengths, order = pad(histories([2, 1]))
    unpad(x, lengths, order)[0][...] = 9
    assert (x != 9).all()


def test_offsets_and_a_list_are_the_same_histories():
    log = Histories(np.concatenate(ragged([2, 0, 3])), np.array([0, 2, 2, 5]))
    np.testing.assert_array_equal(pad(log)[0], pad(ragged([2, 0, 3]))[0])


@pytest.mark.parametrize("offsets", [[1, 3], [0, 2], [0, 2, 1, 3], [0.0, 3.0], [], [[0, 3]]])
def test_offsets_that_do_not_cut_the_values_are_refused(offsets):
    with pytest.raises(ContractError, match="offsets"):
        Histories(np.zeros(3), np.array(offsets))


@pytest.mark.parametrize(
    "wrong", [None, [], [np.float64(1)], [np.zeros((1, 2)), np.zeros((1, 3))], [np.zeros(1), np.zeros(1, "f4")]]
)
def test_histories_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(ContractError, match="histories"):
        pad(wrong)


@given(LENGTHS, st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_every_history_comes_once_an_epoch(lengths, batch_size, pool, seed, epoch):
    batches = Minibatches(ragged(lengths), np.arange(len(lengths)), batch_size=batch_size, seed=seed, pool=pool)
    rows = [batches.batch(epoch, step).rows for step in range(len(batches))]
    assert max(map(len, rows)) <= batch_size
    assert sorted(np.concatenate(rows)) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 5))
def test_a_batch_holds_its_histories_lengths_targets_and_weights(lengths, batch_size):
    per_history = np.arange(len(lengths)) + 1.0
    batches = Minibatches(ragged(lengths), 10 * per_history, per_history, batch_size=batch_size)
    for step in range(len(batches)):
        x, sizes, target, weight, rows = batches.batch(0, step)
        np.testing.assert_array_equal(sizes, np.array(lengths)[rows])
        assert (np.diff(sizes) <= 0).all()
        np.testing.assert_array_equal(x, pad([ragged(lengths)[i] for i in rows])[0])
        np.testing.assert_array_equal(target, 10 * weight)
        np.testing.assert_array_equal(weight, rows + 1)


@given(LENGTHS)
def test_a_target_and_a_weight_per_step_are_padded_as_the_histories(lengths):
    events = ragged(lengths)
    batches = Minibatches(events, [2 * e for e in events], [e % 1000 for e in events], batch_size=3)
    for step in range(len(batches)):
        x, _, target, weight, _ = batches.batch(0, step)
        np.testing.assert_array_equal(target, 2 * x)
        np.testing.assert_array_equal(weight, x % 1000)


def test_a_weight_per_history_covers_the_live_steps_of_a_target_per_step():
    events = ragged([1, 3])
    weight = Minibatches(events, events, [2.0, 5.0]).batch(0, 0).weight
    assert weight.tolist() == [[5, 2], [5, 0], [5, 0]]


def orders(seed, epochs, **words):
    batches = Minibatches(ragged(range(40)), np.zeros(40), batch_size=4, seed=seed, **words)
    return [[batches.batch(epoch, step).rows.tolist() for step in range(len(batches))] for epoch in epochs]


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    assert orders(1, [0, 1, 2]) == [orders(1, [e])[0] for e in (0, 1, 2)]


def test_another_epoch_and_another_seed_bring_another_order():
    one, two = orders(1, [0, 1])
    assert one != two
    assert one != orders(2, [0])[0]


def test_sorting_in_pools_pads_less_than_a_plain_shuffle():
    def padded(pool):
        return sum(4 * max(rows) for rows in orders(0, [0], pool=pool)[0])

    assert padded(pool=10) < 1.2 * sum(range(40)) < 1.4 * sum(range(40)) < padded(pool=1)


def test_similar_lengths_do_not_come_in_the_order_of_their_length():
    longest = [max(rows) for rows in orders(0, [0], pool=10)[0]]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_changing_a_batch_changes_no_later_batch():
    batches = Minibatches(histories([2, 3]), np.ones(2), np.ones(2))
    before = batches.batch(0, 0)
    for a in batches.batch(0, 0):
        a[...] = 5
    for a, b in zip(before, batches.batch(0, 0), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"target": np.zeros(3)}, "target"),
        ({"target": 1.0}, "target"),
        ({"target": ragged([2, 2])}, "target"),
        ({"weight": [1.0]}, "weight"),
        ({"weight": [1.0, -1.0]}, "weight"),
        ({"weight": [1.0, np.nan]}, "weight"),
        ({"weight": np.ones((2, 2))}, "weight"),
        ({"weight": ragged([2, 1])}, "weight"),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"pool": 0}, "pool"),
        ({"histories": Histories(np.zeros(0), np.array([0])), "target": []}, "histories"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(words, name):
    with pytest.raises(ContractError, match=f"^{name}"):
        Minibatches(**({"histories": ragged([2, 1]), "target": np.zeros(2)} | words))


@pytest.mark.parametrize("step", [-1, 1])
def test_a_step_outside_the_epoch_is_refused(step):
    with pytest.raises(ContractError, match="step"):
        Minibatches(ragged([2, 1]), np.zeros(2)).batch(0, step)


@pytest.mark.parametrize(
    "words",
    [
        {"histories": ragged([1, 2])},
        {"target": np.ones(2)},
        {"weight": np.ones(2)},
        {"seed": 1},
        {"batch_size": 1},
        {"pool": 2},
    ],
)
def test_the_fingerprint_tells_data_and_settings_apart(words):
    usual = {"histories": ragged([2, 1]), "target": np.zeros(2)}
    assert Minibatches(**usual).fingerprint() == Minibatches(**usual).fingerprint()
    assert Minibatches(**usual).fingerprint() != Minibatches(**(usual | words)).fingerprint()
