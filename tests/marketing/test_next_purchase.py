"""NextPurchase: what is in a history, ranks by hand, what cannot come, and scores from a carried state."""

import numpy as np
import polars as pl
import pytest
from made_up import SMALL, purchases

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.marketing import EventLog, NextPurchase
from rnncore.marketing.items import cut, items_of, rank, simple_scores

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


def test_what_was_seen_is_left_out(log, fitted):
    task = NextPurchase(horizon=30, k=12, least=1, latest=4, exclude="seen", **SMALL).fit(log)
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
    for wrong in ({"exclude": "all"}, {"available": "i01"}, {"k": 0}, {"session": -1.0}):
        with pytest.raises(ContractError, match=next(iter(wrong))):
            NextPurchase(**wrong).fit(log)


def test_scores_from_a_carried_state_are_those_of_the_whole_history(fitted):
    ids = np.random.default_rng(0).integers(0, 12, 30)
    stream = rc.Stream(fitted.live_, fitted.params_[0])
    for n, item in enumerate(ids, 1):
        carried = stream.step("ann", int(item))
        whole = fitted.network_.forward(fitted.params_[0], ids[:n, None])[0][0]
        assert np.allclose(carried, whole, rtol=1e-5, atol=1e-6)
