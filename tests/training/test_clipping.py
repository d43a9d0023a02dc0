"""Clipping: what is bounded, what stays, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnncore.errors import ContractError, NonFiniteError
from rnncore.training.clipping import clip_by_global_norm, clip_by_value, global_norm

CLIPPERS = [clip_by_global_norm, clip_by_value]
GRADS = st.fixed_dictionaries(
    {
        name: hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=4), elements=st.floats(-1e6, 1e6, width=32))
        for name in ("Wx", "b")
    }
)


def random_grads(dtype="float64"):
    rng = np.random.default_rng(3)
    return {"Wx": rng.normal(size=(3, 5)).astype(dtype), "b": rng.normal(size=5).astype(dtype)}


def flat(grads):
    return np.concatenate([g.ravel() for g in grads.values()])


@given(GRADS, st.floats(1e-3, 1e3))
def test_the_clipped_norm_never_exceeds_the_limit(grads, max_norm):
    clipped, _ = clip_by_global_norm(grads, max_norm)
    assert np.linalg.norm(flat(clipped)) <= max_norm * (1 + 1e-12)


@given(GRADS, st.floats(1e-3, 1e3))
def test_clipping_by_norm_keeps_the_direction(grads, max_norm):
    clipped, norm = clip_by_global_norm(grads, max_norm)
    np.testing.assert_allclose(flat(clipped) * max(norm, max_norm), flat(grads) * max_norm, rtol=1e-12, atol=1e-300)


def test_a_norm_under_the_limit_leaves_every_bit():
    grads = random_grads()
    clipped, _ = clip_by_global_norm(grads, 1e3)
    np.testing.assert_array_equal(flat(clipped), flat(grads))


@pytest.mark.parametrize("clip", CLIPPERS)
def test_the_norm_returned_is_the_one_before_clipping(clip):
    grads = random_grads()
    assert clip(grads, 0.01)[1] == pytest.approx(np.linalg.norm(flat(grads)), rel=1e-14)


def test_clipping_by_value_bounds_entries_and_leaves_the_others():
    clipped, _ = clip_by_value({"Wx": np.array([-3.0, 0.25, 2.0])}, 0.5)
    np.testing.assert_array_equal(clipped["Wx"], [-0.5, 0.25, 0.5])


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("limit", [0.1, 1e3])
def test_the_gradients_passed_in_stay_as_they_are_and_share_nothing(clip, limit):
    grads = random_grads()
    before = flat(grads).copy()
    clipped, _ = clip(grads, limit)
    for g in clipped.values():
        g[...] = 7.0
    np.testing.assert_array_equal(flat(grads), before)


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays(clip, dtype):
    clipped, _ = clip(random_grads(dtype), 0.1)
    assert {g.dtype for g in clipped.values()} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 3e38), ("float32", 1e-45), ("float64", 1e200), ("float64", 5e-324)]
)
def test_the_norm_neither_overflows_nor_vanishes(dtype, size):
    entry = float(np.array(size, dtype))
    assert global_norm({"Wx": np.full(9, size, dtype)}) == pytest.approx(3 * entry, rel=1e-12)


def test_float32_gradients_with_a_norm_beyond_float32_are_clipped():
    clipped, norm = clip_by_global_norm({"Wx": np.full(100, 3e38, np.float32)}, 1.0)
    assert norm == pytest.approx(3e39, rel=1e-6)
    np.testing.assert_allclose(clipped["Wx"], 0.1, rtol=1e-6)


def test_a_norm_beyond_float64_is_an_error():
    with pytest.raises(NonFiniteError, match="larger than the largest float64"):
        global_norm({"Wx": np.full(9, 1.7e308)})


@pytest.mark.parametrize("grads", [{}, {"b": np.zeros(3)}, {"b": np.zeros((0, 2))}])
def test_no_gradient_and_zeros_have_norm_zero(grads):
    assert clip_by_global_norm(grads, 1.0)[1] == 0.0


def test_the_norm_does_not_depend_on_the_order_of_the_arrays():
    rng = np.random.default_rng(0)
    grads = {str(i): rng.normal(size=7) * 10.0**i for i in range(-6, 6)}
    assert global_norm(grads) == global_norm(dict(reversed(grads.items())))


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_exactly_the_arrays_with_nan_or_infinity_are_named(clip, value):
    grads = {"Wx": np.array([1.0, value]), "Wh": np.ones(2), "b": np.array([value])}
    with pytest.raises(NonFiniteError) as caught:
        clip(grads, 1.0)
    assert caught.value.arrays == ("Wx", "b")


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan, np.inf, "1", None])
def test_a_limit_that_is_no_positive_number_is_refused(clip, limit):
    with pytest.raises(ContractError):
        clip(random_grads(), limit)


@pytest.mark.parametrize("clip", [clip_by_global_norm, clip_by_value])
def test_gradients_of_integers_are_refused_not_rounded(clip):
    with pytest.raises(ContractError, match=r"grads\['Wx'\]: expected dtype float32 or float64, received dtype int64"):
        clip({"Wx": np.array([3, 4])}, 1.0)


@pytest.mark.parametrize("clip", [clip_by_global_norm, clip_by_value])
def test_what_has_no_names_is_refused(clip):
    with pytest.raises(ContractError, match="grads: expected a dict of arrays, received a NoneType"):
        clip(None, 1.0)


def test_complex_gradients_are_refused():
    with pytest.raises(ContractError, match=r"grads\['Wx'\]: expected real numbers, received dtype complex128"):
        clip_by_global_norm({"Wx": np.ones(2, complex)}, 1.0)
