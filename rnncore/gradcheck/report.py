"""What a check says: one block per array and oracle, a table of them, and how far the oracles agree with each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from rnncore.gradcheck.oracles import GATES, Estimates, Index
from rnncore.typing import Array

NOT_ANALYTIC = (
    "complex step does not trust itself: the forward pass is chaotic, or not analytic (abs, norm, var, .real, a cast to"
    " real numbers); ask another method"
)


class Sample(NamedTuple):
    """The entries looked at of one array: what the backward pass says and what the first oracle says, (n,) each."""

    indices: list[Index]
    analytic: Array
    numeric: Array


@dataclass(frozen=True)
class Block:
    """One array of derivatives against one oracle.

    `error` is the largest |analytic - numeric| / (|numeric| + max |numeric|) over the entries looked at; `index`,
    `analytic` and `numeric` belong to that entry. `failing` lists the entries above the gate, `untrusted` counts those
    for which the oracle's own error bar is above the gate, `kinks` those at which the function has no derivative (they
    are left out of the rest). `step` is the time step to look at first: the entry's own where the array has a time
    axis, as x; for a parameter that fails, the step at which the backward pass goes wrong, where that can be told.
    `gates` are the letters of the gates that go wrong, where the array belongs to a recurrent cell with gates.

    >>> Block("b", "central", (4,), entries=4, index=(2,), analytic=0.5, numeric=0.5, error=0.0).verdict
    'pass'
    """

    name: str
    method: str
    shape: tuple[int, ...]
    entries: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    step: int | None = None
    failing: tuple[Index, ...] = ()
    untrusted: int = 0
    kinks: int = 0
    gates: str = ""

    @property
    def gate(self) -> float:
        """The largest error that passes."""
        return GATES[self.method]

    @property
    def verdict(self) -> str:
        """ "fail", "inconclusive" (the oracle does not trust itself enough, or every entry is a kink) or "pass"."""
        if self.failing:
            return "fail"
        return "inconclusive" if self.untrusted or 0 < self.entries == self.kinks else "pass"


@dataclass(frozen=True)
class Report:
    """The blocks of one check, and what they add up to.

    `agreement` holds, for "backward" and each oracle, the largest scaled differences; `changed` names the arguments
    that were written into; `repeatable` is False where a second call gave another result; `suspects` names the
    planted errors of `mutants` that would give the very numbers found; `left_out` names the inputs of which `backward`
    gives no gradient, and of which nothing is checked; `remarks` says what stands in the way of the check: numbers that
    are not finite, float32; `samples` holds those numbers, by array.

    >>> import rnncore as rc
    >>> layer = rc.gradcheck.mutants("lstm")[9].layer(3, 5)
    >>> p = rc.gradcheck.random_problem(layer)
    >>> report = rc.gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths)
    >>> report.verdict, report.worst.verdict, report.suspects
    ('fail', 'fail', ('no carry of dc',))
    """

    subject: str
    methods: tuple[str, ...]
    blocks: tuple[Block, ...]
    agreement: Array
    changed: tuple[str, ...] = ()
    repeatable: bool = True
    suspects: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    samples: dict[str, Sample] = field(default_factory=dict, repr=False, compare=False)

    def having(self, **words: Any) -> Report:
        """Return the same report with other words."""
        return replace(self, **words)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What is wrong, in words: none, one or several of "a derivative is wrong", "an argument was changed" and "a
        second call gave another result"."""
        found = {
            "a derivative is wrong": any(block.verdict == "fail" for block in self.blocks),
            "an argument was changed": bool(self.changed),
            "a second call gave another result": not self.repeatable,
        }
        return tuple(words for words, so in found.items() if so)

    @property
    def verdict(self) -> str:
        """ "fail" where something is wrong (`outcomes` says what); else "pass" where there is an array, and each has an
        oracle that trusts itself and agrees; else "inconclusive"."""
        if self.outcomes:
            return "fail"
        settled = {block.name for block in self.blocks if block.verdict == "pass"}
        return "pass" if self.blocks and settled == {block.name for block in self.blocks} else "inconclusive"

    @property
    def ok(self) -> bool:
        """True where the verdict is "pass"."""
        return self.verdict == "pass"

    @property
    def worst(self) -> Block:
        """The block with the largest error in units of its gate."""
        return max(self.blocks, key=lambda block: block.error / block.gate)

    @property
    def table(self) -> str:
        """The blocks as lines of text."""
        gated = any(b.gates for b in self.blocks)
        head = ("", "array", "shape", "entries", "worst entry", "step", *(["gate"] * gated))
        head = (*head, "analytic", "numeric", "error", "oracle", "")
        lines: list[tuple[str, ...]] = [head]
        for b in self.blocks:
            index, shape = (str(n).replace(" ", "") for n in (b.index, b.shape))
            where = ["-" if b.step is None else str(b.step), *([" ".join(b.gates) or "-"] * gated)]
            numbers = (f"{b.analytic: .9e}", f"{b.numeric: .9e}", f"{b.error:.1e}")
            notes = [f"{n} {what}" for n, what in ((b.untrusted, "not trusted"), (b.kinks, "at a kink")) if n]
            word = {"pass": "ok", "fail": "FAIL", "inconclusive": "?"}[b.verdict]
            lines.append((word, b.name, shape, str(b.entries), index, *where, *numbers, b.method, ", ".join(notes)))
        return aligned(lines)

    @property
    def matrix(self) -> str:
        """The agreement matrix as lines of text: the largest scaled difference between any two."""
        names = ("backward", *self.methods)
        rows = [(name, *(f"{d:.0e}" for d in row)) for name, row in zip(names, self.agreement, strict=True)]
        return aligned([("", *names), *rows])

    def __str__(self) -> str:
        gates = ", ".join(f"{method} to {GATES[method]:.0e}" for method in self.methods)
        notes = [f"FAIL  an argument was changed: {name}" for name in self.changed]
        notes += [] if self.repeatable else ["FAIL  a second call gave another result"]
        notes += [f"looks like the known error: {name}" for name in self.suspects]
        notes += [f"not checked, for the backward pass gives no gradient of it: {name}" for name in self.left_out]
        notes += [f"note: {remark}" for remark in self.remarks]
        if not self.remarks and any(block.untrusted and block.method == "complex-step" for block in self.blocks):
            notes.append(NOT_ANALYTIC)
        parts = [f"{self.subject}: {self.verdict} ({gates})", self.table, *notes]
        return "\n".join([*parts, self.matrix] if len(self.methods) > 1 else parts)


def aligned(lines: list[tuple[str, ...]]) -> str:
    """Return rows of cells as text with aligned columns."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def scaled_gap(a: Array, n: Array) -> Array:
    """Return |a - n| / (|n| + max |n|) for each entry; infinite where either is not finite."""
    gap = np.abs(a - n)
    scale = np.abs(n) + np.abs(n).max(initial=0.0)
    error = np.where(gap == 0, 0.0, np.divide(gap, scale, out=np.full_like(gap, np.inf), where=scale > 0))
    error[~np.isfinite(a) | ~np.isfinite(n)] = np.inf
    return error


def compare(
    name: str,
    method: str,
    analytic: Array,
    indices: list[Index],
    estimates: Estimates,
    has_kink: Callable[[Index], bool],
    timed: bool = False,
) -> Block:
    """Return the block of one array: `estimates` has one value for each of `indices`. timed: its first axis is time.

    An entry fails where the error is above the gate and beyond ten error bars of the oracle. An oracle that finds NaN
    knows nothing there.
    """
    a = np.array([analytic[index] for index in indices])
    n, bar = estimates
    error, gate = scaled_gap(a, n), GATES[method]
    doubt = scaled_gap(n + bar, n)
    wrong = (error > gate) & np.isfinite(n) & ~(np.abs(a - n) <= 10 * bar)
    kinks = np.zeros(len(indices), bool)
    for k in sorted(np.flatnonzero(wrong).tolist(), key=lambda k: -error[k]):
        kinks[k] = has_kink(indices[k])
        if not kinks[k]:  # one true failure settles the array
            break
    failing = tuple(index for index, bad in zip(indices, wrong & ~kinks, strict=True) if bad)
    unsure = int(np.count_nonzero(~wrong & ((doubt > gate) | (error > gate))))
    counted = np.where(kinks, -1.0, error)
    if not (counted >= 0).any():
        return Block(name, method, analytic.shape, len(indices), (), 0.0, 0.0, 0.0, kinks=int(kinks.sum()))
    k = int(np.argmax(counted))
    step = indices[k][0] if timed and indices[k] else None  # a number has no steps
    numbers = (float(a[k]), float(n[k]), float(error[k]))
    head = (name, method, analytic.shape, len(indices), indices[k])
    return Block(*head, *numbers, step, failing, unsure, int(kinks.sum()))
