"""The header of a model file: how it is built, and the validator that believes nothing in it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import ContractError
from rnncore.interop.strict_json import Refused, dump, parse, show

FORMAT_VERSION = 1
MAX_HEADER = 10 * 2**20
MAX_DIMENSIONS = 32  # NumPy 1's own limit

_NAME = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")
_INTEGERS = {f"{kind}{size}": f"{kind.upper()}{8 * size}" for kind in "iu" for size in (1, 2, 4, 8)}
_CODES = {"f8": "F64", "f4": "F32", "f2": "F16", "b1": "BOOL"} | _INTEGERS
_DTYPES = {code: np.dtype(f"<{short}") for short, code in _CODES.items()}
_START = b'{"__metadata__":{"rnncore":"{\\"checksum\\":\\"'  # keys sorted: the checksum always stands here
_UNSET = "0" * 64
CHECKSUM_AT = 8 + len(_START)


class Entry(NamedTuple):
    """One array as the header tells it; begin and end are bytes from the start of the data."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def is_name(name: object) -> bool:
    """Tell whether `name` is safe as an array name: never a path, never a control character, never reserved."""
    return isinstance(name, str) and len(name) <= 200 and name != "__metadata__" and bool(_NAME.fullmatch(name))


def code(dtype: np.dtype[Any]) -> str | None:
    """Return the safetensors word of a dtype ("F32"), or None where it has none here."""
    return _CODES.get(f"{dtype.kind}{dtype.itemsize}")


def build(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], kind: str) -> bytes:
    """Return the start of a file up to its data, which follows in the order of `arrays`; checksum still zeros."""
    if not is_name(kind):
        raise ContractError("kind", "a plain word", show(kind), 'for example "model" or "checkpoint"')
    inner = {"checksum": _UNSET, "kind": kind, "metadata": dict(metadata), "version": FORMAT_VERSION}
    table: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        table[name] = {"data_offsets": [begin, end], "dtype": code(array.dtype), "shape": list(array.shape)}
    try:
        text = dump({"__metadata__": {"rnncore": dump(inner)}})[:-1] + "".join(
            f",{dump(name)}:{dump(entry)}" for name, entry in table.items()
        )
    except Refused as error:
        raise ContractError("metadata", "finite JSON values under string keys", error.message, "change it") from None
    header = f"{text}}}".encode("ascii")
    header += b" " * (-len(header) % 8)
    if len(header) > MAX_HEADER:
        raise ContractError("metadata", f"at most {MAX_HEADER} bytes", f"{len(header)}", "store large parts as arrays")
    return len(header).to_bytes(8, "little") + header


def without_checksum(head: bytes) -> bytes:
    """Return the start of a file with the digits of its checksum as zeros, as it was when the checksum was taken."""
    return head[:CHECKSUM_AT] + _UNSET.encode() + head[CHECKSUM_AT + len(_UNSET) :]


def description(head: bytes, table: Any, kind: str) -> tuple[str, dict[str, Any]]:
    """Return (checksum, metadata) of a parsed header; Refused where rnncore did not write it, or for another use."""
    outer = table.get("__metadata__")
    if type(outer) is not dict or type(outer.get("rnncore")) is not str:
        raise Refused("not-rnncore", "this is a safetensors file, but not one that rnncore wrote")
    inner = parse(outer["rnncore"].encode("utf-8"))
    if type(inner) is not dict or type(inner.get("version")) is not int or inner["version"] < 1:
        raise Refused("header", "the description has no format version")
    if inner["version"] > FORMAT_VERSION:
        newer = f"written in format {inner['version']}, this rnncore reads formats up to {FORMAT_VERSION}"
        raise Refused("version", f"{newer}; install a newer rnncore")
    if set(inner) != {"checksum", "kind", "metadata", "version"} or set(outer) != {"rnncore"}:
        raise Refused("header", "the description has keys too many or too few")
    if not is_name(inner["kind"]):
        raise Refused("header", "the kind of the file is not a plain word")
    if inner["kind"] != kind:
        raise Refused("kind", f"this is an rnncore file of the kind {inner['kind']!r}, not {kind!r}")
    metadata, checksum = inner["metadata"], inner["checksum"]
    if type(metadata) is not dict:
        raise Refused("header", "the metadata is not a JSON object")
    if type(checksum) is not str or head[8 : CHECKSUM_AT + 66] != _START + checksum.encode() + b'\\"':
        raise Refused("header", "the checksum is not where rnncore writes it")
    return checksum, metadata


def entries(table: dict[str, Any], data_size: int) -> list[Entry]:
    """Return the arrays of a parsed header in file order; they cover the data exactly, or Refused is raised."""
    found = [_entry(name, item) for name, item in table.items() if name != "__metadata__"]
    found.sort(key=lambda entry: (entry.begin, entry.end))
    end = 0
    for entry in found:
        if entry.begin != end:
            raise Refused("offsets", f"{entry.name} begins at byte {entry.begin}, the array before it ends at {end}")
        end = entry.end
    if end > data_size:
        raise Refused("truncated", f"the file holds {data_size} bytes of data, its header claims {end}")
    if end < data_size:
        raise Refused("trailing", f"the file holds {data_size} bytes of data, its header claims only {end}")
    return found


def _entry(name: str, item: Any) -> Entry:
    if not is_name(name):
        raise Refused("name", f"{show(name)} is not a safe array name")
    if type(item) is not dict or set(item) != {"dtype", "shape", "data_offsets"}:
        raise Refused("header", f"{name} is not described by exactly dtype, shape and data_offsets")
    dtype = _DTYPES.get(item["dtype"]) if type(item["dtype"]) is str else None
    if dtype is None:
        raise Refused("dtype", f"{name} has the unknown dtype {show(item['dtype'])}")
    shape, offsets = _naturals(name, item["shape"]), _naturals(name, item["data_offsets"])
    if len(shape) > MAX_DIMENSIONS:
        raise Refused("shape", f"{name} has {len(shape)} dimensions, more than {MAX_DIMENSIONS}")
    if math.prod(max(1, size) for size in shape) * dtype.itemsize >= 2**63:
        raise Refused("shape", f"{name} has a shape beyond any memory: {show(list(shape))}")
    if len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise Refused("offsets", f"{name} has the bytes {show(list(offsets))}, which do not fit {show(list(shape))}")
    return Entry(name, dtype, shape, *offsets)


def _naturals(name: str, value: Any) -> tuple[int, ...]:
    if type(value) is not list or not all(type(part) is int and 0 <= part < 2**63 for part in value):
        raise Refused("header", f"{name}: {show(value)} is not a list of whole numbers from 0")
    return tuple(value)
