"""The commands that benchmarks/tasks.md has for each task are commands of rnncore, and work on the data they name."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from cli_runs import run
from conftest import data_folder

from rnncore.cli import app
from rnncore.cli_log import LOG, words_of
from rnncore.marketing import EventLog
from rnncore.marketing.commands.asking import asked_for, settings
from rnncore.marketing.tasks import TASKS

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import logs, tasks

PAGE = tasks.PAGE.read_text(encoding="utf-8")
BLOCK = re.search(r"## A command for each task.*?\n```\n(.*?)```", PAGE, re.S)[1].replace("\\\n", "")
LINES = [shlex.split(line) for line in BLOCK.splitlines() if line]
ASKED = [words[1:] for words in LINES if words[0] == "rnncore"]
FITS = {f"{words[1]} {words[2]}": words for words in ASKED if words[0] == "fit"}
MADE = {words[5]: words[3:5] for words in LINES if words[:3] == ["python", "-m", "benchmarks.logs"]}
AS_IT_IS = {"online_retail.parquet": "online_retail_1", "Tweets.csv": "airline_tweets"}  # file -> its folder
AS_IT_IS |= {"Telco-Customer-Churn.csv": "telco_churn"}


def parsed(words):
    """The arguments and options of a command, by name, as the command line itself takes them."""
    command = typer.main.get_command(app).commands[words[0]]
    return command.make_context(words[0], list(words[1:])).params


def fetched(words, folder):
    """The words of a fit, its files those of the data, or made from them in the folder."""
    file = words[2]
    if file not in MADE:
        return [*words[:2], str(data_folder(AS_IT_IS[file]) / file), *words[3:]]
    name, data = MADE[file]
    if not (folder / file).exists():
        logs.write(name, data_folder(data), folder / file)
    return [str(folder / word) if word.endswith(".csv") else word for word in words]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def test_the_page_is_put_together_by_the_script():
    assert tasks.page(tasks.parts(PAGE)) == PAGE


@pytest.mark.parametrize("title", tasks.RUNS)
def test_a_table_says_its_split_and_the_verdict_of_each_of_five_seeds(title):
    _, _, told, *_ = tasks.parts(PAGE)[title].splitlines()
    split = r"test origin \d{4}-\d\d-\d\d, [\d,]+ \w+ judged|judged on [\d,]+ customers set aside"
    verdict = r"(?:rnn|no signal|baseline:[^:;.]+)"
    assert re.fullmatch(rf"EventLog\(.*\); (?:{split}); verdicts of 5 seeds: {verdict}(?:, {verdict}){{4}}\.", told)


def test_every_task_has_a_command():
    assert {words[1] for words in FITS.values()} == set(TASKS)
    assert len(LINES) == len(ASKED) + len(MADE)


@pytest.mark.parametrize("words", ASKED, ids=lambda words: " ".join(words[:2]))
def test_its_words_are_those_of_the_command_line(words):
    said = parsed(words)
    if words[0] == "fit":
        assert asked_for(said["task"], settings(list(said["set"]))).name == words[1]


def test_what_makes_rows_says_how_they_are_read(tmp_path):
    (tmp_path / "airline-passengers.csv").write_text('"Month","Passengers"\n"1979-01",112\n"1979-02",118\n')
    said = logs.write("passengers", tmp_path, tmp_path / "out.csv")
    assert said == "--customer series --time Month --value Passengers"
    log = EventLog(tmp_path / "out.csv", customer="series", time="Month", value="Passengers")
    assert log.value.tolist() == [112.0, 118.0] and str(log.last_day) == "1979-02-01"


def test_tables_and_lists_are_said_as_options():
    words = {"customer": "who", "extras": ["a b", "c"], "categories": ["d"], "static": Path("x-static.csv")}
    assert logs.options(words) == "--customer who --extra 'a b' --extra c --category d --static x-static.csv"


@pytest.mark.parametrize("fit", FITS)
def test_it_reads_the_data(fit, folder):
    said = parsed(fetched(FITS[fit], folder))
    read = words_of({word: said[word] if type(said[word]) is not tuple else list(said[word]) for word in LOG})
    horizon = {} if said["horizon"] is None else {"horizon": said["horizon"]}
    task = asked_for(said["task"], {**horizon, **settings(list(said["set"]))})
    log = EventLog(said["file"], **read)
    work = task._prepared(log if said["until"] is None else log.until(said["until"]))
    task.require_answers(work)
    assert len(work.customers) >= 1 and (not log.dated or log.first_day < task.origin(work) < log.last_day)


@pytest.mark.thorough
@pytest.mark.parametrize("fit", FITS)
def test_it_works(fit, folder, tmp_path):
    small = [word for name in ("units=8", "epochs=1") for word in ("--set", name)]
    result = run(*fetched(FITS[fit], folder), *small, "--seeds", 1, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Verdict:" in result.stdout
    assert (tmp_path / "out" / "predictions.csv").exists()
