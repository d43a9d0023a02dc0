"""Problems that an error has no place to hide in: what is in them, and that every cell in each twin passes them."""

import numpy as np
import pytest
from conftest import BACKENDS, CASES, EXACT, MATRIX, TOLERANCE, make, scaled_error
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore.contract import CELLS
from rnncore.gradcheck import adversarial_problems, check, random_problem
from rnncore.recurrent import Recurrent

ALL = list(adversarial_problems("lstm"))
NAMES = [adversary.name for adversary in ALL]


COMPOSITIONS = [a.name for a in ALL if not isinstance(a.layer, Recurrent)]
DEFAULTS = [(name, {word: words[0] for word, words in cell.options.items()}) for name, cell in CELLS.items()]


def problem(name, options, which):
    return {a.name: a for a in adversarial_problems(name, **options)}[which]


@pytest.mark.parametrize(("name", "options"), MATRIX)
@pytest.mark.parametrize("which", [which for which in NAMES if which not in COMPOSITIONS])
def test_every_derivative_of_a_cell_is_right(name, options, which):
    _, layer, p, _ = problem(name, options, which)
    black_box = options["backend"] == "numpy" and layer.exact
    for method, entries in (("forward-mode", 10), *([("complex-step", 4)] if black_box else [])):  # which is dear
        report = check(layer, p.params, p.x, p.state_0, p.lengths, method, entries=entries)
        if which == "one unit, one feature" and "gain_x" in p.params:
            # the norm of x W does not depend on the size of a single x: dx is a difference of equal numbers, and eps
            failed = [b for b in report.blocks if b.verdict == "fail"]
            assert {b.name for b in failed} <= {"x"} and all(abs(b.analytic - b.numeric) < 1e-15 for b in failed)
        else:
            assert report.ok, str(report)


@pytest.mark.parametrize("which", COMPOSITIONS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "options"), DEFAULTS)
def test_every_derivative_of_a_composition_is_right(name, options, which, backend):
    _, layer, p, _ = problem(name, {**options, "backend": backend}, which)
    report = check(layer, p.params, p.x, p.state_0, p.lengths, "forward-mode", entries=10)
    assert report.ok, str(report)


@pytest.mark.thorough
@pytest.mark.parametrize("which", COMPOSITIONS)
@pytest.mark.parametrize(("name", "options"), EXACT)
def test_every_derivative_of_a_composition_is_right_by_complex_step_too(name, options, which):
    _, layer, p, _ = problem(name, options, which)
    report = check(layer, p.params, p.x, p.state_0, p.lengths, ["complex-step", "forward-mode"], entries=10)
    assert report.ok, str(report)


@pytest.mark.parametrize(("name", "options"), MATRIX)
@pytest.mark.parametrize("which", ["ragged rows", "saturated gates", "NaN in the padding", "three layers"])
def test_chunks_that_do_not_divide_T_and_carry_the_gradient_give_the_whole(name, options, which):
    _, layer, p, k1 = problem(name, options, which)
    T = len(p.x)
    assert T % k1
    _, _, cache = layer.forward(p.params, p.x, p.state_0, p.lengths)
    whole, dx, dstate = layer.backward(p.params, cache, p.dy, p.dstate_T)

    state, caches = p.state_0, []
    for start in range(0, T, k1):
        cut = np.clip(p.lengths - start, 0, len(p.x[start : start + k1]))
        _, state, cache = layer.forward(p.params, p.x[start : start + k1], state, cut)
        caches.append(cache)
    total, d = {n: np.zeros_like(a) for n, a in whole.items()}, p.dstate_T
    for start, cache in reversed(list(zip(range(0, T, k1), caches, strict=True))):
        grads, dx_part, d = layer.backward(p.params, cache, p.dy[start : start + k1], d)
        total = {n: total[n] + g for n, g in grads.items()}
        assert scaled_error(dx_part, dx[start : start + k1]) < TOLERANCE["equal in float64"]
    for a, b in [*((total[n], whole[n]) for n in whole), *zip(d, dstate, strict=True)]:
        assert scaled_error(a, b) < TOLERANCE["equal in float64"]


@given(
    case=st.sampled_from(CASES),
    seed=st.integers(0, 10**6),
    sizes=st.tuples(*[st.integers(1, 6)] * 4),
    ragged=st.booleans(),
    scale=st.floats(0.05, 4),
)
def test_any_problem_passes_whatever_its_sizes(case, seed, sizes, ragged, scale):
    (name, options), (T, N, D, H) = case, sizes
    layer = make(name, D, H, backend="numpy", **options)
    p = random_problem(layer, seed, T=T, N=N, ragged=ragged, scale=scale)
    report = check(layer, p.params, p.x, p.state_0, p.lengths, "forward-mode", seed=seed)
    assert report.ok, str(report)


def test_all_sizes_differ_and_no_truncation_length_divides_T():
    _, layer, p, _ = ALL[0]
    T, N, D = p.x.shape
    assert len({T, N, D, layer.H}) == 4
    assert all(len(a.problem.x) % a.k1 for a in ALL)


def test_lengths_0_and_1_are_among_them_and_states_are_not_zero():
    p = ALL[0].problem
    assert {0, 1, 7} < set(p.lengths.tolist())
    assert all(np.abs(s).min() > 0 for s in p.state_0)
    assert all(np.abs(d).min() > 0 for d in (p.dy, *p.dstate_T))


def gates(which):
    found = next(a for a in ALL if a.name == which)
    p = found.problem
    return found.layer.forward(p.params, p.x, p.state_0)[2].gates


def test_saturated_gates_are_and_nearly_linear_ones_are():
    hot, cold = gates("saturated gates"), gates("nearly linear gates")
    assert np.mean((hot < 0.05) | (hot > 0.95) | (hot < -0.95)) > 0.4
    assert np.abs(cold[..., :5] - 0.5).max() < 0.2


def test_a_carried_state_is_where_a_first_call_ended():
    p = next(a for a in ALL if a.name == "a state carried on").problem
    assert all(np.abs(h).max() < 1 for h in p.state_0[:1])  # an output of the cell, not a normal draw
    assert not np.array_equal(p.state_0[0], random_problem(ALL[0].layer, 4, T=7).state_0[0])


def test_layers_and_directions_are_there():
    kinds = {a.name: a.layer for a in ALL}
    assert len(kinds["three layers"].parts) == 3
    assert isinstance(kinds["both directions"], rc.Bidirectional)
    assert len(kinds["two layers in both directions"].parts) == 3


def test_a_seed_gives_the_same_problems_and_another_seed_others():
    again = next(adversarial_problems("lstm"))
    np.testing.assert_array_equal(again.problem.x, ALL[0].problem.x)
    assert not np.array_equal(next(adversarial_problems("lstm", seed=50)).problem.x, ALL[0].problem.x)
