"""The container of every file rnncore saves: named arrays and a JSON description, in the safetensors layout.

    8 bytes      length of the header, little-endian
    header       {"__metadata__": {"rnncore": DESCRIPTION}, NAME: {"dtype", "shape", "data_offsets"}, ...} and spaces
                 up to a multiple of 8
    data         the arrays, little-endian, C order, one behind the other without gaps

DESCRIPTION is JSON inside a string: checksum, format version, kind and the caller's metadata. The checksum is the
SHA-256 of the whole file with the 64 digits of the checksum itself read as zeros, so no bit is outside it. It tells
damage from health; it is no signature. The safetensors library reads these files; rnncore reads them with a validator
of its own, which believes nothing in the file. Nothing in a file is ever executed.

Every file that cannot be read is a `ModelFileError`; its `code` is one of

    missing          there is no such file
    directory        the name is a folder
    special          the name is a device, a pipe or a socket
    unreadable       the system refuses to open or read it
    too-large        larger than `max_bytes`, or than the memory
    truncated        shorter than it says
    trailing         longer than it says
    not-safetensors  something else: no header length and JSON header at the start
    encoding         the header is not UTF-8
    json             the header is not JSON, or holds NaN, Infinity or an overlong number
    depth            the header nests too deep
    duplicate        a key appears twice
    not-rnncore      a safetensors file that rnncore did not write
    version          written in a format that this rnncore does not read
    kind             an rnncore file of another kind, for example a checkpoint where a model was asked for
    header           a part of the header has the wrong form, type or range
    name             an array has a name that is not letters, digits, "_", with "." or "-" between
    description      the description is refused by the one who asked for the file
    names            arrays are missing or too many
    dtype            an array has an unknown or another dtype than asked for
    shape            an array has an impossible or another shape than asked for
    offsets          arrays overlap, leave gaps or do not fit their shapes
    checksum         the bytes are not those that were written
    non-finite       an array holds NaN or infinity
    boolean          a boolean is neither 0 nor 1
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rnncore.errors import ContractError, ModelFileError, NonFiniteError
from rnncore.interop import header as layout
from rnncore.interop.atomic import replacing
from rnncore.interop.strict_json import Refused, parse, show

MAX_BYTES = 4 * 2**30

Expected = Mapping[str, tuple[tuple[int, ...], DTypeLike]]


def write(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, Any],
    *,
    kind: str = "arrays",
) -> None:
    """Write named arrays and their description to `path`, replacing an old file in one step (see `atomic.replacing`).

    arrays: any shapes; float16/32/64, signed and unsigned integers, bool. metadata: JSON values; tuples come back as
    lists. kind: a word that says what the file is for; `read` refuses files of another kind. Equal input, equal bytes.

    Raises NonFiniteError naming the arrays with NaN or infinity, ContractError for names, dtypes or metadata that
    cannot be written, OSError from the disk. In each case an old file under this name is untouched.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/a.safetensors", {"w": np.array([1.0, 2.0])}, {"about": "two weights"})
    ...     read(f"{folder}/a.safetensors", lambda metadata: {"w": ((2,), "float64")})
    ({'w': array([1., 2.])}, {'about': 'two weights'})
    """
    name, ordered = _as_text(path), _checked(arrays)
    header = layout.build(ordered, metadata, kind)
    digest = hashlib.sha256(header)
    with replacing(name) as file:
        file.write(header)
        for array in ordered.values():
            data = _little_endian(array).data
            digest.update(data)
            file.write(data)
        file.seek(layout.CHECKSUM_AT)
        file.write(digest.hexdigest().encode())


def read(
    path: str | os.PathLike[str],
    expect: Callable[[dict[str, Any]], Expected],
    *,
    kind: str = "arrays",
    max_bytes: int = MAX_BYTES,
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return (arrays, metadata) of the file at `path`, or raise ModelFileError with a code from the table above.

    expect(metadata) returns {name: (shape, dtype)}: exactly the arrays that must be there. Whatever it raises (a
    ContractError, a KeyError over a description it cannot understand) counts against the file: code "description". No
    memory is taken for an array before its name, shape, dtype and place in the file have been found right. The arrays
    are new, writable, in native byte order and finite. max_bytes: larger files are refused unread.
    """
    name = _as_text(path)
    try:
        with open(name, "rb", opener=_open) as file:
            return _read(file, expect, kind, max_bytes)
    except Refused as error:
        raise ModelFileError(error.code, name, error.message) from error.__cause__
    except (FileNotFoundError, NotADirectoryError):
        raise ModelFileError("missing", name, "there is no such file") from None
    except IsADirectoryError:
        raise ModelFileError("directory", name, "this is a folder, not a file") from None
    except RecursionError:  # the caller stands at the end of the stack; 64 levels are no hazard elsewhere
        raise ModelFileError("depth", name, "the header nests deeper than the room left on the stack") from None
    except MemoryError:
        raise ModelFileError("too-large", name, "the file does not fit into memory") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise ModelFileError("unreadable", name, f"the file cannot be read: {error}") from error


def _read(
    file: BinaryIO, expect: Callable[[dict[str, Any]], Expected], kind: str, max_bytes: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    head, data_size = _head(file, max_bytes)
    table = parse(head[8:])
    checksum, metadata = layout.description(head, table, kind)
    entries = layout.entries(table, data_size)
    _compare(entries, expect, metadata)
    digest = hashlib.sha256(layout.without_checksum(head))
    arrays = {}
    for entry in entries:
        array = np.empty(entry.shape, entry.dtype)
        data = array.reshape(-1).view(np.uint8).data
        if file.readinto(data) != len(data):  # type: ignore[attr-defined]
            raise Refused("truncated", "the file shrank while it was read")
        digest.update(data)
        arrays[entry.name] = array
    if file.read(1):
        raise Refused("trailing", "the file grew while it was read")
    if digest.hexdigest() != checksum:
        raise Refused("checksum", "the file is damaged: its bytes are not those that were written")
    for name, array in arrays.items():
        _check_values(name, array)
    return {name: a.astype(a.dtype.newbyteorder("="), copy=False) for name, a in sorted(arrays.items())}, metadata


def _open(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe without a writer would block


def _head(file: BinaryIO, max_bytes: int) -> tuple[bytes, int]:
    """Return the first 8 bytes with the header, and the size of the data behind them."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise Refused("special", "this is a device, pipe or socket, not a file")
    if status.st_size > max_bytes:
        raise Refused("too-large", f"the file has {status.st_size} bytes, more than max_bytes={max_bytes}")
    prefix = file.read(8)
    if len(prefix) < 8:
        raise Refused("truncated", f"the file ends after {len(prefix)} bytes")
    length = int.from_bytes(prefix, "little")
    if not 2 <= length <= layout.MAX_HEADER:
        raise Refused("not-safetensors", "this is not a safetensors file (no credible header length at its start)")
    header = file.read(length)
    if len(header) < length:
        raise Refused("truncated", f"the file has {status.st_size} bytes, its header alone claims {length + 8}")
    if header[:1] != b"{":
        raise Refused("not-safetensors", "this is not a safetensors file (no JSON header at its start)")
    return prefix + header, status.st_size - 8 - length


def _compare(
    entries: list[layout.Entry], expect: Callable[[dict[str, Any]], Expected], metadata: dict[str, Any]
) -> None:
    try:
        wanted = {name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in expect(metadata).items()}
    except Refused:
        raise
    except Exception as error:  # the description is not trusted: what it makes `expect` trip over is its fault
        raise Refused("description", f"the description cannot be used: {error or type(error).__name__}") from error
    found = {entry.name: entry for entry in entries}
    missing, unknown = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or unknown:
        lists = [
            f"{word} {', '.join(sorted(n)[:5])}" for word, n in (("lacks", missing), ("has unexpected", unknown)) if n
        ]
        raise Refused("names", f"the file {' and '.join(lists)}")
    for name, (shape, dtype) in wanted.items():
        entry = found[name]
        if entry.dtype != dtype.newbyteorder("<"):
            raise Refused("dtype", f"{name} is {entry.dtype.name}, the description asks for {dtype.name}")
        if entry.shape != shape:
            raise Refused("shape", f"{name} has shape {entry.shape}, the description asks for {shape}")


def _check_values(name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refused("non-finite", f"{name} holds NaN or infinity")
    if array.dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise Refused("boolean", f"{name} holds a boolean that is neither 0 nor 1")


def _checked(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays in file order, widest first so that each is aligned; raise where one cannot be written."""
    for name, array in arrays.items():
        if not layout.is_name(name):
            advice = "use letters, digits and _, with . or - between, at most 200"
            raise ContractError("arrays", "names that are safe anywhere", show(name), advice)
        if type(array) not in (np.ndarray, np.memmap):  # other subclasses mean more than their numbers
            raise ContractError(name, "a NumPy array", type(array).__name__, "convert it with numpy.asarray")
        if layout.code(array.dtype) is None:
            raise ContractError(name, "a float, integer or boolean dtype", str(array.dtype), "convert it with astype")
    bad = sorted(name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all())
    if bad:
        raise NonFiniteError(f"{', '.join(bad)}: NaN or infinity is never written to a file", arrays=bad)
    return dict(sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))


def _little_endian(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype.kind == "b":
        array = array.view(np.uint8) != 0  # True may be any non-zero byte in memory
    contiguous = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return contiguous.reshape(-1).view(np.uint8)


def _as_text(path: str | os.PathLike[str]) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        raise ContractError("path", "a file name", type(path).__name__, "give a str or a pathlib.Path") from None
