"""Laws that hold for every cell and for compositions, in both twins and float types, whatever the numbers."""

import numpy as np
import pytest
from conftest import BACKENDS, EQUAL, MATRIX, all_results, assert_equal_results, in_type, make, scaled_error
from hypothesis import given, settings
from hypothesis import strategies as st

import rnncore as rc
from rnncore.contract import CELLS
from rnncore.gradcheck import random_problem
from rnncore.gradcheck.measure import arrays_of, as_inputs, as_pair
from rnncore.gradcheck.mutants import LAYERS, right_layer


def composed(backend):
    """Three features in and four out, as every cell here: a stack, both directions, and zoneout at inference."""
    words = {"backend": backend, "dtype": "float64"}
    return [
        rc.Stack(rc.LSTM(3, 5, **words), rc.GRU(5, 2, **words), rc.Dense(2, 4, dtype="float64")),
        rc.Bidirectional(rc.Stack(rc.GRU(3, 4, "before", **words), rc.RNN(4, 2, **words))),
        rc.RecurrentDropout(rc.LSTM(3, 4, **words), dropout=0.3, zoneout=(0.2, 0.4)),
    ]


CELL_LAYERS = [pytest.param(make(name, 3, 4, **words), id=case.id) for case in MATRIX for name, words in [case.values]]
COMPOSED = [
    pytest.param(layer, id=f"{type(layer).__name__}-{backend}") for backend in BACKENDS for layer in composed(backend)
]
SUBJECTS = CELL_LAYERS + COMPOSED
WRAPPED = [pytest.param(right_layer(word, 3, 4), id=word) for word in LAYERS if word not in ("bidirectional", "stack")]
STREAMS = [subject for subject in SUBJECTS if subject.values[0].streamable]
EXACT = [subject for subject in SUBJECTS + WRAPPED if getattr(subject.values[0], "exact", True)]


def has_corners(layer):
    """Whether the layer has a rectifier, or a decay that begins somewhere."""
    return "relu" in repr(layer) or getattr(layer, "cell", CELLS["rnn"]).name in ("time_lstm", "grud")


problems = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(list(EQUAL)),
        "seed": st.integers(0, 10**6),
        "T": st.integers(1, 7),
        "N": st.integers(1, 5),
        "ragged": st.booleans(),
        "scale": st.sampled_from([0.1, 1.0, 3.0]),
    }
)


def drawn(layer, problem, **words):
    """Arguments and upstream gradients, in the float type drawn, and what counts as equal in it."""
    words = {**problem, **words}
    dtype = words.pop("dtype")
    p = in_type(random_problem(layer, **words), dtype)
    # where all units of a row are nearly equal, a norm enlarges a rounding, up to 1/sqrt(1e-5) times
    return p, EQUAL[dtype] * (1000 if dtype == "float32" and "gain_h" in p.params else 1)


@pytest.mark.parametrize("layer", STREAMS)
@settings(max_examples=10)
@given(problem=problems, cut=st.integers(0, 7))
def test_chunks_with_carried_gradient_equal_the_whole(layer, problem, cut):
    p, equal = drawn(layer, problem)
    T, N = p.x.shape[:2]
    cut = min(cut, T)
    whole = all_results(layer, p)
    lengths = np.full(N, T) if p.lengths is None else p.lengths
    first, rest = np.minimum(lengths, cut), np.maximum(lengths - cut, 0)

    y_1, state, cache_1 = layer.forward(p.params, p.x[:cut], p.state_0, first)
    y_2, state_T, cache_2 = layer.forward(p.params, p.x[cut:], state, rest)
    grads_2, dx_2, dstate = layer.backward(p.params, cache_2, p.dy[cut:], p.dstate_T)
    grads_1, dx_1, dstate_0 = layer.backward(p.params, cache_1, p.dy[:cut], dstate)
    chunked = {"y": np.concatenate([y_1, y_2]), "dx": np.concatenate([dx_1, dx_2])}
    chunked.update({f"d{k}": grads_1[k] + grads_2[k] for k in grads_1})
    chunked.update({f"state_T[{k}]": s for k, s in enumerate(state_T)})
    chunked.update({f"dstate_0[{k}]": s for k, s in enumerate(dstate_0)})
    assert_equal_results(chunked, whole, equal)


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=10)
@given(problem=problems)
def test_nan_in_the_padding_leaks_nowhere(layer, problem):
    p, _ = drawn(layer, problem, ragged=True)
    past = np.arange(len(p.x))[:, None] >= p.lengths
    clean = all_results(layer, p)
    x, dy = p.x.copy(), p.dy.copy()
    x[past], dy[past] = np.nan, np.nan
    dirty = all_results(layer, p._replace(x=x, dy=dy))
    for key in clean:
        np.testing.assert_array_equal(dirty[key], clean[key], err_msg=key)


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=10)
@given(problem=problems)
def test_outputs_and_dx_are_zero_past_a_row_s_end(layer, problem):
    p, _ = drawn(layer, problem, ragged=True)
    past = np.arange(len(p.x))[:, None] >= p.lengths
    results = all_results(layer, p)
    assert not results["y"][past].any()
    assert not results["dx"][past].any()


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=10)
@given(problem=problems)
def test_a_row_of_length_zero_hands_state_and_gradient_through(layer, problem):
    p, _ = drawn(layer, problem, N=3, ragged=True)
    results = all_results(layer, p)
    for k in range(len(p.state_0)):
        np.testing.assert_array_equal(results[f"state_T[{k}]"][2], p.state_0[k][2])
        np.testing.assert_array_equal(results[f"dstate_0[{k}]"][2], p.dstate_T[k][2])


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=10)
@given(problem=problems)
def test_ragged_rows_equal_each_row_by_itself(layer, problem):
    p, equal = drawn(layer, problem, ragged=True)
    together = all_results(layer, p)
    sums = {key: 0 for key in together if key.startswith("d") and key[1:] in p.params}
    for n, L in enumerate(p.lengths):
        row, one = slice(n, n + 1), slice(0, L)
        alone = all_results(
            layer,
            (
                p.params,
                p.x[one, row],
                tuple(s[row] for s in p.state_0),
                None,
                p.dy[one, row],
                tuple(d[row] for d in p.dstate_T),
            ),
        )
        for key in ("y", "dx"):
            assert scaled_error(together[key][one, row], alone[key]) <= equal
        sums = {key: total + alone[key] for key, total in sums.items()}
    assert_equal_results({key: together[key] for key in sums}, sums, equal)


def rows_of(layer, problem, rows):
    """The same problem with the rows of the batch in another order."""
    dy = problem.dy[:, rows] if layer.keeps_time else problem.dy[rows]
    states = {name: tuple(s[rows] for s in getattr(problem, name)) for name in ("state_0", "dstate_T")}
    return problem._replace(x=problem.x[:, rows], dy=dy, **states)


@pytest.mark.parametrize("layer", SUBJECTS + WRAPPED)
@settings(max_examples=10)
@given(problem=problems, order=st.randoms(use_true_random=False))
def test_the_order_of_the_batch_does_not_matter(layer, problem, order):
    p, equal = drawn(layer, problem, ragged=False)
    rows = list(range(p.x.shape[1]))
    order.shuffle(rows)
    a, b = all_results(layer, p), all_results(layer, rows_of(layer, p, rows))
    for key in a:
        if key == "dx" or (key == "y" and layer.keeps_time):
            a[key] = a[key][:, rows]
        elif key == "y" or key.startswith(("state_T", "dstate_0[")):
            a[key] = a[key][rows]
    assert_equal_results(b, a, equal)


@pytest.mark.parametrize("layer", SUBJECTS + WRAPPED)
@settings(max_examples=10)
@given(problem=problems)
def test_backward_is_linear_in_the_upstream_gradient(layer, problem):
    p, equal = drawn(layer, problem)
    q, _ = drawn(layer, {**problem, "seed": problem["seed"] + 1})
    other = p._replace(dy=q.dy, dstate_T=q.dstate_T)
    both = p._replace(
        dy=2 * p.dy - 3 * other.dy,
        dstate_T=tuple(2 * a - 3 * b for a, b in zip(p.dstate_T, other.dstate_T, strict=True)),
    )
    a, b, c = (all_results(layer, q) for q in (p, other, both))
    for key in (key for key in a if key.startswith("d")):
        size = 2 * np.abs(a[key]).max(initial=0) + 3 * np.abs(b[key]).max(initial=0)
        assert np.abs(c[key] - (2 * a[key] - 3 * b[key])).max(initial=0) <= equal * max(size, 1e-300), key


@pytest.mark.parametrize("layer", SUBJECTS + WRAPPED)
@settings(max_examples=10)
@given(problem=problems)
def test_inputs_are_never_changed_and_results_own_their_memory(layer, problem):
    p, _ = drawn(layer, problem)
    given_arrays = [*p.params.values(), p.x, *p.state_0, p.dy, *p.dstate_T]
    before = [a.copy() for a in given_arrays]
    y, state_T, cache = layer.forward(p.params, p.x, p.state_0, p.lengths)
    kept = [a.copy() for a in arrays_of(cache)]
    dparams, dx, dstate_0 = layer.backward(p.params, cache, p.dy, p.dstate_T)
    out = [y] * y.flags.writeable  # else it is what the cache has kept, see tests/kernels/test_outputs.py
    for own in (*out, *state_T, *dparams.values(), *([] if dx is None else [dx]), *dstate_0):
        own[...] = np.nan
    for a, b in zip([*given_arrays, *arrays_of(cache)], [*before, *kept], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layer", SUBJECTS + WRAPPED)
@settings(max_examples=10)
@given(problem=problems)
def test_a_second_call_gives_the_same_bits(layer, problem):
    p, _ = drawn(layer, problem)
    a, b = all_results(layer, p), all_results(layer, p)
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("layer", CELL_LAYERS)
@pytest.mark.parametrize("where", ["x", "state_0", "Wx", "Wh"])
def test_nan_in_gives_nan_out(layer, where):
    p = random_problem(layer, seed=1, ragged=False)
    if where == "x":
        p.x[0, 0, 0] = np.nan
    elif where == "state_0":
        p.state_0[0][0, 0] = np.nan
    else:
        p.params[where][0, :] = np.nan
    y, state_T, _ = layer.forward(p.params, p.x, p.state_0)
    assert np.isnan(y[-1, 0]).all()
    own = zip(layer.cell.states, state_T, strict=True)
    assert all(np.isnan(s[0]).all() for name, s in own if name in ("h", "c"))
    results = all_results(layer, p)
    assert np.isnan(results["dWh"]).any()


@pytest.mark.parametrize("layer", SUBJECTS)
@pytest.mark.parametrize(("T", "N"), [(0, 2), (3, 0), (0, 0)])
def test_no_steps_or_no_rows_give_empty_results(layer, T, N):
    state_0 = tuple(np.ones((N, H)) for H in layer.state_sizes)
    columns, width = layer.sizes
    y, state_T, cache = layer.forward(layer.init(0), np.zeros((T, N, columns)), state_0)
    grads, dx, dstate_0 = layer.backward(layer.init(0), cache, np.ones_like(y), state_0)
    assert y.shape == (T, N, width)
    assert dx.shape == (T, N, columns)
    assert not any(g.any() for g in grads.values())
    for a, b, c in zip(state_0, state_T, dstate_0, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("layer", EXACT)
@settings(max_examples=10)
@given(problem=problems)
def test_forward_tangents_and_backward_gradients_are_adjoint(layer, problem):
    """<u, J v> = <J' u, v>: the derivative along a direction is the gradient's share in it. J v by complex step."""
    problem = {**problem, "dtype": "float64"} if has_corners(layer) else problem  # rounding may switch a unit
    p, equal = drawn(layer, problem)
    wide = in_type(p, "float64")  # the same numbers
    rng = np.random.default_rng(problem["seed"] + 2)
    textbook = layer.using(backend="numpy") if "numba" in layer.backends else layer
    forward, _ = as_pair(textbook, p.lengths)
    here = as_inputs(wide.params, wide.x, wide.state_0)
    v = {name: rng.normal(size=a.shape) for name, a in here.items() if a.dtype.kind == "f"}
    outputs, _ = forward({name: a + 1e-20j * v[name] if name in v else a for name, a in here.items()})
    ours = sum(float((u * y).sum().imag / 1e-20) for u, y in zip((wide.dy, *wide.dstate_T), outputs, strict=True))
    got = all_results(layer, p)
    shares = [(got[f"d{name}"] * d).ravel() for name, d in v.items()]
    shares = np.concatenate([*shares, [0.0]])
    assert abs(ours - shares.sum()) <= equal * max(np.abs(shares).sum(), 1e-300)


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=10)
@given(problem=problems)
def test_float32_follows_float64(layer, problem):
    p, _ = drawn(layer, problem, dtype="float64", scale=min(problem["scale"], 1.0))
    wide, narrow = all_results(layer, p), all_results(layer, in_type(p, "float32"))
    assert {a.dtype.name for a in narrow.values()} == {"float32"}
    tolerance = EQUAL["float32"]
    if "gain_h" in p.params:  # where all units of a row are nearly equal, a norm enlarges every rounding
        rounded = all_results(layer, in_type(in_type(p, "float32"), "float64"))
        tolerance += 10 * max(scaled_error(rounded[key], wide[key]) for key in wide)
    if "relu" not in repr(layer):  # a rounding may switch a unit on or off
        assert_equal_results(narrow, wide, tolerance)


class Counting(np.ndarray):
    """An array that counts the rows of every product in which it is the left factor."""

    rows = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **words):
        if ufunc is np.matmul and isinstance(inputs[0], Counting):
            Counting.rows += len(inputs[0])
        plain = [a.view(np.ndarray) if isinstance(a, Counting) else a for a in inputs]
        words = words if out is None else {**words, "out": tuple(o.view(np.ndarray) for o in out)}
        return getattr(ufunc, method)(*plain, **words)


@pytest.mark.parametrize("name", CELLS)
def test_the_textbook_multiplies_no_row_past_its_end(name):
    layer = make(name, 3, 4, backend="numpy")
    p = random_problem(layer, seed=2, T=9, N=6)
    Counting.rows = 0
    layer.forward(p.params, p.x.view(Counting), p.state_0, p.lengths)
    assert Counting.rows == p.lengths.sum() < p.x.shape[0] * p.x.shape[1]
