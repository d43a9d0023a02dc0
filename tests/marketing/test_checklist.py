"""What every task in the table must do, on the small log that `made_up.py` has for it."""

import copy
import json
import pickle

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from made_up import MADE_UP, unjudged
from sklearn.base import clone

import rnncore as rc
from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.learning import examples as learning
from rnncore.marketing.learning.networks import seed_of
from rnncore.marketing.log.days import span
from rnncore.marketing.tasks import TASKS, load


def unremarked(task, log, **words):
    """The task fitted without a word after the verdict: of orders, looking for leaks is another half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "remarks", lambda *given: [])
        return task.fit(log, **words)


class Fitted:
    """A case, fitted."""

    def __init__(self, name):
        self.task, self.frame, self.words = MADE_UP[name]()
        self.before = self.task.get_params()
        self.log = self.read(self.frame)
        rivals, self.known = type(self.task).rivals, {}

        def kept(task, told, asked):
            """What the simple methods say; where they are told and asked the same, they say the same."""
            key = pickle.dumps((told, asked))
            if key not in self.known:
                said = rivals(task, told, asked)
                self.known[key] = {name: own() if callable(own) else own for name, own in said.items()}
            return self.known[key]

        self.kept = kept
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self.task), "rivals", kept)
            self.returned = self.task.fit(self.log)
        self.prediction = pl.DataFrame(self.task.predict(self.log))

    def read(self, frame):
        return EventLog(frame, **self.words)

    def again(self, log, *, checkpoint=None, **words):
        """The task fitted again, with other arguments; the simple methods, half of the time, say what they said."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self.task), "rivals", lambda task, told, asked: next(iter(self.known.values())))
            return unremarked(clone(self.task).set_params(**words), log, checkpoint=checkpoint)

    def predict(self, frame, **words):
        return pl.DataFrame(self.task.predict(self.read(frame), **words))


@pytest.fixture(scope="module", params=list(TASKS))
def case(request):
    return Fitted(request.param)


def test_every_task_of_the_table_has_a_made_up_log():
    assert set(TASKS) == set(MADE_UP)


def finite(frame):
    """Whether no number of a dataframe is missing, NaN or infinite."""
    columns = [frame[name] for name, dtype in frame.schema.items() if dtype.is_numeric()]
    return bool(columns) and all(column.is_finite().all() for column in columns)


def test_the_table_says_what_it_is(case):
    kind = type(case.task)
    assert TASKS[kind.name] is kind
    assert kind.example.startswith(f"rnncore fit {kind.name} ")
    assert kind.__doc__ and ">>>" in kind.__doc__


def test_arguments_are_left_as_they_were_said(case):
    assert case.task.get_params() == case.before
    assert clone(case.task).get_params() == case.before


def test_fit_returns_the_task_itself(case):
    assert case.returned is case.task


def test_what_is_passed_in_is_left_alone(case):
    _, frame, _ = MADE_UP[case.task.name]()
    assert case.frame.equals(frame)
    again = case.read(frame)
    assert np.array_equal(case.log.time, again.time) and np.array_equal(case.log.offsets, again.offsets)


def test_a_dataframe_in_the_place_of_a_log_is_refused_with_what_makes_one(case):
    further = ("next_events", "moments", "transitions", "handover", "attribution", "at_risk", "profiles", "effects")
    asked = [getattr(case.task, name) for name in further if hasattr(case.task, name)]
    asked += [case.task.predict, case.task.score, case.task.evaluate]
    for ask in (*asked, lambda frame: case.task.explain(frame, "c001")):
        with pytest.raises(
            ContractError, match=r"^log: .* an EventLog, .* DataFrame; .*: EventLog\(frame, \*\*task.read"
        ):
            ask(case.frame)
    with pytest.raises(ContractError, match=r"make one: EventLog\(frame, customer=..., time=...\)"):
        clone(case.task).fit(case.frame)


def test_it_is_judged_against_simple_methods_and_what_knows_nothing(case):
    names = {rival.name for rival in case.task.table_}
    assert {"rnn", case.task.reference} < names
    assert len(names) >= 4
    assert case.task.verdict_ in {"rnn", "no signal", *(f"baseline:{name}" for name in names)}


def test_predictions_are_finite_numbers(case):
    assert case.prediction.height
    assert finite(case.prediction)


def test_predictions_do_not_depend_on_the_order_of_the_rows(case):
    shuffled = case.frame.sample(fraction=1.0, shuffle=True, seed=1)
    assert case.predict(shuffled).equals(case.prediction)


def test_the_same_seed_gives_the_same_bits_in_any_order_of_the_rows(case):
    log = case.read(case.frame.sample(fraction=1.0, shuffle=True, seed=2))
    assert pl.DataFrame(unjudged(clone(case.task), log).predict(case.log)).equals(case.prediction)


@pytest.fixture(scope="module")
def averaged(case):
    """The same with two networks and another seed."""
    return case.again(case.log, seeds=2, epochs=1, seed=case.task.seed + 1)


def test_another_seed_gives_another_network(case, averaged):
    one, other = (task.history_[0] for task in (case.task, averaged))
    assert (one["seed"], one["epoch"]) == (other["seed"], other["epoch"])  # the first epoch of the first network
    assert one["train_loss"] != other["train_loss"]


def test_each_network_of_each_seed_has_weights_of_its_own():
    assert seed_of(7, 0) == 7  # one network is that of the seed itself
    assert len({seed_of(seed, k) for seed in range(9) for k in range(9)}) == 81


def test_several_networks_are_the_default(case):
    assert type(case.task)().seeds == 3


def test_the_networks_of_an_average_differ(averaged):
    one, other = averaged.params_
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_several_networks_are_averaged_saved_and_loaded(case, averaged, tmp_path):
    averaged.save(tmp_path / "model")
    assert len(averaged.params_) == 2
    assert pl.DataFrame(load(tmp_path / "model").predict(case.log)).equals(pl.DataFrame(averaged.predict(case.log)))


def test_a_saved_task_is_loaded_bit_by_bit(case, tmp_path):
    case.task.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert type(loaded) is type(case.task)
    assert pl.DataFrame(loaded.predict(case.log)).equals(case.prediction)
    assert (loaded.table_, loaded.get_params()) == (case.task.table_, case.before)
    held, kept = case.task.held_out_, loaded.held_out_
    assert held.origin == kept.origin and list(held.prediction) == list(kept.prediction)
    assert np.array_equal(kept.target, held.target.astype(np.float32))
    assert np.array_equal(held.customers[:, None] == held.customers, kept.customers[:, None] == kept.customers)
    for name, said in held.prediction.items():
        assert np.array_equal(kept.prediction[name], said.astype(np.float32)), name
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_a_run_that_goes_on_from_its_checkpoints_gives_the_same_bits(case, tmp_path):
    case.again(case.log, epochs=1, checkpoint=tmp_path / "run")
    resumed = case.again(case.log, checkpoint=tmp_path / "run")
    assert pl.DataFrame(resumed.predict(case.log)).equals(case.prediction)


def test_an_earlier_origin_is_judged_as_if_the_log_ended_at_the_origin_after_it(case, monkeypatch):
    kind, learn = type(case.task), type(case.task)._learn

    def judging(task, name, *rest):
        """The network that predicts is not looked at."""
        return case.task._learned if name == "final" else learn(task, name, *rest)

    monkeypatch.setattr(kind, "rivals", case.kept)
    monkeypatch.setattr(kind, "_learn", judging)
    task = clone(case.task).set_params(epochs=1, units=2)
    found = unremarked(clone(task), case.log, origins=2)
    last = found.held_out_.origin
    alone = unremarked(clone(task), case.log.until(last))
    assert found.table_.earlier == (alone.table_.at(alone.held_out_.origin),)
    assert alone.held_out_.origin == last - span(task.horizon * task.judged_over)
    same = int(alone.verdict_ == found.verdict_)
    assert f" {same} of 1 earlier window gave the same verdict" in found.table_.reason


def test_what_was_measured_on_the_past_is_json(case):
    assert json.loads(json.dumps(case.task.code_)) == case.task.code_


def test_nothing_after_the_day_is_read(case):
    day = case.log.last_day - span(20)
    assert pl.DataFrame(case.task.predict(case.log, at=day)).equals(
        pl.DataFrame(case.task.predict(case.log.until(day), at=day))
    )


def test_what_is_judged_is_what_would_have_been_said_on_that_day(case):
    origin = case.task.held_out_.origin
    early = case.log.until(origin)
    judged = clone(case.task)
    work = judged.prepare(early)
    code, told = judged.told(work, origin)
    later_code, later = judged.told(judged.prepare(case.log), origin)
    assert code == later_code
    assert np.array_equal(told.histories.values, later.histories.values)
    for one, other in zip(told.judged(), later.judged(), strict=True):
        assert np.array_equal(one, other)


def test_training_is_stopped_by_the_newest_of_those_from_whom_nothing_is_learned(case, monkeypatch):
    """Of customers, or of texts, where each is by itself; where nobody is watched, the newest are not learned from."""
    seen = []

    def fit(model, params, batches, *rest, validation=None, **words):
        seen.append((batches, validation))
        return params, []

    monkeypatch.setattr(rc, "fit", fit)
    monkeypatch.setattr(learning, "FEW", 1)
    task = clone(case.task)
    code, told = task.told(task.prepare(case.log), case.task.held_out_.origin)
    task.learned(code, told)
    apart = told.newest if told.watched is None else told.watched
    late = told.select(apart).late()
    (learns, stops), *_ = seen
    assert len(late.group) > 0 and 0 < apart.sum() < len(apart)
    assert np.array_equal(learns.histories.values, told.histories.select(~apart).values)
    assert np.array_equal(stops.histories.values, late.histories.values)
    if stops.weight is not None:
        assert np.array_equal(*(getattr(w, "values", w) for w in (stops.weight, late.weight)))
    if told.watched is not None and task.judged_row != "text":
        assert not set(told.group[apart]) & set(told.group[~apart])


def test_simple_methods_leave_what_is_asked_as_it_was(case):
    task, origin = clone(case.task), case.task.held_out_.origin
    work = task.prepare(case.log)
    code, told = task.told(work, origin)
    asked = task.judged(work, origin, code)
    before = [part.histories.values.copy() for part in (told, asked)]
    for said in task.rivals(told, asked).values():
        assert len(said() if callable(said) else said)
    for part, values in zip((told, asked), before, strict=True):
        assert np.array_equal(part.histories.values, values)


def fits(task, log):
    """Whether the log is long enough."""
    try:
        clone(task).origin(task.prepare(log))
    except DataError:
        return False
    return True


def test_customers_and_categories_never_seen_are_predicted(case):
    strange = case.frame
    for role in ("event", "channel", "item", "action"):
        if role in case.words:
            strange = strange.with_columns(pl.lit("never seen").alias(case.words[role]))
    who = case.words["customer"]
    assert finite(case.predict(strange.with_columns("new " + pl.col(who).cast(pl.String))))


def test_histories_of_one_event_are_predicted(case):
    first = case.frame.sort(case.words["time"]).group_by(case.words["customer"], maintain_order=True).first()
    found = case.predict(first.select(case.frame.columns), at=case.log.last_day)
    assert found.height and finite(found)


def test_a_very_long_history_is_predicted(case):
    who, when = case.words["customer"], case.words["time"]
    one = case.frame.filter(pl.col(who) == case.prediction[who][0])
    block = pl.concat([one] * -(-3000 // one.height))[:3000]
    step = pl.duration(days=pl.int_range(3000) if case.frame.schema[when] == pl.Date else 0, hours=pl.int_range(3000))
    long = block.with_columns((pl.lit(case.frame[when].max()) - step).alias(when))
    found = case.predict(long)
    assert found.height and finite(found)


def test_a_future_without_events_is_predicted(case):
    found = pl.DataFrame(case.task.predict(case.log, at=case.log.last_day + span(1)))
    assert found.height and finite(found)


def test_what_is_not_fitted_says_so(case):
    fresh = clone(case.task)
    for call in (fresh.predict, fresh.score, fresh.evaluate):
        with pytest.raises(ContractError, match="not fitted"):
            call(case.log)


def test_a_wrong_argument_is_named_when_fitting(case):
    for argument in ("units", "epochs", "seed", "seeds", "learning_rate", "backend"):
        with pytest.raises(ContractError, match=argument):
            clone(case.task).set_params(**{argument: -1}).fit(case.log)


def test_a_column_that_is_needed_is_named(case):
    for role in (*case.task.needs, *case.task.taught):
        words = {word: name for word, name in case.words.items() if word != role}
        with pytest.raises(DataError, match=f"needs a column {role}"):
            clone(case.task).fit(EventLog(case.frame, **words))


def test_a_log_that_is_too_short_is_a_clear_error(case):
    with pytest.raises(DataError):
        clone(case.task).fit(case.log.until(case.log.first_day))


def test_a_log_of_one_customer_is_a_clear_error_or_fits(case):
    who = case.words["customer"]
    one = case.frame.filter(pl.col(who) == case.frame[who][0])
    try:
        clone(case.task).fit(case.read(one))
    except DataError as error:
        assert str(error)


def test_a_window_that_was_trained_on_is_not_scored(case):
    with pytest.raises(DataError, match="was trained until"):
        case.task.score(case.log)


def test_later_events_are_scored_and_evaluated(case):
    early = case.log.until(case.task.held_out_.origin)
    if not fits(case.task, early):
        pytest.fail("make the made-up log three horizons long, so that a model of its first part can be judged later")
    task = unremarked(clone(case.task), early)
    assert np.isfinite(task.score(case.log))
    assert {rival.name for rival in task.evaluate(case.log)} == {rival.name for rival in task.table_}


def test_what_is_told_can_be_read_in_columns_and_labels_that_were_measured_before(case):
    """`evaluate` asks simple methods in those of the model: were they told in others, they would be misled."""
    task, early = clone(case.task), case.task.held_out_.origin
    work = task.prepare(case.log)
    code, _ = task.told(work, early)
    measured = copy.deepcopy(code)
    last = case.log.last_day
    given, told = task.told(work, last, code)
    assert code == measured
    asked = task.asked(work, last, code)
    assert told.histories.values.shape[1:] == asked.histories.values.shape[1:]
    log_dependent = {"mean", "deviation", "taught", "watched"}  # scales of the network alone; where windows are
    assert {k: v for k, v in given.items() if k not in log_dependent} == {
        k: v for k, v in code.items() if k not in log_dependent
    }


@pytest.fixture(scope="module")
def beside(case):
    """Tables, and pictures."""
    return case.task.further(case.log), case.task.drawn_further(case.log)


def test_what_it_says_beside_the_answers_is_tables_of_text_and_pictures(case, beside):
    found, drawn = beside
    assert {*case.task.printed, *drawn} <= set(found)
    for columns in found.values():
        assert len({len(cells) for cells in columns.values()}) == 1
        assert all(isinstance(cell, str) for cells in columns.values() for cell in cells)
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())


def taken_apart(case, task):
    """The answer for the customer with most events taken apart, and their rows of `predict`."""
    who = case.log.customers[np.diff(case.log.offsets).argmax()]
    rows = pl.DataFrame(task.predict(case.log)).filter(pl.col(case.words["customer"]) == who)
    return task.explain(case.log, who), rows


@pytest.fixture(scope="module")
def explained(case, averaged):
    """By one network, and by the average of two."""
    return [taken_apart(case, task) for task in (case.task, averaged)]


def test_an_answer_is_explained_and_the_gradients_close(explained):
    for found, _ in explained:
        assert np.isfinite(found.gradient).all()
        assert abs(found.gap) <= 1e-3 * max(abs(found.answer - found.blank), 1e-3)
        assert len(found.steps) == len(found.gradient) == len(found.removal)


def test_what_is_explained_is_a_number_of_predict(explained):
    for found, rows in explained:
        answer = found.said if found.whole else found.answer
        assert np.isclose(rows.select(cs.numeric()).to_numpy(), answer, rtol=1e-5, atol=0).any()


WORDS = {"strategy": "recursive", "scale": "log", "exclude": "seen", "of": "purchases", "by": "static"}


def test_arguments_that_are_changed_after_the_fit_change_nothing_that_is_said(case, explained, beside):
    """All of them at once: words to another that is known, whatever else to what cannot be counted with."""
    task = copy.deepcopy(case.task)
    task.set_params(**{name: WORDS.get(name, "changed") for name in task.get_params()})
    assert pl.DataFrame(task.predict(case.log)).equals(case.prediction)
    assert (task.further(case.log), task.drawn_further(case.log)) == beside
    found, _ = taken_apart(case, task)
    assert (found.summary, found.columns()) == (explained[0][0].summary, explained[0][0].columns())
