"""What a file with a fitted task must hold: checked before a number of it is used."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import rnncore as rc
from rnncore.errors import ContractError
from rnncore.interop import models, safetensors
from rnncore.interop.strict_json import Refused
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging.judgement import HeldOut, Judgement
from rnncore.marketing.log.days import to_day

if TYPE_CHECKING:
    from rnncore.marketing.answers.fitted import Fitted

KIND = "task"
FORM = 1  # of what a file holds: one more whenever files written before could not be used, or would mean something else
PARTS = {"made", "task", "arguments", "code", "model", "reading", "trained_until", "history", "judgement"}
FURTHER = {"held_out"}  # files written before have none


def describe(fitted: Fitted, used: Fitted) -> dict[str, Any]:
    """The description of a fitted task; used: the same task with the arguments of the fit."""
    return {
        "made": {"form": FORM, "rnncore": rc.__version__},
        "task": used.name,
        "arguments": used.get_params(),
        "code": fitted.code_,
        "model": models.describe(fitted.network_, fitted.params_[0]),
        "reading": fitted.reading_,
        "trained_until": str(fitted.trained_until_),
        "history": fitted.history_,
        "judgement": fitted.table_.to_json(),
        **({"held_out": fitted.held_out_.to_json()} if hasattr(fitted, "held_out_") else {}),
    }


def expect(kind: type[Fitted], metadata: dict[str, Any]) -> safetensors.Expected:
    """The arrays of a saved task; anything wrong with the description raises."""
    require_form(metadata)
    if metadata.get("task") != kind.name or set(metadata) - FURTHER != PARTS:
        raise ContractError("task", kind.name, repr(metadata.get("task"))[:80], "load it with the task it belongs to")
    if type(metadata["arguments"]) is not dict or set(metadata["arguments"]) != set(kind.arguments()):
        came = repr(metadata["arguments"])[:80]
        raise ContractError("arguments", ", ".join(kind.arguments()), came, "write it with save")
    task = kind(**metadata["arguments"]).check()
    wanted = task.network(metadata["code"])
    network, shapes = models.rebuild(metadata["model"])
    if network != wanted:
        raise ContractError("model", repr(wanted), repr(network)[:200], "the arguments ask for another")
    reading = metadata["reading"]
    words = set(inspect.signature(EventLog).parameters) - {"source", "static", "calendar"}
    if type(reading) is not dict or not words >= set(reading) or not all(map(_word, reading.values())):
        raise ContractError("reading", "words of EventLog", repr(reading)[:80], "write it with save")
    to_day(metadata["trained_until"])
    for record in metadata["history"]:
        sum(record.values())  # TypeError unless it holds numbers
    judged = Judgement.from_json(metadata["judgement"])
    held = HeldOut.expected(metadata["held_out"], judged.rows) if "held_out" in metadata else {}
    arrays = {f"params.{k}.{name}": row for k in range(task.seeds) for name, row in shapes.items()}
    return {**arrays, **held} | (
        {"calibration": ((task.calibration.size,), "float64")} if task.calibration.size else {}
    )


def require_form(metadata: dict[str, Any]) -> None:
    """Refused unless a file was made in the form that is read."""
    made = metadata.get("made")
    form = made.get("form") if type(made) is dict else None
    if type(form) is not int or form != FORM:
        by = f"rnncore {str(made.get('rnncore'))[:20]}, in form {form}" if type(made) is dict else "an earlier rnncore"
        raise Refused("version", f"made by {by}, and this one reads form {FORM}: fit the model again")


def _word(value: Any) -> bool:
    return type(value) is str or (type(value) is list and all(type(name) is str for name in value))
