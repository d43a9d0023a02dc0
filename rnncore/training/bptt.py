"""Backpropagation through time: the loss of a model over a batch of sequences and the gradient of its parameters.

Full: the error of every step is carried back to the first one. Truncated, BPTT(k2; k1) of Williams and Peng (1990):
after every k1 steps the error of those k1 steps is carried back through the last k2 >= k1 steps and no further.

    block j       steps (j - 1) k1 ... e_j,  e_j = min(j k1, T)
    window j      steps max(0, e_j - k2) ... e_j
    dy            in window j that of block j; zero at the older steps, whose error has been carried back before
    dstate        zero at e_j: nothing comes from the future. **Truncation is passing zeros as dstate_T**, nothing else.

The state itself is carried on and never cut: prediction sees all the past, learning does not. Of the influence of a
step on the loss l steps later, the share min(1, max(0, (k2 - l) / k1)) survives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.training.pieces import Loss, added, by_segments, check_chunkable, loss_weight, total_weight
from rnncore.typing import Array, Grads, Params, State

__all__ = ["full_bptt", "truncated_bptt"]


def full_bptt(
    model: Layer,
    params: Params,
    x: Array,
    target: Array,
    loss: Loss,
    *,
    every: int | None = None,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
    weight: Array | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[float, Grads, State]:
    """Return the loss, its gradient by every parameter, and the final state; through all T steps.

    x (T, N, D) or ids (T, N); target as `loss` wants it beside the output, time-major where the output has time;
    loss(prediction, target, weight) -> (value, dprediction), for instance `rnncore.losses.mse`. lengths (N,): steps
    past a row's end weigh nothing. weight: the leading axes of the output. rng: dropout draws from it. every: sum in
    segments of that many steps, where the model can be cut in time: bit for bit what `checkpointed_bptt` gives with the
    same `every`, and the better sum over a long sequence in float32. ContractError as in `rnncore.contract`.

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.GRU(3, 4, backend="numpy"), rc.Last(), rc.Dense(4, 1))
    >>> x, y = np.ones((5, 2, 3), np.float32), np.ones((2, 1), np.float32)
    >>> value, grads, state = full_bptt(model, model.init(seed=0), x, y, rc.losses.mse, lengths=[5, 2])
    >>> list(grads)
    ['0.Wx', '0.Wh', '0.bx', '0.bh', '2.W', '2.b']
    """
    valid = checks.lengths(lengths, x)
    if every is not None:
        return by_segments(model, params, x, target, loss, every, True, state_0, valid, weight, rng)
    y, state_T, cache = model.forward(params, x, state_0, valid, rng)
    value, dy = loss(y, target, loss_weight(model, x, valid, weight))
    dparams, _, _ = model.backward(params, cache, dy)
    return value, dparams, state_T


class _Chunk(NamedTuple):
    """A piece of the sequence whose error may still be asked for: its first step, cache and upstream gradient."""

    start: int
    cache: Any
    dy: Array


def truncated_bptt(
    model: Layer,
    params: Params,
    x: Array,
    target: Array,
    loss: Loss,
    *,
    k1: int,
    k2: int | None = None,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
    weight: Array | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[float, Grads, State]:
    """As `full_bptt`, but the error of every k1 steps is carried back through at most k2 of them (k2=None: k1).

    The value is that of the whole sequence, the gradient its truncation: k1 >= T is `full_bptt`, bit for bit. Only the
    caches of k2 steps are alive at any time, whatever T. target (T, N, ...); weight, where given, starts with T too.
    A loss that leaves out targets by itself (`ignore=`) does so within a chunk; give such targets weight zero instead.
    ContractError where k1 < 1, k2 < k1, or the model cannot be cut in time (`model.streamable`).

    >>> import rnncore as rc
    >>> model = rc.RNN(3, 4, backend="numpy")
    >>> x, y = np.ones((5, 2, 3), np.float32), np.ones((5, 2, 4), np.float32)
    >>> value, grads, (h,) = truncated_bptt(model, model.init(seed=0), x, y, rc.losses.mse, k1=2, k2=4)
    >>> {name: g.shape for name, g in grads.items()}
    {'Wx': (3, 4), 'Wh': (4, 4), 'b': (4,)}
    """
    k1 = checks.size("k1", k1)
    k2 = k1 if k2 is None else checks.size("k2", k2, least=k1)
    valid = checks.lengths(lengths, x)
    weight = loss_weight(model, x, valid, weight)
    check_chunkable(model, x, target, weight)

    def forward(start: int, stop: int, state: State | None) -> tuple[float, State, _Chunk]:
        """One piece: its part of the loss, the state behind it, and what its backward needs."""
        cut = None if valid is None else np.clip(valid - start, 0, stop - start)
        y, state, cache = model.forward(params, x[start:stop], state, cut, rng)
        here = None if weight is None else weight[start:stop]
        share = total_weight(model, x[start:stop], here) / total
        if share == 0:
            return 0.0, state, _Chunk(start, cache, np.zeros_like(y))
        value, dy = loss(y, target[start:stop], here)
        return value * share, state, _Chunk(start, cache, dy * share)

    total = total_weight(model, x, weight)
    if total == 0:
        raise ContractError("weight", "at least one positive weight", "a sum of zero", "leave this batch out")
    value, state = 0.0, state_0
    grads: Grads = {}
    window: list[_Chunk] = []
    for oldest, pieces in _blocks(len(x), k1, k2):
        window = [chunk._replace(dy=np.zeros_like(chunk.dy)) for chunk in window if chunk.start >= oldest]
        for start, stop in pieces:
            part, state, chunk = forward(start, stop, state)
            value += part
            window.append(chunk)
            del chunk  # a cache lives in the window and nowhere else
        grads = added(grads, _window_gradient(model, params, window))
    assert state is not None
    return value, grads, state


def _blocks(T: int, k1: int, k2: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """For every block: where its window begins, and the pieces to run, cut wherever any window begins or ends.

    >>> _blocks(T=7, k1=3, k2=4)
    [(0, [(0, 2), (2, 3)]), (2, [(3, 6)]), (3, [(6, 7)])]
    """
    blocks = []
    for begin in range(0, T, k1):
        end = min(begin + k1, T)
        # the later windows that begin inside this block: those that end at a multiple of k1, and the one that ends at T
        inside = {cut for cut in (begin + -k2 % k1, T - k2) if begin < cut < end and cut + k2 <= T}
        blocks.append((max(0, end - k2), list(pairwise([begin, *sorted(inside), end]))))
    return blocks


def _window_gradient(model: Layer, params: Params, window: list[_Chunk]) -> Grads:
    """Carry the error back through the window, the newest piece first, from dstate = 0."""
    grads: Grads = {}
    dstate: State | None = None
    for chunk in reversed(window):
        dparams, _, dstate = model.backward(params, chunk.cache, chunk.dy, dstate)
        grads = added(grads, dparams)
    return grads
