"""Which examples a training learns from, which stop it, and which calibrate."""

from types import SimpleNamespace

import numpy as np
import pytest

import rnncore as rc
from rnncore.marketing.learning.examples import FEW, Examples, tenth
from rnncore.marketing.learning.networks import train
from rnncore.sequences import Histories

CUSTOMERS, WINDOWS = 3 * FEW, 4


def told_of(customers=CUSTOMERS, **words):
    """Each customer in each of the windows, the newest last: a history of one step, the number of the example."""
    n = customers * WINDOWS
    steps = Histories(np.arange(n, dtype=np.float32)[:, None], np.arange(n + 1))
    window = np.arange(n) // customers
    given = {"newest": window == WINDOWS - 1, "watched": np.arange(n) % customers < FEW, **words}
    target = (np.arange(n) % 3 == 0).astype(np.float32)[:, None]
    return Examples(steps, group=np.arange(n) % customers, target=target, **given)


def rows_of(examples):
    """Which examples of `told_of` these are."""
    return examples.histories.values[:, 0].astype(int).tolist()


def test_the_newest_of_those_watched_stop_a_training():
    told = told_of()
    apart, stops = told.stopping()
    assert np.array_equal(apart, told.watched)
    assert rows_of(stops) == np.flatnonzero(told.watched & told.newest).tolist()


@pytest.mark.parametrize(("newest", "late"), [(FEW - 1, False), (FEW, True)])
def test_where_the_newest_of_those_watched_are_few_all_that_are_watched_stop_it(newest, late):
    told = told_of()
    told = told._replace(newest=told.newest & (told.group < newest))
    stops = told.stopping()[1]
    assert rows_of(stops) == np.flatnonzero(told.watched & told.newest if late else told.watched).tolist()


@pytest.mark.parametrize("newest", [None, np.ones(CUSTOMERS * WINDOWS, bool), np.zeros(CUSTOMERS * WINDOWS, bool)])
def test_where_there_is_no_later_window_all_that_are_watched_stop_it(newest):
    told = told_of(newest=newest)
    assert rows_of(told.stopping()[1]) == np.flatnonzero(told.watched).tolist()


def test_where_nobody_is_watched_the_newest_stop_it_and_are_not_learned_from():
    told = told_of(watched=None)
    apart, stops = told.stopping()
    assert np.array_equal(apart, told.newest)
    assert rows_of(stops) == np.flatnonzero(told.newest).tolist()


@pytest.mark.parametrize("apart", [np.ones(CUSTOMERS * WINDOWS, bool), np.zeros(CUSTOMERS * WINDOWS, bool)])
def test_where_that_would_be_everything_or_nothing_all_is_learned_from_and_nothing_stops(apart):
    rows, stops = told_of(watched=apart).stopping()
    assert not rows.any() and stops is None


LENGTHS = np.arange(CUSTOMERS) % 5 + 1


def told_by_step(weight=None):
    """A history per customer, of 1 to 5 steps with an answer each; the newest two of them, of every fifth none."""
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    left = np.repeat(offsets[1:], LENGTHS) - np.arange(offsets[-1])
    newest = Histories((left <= 2) & (np.repeat(LENGTHS, LENGTHS) > 1), offsets)
    rng = np.random.default_rng(0)
    read, came = (Histories(rng.normal(size=(offsets[-1], k)).astype(np.float32), offsets) for k in (2, 1))
    who = np.arange(CUSTOMERS)
    return Examples(read, group=who, target=came, weight=weight, newest=newest, watched=who < 2 * FEW)


def test_of_answers_per_step_only_the_newest_stop_a_training():
    told = told_by_step()
    apart, stops = told.stopping()
    assert np.array_equal(apart, told.watched)
    assert stops.group.tolist() == np.flatnonzero(told.watched & (LENGTHS > 1)).tolist()
    assert np.array_equal(stops.weight.values > 0, told.newest.select(np.isin(told.group, stops.group)).values)


@pytest.mark.parametrize("per_step", [False, True])
def test_steps_that_are_late_keep_their_weights_and_those_of_weight_0_are_not_late(per_step):
    each = np.where(np.arange(CUSTOMERS) % 2, 0.5, 0.0)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    late = told_by_step(Histories(np.repeat(each, LENGTHS), offsets) if per_step else each).late()
    assert late.group.tolist() == np.flatnonzero((each > 0) & (LENGTHS > 1)).tolist()
    assert sorted(set(late.weight.values.tolist())) == [0.0, 0.5]


def test_the_newest_steps_calibrate():
    told = told_by_step()
    target, group, _ = told.late().judged()
    assert np.array_equal(target, told.target.values[told.newest.values, 0])
    assert np.array_equal(group, np.repeat(told.group, LENGTHS)[told.newest.values])


def trained(told, k=0, epochs=3):
    """The weights and records of a small network."""
    task = SimpleNamespace(batch_size=32, seed=0, learning_rate=0.1, epochs=epochs, patience=epochs)
    model = rc.Stack(rc.RNN(2, 3, backend="numpy"), rc.Dense(3, 1))
    return train(task, model, rc.losses.mse, told, k)


def changed(told, which):
    """Other answers at the steps `which`."""
    answers = np.where(which[:, None], told.target.values + 3, told.target.values)
    return told._replace(target=Histories(answers, told.target.offsets))


@pytest.mark.parametrize(("newest", "same"), [(False, True), (True, False)])
def test_earlier_answers_of_those_watched_have_no_part_in_a_training_and_the_newest_have(newest, same):
    told = told_by_step()
    watched = np.repeat(told.watched, LENGTHS)
    other = changed(told, watched & (told.newest.values == newest))
    losses = [[record["validation_loss"] for record in trained(each)[1]] for each in (told, other)]
    assert (losses[0] == losses[1]) == same


def test_the_networks_of_all_seeds_are_stopped_by_the_same_examples(monkeypatch):
    seen = []

    def fit(model, params, batches, *rest, validation, **words):
        seen.append((batches.histories.values, validation.histories.values))
        return params, []

    monkeypatch.setattr(rc, "fit", fit)
    for k in range(3):
        trained(told_by_step(), k)
    for learned, stopped in seen[1:]:
        assert np.array_equal(learned, seen[0][0]) and np.array_equal(stopped, seen[0][1])


def test_another_seed_watches_others_and_all_examples_of_whom_it_watches():
    group = np.arange(600) % 200
    one, other = (tenth(group, seed) for seed in (0, 1))
    assert len(set(group[one])) == 20 and one.sum() == 60
    assert set(group[one]) != set(group[other])


def test_nobody_is_watched_of_fewer_than_twenty():
    assert not tenth(np.arange(19), 0).any() and tenth(np.arange(20), 0).sum() == 2
