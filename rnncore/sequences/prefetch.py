"""The next minibatches are made in a thread while the network computes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Protocol

from rnncore import checks
from rnncore.sequences.minibatches import Batch


class _Batches(Protocol):
    def __len__(self) -> int: ...

    def batch(self, epoch: int, step: int) -> Batch: ...


class Prefetched:
    """Minibatches whose next `ahead` ones are made beforehand, in one thread, in order; otherwise the same batches.

    batches: anything that `rnncore.fit` takes. At most `ahead` + 1 batches are held. Which batch comes is a function of
    (epoch, step) as before, whatever the thread does; an error in the thread is raised here, for the batch it belongs
    to; Ctrl-C ends the wait and drops what was begun. It pays where making a batch (reading a file, decompressing)
    takes as long as a step, and lets go of Python's lock.

    >>> import numpy as np
    >>> from rnncore.sequences import Minibatches
    >>> batches = Minibatches([np.ones((n, 1)) for n in (1, 2, 3)], np.arange(3.0), batch_size=2)
    >>> ahead = Prefetched(batches)
    >>> all((ahead.batch(0, step).x == batches.batch(0, step).x).all() for step in range(len(ahead)))
    True
    """

    def __init__(self, batches: _Batches, ahead: int = 2) -> None:
        self.batches, self.ahead = batches, checks.size("ahead", ahead)
        self._begun: dict[tuple[int, int], Future[Batch]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rnncore-prefetch")

    def __len__(self) -> int:
        """Steps per epoch."""
        return len(self.batches)

    def batch(self, epoch: int, step: int) -> Batch:
        """Return the minibatch of this epoch and step, and begin the ones that follow it."""
        try:
            wanted = [(epoch, step)]
            while len(wanted) <= self.ahead:
                e, s = wanted[-1]
                wanted.append((e, s + 1) if s + 1 < len(self) else (e + 1, 0))
            for place in [place for place in self._begun if place not in wanted]:
                self._begun.pop(place).cancel()
            for place in wanted:
                if place not in self._begun:
                    self._begun[place] = self._thread.submit(self.batches.batch, *place)
            return self._wait(self._begun.pop((epoch, step)))
        except BaseException:
            for future in self._begun.values():
                future.cancel()
            self._begun.clear()
            raise

    @property
    def per(self) -> str | None:
        """What a target belongs to, as the batches say it."""
        return getattr(self.batches, "per", None)

    @staticmethod
    def _wait(future: Future[Batch]) -> Batch:
        """The result; in short waits, between which Ctrl-C is heard on every system."""
        while True:
            try:
                return future.result(timeout=0.2)
            except NotYet:
                if future.done():  # in the meantime, or the batch itself raised it
                    return future.result()

    def fingerprint(self) -> str:
        """Return that of the batches: whether they are made beforehand changes no bit of a run."""
        own = getattr(self.batches, "fingerprint", None)
        return str(own()) if callable(own) else type(self.batches).__name__
