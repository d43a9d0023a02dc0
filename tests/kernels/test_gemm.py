"""The products of the kernels against NumPy: every rest of rows, columns and depth, windows, nothing outside."""

import numpy as np
import pytest

from rnncore.kernels.gemm import add_kept, add_outer, add_product, affine, groups, keep_rows, pack, room
from rnncore.kernels.jit import kernel
from rnncore.kernels.rows import FIRST


@kernel
def product(rows, a, a_first, a_column, k, panels, c, c_first, c_column, n):
    add_product(rows, a, a_first, a_column, k, panels, c, c_first, c_column, n)


@kernel
def outer(k, a, a_column, m, b, b_column, n, c, c_first, c_column):
    add_outer(k, a, a_column, m, b, b_column, n, c, c_first, c_column)


@kernel
def kept(k, a, m, b, n, c, sums, fresh):
    left = room(k, groups(m), c)
    keep_rows(k, a, FIRST, FIRST, m, left, FIRST, FIRST)
    add_kept(FIRST, k, left, FIRST, m, b, FIRST, n, c, FIRST + 1, FIRST + 2, sums, fresh)


@kernel
def begun(rows, a, k, panels, b, c, n):
    affine(rows, a, FIRST + 1, k, panels, b, c, FIRST + 2, n)


def whole(rng, *shape):
    """Small integers, so that float32 products are exact."""
    return rng.integers(-4, 5, shape).astype("float32")


@pytest.mark.parametrize("k", [1, 7, 256, 300])
@pytest.mark.parametrize("n", [1, 8, 9, 32, 33, 100])
@pytest.mark.parametrize("m", [0, 1, 4, 5, 8, 9, 13, 17])
def test_both_products_are_exact_and_stay_in_their_window(m, k, n):
    rng = np.random.default_rng([m, k, n])
    a, w, c = whole(rng, m + 2, k + 3), whole(rng, k, n), whole(rng, m + 3, n + 4)
    expected = c.copy()
    expected[1 : 1 + m, 2 : 2 + n] += a[2:, 3:] @ w
    once, again = c.copy(), c.copy()
    product(m, a, 2, 3, k, pack(w), once, 1, 2, n)
    product(m, a, 2, 3, k, pack(w.T.copy(), transpose=True), again, 1, 2, n)
    left, right = np.ascontiguousarray(a.T)[3:].copy(), np.hstack([whole(rng, k, 5), w])
    by_rows = c.copy()
    outer(k, left, 2, m, right, 5, n, by_rows, 1, 2)
    np.testing.assert_array_equal(once, expected)
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(by_rows, expected)


@pytest.mark.parametrize("k", [1, 300, 600, 1100])
@pytest.mark.parametrize("n", [1, 33, 100])
@pytest.mark.parametrize("m", [0, 1, 2, 3, 9])
def test_a_product_may_begin_with_a_row(m, n, k):
    rng = np.random.default_rng([m, k, n])
    a, w, b, c = whole(rng, m + 1, k), whole(rng, k, n), whole(rng, 1, n), whole(rng, m + 3, n + 4)
    expected = c.copy()
    expected[2 : m + 2, :n] = b + a[1:] @ w
    begun(m, a, k, pack(w), b, c, n)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("k", [0, 1, 300, 600, 1100])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 33), (8, 100)])
def test_a_product_that_sums_rows_too_adds_to_what_is_there_or_begins_anew(k, m, n, fresh):
    rng = np.random.default_rng([m, k, n])
    a, b, c = whole(rng, k + 1, m), whole(rng, k + 1, n), whole(rng, m + 3, n + 4)
    expected = c.copy()
    expected[1 : m + 2, 2 : n + 2] *= not fresh
    expected[1 : m + 1, 2 : n + 2] += a[:k].T @ b[:k]
    expected[m + 1, 2 : n + 2] += b[:k].sum(axis=0)
    kept(k, a, m, b, n, c, m + 1, fresh)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("k", [1, 40, 600])
def test_a_number_has_the_same_bits_whatever_the_rows_and_columns_beside_it(k, dtype):
    """Every width of a tile, and every rest of its rows, against one row of 130 columns at a time."""
    rng = np.random.default_rng(k)
    a, w = rng.normal(size=(9, k)).astype(dtype), rng.normal(size=(k, 130)).astype(dtype)
    columns, packed, expected = np.ascontiguousarray(a.T), pack(w), np.zeros((9, 130), dtype)
    for row in range(9):
        product(1, a, row, 0, k, packed, expected, row, 0, 130)
    for n in range(1, 131):
        packed = pack(w, last=n)
        for m in range(1, 10):
            c, by_rows = np.zeros((m, n), dtype), np.zeros((m, n), dtype)
            product(m, a, 0, 0, k, packed, c, 0, 0, n)
            outer(k, columns, 0, m, w, 0, n, by_rows, 0, 0)
            assert np.array_equal(c, expected[:m, :n]), (m, n)
            assert np.array_equal(by_rows, expected[:m, :n]), (m, n)


def test_pack_takes_a_range_of_columns():
    rng = np.random.default_rng(0)
    w = whole(rng, 9, 70)
    np.testing.assert_array_equal(pack(w, first=20, last=53), pack(w[:, 20:53].copy()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 64), (33, 17), (50, 200), (130, 70)])
def test_the_packed_transpose_is_that_of_the_turned_matrix(shape, dtype):
    w = np.random.default_rng(0).normal(size=shape).astype(dtype)
    np.testing.assert_array_equal(pack(w, transpose=True), pack(w.T.copy()))


def test_nan_in_one_row_stays_in_that_row():
    rng = np.random.default_rng(0)
    a, w, c = whole(rng, 6, 40), whole(rng, 40, 50), np.zeros((6, 50), "float32")
    a[3, 7] = np.nan
    product(6, a, 0, 0, 40, pack(w), c, 0, 0, 50)
    np.testing.assert_array_equal(np.isnan(c).any(axis=1), np.arange(6) == 3)
