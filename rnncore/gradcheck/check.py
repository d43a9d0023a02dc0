"""Hold a backward pass against one oracle or several, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import CELLS, Layer
from rnncore.errors import ContractError
from rnncore.gradcheck import central, complex_step, forward_cells, forward_mode, richardson, torch_autograd
from rnncore.gradcheck.blame import blame
from rnncore.gradcheck.measure import Backward, Forward, MakeOracles, Upstream, as_inputs, as_pair, measure
from rnncore.gradcheck.oracles import GATES, Inputs, Oracle, Outputs
from rnncore.gradcheck.problems import random_problem
from rnncore.gradcheck.report import Report
from rnncore.recurrent import Recurrent
from rnncore.typing import Array, Lengths, Params, State

BLACK_BOX = {"complex-step": complex_step.oracle, "central": central.oracle, "richardson": richardson.oracle}
TWIN = {"numpy": "textbook", "numba": "fast twin"}
KNOWS_LAYERS = {"forward-mode": forward_mode.oracle, "torch": torch_autograd.oracle}


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
    return measure(forward, backward, inputs, make, seed, entries, subject)[0]


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
    contract; a wrong derivative is no exception: the report says in which array, gate and time step it is wrong, and
    what planted error of `mutants` it looks like.

    >>> import rnncore as rc
    >>> layer = rc.GRU(2, 3, backend="numpy")
    >>> check(layer, layer.init(seed=0), np.ones((4, 2, 2), np.float32), method=["complex-step", "forward-mode"]).ok
    True
    """
    twin = "numba" in layer.backends
    exact = not isinstance(layer, Recurrent) or layer.exact
    methods = _words(method or ("forward-mode" if not exact else "central" if twin else "complex-step"), tuple(GATES))
    if "complex-step" in methods and twin:
        advice = 'say method="forward-mode" or "central", or check layer.using(backend="numpy")'
        raise ContractError("method", "a method for real numbers, for the fast twin", "'complex-step'", advice)
    params, x = {name: in_double(a) for name, a in params.items()}, in_double(x)
    state_0 = None if state_0 is None else tuple(in_double(s) for s in state_0)
    layer.forward(params, x, state_0, lengths)  # raises where the contract is broken
    shown = repr(layer).replace("dtype='float32'", "dtype='float64'")  # what is computed here, of any Layer whatever
    rows = checks.lengths(lengths, x)
    rng = np.random.default_rng([seed, 1])
    N = x.shape[1] if x.ndim > 1 else len(x)
    inputs = as_inputs(params, x, state_0 or tuple(rng.normal(size=(N, H)) for H in layer.state_sizes))
    make: MakeOracles = lambda outputs, upstream: oracles(  # noqa: E731
        layer, methods, outputs, inputs, upstream, rows, dropout_seed
    )
    report, upstream = measure(*as_pair(layer, rows, dropout_seed), inputs, make, seed, entries, shown)
    called = {f"upstream[{k + 1}]": f"dstate_T[{k}]" for k in range(len(layer.state_sizes))} | {"upstream[0]": "dy"}
    report = report.having(changed=tuple(called.get(name, name) for name in report.changed))
    return report if report.verdict != "fail" else blame(layer, report, inputs, upstream, rows, dropout_seed)


def oracles(
    layer: Layer,
    methods: Sequence[str],
    outputs: Outputs,
    inputs: Inputs,
    upstream: Upstream,
    lengths: Lengths | None,
    dropout_seed: int | None = None,
) -> list[Oracle]:
    """Return one oracle for each method; `outputs` is the forward pass of `layer` as `as_pair` gives it."""
    return [
        KNOWS_LAYERS[method](layer, inputs, upstream, lengths, dropout_seed)
        if method in KNOWS_LAYERS
        else BLACK_BOX[method](outputs, inputs, upstream)
        for method in methods
    ]


def in_double(a: Array) -> Array:
    """Return a float64 copy; integer ids, and what is no array at all, stay as they are."""
    return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def check_cell(
    name: str,
    seed: int = 0,
    backends: Sequence[str] = ("numpy", "numba"),
    method: str | Sequence[str] | None = None,
    entries: int | None = None,
) -> Iterator[Report]:
    """Check a cell of the table: every option, each twin by itself, with and without `lengths`; one report each.

    The textbook is held against complex step, the fast twin against forward mode and central differences, or both
    against the `method` named. Under an option that leaves out parts of the gradient on purpose, both are held against
    forward mode, which leaves out the same. `entries` as in `check`.

    >>> all(report.ok for report in check_cell("rnn", backends=["numpy"]))
    True
    """
    checks.one_of("name", name, tuple(CELLS))
    cell = CELLS[name]
    choices = [[(option, value) for value in values] for option, values in cell.options.items()]
    for backend, words, ragged in itertools.product(backends, itertools.product(*choices), (False, True)):
        options: dict[str, Any] = dict(words)
        layer = Recurrent(cell, 3, 5, backend=backend, dtype="float64", **options)
        p = random_problem(layer, seed, ragged=ragged)
        exact = ["forward-mode"] if name in forward_cells.STEPS else []
        methods = method or (["complex-step"] if backend == "numpy" else [*exact, "central"])
        methods = methods if layer.exact else ["forward-mode"]
        report = check(layer, p.params, p.x, p.state_0, p.lengths, methods, seed=seed, entries=entries)
        rows = "full rows" if p.lengths is None else f"lengths {p.lengths.tolist()}"
        settings = [value if option == "activation" else f"{option} {value}" for option, value in words]
        yield report.having(subject=f"{cell.printed} {', '.join([*settings, TWIN[backend], rows])}")


def _words(method: str | Sequence[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    methods = (method,) if isinstance(method, str) else tuple(method)
    for word in methods or ("",):
        checks.one_of("method", word, allowed)
    return methods
