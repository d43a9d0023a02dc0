"""The fast twins against the textbook: outputs, states, gradients, caches; edge sizes; NaN; what must not change."""

import numpy as np
import pytest
from conftest import CASES, TOLERANCE
from problems import CELLS, IDS, assert_close, assert_same_bits, problem, solve, twins

SIZES = {
    "all different": (5, 3, 2, 4),
    "one row": (7, 1, 3, 5),
    "no step": (0, 3, 2, 4),
    "no row": (4, 0, 2, 3),
    "one of each": (1, 1, 1, 1),
    "panels and tiles with a rest": (6, 37, 5, 50),
    "more rows than a block, many shards": (3, 300, 4, 17),
    "k deeper than a panel": (2, 9, 270, 70),
    "one row, more steps than a block": (300, 1, 3, 5),
    "few rows, more steps than a block": (131, 3, 2, 5),
}
EQUAL, FLOAT32 = TOLERANCE["equal in float64"], TOLERANCE["float32 against float64"]


@pytest.fixture(params=CELLS, ids=IDS)
def cell(request):
    return request.param


@pytest.mark.parametrize("lengths", [None, "ragged"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_equal_to_the_textbook_in_float64(cell, size, lengths):
    name, options = cell
    textbook, fast = twins(name)
    p = problem(name, *size, lengths=lengths if size[1] else None)
    assert_close(solve(fast, p, options), solve(textbook, p, options), EQUAL)


@pytest.mark.parametrize("lengths", [None, "ragged"])
def test_float32_close_to_the_textbook_in_float64(cell, lengths):
    name, options = cell
    textbook, fast = twins(name)
    single = problem(name, 12, 37, 5, 50, "float32", lengths)
    double = [
        {k: v.astype("float64") for k, v in part.items()} if isinstance(part, dict)
        else tuple(v.astype("float64") for v in part) if isinstance(part, tuple)
        else part if part is None or part.dtype == np.int64 else part.astype("float64")
        for part in single
    ]  # fmt: skip
    assert_close(solve(fast, single, options), solve(textbook, double, options), FLOAT32)


def test_float32_stays_float32(cell):
    name, options = cell
    arrays = solve(twins(name)[1], problem(name, 5, 3, 2, 4, "float32", "ragged"), options)
    del arrays["cache.lengths"]
    assert {a.dtype for a in arrays.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("lengths", [None, "ragged"])
def test_each_twin_accepts_the_cache_of_the_other(cell, lengths):
    name, options = cell
    textbook, fast = twins(name)
    p = problem(name, 6, 37, 5, 50, lengths=lengths)
    expected = solve(textbook, p, options)
    assert_close(solve(textbook, p, options, backward_by=fast), expected, EQUAL)
    assert_close(solve(fast, p, options, backward_by=textbook), expected, EQUAL)


@pytest.mark.parametrize("cell", CASES, ids=IDS[: len(CASES)])
@pytest.mark.parametrize("lengths", [None, "ragged"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_gives_the_bits_of_forward(cell, dtype, lengths):
    name, options = cell
    params, x, state_0, lengths, *_ = problem(name, 6, 130, 5, 50, dtype, lengths)
    fast = twins(name)[1]
    before = [a.copy() for a in (x, *state_0, *params.values())]
    y, state_T, _ = fast.forward(params, x, state_0, lengths, **options)
    y_too, state_too = fast.predict(params, x, state_0, lengths, **options)
    for mine, expected in zip((y_too, *state_too, x, *state_0, *params.values()), (y, *state_T, *before), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_inputs_are_not_changed(cell):
    name, options = cell
    (params, x, state_0, lengths, dy, dstate_T), fast = problem(name, 5, 20, 3, 8, lengths="ragged"), twins(name)[1]
    _, _, cache = fast.forward(params, x, state_0, lengths, **options)
    inputs = [*params.values(), x, *state_0, lengths, dy, *dstate_T, *cache]
    before = [array.copy() for array in inputs]
    fast.forward(params, x, state_0, lengths, **options)
    fast.backward(params, cache, dy, dstate_T, **options)
    for now, then in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_results_share_no_memory(cell):
    name, options = cell
    params, x, state_0, _, dy, dstate_T = problem(name, 5, 3, 2, 4)
    fast = twins(name)[1]
    y, state_T, cache = fast.forward(params, x, state_0, **options)
    dparams, dx, dstate_0 = fast.backward(params, cache, dy, dstate_T, **options)
    results = [*state_T, *(f for f in cache[1:] if f is not None), *dparams.values(), dx, *dstate_0]
    results += [y] * y.flags.writeable  # else it is what the cache has kept, see `test_outputs.py`
    others = [x, dy, *state_0, *dstate_T, *params.values()]
    pairs = [(a, b) for k, a in enumerate(results) for b in results[k + 1 :] + others]
    assert not any(np.shares_memory(a, b) for a, b in pairs)


LAYOUTS = {
    "a stride of -2": lambda a: np.repeat(a, 2, axis=-1)[..., ::-1].copy()[..., ::-2],
    "transposed": np.asfortranarray,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout_is_accepted(cell, layout):
    name, options = cell
    p = problem(name, 5, 3, 17, 18)  # wider than a register: weights are then packed in squares

    def odd(a):
        """The same numbers, read-only, in another layout."""
        same = LAYOUTS[layout](a)
        same.flags.writeable = False
        return same

    params, x, state_0, lengths, dy, dstate_T = p
    q = (
        {k: odd(v.copy()) for k, v in params.items()},
        odd(x.copy()),
        tuple(odd(s.copy()) for s in state_0),
        lengths,
        odd(dy.copy()),
        tuple(odd(d.copy()) for d in dstate_T),
    )
    fast = twins(name)[1]
    assert_same_bits(solve(fast, q, options), solve(fast, p, options))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sequence_does_not_depend_on_its_batch(cell, dtype):
    name, options = cell
    params, x, state_0, *_ = problem(name, 4, 21, 5, 40, dtype)
    fast = twins(name)[1]
    together = fast.forward(params, x, state_0, **options)[0]
    for n in (0, 7, 20):
        alone = fast.forward(params, x[:, n : n + 1], tuple(s[n : n + 1] for s in state_0), **options)[0]
        np.testing.assert_array_equal(alone[:, 0], together[:, n])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_in_the_padding_leaks_nowhere(cell, dtype):
    name, options = cell
    params, x, state_0, lengths, dy, dstate_T = problem(name, 6, 20, 3, 18, dtype, "ragged")
    past = np.arange(6)[:, None] >= lengths
    dirty_x, dirty_dy = x.copy(), dy.copy()
    dirty_x[past], dirty_dy[past] = np.nan, np.nan
    fast = twins(name)[1]
    clean = solve(fast, (params, x, state_0, lengths, dy, dstate_T), options)
    dirty = solve(fast, (params, dirty_x, state_0, lengths, dirty_dy, dstate_T), options)
    del clean["cache.x"], dirty["cache.x"]
    assert_same_bits(dirty, clean)


def test_results_are_zero_past_the_end_of_a_row(cell):
    name, options = cell
    p = problem(name, 6, 20, 3, 18, lengths="ragged")
    arrays = solve(twins(name)[1], p, options)
    past = np.arange(6)[:, None] >= p[3]
    fields = {"y", "dx", "cache.gates", "cache.q", "cache.a"} & arrays.keys()
    assert {name: np.abs(arrays[name][past]).max() for name in fields} == dict.fromkeys(fields, 0.0)


def test_nan_in_x_makes_its_row_nan_from_there_on(cell):
    name, options = cell
    params, x, state_0, *_ = problem(name, 6, 20, 3, 18, "float32")
    x[2, 4, 1] = np.nan
    y, _, _ = twins(name)[1].forward(params, x, state_0, **options)
    expected = np.zeros(y.shape, bool)
    expected[2:, 4] = True
    np.testing.assert_array_equal(np.isnan(y), expected)


@pytest.mark.parametrize("name_of_nan", ["Wx", "Wh", "b"])
def test_nan_in_a_parameter_reaches_every_row(cell, name_of_nan):
    name, options = cell
    params, x, state_0, *_ = problem(name, 3, 20, 3, 18, "float32")
    for key in params:
        if key.startswith(name_of_nan):
            params[key][..., -1] = np.nan
    y, _, _ = twins(name)[1].forward(params, x, state_0, **options)
    assert np.isnan(y).any(axis=2).all()


def test_nan_in_the_state_reaches_the_final_state(cell):
    name, options = cell
    params, x, state_0, *_ = problem(name, 3, 20, 3, 18, "float32")
    for s in state_0:
        s[5] = np.nan
    _, state_T, _ = twins(name)[1].forward(params, x, state_0, **options)
    for s in state_T:
        np.testing.assert_array_equal(np.isnan(s), np.arange(20)[:, None] == np.full(s.shape, 5))


def test_nan_in_the_upstream_gradient_reaches_what_depends_on_it(cell):
    name, options = cell
    params, x, state_0, _, dy, dstate_T = problem(name, 4, 20, 3, 18, "float32")
    fast = twins(name)[1]
    dy[2, 4] = np.nan
    _, _, cache = fast.forward(params, x, state_0, **options)
    dparams, dx, _ = fast.backward(params, cache, dy, dstate_T, **options)
    expected = np.zeros(dx.shape, bool)
    expected[:3, 4] = True
    np.testing.assert_array_equal(np.isnan(dx), expected)
    assert all(np.isnan(d).any() for d in dparams.values())
