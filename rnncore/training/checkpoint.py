"""Checkpoints of a training run: everything that the next step depends on, in one file that is replaced in one step."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnncore.errors import ContractError, ModelFileError
from rnncore.interop import safetensors
from rnncore.training.optimizer import STEPS, Optimizer
from rnncore.training.schedules import History
from rnncore.typing import Array, Grads, Params

KIND = "checkpoint"
SUMS = {"weight", "loss", "steps", "norm", "norm_max"}
RECORD = {"epoch", "train_loss", "gradient_norm", "gradient_norm_max"}


@dataclass
class Run:
    """Where a run stands: `epoch` epochs and `step` steps of the next one are done.

    sums: what this epoch has added up so far; history: one record per epoch done; best: the weights of `best_epoch`,
    the epoch with the lowest validation loss (None without validation).
    """

    params: Grads
    optimizer: Optimizer
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=list)
    best: Grads | None = None
    best_epoch: int | None = None


def save(path: str, run: Run, settings: Mapping[str, Any]) -> None:
    """Write the run to `path`; NonFiniteError where an array holds NaN or infinity, and then the old file stays."""
    state = run.optimizer.state()
    groups = {"params": run.params, "best": run.best or {}, "optimizer": state}
    arrays = {f"{group}.{name}": a for group, members in groups.items() for name, a in members.items()}
    counters = {
        "epoch": run.epoch,
        "step": run.step,
        "sums": run.sums,
        "history": run.history,
        "best_epoch": run.best_epoch,
    }
    metadata = {"settings": settings, "slots": len(state) > 1, **counters}
    safetensors.write(path, arrays, metadata, kind=KIND)


def resume(path: str, run: Run, settings: Mapping[str, Any]) -> None:
    """Put `run`, fresh from the same arguments, where the checkpoint at `path` left it.

    ContractError where the checkpoint is of another run, with what differs; ModelFileError where it cannot be read.
    """

    def expect(metadata: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], Any]]:
        _require_counters(metadata)
        _same_run(path, metadata["settings"], settings)
        slots = run.optimizer.memory if metadata["slots"] else ()
        groups = [
            "params",
            *(["best"] if metadata["best_epoch"] is not None else []),
            *(f"optimizer.{s}" for s in slots),
        ]
        arrays = {f"{group}.{name}": (p.shape, p.dtype) for group in groups for name, p in run.params.items()}
        return {f"optimizer.{STEPS}": ((), np.dtype(np.int64)), **arrays}

    try:
        arrays, metadata = safetensors.read(path, expect, kind=KIND)
    except ModelFileError as error:
        if isinstance(error.__cause__, ContractError):
            raise error.__cause__ from None
        raise
    names = list(run.params)
    run.params = {name: arrays[f"params.{name}"] for name in names}
    run.best = {name: arrays[f"best.{name}"] for name in names} if metadata["best_epoch"] is not None else None
    prefix = "optimizer."
    run.optimizer.load_state({k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)})
    for counter in ("epoch", "step", "sums", "history", "best_epoch"):
        setattr(run, counter, metadata[counter])


def _require_counters(metadata: dict[str, Any]) -> None:
    """ValueError where the description does not say where a run stands; the reader reports it."""
    kinds = {"settings": dict, "slots": bool, "epoch": int, "step": int, "sums": dict, "history": list}
    good = set(metadata) == {*kinds, "best_epoch"} and all(type(metadata[k]) is kind for k, kind in kinds.items())
    if good:
        best, history, sums = metadata["best_epoch"], metadata["history"], metadata["sums"]
        good = all(type(n) is dict and all(type(v) in (int, float) for v in n.values()) for n in (sums, *history))
        good &= best is None or (type(best) is int and 0 <= best < len(history))
        names = RECORD if best is None else RECORD | {"validation_loss"}
        good &= len(history) == metadata["epoch"] and all(set(record) == names for record in history)
        good &= metadata["step"] >= 0 and set(sums) in (set(), SUMS)
    if not good:
        raise ValueError("this is not the description of a training run")


def _same_run(path: str, there: Any, here: Any) -> None:
    found, wanted = dict(_flat(there)), dict(_flat(here))
    keys = [key for key in sorted(found | wanted) if found.get(key) != wanted.get(key)]
    if keys:
        shown = "; ".join(
            f"{key} is {_short(found.get(key))} there and {_short(wanted.get(key))} here" for key in keys[:5]
        )
        raise ContractError(
            "checkpoint",
            "a checkpoint of this very run",
            f"{path} of another one: {shown}",
            "give the arguments it was started with, or name another file, or delete this one to start anew",
        )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    members = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if members is None:
        yield name, value
    else:
        for key, member in members:
            yield from _flat(member, f"{name}.{key}" if name else str(key))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 48 else f"{text[:44]}..."


def digest(arrays: Params) -> str:
    """A digest of names, dtypes, shapes and every bit."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        a: Array = np.asarray(arrays[name], order="C")
        total.update(f"{name} {a.dtype.str} {a.shape}".encode())
        total.update(a.tobytes())
    return total.hexdigest()


def function_name(function: Callable[..., Any]) -> str:
    """The module and name of a function, with the arguments that functools.partial has bound.

    >>> import rnncore as rc
    >>> function_name(functools.partial(rc.losses.huber, delta=0.5))
    'rnncore.losses.regression.huber(delta=0.5)'
    """
    if isinstance(function, functools.partial):

        def shown(value: Any) -> str:
            return digest({"": value}) if isinstance(value, np.ndarray) else repr(value)

        bound = [shown(a) for a in function.args] + [f"{k}={shown(v)}" for k, v in sorted(function.keywords.items())]
        return f"{function_name(function.func)}({', '.join(bound)})"
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def usable_path(checkpoint: str | os.PathLike[str]) -> str:
    """The path as text; ContractError where its folder does not exist."""
    path = os.fspath(checkpoint)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise ContractError("checkpoint", "a file in a folder that exists", path, f"make the folder {folder}")
    return path
