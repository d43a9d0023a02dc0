"""Sentiment: tokens, kinds of outcomes, what is judged and what is answered."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import MADE_UP

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, Sentiment
from rnncore.marketing.commands import asking
from rnncore.marketing.learning import labels
from rnncore.marketing.log.days import span
from rnncore.marketing.shift import watch
from rnncore.marketing.tasks import load
from rnncore.marketing.texts import text


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
        ("<p>i <3 it<br /><br />so</p>", ["i", "<3", "it", "so"]),
        ("质量good", ["质", "量", "good"]),
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
    with pytest.raises(DataError, match=r"outcome has 1 kind \(good\)"):
        labels.labels(log_of([("a", n, "x", "good") for n in range(3)]))
    with pytest.raises(DataError, match=r"an outcome is 0\.5, and kinds are words"):
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


def test_simple_methods_speak_of_the_kinds_that_the_model_knows_whatever_a_later_log_has():
    log = log_of([("a", n, said, said) for n, said in enumerate(["bad", "good", "new"] * 8)])
    task, code = Sentiment(horizon=3), {"labels": ["awful", "bad", "good"], "words": []}
    asked = task.asked(log, log.last_day, code)
    for name, said in task.rivals(task.told(log, log.last_day, code)[1], asked).items():
        p = said() if callable(said) else said
        assert p.shape == (24, 3) and (name == "constant rate" or (p[0].argmax(), p[1].argmax()) == (1, 2))
    code["labels"] = ["awful", "good"]
    with pytest.raises(DataError, match="fewer than 2 kinds"):
        task.told(log, log.last_day, code)


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


ALONE = {"text": "said", "outcome": "mood"}


def texts(number, seed=0):
    """Two columns: what was said, no two alike, and the mood."""
    rng = np.random.default_rng(seed)
    glad = rng.uniform(size=number) < 0.5
    said = [f"{'good' if g else 'bad'} {chr(97 + n % 26)}{chr(97 + n // 26)}" for n, g in enumerate(glad)]
    return pl.DataFrame({"said": said, "mood": np.where(glad, "glad", "cross")})


@pytest.fixture(scope="module")
def alone():
    task, _, _ = MADE_UP["sentiment"]()
    log = EventLog(texts(650), **ALONE)
    return task.set_params(epochs=6, learning_rate=0.03, dropout=0.1).fit(log), log


def test_texts_without_times_are_judged_by_a_fifth_set_aside_by_chance(alone):
    task, log = alone
    assert task.table_.judged_on == "130 texts" and task.table_["rnn"].measures["accuracy"] > 0.9
    assert "set aside by chance and not by time" in task.table_.reason
    assert task.judged_when(task.held_out_.origin) == "set aside by chance" and task.question == "How do they feel?"
    code, told = task.told(work := task.prepare(log), task.origin(work))
    judged = task.judged(work, task.origin(work), code)
    both = [*told.facts[1], *judged.facts[1]]
    assert len(told.group) == 520 and sorted(both) == sorted(map(text.tokens, log.words()))
    assert np.array_equal(told.newest, told.watched) and told.watched.sum() == 52


def test_equal_texts_are_on_one_side_of_each_cut():
    frame = pl.concat([texts(200), texts(200), texts(200)])
    log, task = EventLog(frame, **ALONE), Sentiment()
    work = task.prepare(log)
    sides = pl.DataFrame({"said": frame["said"], "late": work.day > task.origin(work)})
    assert sides.group_by("said").agg(pl.col("late").n_unique())["late"].max() == 1 and sides["late"].sum() == 120
    _, told = task.told(work, task.origin(work))
    read = {tuple(words) for words, own in zip(told.facts[1], told.watched, strict=True) if not own}
    assert not read & {tuple(words) for words, own in zip(told.facts[1], told.watched, strict=True) if own}


def test_the_texts_without_a_kind_are_answered_by_their_rows(alone):
    task, _ = alone
    frame = texts(5).with_columns(mood=pl.lit(None, pl.String))
    for log in (EventLog(frame, **ALONE), EventLog(frame, text="said")):
        said = pl.DataFrame(task.predict(log))
        assert said.columns == ["row", "label", "probability_cross", "probability_glad"]
        assert said["row"].to_list() == [1, 2, 3, 4, 5]


def test_all_texts_of_a_new_file_judge_and_no_simple_method_reads_what_it_speaks_of(alone, monkeypatch):
    task, _ = alone
    rivals, asked_of = Sentiment.rivals, []

    def watched(self, told, asked):
        assert not {*map(tuple, told.facts[1])} & {*map(tuple, asked.facts[1])}
        asked_of.append(len(asked.target))
        return rivals(self, told, asked)

    monkeypatch.setattr(Sentiment, "rivals", watched)
    judged = task.evaluate(EventLog(pl.concat([texts(60, 1), texts(60, 1)]), **ALONE))
    assert (judged.rows, sum(asked_of), len(asked_of)) == (120, 120, 5)
    assert {row.name for row in judged} == {row.name for row in task.table_}
    assert "nor whether the network has read them before" in judged.reason
    assert judged["tf-idf"].measures["accuracy"] > 0.9


def test_a_new_file_of_one_kind_alone_has_no_simple_methods_to_judge_by(alone):
    task, _ = alone
    log = EventLog(pl.DataFrame({"said": ["good", "fine", "bad"], "mood": ["glad", "glad", "cross"]}), **ALONE)
    with pytest.raises(DataError, match="fewer than 2 kinds"):
        task.evaluate(log)
    with pytest.raises(DataError, match="none of the texts set aside has a known outcome"):
        Sentiment(backend="numpy").fit(log)


def test_a_text_is_explained_by_its_row_and_a_saved_model_answers_alike(alone, tmp_path):
    task, log = alone
    found = task.explain(log, 3)
    assert found.steps == [*text.tokens(log.words()[2]), "<end>"]
    task.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert pl.DataFrame(loaded.predict(log)).equals(pl.DataFrame(task.predict(log)))
    assert loaded.question == task.question and loaded.table_ == task.table_


def test_texts_with_a_time_need_no_customer():
    frame = texts(120).with_columns(day=datetime.date(2024, 1, 1) + pl.duration(days=pl.int_range(pl.len()) // 4))
    log = EventLog(frame, time="day", **ALONE)
    task = Sentiment(horizon=5, units=4, epochs=1, backend="numpy", seeds=1).fit(log)
    assert task.table_.judged_on == "20 texts" and "chance" not in task.table_.reason
    assert pl.DataFrame(task.predict(log)).columns[:3] == ["row", "time", "label"]


def test_a_model_that_knows_times_answers_texts_without_them_alike(fitted, tmp_path):
    dated, log = fitted
    said = [f"good {word}" for word in "abcdefghi"] + ["awful", "bad", "so bad"]
    frame = pl.DataFrame({"said": said, "kind": ["glad"] * 9 + ["cross"] * 3})
    again = EventLog(frame, text="said", outcome="kind")
    with_days = frame.with_columns(day=log.first_day.item(), shop=pl.int_range(12))
    one, two = (
        pl.DataFrame(dated.predict(own)).select(pl.col("^probability.*$"))
        for own in (again, EventLog(with_days, customer="shop", time="day", text="said", outcome="kind"))
    )
    assert one.equals(two)
    assert "All texts judge" in dated.evaluate(again).reason
    dated.save(tmp_path / "model.safetensors")
    frame.rename({"kind": "mood"}).write_csv(tmp_path / "new.csv")
    task, read = asking.again(tmp_path / "model.safetensors", tmp_path / "new.csv", {"text": "said"})
    assert not read.dated and pl.DataFrame(task.predict(read)).height == 12


def test_what_needs_times_is_refused_without_them(alone, fitted):
    task, log = alone
    dated, with_times = fitted
    with pytest.raises(DataError, match=r"fitted on texts without times.*time="):
        watch(task, log, "glad")
    with pytest.raises(DataError, match=r"the log has no times.*time="):
        watch(dated, log, "glad")
    with pytest.raises(DataError, match="fitted on a table without times; this is a log with times: leave out the"):
        task.predict(with_times)
    with pytest.raises(ContractError, match="at: expected no day for a table without times"):
        task.predict(log, at="2024-01-01")
