"""What truncation costs: the gradient of BPTT(k2; k1) beside the exact one, for one batch.

    cosine      <g, e> / (|g| |e|)         1: the same direction
    ratio       |g| / |e|                  below 1: too short
    bias        |g - e| / |e|              0: exact; the part of a step that more data would not average away

g is the truncated gradient, e that of full BPTT. Truncated BPTT is biased towards short-term dependencies (Tallec and
Ollivier 2017), by how much depends on the data and the weights: measure it, on several batches, where you train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.training.bptt import full_bptt, truncated_bptt
from rnncore.training.pieces import Loss
from rnncore.typing import Array, Grads, Params, State

OVERALL = "overall"


class TruncationError(NamedTuple):
    """Truncated against exact gradients on a grid; see the top of the file for the measures.

    k1s (A,), k2s (B,); names (P,): "overall" (all parameters as one vector), then each parameter; cosine, ratio and
    bias (A, B, P). NaN where k2 < k1, and where the exact gradient is zero.
    """

    k1s: Array
    k2s: Array
    names: tuple[str, ...]
    cosine: Array
    ratio: Array
    bias: Array


def truncation_error(
    model: Layer,
    params: Params,
    x: Array,
    target: Array,
    loss: Loss,
    k1s: Sequence[int],
    k2s: Sequence[int],
    *,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
    weight: Array | None = None,
) -> TruncationError:
    """Compare `truncated_bptt` with `full_bptt` for every k1 of k1s and k2 of k2s (k2 >= k1), on one batch.

    Arguments as those of `rnncore.truncated_bptt`. Cost: one pass for each pair. ContractError as there, and where k1s
    or k2s is empty.

    >>> import rnncore as rc
    >>> model = rc.RNN(3, 4, backend="numpy", dtype="float64")
    >>> x, y = np.ones((8, 2, 3)), np.zeros((8, 2, 4))
    >>> found = truncation_error(model, model.init(seed=0), x, y, rc.losses.mse, k1s=[1, 8], k2s=[1, 4, 8])
    >>> found.bias[1, 2, 0], bool(found.bias[0, 0, 0] > found.bias[0, 1, 0] > 0)
    (np.float64(0.0), True)
    """
    for name, values in (("k1s", k1s), ("k2s", k2s)):
        if not len(values):
            raise ContractError(name, "one or more truncation lengths", "none", "for instance [1, 5, 20]")
        for k, value in enumerate(values):
            checks.size(f"{name}[{k}]", value)
    words: dict[str, Any] = {"state_0": state_0, "lengths": lengths, "weight": weight}
    _, exact, _ = full_bptt(model, params, x, target, loss, **words)
    names = (OVERALL, *exact)
    measures = np.full((len(k1s), len(k2s), len(names), 3), np.nan)
    for a, k1 in enumerate(k1s):
        for b, k2 in enumerate(k2s):
            if k2 >= k1:
                _, cut, _ = truncated_bptt(model, params, x, target, loss, k1=k1, k2=k2, **words)
                measures[a, b] = [_measures(g, e) for g, e in zip(_vectors(cut), _vectors(exact), strict=True)]
    return TruncationError(np.array(k1s), np.array(k2s), names, *np.moveaxis(measures, -1, 0))


def _vectors(grads: Grads) -> list[Array]:
    each = [g.ravel().astype(float) for g in grads.values()]
    return [np.concatenate(each), *each]


def _measures(cut: Array, exact: Array) -> tuple[float, float, float]:
    """Return cosine, ratio and bias; NaN where a division by zero would stand."""
    a, b = float(np.linalg.norm(cut)), float(np.linalg.norm(exact))
    if b == 0:
        return np.nan, np.nan, np.nan
    cosine = float(cut @ exact) / (a * b) if a else np.nan
    return cosine, a / b, float(np.linalg.norm(cut - exact)) / b
