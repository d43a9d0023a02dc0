"""What the commands over event logs are told alike: how a log is read, in the words of EventLog, and which files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Rows = Literal["error", "drop", "keep"]

# the words of EventLog: type and help
LOG: dict[str, tuple[Any, str]] = {
    "customer": (
        str,
        "The column that says who, or several with commas between; none of one series (demand), or of texts by "
        "themselves.",
    ),
    "time": (
        str,
        "The column that says when, or two, as Date,Time; none in a table with a row per customer, or of texts.",
    ),
    "value": (str, "The column with the amount, if there is one."),
    "items": (str, "The column with the number of things, if there is one."),
    "price": (str, "The column with the price of one thing: amount = price * items."),
    "event": (str, "The column that says what happened."),
    "channel": (str, "The column that says by which way."),
    "item": (str, "The column that says with which thing."),
    "text": (str, "The column in the customer's own words."),
    "outcome": (str, "The column that says what came of it."),
    "action": (str, "The column that says what was done to the customer."),
    "propensity": (str, "The column with the probability with which it was done: checked; no task reads it."),
    "order": (str, "A column of numbers that orders the events of one time."),
    "extra": (list[str], "A further column; more than one may be given."),
    "category": (list[str], "A column of categories that are written in digits; more than one may be given."),
    "static": (Path, "A file with a row per customer."),
    "calendar": (Path, "A file with a row per day (and customer), known in advance."),
    "time_format": (
        str,
        "How times are written if not ISO, as %d.%m.%Y; %s is seconds since 1970, %s%3f milliseconds, %d days.",
    ),
    "missing": (Rows, "Rows with an empty cell (keep: as missing numbers)."),
    "negative": (Rows, "Rows with a negative amount or count."),
    "separator": (str, r"Between the cells of a CSV file; \t is a tab."),
    "decimal": (Literal[".", ","], "What stands before the tenths of numbers."),
    "encoding": (str, "How the letters of CSV files are written, if not in UTF-8: cp1252 (Windows), latin-1 ..."),
}
LISTS = {"extra": "extras", "category": "categories"}
JOINED = ("customer", "time", "event", "channel", "item", "action")  # one column, or several joined


def with_log(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes them as `**log`, the options of LOG."""
    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.kind != p.VAR_KEYWORD]
    words = []
    for word, (kind, about) in LOG.items():
        kind = list[str] if kind is str else kind  # so that a second one is not lost
        annotation: Any = Annotated[
            kind | None, typer.Option(help=about, metavar="<str>" if kind == list[str] else None)
        ]
        words.append(inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    arguments, options = own[:2], [p.replace(kind=p.KEYWORD_ONLY) for p in own[2:]]
    parameters = [*arguments, *words, *options]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    return function


def words_of(log: dict[str, Any]) -> dict[str, Any]:
    r"""The options that were given, in the words of EventLog; one of JOINED may be given again, as a further column.

    >>> words_of({"customer": ["shop", "till"], "extra": ["way"], "separator": [r"\t"], "value": []})
    {'customer': 'shop,till', 'extras': ['way'], 'separator': '\t'}
    """
    said: dict[str, Any] = {}
    for word, value in log.items():
        if value is None or value == []:
            continue
        if isinstance(value, list) and word not in LISTS:
            if len(value) > 1 and word not in JOINED:
                raise typer.BadParameter(f"--{word.replace('_', '-')} was given twice; give it once")
            value = ",".join(value)
        said[LISTS.get(word, word)] = "\t" if word == "separator" and value == r"\t" else value
    return said


def named(text: str | Path) -> Path:
    """A path; an empty name is refused."""
    if not str(text):
        raise typer.BadParameter("an empty name; for the folder you are in, say --out .")
    return Path(text)


FOLDER = "The folder for predictions, model and picture"
Folder = typer.Option(help=f"{FOLDER}.", parser=named, metavar="FOLDER")
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Model = Annotated[Path, typer.Argument(help="The .safetensors that fit or demo wrote.")]
Log = Annotated[Path, typer.Argument(help="CSV (also gzipped) or Parquet, one row per event.")]
Own = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An argument of the task; `rnncore tasks` lists."),
]
