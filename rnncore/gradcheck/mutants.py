"""Planted errors: the textbook's own source with one small mistake, to test the tester.

Every mistake is one that a person makes; most were found in released libraries. A mutant is a named edit of a source
line of `rnncore.layers.<cell>`, so the list stays in step with the code: an edit that no longer applies exactly once is
an error. The mutants of one cell differ from the right code in its backward pass only.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import ModuleType

from rnncore.contract import CELLS, Cell
from rnncore.gradcheck.planted import PLANTED
from rnncore.recurrent import Recurrent


@dataclass(frozen=True)
class Mutant:
    """A cell with one planted error: `name` says what is wrong, `old` became `new` in the textbook's source."""

    cell: str
    name: str
    old: str
    new: str

    def layer(self, D: int, H: int, **options: str) -> Recurrent:
        """Return a float64 textbook layer whose backward pass has the error."""
        row = CELLS[self.cell]
        broken = _BrokenCell(row.name, row.blocks, row.states, row.biases, row.options, self)
        return Recurrent(broken, D, H, backend="numpy", dtype="float64", **options)

    def module(self) -> ModuleType:
        """Return the textbook module with the error in it."""
        right = CELLS[self.cell].twin("numpy")
        source = inspect.getsource(right)
        if source.count(self.old) != 1:
            found = source.count(self.old)
            raise RuntimeError(f"mutant {self.name!r}: {self.old!r} stands {found} times in {right.__name__}, not once")
        broken = ModuleType(right.__name__)
        exec(compile(source.replace(self.old, self.new), f"<{self.cell}: {self.name}>", "exec"), vars(broken))
        cache = f"{self.cell.upper()}Cache"
        setattr(broken, cache, getattr(right, cache))
        return broken


@dataclass(frozen=True)
class _BrokenCell(Cell):
    mutant: Mutant

    def twin(self, backend: str) -> ModuleType:
        return self.mutant.module()


def mutants(cell: str = "lstm") -> list[Mutant]:
    """Return the planted errors of a cell.

    >>> len(mutants("lstm")) >= 26
    True
    """
    return [Mutant(cell, name, old, new) for name, old, new in PLANTED[cell]]
