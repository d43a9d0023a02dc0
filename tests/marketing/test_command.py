"""Tables on the command line are shown whole: as wide as they are in a pipe, folded in a narrow window."""

import io
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest
from cli_runs import run, unchecked
from made_up import MADE_UP, SMALL
from rich.console import Console

from rnncore.marketing import EventLog
from rnncore.marketing.commands import command
from rnncore.marketing.tasks import TASKS


@pytest.fixture(scope="module")
def clv():
    task, frame, words = MADE_UP["clv"]()
    return task.fit(EventLog(frame, **words))


def cells(task):
    shown = [name for name in task.measure.shown if name in task.table_.rivals[0].measures]
    rows = [
        [row.name, f"{row.loss.value:.4f}", *(command._short(n, row.measures[n]) for n in shown)] for row in task.table_
    ]
    return [task.table_.loss, *shown, *(cell for row in rows for cell in row)]


def test_in_a_pipe_a_table_is_as_wide_as_it_is(clv, capsys):
    command.print_rivals(clv, clv.table_, clv.held_out_.origin)
    printed = capsys.readouterr().out
    lines = {line.split("  ")[0].strip(): line for line in printed.splitlines()}
    assert max(map(len, lines.values())) > 80
    for row in clv.table_:
        gap = "" if row.name == "rnn" else f"[{row.gap.low:+.4f}, {row.gap.high:+.4f}]"
        assert gap in lines[row.name]
    assert all(cell in printed for cell in cells(clv))


def test_in_a_narrow_window_cells_are_folded_and_nothing_is_lost(clv, monkeypatch):
    window = io.StringIO()
    monkeypatch.setattr(command, "console", Console(file=window, width=60, force_terminal=True, color_system=None))
    command.print_rivals(clv, clv.table_, clv.held_out_.origin)
    assert "\u2026" not in window.getvalue()
    printed = sorted("".join(window.getvalue().split()))
    for cell in set("".join(cells(clv))):
        assert printed.count(cell) >= "".join(cells(clv)).replace(" ", "").count(cell)


def test_brackets_in_the_names_of_columns_are_printed_as_they_are(clv, capsys):
    judged = replace(clv.table_, reason="Leak? paid [eur] and [/b] (alone 0.99).")
    command.print_rivals(clv, judged, clv.held_out_.origin)
    command._print_under("of shop [old]", {"day": ["1"]})
    said = capsys.readouterr().out
    assert "paid [eur] and [/b] (alone" in said and "of shop [old]" in said


def test_credit_is_printed_by_fit_and_by_predict(tmp_path, monkeypatch):
    unchecked(monkeypatch)
    case = MADE_UP["journey"]()
    case.frame.write_csv(tmp_path / "log.csv")
    names = [word for role, name in case.words.items() for word in (f"--{role}", name)]
    small = [word for name, value in {**SMALL, "latest": 6}.items() for word in ("--set", f"{name}={value}")]
    fitted = run("fit", "journey", tmp_path / "log.csv", *names, "--horizon", 12, *small, "--out", tmp_path / "out")
    model = tmp_path / "out" / "journey.safetensors"
    said = run("predict", model, tmp_path / "log.csv", "--out", tmp_path / "p.csv")
    for result in (fitted, said):
        assert result.exit_code == 0, result.output
        table = result.stdout.partition("Credit for the conversions, by method")[2]
        assert all(word in table for word in ("channel", "shapley", "removal", *case.frame["channel"].drop_nulls()))


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("churn", {"value": "v", "items": "n", "order": "n"}, ""),
        ("churn", {"channel": "way", "extras": ["n"]}, "churn does not read 'way', 'n'\n"),
        ("next-purchase", {"item": "way", "value": "v"}, "next-purchase does not read 'v'\n"),
        ("next-purchase", {"item": "way", "price": "v", "items": "n"}, "next-purchase does not read 'n', 'v'\n"),
        ("demand", {"price": "v", "items": "n", "extras": ["way"]}, ""),
        ("sentiment", {"text": "way", "outcome": "n"}, ""),
    ],
)
def test_columns_that_a_task_does_not_read_are_named(name, words, line):
    frame = pl.DataFrame({"id": ["a"], "t": ["2024-01-01"], "v": [1.5], "n": [2], "way": ["web"]})
    assert command.left_out(TASKS[name](), EventLog(frame, customer="id", time="t", **words)) == line


def test_of_texts_without_times_other_columns_are_named_as_not_read():
    frame = pl.DataFrame({"said": ["a"], "mood": ["glad"], "v": [1.5]})
    log = EventLog(frame, text="said", outcome="mood", value="v")
    assert command.left_out(TASKS["sentiment"](), log) == "sentiment does not read 'v'\n"


def test_what_is_said_is_wrapped_between_words_at_the_width_of_the_window(clv, monkeypatch):
    window = io.StringIO()
    monkeypatch.setattr(command, "console", Console(file=window, width=40, force_terminal=True, color_system=None))
    worst = SimpleNamespace(error=1e-10, name="0.bx", method="central")
    command.print_check(SimpleNamespace(ok=True, verdict="pass", worst=worst))
    command.print_rivals(clv, clv.table_, clv.held_out_.origin)
    lines = window.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    words = " ".join(window.getvalue().split())
    assert "worst error 1.0e-10 in 0.bx by central (passes to 1e-08)" in words
    assert "none of these days seen in training." in words and clv.table_.reason in words
    assert "deviance: Tweedie's, the error of an expected amount, lower is better; bias %:" in words
