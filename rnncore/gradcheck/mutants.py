"""Planted errors: the library's own source with one small mistake, to test the tester.

Every mistake is one that a person makes; most were found in released libraries. A mutant is a named edit of the source
of a backward pass: of `rnncore.layers.<cell>` or `recurrent_dropout`, or of the compositions in `rnncore.compose`. So
the list stays in step with the code: an edit that no longer applies exactly once is an error.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import textwrap
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

from rnncore import checks, compose
from rnncore.compose import Bidirectional, Stack
from rnncore.contract import CELLS, Cell, Layer
from rnncore.gradcheck.planted import BRANCHES, PLANTED
from rnncore.gradcheck.planted_compositions import COMPOSED
from rnncore.recurrent import GRU, LSTM, RNN, Recurrent
from rnncore.recurrent_dropout import RecurrentDropout

COMPOSITIONS: dict[str, type[Stack | Bidirectional]] = {"bidirectional": Bidirectional, "stack": Stack}


@dataclass(frozen=True)
class Mutant:
    """A cell or a composition with one planted error: `name` says what is wrong, `old` became `new` in the source.

    `options` are the options of the cell under which the edited line runs, where it does not always.

    >>> Mutant("rnn", "no dh_0", "dx, (dh,)", "dx, (0 * dh,)").layer(3, 5)
    Recurrent(D=3, H=5, activation='tanh', backend='numpy', dtype='float64')
    """

    cell: str
    name: str
    old: str
    new: str
    options: dict[str, str] = field(default_factory=dict, hash=False)

    def layer(self, D: int, H: int, **options: str) -> Layer:
        """Return a float64 textbook layer whose backward pass has the error."""
        return self.planted_in(right_layer(self.cell, D, H, **{**self.options, **options}))

    def fits(self, layer: Layer) -> bool:
        """Say whether the edited line runs in this layer."""
        words = layer.options if isinstance(layer, Recurrent) else {}
        return subject_of(layer) == self.cell and self.options.items() <= words.items()

    def planted_in(self, layer: Layer) -> Layer:
        """Return this layer (a cell: its textbook, in float64) with the error in its backward pass."""
        if isinstance(layer, Recurrent):
            row = layer.cell
            broken = _BrokenCell(**{f.name: getattr(row, f.name) for f in fields(Cell)}, mutant=self)
            return Recurrent(broken, **{**layer.words, "backend": "numpy", "dtype": "float64"})
        if isinstance(layer, RecurrentDropout):
            module, inner = self.module(), layer.layer.using(backend="numpy", dtype="float64")
            twins = {"_twins": lambda self: (module, self.layer.cell.twin("numpy"))}
            around: type[RecurrentDropout] = type("RecurrentDropout", (RecurrentDropout,), twins)
            return around(inner, layer.dropout, layer.zoneout)
        kind = COMPOSITIONS[self.cell]
        names = dict(vars(compose))
        source = textwrap.dedent(inspect.getsource(kind._backward))
        exec(compile(self.edited(source, f"{kind.__name__}._backward"), self.label, "exec"), names)
        broken_kind = type(kind.__name__, (kind,), {"_backward": names["_backward"]})
        made: Layer = broken_kind(*(layer.parts.values() if isinstance(layer, Stack) else [layer.layer]))  # type: ignore[attr-defined]
        return made

    @property
    def label(self) -> str:
        """The file name that a traceback shows."""
        return f"<{self.cell}: {self.name}>"

    def edited(self, source: str, where: str) -> str:
        """Return the source with the error in it; RuntimeError where the line to edit is not there exactly once."""
        found = source.count(self.old)
        if found != 1:
            raise RuntimeError(f"mutant {self.name!r}: {self.old!r} stands {found} times in {where}, not once")
        return source.replace(self.old, self.new)

    def module(self) -> ModuleType:
        """Return the textbook module of the cell with the error in it."""
        return _module(self.cell, self.name, self.old, self.new)


@functools.cache
def _module(cell: str, name: str, old: str, new: str) -> ModuleType:
    mutant, around = Mutant(cell, name, old, new), importlib.import_module("rnncore.layers.recurrent_dropout")
    right = around if cell == "recurrent_dropout" else CELLS[cell].twin("numpy")
    broken = ModuleType(right.__name__)
    exec(compile(mutant.edited(inspect.getsource(right), right.__name__), mutant.label, "exec"), vars(broken))
    cache = around.RecurrentDropoutCache if right is around else CELLS[cell].cache
    setattr(broken, cache.__name__, cache)
    return broken


@dataclass(frozen=True)
class _BrokenCell(Cell):
    mutant: Mutant = field(kw_only=True)

    def twin(self, backend: str) -> ModuleType:
        return self.mutant.module()


def mutants(cell: str = "lstm") -> list[Mutant]:
    """Return the planted errors of a cell of the table, of "bidirectional", "stack" or "recurrent_dropout".

    Those of the LSTM begin with 26 classic ones; those seen in released libraries, and others, follow.

    >>> len(mutants("lstm")) > 26
    True
    >>> mutants("lstm")[0].name
    'final-state gradient dh_T ignored'
    """
    checks.one_of("cell", cell, (*PLANTED, *COMPOSED))
    if cell in COMPOSED:
        return [Mutant(cell, *edit) for edit in COMPOSED[cell]]
    rows = [({}, PLANTED[cell]), *BRANCHES.get(cell, [])]
    return [Mutant(cell, *edit, options) for options, edits in rows for edit in edits]


def right_layer(cell: str, D: int, H: int, **options: str) -> Layer:
    """Return the float64 textbook layer without an error: all options of the cell are spelled out.

    >>> right_layer("bidirectional", 2, 3)
    Bidirectional(LSTM(D=2, H=3, activation='tanh', backend='numpy', dtype='float64'))
    """
    if cell == "bidirectional":
        return Bidirectional(LSTM(D, H, backend="numpy", dtype="float64"))
    if cell == "stack":
        parts = LSTM(D, H, backend="numpy"), GRU(H, H, backend="numpy"), RNN(H, H, backend="numpy")
        return Stack(*parts).using(dtype="float64")
    if cell == "recurrent_dropout":
        return RecurrentDropout(LSTM(D, H, backend="numpy", dtype="float64"), dropout=0.4, zoneout=(0.3, 0.5))
    row = CELLS[cell]
    words: dict[str, Any] = dict(options)
    return Recurrent(row, D, H, backend="numpy", dtype="float64", **words)


def without_error(layer: Layer) -> Layer:
    """Return what `Mutant.planted_in` starts from: the layer with each cell inside as its textbook in float64."""
    if isinstance(layer, Recurrent):
        row = CELLS.get(layer.cell.name, layer.cell)
        return Recurrent(row, **{**layer.words, "backend": "numpy", "dtype": "float64"})
    if isinstance(layer, RecurrentDropout):
        return RecurrentDropout(layer.layer.using(backend="numpy", dtype="float64"), layer.dropout, layer.zoneout)
    if not isinstance(layer, (Stack, Bidirectional)):
        return layer
    right: Layer = copy.copy(layer)
    right.__class__ = COMPOSITIONS[subject_of(layer)]  # a class with an error becomes the one it was made from
    for part in {id(part): part for part in layer.parts.values()}.values():
        right = with_part(right, part, without_error(part))
    return right


def with_part(whole: Layer, old: Layer, new: Layer) -> Layer:
    """Return a composition that has `new` in each place where it had `old`."""
    made: Any = copy.copy(whole)
    made.parts = {key: new if part is old else part for key, part in made.parts.items()}
    if isinstance(made, Bidirectional):
        made.layer = new
    return made  # type: ignore[no-any-return]


def subject_of(layer: Layer) -> str:
    """Return the word under which `mutants` knows errors of this kind of layer; "" where it knows none."""
    if isinstance(layer, Recurrent):
        return layer.cell.name if layer.cell.name in PLANTED else ""
    if isinstance(layer, RecurrentDropout):
        return "recurrent_dropout"
    return next((word for word, kind in COMPOSITIONS.items() if isinstance(layer, kind)), "")
