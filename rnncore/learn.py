"""The notebooks, wherever rnncore is installed: what each asks, and copies of them to work in."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from rnncore.errors import ContractError, DataError

__all__ = ["Lesson", "copy", "lessons", "open_lesson"]

_SHARED = ("*.ipynb", "*.mplstyle", "*.csv", "classroom.py", "README.md")


class Lesson(NamedTuple):
    """A notebook: its number, the one question it asks, what a reader needs, and how long it takes."""

    number: str
    question: str
    need: str
    time: str
    path: Path


def folder() -> Path:
    """The folder of the notebooks: inside an installed package, or beside the sources in a repository."""
    here = Path(__file__).parent
    for place in (here / "notebooks", here.parent / "notebooks"):
        if any(place.glob("*.ipynb")):
            return place
    raise DataError(f"no notebooks in {here / 'notebooks'}: install rnncore anew, they come with it")


def lessons() -> list[Lesson]:
    """All notebooks, in order.

    >>> lessons()[0].question
    'What exactly does the backward pass compute?'
    """
    return [_lesson(path) for path in sorted(folder().glob("*.ipynb"))]


def copy(to: Path, force: bool = False) -> list[Path]:
    """Copy the notebooks and what they share to a folder and return the new files.

    DataError where one of them is there already, unless `force`: it may hold somebody's answers.
    """
    sources = sorted(file for pattern in _SHARED for file in folder().glob(pattern))
    there = [file.name for file in sources if (to / file.name).exists()]
    if there and not force:
        raise DataError(
            f"{to / there[0]} is there already, perhaps with your answers; name another folder, or use force"
        )
    to.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(file, to / file.name)) for file in sources]


def open_lesson(number: str, to: Path) -> None:
    """Open a notebook of the folder in Jupyter, and wait until that is closed; copy them there if they are not.

    ContractError where there is no such number, DataError where Jupyter is not installed.
    """
    known = {lesson.number: lesson.path.name for lesson in lessons()}
    name = known.get(number.zfill(2))
    if name is None:
        raise ContractError("number", f"one of {', '.join(known)}", repr(number), "rnncore learn lists them")
    application = next((app for app in ("notebook", "jupyterlab") if importlib.util.find_spec(app)), None)
    if application is None:
        raise DataError(f"no Jupyter here to open {name} with: pip install notebook, or take an editor that knows them")
    if not (to / name).exists():
        copy(to)
    subprocess.run([sys.executable, "-m", application, str(to / name)], check=False)


def _lesson(path: Path) -> Lesson:
    """Read what the first cell says of itself."""
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])

    def said(pattern: str) -> str:
        found = re.search(pattern, first, re.MULTILINE | re.DOTALL)
        return " ".join(found[1].split()) if found else ""

    need, time = said(r"\*\*You need\*\* (.*?)(?:[.:;]|\n\*)"), said(r"\*\*It takes\*\* (.*?)\.?$")
    return Lesson(path.stem.split("_")[0], said(r"^# (.*?)$"), need, time, path)
