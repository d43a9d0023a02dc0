"""The share of planted errors that a test catches."""

import numpy as np
import pytest
from conftest import BASIC

from rnncore.gradcheck import check, mutants, random_problem, score_oracles, score_test_suite
from rnncore.gradcheck.mutants import LAYERS
from rnncore.gradcheck.planted import PLANTED
from rnncore.gradcheck.score import label_of, table_of

SUBJECTS = [*BASIC, "bidirectional", "stack"]
CLASSIC = mutants("lstm")[:26]


def last_output_check(layer):
    """A common test: h_0 = c_0 = 0, the loss is the sum of the last output, T = 3, N = 1; strict differences."""
    rng = np.random.default_rng(0)
    params, zero = layer.init(0), np.zeros((1, layer.H))
    arrays = {**params, "x": rng.normal(size=(3, 1, layer.D)), "h": zero, "c": zero.copy()}

    def run(a):
        return layer.forward({n: a[n] for n in params}, a["x"], (a["h"], a["c"]))

    y, _, cache = run(arrays)
    grads, dx, (dh, dc) = layer.backward(params, cache, np.eye(3)[2][:, None, None] * np.ones_like(y))
    for name, g in {**grads, "x": dx, "h": dh, "c": dc}.items():
        for index in np.ndindex(g.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = arrays[name].copy()
                moved[index] += step
                ends.append(run({**arrays, name: moved})[0][-1].sum())
            if abs(g[index] - (ends[0] - ends[1]) / 2e-5) > 1e-7 * max(1e-3, abs(g[index])):
                return False
    return True


def test_a_zero_state_last_output_check_misses_a_fifth_of_the_26():
    score = score_test_suite(last_output_check, planted=CLASSIC)
    assert not score.false_alarm
    assert sum(score.caught.values()) == 21
    assert set(score.missed) == {
        "final-state gradient dh_T ignored",
        "final-state gradient dc_T ignored",
        "h_0 missing in dWh",
        "dy only at the last step",
        "db from the first sequence only",
    }


@pytest.mark.parametrize(
    "subject", [pytest.param(s, marks=[] if s == "rnn" else pytest.mark.thorough) for s in SUBJECTS]
)
def test_a_complex_step_check_of_a_random_problem_catches_all(subject):
    def accepts(layer):
        p = random_problem(layer)
        return check(layer, p.params, p.x, p.state_0, p.lengths, "complex-step", entries=8).ok

    score = score_test_suite(accepts, subject)
    assert score.share == 1
    assert not score.false_alarm


def test_a_test_that_accepts_everything_scores_nothing_and_one_that_rejects_everything_raises_an_alarm():
    careless, paranoid = score_test_suite(lambda layer: True, "rnn"), score_test_suite(lambda layer: False, "rnn")
    assert (careless.share, careless.false_alarm) == (0, False)
    assert (paranoid.share, paranoid.false_alarm) == (1, True)
    assert "FALSE ALARM" in str(paranoid)
    assert str(careless).count("MISSED") == len(mutants("rnn"))


def test_a_failed_assertion_is_a_rejection_and_another_exception_goes_through():
    def asserts(layer):
        raise AssertionError

    def breaks(layer):
        raise ZeroDivisionError

    assert score_test_suite(asserts, "rnn").share == 1
    with pytest.raises(ZeroDivisionError):
        score_test_suite(breaks, "rnn")


@pytest.mark.parametrize(
    "subject",
    # of compositions the exact oracles below; differences take long
    [pytest.param(s, marks=[] if s in BASIC else pytest.mark.thorough) for s in SUBJECTS],
)
def test_every_oracle_catches_every_planted_error_and_raises_no_alarm(subject):
    scores = score_oracles(subject, ["complex-step", "forward-mode", "richardson", "central"], entries=5)
    assert {method: score.missed for method, score in scores.items()} == dict.fromkeys(scores, ())
    assert not any(score.false_alarm for score in scores.values())
    assert list(scores["central"].caught) == [label_of(m) for m in mutants(subject)]


@pytest.mark.parametrize("subject", [s for s in (*PLANTED, *LAYERS) if s not in BASIC])
def test_exact_oracles_catch_every_planted_error_of_everything_else_and_raise_no_alarm(subject):
    scores = score_oracles(subject, entries=None if subject in LAYERS else 12)
    assert {method: score.missed for method, score in scores.items()} == dict.fromkeys(scores, ())
    assert not any(score.false_alarm for score in scores.values())


def test_errors_of_a_gradient_that_leaves_parts_out_on_purpose_are_judged_by_forward_mode_alone():
    scores = score_oracles("peephole_lstm")
    truncated = [label_of(m) for m in mutants("peephole_lstm") if m.options == {"gradient": "truncated"}]
    assert truncated and set(truncated) == set(scores["forward-mode"].caught) - set(scores["complex-step"].caught)
    assert [line.split()[-2:] for line in table_of(scores).splitlines() if line.startswith(truncated[0])] == [
        ["-", "caught"]
    ]


def test_the_table_has_a_row_for_each_error_and_the_counts_below():
    lines = table_of(score_oracles("rnn")).splitlines()
    assert len(lines) == 1 + len(mutants("rnn")) + 2
    assert lines[0].split() == ["complex-step", "forward-mode"]
    assert lines[-2].split()[1:] == ["25", "of", "25", "25", "of", "25"]


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("subject", SUBJECTS)
def test_exact_oracles_catch_every_planted_error_in_other_problems_too(subject, seed):
    scores = score_oracles(subject, ["complex-step", "forward-mode"], seed=seed)
    assert {method: score.missed for method, score in scores.items()} == dict.fromkeys(scores, ())
