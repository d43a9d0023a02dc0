"""The table of cells: what is particular to each; the rest of a layer is made from its row.

A new cell is one more row of `CELLS` (CONTRIBUTING.md has the steps), or a `Cell` of your own.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from rnncore.errors import ContractError

_ROOMS = {"numpy": "layers", "numba": "kernels"}
_imported: dict[str, ModuleType] = {}


@dataclass(frozen=True)
class Cell:
    """One row of the table: what is particular to a recurrent cell.

    `gates` has a letter for each block of H columns of Wx and Wh, `states` names the states (the first is the output),
    `biases` the biases, and `options` gives each keyword of the cell with the words it accepts, the default first.
    `open_gates` are those whose bias starts at one. What few cells have:

    title     the name in print, and that of its cache: `<title>Cache`; else the name in capitals
    extra     each further parameter: its shape in letters ("3H", "H P", "D 3H"), and how it starts: "zeros", "ones",
              "glorot" or "orthogonal", the last two for each block of H columns by itself
    widths    the states that are not H wide, as {"h": "P"}; P is a third size of the layer
    x         how many columns x has, where these are not the D features alone, as "D+1" or "3D"
    inexact   words of options under which `backward` is, on purpose, not the gradient of `forward`

    The twins are the modules `<package>.layers.<name>` and `<package>.kernels.<name>`: a cell of your own may live in a
    package of your own, and is used as `recurrent.Recurrent(row, D, H, ...)`.
    """

    name: str
    gates: str
    states: tuple[str, ...]
    biases: tuple[str, ...]
    options: dict[str, tuple[str, ...]]
    open_gates: str = ""
    package: str = "rnncore"
    title: str = ""
    extra: dict[str, tuple[str, str]] = field(default_factory=dict)
    widths: dict[str, str] = field(default_factory=dict)
    x: str = "D"
    inexact: tuple[str, ...] = ()

    @property
    def blocks(self) -> int:
        """How many blocks of H columns Wx and Wh have."""
        return len(self.gates)

    @property
    def printed(self) -> str:
        """The name in print."""
        return self.title or self.name.upper()

    @property
    def cache(self) -> type:
        """What `forward` returns for `backward`: a NamedTuple that the textbook defines."""
        kind: type = getattr(self.twin("numpy"), f"{self.printed}Cache")
        return kind

    @property
    def letters(self) -> str:
        """The sizes of a layer: D features, H units, and P where a state is that wide."""
        return "DHP" if "P" in self.widths.values() else "DH"

    @property
    def parameters(self) -> dict[str, tuple[str, str]]:
        """Each parameter, with its shape in letters and how it starts."""
        columns, h = f"{self.blocks}H", self.widths.get(self.states[0], "H")
        biases = {name: (columns, "zeros") for name in self.biases}
        return {"Wx": (f"D {columns}", "glorot"), "Wh": (f"{h} {columns}", "orthogonal"), **biases, **self.extra}

    def shapes(self, **sizes: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter; `sizes` gives each letter its number.

        >>> CELLS["gru"].shapes(D=3, H=4)
        {'Wx': (3, 12), 'Wh': (4, 12), 'bx': (12,), 'bh': (12,)}
        """
        return {
            name: tuple(in_numbers(width, sizes) for width in shape.split())
            for name, (shape, _) in self.parameters.items()
        }

    def state_sizes(self, **sizes: int) -> tuple[int, ...]:
        """Return the width of each state."""
        return tuple(in_numbers(self.widths.get(name, "H"), sizes) for name in self.states)

    def twin(self, backend: str) -> ModuleType:
        """Return the module that holds `forward` and `backward`: the textbook ("numpy") or the fast twin ("numba")."""
        return twin(self.name, backend, self.package)


def twin(name: str, backend: str, package: str = "rnncore") -> ModuleType:
    """Return the module `<package>.layers.<name>`, or `<package>.kernels.<name>` for "numba"; imported when asked for.

    >>> twin("dense", "numpy").__name__
    'rnncore.layers.dense'
    """
    name = f"{package}.{_ROOMS[backend]}.{name}"
    module = _imported.get(name)
    if module is not None and sys.modules.get(name) is module:  # import_module takes 1 us
        return module
    try:
        _imported[name] = importlib.import_module(name)
        return _imported[name]
    except ImportError as error:
        if error.name and error.name.split(".")[0] in ("numba", "llvmlite", "scipy"):
            missing = f"an installation without {error.name}"
            raise ContractError("backend", "numba, installed", missing, 'say backend="numpy"') from error
        if backend == "numba" and error.name and f"{name}.".startswith(f"{error.name}."):
            advice = 'say backend="numpy", the textbook, until it is written'
            raise ContractError("backend", f"a fast twin {name}", "no such module", advice) from error
        raise


def in_numbers(width: str, sizes: Mapping[str, int]) -> int:
    """Return a width that is written in letters.

    >>> in_numbers("3H", {"D": 5, "H": 4}), in_numbers("D+1", {"D": 5, "H": 4})
    (12, 6)
    """
    total = 0
    for term in width.split("+"):
        factor, letter = (term[:-1], term[-1]) if term[-1] in sizes else (term, "")
        total += int(factor or 1) * sizes.get(letter, 1)
    return total


CELLS: dict[str, Cell] = {
    "rnn": Cell("rnn", "a", ("h",), ("b",), {"activation": ("tanh", "relu")}),
    "lstm": Cell("lstm", "ifgo", ("h", "c"), ("b",), {"activation": ("tanh", "relu")}, open_gates="f"),
    "gru": Cell("gru", "rzn", ("h",), ("bx", "bh"), {"reset": ("after", "before")}),
    "peephole_lstm": Cell(
        "peephole_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {"gradient": ("exact", "truncated")},
        open_gates="f",
        title="PeepholeLSTM",
        extra={"P": ("3H", "zeros")},
        inexact=("truncated",),
    ),
    "coupled_lstm": Cell("coupled_lstm", "fgo", ("h", "c"), ("b",), {}, open_gates="f", title="CoupledLSTM"),
    "projected_lstm": Cell(
        "projected_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {},
        open_gates="f",
        title="ProjectedLSTM",
        extra={"Wp": ("H P", "glorot")},
        widths={"h": "P"},
    ),
    "layernorm_lstm": Cell(
        "layernorm_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {},
        open_gates="f",
        title="LayerNormLSTM",
        extra={"gain_x": ("4H", "ones"), "gain_h": ("4H", "ones"), "gain_c": ("H", "ones"), "bias_c": ("H", "zeros")},
    ),
    "layernorm_gru": Cell(
        "layernorm_gru",
        "rzn",
        ("h",),
        ("bx", "bh"),
        {},
        title="LayerNormGRU",
        extra={"gain_x": ("3H", "ones"), "gain_h": ("3H", "ones")},
    ),
    "time_lstm": Cell(
        "time_lstm",
        "ifgo",
        ("h", "c"),
        ("b",),
        {"decay": ("log", "inverse")},
        open_gates="f",
        title="TimeLSTM",
        extra={"Wd": ("H H", "orthogonal"), "bd": ("H", "zeros")},
        x="D+1",
    ),
    "grud": Cell(
        "grud",
        "rzn",
        ("h", "u"),
        ("bx", "bh"),
        {"reset": ("before", "after")},
        extra={
            "Wx": ("2D 3H", "glorot"),
            "mean": ("D", "zeros"),
            "Wgx": ("D", "ones"),
            "bgx": ("D", "zeros"),
            "Wgh": ("D H", "glorot"),
            "bgh": ("H", "zeros"),
        },
        widths={"u": "D"},
        x="3D",
    ),
}
