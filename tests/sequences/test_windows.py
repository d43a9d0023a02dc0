"""Windows over a series: all that fit, none that does not, and no copy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.sequences import Windows, windows

SIZES = st.tuples(st.integers(0, 12), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))


@given(SIZES)
def test_windows_are_the_slices_one_would_write(sizes):
    more, inputs, horizon, stride = sizes
    s = np.random.default_rng(0).normal(size=(inputs + horizon + more, 2))
    x, y = windows(s, inputs, horizon, stride=stride)
    starts = range(0, len(s) - inputs - horizon + 1, stride)
    assert x.shape[1] == y.shape[1] == len(starts)
    for k, start in enumerate(starts):
        np.testing.assert_array_equal(x[:, k], s[start : start + inputs])
        np.testing.assert_array_equal(y[:, k], s[start + inputs : start + inputs + horizon])


def test_windows_are_views_that_cannot_be_written_to():
    s = np.arange(20.0)
    for view in windows(s, 3, 2):
        assert np.shares_memory(view, s)
        assert not view.flags.writeable


@given(SIZES, st.integers(1, 5), st.integers(0, 3))
def test_every_window_comes_once_an_epoch(sizes, batch_size, epoch):
    more, inputs, horizon, stride = sizes
    s = np.random.default_rng(0).normal(size=(inputs + horizon + more, 2))
    x, y = windows(s, inputs, horizon, stride=stride)
    batches = Windows(s, inputs, horizon, target=[1], stride=stride, batch_size=batch_size)
    rows = []
    for step in range(len(batches)):
        batch = batches.batch(epoch, step)
        np.testing.assert_array_equal(batch.x, x[:, batch.rows])
        np.testing.assert_array_equal(batch.target, y[:, batch.rows, 1].T)
        assert not np.shares_memory(batch.x, s)
        rows.extend(batch.rows)
    assert sorted(rows) == list(range(x.shape[1]))


def test_the_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch, **words):
        return Windows(np.arange(60.0), 3, batch_size=99, seed=seed, **words).batch(epoch, 0).rows.tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(*place)) for place in ((0, 0), (0, 1), (1, 0))}) == 3
    assert order(0, 5, shuffle=False) == sorted(order(0, 5))


def test_a_network_learns_two_quantiles_of_three_steps():
    s = np.sin(np.arange(80) / 3).astype(np.float32)
    batches = Windows(s, 6, 3, batch_size=16)
    model = rc.Stack(rc.GRU(1, 8, backend="numpy"), rc.Last(), rc.Dense(8, 3 * 2))

    def loss(prediction, target, weight=None):
        return rc.losses.quantile(prediction, target, weight, levels=(0.25, 0.75))

    _, history = rc.fit(model, model.init(0), batches, loss, rc.Adam(0.03), epochs=8)
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]


def test_the_fingerprint_tells_series_and_settings_apart():
    s = np.arange(9.0)
    usual = Windows(s, 3).fingerprint()
    assert usual == Windows(s.copy(), 3).fingerprint()
    others = [Windows(s + 1, 3), Windows(s, 4), Windows(s, 3, 2), Windows(s, 3, seed=1), Windows(s, 3, stride=2)]
    assert len({usual, *(b.fingerprint() for b in others)}) == 6


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: windows(np.arange(3.0), 3), "series"),
        (lambda: windows(np.zeros((5, 2, 2)), 1), "series"),
        (lambda: windows(np.arange(9.0), 0), "inputs"),
        (lambda: windows(np.arange(9.0), 1, 0), "horizon"),
        (lambda: windows(np.arange(9.0), 1, stride=0), "stride"),
        (lambda: Windows(np.arange(9.0), 2, target=[1]), "target"),
        (lambda: Windows(np.arange(9.0), 2, target=[]), "target"),
        (lambda: Windows(np.arange(9.0), 2, batch_size=0), "batch_size"),
        (lambda: Windows(np.arange(9.0), 2).batch(0, 1), "step"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(call, name):
    with pytest.raises(ContractError, match=f"^{name}"):
        call()
