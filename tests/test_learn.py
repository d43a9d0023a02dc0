"""The notebooks are listed with what they say of themselves, copied without loss, and travel with the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import run

from rnncore import learn
from rnncore.errors import ContractError, DataError


def test_every_notebook_is_listed_with_its_question_needs_and_time():
    printed = run("learn").stdout
    for lesson in learn.lessons():
        assert lesson.question.endswith("?") and lesson.need and "minutes" in lesson.time
        assert f"{lesson.number}  {lesson.question}" in printed


def test_what_a_notebook_needs_is_what_the_table_of_notebooks_says():
    rows = re.findall(r"^\| \[(\d\d)\].*\| (.*) \| \d+ \|$", (learn.folder() / "README.md").read_text("utf-8"), re.M)
    needs = {lesson.number: set(re.findall(r"\b\d\d\b", lesson.need)) for lesson in learn.lessons()}
    assert {number: set(re.findall(r"\b\d\d\b", need)) for number, need in rows} == needs


def test_copies_are_complete(tmp_path):
    result = run("learn", "--to", tmp_path / "mine")
    assert result.exit_code == 0
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names >= {lesson.path.name for lesson in learn.lessons()} | {"classroom.py", "rnncore.mplstyle"}


def test_a_copy_with_answers_is_not_overwritten(tmp_path):
    name = learn.lessons()[0].path.name
    (tmp_path / name).write_text("my answers")
    with pytest.raises(DataError, match="perhaps with your answers"):
        learn.copy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    learn.copy(tmp_path, force=True)
    assert (tmp_path / name).read_text() != "my answers"


def test_an_unknown_number_is_refused(tmp_path):
    with pytest.raises(ContractError, match="one of 01, "):
        learn.open_lesson("77", tmp_path)


def test_a_notebook_is_copied_and_opened(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(learn.importlib.util, "find_spec", lambda name: name == "notebook")
    monkeypatch.setattr(learn.subprocess, "run", lambda words, check: called.append(words))
    learn.open_lesson("1", tmp_path / "mine")
    assert called == [[sys.executable, "-m", "notebook", str(tmp_path / "mine" / learn.lessons()[0].path.name)]]
    assert Path(called[0][-1]).exists()


def test_without_jupyter_the_way_to_get_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(learn.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install notebook"):
        learn.open_lesson("01", tmp_path)


def test_the_built_package_holds_the_notebooks_and_the_yardstick(tmp_path):
    root = Path(__file__).parents[1]
    for name in ("setup.py", "pyproject.toml", "README.md", "rnncore", "notebooks", "benchmarks"):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copyfile
        copy(root / name, tmp_path / name)
    words = [sys.executable, "setup.py", "-q", "build", "--build-base", "built"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    inside = {path.name for path in (tmp_path / "built").glob("lib*/rnncore/notebooks/*")}
    assert inside >= {lesson.path.name for lesson in learn.lessons()} | {"classroom.py", "rnncore.mplstyle"}
    (package,) = (tmp_path / "built").glob("lib*")
    listed = [sys.executable, "-m", "rnncore", "bench", "--list"]
    words = {**os.environ, "PYTHONPATH": str(package)}
    lines = subprocess.run(listed, cwd=package, check=True, capture_output=True, text=True, env=words).stdout
    assert "forward + backward LSTM N32 T50 32->64" in lines.splitlines()
