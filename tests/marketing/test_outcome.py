"""Outcome: what a case may know of its history, what is asked, and what the verdict says of history and case."""

import datetime
import re

import numpy as np
import polars as pl
import pytest
from made_up import MADE_UP, SMALL, unjudged

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, Outcome, OutcomeKind
from rnncore.marketing.learning import cases
from rnncore.marketing.learning.labels import labels
from rnncore.marketing.log.days import span

START = datetime.date(2024, 1, 1)


def log_of(rows):
    """(who, day, way, back) as a log."""
    frame = pl.DataFrame(rows, schema=["who", "day", "way", "back"], orient="row")
    frame = frame.with_columns(day=pl.lit(START) + pl.duration(days=pl.col("day")))
    return EventLog(frame, customer="who", time="day", channel="way", outcome="back")


LOG = log_of([("a", 0, "web", 1), ("a", 5, "web", 0), ("a", 5, "mail", 1), ("a", 9, "web", None), ("b", 3, "web", 0)])


def steps(case, latest=50, known_after=0, log=LOG):
    """Closing, outcome and outcome known of one event's steps, in this order."""
    found = cases.encode(log, np.array([case]), cases.measure(log), latest, known_after)
    return found.histories.values[:, [0, 2, 1]].tolist()


def test_a_case_does_not_know_its_own_outcome_nor_those_of_its_time():
    assert steps(1) == steps(2) == [[0, 1, 1], [1, 0, 0]]


def test_an_earlier_outcome_is_known_from_its_day_on():
    assert [known for _, _, known in steps(3, known_after=4)] == [1, 1, 1, 0]
    assert [known for _, _, known in steps(3, known_after=5)] == [1, 0, 0, 0]
    assert [known for _, _, known in steps(3, known_after=10)] == [0, 0, 0, 0]


def test_a_case_whose_outcome_was_not_known_when_the_log_ended_is_neither_told_nor_judged():
    log = log_of([(f"c{n % 4}", n, "web", n % 2) for n in range(60)])  # a 0 may be one that has not come yet
    task, last = Outcome(horizon=20, known_after=8), log.last_day
    code, told = task.told(log, last)
    assert told.facts.time.max() == last - span(8)
    judged = task.judged(log, last - span(20), code)
    assert len(judged.group) == 12 and judged.facts.time.max() == last - span(8)
    with pytest.raises(DataError, match="no case has a known outcome after 2024-02-24 and by 2024-02-21"):
        task.judged(log, last - span(5), code)


@pytest.mark.parametrize(("task", "kind"), [(Outcome(horizon=20), "1"), (OutcomeKind(horizon=20), "'1'")])
def test_cases_that_all_come_to_the_same_are_a_clear_error_that_names_it(task, kind):
    log = log_of([(f"c{n % 4}", n, "web", n % 2 if n < 40 else 1) for n in range(60)])
    with pytest.raises(DataError, match=f"all 20 outcomes after 2024-02-09 are {kind}: there is nothing to tell apart"):
        task.fit(log)


def test_the_probability_of_an_action_is_not_read_and_the_action_is():
    _, frame, words = MADE_UP["outcome"]()
    frame = frame.with_columns(p=pl.Series(np.random.default_rng(0).uniform(0.1, 1.0, frame.height)))
    log = EventLog(frame, **words, propensity="p", action="what")
    code, told = Outcome(horizon=30).told(log, log.last_day)
    plain = Outcome(horizon=30).told(EventLog(frame, **words, action="what"), log.last_day)[1]
    assert np.array_equal(told.histories.values, plain.histories.values) and told.weight is None
    assert any(name.startswith("action") for name in cases.names(code))


def test_the_latest_steps_are_read_and_the_case_is_one_of_them():
    assert len(steps(3, latest=2)) == 2 and steps(3, latest=1) == [[1, 0, 0]]


def test_the_past_rate_counts_what_was_known():
    facts = cases.encode(LOG, np.arange(5), cases.measure(LOG), 50, 0).facts
    assert facts.known.tolist() == [0, 1, 1, 3, 0]
    assert facts.positive.tolist() == [0, 1, 1, 2, 0]


def test_of_two_words_the_second_in_order_counts():
    log = log_of([("a", 0, "web", "no"), ("b", 1, "web", "yes"), ("b", 2, "web", None)])
    assert cases.words(log) == {"no": "no", "yes": "yes"}
    assert np.array_equal(cases.outcomes(log, cases.words(log)), [0, 1, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (("no", "yes", "maybe"), r"has 3 words \(maybe, no, yes\), .* two, as yes and no: .* outcome-kind"),
        (("no", "no", "no"), r"has 1 word \(no\)"),
        ((0, 1, 2), "an outcome is 2, where it must be 0 or 1, or one of two words: .* as one of categories"),
    ],
)
def test_an_outcome_of_more_than_two_kinds_is_named(back, words):
    log = log_of([(f"c{n % 9}", n, "web", back[n % 3]) for n in range(60)])
    with pytest.raises(DataError, match=words):
        Outcome(horizon=10, **SMALL).fit(log)


def test_a_word_that_first_comes_later_is_no_no():
    log = log_of([("a", 0, "web", "no"), ("b", 1, "web", "yes"), ("b", 2, "web", "unknown")])
    with pytest.raises(DataError, match=r"3 words \(no, unknown, yes\)"):
        cases.outcomes(log, {"yes": "yes"})  # as an older file has it
    with pytest.raises(DataError, match=r"3 words \(no, unknown, yes\)"):
        cases.outcomes(log.where(np.array([False, True, True])), {"yes": "yes", "no": "no"})


@pytest.mark.parametrize(("back", "found"), [("yes", 1.0), ("no", 0.0)])
def test_a_customer_may_have_met_one_of_the_two_words_alone(back, found):
    log = log_of([("a", 0, "web", "no"), ("a", 1, "web", "yes"), ("b", 2, "web", back), ("b", 3, "web", None)])
    assert np.array_equal(cases.outcomes(log.of("b"), {"yes": "yes", "no": "no"}), [found, np.nan], equal_nan=True)


def test_which_of_two_words_was_judged_is_said(fitted):
    assert fitted.came == "had the outcome 'yes'"
    log = log_of([(f"c{n % 9}", n, "web", ("late", "on time")[n % 7 > 2]) for n in range(90)])
    assert Outcome(horizon=30, **SMALL).fit(log).came == "had the outcome 'on time'"


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (list(range(60)), r"has 60 kinds \(0, 1, 2, 3, 4, ...\); .* write the rarer ones as one"),
        ([3] * 60, r"has 1 kind \(3\); .* bring rows of others too"),
        ([0.5, 1.0] * 30, "an outcome is 0.5, and kinds are words or whole numbers: make kinds of such scores"),
    ],
)
def test_outcomes_that_are_no_kinds_are_told_what_would_be(back, words):
    with pytest.raises(DataError, match=words):
        labels(log_of([(f"c{n % 9}", n, "web", back[n]) for n in range(60)]))


def test_a_blank_history_is_that_of_a_new_customer():
    code = cases.measure(LOG)
    late, new = (cases.encode(LOG, np.array([row]), code, 50, 0).histories for row in (3, 0))
    assert np.array_equal(cases.without_history(late, code).values, new.values)  # both on the web


@pytest.fixture(scope="module")
def fitted():
    _, frame, words = MADE_UP["outcome"]()
    return Outcome(horizon=30, cost=3, **SMALL).fit(EventLog(frame, **words))


def test_open_cases_are_answered_and_who_has_none_by_their_latest_event(fitted):
    _, frame, words = MADE_UP["outcome"]()
    late = pl.col("when") > pl.date(2024, 7, 1)
    open_ = frame.with_columns(back=pl.when(late).then(None).otherwise(pl.col("back")))
    asked = open_.group_by("who").agg(pl.max_horizontal(pl.col("back").null_count(), 1))
    assert fitted.predict(EventLog(open_, **words)).height == asked["back"].sum()


def test_a_flag_is_up_from_the_threshold_of_the_cost_on(fitted):
    _, frame, words = MADE_UP["outcome"]()
    found = fitted.predict(EventLog(frame, **words))
    assert fitted.threshold == 0.25
    assert np.array_equal(found["flagged"], found["probability"] >= 0.25)
    assert found["flagged"].n_unique() == 2


def test_where_no_case_has_a_history_the_verdict_says_that_it_adds_nothing():
    rng = np.random.default_rng(0)
    log = log_of([(f"c{n:03d}", n // 3, way, int(rng.random() < p)) for n in range(300) for way, p in [WAYS[n % 2]]])
    reason = Outcome(horizon=30, **SMALL).fit(log).table_.reason
    assert "No case has a history: it adds nothing" in reason


WAYS = (("web", 0.2), ("mail", 0.8))


@pytest.mark.parametrize(("decides", "other"), [("history", "case"), ("case", "history")])
def test_the_score_is_said_to_come_from_where_the_outcome_does(decides, other):
    """The outcome is the sign of the amount, of the case itself or of the event before it."""
    who, turn = np.divmod(np.arange(50 * 10), 10)
    paid = np.random.default_rng(0).normal(size=len(who))
    back = (paid if decides == "case" else np.where(turn > 0, np.roll(paid, 1), 0)) > 0
    day = pl.Series(np.datetime64(START) + turn * 10 + who % 10)
    frame = pl.DataFrame({"who": who, "day": day, "paid": paid, "back": back.astype(int)})
    log = EventLog(frame, customer="who", time="day", value="paid", outcome="back", negative="keep")
    task = Outcome(horizon=30, **SMALL | {"units": 6, "epochs": 10, "patience": 10, "learning_rate": 0.03}).fit(log)
    found = re.findall(r"by ([+-][\d.]+) \[.*?\] without the (\w+)", task.table_.reason)
    worth = {part: float(change) for change, part in found}
    assert worth[decides] > 0.3 and worth[decides] > 5 * worth[other]


def test_the_flags_are_said(fitted):
    for word in ("Flagged as 'yes' from 0.250", "recall"):
        assert word in fitted.table_.reason


@pytest.mark.parametrize(("name", "value"), [("known_after", -1), ("cost", 0.0)])
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ContractError, match=name):
        Outcome(**{name: value}).check()


@pytest.fixture(scope="module")
def three():
    task, frame, words = MADE_UP["outcome-kind"]()
    return task.fit(EventLog(frame, **words)), frame, words


def test_probabilities_of_all_kinds_add_up(three):
    task, frame, words = three
    found = task.predict(EventLog(frame, **words))
    chances = [name for name in found.columns if name.startswith("probability_")]
    assert chances == ["probability_changed", "probability_no", "probability_yes"]
    assert np.allclose(found.select(chances).to_numpy().sum(axis=1), 1)
    best = found.select(chances).to_numpy().argmax(axis=1)
    assert found["kind"].to_list() == [("changed", "no", "yes")[k] for k in best]


def test_an_earlier_kind_has_a_column_of_its_own():
    code = cases.measure(LOG, ["0", "1"])
    steps = cases.encode(LOG, np.array([3]), code, 50, 0).histories.values
    assert cases.names(code)[:4] == ["closing", "outcome known", "outcome: 0", "outcome: 1"]
    binary = cases.encode(LOG, np.array([3]), cases.measure(LOG), 50, 0).histories.values
    assert np.array_equal(steps[:, [0, 1, 3]], binary[:, :3])
    assert np.array_equal(steps[:, 2] + steps[:, 3], steps[:, 1])


def test_of_two_kinds_the_shares_are_those_of_yes_and_no(three):
    _, told = Outcome(horizon=3).told(LOG, LOG.last_day)
    _, kinds = OutcomeKind(horizon=3).told(LOG, LOG.last_day)
    assert kinds.facts.positive[:, 1].tolist() == told.facts.positive.tolist()
    assert kinds.target.tolist() == told.target[:, 0].tolist()


def test_what_the_kinds_come_to_is_said(three):
    for word in ("without the history", "without the case", "Most probable kinds: accuracy"):
        assert word in three[0].table_.reason


@pytest.mark.parametrize("name", ["outcome", "outcome-kind"])
def test_where_the_column_is_empty_every_case_is_answered(name):
    case = MADE_UP[name]()
    task = unjudged(case.task, EventLog(case.frame, **case.words))
    empty = EventLog(case.frame.with_columns(back=pl.lit(None, pl.String)), **case.words)
    assert pl.DataFrame(task.predict(empty)).height == case.frame.height


@pytest.mark.parametrize("late", [True, False])
def test_a_column_filled_in_after_the_outcome_is_named_beside_the_verdict(late):
    rng = np.random.default_rng(0)
    back, day = rng.uniform(size=600) < 0.3, rng.integers(0, 200, 600)
    refund = np.where(back if late else rng.permutation(back), rng.gamma(2.0, 20.0, 600), 0.0)
    who = rng.integers(0, 150, 600)
    frame = pl.DataFrame({"who": who, "day": day, "refund": refund, "back": back.astype(int)})
    frame = frame.with_columns(day=pl.lit(START) + pl.duration(days=pl.col("day")))
    log = EventLog(frame, customer="who", time="day", extras=["refund"], outcome="back")
    table = Outcome(horizon=60, **SMALL).fit(log).table_
    assert ("Leak? Was this column known before the outcome: refund (alone" in table.reason) == late
    judged = frame.filter(pl.col("day") > frame["day"].max() - datetime.timedelta(days=60))
    assert table.judged_on == f"{len(judged)} cases of {judged['who'].n_unique()} customers"
    assert str(table).startswith(table.judged_on)


def test_a_leak_is_seen_in_all_cases_where_few_judge():
    rng = np.random.default_rng(0)
    left, day = np.arange(400) % 5 == 0, np.arange(400) // 2
    frame = pl.DataFrame(
        {"who": np.arange(400), "day": day, "why": np.where(left, "price", None), "left": left.astype(int)}
    )
    frame = frame.with_columns(day=pl.lit(START) + pl.duration(days=pl.col("day")), noise=rng.normal(size=400))
    log = EventLog(frame, customer="who", time="day", extras=["why", "noise"], outcome="left")
    table = Outcome(horizon=20, **SMALL).fit(log).table_
    assert (
        "Leak? Was this column known before the outcome: why (alone" in table.reason and "noise (" not in table.reason
    )
