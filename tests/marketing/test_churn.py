"""Churn on small simulated logs: an estimator's habits, no look into the future, true verdicts, files, bad input."""

import datetime
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from made_up import unjudged
from sklearn.base import clone

import rnncore as rc
from rnncore import ModelFileError
from rnncore.errors import ContractError, DataError
from rnncore.interop import safetensors
from rnncore.marketing import EventLog, metrics
from rnncore.marketing.answers import saved
from rnncore.marketing.churn import Churn
from rnncore.marketing.learning.networks import learn
from rnncore.marketing.learning.windows import windows
from rnncore.marketing.log.days import span
from rnncore.marketing.splits import cut
from rnncore.marketing.tasks import load

START = datetime.date(2024, 1, 1)
SMALL = {"horizon": 40, "units": 4, "epochs": 3, "seeds": 1, "backend": "numpy"}


def purchases(customers=120, days=240, seed=0):
    """Rows (customer, day, paid): everybody comes at their own rate, and leaves at some point."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(customers):
        first, rate = rng.integers(0, days // 3), rng.gamma(1.2, 1 / 20)
        stays = rng.exponential(150)
        times = first + np.concatenate([[0.0], np.cumsum(rng.exponential(1 / rate, 80))])
        for time in times[(times < days) & (times <= first + stays)]:
            rows.append((f"c{n:03d}", START + datetime.timedelta(days=int(time)), round(float(rng.gamma(4, 10)), 2)))
    rows.append(("c000", START + datetime.timedelta(days=days), 5.0))  # the log ends on a known day
    return pl.DataFrame(rows, schema=["id", "date", "paid"], orient="row")


def log_of(frame, **words):
    return EventLog(frame, **{"customer": "id", "time": "date", "value": "paid"} | words)


@pytest.fixture(scope="module")
def frame():
    return purchases()


@pytest.fixture(scope="module")
def log(frame):
    return log_of(frame)


@pytest.fixture(scope="module")
def fitted(log):
    return Churn(**SMALL).fit(log)


def bits(churn, log, **words):
    return churn.predict(log, **words)["return_probability"].to_numpy().tobytes()


def test_the_newest_windows_are_those_that_end_with_what_is_known(log):
    end = log.last_day - span(10)
    told = Churn(**SMALL).told(log.per_day(), end)[1]
    for days in (40, 20, 10):
        asked, came = (log.population(day) for day in (end - span(days), end))
        rows = told.newest & (told.facts.length == days)
        assert came[told.group[rows]].tolist() == asked.tolist()
        back = set(log.codes[(log.day > end - span(days)) & (log.day <= end)])
        assert told.target[rows, 0].tolist() == [who in back for who in asked]
    assert told.newest.sum() < len(told.newest)


# habits


def test_arguments_are_stored_unchanged():
    arguments = SMALL | {"seed": 7, "latest": 9, "batch_size": 64, "learning_rate": 1e-3, "patience": 4, "seeds": 2}
    assert Churn(**arguments).get_params() == arguments


@dataclass(eq=False, repr=False)
class Patient(Churn):
    """A task of one's own, with an argument of its own."""

    extra: int = 0
    name = "patient"

    def network(self, code):
        H = self.units + self.extra
        return rc.Stack(rc.GRU(len(self.inputs(code)), H, backend="numpy"), rc.Last(), rc.Dense(H, 1))


def test_a_task_of_ones_own_keeps_its_argument_through_fit_save_and_load(log, tmp_path):
    task = Patient(60, extra=3, units=2, epochs=1, seeds=1, backend="numpy").fit(log)
    task.save(tmp_path / "own.safetensors")
    again = Patient.load(tmp_path / "own.safetensors")
    assert (again.extra, again.params_[0]["0.Wh"].shape[0]) == (3, 5)
    assert again.predict(log).equals(task.predict(log))
    with pytest.raises(ModelFileError, match="expected churn, received 'patient'"):
        Churn.load(tmp_path / "own.safetensors")


def test_an_init_that_would_lose_arguments_is_refused(log):
    class Handed(Churn):
        def __init__(self, horizon=90, *, extra=0, **rest):
            super().__init__(horizon, **rest)
            self.extra = extra

    with pytest.raises(ContractError, match=r"self: .* without units, epochs, .*@dataclass\(eq=False, repr=False\)"):
        Handed(60, seeds=1).fit(log)


def test_a_clone_is_not_fitted(fitted, log):
    with pytest.raises(ContractError, match="not fitted"):
        clone(fitted).predict(log)


def test_predict_gives_one_row_per_customer(fitted, log, frame):
    assert fitted.predict(log)["id"].to_list() == sorted(frame["id"].unique())


def test_churn_and_return_are_opposites_between_0_and_1(fitted, log):
    p, q = (fitted.predict(log)[column].to_numpy() for column in ("churn_probability", "return_probability"))
    assert np.array_equal(p, 1 - q) and ((p > 0) & (p < 1)).all()


def test_predictions_come_in_the_kind_of_dataframe_of_the_log(fitted, frame):
    assert isinstance(fitted.predict(log_of(frame)), pl.DataFrame)


def test_history_has_a_record_per_epoch(fitted):
    assert [record["epoch"] for record in fitted.history_] == list(range(len(fitted.history_)))
    assert {"train_loss", "validation_loss"} <= set(fitted.history_[0])


def test_progress_says_which_of_several_networks_is_trained(log, capsys):
    Churn(**SMALL | {"epochs": 1, "seeds": 2}).fit(log, progress=True)
    said = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines() if "network" in line]
    each = ["network 1 of 2", "network 2 of 2"]
    assert said == ["judged network", *each, "final network", *each]


# the same in, the same out


def test_each_network_has_a_checkpoint_of_its_own(log, tmp_path):
    Churn(**SMALL | {"epochs": 1}).fit(log, checkpoint=tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-final", "run-judged"]


def test_the_fast_twin_agrees(fitted, log):
    fast = unjudged(Churn(**SMALL | {"backend": "numba"}), log)
    slow = fitted.predict(log)["return_probability"].to_numpy()
    np.testing.assert_allclose(fast.predict(log)["return_probability"].to_numpy(), slow, atol=2e-3)


# no look into the future


@pytest.fixture(scope="module")
def earlier(fitted, log):
    """The same, fitted on the day from which the other is judged."""
    return Churn(**SMALL).fit(log.until(fitted.held_out_.origin))


def test_what_is_judged_is_what_would_have_been_used_on_that_day(fitted, earlier, log):
    assert earlier.trained_until_ == fitted.held_out_.origin
    p = earlier.predict(log, at=fitted.held_out_.origin)["return_probability"].to_numpy()
    assert np.array_equal(p, fitted.held_out_.prediction["rnn"])


def test_nothing_after_the_test_origin_reaches_any_rival(fitted, frame):
    origin = fitted.held_out_.origin.astype(object)
    later = pl.col("date") > origin
    other = frame.with_columns(pl.when(later).then(pl.col("paid") * 1000).otherwise(pl.col("paid")).alias("paid"))
    keep = ~later | (pl.col("id") < "c060") | (pl.col("date") == pl.col("date").max())
    probability = Churn(**SMALL).fit(log_of(other.filter(keep))).held_out_.prediction
    assert all(np.array_equal(probability[name], p) for name, p in fitted.held_out_.prediction.items())


def test_the_judged_window_begins_a_horizon_before_the_end(fitted, log):
    assert fitted.held_out_.origin == log.last_day - span(40)


def test_the_outcomes_are_those_of_the_window(fitted, log):
    came = log.count_between(fitted.held_out_.origin, log.last_day) > 0
    known = log.population(fitted.held_out_.origin)
    assert np.array_equal(fitted.held_out_.target, came[known])


def test_no_training_window_reaches_past_the_day_given(log):
    end = log.last_day - span(40)
    told, cut_off = windows(log.per_day(), end, 40, 50), windows(log.until(end).per_day(), end, 40, 50)
    assert all(np.array_equal(a, b) for a, b in zip(told[1], cut_off[1], strict=True))
    assert np.array_equal(told.returned, cut_off.returned) and told.returned.any()


def test_predictions_do_not_read_past_their_day(fitted, log):
    day = log.last_day - span(60)
    assert bits(fitted, log, at=day) == bits(fitted, log.until(day), at=day)


# verdict


def test_the_verdict_is_that_of_the_table(fitted):
    assert fitted.verdict_ == fitted.table_.verdict
    assert {rival.name for rival in fitted.table_} == {
        "rnn", "recency", "rfm", "rfm-windows", "bg/nbd", "constant rate"
    }  # fmt: skip


def test_the_numbers_of_the_table_are_those_of_the_held_out_customers(fitted):
    held = fitted.held_out_
    for name, p in held.prediction.items():
        assert fitted.table_[name].auroc.value == pytest.approx(metrics.auroc(held.target, p), abs=1e-12)


def test_chance_alone_is_no_signal():
    rng = np.random.default_rng(2)
    rows = [(f"c{n}", START, 1.0) for n in range(150)]
    for n in range(150):  # everybody alike, without memory
        rows += [(f"c{n}", START + datetime.timedelta(days=int(d)), 1.0) for d in rng.integers(1, 200, rng.poisson(6))]
    frame = pl.DataFrame(rows, schema=["id", "date", "paid"], orient="row")
    assert Churn(**SMALL | {"horizon": 30}).fit(log_of(frame)).verdict_ == "no signal"


@pytest.fixture(scope="module")
def habit():
    """Everybody comes in pairs of days, 2 days apart, a pair every 14 days; which of the pair it was says when next."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(300):
        at, gap = int(rng.integers(0, 14)), int(rng.integers(2))
        while at <= 60:
            rows.append((f"c{n:03d}", START + datetime.timedelta(days=at), 1.0))
            at, gap = at + (2, 12)[gap], 1 - gap
    return log_of(pl.DataFrame(rows, schema=["id", "date", "paid"], orient="row"))


STRONG = {"units": 8, "seeds": 1, "patience": 10, "learning_rate": 0.03, "batch_size": 64, "backend": "numpy"}


def test_a_habit_that_only_the_order_of_events_shows_is_worth_a_network(habit):
    assert Churn(horizon=4, epochs=6, **STRONG).fit(habit).verdict_ == "rnn"


def test_long_windows_are_calibrated_at_ages_that_only_short_windows_have_seen(habit):
    test, churn = cut(habit, habit.last_day - span(8), 8), Churn(horizon=8, epochs=10, **STRONG)
    code, told = churn.told(habit, test.origin)
    p = churn._says(learn(churn, code, told), churn.asked(habit, test.origin, code))
    assert metrics.log_loss(test.count > 0, p) < 0.5  # above 2 without the oldest origin of the ladder


# score and odd histories


def test_score_is_the_auroc_on_a_later_window(fitted, earlier, log):
    assert earlier.score(log) == pytest.approx(fitted.table_["rnn"].auroc.value, abs=1e-12)


def test_a_window_that_was_trained_on_is_not_scored(fitted, log):
    with pytest.raises(DataError, match="was trained until 2024-08-28"):
        fitted.score(log)


def test_customers_who_were_never_seen_are_predicted(fitted):
    strangers = log_of(purchases(customers=9, seed=5).with_columns(pl.col("id").str.replace("c", "new")))
    assert len(fitted.predict(strangers)) == 9


def test_one_customer_alone_gets_what_they_get_among_others(fitted, log, frame):
    alone = log_of(frame.filter(pl.col("id") == "c007"))
    among = fitted.predict(log).filter(pl.col("id") == "c007")["return_probability"].item()
    assert fitted.predict(alone, at=log.last_day)["return_probability"].item() == pytest.approx(among, rel=1e-5)


def test_a_history_of_one_event_is_predicted(fitted, log):
    one = log_of(pl.DataFrame({"id": ["x"], "date": [datetime.date(2024, 5, 1)], "paid": [9.0]}))
    assert 0 < fitted.predict(one, at=log.last_day)["return_probability"].item() < 1


def test_of_a_very_long_history_the_latest_events_are_read(log):
    days = [START + datetime.timedelta(days=n) for n in range(200)]
    paid = [float(n % 5) for n in range(200)]
    churn = unjudged(Churn(**SMALL, latest=10), log)
    long = log_of(pl.DataFrame({"id": ["x"] * 200, "date": days, "paid": paid}))
    other = log_of(pl.DataFrame({"id": ["x"] * 200, "date": days, "paid": [99.0] * 190 + paid[190:]}))
    assert bits(churn, long) == bits(churn, other)


def test_a_log_without_amounts_works(frame):
    log = EventLog(frame, customer="id", time="date")
    assert len(Churn(**SMALL | {"epochs": 1}).fit(log).predict(log)) == 120


def test_empty_amounts_are_told_to_the_network_and_no_row_is_dropped(frame):
    gappy = frame.with_columns(pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise("paid").alias("paid"))
    log = log_of(gappy, missing="keep")
    assert len(log) == len(frame)
    churn = Churn(**SMALL).fit(log)
    assert churn.inputs(churn.code_)[-2:] == ["value empty", "items empty"]
    p = churn.predict(log)["return_probability"]
    assert p.is_finite().all() and len(p) == 120
    full = log_of(frame)
    assert churn.predict(full)["return_probability"].to_list() != p.to_list()


def test_returns_with_negative_amounts_can_be_kept(frame):
    back = frame.with_columns(paid=pl.when(pl.int_range(pl.len()) % 5 == 0).then(-pl.col("paid")).otherwise("paid"))
    log = log_of(back, negative="keep")
    assert Churn(**SMALL).fit(log).predict(log)["return_probability"].is_finite().all()


def test_empty_amounts_that_come_only_later_count_as_average_ones(fitted, frame):
    gappy = log_of(frame.with_columns(pl.lit(None, pl.Float64).alias("paid")), missing="keep")
    assert fitted.predict(gappy)["return_probability"].is_finite().all()


# files


@pytest.fixture
def file(fitted, tmp_path):
    fitted.save(tmp_path / "churn.model")
    return tmp_path / "churn.model"


def test_a_loaded_model_predicts_the_same_bits(fitted, log, file):
    assert bits(Churn.load(file), log) == bits(fitted, log)


def test_a_loaded_model_knows_its_table_verdict_and_history(fitted, file):
    loaded = Churn.load(file)
    assert (loaded.table_, loaded.verdict_, loaded.history_) == (fitted.table_, fitted.verdict_, fitted.history_)


def test_a_loaded_model_has_the_arguments(fitted, file):
    assert Churn.load(file).get_params() == fitted.get_params()


def test_a_loaded_model_is_saved_to_the_same_bytes(file, tmp_path):
    Churn.load(file).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_a_file_of_another_kind_is_refused(fitted, tmp_path):
    safetensors.write(tmp_path / "other", {"w": np.ones(3)}, {})
    with pytest.raises(ModelFileError) as caught:
        Churn.load(tmp_path / "other")
    assert caught.value.code == "kind"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task", "sentiment"),
        ("arguments", {"horizon": 40}),
        ("arguments", {"horizon": -1}),
        ("arguments", {"command": "rm"}),
        ("columns", ["password"]),
        ("trained_until", "soon"),
        ("history", "long"),
        ("judgement", {}),
        ("model", None),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(file, tmp_path, key, value):
    held, metadata = safetensors.read(file, lambda found: saved.expect(Churn, found), kind="task")
    safetensors.write(tmp_path / "bad", held, metadata | {key: value}, kind="task")
    with pytest.raises(ModelFileError) as caught:
        Churn.load(tmp_path / "bad")
    assert caught.value.code in ("description", "names", "shape")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, r"made by an earlier rnncore, and this one reads form \d+: fit the model again"),
        ({"form": 999, "rnncore": "7.1"}, "made by rnncore 7.1, in form 999, and this one reads form"),
    ],
)
@pytest.mark.parametrize("read", [Churn.load, load])
def test_a_file_in_another_form_is_refused_in_words(file, tmp_path, made, message, read):
    held, metadata = safetensors.read(file, lambda found: saved.expect(Churn, found), kind="task")
    del metadata["made"]
    safetensors.write(tmp_path / "old", held, metadata | ({"made": made} if made else {}), kind="task")
    with pytest.raises(ModelFileError, match=message) as caught:
        read(tmp_path / "old")
    assert caught.value.code == "version"


def test_what_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(ContractError, match="not fitted"):
        Churn().save(tmp_path / "nothing")
    assert not list(tmp_path.iterdir())


# bad input


def test_one_customer_only_is_a_clear_error(frame):
    with pytest.raises(DataError, match="the log has 1 customer"):
        Churn(**SMALL).fit(log_of(frame.filter(pl.col("id") == "c000")))


def test_a_horizon_longer_than_the_log_is_a_clear_error_that_names_the_longest(log):
    with pytest.raises(DataError, match="longest horizon that works is 119 days"):
        Churn(**SMALL | {"horizon": 200}).fit(log)


def test_a_log_in_which_nobody_comes_back_is_a_clear_error():
    days = [START + datetime.timedelta(days=n) for n in range(100)]
    frame = pl.DataFrame({"id": [f"c{n}" for n in range(100)], "date": days, "paid": [1.0] * 100})
    with pytest.raises(DataError, match="nobody has an event in the training windows: there is nothing to tell"):
        Churn(**SMALL | {"horizon": 20}).fit(log_of(frame))


def test_a_log_in_which_everybody_comes_back_is_a_clear_error():
    days = [START + datetime.timedelta(days=n) for n in range(100)]
    frame = pl.DataFrame({"id": ["a", "b", "c"] * 100, "date": days * 3, "paid": [1.0] * 300})
    with pytest.raises(DataError, match="everybody has an event in the training windows"):
        Churn(**SMALL | {"horizon": 20}).fit(log_of(frame))


def test_a_log_with_other_columns_than_the_fitted_one_is_refused(fitted, frame):
    with pytest.raises(DataError, match="fitted with the columns value, items: value; this log has none"):
        fitted.predict(EventLog(frame, customer="id", time="date"))


def test_a_day_before_the_log_begins_is_refused(fitted, log):
    with pytest.raises(DataError, match="the log begins on"):
        fitted.predict(log, at="2020-01-01")


def test_a_day_more_than_a_horizon_after_the_log_is_refused(fitted, log):
    late = log.last_day + span(fitted.horizon)
    assert len(fitted.predict(log, at=late)) == len(log.customers)
    with pytest.raises(DataError, match=f"predict from {late} at the latest"):
        fitted.predict(log, at=late + span(1))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("horizon", 0), ("units", 0), ("epochs", 1.5), ("patience", 0), ("latest", 0), ("batch_size", 0),
        ("learning_rate", -1.0), ("seed", -1), ("backend", "torch"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named_when_fitting(log, argument, value):
    with pytest.raises(ContractError, match=argument):
        Churn(**SMALL | {argument: value}).fit(log)


def test_progress_names_each_simple_method_and_each_network(log, capsys):
    Churn(**SMALL | {"epochs": 1}).fit(log, progress=True)
    said = capsys.readouterr().err
    for words in ("recency", "rfm", "rfm-windows", "bg/nbd"):
        assert f"simple method: {words}\n" in said
    assert said.index("simple methods: ") < said.index("simple method: ") < said.index("judged network: ")
    assert "final network" in said and "network 1" not in said
