"""The only place that names a Numba flag, and the thread pool that runs a kernel over fixed shards of the batch.

A kernel is compiled for one shard of rows and releases the GIL. Where shards are summed, which rows make one is a
function of the problem alone (how many rows, how long they are), and the sum runs in shard order; where nothing is
summed, a row's numbers do not depend on its shard. So every result is bitwise the same on any number of threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.extending
import numpy as np
from numba.core.caching import FunctionCache
from numpy.typing import NDArray

from rnncore.errors import ContractError
from rnncore.kernels.helpers import MOST, calls

Function = TypeVar("Function", bound=Callable[..., Any])

# error_model: Python's check for a zero divisor stops a loop from vectorising (tanh 10x slower).
# fastmath: fused multiply-add, and -0 may become 0. Never "nnan" or "ninf": they turn NaN into a number.
_FLAGS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}

_njit: Any = numba.njit

_MAX_SHARDS = 16
_ROWS_PER_SHARD = 32  # the packed weights are read once per shard and step: 16 rows cost 10 to 15 %
_MAX_NUMBERS = 2**24  # 64 MB of float32: the shards' parts of the weights' gradients
_ROW_MULTIPLE = 8  # rows of a register tile: a shard should end at one
_WORTH_A_THREAD = 2e6  # multiply-adds (about 20 us); waking a thread costs as much


# ---------------------------------------------------------------------------------------------------- compilation


def _load_numba_without_scipy() -> None:
    """Load the part of Numba that imports scipy.linalg merely to see that it is there: 0.2 s of the first call.

    It is told that SciPy is there where it is installed; code that does call BLAS imports it when it is compiled.
    """
    if "numba.np.arraymath" in sys.modules or importlib.util.find_spec("scipy") is None:
        return
    with contextlib.suppress(ImportError, AttributeError):  # another version of Numba: slower, no less right
        linalg: Any = importlib.import_module("numba.np.linalg")
        check = linalg.ensure_blas
        linalg.ensure_blas = lambda: None
        try:
            importlib.import_module("numba.np.arraymath")
        finally:
            linalg.ensure_blas = check


_load_numba_without_scipy()


def _sources() -> str:
    """One hash of all files of this folder: a kernel inlines functions of other files, whose edits Numba overlooks."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class _Cache(FunctionCache):
    """Numba's cache on disk, but stale after an edit of any kernel file, and never the reason of an error."""

    _stamp = _sources()

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = self._stamp

    def load_overload(self, *args: Any) -> Any:
        try:
            return super().load_overload(*args)
        except Exception:  # whatever a broken file raises when it is unpickled: compile again, and write it anew
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, *args: Any) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # a full or read-only disk: this process keeps the code
            super().save_overload(*args)


def part(function: Function) -> Function:
    """Compile a function that only kernels call, without an entrance from Python (a third of its compile time)."""
    compiled: Function = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_FLAGS)(function)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a part into each of its callers, for one that does little: the calls were 15 % of an LSTM's forward."""
    compiled: Function = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, **_FLAGS)(function)
    return compiled


def kernel(function: Function) -> Function:
    """Compile a function that Python calls, and keep the machine code on disk where a folder is writable."""
    compiled: Function = _kept(_njit(**_FLAGS)(function))
    return compiled


def brief(function: Function) -> Function:
    """Compile a kernel of a few microseconds, which keeps the GIL: giving it up and taking it again costs 28 ns alone.

    And a thread that gets the GIL meanwhile, and waits for the lock that this one holds, goes to sleep.
    """
    compiled: Function = _kept(_njit(**{**_FLAGS, "nogil": False})(function))
    return compiled


def _kept(compiled: Any) -> Any:
    """Let Numba keep the machine code, where a folder is writable."""
    with contextlib.suppress(OSError, RuntimeError, AttributeError):  # no writable folder: compiled in every process
        compiled._cache = _Cache(compiled.py_func)
    return compiled


def entrance(compiled: Any, kinds: tuple[Any, ...]) -> Callable[..., Any]:
    """Return a kernel for arguments of exactly these types: Numba's choice by type takes 0.2 us of a call."""
    chosen: Callable[..., Any] = compiled.compile(kinds)
    return chosen


def intrinsic(function: Callable[..., Any]) -> Any:
    """Let a function write machine code; its first argument is Numba's and not passed by the caller."""
    return numba.extending.intrinsic(function)


def overload(name: Callable[..., Any]) -> Callable[[Function], Function]:
    """Choose what `name` means in a kernel from the types of its arguments."""
    chosen: Callable[[Function], Function] = numba.extending.overload(name)
    return chosen


# ------------------------------------------------------------------------------------------------------- threads


_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """Let each forward and backward of a fast twin use up to n threads. Results do not depend on n, not by one bit.

    n: 1 to 256; at the start it is the number of cores this process may use. Raises ContractError.

    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    """
    global _threads
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= MOST:
        raise ContractError("n", f"an integer from 1 to {MOST}", repr(n), "it is a number of threads")
    _threads = int(n)


def get_num_threads() -> int:
    """Return the number of threads that one call may use."""
    return _threads


def shard_bounds(N: int, lengths: NDArray[np.int64] | None, size: int = 1) -> list[int]:
    """Cut N rows, longest first, into shards of about equal work; shard s is the rows bounds[s] to bounds[s+1] - 1.

    size: how many numbers each shard keeps for its part of a sum; few shards where that is much.

    >>> shard_bounds(128, None)
    [0, 32, 64, 96, 128]
    """
    if N < _ROWS_PER_SHARD and lengths is None:
        return [0, N]
    most = min(_MAX_SHARDS, max(1, _MAX_NUMBERS // size))
    if lengths is None or N == 0 or lengths[0] == lengths[-1]:
        count = min(most, max(1 + (N >= _ROWS_PER_SHARD), N // _ROWS_PER_SHARD))
        return [round(N * s / count / _ROW_MULTIPLE) * _ROW_MULTIPLE for s in range(count)] + [N]
    done = np.cumsum(lengths)
    rows_per_step = int(done[-1] // lengths[0])
    count = min(most, max(1 + (rows_per_step >= _ROWS_PER_SHARD), rows_per_step // _ROWS_PER_SHARD))
    inner = np.searchsorted(done, done[-1] * np.arange(1, count) / count, side="right")
    return [0, *(int(n) for n in inner), N]


def forward_bounds(N: int, lengths: NDArray[np.int64] | None) -> list[int]:
    """Shards of a pass that sums nothing over rows, whose bits they cannot change: half as many where they are plenty.

    The weights are read once per shard and step: 4 to 8 % for 32 sequences on one thread.
    """
    bounds = shard_bounds(N, lengths)
    if len(bounds) == 2:
        return bounds
    plenty = _threads == 1 or len(bounds) > 4 * _threads
    return [*bounds[:-1:2], N] if plenty else bounds


def run(task: Callable[[int], None], shards: int, multiply_adds: float) -> None:
    """Call task(0) to task(shards - 1), each once, on up to `get_num_threads()` threads, the calling one among them.

    The caller takes tasks like any helper, so it never waits for a thread that has not started, and cannot deadlock.
    """
    if shards == 1:
        task(0)
        return
    waiting = deque(range(shards))

    def work() -> None:
        while waiting:
            try:
                shard = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            task(shard)

    helpers = min(_threads, shards) - 1 if multiply_adds > _WORTH_A_THREAD else 0
    asked = calls(work, helpers)
    try:
        work()
    finally:
        waiting.clear()
        for call in asked:
            call.end()
    for call in asked:
        if call.error is not None:
            raise call.error
