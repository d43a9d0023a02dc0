"""What the commands over event logs are asked for: a task and its arguments, a saved one, a log, a file to write."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.interop.atomic import require_free
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.commands import command
from rnncore.marketing.commands.samples import SAMPLES
from rnncore.marketing.events import EventLog
from rnncore.marketing.hazard import ChurnHazard
from rnncore.marketing.log.days import to_day
from rnncore.marketing.log.reading import header, parts_of
from rnncore.marketing.task import Task
from rnncore.marketing.tasks import TASKS, load

HOW = ("time_format", "missing", "negative", "separator", "decimal", "encoding")  # words of EventLog for no column
LISTS, TABLES = ("extras", "categories"), ("static", "calendar")
SHARED = "Those of `Task`, said like all others with --set NAME=VALUE; --horizon, --seed and --seeds do as well"


def asked_for(name: str, arguments: dict[str, Any], own: Sequence[str] = ()) -> Task:
    """The task of a command; own: further arguments as "name=value". ContractError for a word that is none, and for
    arguments that it cannot take.
    """
    checks.one_of("task", name, list(TASKS))
    known = TASKS[name].arguments()
    said = settings(own, [word for word, p in known.items() if isinstance(p.default, str)])
    if twin := next((word for word in said if word in arguments), None):
        raise ContractError("set", f"{twin} once", f"--{twin} and --set {twin}", "leave out one of the two")
    arguments = arguments | said
    for argument in arguments:
        if argument not in known:
            near = checks.nearest(argument, list(known))
            advice = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            raise ContractError("set", f"an argument of {name}", repr(argument), advice)
    return TASKS[name](**arguments).check()


def described(name: str | None) -> Iterator[str]:
    """What `rnncore tasks` says of all tasks, or more of one; ContractError for a word that is none."""
    if name is not None:
        checks.one_of("task", name, list(TASKS))
    for task in TASKS.values() if name is None else [TASKS[name]]:
        about = inspect.getdoc(task) or ""
        given = {argument: p.default for argument, p in task.arguments().items()}
        yield f"{task.name}  {re.sub('; (the other )?arguments .*', '', about.splitlines()[0])}"
        if name is not None:
            own = about.partition("\n>>>")[0].strip().splitlines()[2:]
            shared = (inspect.getdoc(Task) or "").split("\n\n")[1].splitlines()
            for line in ("", *own, "", f"{SHARED}:", "", *shared, ""):
                yield re.sub(r"\bNone\b", "null", line)
        yield "    " + ", ".join(f"{argument}={json.dumps(value)}" for argument, value in given.items())
        yield f"    {task.example}"
    if name is None:
        yield "\nrnncore tasks TASK explains the arguments of one, and shows rows that it can read"
    if name is not None:
        for file, rows in SAMPLES[name].items():
            yield from ("", f"{file}, for example:", *(f"    {row}" for row in rows.splitlines()))


def settings(texts: Sequence[str], words: Sequence[str] = ()) -> dict[str, Any]:
    """The arguments said as "name=value"; a value is JSON where it can be, otherwise text; of those in `words` always
    text: an event may be called 1, or true.

    >>> settings(["units=8", "cancel=1", "backend=numpy", "levels=[0.1, 0.9]"], ["cancel", "backend"])
    {'units': 8, 'cancel': '1', 'backend': 'numpy', 'levels': [0.1, 0.9]}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ContractError("set", "name=value", repr(text), "for example --set units=16")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
        if name in words and not isinstance(found[name], str):
            found[name] = value
    return found


def again(model: Path, file: Path, said: dict[str, Any]) -> tuple[Task, EventLog]:
    """A saved task, and a log read as in its fit, unless told otherwise; prints the report of the log."""
    require_model_first(model, file)
    task = load(model)
    words = {**task.reading_, **said}
    there = header(file, words)
    optional = (*task.taught, *(("customer", "time") if "text" in task.needs else ()))
    taught = [role for role in optional if role not in said]  # what was learned need not be known of new rows

    def known(name: Any) -> bool:
        return type(name) is not str or all(part in there for part in parts_of(name, there))

    words = {role: name for role, name in words.items() if role not in taught or known(name)}
    for role, name in task.reading_.items():
        if role in words and role not in (*said, *HOW) and not known(name) and len(there) > 1:
            shown = ", ".join(map(repr, there[:30]))
            raise DataError(
                f"{file.name} has no column {name!r}, which the model was fitted with; it has {shown}; if it goes by "
                f"another name, name it when the log is made: {role}=..."
            )
    with command.at_work("reading the log"):
        events = EventLog(file, **words)
    print(events.quality(), flush=True)
    return task, events


def answers(task: Task, log: EventLog, at: str | None, horizon: int | None, start: int) -> Any:
    """What a task predicts; of another time than that of the fit, P(no event in it). ContractError where it cannot."""
    if horizon is None and not start:
        return task.predict(log, at)
    if isinstance(task, ChurnHazard):
        return task.quiet(log, start, task.horizon if horizon is None else horizon, at)
    said, came = ("start", start) if horizon is None else ("horizon", horizon)
    known = f"none, for {task.name} answers for that of its fit alone, {counted(task.horizon, 'day')} from now"
    raise ContractError(said, known, str(came), f"fit {task.name} again, or churn-hazard, which answers for any time")


def require_columns(file: Path, said: dict[str, Any]) -> None:
    """DataError for a file that is not there or lacks a column that is named, before anything else is judged."""
    names = [name for role, name in said.items() if role not in (*HOW, *LISTS, *TABLES)]
    header(file, said, [*names, *said.get("extras", ())])


def require_customer(task: Task, customer: str | None) -> None:
    """ContractError where a task compares customers, and no column says who they are."""
    if customer is None and task.fewest > 1 and "text" not in task.needs:
        advice = "name it: --customer COLUMN (a forecast of one series, or sentiment of texts, needs none)"
        raise ContractError("customer", "the column that says who", "none", advice)


def cut(log: EventLog, until: str) -> EventLog:
    """What a log holds until a day, and a line that says how much that is."""
    if not log.dated:
        raise ContractError("until", "no day for a table without times", until, "name the column time, or leave it out")
    early = log.until(to_day(until, "until"))
    if not len(early):
        raise ContractError("until", f"a day from {log.first_day} on, when the log begins", until, "choose a later day")
    print(f"{counted(len(early), 'event')} of {len(log):,} came until {until}: the others are left for later\n")
    return early


def beside(model: Path, file: Path, suffix: str) -> Path:
    """Where what a model says of a log is written unless told otherwise: beside the model, named after both.

    >>> str(beside(Path("churn.safetensors"), Path("logs/today.csv.gz"), ".html"))
    'churn-today.html'
    """
    return model.with_name(f"{model.stem}-{Path(file.name.removesuffix('.gz')).stem}{suffix}")


def require_model_first(model: Path, file: Path) -> None:
    """ContractError where a model and a log change places, and where the model is the folder that holds it."""
    if file.suffix == ".safetensors" != model.suffix:
        raise ContractError("model", "the model first, then the log", f"{model} {file}", f"swap them: {file} {model}")
    if model.is_dir():
        inside = sorted(model.glob("*.safetensors"))
        advice = f"the model in it is {inside[0]}" if inside else "name the .safetensors that fit wrote"
        raise ContractError("model", "a file", f"the folder {model}", advice)


def require_writable(out: Path, force: bool, model: Path, file: Path, option: str = "--out") -> None:
    """ContractError unless `out` can be written without loss, the model and the log that are read among it."""
    require_model_first(model, file)
    for name, path in {"the model": model, "the log": file}.items():
        if out.resolve() == path.resolve() or (out.exists() and path.exists() and out.samefile(path)):
            raise ContractError(option, "another file than those that are read", f"{name} {path}", "name a new file")
    require_free(out, force, option)
