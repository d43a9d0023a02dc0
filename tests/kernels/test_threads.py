"""Threads: the same bits on any number of them, several user threads, fork, and the shards."""

import threading
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import CELLS, IDS, assert_same_bits, problem, solve, twins
from processes import run_script

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.kernels import helpers, jit


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """Use threads for small problems too, and leave their number as it was."""
    monkeypatch.setattr(jit, "_WORTH_A_THREAD", 0)
    before = jit.get_num_threads()
    yield
    jit.set_num_threads(before)


@pytest.mark.parametrize("lengths", [None, "ragged"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cell", "options"), CELLS, ids=IDS)
def test_same_bits_on_any_number_of_threads(cell, options, dtype, lengths):
    p = problem(cell, 6, 130, 5, 33, dtype, lengths)
    results = []
    for n in (1, 2, 3, 8):
        jit.set_num_threads(n)
        results.append(solve(twins(cell)[1], p, options))
    for result in results[1:]:
        assert_same_bits(result, results[0])


def test_the_problem_of_these_tests_has_several_shards():
    lengths = problem("rnn", 6, 130, 5, 33, lengths="ragged")[3]
    assert len(jit.shard_bounds(130, None)) > 3
    assert len(jit.shard_bounds(130, lengths)) > 2


def test_two_user_threads_at_once():
    jit.set_num_threads(2)
    problems = {cell: problem(cell, 20, 64, 8, 32, "float32") for cell in ("rnn", "gru")}
    options = {"rnn": {"activation": "tanh"}, "gru": {"reset": "after"}}
    alone = {cell: solve(twins(cell)[1], p, options[cell]) for cell, p in problems.items()}
    differ = []

    def work(cell):
        for _ in range(10):
            try:
                assert_same_bits(solve(twins(cell)[1], problems[cell], options[cell]), alone[cell])
            except AssertionError as error:
                differ.append(error)

    users = [threading.Thread(target=work, args=(cell,)) for cell in ("rnn", "gru", "rnn", "gru")]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not differ


def trained(cell):
    """A short training run: embedding, cell, dense, dropout, clipping, Adam; weights and losses."""
    model = rc.Stack(rc.Embedding(9, 4), getattr(rc, cell)(4, 33), rc.Dropout(0.2), rc.Dense(33, 9))
    rng = np.random.default_rng(7)
    ids = [rng.integers(0, 9, n) for n in rng.integers(1, 9, 70)]
    batches = rc.sequences.Minibatches(ids, ids, batch_size=65)
    loss = rc.losses.softmax_cross_entropy
    params, history = rc.fit(model, model.init(3), batches, loss, rc.Adam(0.01), epochs=3, clip=0.1)
    return params, [record["train_loss"] for record in history]


def test_training_gives_the_same_bits_on_any_number_of_threads():
    found = []
    for n in (1, 2, 5):
        jit.set_num_threads(n)
        found.append(trained("GRU"))
    for params, losses in found[1:]:
        assert losses == found[0][1]
        for name, a in found[0][0].items():
            assert np.array_equal(params[name], a), name


def test_two_models_train_in_two_threads_as_each_does_alone():
    jit.set_num_threads(2)
    cells = ["RNN", "GRU"]
    alone = {cell: trained(cell) for cell in cells}
    with ThreadPoolExecutor(2) as users:
        together = dict(zip(cells, users.map(trained, cells), strict=True))
    for cell in cells:
        assert together[cell][1] == alone[cell][1]
        for name, a in alone[cell][0].items():
            assert np.array_equal(together[cell][0][name], a), name


def test_prediction_in_a_pool_of_the_users_own():
    jit.set_num_threads(2)
    layer = rc.GRU(5, 33)
    params, rng = layer.init(0), np.random.default_rng(0)
    requests = [rng.standard_normal((6, n, 5)).astype("float32") for n in (1, 40, 130, 65) * 5]
    alone = [rc.predict(layer, params, x)[0] for x in requests]
    with ThreadPoolExecutor(4) as users:
        together = list(users.map(lambda x: rc.predict(layer, params, x)[0], requests))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_forked_child_computes_the_same():
    run_script("""
        import os
        import numpy as np
        import rnncore as rc
        from rnncore.kernels import jit

        def solved(layer, x):
            params = layer.init(0)
            y, _, cache = layer.forward(params, x)
            grads, dx, _ = layer.backward(params, cache, np.cos(y))
            return {"y": y, **grads, **({} if dx is None else {"dx": dx})}

        jit._WORTH_A_THREAD = 0
        jit.set_num_threads(2)
        rng = np.random.default_rng(0)
        x, ids = rng.standard_normal((6, 130, 33)).astype("float32"), rng.integers(0, 40, (6, 130))
        layers = [(rc.RNN(33, 33), x), (rc.Dense(33, 40, backend="numba"), x), (rc.Tied(rc.GRU(33, 33), 40), ids)]
        layers += [(rc.Attention(33, 8, score, backend="numba"), x) for score in ("additive", "dot")]
        before = [solved(*each) for each in layers]
        child = os.fork()
        for each, expected in zip(layers, before):
            assert_same_bits(solved(*each), expected)
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)


def test_every_task_runs_once_however_busy_the_helpers_are():
    jit.set_num_threads(4)
    seen = []

    def outer(shard):
        jit.run(lambda inner: seen.append((shard, inner)), 5, np.inf)

    jit.run(outer, 6, np.inf)
    assert sorted(seen) == [(i, j) for i in range(6) for j in range(5)]


@pytest.mark.parametrize("n", [1, 4])
def test_an_error_in_a_task_is_raised_and_the_pool_stays_usable(n):
    jit.set_num_threads(n)

    def task(shard):
        if shard == 3:
            raise KeyError("third")

    with pytest.raises(KeyError, match="third"):
        jit.run(task, 8, np.inf)
    done = []
    jit.run(done.append, 8, np.inf)
    assert sorted(done) == list(range(8))


def test_nobody_waits_for_a_helper_that_does_not_wake_up(monkeypatch):
    class Sleeper(helpers._Helper):
        def _live(self):
            """Never."""

    sleeper = Sleeper()
    monkeypatch.setattr(helpers, "_idle", deque([sleeper]))
    jit.set_num_threads(2)
    for _ in range(2):
        done = []
        jit.run(done.append, 3, np.inf)
        assert done == [0, 1, 2]
        assert list(helpers._idle) == [sleeper]


def test_a_helper_that_sleeps_keeps_nothing_of_what_it_did():
    class Big:
        def __call__(self):
            pass

    work = Big()
    gone = weakref.ref(work)
    for call in (helpers.Call(work), helpers.Call(work)):
        call.done.acquire()
    del work, call
    for call in (helpers.Call(Big()), helpers.Call(Big())):  # by the same helpers: they are done with the first
        call.end()
    assert gone() is None


def test_no_more_helpers_than_a_process_should_have(monkeypatch):
    monkeypatch.setattr(helpers, "_idle", deque())
    monkeypatch.setattr(helpers, "MOST", 0)
    done = []
    jit.set_num_threads(2)
    jit.run(done.append, 3, np.inf)
    assert done == [0, 1, 2]


@pytest.mark.parametrize("n", [0, -1, 257, 1.5, True, "2", None])
def test_a_wrong_number_of_threads_is_refused(n):
    with pytest.raises(ContractError, match="n: expected an integer from 1 to 256"):
        jit.set_num_threads(n)


def test_few_shards_where_each_needs_much_memory():
    assert len(jit.shard_bounds(1000, None, size=2**23)) == 3


@given(st.lists(st.integers(0, 40), max_size=400), st.booleans())
def test_shards_cover_the_batch_in_order(lengths, ragged):
    lengths = np.sort(np.array(lengths, np.int64))[::-1]
    bounds = jit.shard_bounds(len(lengths), lengths if ragged else None)
    assert bounds[0] == 0
    assert bounds[-1] == len(lengths)
    assert bounds == sorted(bounds)


def test_shards_of_ragged_rows_have_about_equal_work():
    lengths = np.sort(np.random.default_rng(0).integers(1, 100, 500))[::-1]
    bounds = jit.shard_bounds(500, lengths)
    work = [lengths[a:b].sum() for a, b in pairwise(bounds)]
    assert max(work) < 1.2 * min(work)
