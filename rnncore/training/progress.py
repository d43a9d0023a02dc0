"""What `fit` shows on stderr while it runs: one line that rewrites itself on a terminal, else one line per epoch."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping

PERIOD = 0.1  # seconds between two rewritings of the line


class Meter:
    """Writes how a run of `epochs` epochs with `steps` steps each goes; silent where `shown` is false.

    The clock is used here and nowhere else in training, so nothing that a run computes depends on it.
    """

    def __init__(self, shown: bool, epochs: int, steps: int, done: int = 0) -> None:
        self.shown, self.epochs, self.steps, self.first = shown, epochs, steps, done
        self.live = shown and sys.stderr.isatty()
        self.start = time.monotonic()
        self.last = -PERIOD

    def step(self, epoch: int, step: int, numbers: Mapping[str, float]) -> None:
        """After a step: rewrite the line, on a terminal and not too often."""
        now = time.monotonic()
        if self.live and now - self.last >= PERIOD:
            self.last = now
            self._rewrite(self._line(epoch, step, numbers))

    def epoch(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """After an epoch."""
        line = self._line(epoch, self.steps, numbers)
        if self.live:
            self._rewrite(line)
        elif self.shown:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line that rewrote itself."""
        if self.live:
            print(file=sys.stderr, flush=True)

    def _rewrite(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        print("\r" + line[:width].ljust(width), end="", file=sys.stderr, flush=True)

    def _line(self, epoch: int, step: int, numbers: Mapping[str, float]) -> str:
        done = epoch * self.steps + step
        words = [f"epoch {epoch + 1}/{self.epochs}", f"step {step}/{self.steps}"]
        words += [f"{name} {value:.4g}" for name, value in numbers.items()]
        if done > self.first:
            left = (time.monotonic() - self.start) / (done - self.first) * (self.epochs * self.steps - done)
            words.append(f"ETA {int(left) // 60}:{int(left) % 60:02d}")
        return "  ".join(words)
