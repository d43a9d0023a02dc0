"""Where `rnncore fit` writes, and the folder `<out>.unfinished` from which an interrupted training goes on.

That folder holds the checkpoints of the networks and `call.json`, which says what they belong to. Nothing else is
ever removed from it, and a folder that holds anything else is not touched.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from rnncore.errors import ContractError, ModelFileError
from rnncore.interop.atomic import replacing
from rnncore.marketing.events import EventLog
from rnncore.marketing.task import Task

START, CALL = "training", "call.json"
_NETWORK = re.compile(rf"{START}-((\d{{4}}-\d\d-\d\d-)?judged|final)(-\d+)?")
_LEFT_BY_A_KILL = re.compile(r"\.rnncore-[0-9a-f]{16}\.tmp")  # see atomic.replacing


def places(out: Path, force: bool) -> tuple[Path, Path]:
    """The folder for the result and the one for checkpoints beside it; ContractError where they cannot be used."""
    folder = out.resolve()
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ContractError("--out", "a new or an empty folder", str(out), "name another one, or say --force")
    if folder.exists() and not folder.is_dir():
        raise ContractError("--out", "a folder", f"the file {out}", "name another one")
    if not folder.name:
        raise ContractError("--out", "a folder inside another one", str(out), "name a folder in it")
    if not folder.parent.is_dir():
        raise ContractError("--out", "a name in a folder that exists", str(out), f"make {folder.parent} first")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    if unfinished.exists() and not unfinished.is_dir():
        raise ContractError("--out", f"no file called {unfinished}", "one", "name another --out, or move that file")
    if unfinished.is_dir():
        strange = sorted(p.name for p in unfinished.iterdir() if not _ours(p))
        if strange:
            what = f"a folder {unfinished}, for checkpoints, that holds nothing else"
            raise ContractError("--out", what, f"{strange[0]!r} in it", "name another --out, or move that folder")
    return folder, unfinished


def train(task: Task, log: EventLog, unfinished: Path, force: bool, origins: int = 1) -> None:
    """Fit `task`, with progress on stderr, going on from checkpoints of this very call.

    Checkpoints of another call are refused, or with `force` removed; those of other origins are of use, whatever their
    number. They stay for `remove` once training has begun.
    """
    call = _call(task, log)
    try:
        other = _differences(unfinished, call)
        if not other:
            try:
                return _fit(task, log, unfinished, call, origins)
            except (ContractError, ModelFileError) as error:
                if isinstance(error, ContractError) and error.argument != "checkpoint":
                    raise
                other = "it cannot be used by this version of rnncore, or is damaged"
        if not force:
            raise _refusal(unfinished, other)
        remove(unfinished)
        _fit(task, log, unfinished, call, origins)
    except KeyboardInterrupt as stop:
        if str(stop) or not _begun(unfinished):
            raise
        raise KeyboardInterrupt(f"stopped; the same call goes on from {unfinished}") from None
    finally:
        if not _begun(unfinished):
            remove(unfinished)


def remove(unfinished: Path) -> None:
    """Remove what this program wrote into the folder, and the folder if it is empty then."""
    if unfinished.is_dir():
        for file in unfinished.iterdir():
            if _ours(file):
                file.unlink()
        with suppress(OSError):
            unfinished.rmdir()


def _begun(unfinished: Path) -> bool:
    return unfinished.is_dir() and any(_NETWORK.fullmatch(file.name) for file in unfinished.iterdir())


def _ours(file: Path) -> bool:
    kinds = (_NETWORK, _LEFT_BY_A_KILL)
    return file.is_file() and (file.name == CALL or any(kind.fullmatch(file.name) for kind in kinds))


def _call(task: Task, log: EventLog) -> dict[str, Any]:
    """What a training depends on, in the words of the command line."""
    own = {"horizon", "seed", "seeds"}
    said = {f"{'--' if name in own else '--set '}{name}": value for name, value in sorted(task.get_params().items())}
    return {"task": task.name, **said, "log": _fingerprint(log)}


def _fingerprint(log: EventLog) -> str:
    """A digest of every event that was read."""
    total = hashlib.sha256("\0".join(map(str, log.customers.tolist())).encode())
    for array in (log.offsets, log.time, log.value, log.items, log.count):
        total.update(b"\0none" if array is None else np.ascontiguousarray(array).view(np.uint8).data)
    calendar = log.calendar
    if calendar is not None:
        who = None if calendar.customers is None else calendar.customers.tolist()
        total.update(calendar.days.tobytes() + repr(who).encode())
    for columns in (log.cells, log.static, *([] if calendar is None else [calendar.columns])):
        total.update("\0".join(columns.names).encode())
        for array in columns.numbers.values():
            total.update(np.ascontiguousarray(array).view(np.uint8).data)
        for category in columns.categories.values():
            total.update(category.codes.view(np.uint8).data)
            total.update("\0".join(category.levels.tolist()).encode())
        for array in columns.texts.values():
            total.update(repr(array.tolist()).encode())
    return total.hexdigest()


def _fit(task: Task, log: EventLog, unfinished: Path, call: dict[str, Any], origins: int) -> None:
    unfinished.mkdir(exist_ok=True)
    with replacing(str(unfinished / CALL)) as file:
        file.write(json.dumps(call).encode())
    task.fit(log, origins=origins, progress=True, checkpoint=unfinished / START)


def _differences(unfinished: Path, call: dict[str, Any]) -> str:
    """In what the call that left checkpoints there differs from this one; empty where in nothing, or unknown."""
    try:
        there = json.loads((unfinished / CALL).read_bytes())
        found = [(name, there[name], said) for name, said in call.items() if there[name] != said]
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError):
        return f"{CALL} in it cannot be read"
    parts = [f"it had {name} {old}, this one has {name} {new}" for name, old, new in found if name != "log"]
    if any(name == "log" for name, _, _ in found):
        parts.append("it had another log: the file, the columns or the rows left out differ")
    return "; ".join(parts)


def _refusal(unfinished: Path, why: str) -> ContractError:
    return ContractError(
        "--out",
        "the interrupted training beside it to be one of this very command",
        f"one of another ({why})",
        f"say the same as then to go on with it, name another --out, or delete the folder {unfinished}; "
        "--force discards it and starts anew",
    )
