"""Other starts: what they set, that they leave the rest and the given params alone, and reach cells inside models."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import rnncore as rc
from rnncore import initialisation
from rnncore.contract import CELLS
from rnncore.recurrent_layer import Recurrent, orthogonal

MODEL = rc.Stack(
    rc.Bidirectional(rc.LSTM(3, 4)), rc.Residual(rc.GRU(8, 8)), rc.RecurrentDropout(rc.LSTM(8, 5)), rc.RNN(5, 2, "relu")
)
STARTS = {
    "forget_bias": (
        lambda m, p: initialisation.forget_bias(m, p, 3.0),
        {"0.forward.b", "0.backward.b", "1.inner.bx", "2.b"},
    ),
    "chrono": (lambda m, p: initialisation.chrono(m, p, 50, 1), {"0.forward.b", "0.backward.b", "1.inner.bx", "2.b"}),
    "orthogonal": (
        lambda m, p: initialisation.orthogonal(m, p, 1),
        {"0.forward.Wh", "0.backward.Wh", "1.inner.Wh", "2.Wh", "3.Wh"},
    ),
    "identity": (initialisation.identity, {"3.Wh"}),
}


@pytest.mark.parametrize("name", STARTS)
def test_it_changes_what_it_says_in_every_cell_inside_and_nothing_else(name):
    start, changes = STARTS[name]
    params = MODEL.init(0)
    before = {key: a.copy() for key, a in params.items()}
    new = start(MODEL, params)
    assert {key for key in new if not np.array_equal(new[key], params[key])} == changes
    assert all(np.array_equal(params[key], before[key]) for key in before)
    assert {a.dtype.name for a in new.values()} == {"float32"}
    assert all(np.array_equal(a, new[key]) for key, a in start(MODEL, params).items())


@pytest.mark.parametrize(("rows", "columns"), [(300, 300), (7, 4), (4, 7), (1, 1)])
def test_orthogonal_weights_are_q_of_qr_with_a_positive_diagonal_of_r(rows, columns):
    found = orthogonal(np.random.default_rng(0), rows, columns)
    q, r = np.linalg.qr(np.random.default_rng(0).normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    np.testing.assert_allclose(found, q if rows >= columns else q.T, atol=1e-12)
    gram = found.T @ found if rows >= columns else found @ found.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_starting_weights_lie_row_by_row(cell):
    layer = Recurrent(CELLS[cell], 3, 4, backend="numpy", dtype="float32")
    params = layer.init(0)
    for array in (*params.values(), *initialisation.orthogonal(layer, params, 1).values()):
        assert array.flags.c_contiguous


def test_orthogonal_weights_are_the_same_bits_on_one_thread_of_blas_and_two():
    found = []
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            found.append(rc.RNN(1, 300, dtype="float64").init(0)["Wh"])  # a QR of this size differs
    np.testing.assert_array_equal(*found)


def test_a_gru_that_starts_with_an_open_keep_gate_keeps_its_state():
    layer = rc.GRU(2, 3, backend="numpy", dtype="float64")
    params = initialisation.forget_bias(layer, layer.init(0), 40.0)
    h_0 = np.ones((1, 3))
    _, (h,), _ = layer.forward(params, np.ones((9, 1, 2)), (h_0,))
    np.testing.assert_allclose(h, h_0, rtol=1e-12)


def test_chrono_times_of_units_that_remember_little_fill_the_interval_from_1_to_2():
    layer = rc.LSTM(2, 200)
    _, f, _, _ = np.split(initialisation.chrono(layer, layer.init(0), 3, 0)["b"], 4)
    u = np.exp(f.astype(float))
    assert 0.999 < u.min() < 1.05  # 200 draws: beyond it once in 30,000 times
    assert 1.95 < u.max() < 2.001


def test_chrono_times_lie_between_1_and_T_max():
    layer = rc.LSTM(2, 200)
    i, f, _, _ = np.split(initialisation.chrono(layer, layer.init(0), 100, 0)["b"], 4)
    u = np.exp(f.astype(float))
    assert u.min() >= 0.999
    assert 90 < u.max() <= 99.001
    assert abs(u.mean() - 50) < 5 * 98 / np.sqrt(12 * 200)  # five standard errors
    np.testing.assert_array_equal(i, -f)


def test_an_irnn_adds_up_what_is_not_negative():
    layer = rc.RNN(1, 1, "relu", backend="numpy", dtype="float64")
    params = {**initialisation.identity(layer, layer.init(0)), "Wx": np.ones((1, 1))}
    assert layer.forward(params, np.ones((7, 1, 1)))[0][-1, 0, 0] == 7


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (lambda: initialisation.forget_bias(rc.RNN(2, 3), rc.RNN(2, 3).init(0), 1.0), "an LSTM or a GRU"),
        (lambda: initialisation.identity(rc.GRU(2, 3), rc.GRU(2, 3).init(0)), "an RNN, or a model with one"),
        (lambda: initialisation.chrono(rc.GRU(2, 3), rc.GRU(2, 3).init(0), 2, 0), "T_max"),
        (lambda: initialisation.chrono(rc.GRU(2, 3), {}, 9, 0), "params"),
    ],
)
def test_what_does_not_fit_is_refused(start, message):
    with pytest.raises(rc.ContractError, match=message):
        start()
