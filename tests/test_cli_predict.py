"""predict: what it writes, what it refuses to write over, and which days it answers for."""

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from cli_runs import NAMES, purchases, run, unchecked

from rnncore.marketing import Churn, ChurnHazard, EventLog
from rnncore.marketing.commands import command
from rnncore.marketing.commands.asking import beside
from rnncore.marketing.commands.command import whose_probabilities


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with log.csv and a model fitted on it."""
    folder = tmp_path_factory.mktemp("made")
    purchases(100).write_csv(folder / "log.csv")
    small = [word for name in ("units=4", "epochs=2", "seeds=1", "backend=numpy") for word in ("--set", name)]
    result = run("fit", "churn", folder / "log.csv", *NAMES, "--horizon", 60, *small, "--out", folder / "out")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(autouse=True)
def quick(made, monkeypatch):
    """What a fit and a report find out and draw beside is not asked for here: see tests/test_cli.py, test_page.py."""
    unchecked(monkeypatch)


@pytest.fixture
def folder(made, tmp_path):
    """A fresh folder with the log and the model."""
    shutil.copy(made / "log.csv", tmp_path / "log.csv")
    shutil.copy(made / "out" / "churn.safetensors", tmp_path / "model")
    return tmp_path


def predict(folder, *words, out="p.csv"):
    return run("predict", folder / "model", folder / "log.csv", "--out", folder / out, *words)


@pytest.mark.parametrize("victim", ["log.csv", "model"])
@pytest.mark.parametrize("alias", [False, True])
def test_what_is_read_is_never_written_over(folder, victim, alias):
    before = (folder / victim).read_bytes()
    if alias:
        os.link(folder / victim, folder / "alias")
    result = predict(folder, "--force", out="alias" if alias else victim)
    assert result.exit_code == 2
    assert "--out: expected another file than those that are read" in result.stderr
    assert (folder / victim).read_bytes() == before


def test_a_missing_folder_is_named_before_anything_is_read(folder):
    result = predict(folder, out="gone/p.csv")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"make the folder {folder / 'gone'} first" in result.stderr


def test_a_folder_is_no_file(folder):
    assert "expected the name of a file" in predict(folder, "--force", out=".").stderr


@pytest.mark.parametrize(("command", "name"), [("predict", "churn-log.csv"), ("report", "churn-log.html")])
def test_what_is_written_goes_beside_the_model_under_the_names_of_both_and_is_kept(made, tmp_path, command, name):
    shutil.copy(made / "out" / "churn.safetensors", tmp_path)
    words = (command, tmp_path / "churn.safetensors", made / "log.csv")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert f"in {tmp_path / name}" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["churn.safetensors", name])
    (tmp_path / name).write_text("mine")
    assert "--out: expected a file that does not exist" in run(*words).stderr
    assert (tmp_path / name).read_text() == "mine"


def test_logs_that_differ_after_a_dot_have_files_of_their_own():
    names = [beside(Path("m/churn.safetensors"), Path(f"shop.{month}.csv.gz"), ".csv") for month in ("05", "06")]
    assert names == [Path("m/churn-shop.05.csv"), Path("m/churn-shop.06.csv")]


@pytest.mark.parametrize(
    "words", [["predict"], ["predict", "--out", "p.csv"], ["evaluate"], ["explain", "--of", "c001"], ["report"]]
)
def test_a_model_and_a_log_that_changed_places_are_told_so(made, words):
    model = made / "out" / "churn.safetensors"
    result = run(words[0], made / "log.csv", model, *words[1:])
    assert result.exit_code == 2
    assert result.stderr.startswith("rnncore: model: expected the model first, then the log, received ")
    assert result.stderr.endswith(f"; swap them: {model} {made / 'log.csv'}\n")


def test_the_folder_of_a_model_leads_to_the_model_in_it(made):
    result = run("evaluate", made / "out", made / "log.csv")
    assert result.exit_code == 2
    assert f"the model in it is {made / 'out' / 'churn.safetensors'}" in result.stderr


@pytest.mark.parametrize("words", [["predict"], ["report"], ["explain", "--of", "c001"]])
def test_what_lasts_says_so_and_prints_nothing_meanwhile(folder, monkeypatch, words):
    seen = []

    @contextmanager
    def at_work(words):
        sys.stdout.flush()
        before = sys.stdout.buffer.tell()
        yield
        sys.stdout.flush()
        seen.append((words, sys.stdout.buffer.tell() - before))

    monkeypatch.setattr(command, "at_work", at_work)
    assert run(words[0], folder / "model", folder / "log.csv", *words[1:]).exit_code == 0
    assert len(seen) == 2 and seen[0][0] == "reading the log"
    assert all(printed == 0 for _, printed in seen)


def test_nothing_is_said_of_it_where_no_terminal_looks(folder):
    result = predict(folder)
    assert "predicting" not in result.output


def test_a_picture_is_said_to_be_where_it_is(folder):
    words = ("--of", "c001", "--plot", folder / "why.png")
    result = run("explain", folder / "model", folder / "log.csv", *words)
    assert result.stdout.splitlines()[-1] == f"the picture is in {folder / 'why.png'}"
    assert (folder / "why.png").exists()


def test_the_report_of_the_log_is_printed(folder):
    frame = pl.read_csv(folder / "log.csv")
    frame.with_columns(paid=frame["paid"].scatter(3, None)).write_csv(folder / "log.csv")
    result = predict(folder, "--missing", "drop")
    assert [line.split() for line in result.stdout.splitlines() if "missing value" in line] == [
        ["missing", "value", "1", "dropped"]
    ]


def test_a_column_that_goes_by_another_name_leads_to_its_option(folder):
    pl.read_csv(folder / "log.csv").rename({"paid": "betrag"}).write_csv(folder / "log.csv")
    result = predict(folder)
    assert result.exit_code == 2
    assert "has no column 'paid', which the model was fitted with; it has 'who', 'when'" in result.stderr
    assert result.stderr.rstrip().endswith("if it goes by another name, name it: --value COLUMN")
    assert predict(folder, "--value", "betrag").exit_code == 0


@pytest.mark.parametrize("text", ["2024-12", "2024-12-31 12:00", "soon", "2024-02-30", "02/01/2024"])
def test_at_must_be_a_whole_day(folder, text):
    result = predict(folder, "--at", text)
    assert result.exit_code == 2
    assert result.stderr.startswith("rnncore: --at: expected a whole calendar day (YYYY-MM-DD), received")


def test_a_model_of_hazards_answers_for_any_time_as_it_does_in_python(made, tmp_path):
    small = [word for name in ("units=4", "epochs=2", "seeds=1", "backend=numpy") for word in ("--set", name)]
    log, out = made / "log.csv", tmp_path / "out"
    fitted = run("fit", "churn-hazard", log, *NAMES, "--horizon", 60, *small, "--out", out)
    assert fitted.exit_code == 0, fitted.output
    churn = ChurnHazard.load(out / "churn-hazard.safetensors")
    events = EventLog(log, **churn.reading_)
    for words, asked in {
        ("--horizon", 45, "--start", 30): (30, 45),
        ("--horizon", 200): (0, 200),
        ("--start", 7, "--at", "2024-12-31"): (7, 60, "2024-12-31"),
    }.items():
        result = run("predict", out / "churn-hazard.safetensors", log, *words, "--out", tmp_path / "p.csv", "--force")
        assert result.exit_code == 0, result.output
        churn.quiet(events, *asked).write_csv(tmp_path / "python.csv")
        assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "python.csv").read_bytes()


@pytest.mark.parametrize("word", ["--horizon", "--start"])
def test_another_time_than_that_of_the_fit_is_refused_by_a_task_that_knows_one_only(folder, word):
    result = predict(folder, word, 45)
    assert result.exit_code == 2
    said = "expected none, for churn answers for that of its fit alone, 60 days from now, received 45"
    assert result.stderr == f"rnncore: {word}: {said}; fit churn again, or churn-hazard, which answers for any time\n"
    assert not (folder / "p.csv").exists()


@pytest.mark.parametrize("text", ["9999-12-31", "2023-12-31"])
def test_at_must_be_in_reach_of_the_log(folder, text):
    result = predict(folder, "--at", text)
    assert result.exit_code == 2
    assert text in result.stderr
    assert not (folder / "p.csv").exists()


@pytest.mark.parametrize(
    ("verdict", "gap", "words"),
    [
        ("baseline:rfm", -0.1, "p.csv holds the network's answers, although rfm did better"),
        ("baseline:rfm", 0.1, "p.csv holds the network's answers, although rfm would have done"),
        ("no signal", 0.0, "p.csv holds the network's answers, although nothing had signal"),
    ],
)
def test_whose_probabilities_these_are_is_said_where_the_network_did_not_win(made, verdict, gap, words):
    judged = Churn.load(made / "out" / "churn.safetensors").table_
    values = judged.to_json() | {"verdict": verdict}
    for row in values["rivals"]:
        row["gap"] = (gap, gap, gap)
    assert whose_probabilities(type(judged).from_json(values), made / "p.csv").startswith(words)


def test_nothing_is_said_where_the_network_won(made):
    judged = Churn.load(made / "out" / "churn.safetensors").table_
    won = type(judged).from_json(judged.to_json() | {"verdict": "rnn"})
    assert whose_probabilities(won, made / "p.csv") == ""


def test_fit_and_predict_print_that_sentence(made, folder):
    judged = Churn.load(folder / "model").table_
    assert judged.verdict != "rnn", "100 customers are too few for a network to win clearly"
    assert whose_probabilities(judged, folder / "p.csv") in predict(folder).stdout


def test_an_encoding_is_remembered_with_the_model(tmp_path):
    frame = purchases(60).with_columns(who="é" + pl.col("who"), what=pl.lit("Café"))
    frame = frame.with_columns(what=pl.when(frame["paid"] > 20).then(pl.lit("Crème")).otherwise("what"))
    static = pl.DataFrame({"who": frame["who"].unique().sort(), "home": "Orléans"})
    for name, encoding in {"utf-8": "utf-8", "latin": "latin-1"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_bytes(frame.write_csv().encode(encoding))
        (tmp_path / name / "static.csv").write_bytes(static.write_csv().encode(encoding))
        said = [*NAMES, "--item", "what", *(["--encoding", encoding] if name == "latin" else [])]
        small = [word for each in ("units=2", "epochs=1", "seeds=1", "backend=numpy") for word in ("--set", each)]
        beside = ["--static", tmp_path / name / "static.csv"]
        where = ["--out", tmp_path / name / "out"]
        made = run("fit", "churn", tmp_path / name / "log.csv", *said, *beside, "--horizon", 60, *small, *where)
        assert made.exit_code == 0, made.output
        words = [tmp_path / name / "out" / "churn.safetensors", tmp_path / name / "log.csv", *beside]
        assert run("predict", *words, "--out", tmp_path / name / "p.csv").exit_code == 0
        assert "éc000: probability" in run("explain", *words, "--of", "éc000").stdout
    predicted = (tmp_path / "latin" / "p.csv").read_bytes()
    assert predicted == (tmp_path / "utf-8" / "p.csv").read_bytes() and "éc000" in predicted.decode()
    model = tmp_path / "latin" / "out" / "churn.safetensors"
    log = tmp_path / "utf-8" / "log.csv"  # another file may be written in another way
    words = ["--static", tmp_path / "utf-8" / "static.csv", "--encoding", "utf-8", "--out", tmp_path / "q.csv"]
    assert run("predict", model, log, *words).exit_code == 0
    assert (tmp_path / "q.csv").read_bytes() == predicted
