"""The tester tested: planted errors are caught, named and located, and right code raises no alarm."""

import re

import numpy as np
import pytest
from conftest import BASIC, EXACT, make

import rnncore as rc
from rnncore.gradcheck import check, mutants, random_problem
from rnncore.gradcheck.forward_cells import STEPS
from rnncore.gradcheck.mutants import LAYERS, Mutant, right_layer
from rnncore.gradcheck.planted import PLANTED

SUBJECTS = [*PLANTED, *LAYERS]
EVERY = [
    pytest.param(m, id=f"{m.cell}: {m.name} {' '.join(map(str, m.options.values()))}")
    for s in SUBJECTS
    for m in mutants(s)
]
_BY_NAME = [s for s in SUBJECTS if s in {*BASIC, *LAYERS} - {"recurrent_dropout"}]  # its masks need a seed
NAMED = [  # every error of the basic cells, the first two of the rest; all of them in the thorough run
    pytest.param(m, id=f"{m.cell}: {m.name}", marks=[] if s in BASIC or k < 2 else pytest.mark.thorough)
    for s in _BY_NAME
    for k, m in enumerate(mutants(s))
]


def test_every_cell_of_the_table_has_planted_errors_in_every_backward_line():
    for name, cell in rc.contract.CELLS.items():
        assert name in PLANTED, f"plant errors for {name} in rnncore/gradcheck/planted.py"
        assert len(PLANTED[name]) >= 10 + 4 * cell.blocks


def run(layer):
    return layer.forward(layer.init(0), np.ones((2, 2, 3)))


def checked(layer, seed=0, **words):
    p = random_problem(layer, seed)
    return check(layer, p.params, p.x, p.state_0, p.lengths, **words)


@pytest.mark.parametrize("mutant", NAMED)
@pytest.mark.parametrize(  # that both catch it: tests/test_gradcheck_score.py
    "method", ["forward-mode", pytest.param("complex-step", marks=pytest.mark.thorough)]
)
def test_an_exact_oracle_catches_the_planted_error_and_its_name_is_found(mutant, method):
    report = checked(mutant.layer(3, 5), method=method, entries=25 if mutant.cell in BASIC else None)
    assert report.verdict == "fail"
    assert mutant.name in report.suspects
    assert f"looks like the known error: {mutant.name}" in str(report)


@pytest.mark.parametrize("cell", [cell for cell in PLANTED if cell not in BASIC])
def test_a_planted_error_of_every_other_cell_is_named_too(cell):
    mutant = mutants(cell)[1]
    assert mutant.name in checked(mutant.layer(3, 5), method="forward-mode", entries=25).suspects


def test_there_are_the_26_classic_errors_and_those_of_released_libraries():
    assert len(mutants("lstm")) >= 26 + 7
    assert len(mutants("rnn")) >= 20
    assert len(mutants("gru")) >= 30
    assert mutants("bidirectional")[0].name == "dy of one direction overwritten by dx"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_two_planted_errors_have_one_name(subject):
    names = [(m.name, *m.options.values()) for m in mutants(subject)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("subject", ["lstm", "stack"])
def test_a_planted_error_that_no_longer_applies_is_an_error(subject):
    with pytest.raises(RuntimeError, match="stands 0 times"):
        run(Mutant(subject, "gone", "this line is not there", "nor this").layer(3, 5))


@pytest.mark.parametrize("mutant", EVERY)
def test_a_planted_error_leaves_the_forward_pass_right(mutant):
    right = right_layer(mutant.cell, 3, 5, **mutant.options)
    p = random_problem(right)
    y = right.forward(p.params, p.x, p.state_0, p.lengths)[0]
    np.testing.assert_array_equal(mutant.layer(3, 5).forward(p.params, p.x, p.state_0, p.lengths)[0], y)


@pytest.mark.parametrize(
    ("name", "array", "step", "gates"),
    [
        ("h_0 missing in dWh", "Wh", 0, "ifgo"),
        ("the first step is skipped", "Wx", 0, "ifgo"),
        ("no carry of dc", "b", 4, "ifgo"),
        ("truncated after 3 steps", "x", 2, ""),
        ("i and f swapped", "Wh", 5, "if"),
        ("c_{t-1} taken as c_t", "b", 5, "f"),
        ("do uses c, not act(c)", "Wx", 5, "o"),
        ("no derivative of act(c)", "x", 5, "ifg"),
        ("derivative of tanh as 1 - g", "b", 5, "g"),
    ],
)
def test_the_report_names_the_array_the_time_step_and_the_gate(name, array, step, gates):
    report = checked(next(m for m in mutants("lstm") if m.name == name).layer(3, 5))
    block = next(b for b in report.blocks if b.name == array)
    assert (block.verdict, block.step, block.gates) == ("fail", step, gates)
    assert re.search(rf"FAIL +{array} .* {' '.join(gates) or '-'} +-?[0-9]", report.table)


def test_the_gate_is_named_for_a_cell_without_a_forward_mode_too(monkeypatch):
    monkeypatch.delitem(STEPS, "lstm")
    named = {mutant.name: mutant for mutant in mutants("lstm")}
    layer = named["c_{t-1} taken as c_t"].layer(3, 5)
    p = random_problem(layer, ragged=False)
    report = check(layer, p.params, p.x, p.state_0)
    assert {b.name: (b.step, b.gates) for b in report.blocks if b.name in ("Wx", "b")} == {
        "Wx": (5, "f"),
        "b": (5, "f"),
    }


def test_the_gate_of_a_part_inside_a_stack_is_named():
    report = checked(next(m for m in mutants("stack") if m.name == "lower layers get no gradient").layer(3, 5))
    assert {b.name: b.gates for b in report.blocks}["1.bx"] == "rzn"


def inside(kind, planted):
    """A composition with planted errors in some of its parts, and the words for the place of the first."""
    words = {"backend": "numpy", "dtype": "float64"}
    return {
        "stack": (rc.Stack(rc.GRU(3, 4, **words), planted(4, 5)), " (in part 1)"),
        "directions": (rc.Bidirectional(planted(3, 4)), " (in each direction)"),
        "deep": (
            rc.Stack(rc.Bidirectional(rc.Stack(planted(3, 2), rc.RNN(2, 4, **words))), rc.Dense(8, 2, dtype="float64")),
            " (in part 0, in each direction, in part 0)",
        ),
    }[kind]


@pytest.mark.parametrize("kind", ["stack", "directions", "deep"])
@pytest.mark.parametrize("name", ["no dh_0", "c_{t-1} taken as c_t", "dWx overwritten, not summed"])
def test_a_known_error_of_a_part_is_named_with_its_place(kind, name):
    planted = next(m for m in mutants("lstm") if m.name == name)
    layer, place = inside(kind, planted.layer)
    assert checked(layer, method="forward-mode", entries=20).suspects == (name + place,)


def test_an_error_of_the_composition_with_a_fast_twin_inside_is_named():
    right = rc.Stack(rc.LSTM(3, 5, dtype="float64"), rc.GRU(5, 4, dtype="float64"))
    planted = next(m for m in mutants("stack") if m.name == "lower layers get no gradient")
    assert checked(planted.planted_in(right), method="forward-mode").suspects == ("lower layers get no gradient",)


def test_an_error_that_is_not_on_the_list_is_given_no_name():
    odd = Mutant("lstm", "odd", "dc[:n] = dc_t * f", "dc[:n] = dc_t * f * 1.01")
    report = checked(odd.layer(3, 5))
    assert report.verdict == "fail"
    assert report.suspects == ()


def test_an_error_that_changes_nothing_on_this_problem_is_no_suspect():
    odd = Mutant("rnn", "odd", "dh[:n] = da @ Wh.T", "dh[:n] = da @ Wh.T * 1.01")
    layer = odd.layer(3, 5)  # full rows: "finished rows lose their gradient" gives the right result
    p = random_problem(layer, ragged=False)
    assert check(layer, p.params, p.x, p.state_0).suspects == ()


def test_a_known_error_in_a_fast_twin_is_named_too():
    class Swapped(rc.LSTM):
        def _backward(self, params, cache, dy, dstate_T):
            grads, dx, (dh, dc) = super()._backward(params, cache, dy, dstate_T)
            return grads, dx, (dc, dh)

    assert checked(Swapped(3, 5, dtype="float64"), method="central").suspects == ("dh_0 and dc_0 swapped",)


@pytest.mark.parametrize(("name", "options"), EXACT)
def test_no_false_alarm_over_200_random_problems(name, options):
    layer, methods = make(name, 2, 3, backend="numpy", **options), ["complex-step", "forward-mode"]
    for seed in range(34 if name in BASIC else 6):  # the basic cells and options: 204
        p = random_problem(layer, seed, T=4, N=3, scale=(0.1, 1.0, 3.0)[seed % 3])
        report = check(layer, p.params, p.x, p.state_0, p.lengths, methods, seed=seed, entries=4)
        assert report.ok, str(report)
