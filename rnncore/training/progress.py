"""What `fit` shows on stderr while it runs: one line that rewrites itself on a terminal, else one line per epoch.

    epoch 3/10 249/249  loss 0.3530  val 0.3740  best 0.3740  |g| 0.045  0:07 left

loss: the mean of this epoch so far; val, best: the latest and the lowest validation loss; |g|: the mean norm of the
gradient before clipping. Where the line is too narrow for all of it, |g| is left out first, then val.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping

PERIOD = 0.1  # seconds between two rewritings of the line
STEADY = 1.0  # seconds of steps, behind the first of them, before they tell how long the rest will take
GIVEN_UP = ("|g|", "val")


class Meter:
    """Writes how a run of `epochs` epochs with `steps` steps each goes; silent where `shown` is false.

    The clock is used here and nowhere else in training, so nothing that a run computes depends on it.
    """

    def __init__(self, shown: bool, epochs: int, steps: int) -> None:
        self.shown, self.epochs, self.steps = shown, epochs, steps
        self.live = shown and sys.stderr.isatty()
        self.begun: tuple[float, int] | None = None  # time and steps done behind the first step, which compiles
        self.last = -PERIOD

    def step(self, epoch: int, step: int, numbers: Mapping[str, float]) -> None:
        """After a step: rewrite the line, on a terminal and not too often."""
        now = time.monotonic()
        if self.begun is None:
            self.begun = now, epoch * self.steps + step
        if self.live and now - self.last >= PERIOD:
            self.last = now
            self._rewrite(self._words(epoch, step, numbers))

    def epoch(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """After an epoch."""
        words = self._words(epoch, self.steps, numbers)
        if self.live:
            self._rewrite(words)
        elif self.shown:
            self.say("  ".join(words.values()))

    def close(self) -> None:
        """Leave the line that rewrote itself."""
        if self.live:
            self.say("")

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.shown:
            print(text, file=sys.stderr, flush=True)

    def _rewrite(self, words: dict[str, str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        for name in GIVEN_UP:
            if len("  ".join(words.values())) > width:
                words.pop(name, None)
        print("\r" + "  ".join(words.values())[:width].ljust(width), end="", file=sys.stderr, flush=True)

    def _words(self, epoch: int, step: int, numbers: Mapping[str, float]) -> dict[str, str]:
        words = {"epoch": f"epoch {epoch + 1}/{self.epochs} {step}/{self.steps}"}
        words |= {
            name: f"{name} {value:.2g}" if name == "|g|" else f"{name} {_short(value)}"
            for name, value in numbers.items()
        }
        left = self._seconds_left(epoch * self.steps + step)
        if left is not None:
            words["left"] = f"{left // 60}:{left % 60:02d} left"
        return words

    def _seconds_left(self, done: int) -> int | None:
        """None until steps have run steadily for a while: the first one compiles, and its time says nothing."""
        if self.begun is None:
            return None
        start, first = self.begun
        taken = time.monotonic() - start
        if done <= first or taken < STEADY:
            return None
        return int(taken / (done - first) * (self.epochs * self.steps - done))


def _short(value: float) -> str:
    """Four decimals, or three digits where these would not show the number.

    >>> _short(0.35296), _short(12345.6), _short(0.000012345)
    ('0.3530', '1.23e+04', '1.23e-05')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else f"{value:.3g}"
