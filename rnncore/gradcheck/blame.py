"""Where does a backward pass go wrong: at which time step, in which gate, and is the error a known one?

A weight's gradient is a sum over time, so one number hides the step that spoils it. Two ways to find it:

* dx is not summed. The backward pass walks from the last step to the first, so the **latest** wrong dx is where the
  error enters, and it then travels to earlier steps.
* Where dx is right, only the sum is wrong. The weights are unshared: the oracle gives the contribution n_t of each step
  by moving the weight at that step alone, and the residual (analytic - numeric) is compared with +-n_t, and with the
  sum over the steps 0 to t, which is missing after a truncation.

The gate is read off the column of a wrong entry. An error in one gate reaches all others at earlier steps, so that step
is looked at alone first. The name is found by running the planted errors of the same layer on the same problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rnncore.compose import Bidirectional, Stack
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.gradcheck import central, complex_step, forward_mode
from rnncore.gradcheck.measure import MakeOracles, Upstream, as_inputs, as_pair, measure
from rnncore.gradcheck.mutants import mutants, subject_of, with_part, without_error
from rnncore.gradcheck.oracles import Inputs, Outputs
from rnncore.gradcheck.report import Block, Report
from rnncore.recurrent import Recurrent
from rnncore.typing import Array, Lengths, State
from rnncore.wrappers import Composition
from rnncore.wrappers.base import Wrapper

MATCH = 1e-5  # how closely two residuals must repeat each other, relative to the residual


def blame(
    layer: Layer,
    report: Report,
    inputs: Inputs,
    upstream: Upstream,
    lengths: Lengths | None,
    dropout_seed: int | None = None,
) -> Report:
    """Return the report of a failure with time steps, gates and the names of known errors filled in."""
    roots: dict[int, str] = {}
    blocks = []
    for block in report.blocks:
        if block.failing:
            step = first_wrong_step(layer, report, block, inputs, upstream, lengths)
            if step is not None and step not in roots:
                roots[step] = gates_at(layer, inputs, lengths, step)
            root = "" if step is None else roots[step]
            block = replace(block, step=step, gates=root or gates_of(layer, block))
        blocks.append(block)
    return report.having(
        blocks=tuple(blocks), suspects=suspects(layer, report, inputs, upstream, lengths, dropout_seed)
    )


def first_wrong_step(
    layer: Layer, report: Report, block: Block, inputs: Inputs, upstream: Upstream, lengths: Lengths | None
) -> int | None:
    """Return the step at which this block first goes wrong in backward order, or None where that cannot be told."""
    if block.name == "x":
        return max(index[0] for index in block.failing)
    late = [index[0] for other in report.blocks if other.name == "x" for index in other.failing]
    if late:
        return max(late)
    if block.name.startswith("state_0"):
        return 0
    if not layer.streamable:
        return None
    n = unshared(layer, block, inputs, upstream, lengths)
    residual = block.analytic - block.numeric
    for candidates in (n, np.cumsum(n)):
        gap = np.abs(np.abs(candidates) - abs(residual))
        if gap.size and gap.min() <= MATCH * abs(residual):
            return int(np.argmin(gap))
    return None


def unshared(layer: Layer, block: Block, inputs: Inputs, upstream: Upstream, lengths: Lengths | None) -> Array:
    """Return (T,): how much each step contributes to dL/dparameter at the block's worst entry.

    By complex step of the textbook, T evaluations; by central differences where a layer does not take complex numbers,
    which shows in a sum over the steps that is not the whole derivative.
    """
    textbook = layer.using(backend="numpy") if "numba" in layer.backends else layer
    for twin, method in ((textbook, complex_step.oracle), (layer, central.oracle)):
        found = []
        try:
            for t in range(len(inputs["x"])):
                oracle = method(unshared_outputs(twin, inputs, lengths, t), inputs, upstream)
                found.append(oracle.at(block.name, [block.index]).value[0])
        except (ContractError, TypeError):
            continue
        if abs(sum(found) - block.numeric) <= MATCH * (abs(block.numeric) + np.max(np.abs(found), initial=0.0)):
            return np.array(found)
    return np.zeros(0)


def unshared_outputs(layer: Layer, inputs: Inputs, lengths: Lengths | None, t: int) -> Outputs:
    """Return arrays -> outputs, with the parameters in `arrays` at step t alone and those in `inputs` elsewhere.

    The sequence is run in three chunks that carry the state: before step t, step t, and after it.
    """
    x = inputs["x"]
    T, N = x.shape[:2]
    rows = np.full(N, T) if lengths is None else lengths
    names = layer.parameter_shapes()
    own = {name: inputs[name] for name in names}
    state_0 = tuple(inputs[f"state_0[{k}]"] for k in range(len(layer.state_sizes)))

    def chunk(params: Inputs, state: State, start: int, stop: int) -> tuple[Array, State]:
        dtype = np.result_type(*params.values(), *state)
        params = {name: a.astype(dtype) for name, a in params.items()}
        steps = x[start:stop] if x.dtype.kind in "iu" else x[start:stop].astype(dtype)
        cut = np.clip(rows - start, 0, stop - start)
        y, state, _ = layer.forward(params, steps, tuple(s.astype(dtype) for s in state), cut)
        return y, state

    def outputs(arrays: Inputs) -> Upstream:
        y_before, state = chunk(own, state_0, 0, t)
        y_t, state = chunk({name: arrays[name] for name in names}, state, t, t + 1)
        y_after, state = chunk(own, state, t + 1, T)
        return (np.concatenate([y_before, y_t, y_after]), *state)

    return outputs


def gates_of(layer: Layer, block: Block) -> str:
    """Return the letters of the gates in whose columns a parameter's entries fail, in the order of the blocks."""
    *path, name = block.name.split(".")
    for key in path:
        layer = layer.parts[key] if isinstance(layer, Composition) else layer
    if not isinstance(layer, Recurrent) or layer.cell.blocks == 1 or "[" in block.name or block.name == "x":
        return ""
    letters = layer.cell.gates
    if layer.parameter_shapes()[name][-1] != len(letters) * layer.H:  # a parameter without a block for each gate
        return ""
    return "".join(letters[k] for k in sorted({index[-1] // layer.H for index in block.failing}))


def gates_at(layer: Layer, inputs: Inputs, lengths: Lengths | None, step: int) -> str:
    """Return the letters of the gates that go wrong where this step is run alone; "" where none does."""
    if not isinstance(layer, Recurrent):
        return ""
    x = inputs["x"]
    n = x.shape[1] if lengths is None else int(np.count_nonzero(lengths > step))
    params = {name: inputs[name] for name in layer.parameter_shapes()}
    state = tuple(inputs[f"state_0[{k}]"] for k in range(len(layer.state_sizes)))
    cut = None if lengths is None else np.minimum(lengths, step)
    _, state, _ = layer.forward(params, x[:step], state, cut)
    alone = as_inputs(params, x[step : step + 1, :n], tuple(s[:n] for s in state))
    oracles: tuple[MakeOracles, ...] = (
        lambda _, up: [forward_mode.oracle(layer, alone, up, None)],
        lambda outputs, up: [complex_step.oracle(outputs, alone, up)],  # a cell of one's own may have no forward mode
    )
    for make in oracles:
        try:
            report, _ = measure(*as_pair(layer, None), alone, make, 0, None, "")
        except (ContractError, TypeError):
            continue
        found = {letter for b in report.blocks if b.name in layer.cell.biases for letter in gates_of(layer, b)}
        return "".join(letter for letter in layer.cell.gates if letter in found)
    return ""


def suspects(
    layer: Layer,
    report: Report,
    inputs: Inputs,
    upstream: Upstream,
    lengths: Lengths | None,
    dropout_seed: int | None = None,
) -> tuple[str, ...]:
    """Return the names of the planted errors that give, on the same problem, the residuals of this report.

    An error that changes nothing on this problem is no suspect. Parts of compositions are searched too.
    """

    def gradients(of: Layer) -> Array:
        forward, backward = as_pair(of, lengths, dropout_seed)
        with np.errstate(all="ignore"):
            grads = backward(inputs, forward(inputs)[1], upstream)
        return np.concatenate([[grads[name][i] for i in s.indices] for name, s in report.samples.items()])

    clean = without_error(layer)
    right, seen = gradients(clean), np.concatenate([s.analytic for s in report.samples.values()])
    residual = np.linalg.norm(seen - np.concatenate([s.numeric for s in report.samples.values()]))
    names = []
    for part, where, whole_with in parts_of(clean):
        for mutant in mutants(subject_of(part)) if subject_of(part) else []:
            if mutant.fits(part):
                try:
                    found = gradients(whole_with(mutant.planted_in(part)))
                except (ValueError, IndexError):  # states of unequal width exchanged, for instance: it could not run
                    continue
                if np.linalg.norm(found - right) > residual / 2 and np.linalg.norm(found - seen) <= MATCH * residual:
                    names.append(mutant.name + where)
    return tuple(names)


def parts_of(
    layer: Layer, where: str = "", whole_with: Callable[[Layer], Layer] = lambda part: part
) -> Iterator[tuple[Layer, str, Callable[[Layer], Layer]]]:
    """Yield the layer and all layers inside: each with words for its place, and what puts another there in the whole.

    >>> import rnncore as rc
    >>> model = rc.Stack(rc.Bidirectional(rc.RNN(3, 4)), rc.Dense(8, 1))
    >>> [where for _, where, _ in parts_of(model)]
    ['', ' (in part 0)', ' (in part 0, in each direction)', ' (in part 1)']
    """
    yield layer, where, whole_with
    places = {"in each direction": layer.layer} if isinstance(layer, Bidirectional) else {}
    if isinstance(layer, (Stack, Wrapper)):
        places = {f"in part {key}": part for key, part in layer.parts.items()}
    for words, old in places.items():
        inner = f"{where[:-1]}, {words})" if where else f" ({words})"
        yield from parts_of(old, inner, lambda new, old=old: whole_with(with_part(layer, old, new)))  # type: ignore[misc]
