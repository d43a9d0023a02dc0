"""Laws of two ways through time or through layers: for every cell, twin, option and float type, to the last bit."""

import numpy as np
import pytest
from conftest import EQUAL, MATRIX, all_results, assert_equal_results, in_type, make
from hypothesis import given, settings
from hypothesis import strategies as st

import rnncore as rc
from rnncore.gradcheck import random_problem

SUBJECTS = [
    pytest.param(make(name, 3, 4, dtype, **words), id=f"{case.id}-{dtype}")
    for case in MATRIX
    for name, words in [case.values]
    for dtype in EQUAL
]
problems = st.fixed_dictionaries({"seed": st.integers(0, 10**6), "T": st.integers(1, 6), "N": st.integers(1, 4)})


def drawn(layer, problem, **words):
    """A problem in the layer's own float type."""
    return in_type(random_problem(layer.using(dtype="float64"), **problem, **words), layer.dtype)


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def turned_round(x, lengths):
    """Each row from its own last step to its first."""
    out = np.zeros_like(x)
    for n in range(x.shape[1]):
        L = len(x) if lengths is None else lengths[n]
        out[:L, n] = x[:L, n][::-1]
    return out


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=5)
@given(problem=problems, ragged=st.booleans())
def test_the_other_direction_is_the_layer_on_rows_turned_round(layer, problem, ragged):
    p = drawn(rc.Reversed(layer), problem, ragged=ragged)
    turned = all_results(rc.Reversed(layer), p)
    own = {name.removeprefix("inner."): a for name, a in p.params.items()}
    x, dy = turned_round(p.x, p.lengths), turned_round(p.dy, p.lengths)
    straight = all_results(layer, p._replace(params=own, x=x, dy=dy))
    for name in ("y", "dx"):
        straight[name] = turned_round(straight[name], p.lengths)
    assert_same_bits({name.replace("dinner.", "d"): a for name, a in turned.items()}, straight)


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=5)
@given(problem=problems)
def test_a_stack_is_its_parts_one_after_another(layer, problem):
    stack = rc.Stack(layer, rc.Dense(layer.sizes[1], 2, dtype=layer.dtype))
    p, dense = drawn(stack, problem), stack.parts["1"]  # as it computes beside this layer
    lower, upper = ({n[2:]: a for n, a in p.params.items() if n.startswith(k)} for k in ("0.", "1."))
    h, state_T, cache = layer.forward(lower, p.x, p.state_0, p.lengths)
    y, _, cache_2 = dense.forward(upper, h, lengths=p.lengths)
    grads_2, dh, _ = dense.backward(upper, cache_2, p.dy)
    grads, dx, dstate_0 = layer.backward(lower, cache, dh, p.dstate_T)
    apart = {"y": y, "dx": dx, **{f"d0.{n}": g for n, g in grads.items()}, **{f"d1.{n}": g for n, g in grads_2.items()}}
    apart |= {f"state_T[{k}]": s for k, s in enumerate(state_T)}
    apart |= {f"dstate_0[{k}]": s for k, s in enumerate(dstate_0)}
    assert_same_bits(all_results(stack, p), apart)


@pytest.mark.parametrize("layer", SUBJECTS)
@settings(max_examples=5)
@given(problem=problems, beyond=st.integers(0, 3))
def test_truncation_at_the_whole_length_is_no_truncation(layer, problem, beyond):
    p = drawn(layer, problem, ragged=False)
    T = len(p.x)
    words = {"state_0": p.state_0}
    whole = rc.full_bptt(layer, p.params, p.x, p.dy, rc.losses.mse, **words)
    cut = rc.truncated_bptt(layer, p.params, p.x, p.dy, rc.losses.mse, k1=T + beyond, k2=T + beyond, **words)
    assert_equal_results(cut[1], whole[1], EQUAL[layer.dtype])
    assert cut[0] == pytest.approx(whole[0], rel=EQUAL[layer.dtype])
