"""Two pictures: the error of a difference against its step (a U), and the error by time step.

The numbers come from functions that return arrays; matplotlib (the extra "marketing") is imported when something is
drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.gradcheck import complex_step
from rnncore.gradcheck.check import oracles
from rnncore.gradcheck.measure import as_inputs, as_pair
from rnncore.gradcheck.oracles import GATES, Index, Inputs, directional
from rnncore.gradcheck.problems import Problem, random_problem
from rnncore.gradcheck.report import scaled_gap
from rnncore.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLOOR = 1e-17  # an error of zero has no place on a logarithmic axis
COLOURS = {
    "central": "C0",
    "complex-step": "C1",
    "backward": "C2",
    "forward-mode": "C4",
    "richardson": "C5",
    "torch": "C6",
}


def step_size_errors(layer: Layer, problem: Problem, steps: Array, entries: int = 8) -> dict[str, Array]:
    """Return, for "central" and "complex-step" at each step size, the largest scaled error over entries of every array.

    "backward" is the error of the backward pass, the same at every step. Errors are against forward mode. `layer` is a
    textbook layer; differences take the step as it is, none is chosen.

    >>> import rnncore as rc
    >>> layer = rc.RNN(2, 3, backend="numpy", dtype="float64")
    >>> errors = step_size_errors(layer, random_problem(layer), np.array([1e-2, 1e-5, 1e-12]), entries=3)
    >>> errors["central"][1] < errors["central"][0], errors["central"][1] < errors["central"][2]
    (np.True_, np.True_)
    """
    inputs, upstream, places, exact, backward = _prepared(layer, problem, entries)
    forward, _ = as_pair(layer, problem.lengths)

    def outputs(arrays: Inputs) -> tuple[Array, ...]:
        return forward(arrays)[0]

    found = {"central": np.zeros(len(steps)), "complex-step": np.zeros(len(steps)), "backward": np.zeros(len(steps))}
    for name, indices in places.items():
        slopes = [directional(outputs, inputs, upstream, name, index) for index in indices]
        found["backward"] = np.maximum(found["backward"], scaled_gap(backward[name], exact[name]).max())
        for k, h in enumerate(steps):
            values = {
                "central": np.array([slope(float(h)) for slope in slopes]),
                "complex-step": complex_step.oracle(outputs, inputs, upstream, float(h)).at(name, indices).value,
            }
            for method, value in values.items():
                found[method][k] = max(found[method][k], scaled_gap(value, exact[name]).max())
    return found


def _prepared(
    layer: Layer, p: Problem, entries: int
) -> tuple[Inputs, tuple[Array, ...], dict[str, list[Index]], dict[str, Array], dict[str, Array]]:
    inputs, upstream = as_inputs(p.params, p.x, p.state_0), (p.dy, *p.dstate_T)
    forward, backward = as_pair(layer, p.lengths)
    grads = backward(inputs, forward(inputs)[1], upstream)
    (exactly,) = oracles(layer, ["forward-mode"], lambda arrays: forward(arrays)[0], inputs, upstream, p.lengths)
    rng = np.random.default_rng(0)
    places, exact, said = {}, {}, {}
    for name, g in grads.items():
        order = [int(np.abs(g).argmax()), *rng.permutation(g.size)[: entries - 1]]  # the largest sets the scale
        places[name] = [tuple(int(i) for i in np.unravel_index(k, g.shape)) for k in order]
        exact[name] = exactly.at(name, places[name]).value
        said[name] = np.array([g[index] for index in places[name]])
    return inputs, upstream, places, exact, said


def time_step_errors(layer: Layer, problem: Problem, methods: Sequence[str]) -> dict[str, Array]:
    """Return, for each oracle, (T,): how far dx is from it at each time step, |difference| / max |dx| over all steps.

    A backward pass that goes wrong at step t agrees after t, and is off at t and before.

    >>> import rnncore as rc
    >>> layer = rc.gradcheck.mutants("lstm")[20].layer(3, 5)  # truncated after 3 steps
    >>> errors = time_step_errors(layer, random_problem(layer), ["forward-mode"])["forward-mode"]
    >>> (errors > 1e-12).astype(int)
    array([1, 1, 1, 0, 0, 0])
    """
    p = problem
    inputs, upstream = as_inputs(p.params, p.x, p.state_0), (p.dy, *p.dstate_T)
    forward, backward = as_pair(layer, p.lengths)
    dx = backward(inputs, forward(inputs)[1], upstream)["x"]
    found = {}
    for oracle in oracles(layer, methods, lambda arrays: forward(arrays)[0], inputs, upstream, p.lengths):
        numeric = oracle.at("x", list(np.ndindex(dx.shape))).value.reshape(dx.shape)
        gap = np.abs(dx - numeric).reshape(len(dx), -1).max(axis=1, initial=0)
        found[oracle.method] = gap / max(float(np.abs(numeric).max(initial=0)), 1e-300)
    return found


def plot_step_sizes(steps: Array, errors: dict[str, Array], axes: Axes | None = None) -> Axes:
    """Draw error against step size: the U of a difference, the flat lines of complex step and of the backward pass.

    >>> steps = np.array([1e-2, 1e-5])
    >>> plot_step_sizes(steps, {"central": np.array([1e-4, 1e-10])}).get_xlabel()
    'step size h'
    """
    axes = axes or new_axes()
    words = {"central": "central difference", "complex-step": "complex step", "backward": "backward pass"}
    for method, values in errors.items():
        line = "--" if method == "backward" else "-"
        shown = np.where(np.isfinite(values) & (values < 0.4), np.maximum(values, FLOOR), np.nan)
        axes.loglog(steps, shown, line, color=COLOURS.get(method), label=words.get(method, method))
    axes.axhline(GATES["complex-step"], color="gray", linewidth=0.8, linestyle=":")
    axes.annotate(
        "gate of exact oracles",
        (steps.min(), GATES["complex-step"]),
        (2, 3),
        ha="left",
        fontsize=8,
        color="gray",
        textcoords="offset points",
    )
    axes.set(xlabel="step size h", ylabel="largest scaled error", title="Error against step size")
    axes.legend()
    return axes


def plot_time_steps(errors: dict[str, Array], axes: Axes | None = None) -> Axes:
    """Draw the error of dx by time step, one line for each oracle.

    >>> plot_time_steps({"central": np.array([1e-10, 1e-11])}).get_xlabel()
    'time step t'
    """
    axes = axes or new_axes()
    for method, values in errors.items():
        words = {"marker": ".", "color": COLOURS.get(method), "label": f"against {method}"}
        axes.semilogy(np.arange(len(values)), np.maximum(values, FLOOR), **words)
    axes.set(xlabel="time step t", ylabel="|dx - oracle| / max |dx|", title="Error of the backward pass by time step")
    axes.set_ylim(top=axes.get_ylim()[1] * 300)  # room for the legend
    axes.legend(loc="upper right", ncols=2)
    return axes


def new_axes() -> Axes:
    """Return the axes of a new figure that no window shows."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        missing, advice = "an installation without matplotlib", 'pip install "rnncore[marketing]"'
        raise ContractError("axes", "matplotlib, installed", missing, advice) from error
    return Figure(figsize=(7, 4.5), layout="constrained").subplots()


def picture(layer: Layer, path: str, seed: int = 0, title: str = "") -> None:
    """Write both plots of a textbook layer on a random problem of 12 steps to a file; its suffix names the format."""
    figure = new_axes().figure
    suffixes = figure.canvas.get_supported_filetypes()
    if path.rpartition(".")[2].lower() not in suffixes:
        raise ContractError("path", f"a file that ends in one of {', '.join(suffixes)}", path, "name it picture.png")
    problem = random_problem(layer, seed, T=12)
    steps = 10.0 ** np.arange(-20, -0.4, 0.5)
    curves, times = step_size_errors(layer, problem, steps), time_step_errors(layer, problem, list(GATES)[:2])
    times |= time_step_errors(layer, problem, ["richardson", "central"])
    figure.clear()
    figure.set_size_inches(11, 4.2)  # type: ignore[union-attr]
    left, right = figure.subplots(1, 2)
    plot_step_sizes(steps, curves, left)
    plot_time_steps(times, right)
    figure.suptitle(title or repr(layer))
    figure.savefig(path, dpi=150)  # type: ignore[union-attr]
