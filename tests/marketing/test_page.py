"""The report is one page that holds everything and loads nothing."""

import re
from copy import copy, deepcopy

import numpy as np
import polars as pl
import pytest
from cli_runs import run, unchecked
from made_up import MADE_UP, NAMES, SMALL, purchases

from rnncore.marketing import Churn, EventLog
from rnncore.marketing.answers.page import _labels, _spread, page
from rnncore.marketing.answers.report import drawn
from rnncore.marketing.tasks import TASKS


@pytest.fixture(scope="module")
def log():
    return EventLog(purchases().with_columns(who="<b>" + pl.col("who")), **NAMES)


@pytest.fixture(scope="module")
def churn(log):
    return Churn(horizon=30, **SMALL).fit(log)


@pytest.fixture(scope="module")
def text(churn, log):
    return page(churn, log)


def test_it_loads_nothing_from_outside(text):
    assert not re.findall(r"<script|<link|@import|https?:", text)
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)', text))
    assert text.count("<img") == 3


def test_it_has_the_verdict_every_rival_and_what_was_found_in_the_log(churn, text):
    assert "log-loss: mean of -log P of what came, lower is better; lift: of the tenth ranked highest" in text
    assert "<p>return_probability is 1 - churn_probability.</p>" in text
    for words in (churn.verdict_, *(row.name for row in churn.table_), "rows used", "completeness gap", "units"):
        assert words in text


def test_of_a_model_that_was_saved_the_same_picture_is_drawn(churn, tmp_path):
    churn.save(tmp_path / "model")
    held, kept = churn.held_out_, copy(churn)
    kept.held_out_ = held._replace(prediction={name: p.astype(np.float32) for name, p in held.prediction.items()})
    assert drawn(Churn.load(tmp_path / "model")) == drawn(kept)  # a file keeps 4 bytes of a number


def test_a_model_without_the_rows_that_judged_it_is_read_and_its_page_says_what_is_not_drawn(
    churn, log, text, tmp_path, monkeypatch
):
    unchecked(monkeypatch)
    earlier = copy(churn)
    del earlier.held_out_
    earlier.save(tmp_path / "model")
    assert "No calibration, ROC and gains:" in page(Churn.load(tmp_path / "model"), log)
    assert "No calibration" not in text


def test_it_has_the_question_the_day_of_the_answers_and_the_columns_that_were_read(churn, log, text):
    assert f"<b>Back within 30 days of {churn.held_out_.origin}?</b> Judged on" in text
    assert f"asked on {log.last_day}</h2>" in text
    assert "<td>customer</td><td>who</td>" in text


def test_arguments_that_are_changed_after_the_fit_change_nothing_on_it(churn, log, text):
    assert page(deepcopy(churn).set_params(horizon=7, units=3, latest=1), log) == text


def test_it_has_the_gradient_check_of_every_array(churn, text):
    assert all(re.search(rf"^ok .*{re.escape(name)} ", text, re.M) for name in churn.params_[0])


def test_labels_are_counted_and_numbers_have_quantiles(monkeypatch):
    unchecked(monkeypatch)
    case = MADE_UP["segments"]()
    log = EventLog(case.frame, **case.words)
    text = page(case.task.fit(log), log)
    answers, profiles = (text.partition(head)[2].partition("<h2>")[0] for head in ("The network", "The segments, each"))
    assert "<h3>segment</h3>" in answers and "<td>segment</td>" not in answers and "<td>membership</td>" in answers
    assert "prototype" in profiles and "<img" in profiles
    assert all(f"<td>{customer}</td>" in profiles for customer in case.task.profiles(log)["prototype"].drop_nulls())


def test_what_stands_in_the_data_is_text_and_no_markup(text):
    assert "&lt;b&gt;c0" in text and "<b>c0" not in text


def test_every_picture_has_words(text):
    assert all(len(words) > 20 for words in re.findall(r'<img alt="([^"]*)', text))


def test_the_commands_explain_evaluate_and_report_go_with_a_saved_model(churn, log, tmp_path, monkeypatch):
    unchecked(monkeypatch)
    early = Churn(horizon=30, **SMALL).fit(log.until(churn.held_out_.origin))
    early.save(tmp_path / "model")
    purchases().with_columns(who="<b>" + pl.col("who")).write_csv(tmp_path / "log.csv")
    words = (tmp_path / "model", tmp_path / "log.csv")
    result = run("report", *words, "--out", tmp_path / "page.html", "--at", log.last_day - 5)
    assert result.exit_code == 0, result.output
    written = (tmp_path / "page.html").read_text()
    assert written.startswith("<!DOCTYPE html>") and f"asked on {log.last_day - 5}</h2>" in written
    assert run("report", *words, "--out", tmp_path / "page.html").exit_code == 2
    result = run("explain", *words, "--of", "<b>c000", "--plot", tmp_path / "why.png")
    assert "completeness gap" in result.stdout and (tmp_path / "why.png").exists()
    assert "integrated gradients, the step's part" in result.stdout
    result = run("explain", *words, "--of", "nobody")
    assert result.exit_code == 2
    assert "rnncore: --of: expected one of the log's customers, received 'nobody'" in result.stderr
    judged = " ".join(run("evaluate", *words).stdout.split())
    assert "Verdict:" in judged and f"Back within 30 days of {churn.held_out_.origin}?" in judged


def test_what_came_after_until_is_left_for_evaluate(tmp_path, monkeypatch):
    unchecked(monkeypatch)
    purchases().write_csv(tmp_path / "log.csv")
    names = ["--customer", "who", "--time", "when", "--value", "paid", "--horizon", 30]
    small = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    said = [*names, *small, "--until", "2024-06-01", "--out", tmp_path / "out"]
    result = run("fit", "churn", tmp_path / "log.csv", *said)
    early = purchases().filter(pl.col("when") <= pl.date(2024, 6, 1)).height
    assert f"{early:,} events of {purchases().height:,} came until 2024-06-01" in result.stdout, result.output
    assert Churn.load(tmp_path / "out" / "churn.safetensors").trained_until_ <= np.datetime64("2024-06-01")
    assert run("evaluate", tmp_path / "out" / "churn.safetensors", tmp_path / "log.csv").exit_code == 0


def test_the_tasks_are_listed_with_an_example_each():
    result = run("tasks")
    assert all(kind.example in result.stdout for kind in TASKS.values()) and "horizon=90" in result.stdout


def test_a_task_is_shown_with_rows_that_it_can_read():
    result = run("tasks", "demand")
    assert result.exit_code == 0
    assert 'strategy: "direct" or' in result.stdout and "\n    shop,day,sold\n" in result.stdout
    assert "rnncore fit churn" not in result.stdout
    assert "did you mean 'demand'?" in run("tasks", "demnd").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-task"], "task: expected 'churn'"),
        (["chrun"], "did you mean 'churn'?"),
        (
            ["churn", "--set", "colour=red"],
            "--set: expected an argument of churn, received 'colour'; there are",
        ),
        (["churn", "--set", "unit=8"], "did you mean units?"),
        (["churn", "--set", "units"], "--set: expected name=value"),
        (["churn", "--set", "units=-1"], "--set units: expected a whole number"),
    ],
)
def test_a_wrong_word_is_refused_before_anything_is_read(tmp_path, words, said):
    names = ["--customer", "who", "--time", "when", "--out", tmp_path / "out"]
    result = run("fit", words[0], tmp_path / "gone.csv", *names, *words[1:])
    assert result.exit_code == 2
    assert said in result.stderr


def test_numbers_that_say_nothing_more_are_left_out():
    p = np.array([0.1, 0.9, 1e-48, 0.4])
    answers = pl.DataFrame(
        {"who": list("abcd"), "churn": p, "back": 1 - p, "days": [1.0, 2, 3, 4], "tenth": [1, 1, 2, 2]}
    )
    spread = _spread(answers)
    assert spread["answer"] == ["churn", "days"]  # back is 1 - churn
    assert not _labels(answers)  # of tenths there are as many of each
    assert list(_labels(answers.with_columns(tenth=pl.Series([1, 1, 1, 2])))) == ["tenth"]
    assert _spread(answers.with_columns(churn=p * 1e-40))["50%"][0] == "below 1e-6"
