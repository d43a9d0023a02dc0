"""Explanations: they close, they are in the units of the answer, and they say what is true where the truth is known."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from made_up import MADE_UP, NAMES, SMALL, purchases, unjudged

import rnncore as rc
from rnncore.errors import ContractError, DataError
from rnncore.marketing import Churn, EventLog
from rnncore.marketing.answers.explanation import Explanation
from rnncore.marketing.learning.calibration import NONE


@pytest.fixture(scope="module")
def log():
    return EventLog(purchases(), **NAMES)


@pytest.fixture(scope="module")
def churn(log):
    return unjudged(Churn(horizon=30, **SMALL), log)


def busiest(log):
    return log.customers[np.diff(log.offsets).argmax()]


def test_the_answer_is_that_of_predict(churn, log):
    found = churn.explain(log, busiest(log))
    row = churn.predict(log).filter(pl.col("who") == busiest(log))
    assert found.answer == pytest.approx(row["return_probability"].item(), abs=1e-6)


def test_the_gradients_account_for_the_whole_answer(churn, log):
    found = churn.explain(log, busiest(log))
    assert abs(found.answer - found.blank) > 0.01
    assert abs(found.gap) < 1e-8
    assert found.gradient.shape == (len(found.steps), len(found.inputs))


def test_several_networks_are_explained_together(log):
    averaged = unjudged(Churn(horizon=30, **SMALL | {"seeds": 2}), log)
    found = averaged.explain(log, busiest(log))
    row = averaged.predict(log).filter(pl.col("who") == busiest(log))
    assert found.answer == pytest.approx(row["return_probability"].item(), abs=1e-6)
    assert abs(found.gap) < 1e-8


def test_removal_is_the_difference_to_a_log_without_the_row(churn, log):
    frame = purchases()
    who = busiest(log)
    when = frame.filter(pl.col("who") == who)["when"].sort()
    found = churn.explain(log, who, at="2024-07-01")
    fewer = EventLog(frame.filter((pl.col("who") != who) | (pl.col("when") != when[2])), **NAMES)
    p, q = (churn.predict(x, at="2024-07-01").filter(pl.col("who") == who)["return_probability"] for x in (log, fewer))
    assert found.removal[2] == pytest.approx(p.item() - q.item(), abs=1e-6)
    assert np.isnan(found.removal[-1]) and found.steps[-1] == "now"


def test_where_futures_are_drawn_gradients_are_of_the_next_step_and_removals_of_the_whole_answer(log):
    task = unjudged(MADE_UP["clv"]().task, log)
    found = task.explain(log, busiest(log))
    spend = task.predict(log).filter(pl.col("who") == busiest(log))["spend"].item()
    assert found.said == pytest.approx(spend) and found.said != pytest.approx(found.answer, rel=0.1)
    assert found.whole == "expected spend of the next 30 days" and found.whole in str(found)
    assert {"gradient, next step", "removal, whole answer"} < set(found.columns())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("demand", r"median 3 periods ahead"),
        ("segments", r"membership of segment [1-3]"),
        ("next-purchase", r"probability of 'i\d\d' \(ranked first\)"),
        ("outcome-kind", r"probability of '(no|yes|changed)' \(predicted\)"),
        ("sentiment", r"probability of '(glad|cross)' \(predicted\)"),
    ],
)
def test_what_is_explained_is_named(name, said):
    made = MADE_UP[name]()
    log = EventLog(made.frame, **made.words)
    found = unjudged(made.task, log).explain(log, busiest(log))
    assert re.fullmatch(said, found.unit)


def test_a_log_without_items_has_none_in_its_explanations(churn, log):
    bare = EventLog(purchases(), **{role: name for role, name in NAMES.items() if role != "items"})
    assert "items" in churn.explain(log, busiest(log)).inputs
    inputs = unjudged(Churn(horizon=30, **SMALL), bare).explain(bare, busiest(bare)).inputs
    assert "items" not in inputs and "events of the day" in inputs


class Linear(Churn):
    """An answer of which every part is known: the sum of the closing step's numbers, weighted."""

    calibration = NONE

    def network(self, code):
        return rc.Stack(rc.Last(), rc.Dense(7, 1))

    def decode(self, outputs, asked):
        return np.clip(0.5 + 0.01 * outputs[:, 0], 0.01, 0.99)


def test_of_a_linear_answer_the_gradients_are_weight_times_change(log):
    task = unjudged(Linear(horizon=30, **SMALL), log)
    found = task.explain(log, busiest(log))
    x = task.asked(task.prepare(log.of(busiest(log))), log.last_day, task.code_).histories.values.astype(float)
    want = (x[-1] - task.blank(x, task.code_)[-1]) * task.params_[0]["1.W"][:, 0]
    assert found.gradient[-1] == pytest.approx(want, rel=1e-6, abs=1e-9)
    assert not found.gradient[:-1].any()
    assert found.attention is None


class Attentive(Churn):
    """With attention over the steps."""

    def network(self, code):
        return rc.Stack(rc.GRU(7, 4, backend="numpy"), rc.Attention(4, 3), rc.Dense(4, 1))


def test_attention_is_a_share_of_each_step(log):
    found = unjudged(Attentive(horizon=30, **SMALL), log).explain(log, busiest(log))
    assert found.attention.shape == (len(found.steps),)
    assert found.attention.sum() == pytest.approx(1.0)
    assert "attention" in str(found)


def test_a_single_event_has_no_removal(churn, log):
    who = log.customers[0]
    first = log.of(who).first_day
    found = churn.explain(log.until(first), who, at=first)
    assert len(found.steps) == 2 and np.isnan(found.removal).all()


def test_it_prints_a_table_and_draws_a_picture(churn, log, tmp_path):
    found = churn.explain(log, busiest(log))
    table, _, terms = str(found).partition("\n\n")
    assert len(table.splitlines()) == len(found.columns()["step"]) + 3
    assert terms.splitlines() == found.terms
    found.plot(tmp_path / "why.png")
    assert (tmp_path / "why.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("kind", [Churn, Attentive])
def test_every_column_and_the_gap_are_defined_in_a_line(kind, log):
    found = unjudged(kind(horizon=30, **SMALL), log).explain(log, busiest(log))
    defined = [line.partition(":")[0] for line in found.terms]
    assert found.terms[0].endswith("from a blank history, as long but of average events, to this one")
    assert set(defined) == {*found.columns(), "completeness gap"} - {"step"}


def test_who_is_not_there_is_a_clear_error(churn, log):
    numbers = EventLog(pl.DataFrame({"id": [7], "day": ["2024-01-05"]}), customer="id", time="day")
    with pytest.raises(ContractError, match="one of the log's customers, received 9; ids look like 7"):
        numbers.of(9)
    with pytest.raises(ContractError, match="one of the log's customers, received 'nobody'; ids look like 'c000'"):
        churn.explain(log, "nobody")
    late = log.customers[int(log.day[log.offsets[:-1]].argmax())]
    with pytest.raises(DataError, match="no event on or before 2024-01-02"):
        churn.explain(log, late, at="2024-01-02")


def test_of_many_steps_the_largest_are_shown_and_what_the_others_add_up_to():
    rng = np.random.default_rng(0)
    gradient = rng.normal(0, 1e-4, (51, 2))
    gradient[[3, 40]], removal = [[0.5, 0.1], [-0.2, 0.0]], np.full(51, np.nan)
    removal[20] = -0.3
    steps = [f"day {k}" for k in range(51)]
    found = Explanation("a", "median", 1.0, 0.0, steps, ["x", "z"], gradient, removal, np.full(51, 1 / 51))
    shown = found.columns()
    assert shown["step"] == ["day 3", "day 20", "day 40", "48 others, added up"]
    rest = np.delete(gradient, [3, 20, 40], axis=0).sum()
    assert shown["gradient"][-1] == f"{rest:+.4f}" and shown["removal"] == ["", "-0.3000", "", ""]
    assert shown["attention"][-1] == f"{48 / 51:.3f}" and shown["most by"][0] == "x"
    high = int.from_bytes(found.drawn()[20:24])
    assert high < 400
    even = replace(found, gradient=np.ones((51, 2)))
    assert len(even.columns()["step"]) == 20 and even.columns()["step"][-1] == "32 others, added up"
    few = replace(found, steps=steps[:20], gradient=gradient[:20], removal=removal[:20], attention=None)
    assert few.columns()["step"] == steps[:20]
