"""What a user of the command line sees when something is wrong: one line, in the words of the command line."""

from __future__ import annotations

import functools
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

from rnncore.errors import ContractError, DataError, ModelFileError, NonFiniteError

COLUMNS = "customer|time|value|items|price|event|channel|item|text|outcome|action|propensity|order"
FILES = "static|calendar"
OPTIONS = f"{COLUMNS}|{FILES}|horizon|seeds?|separator|decimal|at|start|missing|negative|set|plot|kind|every|one_in"
OPTIONS += "|since|until|encoding"
# the arguments of the tasks, which are said with --set
OWN = (
    "units|epochs|patience|batch_size|learning_rate|latest|backend|ahead|strategy|scale|season|convert|window|by|groups"
    "|code|rounds|of|discount|futures|interval|cancel|k|least|session|exclude|available|candidates|known_after|cost|words"
    "|dropout|period|silent"
)


def _option(name: str) -> str:
    """What an argument of Python's is called on the command line."""
    return f"--set {name}" if re.fullmatch(OWN, name) else f"--{name.replace('_', '-')}"


def _said(found: re.Match[str]) -> str:
    """name="value" as an option; the value may be left open."""
    value = found[2] if re.search(r"[%;|\\]", found[2]) else found[2].strip("\"'")  # what a shell would take apart
    option = _option(found[1])
    return f"{option}={value or 'VALUE'}" if option.startswith("--set ") else f"{option} {value}".rstrip()


# what Python's messages call a thing -> what it is called here
WORDS = (
    (re.compile(r"^customer: expected one of the log's customers"), "--of: expected one of the log's customers"),
    (re.compile(rf"^({OPTIONS}|{OWN}): expected"), lambda found: f"{_option(found[1])}: expected"),
    (re.compile(rf"name it when the log is made: ({COLUMNS})=\.\.\."), r"name it: --\1 COLUMN"),
    (re.compile(rf"when the log is made: ({FILES})=\.\.\."), r"with --\1 FILE"),
    (re.compile(r"say (?:task|cell)=('[\w-]+')"), r"say \1"),
    (re.compile(r"\btime_format(?!=)"), "--time-format"),
    (re.compile(rf"""(?<![^\s;(])({OPTIONS}|time_format|{OWN})=("[^"]*"|'[^']*'|-?[\d.]+\b|)"""), _said),
    (re.compile(rf"`({OPTIONS}|{OWN})`"), lambda found: _option(found[1])),
    (re.compile(r"; give a Python int$"), ""),
    (re.compile(r"\(a date, a numpy datetime64 or ISO text\)"), "(YYYY-MM-DD)"),
    (re.compile(r"fit the model on log\.until\(day\)"), "fit it anew with --until DAY"),
    (re.compile(r"table_ has the held-out scores of the fit"), "rnncore report shows how it was judged in the fit"),
    (re.compile(r"the same call goes on from .*"), "the same command goes on from there"),
)


def in_words_of_the_command_line(text: str) -> str:
    """A message with arguments called as they are on the command line.

    >>> in_words_of_the_command_line('3 missing cells. missing="drop" leaves such rows out')
    '3 missing cells. --missing drop leaves such rows out'
    >>> in_words_of_the_command_line('no event is "gone": say with cancel= how a cancellation is called')
    'no event is "gone": say with --set cancel=VALUE how a cancellation is called'
    """
    for pattern, word in WORDS:
        text = pattern.sub(word, text)
    return text


def say(message: str) -> None:
    """Print a message on stderr."""
    print(f"rnncore: {in_words_of_the_command_line(message)}", file=sys.stderr)


def _warn(message: Warning | str, *where: Any, **more: Any) -> None:
    """In the place of `warnings.showwarning`: the message without the line of source."""
    say(f"warning: {message}")


def reporting(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command of `app`; an error of rnncore's own becomes one line on stderr and exit code 2."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*args: Any, **words: Any) -> None:
            try:
                with warnings.catch_warnings():
                    warnings.showwarning = _warn
                    function(*args, **words)
            except (ContractError, DataError, ModelFileError, NonFiniteError) as error:
                say(str(error))
                raise typer.Exit(2) from error
            except OSError as error:
                say(f"{error.strerror}: {error.filename}" if error.filename else str(error))
                raise typer.Exit(2) from error
            except KeyboardInterrupt as stop:
                print(file=sys.stderr)
                say(str(stop) or "stopped")
                raise typer.Exit(130) from stop

        return app.command(name)(run)

    return register
