"""What a file with a fitted `Churn` must hold: checked before a number of it is used."""

from __future__ import annotations

import inspect
from typing import Any

from rnncore.errors import ContractError
from rnncore.interop import models, safetensors
from rnncore.marketing.days import to_day
from rnncore.marketing.events import EventLog
from rnncore.marketing.verdict import Judgement
from rnncore.marketing.windows import Recipe


def expect(metadata: dict[str, Any]) -> safetensors.Expected:
    """The arrays of a saved Churn; anything wrong with the description raises."""
    wanted = {"task", "arguments", "model", "reading", "trained_until", "history", "judgement"}
    if metadata.get("task") != "churn" or set(metadata) != wanted:
        raise ContractError("task", "churn", repr(metadata.get("task"))[:80], "load it with the task it belongs to")
    recipe = Recipe(**metadata["arguments"]).checked()
    network = models.rebuild(metadata["model"])[0]
    if network != recipe.network():
        raise ContractError("model", repr(recipe.network()), repr(network)[:200], "the arguments ask for another")
    reading = metadata["reading"]
    words = set(inspect.signature(EventLog).parameters) - {"source", "static", "calendar"}
    if type(reading) is not dict or not words >= set(reading) or not all(map(_word, reading.values())):
        raise ContractError("reading", "words of EventLog", repr(reading)[:80], "write it with save")
    to_day(metadata["trained_until"])
    for record in metadata["history"]:
        sum(record.values())  # TypeError unless it holds numbers
    Judgement.from_json(metadata["judgement"])
    return recipe.arrays()


def _word(value: Any) -> bool:
    return type(value) is str or (type(value) is list and all(type(name) is str for name in value))
