"""What a check says: one block per parameter, input and state, and a table of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnncore.typing import Array


@dataclass(frozen=True)
class Block:
    """One array of derivatives against the oracle.

    `error` is the largest |analytic - numeric| / (|numeric| + max |numeric|) over the entries looked at, `index`,
    `analytic` and `numeric` belong to that entry, `entries` counts those looked at and `failing` lists those above the
    gate. `step` is the time step to look at first: the entry's own for x; for a parameter that fails, the step at
    which the backward pass goes wrong, where that can be told.
    """

    name: str
    shape: tuple[int, ...]
    entries: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    gate: float
    step: int | None = None
    failing: tuple[tuple[int, ...], ...] = ()

    @property
    def ok(self) -> bool:
        """True where the error is below the gate; NaN is not."""
        return bool(self.error <= self.gate)


@dataclass(frozen=True)
class Report:
    """The blocks of one check; `ok` is True where all pass, no input was changed and a second call gave the same."""

    subject: str
    method: str
    blocks: tuple[Block, ...]
    changed: tuple[str, ...] = ()
    repeatable: bool = True

    @property
    def ok(self) -> bool:
        """True where every block passes, nothing passed in was changed, and backward gives the same twice."""
        return all(block.ok for block in self.blocks) and not self.changed and self.repeatable

    @property
    def worst(self) -> Block:
        """The block with the largest error in units of its gate."""
        return max(self.blocks, key=lambda block: np.inf if np.isnan(block.error) else block.error / block.gate)

    @property
    def table(self) -> str:
        """The blocks as lines of text, one block a line."""
        head = ("", "array", "shape", "entries", "worst entry", "step", "analytic", "numeric", "error")
        lines = [head]
        for b in self.blocks:
            index, shape = (str(n).replace(" ", "") for n in (b.index, b.shape))
            step = "-" if b.step is None else str(b.step)
            numbers = (f"{b.analytic: .9e}", f"{b.numeric: .9e}", f"{b.error:.1e}")
            lines.append(("ok" if b.ok else "FAIL", b.name, shape, str(b.entries), index, step, *numbers))
        widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)

    def __str__(self) -> str:
        verdict = "pass" if self.ok else "FAIL"
        gate = f"gate {self.worst.gate:.0e}" if self.blocks else "nothing to check"
        notes = [f"FAIL  the backward pass changed {name}" for name in self.changed]
        notes += [] if self.repeatable else ["FAIL  a second call of backward gave another result"]
        return "\n".join([f"{self.subject}: {verdict} ({self.method}, {gate})", self.table, *notes])


def compare(name: str, analytic: Array, numeric: Array, indices: list[tuple[int, ...]], gate: float) -> Block:
    """Return the block of one array; `numeric` holds one value for each of `indices`.

    A derivative that is not finite has an infinite error.
    """
    if not indices:
        return Block(name, analytic.shape, 0, (), 0.0, 0.0, 0.0, gate)
    a = np.array([analytic[index] for index in indices])
    gap = np.abs(a - numeric)
    scale = np.abs(numeric) + np.abs(numeric).max()
    error = np.where(gap == 0, 0.0, np.divide(gap, scale, out=np.full_like(gap, np.inf), where=scale > 0))
    error[~np.isfinite(a) | ~np.isfinite(numeric)] = np.inf
    k = int(np.argmax(error))
    step = indices[k][0] if name == "x" else None
    failing = tuple(index for index, e in zip(indices, error, strict=True) if e > gate)
    values = (float(a[k]), float(numeric[k]), float(error[k]))
    return Block(name, analytic.shape, len(indices), indices[k], *values, gate, step, failing)
