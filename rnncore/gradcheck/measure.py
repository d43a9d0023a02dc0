"""What the oracles say about the entries of a problem, and how a backward pass compares with it.

The oracles look at the forward pass alone, so what they say is gathered once and then holds for any number of backward
passes: `gather`, then `judge` for each.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.gradcheck.oracles import Estimates, Index, Inputs, Oracle, Outputs, drifted, has_kink
from rnncore.gradcheck.remarks import remarks_on
from rnncore.gradcheck.report import Block, Report, Sample, compare, scaled_gap
from rnncore.typing import Array, Grads

Upstream = tuple[Array, ...]
Forward = Callable[[Inputs], tuple[Upstream, Any]]
Backward = Callable[[Inputs, Any, Upstream], Grads]
MakeOracles = Callable[[Outputs, Upstream], list[Oracle]]


class Evidence(NamedTuple):
    """What each oracle, by its method, says about the entries looked at of one array."""

    indices: list[Index]
    found: dict[str, Estimates]


def gather(
    grads: Mapping[str, Array],
    oracles: list[Oracle],
    entries: int | None,
    rng: np.random.Generator,
    outputs: Upstream,
    upstream: Upstream,
) -> dict[str, Evidence]:
    """Ask every oracle about every array, at all its entries or at `entries` of them.

    Those are drawn from `rng`, but the one with the largest gradient is always among them, since it sets the scale of
    errors, and of x (three axes) the largest of each column, which may have a meaning of its own: a mask, a time.
    """
    wanted: dict[str, list[Index]] = {}
    for name, g in grads.items():
        indices = list(np.ndindex(g.shape))
        if entries is not None and len(indices) > entries:
            size = np.where(np.isfinite(g), np.abs(g), np.inf)
            chosen = [int(np.argmax(size))]
            if g.ndim == 3:
                columns = np.arange(g.shape[2])
                chosen += (size.reshape(-1, len(columns)).argmax(axis=0) * len(columns) + columns).tolist()
            chosen = list(dict.fromkeys([*chosen, *rng.permutation(len(indices)).tolist()]))
            indices = [indices[k] for k in sorted(chosen[:entries])]
        wanted[name] = indices
    evidence = {name: Evidence(indices, {}) for name, indices in wanted.items()}
    finite = all(np.isfinite(y).all() for y in outputs)
    for o in oracles:
        for name, found in o.of_all(wanted).items():
            if not finite:  # of such a function no oracle knows anything
                found = Estimates(np.full(len(wanted[name]), np.nan), found.bar)
            evidence[name].found[o.method] = drifted(o, found, outputs, upstream)
    return evidence


def judge(
    subject: str,
    grads: Grads,
    evidence: dict[str, Evidence],
    kink: Callable[[str, Index], bool] | None = None,
    timed: Collection[str] = (),
) -> Report:
    """Hold gradients against the evidence; `kink(name, index)` says where the function has no derivative.

    timed: the names of arrays whose first axis is time.
    """
    methods = tuple(next(iter(evidence.values())).found) if evidence else ()
    blocks: list[Block] = []
    samples = {}
    agreement = np.zeros((len(methods) + 1,) * 2)
    for name, (indices, found) in evidence.items():
        here = lambda index, name=name: kink is not None and kink(name, index)  # noqa: E731
        words = grads[name], indices, here, name in timed
        blocks += [compare(name, method, *words[:2], estimates, *words[2:]) for method, estimates in found.items()]
        columns = [np.array([grads[name][index] for index in indices]), *(e.value for e in found.values())]
        samples[name] = Sample(indices, *columns[:2])
        for i, j in itertools.product(range(len(columns)), repeat=2):
            agreement[i, j] = max(agreement[i, j], scaled_gap(columns[i], columns[j]).max(initial=0.0))
    return Report(subject, methods, tuple(blocks), agreement, samples=samples)


def measure(
    forward: Forward,
    backward: Backward,
    inputs: Inputs,
    make: MakeOracles,
    seed: int,
    entries: int | None,
    subject: str,
) -> tuple[Report, Upstream]:
    """Run forward and backward, and compare; return the report and the upstream gradients that were drawn."""
    if entries is not None:
        checks.size("entries", entries)
    outputs, _ = forward(copied(inputs))
    if not isinstance(outputs, (tuple, list)):
        came = f"a {type(outputs).__name__} as outputs"
        raise ContractError("forward", "a tuple of outputs, and a cache", came, "say (y,), cache")
    rng, upstream = drawn(outputs, inputs, seed)
    calls = watched(forward, backward, inputs, upstream)
    for name, g in calls.grads.items():
        if name not in inputs:
            advice = "a gradient has its array's name"
            raise ContractError("backward", f"gradients of {', '.join(inputs)}", repr(name), advice)
        checks.array(f"gradient of {name}", g, inputs[name].shape, None, "a gradient has its array's shape")
    only: Outputs = lambda arrays: forward(copied(arrays))[0]  # noqa: E731
    evidence = gather(calls.grads, make(only, upstream), entries, rng, outputs, upstream)
    kink = functools.cache(functools.partial(has_kink, only, inputs, upstream))  # asked again by each method
    report = judge(subject, calls.grads, evidence, kink, with_time(inputs, outputs))
    repeatable = same(calls.outputs, outputs) and same(calls.grads.values(), calls.again.values())
    left_out = tuple(name for name, a in inputs.items() if name not in calls.grads and np.asarray(a).dtype.kind == "f")
    remarks = remarks_on(inputs, outputs, calls.grads)
    return report.having(changed=calls.changed, repeatable=repeatable, left_out=left_out, remarks=remarks), upstream


def with_time(inputs: Inputs, outputs: Upstream) -> list[str]:
    """Return the inputs whose first axis is time: "x", and what has three axes and is as long as an output with three.

    >>> with_time({"W": np.ones((7, 2)), "xs": np.ones((7, 4, 2))}, (np.ones((7, 4, 5)), np.ones((4, 5))))
    ['xs']
    """
    T = {len(y) for y in outputs if y.ndim == 3}
    return [name for name, a in inputs.items() if name == "x" or (np.ndim(a) == 3 and len(a) in T)]


def drawn(outputs: Upstream, inputs: Inputs, seed: int) -> tuple[np.random.Generator, Upstream]:
    """Return the generator of the entries looked at, and the upstream gradients; these share no number with an input.

    Who draws inputs from the same seed would otherwise have them as upstream gradients too, and errors would hide.
    """
    given = np.concatenate([np.zeros(0), *(a.ravel() for a in inputs.values() if a.dtype.kind == "f")])
    for again in range(3):
        rng = np.random.default_rng([seed, again] if again else seed)
        upstream = tuple(rng.normal(size=y.shape) for y in outputs)
        if not np.isin(np.concatenate([np.zeros(0), *(u.ravel() for u in upstream)]), given).any():
            break
    return rng, upstream


class Calls(NamedTuple):
    """Outputs and gradients of a pair, the names of the arguments it wrote into, and the gradients of a second call."""

    outputs: Upstream
    grads: Grads
    changed: tuple[str, ...]
    again: Grads


def watched(forward: Forward, backward: Backward, inputs: Inputs, upstream: Upstream) -> Calls:
    """Call the pair twice and watch its arguments.

    It gets copies, so that an argument which one call spoils spoils nothing else: neither what the oracles see nor the
    second call, which then follows a forward pass of its own.
    """
    changed: list[str] = []

    def note(given: Mapping[str, Array], before: Mapping[str, Array], where: str = "") -> None:
        changed.extend(name + where for name, a in given.items() if not same([a], [before[name]]))

    mine, up = copied(inputs), tuple(u.copy() for u in upstream)
    outputs, cache = forward(mine)
    note(mine, inputs, " (in the forward pass)")
    outputs = tuple(y.copy() for y in outputs)
    given = {**mine, **{f"upstream[{k}]": u for k, u in enumerate(up)}}
    given.update({f"cache array {k}": a for k, a in enumerate(arrays_of(cache))})
    before = copied(given)
    grads = backward(mine, cache, up)
    if not isinstance(grads, Mapping):
        came = f"a {type(grads).__name__}"
        raise ContractError("backward", "a dict of gradients by the names of the inputs", came, 'say {"x": dx}')
    grads = copied(grads)
    note(given, before)
    if changed:
        mine, up = copied(inputs), tuple(u.copy() for u in upstream)
        _, cache = forward(mine)
    return Calls(outputs, grads, tuple(changed), copied(backward(mine, cache, up)))


def copied(arrays: Mapping[str, Array]) -> Grads:
    """Return copies under the same names."""
    return {name: np.array(a) for name, a in arrays.items()}


def same(some: Iterable[Array], others: Iterable[Array]) -> bool:
    """Say whether all numbers are the same bits, NaN included."""
    pairs = zip(some, others, strict=True)
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") for a, b in pairs)


def as_pair(layer: Layer, lengths: Array | None, dropout_seed: int | None = None) -> tuple[Forward, Backward]:
    """Return a layer as the two functions that `check_pair` takes: parameters by name, "x" and "state_0[k]"."""
    names, count = tuple(layer.parameter_shapes()), len(layer.state_sizes)

    def forward(arrays: Inputs) -> tuple[Upstream, Any]:
        masks = None if dropout_seed is None else np.random.default_rng(dropout_seed)
        states = tuple(arrays[f"state_0[{k}]"] for k in range(count))
        y, state_T, cache = layer.forward({n: arrays[n] for n in names}, arrays["x"], states, lengths, masks)
        return (y, *state_T), cache

    def backward(arrays: Inputs, cache: Any, upstream: Upstream) -> Grads:
        dparams, dx, dstate_0 = layer.backward({n: arrays[n] for n in names}, cache, upstream[0], upstream[1:])
        grads = {**dparams, **({} if dx is None else {"x": dx})}
        return {**grads, **{f"state_0[{k}]": d for k, d in enumerate(dstate_0)}}

    return forward, backward


def as_inputs(params: Mapping[str, Array], x: Array, state_0: tuple[Array, ...]) -> Inputs:
    """Return the arguments of a layer as the dict that its pair takes."""
    return {**params, "x": x, **{f"state_0[{k}]": s for k, s in enumerate(state_0)}}


def arrays_of(cache: Any) -> Iterator[Array]:
    """Yield every array in nested tuples, lists and dicts."""
    if isinstance(cache, np.ndarray):
        yield cache
    elif isinstance(cache, (tuple, list)):
        for part in cache:
            yield from arrays_of(part)
    elif isinstance(cache, dict):
        yield from arrays_of(list(cache.values()))
