"""float32, float64 and 80 bits; activations and a cell step in units of the last place, against 50 digits."""

import numpy as np
import pytest
from conftest import BASIC, EXACT, make

import rnncore as rc
from rnncore.gradcheck import random_problem
from rnncore.gradcheck.precision import WIDE, precision, ulp_errors, ulp_histogram
from rnncore.layers.elementary import sigmoid

mpmath = pytest.importorskip("mpmath")


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


@pytest.mark.parametrize(("name", "options"), EXACT)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_wider_type_is_as_much_more_exact_as_it_is_wider(name, options, backend):
    layer = make(name, 3, 5, backend=backend, **options)
    found = precision(layer, random_problem(layer, seed=1))
    assert found["float32"] < 1e-5
    assert found["float64"] < 1e-14
    assert ("longdouble" in found) == (WIDE and backend == "numpy")
    assert found.get("longdouble", 0) < 1e-17


def test_an_error_that_float32_would_hide_shows():
    class Slipped(rc.GRU):
        def _backward(self, params, cache, dy, dstate_T):
            grads, dx, d = super()._backward(params, cache, dy, dstate_T)
            return {name: g * (1 + 1e-9) for name, g in grads.items()}, dx, d

    layer = Slipped(3, 5, backend="numpy", dtype="float64")
    found = precision(layer, random_problem(layer))
    assert found["float32"] < 1e-5
    assert found["float64"] > 1e-10


def logistic(x):
    return 1 / (1 + mpmath.exp(-mpmath.mpf(float(x))))


def hyperbolic(x):
    return mpmath.tanh(mpmath.mpf(float(x)))


GRID = np.concatenate([np.linspace(-12, 12, 241) + 0.013, [1e-9, -1e-5, 0.0, 18.0, -18.0]])


def gates_of(backend, dtype):
    """Return sigmoid(x) and tanh(x) of the grid, as a step of an LSTM of one unit computes them."""
    layer = make("LSTM", 1, 1, backend=backend, dtype=dtype)
    params = {"Wx": np.ones((1, 4), dtype), "Wh": np.zeros((1, 4), dtype), "b": np.zeros(4, dtype)}
    gates = layer.forward(params, GRID.astype(dtype)[None, :, None])[2].gates[0]
    return gates[:, 0], gates[:, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_tanh_is_within_a_few_units_in_the_last_place(backend, dtype):
    errors = ulp_errors(gates_of(backend, dtype)[1], [hyperbolic(x) for x in GRID.astype(dtype)])
    counts = ulp_histogram(errors)
    assert sum(counts.values()) == len(GRID)
    assert counts["<= 8"] == counts["> 8"] == 0, counts


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sigmoid_of_the_fast_twin_is_within_a_few_units_in_the_last_place(dtype):
    errors = ulp_errors(gates_of("numba", dtype)[0], [logistic(x) for x in GRID.astype(dtype)])
    assert errors.max() <= 4, ulp_histogram(errors)


def test_the_sigmoid_of_the_textbook_is_exact_to_rounding_of_one_not_of_its_own_size():
    # 1/2 + 1/2 tanh(a/2) cancels for a << 0: an absolute error of one unit of 1, whatever is left
    gap = [abs(mpmath.mpf(float(s)) - logistic(x)) for x, s in zip(GRID, sigmoid(GRID), strict=True)]
    assert max(gap) <= np.finfo(float).eps
    above = GRID > -1
    assert ulp_errors(sigmoid(GRID[above]), [logistic(x) for x in GRID[above]]).max() <= 4


def exact(array):
    """The same numbers with 50 digits, as a matrix of objects."""
    return np.vectorize(lambda v: mpmath.mpf(float(v)), otypes=[object])(array)


def each(function, array):
    return np.vectorize(function, otypes=[object])(array)


def sigma(a):
    return each(lambda v: 1 / (1 + mpmath.exp(-v)), a)


def exact_step(name, p):
    """The states after one step of one row, in 50 digits."""
    w, x, state = {n: exact(a) for n, a in p.params.items()}, exact(p.x[0]), [exact(s) for s in p.state_0]
    h = state[0]
    if name == "gru":
        (u_r, u_z, u_n), (v_r, v_z, v_n) = (
            np.split(a, 3, axis=1) for a in (x @ w["Wx"] + w["bx"], h @ w["Wh"] + w["bh"])
        )
        z = sigma(u_z + v_z)
        return [(1 - z) * each(mpmath.tanh, u_n + sigma(u_r + v_r) * v_n) + z * h]
    a = x @ w["Wx"] + h @ w["Wh"] + w["b"]
    if name == "rnn":
        return [each(mpmath.tanh, a)]
    i, f, g, o = np.split(a, 4, axis=1)
    c = sigma(f) * state[1] + sigma(i) * each(mpmath.tanh, g)
    return [sigma(o) * each(mpmath.tanh, c), c]


@pytest.mark.parametrize("name", BASIC)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_of_a_cell_is_within_a_few_units_in_the_last_place_of_its_terms(name, backend, dtype):
    layer = make(name, 2, 3, backend=backend, dtype=dtype)
    gaps = []
    for seed in range(10):
        p = random_problem(layer.using(dtype="float64"), seed, T=1, N=1, ragged=False)
        (x,), state_0 = ([a.astype(dtype) for a in arrays] for arrays in ([p.x], p.state_0))
        p = p._replace(params={n: a.astype(dtype) for n, a in p.params.items()}, x=x, state_0=tuple(state_0))
        _, states, _ = layer.forward(p.params, p.x, p.state_0)
        for computed, right in zip(states, exact_step(name, p), strict=True):
            gaps += np.abs(exact(computed) - right).ravel().tolist()
    # a sum that cancels loses places: the unit is that of numbers of size one
    counts = ulp_histogram(np.array([float(gap / float(np.finfo(dtype).eps)) for gap in gaps]))
    assert sum(counts.values()) == len(gaps)
    assert counts["<= 8"] == counts["> 8"] == 0, counts
