"""Columns as numbers: what was measured on the past is used on what comes, gaps and new levels included."""

import json

import numpy as np
import polars as pl
import pytest

from rnncore.errors import DataError
from rnncore.marketing import EventLog
from rnncore.marketing.learning.features import average, called, encode, gaps, latest, measure, names, of_events
from rnncore.marketing.log.columns import EMPTY, Category, Columns


def columns(numbers, words=None):
    category = {} if words is None else {"way": Category(np.array(words[0]), np.array(words[1], object))}
    return Columns({"paid": np.array(numbers, float)}, category)


def test_numbers_are_standardised_on_the_past():
    past = columns([0.0, 3.0, 100.0, 7.0])
    z = encode(past, measure(past))[:, 0]
    assert z.mean() == pytest.approx(0, abs=1e-6) and z.std() == pytest.approx(1, abs=1e-6)
    assert encode(columns([3.0]), measure(past))[0, 0] == z[1]


def test_a_gap_is_zero_and_its_mask_one():
    past = columns([1.0, np.nan, 5.0])
    rows = encode(past, measure(past))
    assert names(measure(past)) == ["paid", "paid empty"]
    assert rows[1].tolist() == [0.0, 1.0] and rows[[0, 2], 1].tolist() == [0.0, 0.0]


def test_a_gap_where_the_past_has_none_counts_as_average():
    assert encode(columns([np.nan]), measure(columns([1.0, 2.0]))).tolist() == [[0.0]]


def test_losses_are_as_far_as_gains():
    code = measure(columns([-5.0, 5.0]))
    low, high = encode(columns([-5.0, 5.0]), code)[:, 0]
    assert low == -high


def test_new_rare_and_empty_levels():
    past = columns([1.0] * 5, ([0, 0, 1, 2, 2], ["a", "b", "c"]))
    code = measure(past, most=2, least=2)
    assert names(code)[1:] == ["way: other", "way: a", "way: c"]
    later = columns([1.0] * 4, ([0, 1, 2, EMPTY], ["b", "c", "new"]))
    assert encode(later, code)[:, 1:].tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_of_an_average_event_a_category_is_what_it_is_on_average_among_those_that_have_it():
    past = columns([1.0, 2.0, 9.0, np.nan, 4.0, 5.0], ([0, 0, 2, EMPTY, 1, 0], ["a", "b", "c"]))
    code = measure(past, most=1, least=1)
    own = {"what": measure(columns([1.0, 2.0])), "further": code}
    inputs = ["closing", *names(own["what"]), *names(code)]
    assert inputs[2:] == ["paid", "paid empty", "way: other", "way: a"]
    rows = np.concatenate([np.ones((6, 2)), encode(past, code)], axis=1)
    shares = average(rows, inputs, json.loads(json.dumps(own)))
    assert shares[0].tolist() == pytest.approx([0, 0, 0, 0, 2 / 5, 3 / 5])
    assert (shares[[1, 2, 4, 5]] == shares[0]).all() and not shares[3].any()  # what is empty stays so
    there = encode(past, code)[[0, 1, 2, 4, 5], 2:]
    assert there.mean(axis=0) == pytest.approx(shares[0, 4:])


def test_categories_of_events_and_of_customers_of_one_name_each_have_their_own_average():
    often, seldom = (columns([1.0] * 4, (codes, ["a", "b"])) for codes in ([0, 0, 0, 1], [0, 0, 1, 1]))
    own = {"events": measure(often, least=1), "static": measure(seldom, least=1)}
    rows = np.concatenate([encode(often, own["events"]), encode(seldom, own["static"])], axis=1)
    found = average(rows, [*names(own["events"]), *names(own["static"])], own)
    assert found[0].tolist() == [0, 0, 3 / 4, 1 / 4, 0, 0, 1 / 2, 1 / 2]


def test_of_a_code_without_shares_a_category_is_empty_on_average():
    code = measure(columns([1.0, 2.0], ([0, 1], ["a", "b"])), least=1)
    rows = encode(columns([1.0, 2.0], ([0, 1], ["a", "b"])), code)
    del code["shares"]
    assert not average(rows, names(code), code).any()


def test_the_code_is_json_and_gives_the_same_bits():
    past = columns([1.0, 7.3, np.nan], ([0, 1, EMPTY], ["a", "b"]))
    code = measure(past, least=1)
    assert np.array_equal(encode(past, code), encode(past, json.loads(json.dumps(code))))


def test_a_column_that_is_gone_is_named():
    with pytest.raises(DataError, match="fitted with a column 'paid'"):
        encode(Columns(), measure(columns([1.0, 2.0])))


def test_gaps_begin_anew_with_each_customer():
    days = ["2024-01-01", "2024-01-02 12:00", "2024-03-01", "2024-03-01"]
    log = EventLog(pl.DataFrame({"id": [1, 1, 2, 2], "t": days}), customer="id", time="t")
    assert gaps(log).tolist() == [0.0, 1.5, 0.0, 0.0]


def test_roles_that_the_log_does_not_have_are_passed_over():
    log = EventLog(pl.DataFrame({"id": [1], "t": ["2024-01-01"], "v": [2]}), customer="id", time="t", value="v")
    assert of_events(log, ["value", "items", "channel"]).names == ["gap", "value"]


def test_the_latest_rows_of_each_history_are_kept():
    cut = latest(np.arange(6)[:, None], np.array([0, 4, 4, 6]), 3)
    assert cut.values[:, 0].tolist() == [1, 2, 3, 4, 5] and cut.lengths.tolist() == [3, 0, 2]


def test_an_event_is_called_by_its_time_and_its_categories():
    rows = {"id": [1, 1], "t": ["2024-01-01", "2024-01-04 08:30"], "way": ["web", None], "what": ["tea", "cup"]}
    log = EventLog(pl.DataFrame(rows), customer="id", time="t", channel="way", item="what")
    assert [called(log, k) for k in (0, 1)] == ["2024-01-01, web, tea", "2024-01-04 08:30, cup"]
