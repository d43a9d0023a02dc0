"""The command: which twin, which oracle, the tables of planted errors, the pictures and the numbers in them."""

import re

import numpy as np
import pytest

from rnncore.errors import ContractError
from rnncore.gradcheck import GATES, check, command, mutants, plots, random_problem, right_layer

typer_testing = pytest.importorskip("typer.testing")


def run(*words):
    from rnncore.cli import app

    return typer_testing.CliRunner().invoke(app, ["gradcheck", *words])


def test_one_twin_and_one_oracle_can_be_named():
    result = run("rnn", "--twin", "fast", "--method", "forward-mode")
    assert result.exit_code == 0
    assert "textbook" not in result.output
    assert result.output.count("forward-mode to 1e-12") == 4  # two activations, with and without lengths


def test_several_oracles_print_the_matrix_of_agreement():
    result = run("rnn", "--twin", "textbook", "--method", "complex-step", "--method", "forward-mode")
    assert "backward      0e+00" in result.output


def test_the_fast_twin_is_held_against_its_own_methods_where_complex_step_is_asked_for_alone():
    result = run("rnn", "--method", "complex-step")
    assert (result.exit_code, result.output.count("textbook"), result.output.count("fast twin")) == (0, 4, 4)
    assert "forward-mode" in result.output


@pytest.mark.parametrize("words", [("rnn", "--method", "guess"), ("rnn", "--plot", "picture.xyz"), ("gpt",)])
def test_what_cannot_be_used_is_code_2(words):
    assert run(*words).exit_code == 2


def test_mutants_print_the_table_of_errors_by_oracle():
    methods = ("--method", "complex-step", "--method", "forward-mode")  # all five: tests/test_gradcheck_score.py
    result = run("rnn", "--twin", "textbook", "--mutants", *methods)
    assert result.exit_code == 0
    table = result.output[result.output.index("rnn: planted errors") :]
    assert all(m.name in table for m in mutants("rnn"))
    assert "25 of 25" in table
    assert "MISSED" not in table
    assert result.output.count(": planted errors") == 1  # of what was asked for


def test_a_layer_whose_words_name_no_twin_says_which_is_checked():
    titles = [said.text.splitlines()[0] for said in command.reports("attention")]
    for title, twin in zip(titles, ("textbook", "fast twin"), strict=True):
        assert title.startswith("Attention(") and f"dtype='float64'), {twin}: pass" in title


def test_a_composition_is_checked_in_both_twins_and_has_its_own_table():
    result = run("stack", "--mutants", "--method", "forward-mode")
    assert result.exit_code == 0
    assert "backend='numpy'" in result.output and "backend='numba'" in result.output
    assert "stack: planted errors" in result.output and "7 of 7" in result.output


def test_an_oracle_that_misses_an_error_is_a_failure(monkeypatch):
    monkeypatch.setitem(GATES, "complex-step", 1.0)
    assert command.mutant_table("rnn", methods=["complex-step"])[1] == "fail"


def test_the_last_line_adds_up_all_checks():
    words = ("rnn", "--twin", "textbook", "--method", "complex-step", "--method", "central")
    lines = run(*words).output.splitlines()
    heads = [line for line in lines if line.startswith("RNN ")]
    rows = [line.split() for line in lines if line.endswith(("complex-step", "central")) and line.startswith("ok")]
    entries = sum(int(row[3]) for row in rows if row[-1] == "central")
    worst = {o: max(float(row[-2]) for row in rows if row[-1] == o) for o in ("complex-step", "central")}
    said = re.fullmatch(
        r"rnn: every derivative is right; (\d+) checks, (\d+) derivatives, largest error "
        r"(\S+) by complex-step \(passes to 1e-12\), (\S+) by central \(passes to 1e-08\)",
        lines[-1],
    )
    assert (int(said[1]), int(said[2])) == (len(heads), entries)
    assert [said[3], said[4]] == [f"{worst[o]:.0e}" for o in ("complex-step", "central")]


def test_a_failure_is_in_the_last_line():
    wrong = mutants("rnn")[0].layer(3, 5)
    p = random_problem(wrong)
    report = check(wrong, p.params, p.x, p.state_0, p.lengths, entries=5)
    right = command.Said("", "pass", report.blocks[:1])
    assert command.total([right, command.Said("", "fail", report.blocks)]).startswith("FAIL; 1 of 2 checks, ")
    assert command.total([right, command.Said("", "fail")]).startswith("FAIL (a table of planted errors); 1 check, ")


def test_a_picture_that_is_there_is_kept_unless_told(tmp_path):
    (tmp_path / "rnn.png").write_text("mine")
    assert run("rnn", "--plot", str(tmp_path / "rnn.png")).exit_code == 2
    assert (tmp_path / "rnn.png").read_text() == "mine"


def test_a_wrong_derivative_fails_and_doubt_is_not_a_pass():
    assert command.together(["pass", "inconclusive", "fail"]) == "fail"
    assert command.together(["pass", "inconclusive"]) == "inconclusive"
    assert command.together(["pass"]) == "pass"


def test_the_plot_is_a_picture_with_both_panels(tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "rnn.png"
    assert str(file) in command.draw("rnn", str(file))
    assert file.read_bytes()[:4] == b"\x89PNG"
    assert file.stat().st_size > 20_000


def test_a_plot_with_an_unknown_suffix_is_refused_before_anything_is_computed(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ContractError, match=r"picture\.png"):
        command.draw("rnn", str(tmp_path / "rnn.xyz"))


def test_the_error_of_a_difference_is_a_u_and_that_of_complex_step_flat_below():
    steps = np.array([1e-1, 1e-3, 1e-5, 1e-9, 1e-13])
    layer = right_layer("lstm", 3, 5)
    errors = plots.step_size_errors(layer, random_problem(layer), steps, entries=3)
    u = errors["central"]
    assert u[0] > u[1] > u[2] < u[3] < u[4]
    assert errors["complex-step"][3:].max() < 1e-14
    assert errors["backward"].max() < 1e-14


@pytest.mark.parametrize(("name", "good"), [("no carry of dc", [5]), ("truncated after 3 steps", [3, 4, 5])])
def test_the_error_by_time_step_starts_where_the_backward_pass_goes_wrong(name, good):
    layer = next(m for m in mutants("lstm") if m.name == name).layer(3, 5)
    p = random_problem(layer)
    errors = plots.time_step_errors(layer, p, ["complex-step", "forward-mode"])
    for values in errors.values():
        assert np.flatnonzero(values < 1e-12).tolist() == good
