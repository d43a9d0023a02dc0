"""Libraries that only some users have."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def library(name: str, extra: str) -> Any:
    """Import a library; ModuleNotFoundError that says which extra brings it where it is not there.

    >>> library("math", "onnx").sqrt(4.0)
    2.0
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        said = f"this takes {name}, which is not installed: pip install 'rnncore[{extra}]'"
        raise ModuleNotFoundError(said, name=error.name) from error
