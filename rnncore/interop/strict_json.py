"""JSON that means one thing only: what the header of a model file may hold, checked alike when written and when read.

Not a JSON library: the standard one parses, this file refuses what it lets through (repeated keys, NaN, numbers without
end, nesting without end, lone surrogates).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import numpy as np

MAX_DEPTH = 64  # far below any recursion limit, far above any model
MAX_DIGITS = 40  # holds 128-bit integers such as seeds
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)  # possessive: linear on any input


class Refused(Exception):
    """A file or a value that breaks a rule; callers turn it into the public error of their side, with the path."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def parse(raw: bytes) -> Any:
    """Return the one JSON value in `raw`.

    Raises Refused with the code "encoding", "depth", "json" or "duplicate".

    >>> parse(b'{"units": 64}')
    {'units': 64}
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("encoding", f"the header is not UTF-8 (byte {error.start})") from None
    if _depth(raw) > MAX_DEPTH:  # before parsing: the parser recurses
        raise Refused("depth", f"the header nests deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant)
    except ValueError as error:
        raise Refused("json", f"the header is not valid JSON: {error}") from None
    check(value)
    return value


def dump(value: Any) -> str:
    """Return `value` as ASCII JSON without spaces, keys sorted, so that equal values give equal text; or raise Refused.

    >>> dump({"b": (1, 2.5), "a": None})
    '{"a":null,"b":[1,2.5]}'
    """
    check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def check(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise Refused unless `value` is made of None, bool, int, finite float, str, list, tuple, dict with str keys."""
    if isinstance(value, dict | list | tuple):
        if depth == 0:
            raise Refused("depth", f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise Refused("json", f"the key {show(key)} is not a string")
                check(key)
        for part in value.values() if isinstance(value, dict) else value:
            check(part, depth - 1)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Refused("encoding", f"the text {show(value)} holds half of a surrogate pair")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("json", f"the number {value} is not finite")
    elif isinstance(value, int):
        if value.bit_length() > 128:
            raise Refused("json", "an integer has more than 128 bits")
    elif value is not None:
        raise Refused("json", f"a {type(value).__name__} has no place in JSON")


def show(value: object) -> str:
    """Return a short printable form of something untrusted, control characters escaped.

    >>> show("a\\x1b[2J")
    "'a\\\\x1b[2J'"
    """
    text = ascii(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def _depth(raw: bytes) -> int:
    marks = np.frombuffer(_STRING.sub(b"", raw), np.uint8)
    opened = ((marks == ord("[")) | (marks == ord("{"))).astype(np.int8)
    closed = ((marks == ord("]")) | (marks == ord("}"))).astype(np.int8)
    return int(np.cumsum(opened - closed, dtype=np.int64).max(initial=0))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise Refused("duplicate", f"the key {show(key)} appears twice")
        result[key] = value
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Refused("json", f"an integer has {len(digits)} digits")
    return int(digits)


def _constant(word: str) -> NoReturn:
    raise Refused("json", f"the number {word} is not finite")
