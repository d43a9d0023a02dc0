"""Each verdict from scores that call for it, the intervals, and how often a verdict is wrong by chance."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from rnncore.errors import ContractError, DataError
from rnncore.marketing import metrics
from rnncore.marketing.judging.judgement import CONSTANT, Judgement
from rnncore.marketing.judging.measures import ABSOLUTE, BINARY, CLASSES, RANK, SQUARED, pinball
from rnncore.marketing.verdict import compare, judge


def draw(seed, n=1500):
    """Outcomes, their true probabilities, and a generator for what the methods make of them."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(0.6, 1.4, n)
    return (rng.uniform(size=n) < truth).astype(int), truth, rng


def blurred(p, rng, noise):
    return expit(logit(np.clip(p, 1e-3, 1 - 1e-3)) + rng.normal(0, noise, len(p)))


@pytest.fixture
def case():
    return draw(1)


def test_a_better_network_is_worth_it(case):
    y, truth, rng = case
    assert judge(y, truth, {"rule": blurred(truth, rng, 1.0)}, 0.3).verdict == "rnn"


def test_a_worse_network_is_not(case):
    y, truth, rng = case
    assert judge(y, blurred(truth, rng, 1.0), {"rule": truth}, 0.3).verdict == "baseline:rule"


@pytest.mark.parametrize("apart", [1e-15, 1e-8])
def test_a_difference_that_is_rounding_is_no_signal(apart):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    known = np.full((300, 3), 1 / 3)
    nearly = known * (1 + apart)  # each row better by as little: the interval has no width
    found = compare(y, {"rnn": rng.dirichlet([9, 9, 9], 300), "shares": nearly, CONSTANT: known}, CLASSES)
    assert found.verdict == "no signal"


def test_the_best_of_several_simple_methods_is_named(case):
    y, truth, rng = case
    rules = {"poor": blurred(truth, rng, 2.0), "good": truth, "fair": blurred(truth, rng, 1.0)}
    assert judge(y, blurred(truth, rng, 1.0), rules, 0.3).verdict == "baseline:good"


def test_an_equal_network_is_not_worth_it(case):
    y, truth, _ = case
    assert judge(y, truth, {"rule": truth}, 0.3).verdict == "baseline:rule"


def test_a_network_that_is_better_by_chance_at_most_is_not_worth_it(case):
    y, truth, _ = case
    judged = judge(y, np.clip(truth + 1e-3 * (y - 0.5), 0, 1), {"rule": truth + 1e-9 * y}, 0.3)
    barely = judge(y, np.where(np.arange(len(y)) == np.flatnonzero(y)[0], 0.99, truth), {"rule": truth}, 0.3)
    assert judged.verdict == "rnn" and barely.verdict == "baseline:rule"


def test_without_signal_nothing_is_named(case):
    y, truth, rng = case
    noise = rng.permutation(truth)
    assert judge(y, noise, {"rule": rng.permutation(noise)}, y.mean()).verdict == "no signal"


def test_a_better_guess_of_the_rate_is_no_signal(case):
    y, _, rng = case
    near = np.clip(y.mean() + rng.normal(0, 1e-3, len(y)), 0, 1)  # the constant rate is far off, the ranking is noise
    assert judge(y, near, {"rule": near[::-1]}, 0.6).verdict == "no signal"


def test_a_network_must_beat_the_constant_rate_too(case):
    y, truth, rng = case
    assert judge(y, rng.permutation(truth), {"rule": 1 - truth}, y.mean()).verdict == "no signal"


def test_a_network_with_signal_beside_a_useless_rule_is_worth_it(case):
    y, truth, rng = case
    assert judge(y, truth, {"rule": rng.permutation(truth)}, y.mean()).verdict == "rnn"


def test_a_network_rarely_wins_where_it_is_no_better():
    def one(seed):
        y, truth, rng = draw(seed, 300)
        return judge(y, blurred(truth, rng, 0.5), {"rule": blurred(truth, rng, 0.5)}, 0.3, resamples=200).verdict

    wins = sum(one(seed) == "rnn" for seed in range(80))
    assert wins <= 7  # expected are 2.5 %, 2; more than 7 has a chance of 0.1 %


def test_a_signal_is_rarely_seen_where_there_is_none():
    def one(seed):
        rng = np.random.default_rng(seed)
        y = (rng.uniform(size=300) < 0.3).astype(int)
        mild = {name: blurred(np.full(300, 0.3), rng, 0.1) for name in ("network", "rule")}
        return judge(y, mild.pop("network"), mild, 0.3, resamples=200).verdict

    assert sum(one(seed) != "no signal" for seed in range(100)) <= 11  # two methods, each wrong in 2.5 %


def test_a_network_that_is_clearly_better_is_found_almost_always():
    def one(seed):
        y, truth, rng = draw(seed, 1000)
        return judge(y, truth, {"rule": blurred(truth, rng, 1.0)}, 0.3, resamples=200).verdict

    assert sum(one(seed) == "rnn" for seed in range(50)) >= 48


def test_the_interval_of_a_gap_is_that_of_its_mean(case):
    y, truth, rng = case
    rule = blurred(truth, rng, 0.5)
    gap = judge(y, truth, {"rule": rule}, 0.3, resamples=4000)["rule"].gap
    each = metrics.log_losses(y, rule) - metrics.log_losses(y, truth)
    error = 1.96 * each.std() / np.sqrt(len(y))
    assert gap == pytest.approx((each.mean(), each.mean() - error, each.mean() + error), abs=0.06 * error)


def test_the_interval_of_the_auroc_is_that_of_drawing_customers_again(case):
    y, truth, rng = case
    auroc = judge(y, truth, {"rule": truth}, 0.3, resamples=2000)["rnn"].auroc
    times, order = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=1000), np.argsort(truth)
    yes, no = (times * y)[:, order], (times * (1 - y))[:, order]
    shares = (yes * np.cumsum(no, axis=1)).sum(axis=1) / (yes.sum(axis=1) * no.sum(axis=1))
    low, high = np.quantile(shares, [0.025, 0.975])
    assert auroc == pytest.approx((metrics.auroc(y, truth), low, high), abs=0.0025)


def test_the_numbers_of_a_row_are_the_metrics(case):
    y, truth, _ = case
    row, expected = judge(y, truth, {}, 0.3)["rnn"], metrics.summary(y, truth)
    found = {"log_loss": row.loss.value, "auroc": row.auroc.value}
    found |= {name.lower().replace("-", "_"): number for name, number in row.measures.items()}
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_same_seed_gives_the_same_judgement(case):
    y, truth, rng = case
    rule = blurred(truth, rng, 0.5)
    assert judge(y, truth, {"rule": rule}, 0.3, seed=4) == judge(y, truth, {"rule": rule}, 0.3, seed=4)


def test_another_seed_gives_other_intervals_of_the_same_numbers(case):
    y, truth, _ = case
    one, other = (judge(y, truth, {}, 0.3, seed=seed)["rnn"].loss for seed in (0, 1))
    assert one.value == other.value and one.low != other.low


def test_the_table_shows_all_rivals_the_best_first(case):
    y, truth, rng = case
    judged = judge(y, blurred(truth, rng, 1.0), {"rule": truth}, 0.3)
    assert judged.columns()["method"] == ["rule", "rnn", CONSTANT]


def test_the_printed_table_ends_with_the_verdict_and_its_reason(case):
    y, truth, _ = case
    judged = judge(y, truth, {"rule": truth}, 0.3)
    assert str(judged).splitlines()[-1] == f"verdict: baseline:rule. {judged.reason}"


def test_a_network_that_only_ranks_better_is_not_worth_it_but_that_is_said(case):
    y, truth, rng = case
    judged = judge(y, truth**2, {"rule": blurred(truth, rng, 0.5)}, 0.3)  # the order is right, the numbers are not
    assert judged.verdict == "baseline:rule" and "ranks better" in judged.reason


def test_the_arguments_are_left_alone(case):
    y, truth, _ = case
    before = truth.copy()
    truth.flags.writeable = y.flags.writeable = False
    judge(y, truth, {"rule": truth}, 0.3)
    assert np.array_equal(before, truth)


def test_a_method_that_is_not_there_is_a_clear_error(case):
    y, truth, _ = case
    with pytest.raises(KeyError, match="there are rnn"):
        judge(y, truth, {}, 0.3)["lstm"]


def test_one_outcome_only_cannot_be_judged():
    with pytest.raises(DataError, match="both outcomes"):
        judge([1, 1], [0.5, 0.5], {}, 0.5)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"baselines": {"rnn": [0.1, 0.2]}}, "baselines"),
        ({"resamples": 5}, "resamples"),
        ({"confidence": 95}, "confidence"),
    ],
)
def test_a_wrong_argument_is_named(argument, words):
    arguments = {"baselines": {}, "resamples": 100, "confidence": 0.9} | argument
    baselines = arguments.pop("baselines")
    with pytest.raises(ContractError, match=words):
        judge([0, 1], [0.2, 0.4], baselines, 0.5, **arguments)


# other losses than that of yes and no


def amounts(seed=0, n=400):
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 5.0, n)
    return rng.poisson(mean).astype(float), mean, rng


@pytest.mark.parametrize("measure", [ABSOLUTE, SQUARED])
def test_numbers_are_judged_by_their_errors(measure):
    y, mean, _ = amounts()
    table = compare(y, {"rnn": mean, "twice": 2 * mean, "mean": np.full(len(y), y.mean())}, measure, reference="mean")
    assert table.verdict == "rnn"
    assert table["twice"].loss.value == pytest.approx(measure.losses(y, 2 * mean).mean())


def test_numbers_without_signal_are_no_signal():
    y, mean, rng = amounts()
    wrong = {"rnn": rng.permutation(mean), "rule": rng.permutation(mean), "mean": np.full(len(y), np.median(y))}
    table = compare(y, wrong, ABSOLUTE, reference="mean")
    assert (table.verdict, table.rate) == ("no signal", None)
    assert "beats the mean" in table.reason


def test_quantiles_are_judged_by_the_pinball_loss_and_their_coverage():
    y, mean, rng = amounts()
    levels = np.array([0.1, 0.5, 0.9])
    right = np.quantile(rng.poisson(mean[:, None], (len(y), 500)), levels, axis=1).T
    flat = np.tile(np.quantile(y, levels), (len(y), 1))
    table = compare(y, {"rnn": right, "flat": flat}, pinball(levels), reference="flat")
    assert table.verdict == "rnn"
    assert table["rnn"].measures["inside 0.1-0.9"] == pytest.approx(0.85, abs=0.07)


def test_classes_are_judged_by_the_log_loss_of_what_came():
    rng = np.random.default_rng(3)
    p = rng.dirichlet([0.5, 0.5, 0.5], 400)
    y = (p.cumsum(axis=1) < rng.uniform(size=(400, 1))).sum(axis=1)
    table = compare(y, {"rnn": p, "share": np.full((400, 3), 1 / 3)}, CLASSES, reference="share")
    assert table.verdict == "rnn"
    assert table["share"].loss.value == pytest.approx(np.log(3))
    assert table["rnn"].measures["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean())


def test_ranks_are_judged_by_the_reciprocal():
    rank = np.array([1.0, 2.0, 4.0, 21.0])
    row = compare(np.zeros(4), {"rnn": rank, "popularity": rank + 1}, RANK, reference="popularity")["rnn"]
    assert row.loss.value == pytest.approx(1 - (1 + 1 / 2 + 1 / 4 + 1 / 21) / 4)
    assert row.measures["HR@10"] == 0.75 and row.measures["MRR@20"] == pytest.approx(1.75 / 4)


def test_rows_of_one_customer_are_drawn_together():
    y, mean, _ = amounts(n=50)
    group = np.repeat(np.arange(50), 20)
    many = {"rnn": np.repeat(mean, 20), "mean": np.full(1000, y.mean())}
    alone = compare(y, {"rnn": mean, "mean": np.full(50, y.mean())}, ABSOLUTE, reference="mean")["mean"].gap
    grouped = compare(np.repeat(y, 20), many, ABSOLUTE, reference="mean", groups=group)["mean"].gap
    loose = compare(np.repeat(y, 20), many, ABSOLUTE, reference="mean")["mean"].gap
    assert grouped == pytest.approx(alone, rel=1e-9)
    assert loose.high - loose.low < 0.4 * (alone.high - alone.low)


def test_an_interval_of_few_customers_holds_as_often_as_it_says():
    def holds(seed, n=6):
        found = compare(np.zeros(n), scores(np.random.default_rng(seed).normal(size=n)), ABSOLUTE, resamples=200)
        return found["flat"].gap.low <= 0 <= found["flat"].gap.high

    def scores(apart):  # absolute errors are 5 and 5 + apart: a gap of mean 0
        return {"rnn": np.full(len(apart), 5.0), "flat": 5.0 + apart, CONSTANT: np.full(len(apart), 9.0)}

    assert 276 <= sum(holds(seed) for seed in range(300)) <= 295  # 95 % are 285; not widened it is 83 %


def test_an_interval_of_few_customers_stays_where_its_number_can_be():
    y = np.arange(12) % 2
    sure = np.where(y == 1, 0.9, 0.1)
    sure[:2] = 0.6, 0.5  # one pair of 36 in the wrong order
    table = judge(y, sure, {"wrong": 1 - sure}, 0.5)
    assert table["rnn"].auroc.high == 1.0 and table["wrong"].auroc.low == 0.0
    assert table["wrong"].auroc_gap.high == 1.0 and table["rnn"].loss.low >= 0.0
    rank = np.array([1.0, 90.0, 90.0, 90.0])
    few = compare(np.zeros(4), {"rnn": rank, "popularity": rank[::-1]}, RANK, reference="popularity")
    assert few["rnn"].loss.high == 1.0 and few["popularity"].gap.low >= -1.0


def test_a_method_that_is_lower_but_does_not_beat_the_reference_is_named_in_the_reason_alone():
    errors = {"rnn": np.full(40, 1.0), "steady": np.full(40, 0.9), "wild": np.tile([0.0, 0.0, 2.6], 14)[:40]}
    table = compare(np.zeros(40), {**errors, "mean": np.full(40, 1.0)}, ABSOLUTE, reference="mean")
    assert table.rivals[0].name == "wild" and table.verdict == "baseline:steady"
    assert table.reason.endswith("That of wild is lower still, but it does not clearly beat the mean.")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (np.full(40, 2.0), "is higher than that of rule"),
        (np.tile([0.0, 2.2], 20), "is higher, though not clearly, than that of rule"),
        (np.tile([0.0, 1.8], 20), "is not clearly lower than that of rule"),
        (np.full(40, 0.5), "Its MAE is lower than that of the best simple method, rule"),
    ],
)
def test_the_reason_says_how_the_losses_compare_and_which_is_taken_from_which(error, words):
    table = compare(
        np.zeros(40), {"rnn": error, "rule": np.ones(40), "mean": np.full(40, 3.0)}, ABSOLUTE, reference="mean"
    )
    gap = table["rule"].gap
    assert gap.value == pytest.approx(1 - error.mean())
    apart = f"{gap.value:+.4f}, 95 % interval {gap.low:+.4f} to {gap.high:+.4f}"
    assert table.reason.endswith(f"{words} (that of rule minus the network's: {apart}).")


def test_all_rows_of_one_customer_are_no_evidence(case):
    y, truth, _ = case
    with pytest.raises(DataError, match="all that came is of one customer"):
        compare(y, {"rnn": truth, CONSTANT: np.full(len(y), 0.3)}, BINARY, groups=np.zeros(len(y)))


def test_the_auroc_of_grouped_rows_is_that_of_all_rows(case):
    y, truth, rng = case
    group = rng.integers(0, 200, len(y))
    scores = {"rnn": truth, CONSTANT: np.full(len(y), 0.3)}
    assert compare(y, scores, BINARY, groups=group)["rnn"].auroc.value == pytest.approx(metrics.auroc(y, truth))


@pytest.mark.parametrize("measure", [ABSOLUTE, CLASSES])
def test_a_judgement_of_any_kind_comes_back_from_json(measure):
    y = np.array([0, 1, 1, 0])
    p = np.full((4, 2), 0.5) if measure is CLASSES else np.full(4, 0.5)
    table = compare(y, {"rnn": p, "mean": p}, measure, reference="mean")
    assert Judgement.from_json(table.to_json()) == table
    written = table.to_json()
    for row in written["rivals"]:
        row["measures"] = dict(row["measures"])  # as files from an earlier rnncore have them
    assert Judgement.from_json(written) == table


def test_a_prediction_that_is_missing_or_not_finite_is_refused():
    with pytest.raises(ContractError, match="'mean' among them"):
        compare(np.ones(3), {"rnn": np.ones(3)}, ABSOLUTE, reference="mean")
    with pytest.raises(ContractError, match="a finite row for each target"):
        compare(np.ones(2), {"rnn": np.array([1.0, np.nan]), "mean": np.ones(2)}, ABSOLUTE, reference="mean")


def test_a_file_that_sorts_names_leaves_the_columns_of_a_table_in_their_order():
    y, p = np.array([0, 1, 1, 0]), np.full((4, 2), 0.5)
    table = compare(y, {"rnn": p, "mean": p}, CLASSES, reference="mean")
    again = Judgement.from_json(json.loads(json.dumps(table.to_json(), sort_keys=True)))
    assert list(again.columns()) == list(table.columns())
