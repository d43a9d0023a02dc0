"""At which time step does a backward pass go wrong?

A weight's gradient is a sum over time, so one number hides the step that spoils it. Two ways to find it:

* dx is not summed. The backward pass walks from the last step to the first, so the **latest** wrong dx is where the
  error enters, and it then travels to earlier steps.
* Where dx is right, only the sum is wrong. The weights are unshared: the oracle gives the contribution n_t of each step
  by moving the weight at that step alone, and the residual (analytic - numeric) is compared with +-n_t, and with the
  sum over the steps 0 to t, which is missing after a truncation.
"""

from __future__ import annotations

import numpy as np

from rnncore.contract import Layer
from rnncore.gradcheck import central, complex_step
from rnncore.gradcheck.report import Block, Report
from rnncore.typing import Array, Lengths, State

MATCH = 1e-5  # how closely the residual must repeat a step's contribution, relative to the residual


def first_wrong_step(
    layer: Layer,
    report: Report,
    block: Block,
    inputs: dict[str, Array],
    lengths: Lengths | None,
    seed: int,
) -> int | None:
    """Return the step at which this block first goes wrong in backward order, or None where that cannot be told."""
    if not block.failing or block.name == "x":
        return max((index[0] for index in block.failing), default=block.step)
    late = [index[0] for other in report.blocks if other.name == "x" for index in other.failing]
    if late:
        return max(late)
    if block.name.startswith("state_0"):
        return 0
    if not layer.streamable:
        return None
    n = unshared(layer, report, block, inputs, lengths, seed)
    residual = block.analytic - block.numeric
    for candidates in (n, np.cumsum(n)):
        gap = np.abs(np.abs(candidates) - abs(residual))
        if gap.size and gap.min() <= MATCH * abs(residual):
            return int(np.argmin(gap))
    return None


def unshared(
    layer: Layer,
    report: Report,
    block: Block,
    inputs: dict[str, Array],
    lengths: Lengths | None,
    seed: int,
) -> Array:
    """Return (T,): how much each step contributes to dL/dparameter at the block's worst entry, by the report's oracle.

    The sequence is run in three chunks that carry the state: before step t, step t with the moved weight, after it.
    """
    x = inputs["x"]
    T, N = x.shape[:2]
    rows = np.full(N, T) if lengths is None else lengths
    names = layer.parameter_shapes()
    own = {name: inputs[name] for name in names}
    state_0 = tuple(inputs[f"state_0[{k}]"] for k in range(len(layer.state_sizes)))

    def chunk(params: dict[str, Array], state: State, start: int, stop: int) -> tuple[Array, State]:
        dtype = np.result_type(*params.values(), *state)
        params = {name: a.astype(dtype) for name, a in params.items()}
        steps = x[start:stop] if x.dtype.kind in "iu" else x[start:stop].astype(dtype)
        cut = np.clip(rows - start, 0, stop - start)
        y, state, _ = layer.forward(params, steps, tuple(s.astype(dtype) for s in state), cut)
        return y, state

    def outputs(arrays: dict[str, Array], t: int) -> tuple[Array, ...]:
        y_before, state = chunk(own, state_0, 0, t)
        y_t, state = chunk({name: arrays[name] for name in names}, state, t, t + 1)
        y_after, state = chunk(own, state, t + 1, T)
        return (np.concatenate([y_before, y_t, y_after]), *state)

    rng = np.random.default_rng(seed)
    upstream = tuple(rng.normal(size=y.shape) for y in outputs(inputs, 0)) if T else ()
    method = complex_step.oracle if "complex-step" in report.methods else central.oracle
    found = []
    for t in range(T):
        oracle = method(lambda arrays, t=t: outputs(arrays, t), inputs, upstream)  # type: ignore[misc]
        found.append(oracle.at(block.name, [block.index]).value[0])
    return np.array(found)
