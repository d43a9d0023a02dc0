"""Hold a backward pass against one oracle or several, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import CELLS, Layer
from rnncore.errors import ContractError
from rnncore.gradcheck import central, complex_step, forward_mode, richardson, torch_autograd
from rnncore.gradcheck.blame import first_wrong_step
from rnncore.gradcheck.oracles import GATES, Inputs, Oracle, Outputs, one_sided_jump
from rnncore.gradcheck.problems import random_problem
from rnncore.gradcheck.report import Report, compare, scaled_gap
from rnncore.recurrent import Recurrent
from rnncore.typing import Array, Grads, Params, State

BLACK_BOX = {"complex-step": complex_step.oracle, "central": central.oracle, "richardson": richardson.oracle}
KNOWS_LAYERS = {"forward-mode": forward_mode.oracle, "torch": torch_autograd.oracle}

Forward = Callable[[Inputs], tuple[tuple[Array, ...], Any]]
Backward = Callable[[Inputs, Any, tuple[Array, ...]], Grads]
MakeOracles = Callable[[Outputs, tuple[Array, ...]], list[Oracle]]


def check_pair(
    forward: Forward,
    backward: Backward,
    inputs: Inputs,
    *,
    method: str | Sequence[str] = "complex-step",
    seed: int = 0,
    entries: int | None = None,
    subject: str = "pair",
) -> Report:
    """Check any pair of functions: `forward(inputs) -> (outputs, cache)`, `backward(inputs, cache, upstream) -> grads`.

    `inputs` and `grads` are dicts of float64 arrays under the same names; names that `backward` leaves out are not
    checked. `method` is "complex-step" (exact; needs analytic code that accepts complex numbers), "richardson" or
    "central", or several of them. Upstream gradients are random from `seed`, one array for each output. `entries` looks
    at no more than that many entries of each array. Returns a `Report`; a wrong derivative is no exception.

    >>> square = lambda a: ((a["v"] ** 2,), None)
    >>> dsquare = lambda a, cache, upstream: {"v": 2 * a["v"] * upstream[0]}
    >>> check_pair(square, dsquare, {"v": np.array([3.0, -1.0])}).ok
    True
    """
    methods = _words(method, tuple(BLACK_BOX))
    make: MakeOracles = lambda outputs, upstream: [BLACK_BOX[m](outputs, inputs, upstream) for m in methods]  # noqa: E731
    return _check(forward, backward, inputs, make, seed, entries, subject)


def check(
    layer: Layer,
    params: Params,
    x: Array,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
    method: str | Sequence[str] | None = None,
    *,
    seed: int = 0,
    dropout_seed: int | None = None,
    entries: int | None = None,
) -> Report:
    """Check every derivative of a layer in float64: parameters, x and states, through outputs and final states.

    Arguments as those of `layer.forward`. Upstream gradients on outputs and final states are random from `seed`, and
    so is `state_0` where it is None (a zero state hides errors). `method` is one or several of "complex-step" (exact;
    the textbook only), "forward-mode" and "torch" (exact; both twins), "richardson" and "central" (differences; both
    twins); None takes "complex-step", or "central" for the fast twin. With several the report shows how far they agree.
    With `dropout_seed` every evaluation draws the same masks. Raises `ContractError` for arguments that break the
    contract; a wrong derivative is no exception.

    >>> import rnncore as rc
    >>> layer = rc.GRU(2, 3, backend="numpy")
    >>> check(layer, layer.init(seed=0), np.ones((4, 2, 2), np.float32), method=["complex-step", "forward-mode"]).ok
    True
    """
    twin = "backend='numba'" in repr(layer)
    methods = _words(method or ("central" if twin else "complex-step"), tuple(GATES))
    if "complex-step" in methods and twin:
        advice = 'say method="forward-mode" or "central", or check layer.using(backend="numpy")'
        raise ContractError("method", "a method for real numbers, for the fast twin", "'complex-step'", advice)
    params, x = {name: in_double(a) for name, a in params.items()}, in_double(x)
    state_0 = None if state_0 is None else tuple(in_double(s) for s in state_0)
    layer.forward(params, x, state_0, lengths)  # raises where the contract is broken
    rows = checks.lengths(lengths, x)
    rng = np.random.default_rng([seed, 1])
    N = x.shape[1] if x.ndim > 1 else len(x)
    state = state_0 or tuple(rng.normal(size=(N, H)) for H in layer.state_sizes)
    inputs = {**params, "x": x, **{f"state_0[{k}]": s for k, s in enumerate(state)}}
    forward, backward = as_pair(layer, rows, dropout_seed)

    def make(outputs: Outputs, upstream: tuple[Array, ...]) -> list[Oracle]:
        return [
            KNOWS_LAYERS[m](layer, inputs, upstream, rows, dropout_seed)
            if m in KNOWS_LAYERS
            else BLACK_BOX[m](outputs, inputs, upstream)
            for m in methods
        ]

    report = _check(forward, backward, inputs, make, seed, entries, repr(layer))
    if report.verdict != "fail" or dropout_seed is not None:
        return report
    named = [replace(b, step=first_wrong_step(layer, report, b, inputs, rows, seed)) for b in report.blocks]
    return replace(report, blocks=tuple(named))


def in_double(a: Array) -> Array:
    """Return a float64 copy; integer ids, and what is no array at all, stay as they are."""
    return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def as_pair(layer: Layer, lengths: Array | None, dropout_seed: int | None = None) -> tuple[Forward, Backward]:
    """Return a layer as the two functions that `check_pair` takes: parameters by name, "x" and "state_0[k]"."""
    names, count = tuple(layer.parameter_shapes()), len(layer.state_sizes)

    def forward(arrays: Inputs) -> tuple[tuple[Array, ...], Any]:
        masks = None if dropout_seed is None else np.random.default_rng(dropout_seed)
        states = tuple(arrays[f"state_0[{k}]"] for k in range(count))
        y, state_T, cache = layer.forward({n: arrays[n] for n in names}, arrays["x"], states, lengths, masks)
        return (y, *state_T), cache

    def backward(arrays: Inputs, cache: Any, upstream: tuple[Array, ...]) -> Grads:
        dparams, dx, dstate_0 = layer.backward({n: arrays[n] for n in names}, cache, upstream[0], upstream[1:])
        grads = {**dparams, **({} if dx is None else {"x": dx})}
        return {**grads, **{f"state_0[{k}]": d for k, d in enumerate(dstate_0)}}

    return forward, backward


def check_cell(name: str, seed: int = 0, backends: Sequence[str] = ("numpy", "numba")) -> Iterator[Report]:
    """Check a cell of the table: every option, each twin by itself, with and without `lengths`; one report each.

    The textbook is held against complex step, the fast twin against forward mode and central differences.

    >>> all(report.ok for report in check_cell("rnn", backends=["numpy"]))
    True
    """
    checks.one_of("name", name, tuple(CELLS))
    cell = CELLS[name]
    choices = [[(option, value) for value in values] for option, values in cell.options.items()]
    for backend, words, ragged in itertools.product(backends, itertools.product(*choices), (False, True)):
        layer = Recurrent(cell, 3, 5, backend=backend, dtype="float64", **dict(words))
        p = random_problem(layer, seed, ragged=ragged)
        method = ["complex-step"] if backend == "numpy" else ["forward-mode", "central"]
        report = check(layer, p.params, p.x, p.state_0, p.lengths, method, seed=seed)
        rows = "full rows" if p.lengths is None else f"lengths {p.lengths.tolist()}"
        settings = ", ".join(value if option == "activation" else f"reset {value}" for option, value in words)
        twin = "textbook" if backend == "numpy" else "fast twin"
        yield replace(report, subject=f"{name.upper()} {settings}, {twin}, {rows}")


def _check(
    forward: Forward,
    backward: Backward,
    inputs: Inputs,
    make: MakeOracles,
    seed: int,
    entries: int | None,
    subject: str,
) -> Report:
    outputs, cache = forward(inputs)
    rng = np.random.default_rng(seed)
    upstream = tuple(rng.normal(size=y.shape) for y in outputs)
    watched = {**inputs, **{f"upstream[{k}]": u for k, u in enumerate(upstream)}}
    watched.update({f"cache array {k}": a for k, a in enumerate(arrays_of(cache))})
    before = {name: a.copy() for name, a in watched.items()}
    grads = {name: np.array(g) for name, g in backward(inputs, cache, upstream).items()}
    again = backward(inputs, cache, upstream)
    changed = tuple(n for n, a in watched.items() if not np.array_equal(a, before[n], equal_nan=a.dtype.kind in "fc"))
    repeatable = all(np.array_equal(g, again[name], equal_nan=True) for name, g in grads.items())

    only: Outputs = lambda arrays: forward(arrays)[0]  # noqa: E731
    oracles = make(only, upstream)
    blocks = []
    agreement = np.zeros((len(oracles) + 1,) * 2)
    for name, g in grads.items():
        checks.array(f"gradient of {name}", g, inputs[name].shape, None, "a gradient has its array's shape")
        indices = list(np.ndindex(g.shape))
        if entries is not None and len(indices) > entries:
            indices = [indices[k] for k in np.sort(rng.choice(len(indices), entries, replace=False))]
        found = {oracle.method: oracle.at(name, indices) for oracle in oracles}
        for method, estimates in found.items():
            kink = lambda index, name=name: one_sided_jump(only, inputs, upstream, name, index)  # noqa: E731
            blocks.append(compare(name, method, g, indices, estimates, kink))
        columns = [np.array([g[index] for index in indices]), *(estimates.value for estimates in found.values())]
        for i, j in itertools.product(range(len(columns)), repeat=2):
            agreement[i, j] = max(agreement[i, j], scaled_gap(columns[i], columns[j]).max(initial=0.0))
    return Report(subject, tuple(o.method for o in oracles), tuple(blocks), agreement, changed, repeatable)


def arrays_of(cache: Any) -> Iterator[Array]:
    """Yield every array in nested tuples, lists and dicts."""
    if isinstance(cache, np.ndarray):
        yield cache
    elif isinstance(cache, (tuple, list)):
        for part in cache:
            yield from arrays_of(part)
    elif isinstance(cache, dict):
        yield from arrays_of(list(cache.values()))


def _words(method: str | Sequence[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    methods = (method,) if isinstance(method, str) else tuple(method)
    for word in methods or ("",):
        checks.one_of("method", word, allowed)
    return methods
