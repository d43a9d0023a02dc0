"""Problems that leave an error no place to hide.

A backward pass that is wrong is often right for a zero initial state, for one sequence, for equal lengths, or where
only the last output counts. So: all sizes differ, states and upstream gradients are random and not zero, rows are
ragged with lengths 0 and 1 among them, and `scale` saturates the gates or leaves them nearly linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.compose import Bidirectional, Stack
from rnncore.contract import CELLS, Layer
from rnncore.feedforward import Dense
from rnncore.recurrent import Recurrent
from rnncore.typing import Array, Grads, Lengths, State
from rnncore.wrappers import Masked


class Problem(NamedTuple):
    """Arguments of `forward` and upstream gradients of `backward`, all float64.

    >>> import rnncore as rc
    >>> layer = rc.GRU(3, 5, backend="numpy", dtype="float64")
    >>> p = random_problem(layer, T=6, N=4)
    >>> _, _, cache = layer.forward(p.params, p.x, p.state_0, p.lengths)
    >>> dparams, dx, dstate_0 = layer.backward(p.params, cache, p.dy, p.dstate_T)
    >>> dx.shape
    (6, 4, 3)
    """

    params: Grads
    x: Array
    state_0: State
    lengths: Lengths | None
    dy: Array
    dstate_T: State


def random_problem(
    layer: Layer, seed: int = 0, *, T: int = 6, N: int = 4, ragged: bool = True, scale: float = 1.0
) -> Problem:
    """Draw a problem for any layer; `scale` widens the parameters (3 saturates most gates, 0.1 leaves them linear).

    >>> import rnncore as rc
    >>> problem = random_problem(rc.LSTM(3, 5, backend="numpy", dtype="float64"))
    >>> problem.lengths, [s.shape for s in problem.state_0]
    (array([6, 2, 1, 0]), [(4, 5), (4, 5)])
    """
    rng = np.random.default_rng(seed)
    params = {
        name: rng.normal(size=shape) * scale / np.sqrt(shape[0] if len(shape) > 1 else 1)
        for name, shape in layer.parameter_shapes().items()
    }
    D = layer.sizes[0]
    x: Array = rng.normal(size=(T, N, D or 3))
    if D == 0:
        x = rng.integers(0, next(iter(layer.parameter_shapes().values()))[0], (T, N))
    if isinstance(leading(layer), Masked):  # the first row, the longest, has one live step, the second two
        x[:, 0, -1] = np.arange(T) == T // 2
        x[:, 1:2, -1] = 1
    state_0 = tuple(rng.normal(size=(N, H)) for H in layer.state_sizes)
    lengths = ragged_lengths(rng, T, N) if ragged else None
    y, _, _ = layer.forward(params, x, state_0, lengths)
    dstate_T = tuple(rng.normal(size=s.shape) for s in state_0)
    return Problem(params, x, state_0, lengths, rng.normal(size=y.shape), dstate_T)


def leading(layer: Layer) -> Layer:
    """Return the layer that x goes into."""
    while isinstance(layer, Stack):
        layer = layer.parts["0"]
    return layer


def ragged_lengths(rng: np.random.Generator, T: int, N: int) -> Lengths:
    """Return N lengths, longest first: T, 1 and 0 among them where N allows, the others anywhere between."""
    fixed = [T, 0, min(1, T)][:N]
    rest = rng.integers(0, T + 1, N - len(fixed))
    return np.sort(np.concatenate([fixed, rest]).astype(np.int64))[::-1].copy()


class Adversary(NamedTuple):
    """A problem by name: what makes it hard, the layer, its arguments, and a truncation length that does not divide T.

    >>> name, layer, problem, k1 = next(adversarial_problems("gru"))
    >>> name, problem.x.shape, problem.lengths, k1
    ('ragged rows', (7, 4, 3), array([7, 2, 1, 0]), 3)
    """

    name: str
    layer: Layer
    problem: Problem
    k1: int


def adversarial_problems(
    cell: str = "lstm", seed: int = 0, *, backend: str = "numpy", **options: str
) -> Iterator[Adversary]:
    """Yield problems that an error has no place to hide in: T, N, D and H all differ, states and gradients are random.

    They come ragged with lengths 0 and 1, with full rows, with saturated and with nearly linear gates, with a state
    that a first call carried on, with NaN in the padding, in three layers, in both directions, in both at once, and at
    the smallest sizes. `options` are those of the cell, float64 throughout.

    >>> [adversary.name for adversary in adversarial_problems("rnn", activation="relu")][:3]
    ['ragged rows', 'full rows', 'saturated gates']
    """
    checks.one_of("cell", cell, tuple(CELLS))
    words: dict[str, Any] = dict(options)

    def layer(D: int, H: int) -> Recurrent:
        return Recurrent(CELLS[cell], D, H, backend=backend, dtype="float64", **words)

    one, three = layer(3, 5), chain(layer(3, 5), layer(5, 2), layer(2, 4))
    both = Bidirectional(layer(3, 5))
    deep = chain(Bidirectional(layer(3, 2)), Bidirectional(layer(4, 3)), Dense(6, 2, dtype="float64"))
    yield Adversary("ragged rows", one, random_problem(one, seed, T=7), 3)
    yield Adversary("full rows", one, random_problem(one, seed + 1, T=7, ragged=False), 4)
    yield Adversary("saturated gates", one, random_problem(one, seed + 2, T=7, scale=3.0), 2)
    yield Adversary("nearly linear gates", one, random_problem(one, seed + 3, T=7, scale=0.1), 5)
    yield Adversary("a state carried on", one, carried_on(one, random_problem(one, seed + 4, T=7)), 3)
    yield Adversary("NaN in the padding", one, poisoned(random_problem(one, seed + 5, T=7)), 3)
    yield Adversary("three layers", three, random_problem(three, seed + 6, T=7), 3)
    yield Adversary("both directions", both, random_problem(both, seed + 7, T=7), 3)
    yield Adversary("two layers in both directions", deep, random_problem(deep, seed + 8, T=5, N=3), 2)
    for name, T, N, D, H in (("one step", 1, 3, 2, 4), ("one row", 7, 1, 2, 4), ("one unit, one feature", 5, 3, 1, 1)):
        small = layer(D, H)
        yield Adversary(name, small, random_problem(small, seed + 9, T=T, N=N), 2)


def chain(*parts: Layer) -> Stack:
    """Return the parts as a stack, with a dense layer wherever two sizes do not meet, as after a projection."""
    met: list[Layer] = []
    for part in parts:
        out, columns = met[-1].sizes[1] if met else None, part.sizes[0]
        if out and columns and out != columns:
            met.append(Dense(out, columns, dtype="float64"))
        met.append(part)
    return Stack(*met)


def carried_on(layer: Layer, problem: Problem) -> Problem:
    """Return the same problem, started from the state in which a first call ended."""
    _, state_T, _ = layer.forward(problem.params, problem.x[::-1].copy(), problem.state_0)
    return problem._replace(state_0=state_T)


def poisoned(problem: Problem) -> Problem:
    """Return the same problem with NaN in x and dy past the end of every row: neither may be looked at."""
    x, dy = problem.x.copy(), problem.dy.copy()
    if problem.lengths is not None:
        past = np.arange(len(x))[:, None] >= problem.lengths
        x[past], dy[past] = np.nan, np.nan
    return problem._replace(x=x, dy=dy)
