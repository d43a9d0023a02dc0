"""Ctrl-C in a long run: the first one asks, the second one stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def polite_interrupt(active: bool) -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C inside the block; the yielded function tells whether there was one.

    The block is expected to tidy up and raise KeyboardInterrupt; where it ends without, KeyboardInterrupt is raised
    behind it, so that no Ctrl-C is lost. A second Ctrl-C raises KeyboardInterrupt where the program stands. The former
    handler comes back afterwards. Nothing is done where `active` is false, outside the main thread, or where SIGINT is
    ignored or handled outside Python.
    """
    asked = threading.Event()

    def handler(signum: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt("stopped at once by a second Ctrl-C")
        asked.set()

    main = threading.current_thread() is threading.main_thread()
    if not active or not main or signal.getsignal(signal.SIGINT) in (None, signal.SIG_IGN):
        yield asked.is_set
        return
    former = signal.signal(signal.SIGINT, handler)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, former)
    if asked.is_set():
        raise KeyboardInterrupt("Ctrl-C came when the work was done")
