"""Credit for conversions: known numbers, brute force, and what every rule must keep."""

import csv
import itertools
import math

import numpy as np
import pytest
from conftest import data_folder
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError, DataError
from rnncore.marketing.journeys import attribution
from rnncore.marketing.journeys.attribution import RULES, intervals, markov, paths, removal_effects, shapley

journey = st.tuples(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6), st.integers(0, 5), st.integers(0, 5))
logs = st.lists(journey, min_size=1, max_size=8).filter(lambda rows: sum(won for _, won, _ in rows) > 0)


def of(rows):
    touches, won, lost = zip(*rows, strict=True)
    return paths(touches, won, lost)


@given(logs)
@pytest.mark.parametrize("rule", RULES)
def test_credit_is_never_negative_and_sums_to_all_conversions(rule, rows):
    few = of(rows)
    credit = RULES[rule](few)
    assert credit.sum() == pytest.approx(few.converted.sum())
    assert (credit > -1e-12).all()


@given(logs)
@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_the_paths_does_not_matter(rule, rows):
    assert RULES[rule](of(rows[::-1])) == pytest.approx(RULES[rule](of(rows)))


@pytest.mark.parametrize(
    ("rule", "credit"),
    [
        ("first", [1, 0, 0, 0]),
        ("last", [0, 0, 0, 1]),
        ("linear", [0.25, 0.25, 0.25, 0.25]),
        ("position", [0.4, 0.1, 0.1, 0.4]),
        ("shapley", [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_a_rule_gives_what_it_says(rule, credit):
    assert RULES[rule](paths([list("abcd")], [1], [0])) == pytest.approx(credit)


def test_credit_halves_with_every_half_life():
    days = paths([list("abc")], [1], [0], before=[[14.0, 7.0, 0.0]])
    assert attribution.time_decay(days, half_life=7) == pytest.approx(np.array([1, 2, 4]) / 7)


@given(logs)
def test_shapley_values_are_the_mean_over_all_orders_of_what_a_channel_adds(rows):
    few = of(rows)
    sets = [set(touches) for touches, _, _ in rows]

    def earns(coalition):
        return sum(won for s, (_, won, _) in zip(sets, rows, strict=True) if s <= set(coalition))

    n = len(few.channels)
    brute = np.zeros(n)
    for order in itertools.permutations(range(n)):
        for place, channel in enumerate(order):
            before = [few.channels[k] for k in order[:place]]
            brute[channel] += earns([*before, few.channels[channel]]) - earns(before)
    assert shapley(few) == pytest.approx(brute / math.factorial(n))


def test_removal_effects_of_a_chain_that_is_small_enough_for_a_pencil():
    """Start to a (1); a to conversion 1/4, to b 1/2, lost 1/4; b to conversion 1/2, lost 1/2: P = 1/4 + 1/4."""
    few = paths([["a"], ["a", "b"]], converted=[1, 1], lost=[1, 1])
    assert removal_effects(few) == pytest.approx([1, 0.5])
    assert markov(few) == pytest.approx([4 / 3, 2 / 3])


def test_a_longer_memory_tells_paths_apart_that_one_touch_does_not():
    few = paths([["a", "c"], ["b", "c"]], converted=[9, 1], lost=[1, 9])
    credit = {order: dict(zip(few.channels, markov(few, order), strict=True)) for order in (1, 2)}
    assert credit[1]["a"] == pytest.approx(credit[1]["b"])
    assert credit[2]["a"] > 2 * credit[2]["b"]


def test_an_interval_holds_the_credit_and_is_narrower_with_more_journeys():
    few = paths([["a", "b"], ["b"]], converted=[30, 10], lost=[50, 90])
    many = few._replace(converted=100 * few.converted, lost=100 * few.lost)
    narrow, wide = intervals(many, markov), intervals(few, markov)
    assert ((wide[:, 0] < markov(few)) & (markov(few) < wide[:, 1])).all()
    assert (np.ptp(narrow, axis=1) < 0.2 * 100 * np.ptp(wide, axis=1)).all()


def test_the_known_numbers_of_a_public_log_come_out():
    with open(data_folder("channel_attribution") / "Data.csv") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    touches = [row["path"].split(" > ") for row in rows]
    log = paths(touches, *([float(row[name]) for row in rows] for name in ("total_conversions", "total_null")))
    credit = dict(zip(log.channels, markov(log).round().astype(int).tolist(), strict=True))
    known = {"alpha": 5345, "iota": 3885, "eta": 3341, "beta": 2527, "theta": 1972, "lambda": 1283, "epsilon": 600}
    assert {name: credit[name] for name in known} == known
    assert dict(zip(log.channels, attribution.last(log), strict=True))["alpha"] == 8447


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([["a"], []], [1, 1], [0, 0]), DataError, "path 1 .* has no touch"),
        (([["a"]], [0], [3]), DataError, "no path has a conversion"),
        (([["a"]], [-1], [3]), ContractError, "numbers from 0"),
        (([["a"]], [1, 2], [3]), ContractError, "one row for each path"),
        (([["a"]], [1], [3], [[-1.0]]), ContractError, "a time from 0 for each touch"),
    ],
)
def test_bad_paths_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        paths(*arguments)
