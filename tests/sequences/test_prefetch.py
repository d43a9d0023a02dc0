"""Prefetching changes no batch and no run; it holds few batches, passes errors on and hears Ctrl-C."""

import _thread
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore.sequences import Minibatches, Prefetched


def plain(**words):
    rng = np.random.default_rng(0)
    histories = [rng.normal(size=(n % 4, 2)).astype(np.float32) for n in range(11)]
    return Minibatches(histories, rng.normal(size=(11, 1)), batch_size=3, **words)


class Counting:
    """Four batches that are counted while they are made; `before` is called in the thread."""

    def __init__(self, before=lambda place: None):
        self.before, self.made = before, []

    def __len__(self):
        return 4

    def batch(self, epoch, step):
        self.before((epoch, step))
        self.made.append((epoch, step))
        return plain().batch(epoch, step)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True) if x is not None)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=12), st.integers(1, 6))
def test_any_batch_in_any_order_is_the_same(places, ahead):
    batches, prefetched = plain(), Prefetched(plain(), ahead)
    assert all(same(prefetched.batch(*place), batches.batch(*place)) for place in places)


def test_batches_are_made_beforehand_in_order_over_the_end_of_an_epoch():
    counting = Counting()
    prefetched = Prefetched(counting, ahead=3)
    for step in range(4):
        prefetched.batch(0, step)
    prefetched.batch(1, 0)
    assert counting.made[:5] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    assert len(set(counting.made)) == len(counting.made)


@pytest.mark.parametrize("ahead", [1, 2])
def test_no_more_than_ahead_and_one_are_held(ahead):
    counting = Counting()
    prefetched = Prefetched(counting, ahead=ahead)
    for given_out in range(1, 9):
        prefetched.batch(*divmod(given_out - 1, 4))
        assert len(prefetched._begun) == ahead
        assert len(counting.made) <= given_out + ahead


def test_an_error_in_the_thread_is_raised_for_its_batch_and_not_before():
    def fail(place):
        if place == (0, 2):
            raise OSError("the disk is gone")

    prefetched = Prefetched(Counting(fail))
    prefetched.batch(0, 0)
    prefetched.batch(0, 1)
    with pytest.raises(OSError, match="the disk is gone"):
        prefetched.batch(0, 2)
    assert same(prefetched.batch(0, 3), plain().batch(0, 3))


def test_a_timeout_of_the_batch_itself_is_passed_on():
    def fail(place):
        raise TimeoutError("no answer")

    with pytest.raises(TimeoutError, match="no answer"):
        Prefetched(Counting(fail)).batch(0, 0)


def test_ctrl_c_ends_the_wait_and_what_was_not_begun_is_dropped():
    go_on = threading.Event()
    counting = Counting(lambda place: go_on.wait(10))
    prefetched = Prefetched(counting)

    def interrupt():
        while (0, 0) in prefetched._begun or len(prefetched._begun) < 2:  # until the wait has begun
            threading.Event().wait(0.01)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        prefetched.batch(0, 0)
    go_on.set()
    prefetched._thread.shutdown(wait=True)
    assert counting.made == [(0, 0)]


def test_a_run_is_bitwise_the_same_and_resumes_from_the_same_checkpoint(tmp_path):
    model = rc.Stack(rc.GRU(2, 3, backend="numpy"), rc.Last(), rc.Dense(3, 1))

    def run(batches, epochs, **words):
        return rc.fit(model, model.init(0), batches, rc.losses.mse, rc.Adam(0.01), epochs=epochs, **words)

    expected = run(plain(), 3, checkpoint=tmp_path / "whole")
    run(Prefetched(plain()), 2, checkpoint=tmp_path / "cut")
    params, history = run(plain(), 3, checkpoint=tmp_path / "cut")
    assert history == expected[1]
    assert all((params[name] == p).all() for name, p in expected[0].items())
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
