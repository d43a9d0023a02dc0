"""Planted errors: the library's own source with one small mistake, to test the tester.

Every mistake is one that a person makes; most were found in released libraries. A mutant is a named edit of the source
of a backward pass: of `rnncore.layers.<cell>`, or of the module of another layer and the textbook that it calls. So the
list stays in step with the code: an edit that no longer applies exactly once is an error.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

from rnncore import checks
from rnncore.compose import Bidirectional, Stack
from rnncore.contract import CELLS, Cell, Layer
from rnncore.feedforward import LayerNorm, Prototypes
from rnncore.gradcheck.planted import BRANCHES, PLANTED
from rnncore.gradcheck.planted_compositions import COMPOSED
from rnncore.gradcheck.planted_layers import WRAPPED, WRAPPED_BRANCHES
from rnncore.gradcheck.planted_onnx import ONNX, ONNX_BRANCHES
from rnncore.gradcheck.planted_shared import Edit
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.pooling import Attention, MaxPool, MeanPool
from rnncore.recurrent import GRU, LSTM, RNN, Recurrent
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Last
from rnncore.wrappers import Composition, LearnedState, Masked, Repeated, Residual, Reversed, Tied, WithStatic

_WORDS: dict[str, Any] = {"backend": "numpy", "dtype": "float64"}
# every layer that is no cell, by the word for its planted errors: for D features and H units, with its options
LAYERS: dict[str, Callable[..., Layer]] = {
    "bidirectional": lambda D, H, **options: Bidirectional(LSTM(D, H, **_WORDS), **options),
    "stack": lambda D, H: Stack(LSTM(D, H, **_WORDS), GRU(H, H, **_WORDS), RNN(H, H, **_WORDS)),
    "reversed": lambda D, H: Reversed(LSTM(D, H, **_WORDS)),
    "residual": lambda D, H: Residual(GRU(D, D, **_WORDS)),
    "masked": lambda D, H, **options: Masked(LSTM(D, H, **_WORDS), **options),
    "learned_state": lambda D, H: LearnedState(LSTM(D, H, **_WORDS)),
    "with_static": lambda D, H: WithStatic(Stack(GRU(D, H, **_WORDS), Last()), 2),
    "with_static_steps": lambda D, H: WithStatic(GRU(D, H, **_WORDS), 2),
    "tied": lambda D, H: Tied(GRU(H, H, **_WORDS), 7),
    "repeated": lambda D, H: Repeated(Stack(GRU(D, H, **_WORDS), Last())),
    "prototypes": lambda D, H: Prototypes(D, H, dtype="float64"),
    "layer_norm": lambda D, H: LayerNorm(D, dtype="float64"),
    "mean_pool": lambda D, H: MeanPool(),
    "max_pool": lambda D, H: MaxPool(),
    "attention": lambda D, H, **options: Attention(D, H, **options, dtype="float64"),
    "onnx_rnn": lambda D, H, **options: OnnxRNN(D, H, **options, **_WORDS),
    "onnx_lstm": lambda D, H, **options: OnnxLSTM(D, H, peepholes=True, **options, **_WORDS),
    "onnx_gru": lambda D, H, **options: OnnxGRU(D, H, **options, **_WORDS),
    "recurrent_dropout": lambda D, H: RecurrentDropout(LSTM(D, H, **_WORDS), dropout=0.4, zoneout=(0.3, 0.5)),
}
# textbooks of layers that are no rows of the table of cells, and their caches
_OUTSIDE = {"recurrent_dropout": "RecurrentDropoutCache", "attention": "AttentionCache"} | {
    f"onnx_{kind}": f"Onnx{kind.upper()}Cache" for kind in ("rnn", "lstm", "gru")
}
KINDS: dict[str, type[Layer]] = {word: type(make(3, 3)) for word, make in LAYERS.items()}


@dataclass(frozen=True)
class Mutant:
    """A cell or a composition with one planted error: `name` says what is wrong, `old` became `new` in the source.

    `options` are the options of the cell under which the edited line runs, where it does not always.

    >>> Mutant("rnn", "no dh_0", "dx, (dh,)", "dx, (0 * dh,)").layer(3, 5)
    Recurrent(cell='rnncore.rnn', D=3, H=5, activation='tanh', backend='numpy', dtype='float64')
    """

    cell: str
    name: str
    old: str
    new: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def layer(self, D: int, H: int, **options: Any) -> Layer:
        """Return a float64 textbook layer whose backward pass has the error."""
        return self.planted_in(right_layer(self.cell, D, H, **{**self.options, **options}))

    def fits(self, layer: Layer) -> bool:
        """Say whether the edited line runs in this layer."""
        return subject_of(layer) == self.cell and self.options.items() <= layer.describe().items()

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
        kind = KINDS[self.cell]
        made = copy.copy(layer)
        if self.cell in _OUTSIDE:
            made, broken_module = made.using(backend="numpy", dtype="float64"), self.module()
            made.__class__ = type(kind.__name__, (kind,), {"_twin": lambda self: broken_module})
            return made
        made.__class__ = type(kind.__name__, (kind,), {"_backward": self._backward_of(kind)})
        return made

    def _backward_of(self, kind: type[Layer]) -> Any:
        """The method of this class with the error, in its own module or in the textbook that this module calls."""
        home = sys.modules[kind.__module__]
        source = inspect.getsource(home)
        called = {
            name: part for name, part in vars(home).items() if getattr(part, "__package__", "") == "rnncore.layers"
        }
        holds = [name for name, part in called.items() if self.old in inspect.getsource(part)]
        if self.old in source or not holds:
            source, holds = self.edited(source, home.__name__), []
        names = vars(ModuleType(home.__name__))
        exec(compile(source, self.label, "exec"), names)
        for name in holds:
            names[name] = ModuleType(called[name].__name__)
            exec(compile(self.edited(inspect.getsource(called[name]), name), self.label, "exec"), vars(names[name]))
            caches = {n: v for n, v in vars(called[name]).items() if isinstance(v, type) and issubclass(v, tuple)}
            vars(names[name]).update(caches)  # what the right forward made is what the wrong backward knows
        method = names[kind.__name__]._backward
        if not holds or "_backward" in vars(names[kind.__name__]):
            return method
        textbook = names[holds[0]]

        def shared(layer: Any, *given: Any) -> Any:
            """The method that several classes have, which calls the textbook of its layer: here the wrong one."""
            broken = copy.copy(layer)
            broken.module = textbook
            return method(broken, *given)

        return shared

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
    mutant = Mutant(cell, name, old, new)
    outside = cell in _OUTSIDE
    right = importlib.import_module(f"rnncore.layers.{cell}") if outside else CELLS[cell].twin("numpy")
    broken = ModuleType(right.__name__)
    exec(compile(mutant.edited(inspect.getsource(right), right.__name__), mutant.label, "exec"), vars(broken))
    cache = getattr(right, _OUTSIDE[cell]) if outside else CELLS[cell].cache
    setattr(broken, cache.__name__, cache)
    return broken


@dataclass(frozen=True)
class _BrokenCell(Cell):
    mutant: Mutant = field(kw_only=True)

    def twin(self, backend: str) -> ModuleType:
        return self.mutant.module()


def mutants(cell: str = "lstm") -> list[Mutant]:
    """Return the planted errors of a cell of the table, or of another layer: "bidirectional", "stack", "attention" ...

    Those of the LSTM begin with 26 classic ones; those seen in released libraries, and others, follow.

    >>> len(mutants("lstm")) > 26
    True
    >>> mutants("lstm")[0].name
    'final-state gradient dh_T ignored'
    """
    planted, branches = PLANTED | COMPOSED | WRAPPED | ONNX, BRANCHES | WRAPPED_BRANCHES | ONNX_BRANCHES
    checks.one_of("cell", cell, tuple(planted))
    rows: list[tuple[dict[str, Any], list[Edit]]] = [({}, planted[cell]), *branches.get(cell, [])]
    return [Mutant(cell, *edit, options) for options, edits in rows for edit in edits]


def right_layer(cell: str, D: int, H: int, **options: Any) -> Layer:
    """Return the float64 textbook layer without an error: all options of the cell are spelled out.

    >>> right_layer("bidirectional", 2, 3)
    Bidirectional(LSTM(D=2, H=3, activation='tanh', backend='numpy', dtype='float64'), merge='concat')
    """
    if cell in LAYERS:
        return LAYERS[cell](D, H, **options)
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
    right: Layer = copy.copy(layer)
    if subject_of(layer):
        right.__class__ = KINDS[subject_of(layer)]  # a class with an error becomes the one it was made from
    if subject_of(layer) in _OUTSIDE:
        return right.using(backend="numpy", dtype="float64")
    if not isinstance(layer, Composition):
        return right
    for part in {id(part): part for part in layer.parts.values()}.values():
        right = with_part(right, part, without_error(part))
    return right


def with_part(whole: Layer, old: Layer, new: Layer) -> Layer:
    """Return a composition that has `new` in each place where it had `old`."""
    made: Any = copy.copy(whole)
    made.parts = {key: new if part is old else part for key, part in made.parts.items()}
    if hasattr(made, "layer"):
        made.layer = new
    return made  # type: ignore[no-any-return]


def subject_of(layer: Layer) -> str:
    """Return the word under which `mutants` knows errors of this kind of layer; "" where it knows none."""
    if isinstance(layer, Recurrent):
        return layer.cell.name if layer.cell.name in PLANTED else ""
    if isinstance(layer, RecurrentDropout):
        return "recurrent_dropout"
    words = [word for word, kind in KINDS.items() if isinstance(layer, kind)]
    return words[-1 if layer.keeps_time else 0] if words else ""
