"""Hold a backward pass against an oracle, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import CELLS, Layer
from rnncore.errors import ContractError
from rnncore.gradcheck.blame import first_wrong_step
from rnncore.gradcheck.oracles import ORACLES
from rnncore.gradcheck.problems import random_problem
from rnncore.gradcheck.report import Report, compare
from rnncore.recurrent import Recurrent
from rnncore.typing import Array, Grads, Params, State

# The largest scaled error |a - n| / (|n| + max |n|) that passes, by method. The exact oracle leaves only rounding,
# measured 2e-16 to 5e-16; differences leave 1e-10 to 1e-9 at their best step.
GATES = {"complex-step": 1e-12, "central": 1e-8}

Forward = Callable[[dict[str, Array]], tuple[tuple[Array, ...], Any]]
Backward = Callable[[dict[str, Array], Any, tuple[Array, ...]], Grads]


def check_pair(
    forward: Forward,
    backward: Backward,
    inputs: dict[str, Array],
    *,
    method: str = "complex-step",
    seed: int = 0,
    entries: int | None = None,
    subject: str = "pair",
) -> Report:
    """Check any pair of functions: `forward(inputs) -> (outputs, cache)`, `backward(inputs, cache, upstream) -> grads`.

    `inputs` and `grads` are dicts of arrays under the same names; names that `backward` leaves out are not checked.
    Upstream gradients are random from `seed`, one array for each output. `entries` looks at no more than that many
    entries of each array, chosen by `seed`. Returns a `Report`; a wrong derivative is no exception.

    >>> square = lambda a: ((a["v"] ** 2,), None)
    >>> dsquare = lambda a, cache, upstream: {"v": 2 * a["v"] * upstream[0]}
    >>> check_pair(square, dsquare, {"v": np.array([3.0, -1.0])}).ok
    True
    """
    checks.one_of("method", method, tuple(ORACLES))
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

    blocks = []
    for name, analytic in grads.items():
        checks.array(f"gradient of {name}", analytic, inputs[name].shape, None, "a gradient has its array's shape")
        indices = list(np.ndindex(analytic.shape))
        if entries is not None and len(indices) > entries:
            indices = [indices[k] for k in np.sort(rng.choice(len(indices), entries, replace=False))]
        oracle = ORACLES[method]
        numeric = [oracle(lambda arrays: forward(arrays)[0], inputs, upstream, name, index)[0] for index in indices]
        blocks.append(compare(name, analytic, np.array(numeric), indices, GATES[method]))
    return Report(subject, method, tuple(blocks), changed, repeatable)


def check(
    layer: Layer,
    params: Params,
    x: Array,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
    method: str | None = None,
    *,
    seed: int = 0,
    dropout_seed: int | None = None,
    entries: int | None = None,
) -> Report:
    """Check every derivative of a layer in float64: parameters, x and states, through outputs and final states.

    Arguments as those of `layer.forward`. Upstream gradients on outputs and final states are random from `seed`, and
    so is `state_0` where it is None (a zero state hides errors). `method` is "complex-step" (exact; the textbook only)
    or "central"; None takes the best that the layer allows. With `dropout_seed` every evaluation draws the same masks.
    Raises `ContractError` for arguments that break the contract.

    >>> import rnncore as rc
    >>> layer = rc.GRU(2, 3, backend="numpy")
    >>> check(layer, layer.init(seed=0), np.ones((4, 2, 2), np.float32)).ok
    True
    """
    twin = "backend='numba'" in repr(layer)
    method = method or ("central" if twin else "complex-step")
    if method == "complex-step" and twin:
        advice = 'say method="central", or check layer.using(backend="numpy")'
        raise ContractError("method", "a method for real numbers, for the fast twin", repr(method), advice)
    layer.forward(params, x, state_0, lengths)
    rng = np.random.default_rng([seed, 1])
    N = x.shape[1] if x.ndim > 1 else len(x)
    state = state_0 or tuple(rng.normal(size=(N, H)) for H in layer.state_sizes)
    inputs = {**params, "x": x, **{f"state_0[{k}]": s for k, s in enumerate(state)}}
    inputs = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in inputs.items()}

    def own_params(arrays: dict[str, Array]) -> Grads:
        return {name: arrays[name] for name in params}

    def forward(arrays: dict[str, Array]) -> tuple[tuple[Array, ...], Any]:
        masks = None if dropout_seed is None else np.random.default_rng(dropout_seed)
        states = tuple(arrays[f"state_0[{k}]"] for k in range(len(state)))
        y, state_T, cache = layer.forward(own_params(arrays), arrays["x"], states, lengths, masks)
        return (y, *state_T), cache

    def backward(arrays: dict[str, Array], cache: Any, upstream: tuple[Array, ...]) -> Grads:
        dparams, dx, dstate_0 = layer.backward(own_params(arrays), cache, upstream[0], upstream[1:])
        grads = {**dparams, **({} if dx is None else {"x": dx})}
        return {**grads, **{f"state_0[{k}]": d for k, d in enumerate(dstate_0)}}

    report = check_pair(forward, backward, inputs, method=method, seed=seed, entries=entries, subject=repr(layer))
    if report.ok or dropout_seed is not None:
        return report
    named = [replace(b, step=first_wrong_step(layer, report, b, inputs, lengths, seed)) for b in report.blocks]
    return replace(report, blocks=tuple(named))


def check_cell(name: str, seed: int = 0, backends: Sequence[str] = ("numpy", "numba")) -> Iterator[Report]:
    """Check a cell of the table: every option, each twin by itself, with and without `lengths`; one report each.

    >>> all(report.ok for report in check_cell("rnn", backends=["numpy"]))
    True
    """
    checks.one_of("name", name, tuple(CELLS))
    cell = CELLS[name]
    choices = [[(option, value) for value in values] for option, values in cell.options.items()]
    for backend, words, ragged in itertools.product(backends, itertools.product(*choices), (False, True)):
        layer = Recurrent(cell, 3, 5, backend=backend, dtype="float64", **dict(words))
        p = random_problem(layer, seed, ragged=ragged)
        report = check(layer, p.params, p.x, p.state_0, p.lengths, seed=seed)
        rows = "full rows" if p.lengths is None else f"lengths {p.lengths.tolist()}"
        settings = ", ".join(value if option == "activation" else f"reset {value}" for option, value in words)
        twin = "textbook" if backend == "numpy" else "fast twin"
        yield replace(report, subject=f"{name.upper()} {settings}, {twin}, {rows}")


def arrays_of(cache: Any) -> Iterator[Array]:
    """Yield every array in nested tuples, lists and dicts."""
    if isinstance(cache, np.ndarray):
        yield cache
    elif isinstance(cache, (tuple, list)):
        for part in cache:
            yield from arrays_of(part)
    elif isinstance(cache, dict):
        yield from arrays_of(list(cache.values()))
