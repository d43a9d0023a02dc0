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

ROLES = "customer|time|value|items|price|event|channel|item|text|outcome|action|propensity|order|static|calendar"
# what Python's messages call a thing -> what it is called here
WORDS = (
    (re.compile(r'\b(missing|negative)="drop"'), r"--\1 drop"),
    (re.compile(r'\btime_format(?:=("[^"]*"))?'), lambda found: f"--time-format {found[1] or ''}".rstrip()),
    (re.compile(r"\bseparator="), "--separator"),
    (re.compile(rf"^({ROLES}|horizon|seeds?|separator|at|missing|negative|set|plot): expected"), r"--\1: expected"),
    (re.compile(rf"name it when the log is made: ({ROLES})=\.\.\."), r"name it: --\1 COLUMN"),
    (re.compile(r"the same call goes on from .*"), "the same command goes on from there"),
)


def in_words_of_the_command_line(text: str) -> str:
    """A message with arguments called as they are on the command line.

    >>> in_words_of_the_command_line('3 missing cells. missing="drop" leaves such rows out')
    '3 missing cells. --missing drop leaves such rows out'
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
