"""Checkpointed BPTT: the exact gradient with memory that grows as the square root of T.

The sequence is cut into segments. Forward keeps the state before each segment and nothing else; then, from the last
segment to the first, forward runs once more, and backward at once, passing its dstate_0 to the segment before as
dstate_T. No error is cut off: **full BPTT over chunks passes the real dstate**. With segments of sqrt(T) steps there
are sqrt(T) states and one cache of sqrt(T) steps; the price is one more forward pass (Griewank and Walther 2000,
revolve; Chen et al. 2016, sec. 4; for recurrent networks Gruslys et al. 2016).

How equal it is to full BPTT:

    full_bptt(..., every=k)      bit for bit, loss, gradients and final state, for every model, in both twins, dropout
                                 and weights included: the same numbers are added in the same order
    full_bptt(...)               the final state bit for bit, the rest to rounding (about 1e-15 in float64)

The second line has no remedy but the first: a sum of floating-point numbers depends on its order, (a + b) + (c + d) is
not ((a + b) + c) + d. A pass over the whole sequence sums as suits it (a fast twin 256 rows at a time for each shard of
the batch, `Dense` all T N rows in one product, a loss over all its entries); no order of pieces repeats that.

Measured on T = 100,000 (LSTM, H = 32, float64, `benchmarks/truncated_memory.py`): a peak of 3.6 MB where full BPTT has
410 MB, in 1.2 times its time.

Sums of segments lose fewer digits than one long sum: an LSTM in float32 over 100,000 steps of 8 sequences had its
gradient within 2e-7 of that in float64 this way, within 1e-5 by `full_bptt` without `every`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.training.pieces import Loss, by_segments
from rnncore.typing import Array, Grads, Params, State

__all__ = ["checkpointed_bptt"]


def checkpointed_bptt(
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
    """As `full_bptt`, exact, but only the states of every `every` steps and one segment's cache are kept.

    every: steps in a segment; None takes the square root of T, rounded up. Shapes as in `truncated_bptt`: target
    (T, N, ...), weight with T in front. rng: dropout draws a segment at a time, and draws the same again when the
    segment is run again; the generator ends where one forward pass over these segments leaves it. A loss that leaves
    out targets by itself (`ignore=`) does so within a segment; give such targets weight zero instead. ContractError
    where every < 1, or the model cannot be cut in time (`model.streamable`).

    >>> import rnncore as rc
    >>> model = rc.GRU(3, 4, backend="numpy", dtype="float64")
    >>> params, x, y = model.init(seed=0), np.ones((50, 2, 3)), np.ones((50, 2, 4))
    >>> value, grads, (h,) = checkpointed_bptt(model, params, x, y, rc.losses.mse)
    >>> exact = rc.full_bptt(model, params, x, y, rc.losses.mse)[1]
    >>> bool(np.allclose(grads["Wh"], exact["Wh"], rtol=1e-12))
    True
    """
    valid = checks.lengths(lengths, x)
    return by_segments(model, params, x, target, loss, every, False, state_0, valid, weight, rng)
