"""The metrics against values worked out by hand and laws they must obey."""

import numpy as np
import pytest

from rnncore.errors import ContractError, DataError
from rnncore.marketing import metrics


@pytest.fixture
def case():
    rng = np.random.default_rng(5)
    p = np.round(rng.uniform(size=400), 2)  # rounded: many ties
    return (rng.uniform(size=400) < p).astype(int), p


def test_auroc_is_the_share_of_pairs_ranked_right_with_ties_a_half(case):
    y, p = case
    above = p[y == 1][:, None] - p[y == 0][None, :]
    assert metrics.auroc(y, p) == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean(), abs=1e-12)


def test_log_loss_is_the_mean_of_each_customers_loss(case):
    y, p = case
    expected = -np.mean(np.log(np.where(y == 1, p, 1 - p).clip(1e-12)))
    assert metrics.log_loss(y, p) == pytest.approx(expected, abs=1e-12)


def test_a_certain_and_wrong_probability_costs_much_but_not_infinity():
    assert metrics.log_loss([0, 1], [1.0, 1.0]) == pytest.approx(-np.log(1e-12) / 2, rel=1e-4)


def test_brier_is_the_mean_squared_error(case):
    y, p = case
    assert metrics.brier(y, p) == pytest.approx(np.mean((y - p) ** 2), abs=1e-12)


def test_pr_auc_of_a_constant_is_the_base_rate():
    assert metrics.pr_auc([0, 0, 0, 1], [0.3] * 4) == pytest.approx(0.25)


def test_lift_of_the_best_tenth_by_hand():
    y = np.array([1] * 3 + [0] * 7 + [1] * 7 + [0] * 83)  # 3 of the best 10 have it, 10 of all 100
    assert metrics.lift(y, np.linspace(1, 0, 100)) == pytest.approx(3.0)


def test_lift_of_a_constant_is_one():
    assert metrics.lift([0, 1, 0, 1, 1], [0.5] * 5) == pytest.approx(1.0)


def test_lift_does_not_depend_on_row_order_where_probabilities_are_equal(case):
    y, p = case
    order = np.lexsort((-y, np.round(p, 1)))
    assert metrics.lift(y[order], np.round(p[order], 1)) == metrics.lift(y[order[::-1]], np.round(p[order[::-1]], 1))


def test_gains_curve_runs_from_nobody_to_everybody(case):
    curve = metrics.gains_curve(*case)
    ends = (curve.taken[0], curve.found[0], curve.taken[-1], curve.found[-1])
    assert ends == pytest.approx((0, 0, 1, 1)) and (np.diff(curve.taken) >= 0).all()


def test_calibration_table_adds_up_to_the_whole(case):
    y, p = case
    table = metrics.calibration_table(y, p)
    assert table.customers.sum() == len(y)
    assert (table.customers @ table.observed, table.customers @ table.predicted) == pytest.approx((y.sum(), p.sum()))


def test_calibration_table_has_groups_of_similar_size(case):
    assert len(metrics.calibration_table(*case).customers) == 10
    assert np.ptp(metrics.calibration_table(*case).customers) <= 10


def test_calibration_table_of_a_constant_is_one_group():
    assert metrics.calibration_table([0, 1, 1, 1], [0.5] * 4).customers.tolist() == [4]


def test_bias_is_above_zero_where_too_much_is_promised():
    assert metrics.bias([0, 0, 0, 1], [0.5] * 4) == pytest.approx(0.25)


@pytest.mark.parametrize("probability", [[0.5, np.nan], [0.5, 1.5], [0.5, -0.1]])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(ContractError, match=r"probability: expected numbers in \[0, 1\]"):
        metrics.auroc([0, 1], probability)


@pytest.mark.parametrize("outcome", [[0, 0], [1, 1]])
def test_one_outcome_only_cannot_be_judged(outcome):
    with pytest.raises(DataError, match="both outcomes"):
        metrics.auroc(outcome, [0.1, 0.2])


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(ContractError, match="one row per customer"):
        metrics.log_loss([0, 1], [0.1, 0.2, 0.3])


def test_an_outcome_that_is_not_zero_or_one_is_refused():
    with pytest.raises(ContractError, match="outcome"):
        metrics.brier([0, 2], [0.1, 0.2])


def test_summary_names_every_number(case):
    assert set(metrics.summary(*case)) == {"log_loss", "auroc", "pr_auc", "brier", "lift", "bias"}
