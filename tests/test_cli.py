"""The command line does the main job on a user's own file; bad input gets a message, code 2, and nothing written."""

import re
import subprocess
import sys

import polars as pl
import pytest
from cli_runs import NAMES, purchases, run, unchecked

from rnncore import gradcheck

ASKED = [*NAMES, "--horizon", "60", "--seeds", "2", "--set", "epochs=5", "--set", "units=8"]


@pytest.fixture(scope="module")
def log_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    purchases(150).write_csv(path)
    return path


@pytest.fixture(scope="module")
def fitted(log_file, tmp_path_factory):
    """The folder that fit wrote, and what it printed."""
    out = tmp_path_factory.mktemp("fit") / "out"
    result = run("fit", "churn", log_file, *ASKED, "--out", out)
    assert result.exit_code == 0, result.output
    return out, result.output


def test_fit_writes_predictions_model_and_picture_and_nothing_else(fitted):
    out, _ = fitted
    assert sorted(p.name for p in out.iterdir()) == ["churn.safetensors", "predictions.csv", "report.png"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    rows = pl.read_csv(out / "predictions.csv")
    assert rows.columns == ["who", "churn_probability", "return_probability"]
    assert rows["who"].n_unique() == rows.height == purchases(150)["who"].n_unique()
    assert rows["churn_probability"].is_between(0, 1).all()
    assert (out / "report.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_fit_prints_quality_gradients_rivals_and_verdict(fitted):
    _, output = fitted
    for words in ("rows read", "bg/nbd", "recency", "constant rate", "Verdict:"):
        assert words in output
    line = next(line for line in output.splitlines() if line.startswith("gradient check"))
    assert "gradient check: pass; a trained network" in line and "worst error" in line
    assert "analytic" not in output


def test_predict_gives_what_fit_wrote_without_naming_a_column_again(fitted, log_file, tmp_path):
    out, _ = fitted
    result = run("predict", out / "churn.safetensors", log_file, "--out", tmp_path / "p.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "p.csv").read_bytes() == (out / "predictions.csv").read_bytes()


def test_predict_reads_columns_of_other_names_when_told(fitted, tmp_path):
    purchases().rename({"who": "id"}).write_parquet(tmp_path / "log.parquet")
    words = ["--customer", "id", "--out", tmp_path / "p.csv"]
    result = run("predict", fitted[0] / "churn.safetensors", tmp_path / "log.parquet", *words)
    assert result.exit_code == 0, result.output
    assert pl.read_csv(tmp_path / "p.csv").columns[0] == "id"


BAD_LOGS = {
    "a missing column": (lambda f: f.drop("who"), "has no column 'who'"),
    "an unparsable date": (
        lambda f: f.with_columns(when=pl.when(pl.arange(pl.len()) == 4).then(pl.lit("soon")).otherwise("when")),
        "'soon' in row 5 of 'when'",
    ),
    "no rows": (lambda f: f.head(0), "has no rows"),
    "one customer only": (lambda f: f.filter(pl.col("who") == f["who"][0]), "1 customer"),
    "a horizon longer than the log": (lambda f: f.filter(pl.col("when") < "2024-02-01"), "horizon"),
    "a negative amount": (lambda f: f.with_columns(paid=-pl.col("paid")), "negative numbers"),
    "a missing amount": (
        lambda f: f.with_columns(paid=pl.when(pl.arange(pl.len()) == 2).then(None).otherwise("paid")),
        "missing cells (empty, NaN, NULL or the like): 1 in 'paid', the first in row 3",
    ),
    "amounts that are no numbers": (lambda f: f.with_columns(paid=pl.lit("much")), "'much' in row 1 of 'paid'"),
}


@pytest.mark.parametrize("case", BAD_LOGS)
def test_a_log_that_cannot_be_used_is_refused_with_code_2_and_nothing_written(case, tmp_path):
    change, words = BAD_LOGS[case]
    change(purchases(20)).write_csv(tmp_path / "log.csv")
    result = run("fit", "churn", tmp_path / "log.csv", *NAMES, "--horizon", 60, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


def test_a_missing_file_is_refused_with_code_2(tmp_path):
    result = run("fit", "churn", tmp_path / "gone.csv", *NAMES, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "gone.csv" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_refused_before_the_rows_of_the_log_are_read_unless_forced(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "log.csv").write_text("who,when,paid\nc1,never,1\n")
    for words in (["demo"], ["fit", "churn", tmp_path / "log.csv", *NAMES]):
        result = run(*words, "--out", tmp_path)
        assert result.exit_code == 2
        assert "--force" in result.stderr
    assert (tmp_path / "precious").read_text() == "mine"


def test_predict_refuses_a_model_file_of_something_else(log_file, tmp_path):
    (tmp_path / "model").write_bytes(b"not a model")
    result = run("predict", tmp_path / "model", log_file, "--out", tmp_path / "p.csv")
    assert result.exit_code == 2
    assert "[" in result.stderr
    assert not (tmp_path / "p.csv").exists()


def test_predict_does_not_overwrite_without_force(fitted, log_file, tmp_path):
    (tmp_path / "p.csv").write_text("mine")
    words = ("predict", fitted[0] / "churn.safetensors", log_file, "--out", tmp_path / "p.csv")
    assert run(*words).exit_code == 2
    assert (tmp_path / "p.csv").read_text() == "mine"
    assert run(*words, "--force").exit_code == 0
    assert (tmp_path / "p.csv").read_text() != "mine"


def test_gradcheck_prints_a_table_for_both_twins_and_passes():
    result = run("gradcheck", "rnn")
    assert result.exit_code == 0, result.output
    assert "RNN relu, textbook, full rows: pass" in result.output
    assert "RNN relu, fast twin" in result.output


def test_gradcheck_exits_with_1_on_a_wrong_derivative(monkeypatch):
    layer = gradcheck.mutants("rnn")[0].layer(3, 5)
    p = gradcheck.random_problem(layer)
    wrong = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, entries=5)
    monkeypatch.setattr(gradcheck, "check_cell", lambda *args, **words: iter([wrong]))
    result = run("gradcheck", "rnn")
    assert result.exit_code == 1
    assert "FAIL" in result.output


def test_gradcheck_of_an_unknown_cell_is_code_2():
    result = run("gradcheck", "transformer")
    assert result.exit_code == 2
    assert "'rnn', 'lstm'" in result.stderr


STOPPED = """
import os, signal
from rnncore.__main__ import main
from rnncore.interop import safetensors

write = safetensors.write

def stopped(path, *arguments, **words):
    write(path, *arguments, **words)
    if path.endswith("training-judged-1"):
        safetensors.write = write
        os.kill(os.getpid(), signal.SIGINT)

safetensors.write = stopped
main()
"""


def test_ctrl_c_stops_with_130_and_the_same_command_goes_on(fitted, log_file, tmp_path, monkeypatch):
    """A fit that was interrupted in its second network, resumed, writes the very files of one that never was."""
    words = ["fit", "churn", log_file, *ASKED, "--out", tmp_path / "b"]
    stopped = subprocess.run([sys.executable, "-c", STOPPED, *words], capture_output=True, text=True, timeout=120)
    assert stopped.returncode == 130, stopped.stderr
    last = stopped.stderr.splitlines()[-1]
    assert re.fullmatch(r"rnncore: stopped (in|after) epoch \d+/5.*; the same command goes on from there", last)
    assert not (tmp_path / "b").exists()
    unchecked(monkeypatch)
    assert run(*words).exit_code == 0
    for name in ("predictions.csv", "churn.safetensors"):
        assert (fitted[0] / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not (tmp_path / "b.unfinished").exists()


def test_segments_of_a_table_alone(tmp_path, monkeypatch):
    unchecked(monkeypatch)
    number = pl.int_range(60, eager=True)
    table = pl.DataFrame(
        {"who": number, "age": number % 7, "plan": (number % 2).cast(pl.String), "left": number % 3 % 2}
    )
    table.write_csv(tmp_path / "people.csv")
    words = ["--customer", "who", "--outcome", "left", "--set", "by=static", "--set", "groups=2", "--set", "epochs=1"]
    result = run(
        "fit", "segments", tmp_path / "people.csv", *words, "--set", "backend=numpy", "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "12 customers, none of them seen in training" in said and "what sets it apart" in said
    table.drop("left").write_csv(tmp_path / "new.csv")
    result = run(
        "report", tmp_path / "out" / "segments.safetensors", tmp_path / "new.csv", "--out", tmp_path / "p.html"
    )
    assert result.exit_code == 0, result.output
    assert "2000-01-01" not in (tmp_path / "p.html").read_text()
