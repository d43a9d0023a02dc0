"""Threads that help a caller: each sleeps until it is handed work, does it, and sleeps again.

An executor puts a queue and a future between the two: both begin 5 to 10 us later, and a pass costs 20 us more.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable

MOST = 256  # threads


class Call:
    """Work that a helper was asked to do, and the error that it raised."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()
        self.helper = _free()
        self.helper.calls.append(self)
        with contextlib.suppress(RuntimeError):  # it wakes up already, for a call that was taken back
            self.helper.go.release()

    def do(self) -> None:
        """Do the work, in the helper's thread."""
        work, self.work = self.work, None  # a thread that sleeps keeps nobody's arrays
        try:
            if work is not None:
                work()
        except BaseException as error:
            self.error = error
        _idle.append(self.helper)  # before the caller goes on, who may have more to do
        self.done.release()

    def end(self) -> None:
        """Wait until the work is done; take it back from a helper who has not begun."""
        try:
            self.helper.calls.remove(self)
        except ValueError:
            self.done.acquire()
        else:
            _idle.append(self.helper)


class _Helper:
    """A thread, the lock on which it sleeps, and what it is asked to do: one call at a time."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque()
        self.go = threading.Lock()
        self.go.acquire()
        threading.Thread(target=self._live, name="rnncore", daemon=True).start()

    def _live(self) -> None:
        while True:
            self.go.acquire()
            with contextlib.suppress(IndexError):  # taken back
                self.calls.popleft().do()


_idle: deque[_Helper] = deque()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has none of these threads


def _free() -> _Helper:
    """Return a helper that sleeps, or a new one; RuntimeError where there are enough, or the interpreter ends."""
    with contextlib.suppress(IndexError):
        return _idle.pop()
    if sum(thread.name == "rnncore" for thread in threading.enumerate()) >= MOST:
        raise RuntimeError("enough threads")
    return _Helper()


def calls(work: Callable[[], None], copies: int) -> list[Call]:
    """Ask `copies` helpers to do the work, or as many as there are: the caller does what is left."""
    asked: list[Call] = []
    with contextlib.suppress(RuntimeError):
        for _ in range(copies):
            asked.append(Call(work))
    return asked
