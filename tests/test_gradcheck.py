"""Every derivative of every cell in each twin by itself; what a report says of a pair of functions."""

import numpy as np
import pytest
from conftest import make

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.gradcheck import GATES, check, check_cell, check_pair, mutants, random_problem
from rnncore.gradcheck.measure import as_inputs, as_pair

CELLS = list(rc.contract.CELLS)


def assert_right(cell, reports, *methods):
    """Require that each report passes, by these methods, and looked at x and states too."""
    cut = {("forward-mode",)} if rc.contract.CELLS[cell].inexact else set()  # it leaves out the same
    assert {report.methods for report in reports} == {methods} | cut
    failed = [str(report) for report in reports if not report.ok]
    assert not failed, "\n\n".join(failed)
    names = {"x", *(f"state_0[{k}]" for k in range(len(make(cell, 1, 1).state_sizes)))}
    assert all(names < {block.name for block in report.blocks} for report in reports)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("backend", "method"), [("numpy", "complex-step"), ("numba", "forward-mode")])
def test_every_derivative_of_every_option_in_each_twin_by_an_exact_oracle(cell, backend, method):
    exact = {"method": method} if backend == "numba" else {}  # the textbook: what it is held against unless told
    assert_right(cell, list(check_cell(cell, seed=1, backends=[backend], **exact)), method)


@pytest.mark.parametrize("cell", CELLS)
def test_derivatives_of_every_option_of_the_fast_twin_by_differences_of_its_own_outputs(cell):
    reports = list(check_cell(cell, seed=2, backends=["numba"], entries=6))
    assert_right(cell, reports, "forward-mode", "central")


def test_a_relative_error_of_a_millionth_fails_and_one_of_a_trillionth_of_the_gate_passes():
    def forward(inputs):
        return (np.sin(inputs["v"]),), None

    def backward(slip):
        return lambda inputs, cache, upstream: {"v": np.cos(inputs["v"]) * upstream[0] * (1 + slip)}

    v = {"v": np.linspace(-2, 2, 7)}
    for method in ("complex-step", "richardson", "central"):
        gate = GATES[method]
        assert not check_pair(forward, backward(20 * gate), v, method=method).ok
        assert check_pair(forward, backward(gate / 20), v, method=method).ok


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda inputs, cache, upstream: upstream[0].fill(0), "upstream[0]"),
        (lambda inputs, cache, upstream: inputs["v"].fill(7), "v"),
        (lambda inputs, cache, upstream: cache["kept"].fill(7), "cache array 0"),
    ],
)
def test_an_argument_that_the_backward_pass_changes_is_an_outcome_of_its_own(spoil, name):
    def backward(inputs, cache, upstream):
        grad = upstream[0] * 2 * cache["kept"]
        spoil(inputs, cache, upstream)
        return {"v": grad}

    forward = lambda inputs: ((inputs["v"] ** 2,), {"kept": inputs["v"].copy()})  # noqa: E731
    report = check_pair(forward, backward, {"v": np.ones(3)})
    assert (report.verdict, report.outcomes, report.changed) == ("fail", ("an argument was changed",), (name,))
    assert f"FAIL  an argument was changed: {name}" in str(report)
    assert [block.verdict for block in report.blocks] == ["pass"]  # the derivative is right


def test_an_argument_that_the_forward_pass_changes_is_named_too_and_the_caller_s_arrays_stay():
    def forward(inputs):
        inputs["v"] *= 2
        return (inputs["v"].copy(),), None

    given = {"v": np.ones(3), "w": np.ones(2)}
    report = check_pair(forward, lambda inputs, cache, upstream: {"v": 2 * upstream[0]}, given)
    assert report.outcomes == ("an argument was changed",)
    assert report.changed == ("v (in the forward pass)",)
    assert all((a == 1).all() for a in given.values())


def test_what_is_wrong_is_said_in_words_all_of_it():
    def backward(inputs, cache, upstream):
        upstream[0][...] *= 3
        return {"v": upstream[0]}

    report = check_pair(lambda inputs: ((2 * inputs["v"],), None), backward, {"v": np.ones(3)})
    assert report.outcomes == ("a derivative is wrong", "an argument was changed")
    right = check_pair(lambda inputs: ((2 * inputs["v"],), None), lambda i, c, u: {"v": 2 * u[0]}, {"v": np.ones(3)})
    assert right.outcomes == ()


def test_a_backward_that_adds_up_over_calls_fails():
    total = np.zeros(3)

    def backward(inputs, cache, upstream):
        nonlocal total
        total = total + 2 * upstream[0]
        return {"v": total}

    report = check_pair(lambda inputs: ((2 * inputs["v"],), None), backward, {"v": np.ones(3)})
    assert (report.verdict, report.outcomes) == ("fail", ("a second call gave another result",))


def test_a_forward_pass_that_draws_other_numbers_at_each_call_is_told():
    rng = np.random.default_rng(0)

    def forward(inputs):
        keep = rng.random(3) < 0.5
        return (inputs["v"] * keep,), keep

    report = check_pair(forward, lambda inputs, keep, upstream: {"v": upstream[0] * keep}, {"v": np.ones(3)})
    assert "a second call gave another result" in report.outcomes
    assert "FAIL  a second call gave another result" in str(report)


def test_a_gradient_that_is_not_finite_fails():
    report = check_pair(
        lambda inputs: ((2 * inputs["v"],), None), lambda i, c, u: {"v": np.full(3, np.nan)}, {"v": np.ones(3)}
    )
    assert not report.ok
    assert report.worst.error == np.inf


def test_a_gradient_of_another_shape_is_a_breach_that_names_it():
    with pytest.raises(ContractError, match=r"gradient of v: expected shape \(3,\), received shape \(\)"):
        check_pair(lambda i: ((2 * i["v"],), None), lambda i, c, u: {"v": np.array(2.0)}, {"v": np.ones(3)})


def test_a_zero_state_would_hide_errors_so_none_means_random_ones():
    layer = next(m for m in mutants("lstm") if m.name == "no dh_0").layer(3, 5)
    assert not check(layer, layer.init(0), np.ones((4, 2, 3))).ok


def test_complex_step_on_the_fast_twin_is_refused_with_advice():
    layer = rc.GRU(2, 3)
    with pytest.raises(ContractError, match='say method="forward-mode"'):
        check(layer, layer.init(0), np.ones((2, 2, 2), np.float32), method="complex-step")


def test_the_table_shows_both_values_of_the_worst_entry():
    layer = rc.RNN(2, 3, backend="numpy")
    report = check(layer, layer.init(0), np.ones((4, 2, 2), np.float32))
    assert f"{report.worst.analytic:.9e}" in report.table
    assert f"{report.worst.numeric:.9e}" in report.table
    assert len(report.table.splitlines()) == 1 + len(report.blocks)


def test_the_report_names_the_dtype_that_was_checked():
    layer = rc.RNN(2, 3, backend="numpy", dtype="float32")
    report = check(layer, layer.init(0), np.ones((4, 2, 2), np.float32))
    assert str(report).startswith("RNN(D=2, H=3, activation='tanh', backend='numpy', dtype='float64'): pass")


def test_a_layer_that_is_not_made_from_its_description_is_checked():
    class Fixed(rc.RNN):
        def __init__(self):
            super().__init__(2, 3, backend="numpy")

    p = random_problem(rc.RNN(2, 3, backend="numpy"), seed=0)
    assert check(Fixed(), p.params, p.x, p.state_0).verdict == "pass"


def test_with_entries_no_more_than_that_many_are_looked_at():
    layer = rc.RNN(2, 3, backend="numpy")
    report = check(layer, layer.init(0), np.ones((4, 2, 2), np.float32), entries=4)
    assert {block.entries for block in report.blocks} == {3, 4}


@pytest.mark.parametrize(("shape", "place"), [((400,), (123,)), ((20, 20), (7, 11)), ((20, 4, 5), (7, 1, 3))])
def test_the_entry_with_the_largest_gradient_is_always_looked_at(shape, place):
    v = np.ones(shape)
    v[place] = 9.0

    def backward(inputs, cache, upstream):
        grads = 2 * inputs["v"] * upstream[0]
        grads[place] *= 1 + 1e-9
        return {"v": grads}

    assert check_pair(lambda a: (((a["v"] ** 2).sum(),), None), backward, {"v": v}, entries=2).verdict == "fail"


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_right_code_in_float32_is_inconclusive_under_differences_and_wrong_code_fails(name, backend):
    layer = make(name, 3, 4, dtype="float32", backend=backend)
    p = random_problem(layer.using(dtype="float64"), seed=1)
    forward, backward = as_pair(layer, p.lengths)

    def single(arrays):
        return {n: a.astype(np.float32) for n, a in arrays.items()}

    def grads(inputs, cache, upstream, factor=1.0):
        found = backward(single(inputs), cache, tuple(u.astype(np.float32) for u in upstream))
        return {n: factor * g.astype(float) for n, g in found.items()}

    inputs = as_inputs(p.params, p.x, p.state_0)
    run = lambda a: forward(single(a))  # noqa: E731
    for method in ("central", "richardson"):
        right = check_pair(run, grads, inputs, method=method, entries=4)
        assert right.verdict == "inconclusive", str(right)
        wrong = check_pair(run, lambda *a: grads(*a, factor=1.05), inputs, method=method, entries=4)
        assert wrong.verdict == "fail", str(wrong)
