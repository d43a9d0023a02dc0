"""The README's links lead somewhere, its engine example runs as it stands, and it has the two commands that CI runs.

Files that pages and docstrings name are there.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
HIDDEN = re.compile(r"(^|/)(\.|build/)")
PAGES = [page for page in (p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.md")) if not HIDDEN.search(page)]


def test_every_page_is_looked_at():
    assert {"README.md", "CONTRIBUTING.md", "benchmarks/limits.md", "rnncore/layers/README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_relative_link_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert not missing


FILES = [f"/{p.relative_to(ROOT).as_posix()}" for p in ROOT.rglob("*.py")]


def not_there(text):
    """The names of Python files in a text, with or without their folders, that no file of the tree has."""
    names = re.findall(r"(?<![\w./-])(?:\.\./)*([\w/-]*\w\.py)\b", text)
    return [name for name in names if not any(file.endswith(f"/{name}") for file in FILES)]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_python_file_that_a_page_names_is_there(page):
    assert not not_there((ROOT / page).read_text(encoding="utf-8"))


def test_every_python_file_that_a_docstring_names_is_there():
    for path in (ROOT / "rnncore").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                assert not not_there(ast.get_docstring(node) or ""), path


def test_a_file_that_is_named_and_not_there_is_found():
    assert not_there("`task.py`, marketing/task.py, ../setup.py; see nowhere.py, and `texts/task.py`.") == [
        "nowhere.py",
        "texts/task.py",
    ]


def test_every_link_within_the_readme_leads_to_a_head():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.M)}
    links = re.findall(r"\]\(#([^)]+)\)", text)
    assert links and set(links) <= heads


def test_the_engine_example_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    engine = next(block for block in blocks if "rc.LSTM" in block)
    assert len(engine.splitlines()) <= 20
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(engine, "README.md", "exec"), names)
    assert "pass" in capsys.readouterr().out
    assert (tmp_path / "model.safetensors").exists()
    assert names["y"].shape == (7, 4, 5)
    assert len(names["history"]) == 3
    exec(compile(next(block for block in blocks if "truncated_bptt" in block), "README.md", "exec"), names)
    assert np.isfinite(names["value"]) and names["state"][0].shape == (8, 16)


@pytest.mark.parametrize("command", ['pip install ".[marketing]" && rnncore demo', 'pip install ".[dev]" && pytest'])
def test_the_two_commands_stand_on_a_line_of_their_own(command):
    assert command in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
