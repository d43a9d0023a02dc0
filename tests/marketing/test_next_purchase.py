"""NextPurchase: what is in a history, ranks by hand, what cannot come, and scores from a carried state."""

import datetime
from contextlib import suppress
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import SMALL, purchases, unjudged
from sklearn.base import clone

import rnncore as rc
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, NextPurchase, next_purchase
from rnncore.marketing.customers import item_answers
from rnncore.marketing.customers.items import cut, items_of, rank, simple_scores
from rnncore.marketing.learning.networks import outputs
from rnncore.marketing.log.days import span
from rnncore.sequences import Histories

WORDS = {"customer": "who", "time": "when", "item": "what"}


@pytest.fixture(scope="module")
def log():
    return EventLog(purchases(), **WORDS)


@pytest.fixture(scope="module")
def fitted(log):
    return NextPurchase(horizon=30, k=12, least=1, latest=4, **SMALL).fit(log)


def basket(**words):
    days = ["2024-01-01", "2024-01-02", "2024-01-02", "2024-02-09", "2024-02-10"]
    frame = pl.DataFrame({"who": [1] * 5, "when": days, "what": list("abcab"), "place": range(5)})
    return EventLog(frame, **WORDS, **words)


def test_events_of_one_time_are_not_in_each_others_history():
    assert items_of(basket(), list("abc")).high.tolist() == [0, 1, 1, 3, 4]


def test_an_order_column_orders_them():
    assert items_of(basket(order="place"), list("abc")).high.tolist() == [0, 1, 2, 3, 4]


def test_a_session_begins_after_so_many_days():
    found = items_of(basket(), list("abc"), session=7)
    assert found.low.tolist() == [0, 0, 0, 3, 3]
    assert found.askable.tolist() == [1, 2, 4]


def test_ranks_count_ties_in_the_order_of_popularity_and_pass_over_what_cannot_come():
    scores = np.array([[9.0, 0.3, 0.5, 0.3, 0.3]] * 4)
    barred = np.zeros((4, 5), bool)
    barred[:, 0] = True
    barred[3, 1] = True
    assert rank(scores, barred, np.array([2, 1, 4, 4])).tolist() == [1, 2, 4, 3]


def test_a_score_that_is_not_a_number_has_no_rank():
    scores = np.array([[0.0, np.nan, 0.5], [0.0, 0.2, 0.5]])
    found = rank(scores, np.zeros((2, 3), bool), np.array([2, 2]))
    assert np.isnan(found[0]) and found[1] == 1


def test_the_simple_methods_by_hand():
    past = items_of(basket(order="place"), list("abc"))  # a b c a b
    scores = simple_scores(past, cut(np.array([3, 1]), np.array([0]), np.array([2])), 4)
    assert scores["popularity"].tolist() == [[0, 2, 2, 1]]
    assert scores["Markov-1"].tolist() == [[0, 0, 2, 0]]  # a -> b twice
    assert scores["window-Markov"].tolist() == [[0, 2, 4, 1]]  # of c: a, b; of a: b, c, a, b, b
    assert np.allclose(scores["item-kNN"], [[0, 1, 2, 1]])


def test_what_was_seen_is_left_out():
    frame = purchases()
    bought = np.random.default_rng(0).integers(12, size=frame.height)  # anything: many buy what they had not yet
    log = EventLog(frame.with_columns(what=pl.Series([f"i{k:02d}" for k in bought])), **WORDS)
    task = NextPurchase(horizon=60, k=12, least=1, latest=4, exclude="seen", **SMALL).fit(log)
    answer = pl.DataFrame(task.predict(log))
    item = log.category("item")
    for n, row in enumerate(answer.select(pl.col("^item_.*$")).rows()):
        had = set(item.levels[item.codes[log.offsets[n] : log.offsets[n + 1]]])
        assert not had & set(row)
        assert len(had) + len(set(row) - {""}) == len(item.levels)


def test_only_what_is_available_is_named_and_its_probabilities_add_up_to_one(log):
    task = NextPurchase(horizon=30, k=3, least=1, latest=4, available=["i01", "i05"], **SMALL).fit(log)
    answer = pl.DataFrame(task.predict(log))
    assert set(answer["item_1"]) | set(answer["item_2"]) == {"i01", "i05"}
    assert set(answer["item_3"]) == {""} and set(answer["probability_3"]) == {0.0}
    assert np.allclose(answer["probability_1"] + answer["probability_2"], 1.0)


def test_a_wrong_word_is_named(log):
    for wrong in ({"exclude": "all"}, {"candidates": -1}, {"available": "i01"}, {"k": 0}, {"session": -1.0}):
        with pytest.raises(ContractError, match=next(iter(wrong))):
            NextPurchase(**wrong).fit(log)


def test_scores_from_a_carried_state_are_those_of_the_whole_history(fitted):
    ids = np.random.default_rng(0).integers(0, 12, 30)
    live, whole = (network.using(dtype="float64") for network in (fitted.live_, fitted.network_))
    params = {name: a.astype(np.float64) for name, a in fitted.params_[0].items()}
    stream = rc.Stream(live, params)
    for n, item in enumerate(ids, 1):
        carried = stream.step("ann", int(item))
        assert np.allclose(carried, whole.forward(params, ids[:n, None])[0][0], rtol=0, atol=1e-12)


def test_in_float32_they_are_bitwise_those_of_the_steps_of_one_pass(fitted):
    ids = np.random.default_rng(1).integers(0, 12, 30)
    stream = rc.Stream(fitted.live_, fitted.params_[0])
    whole = rc.predict(fitted.live_, fitted.params_[0], ids[:, None])[0][:, 0]
    assert all(np.array_equal(stream.step("ann", int(item)), y) for item, y in zip(ids, whole, strict=True))


def test_the_mean_of_a_stream_for_each_of_several_networks_is_what_they_say_of_the_whole_history(log):
    task = NextPurchase(horizon=30, least=1, latest=30, **SMALL | {"seeds": 2, "epochs": 1}).fit(log)
    ids = np.random.default_rng(2).integers(0, 12, 30)
    whole = outputs(task.network_, task.params_, Histories(ids, np.array([0, 30])))[0]
    streams = [rc.Stream(task.live_, own) for own in task.params_]
    for item in ids:
        carried = np.mean([stream.step("ann", int(item)) for stream in streams], axis=0)
    assert np.allclose(carried, whole, rtol=0, atol=1e-6)


def test_equal_scores_are_answered_in_the_order_of_popularity_and_then_of_names(log, fitted):
    day = log.last_day
    asked = fitted.asked(fitted.prepare(log), day, fitted.code_)
    level = np.full((len(asked.group), len(fitted.code_["items"]) + 1), 0.5)
    found = fitted.answer(level, asked)
    item = log.category("item")
    counts = np.bincount(item.codes, minlength=len(item.levels))
    order = sorted(range(len(counts)), key=lambda k: (-counts[k], item.levels[k]))
    assert [found[f"item_{k + 1}"][0] for k in range(12)] == [item.levels[k] for k in order]


@given(seed=st.integers(0, 10**6), seen=st.booleans(), few=st.booleans())
def test_what_cannot_come_is_never_answered_judged_or_ranked_before_anything(log, fitted, seed, seen, few):
    available = ["i01", "i05", "i07", "never heard of"] if few else None
    task = clone(fitted).set_params(exclude="seen" if seen else "none", available=available, k=13)
    work, rng = task.prepare(log), np.random.default_rng(seed)
    origin = log.last_day - span(int(rng.integers(20, 60)))
    questions = [task.asked(work, origin, fitted.code_)]
    with suppress(DataError):  # all that came had been had before
        questions.append(task.judged(work, origin, fitted.code_))
    for asked in questions:
        score = rng.integers(0, 3, (len(asked.group), 13)) / 2  # many ties
        barred, item = asked.facts.barred, work.category("item")
        answer = task.answer(score, asked._replace(target=None))
        names = ["", *fitted.code_["items"]]
        for row, who in enumerate(asked.group):
            said = [answer[f"item_{k + 1}"][row] for k in range(12)]
            can = [k for k in range(13) if not barred[row, k]]
            assert said == [names[k] for k in sorted(can, key=lambda k: -score[row, k])] + [""] * (12 - len(can))
            before = work.offsets[who] + np.searchsorted(work.day[slice(*work.offsets[who : who + 2])], origin, "right")
            if seen:
                assert not set(item.levels[item.codes[work.offsets[who] : before]]) & set(said)
            if few:
                assert set(said) <= {"", *available}
        if asked.target is not None:
            ranks = rank(score, barred, asked.target)
            assert not barred[np.arange(len(ranks)), asked.target].any()
            assert (ranks <= (~barred).sum(axis=1)).all()


def test_no_more_items_are_named_than_there_are():
    log = chains(items=3)
    task = NextPurchase(horizon=4, k=10, **SMALL).fit(log)
    said = pl.DataFrame(task.predict(log))
    assert said.columns[1:] == [f"{what}_{n}" for what in ("item", "probability") for n in (1, 2, 3)]
    assert np.allclose(said.select("^probability_.*$").sum_horizontal(), 1)


def test_answers_of_a_few_rows_at_a_time_are_those_of_all(log, fitted, monkeypatch):
    whole = pl.DataFrame(fitted.predict(log))
    monkeypatch.setattr(item_answers, "CELLS", 13 * 7)
    parts = pl.DataFrame(fitted.predict(log))
    assert len(list(fitted.parts(fitted.asked(log, log.last_day, fitted.code_)))) == -(-len(log.customers) // 7)
    assert whole.select(pl.col("^item_.*$")).equals(parts.select(pl.col("^item_.*$")))
    numbers = pl.col("^probability_.*$")
    assert np.allclose(whole.select(numbers).to_numpy(), parts.select(numbers).to_numpy(), rtol=1e-5)


def chains(customers=60, length=25, items=12):
    """The item after item k is k + 1, three times in four; the first ones are the popular ones."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(customers):
        k = 0
        for d in range(length):
            rows.append((n, f"2024-01-{d + 1:02d}", f"i{k:02d}"))
            k = (k + 1) % items if rng.uniform() < 0.75 else int(rng.zipf(1.5) % items)
    return EventLog(pl.DataFrame(rows, schema=["who", "when", "what"], orient="row"), **WORDS)


def test_a_loss_over_drawn_items_learns_what_comes_next_and_is_the_default_of_many_items(monkeypatch):
    log, words = chains(), {"horizon": 6, "least": 1, "units": 16, "epochs": 8, "learning_rate": 0.03, "latest": 4}
    fit = partial(NextPurchase, **words, patience=12, seeds=1, backend="numpy", batch_size=32)
    drawn, whole = fit(candidates=6).fit(log), fit().fit(log)
    assert drawn.params_[0]["E"].tobytes() != whole.params_[0]["E"].tobytes()
    score = {name: (1 / p).mean() for name, p in drawn.held_out_.prediction.items()}
    assert score["rnn"] > score["popularity"] + 0.3
    assert score["rnn"] > (1 / whole.held_out_.prediction["rnn"]).mean() - 0.1
    monkeypatch.setattr(next_purchase, "FULL", 12)
    few, named = unjudged(fit(epochs=1), log), unjudged(fit(epochs=1, candidates=1000), log)
    assert few.params_[0]["E"].tobytes() == named.params_[0]["E"].tobytes()


def test_items_are_drawn_as_often_as_they_came_and_other_never(log, monkeypatch):
    caught = {}

    def learn(task, code, told, *, loss, **words):
        caught.update(loss=loss, told=told, code=code)

    monkeypatch.setattr(next_purchase, "learn", learn)
    task = NextPurchase(horizon=30, least=30, candidates=7, **SMALL)
    work = task.prepare(log)
    task.learned(*task.told(work, log.last_day))
    popularity = caught["loss"].keywords["popularity"]
    item = log.category("item")
    count = dict(zip(item.levels, np.bincount(item.codes, minlength=len(item.levels)), strict=True))
    assert popularity.tolist() == [0.0, *(float(count[name]) for name in caught["code"]["items"])]
    assert caught["loss"].keywords["candidates"] == 7 and caught["loss"].func is rc.losses.drawn_softmax


def test_a_later_log_in_which_another_item_is_the_most_popular_misleads_no_simple_method():
    """a, b, c, a ... and d, d ...: Markov-1 is always right, whichever item has the number 1."""
    active = [*[("abc", 0, 60)] * 20, *[("abc", 0, 120)] * 4, ("d", 0, 120), *[("d", 85, 120)] * 40]
    rows = [
        (who, datetime.date(2024, 1, 1) + datetime.timedelta(days=day), items[k % len(items)])
        for who, (items, first, last) in enumerate(active)
        for k, day in enumerate(range(first, last, 3))
    ]
    log = EventLog(pl.DataFrame(rows, schema=["who", "when", "what"], orient="row"), **WORDS)
    task = NextPurchase(horizon=10, k=2, latest=4, **SMALL).fit(log.until(log.first_day + span(79)))
    assert task.code_["items"] == ["a", "b", "c", "d"] and log.category("item").common(1) == ["d"]
    assert task.evaluate(log)["Markov-1"].loss.value == 0
