"""Alarms over a stream of texts: the rate of false ones, what is found, and what is told of it."""

from copy import deepcopy

import numpy as np
import polars as pl
import pytest
from conftest import data_folder
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog, Sentiment
from rnncore.marketing.shift import watch
from rnncore.marketing.texts import control
from rnncore.marketing.texts.shift_words import driving


@pytest.mark.parametrize(("h", "length"), [(4.0, 335.4), (5.0, 930.9)])
def test_run_lengths_are_those_of_the_published_tables(h, length):
    """Hawkins and Olwell (1998), k = 1/2: 167.7 and 465 for both sides together."""
    assert control.run_length(h) == pytest.approx(length, rel=1e-3)


def test_the_batches_of_a_level_series_are_standard_normal():
    u = np.concatenate([control.standard(np.random.default_rng(s).normal(3, 2, 40))[2:] for s in range(100)])
    assert kstest(u, "norm").pvalue > 0.01


@given(st.integers(0, 10**6), st.floats(0.1, 50), st.floats(-100, 100))
def test_the_unit_and_the_level_of_a_series_do_not_matter(seed, unit, level):
    x = np.random.default_rng(seed).normal(size=12)
    assert np.allclose(control.standard(unit * x + level), control.standard(x), atol=1e-6)


@pytest.mark.parametrize("name", ["cusum", "fixed threshold", "page-hinkley"])
def test_false_alarms_come_as_rarely_as_said(name):
    chart = control.charts(50)[name]
    lengths = [chart(np.random.default_rng(s).normal(size=1000)).alarm + 1 for s in range(200)]
    assert 35 < np.mean(lengths) < 75


@pytest.mark.parametrize("sign", [1, -1])
def test_a_change_is_found_and_dated(sign):
    x = np.random.default_rng(0).normal(size=60)
    x[40:] += 2.5 * sign
    found = control.charts(1000)["cusum"](x)
    assert 40 <= found.alarm <= 48 and abs(found.since - 40) <= 2 and found.rising == (sign > 0)


@pytest.mark.parametrize("x", [np.full(30, 0.5), np.array([1.0, 2.0]), np.zeros(0)])
def test_what_never_varies_or_is_too_short_raises_no_alarm(x):
    assert all(chart(x) is None for chart in control.charts(20).values())


def test_driving_words_are_of_the_kind_and_new():
    old, new = [["late"], ["fine"]] * 30, [["late", "lost"], ["lost"]] * 30
    angry = np.tile([1.0, 0.0], 30)
    assert [word for word, _ in driving(old, angry, new, angry)] == ["lost"]
    assert driving(old, angry, old, angry) == ()


def stream(seed=0, turn=400):
    rng = np.random.default_rng(seed)
    cross = rng.uniform(size=600) < np.where(np.arange(600) < turn, 0.3, 0.8)
    frame = pl.DataFrame({"shop": np.arange(600) % 5, "said": np.where(cross, "bad", "good"), "mood": cross * 1.0})
    return frame.with_columns(day=np.datetime64("2024-01-01") + np.arange(600) // 10)


WORDS = {"customer": "shop", "time": "day", "text": "said"}


@pytest.fixture(scope="module")
def model():
    log = EventLog(stream(), **WORDS, outcome="mood").until("2024-01-15")
    words = {"units": 4, "epochs": 5, "seeds": 1, "learning_rate": 0.1, "batch_size": 16, "backend": "numpy"}
    return Sentiment(horizon=5, **words).fit(log)


def test_the_alarm_comes_after_the_turn_and_tells_its_size(model):
    """The turn is on 10 February, from .3 to .8."""
    found = watch(model, EventLog(stream(1), **WORDS, outcome="mood"), "1", every=20)
    alarm = found.alarms[0]
    assert np.datetime64("2024-02-10") <= alarm.time <= np.datetime64("2024-02-20")
    assert np.datetime64("2024-02-08") <= alarm.since <= np.datetime64("2024-02-12")
    assert alarm.size.low < 0.5 < alarm.size.high
    assert "ALARM" in str(found) and "cusum of the known outcomes" in str(found)


def test_a_rise_and_a_fall_are_told_apart(model, tmp_path):
    log = EventLog(stream(1), **WORDS)
    said = [str(watch(model, log, kind, every=20)) for kind in ("1", "0")]
    assert "a RISE of 1" in said[0] and "words said more often" in said[0] and "FALL" not in said[0]
    assert "a FALL of 0" in said[1] and "words said less often" in said[1] and "RISE" not in said[1]


def test_a_log_without_a_later_text_says_until_when_the_model_was_trained(model):
    log = EventLog(stream(), **WORDS).until("2024-01-15")
    with pytest.raises(DataError, match="no text from 2024-01-16 on, and the model was trained until 2024-01-15"):
        watch(model, log, "1", every=20)


def test_texts_whose_mood_nobody_knows_are_watched_alike(model):
    with_, without = (
        watch(model, EventLog(stream(), **WORDS, **more), "1", every=20) for more in ({"outcome": "mood"}, {})
    )
    assert without.alarms == with_.alarms and without.known is None


def test_arguments_that_are_changed_after_the_fit_change_no_alarm(model):
    log = EventLog(stream(1), **WORDS)
    changed = deepcopy(model).set_params(units=3, words=2, latest="changed")
    assert str(watch(changed, log, "1", every=20)) == str(watch(model, log, "1", every=20))


def test_no_alarm_without_a_turn(model):
    assert watch(model, EventLog(stream(1, turn=600), **WORDS), "1", every=20).alarms == ()


def test_what_was_read_is_not_watched(model):
    with pytest.raises(ContractError, match="the model has read those texts"):
        watch(model, EventLog(stream(), **WORDS), "1", since="2024-01-15")
    with pytest.raises(DataError, match="fewer than four batches"):
        watch(model, EventLog(stream(), **WORDS), "1", every=150)
    with pytest.raises(ContractError, match="kind"):
        watch(model, EventLog(stream(), **WORDS), "angry")


def test_a_turn_that_came_before_the_watch_is_not_seen_which_is_said(model):
    found = watch(model, EventLog(stream(1), **WORDS), "1", every=20, since="2024-02-10")
    assert found.alarms == () and "to see a turn on their first days, fit a model until an earlier day" in str(found)


def test_the_picture_is_drawn(model, tmp_path):
    watch(model, EventLog(stream(), **WORDS), "1", every=20).plot(tmp_path / "shift.png")
    assert (tmp_path / "shift.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.thorough
def test_the_airlines_alarm_is_on_the_21st_or_22nd_and_none_before():
    words = {"customer": "airline", "time": "tweet_created", "text": "text", "outcome": "airline_sentiment"}
    log = EventLog(data_folder("airline_tweets") / "Tweets.csv", **words)
    model = Sentiment(horizon=1, epochs=3, seeds=1).fit(log.until("2015-02-18"))
    first = watch(model, log, "negative").alarms[0]
    assert str(first.time)[:10] in ("2015-02-21", "2015-02-22")
