"""A model as a list of functions, each of which moves one layer on by one step.

The output after an event is that of the model for all events so far: the last step of y, where the model keeps time.
`Last` is then the identity, so Stack(GRU, Last, Dense) scores a customer anew after each event. `Dropout` is it too,
as always in prediction; a layer that looks ahead, as `Bidirectional`, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.compose import Stack
from rnncore.contract import CELLS, Layer
from rnncore.errors import ContractError
from rnncore.feedforward import Dense, Embedding
from rnncore.recurrent import Recurrent
from rnncore.shaping import Dropout, Last
from rnncore.typing import Array, Grads, Params

Rows = NDArray[np.int64]


class Step(NamedTuple):
    """One layer moved on by one event: of the customer in one row of the table of states, or of those in many.

    quick: `one` looks itself whether x is one event, contiguous and of the right dtype, and gives None where it is not.
    """

    one: Callable[[Any, int, Array], Any]
    many: Callable[[Array, Rows, Array], Array]
    quick: bool = False


def parts(model: Layer, params: Params) -> list[tuple[Layer, Grads]]:
    """The layers of nested stacks, one after another, each with its own parameters."""
    if not isinstance(model, Stack):
        return [(model, dict(params))]
    found = []
    for key, part in model.parts.items():
        own = {name: params[f"{key}.{name}"] for name in part.parameter_shapes()}
        found += parts(part, own)
    return found


def steps(model: Layer, params: Params) -> list[Step]:
    """One function for each layer that does something, in order."""
    each = parts(model, params)
    found: list[Step] = []
    column, has_time = 0, True
    for part, own in each:
        if isinstance(part, Last):
            has_time = False
        elif not (part.streamable and part.keeps_time):
            advice = "its outputs need the whole sequence; use model.forward"
            raise ContractError("model", "a model whose outputs need the past only", repr(part), advice)
        elif not isinstance(part, Dropout):
            found.append(_step(part, own, column, has_time))
        column += sum(part.state_sizes)
    return found or [Step(lambda x, row, table: x.copy(), lambda x, rows, table: x.copy())]


def _step(part: Layer, params: Grads, column: int, has_time: bool) -> Step:
    """One step of one layer: by a kernel where there is one, else by the layer's own forward."""
    if isinstance(part, Embedding):
        W = params["W"]
        return Step(lambda x, row, table: W[x], lambda x, rows, table: W[x])
    if isinstance(part, Recurrent) and part.backend == "numba" and CELLS.get(part.cell.name) is part.cell:
        part.cell.twin("numba")  # an error that says what to do where Numba is absent
        from rnncore.kernels import streaming as kernels

        if part.cell.name in kernels.CELLS:
            (option,) = part.options.values()
            return Step(*kernels.cell_step(part.cell.name, params, column, option), quick=True)
    if isinstance(part, Dense) and part.backend == "numba":
        from rnncore.kernels import streaming as kernels

        return Step(*kernels.affine_step(params), quick=True)
    widths = part.state_sizes
    ends = [column + sum(widths[: k + 1]) for k in range(len(widths))]
    places = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]

    def many(x: Array, rows: Rows, table: Array) -> Array:
        state = tuple(table[rows, place] for place in places)
        y, after, _ = part.forward(params, x[None] if has_time else x, state)
        for place, value in zip(places, after, strict=True):
            table[rows, place] = value
        out: Array = y[0] if has_time else y
        return out

    return Step(lambda x, row, table: np.ascontiguousarray(many(x[None], np.array([row]), table)[0]), many)
