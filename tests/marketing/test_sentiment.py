"""Sentiment: tokens, kinds of outcomes, what is judged and what is answered."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import MADE_UP

from rnncore.errors import DataError
from rnncore.marketing import EventLog, Sentiment, labels, text
from rnncore.marketing.days import span


def log_of(rows):
    """(who, day, said, mood) as a log."""
    frame = pl.DataFrame(rows, schema=["who", "day", "said", "mood"], orient="row", infer_schema_length=None)
    start = datetime.date(2024, 1, 1)
    frame = frame.with_columns(day=pl.lit(start) + pl.duration(days=pl.col("day")))
    return EventLog(frame, customer="who", time="day", text="said", outcome="mood")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Don’t!", ["don't", "!"]),
        ("sooooo", ["soo"]),
        ("@somebody at 10:30", ["<name>", "at", "<number>"]),
        ("see https://a.b/c?d=1 now", ["see", "<address>", "now"]),
        ("#fail :( 😡", ["fail", ":(", "😡"]),
        ("Übel, naïve", ["übel", "naïve"]),
        ("... - ,", []),
        (None, []),
    ],
)
def test_a_text_is_cut_into_tokens(said, found):
    assert text.tokens(said) == found


@given(st.text(max_size=60))
def test_any_text_is_cut_and_a_cut_text_is_cut_no_further(said):
    found = [token for token in text.tokens(said) if not token.startswith("<")]
    assert all(len(text.tokens(token)) == 1 for token in found)


def test_no_name_is_in_the_vocabulary():
    texts = [text.tokens("@alice likes it"), text.tokens("@alice hates it")]
    assert text.vocabulary(texts, most=9, least=2) == ["<name>", "it"]


def test_words_of_one_frequency_are_ordered_by_name_and_cut_to_the_most_frequent():
    assert text.vocabulary([["b", "a", "c"], ["c"]], most=2, least=1) == ["c", "a"]


def test_a_text_is_read_from_its_end_and_unknown_words_are_other():
    found = text.encode([["new", "good", "day"], []], ["good", "day"], latest=3)
    assert found.values.tolist() == [2, 3, text.END, text.END]
    assert found.lengths.tolist() == [3, 1]


@pytest.mark.parametrize("mood", [("bad", "good"), (0, 1), (True, False), (1, 2, 3)])
def test_kinds_are_words_or_whole_numbers(mood):
    log = log_of([("a", n, "x", mood[n % len(mood)]) for n in range(6)])
    kinds = labels.labels(log)
    assert len(kinds) == len(mood)
    assert sorted(labels.coded(log, kinds)) == sorted(np.arange(6) % len(mood))


def test_an_outcome_of_one_kind_or_of_fractions_is_named():
    with pytest.raises(DataError, match=r"outcome has 1 kinds \(good\)"):
        labels.labels(log_of([("a", n, "x", "good") for n in range(3)]))
    with pytest.raises(DataError, match="no whole number"):
        labels.labels(log_of([("a", n, "x", n / 2) for n in range(3)]))


def test_a_kind_that_was_not_told_is_not_judged():
    log = log_of([("a", n, "x", ("bad", "good")[n % 2]) for n in range(10)] + [("a", 11, "x", "ugly")])
    task = Sentiment(horizon=3)
    code, _ = task.told(log, log.first_day + 6)
    assert code["labels"] == ["bad", "good"]
    assert len(task.judged(log, log.first_day + 6, code).target) == 3


def test_the_words_of_the_future_are_not_known():
    log = log_of([("a", n, "old", ("bad", "good")[n % 2]) for n in range(4)] + [("a", 9, "new new", "bad")])
    code, _ = Sentiment(horizon=3, least=1).told(log, log.first_day + 4)
    assert code["words"] == ["old"]


@pytest.mark.parametrize(("texts", "calibrate"), [(3000, "watched and latest"), (600, "watched"), (100, "latest")])
def test_texts_that_were_read_calibrate_nothing_unless_there_are_few(texts, calibrate):
    log = log_of(
        [("a", n * 100 // texts, "good" if n % 3 else "bad", "glad" if n % 2 else "cross") for n in range(texts)]
    )
    told = Sentiment(horizon=20).told(log, log.last_day)[1]
    latest = log.day > log.last_day - span(20)
    expected = {"watched and latest": told.watched & latest, "watched": told.watched, "latest": latest}
    assert np.array_equal(told.newest, expected[calibrate])


def test_where_all_texts_are_of_one_horizon_the_tenth_stops_and_calibrates():
    log = log_of([("a", n // 100, "good" if n % 3 else "bad", "glad" if n % 2 else "cross") for n in range(600)])
    told = Sentiment(horizon=20).told(log, log.last_day)[1]
    assert np.array_equal(told.newest, told.watched)
    assert len(told.stopping()[1].group) == 60


@pytest.mark.parametrize(("shops", "unit"), [(3, "text"), (20, "customer")])
def test_texts_of_many_customers_are_drawn_together_and_of_few_each_by_itself(shops, unit):
    group = np.arange(60) % shops
    groups, of = Sentiment().drawn(None, group, np.ones(60, bool))
    assert of == unit and (groups is None if unit == "text" else np.array_equal(groups, group))


def test_simple_methods_give_probabilities_and_an_untold_kind_none():
    told, y = [["good"], ["bad"], ["good"], ["bad"]], np.array([2, 0, 2, 0])
    found = text.simple_methods(told, y, np.array([False, False, False, True]), [["good"], []], kinds=3)
    for p in (said() for said in found.values()):
        assert np.allclose(p.sum(axis=1), 1) and (p[:, 1] == 0).all()
        assert p[0, 2] > p[0, 0]


@pytest.fixture(scope="module")
def fitted():
    task, frame, words = MADE_UP["sentiment"]()
    log = EventLog(frame, **words)
    return task.set_params(epochs=10, learning_rate=0.03, dropout=0.1).fit(log), log


def test_it_learns_which_words_are_glad_and_which_are_cross(fitted):
    task, log = fitted
    said = pl.DataFrame(task.predict(log))
    assert (said["label"] == pl.Series(log.category("outcome").levels[log.category("outcome").codes])).mean() > 0.8


def test_the_answer_has_a_row_for_every_text_and_its_probabilities_add_up(fitted):
    task, log = fitted
    said = pl.DataFrame(task.predict(log))
    assert said.height == len(log)
    assert np.allclose(said["probability_cross"] + said["probability_glad"], 1)


def test_a_text_that_is_empty_is_answered(fitted):
    task, _ = fitted
    found = pl.DataFrame(task.predict(log_of([("a", 190, None, "glad"), ("b", 191, "good", "glad")])))
    assert found["probability_glad"].is_finite().all()


def test_every_token_of_the_explained_text_has_its_reasons(fitted):
    task, log = fitted
    customer = log.customers[5]
    found = task.explain(log, customer)
    words = [*text.tokens(log.of(customer).words()[-1]), "<end>"]
    assert found.steps == words
    assert np.isfinite(found.removal[:-1]).all() and np.isnan(found.removal[-1])
    assert found.attention is not None and np.isclose(found.attention.sum(), 1)
