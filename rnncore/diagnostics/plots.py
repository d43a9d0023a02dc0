"""One plot for each diagnostic; matplotlib (the extra "marketing") is imported when a plot is drawn.

Each function draws into `axes`, or into a figure of its own that the returned axes lead to:
`plot_gradient_by_lag(found).figure.savefig("lags.png")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnncore.diagnostics.lags import GradientByLag, JacobianSpectrum
from rnncore.diagnostics.truncation import OVERALL, TruncationError
from rnncore.errors import ContractError
from rnncore.gradcheck.plots import new_axes
from rnncore.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = {"cosine": "cosine with the exact gradient", "ratio": "norm ratio", "bias": "|truncated - exact| / |exact|"}


def plot_gradient_by_lag(found: GradientByLag, axes: Axes | None = None) -> Axes:
    """Draw norm against lag, one line for each state: median over steps and sequences, 10th to 90th percentile shaded.

    Pairs whose norm is zero (a step without a loss, a dead unit) are left out; the scale is logarithmic.

    >>> from rnncore.diagnostics import gradient_by_lag, plot_gradient_by_lag
    >>> import rnncore as rc
    >>> layer = rc.GRU(3, 4, backend="numpy")
    >>> params = layer.init(seed=0)
    >>> y, _, cache = layer.forward(params, np.ones((9, 2, 3), np.float32))
    >>> plot_gradient_by_lag(gradient_by_lag(layer, params, cache, y)).get_xlabel()
    'lag k'
    """
    axes = axes or new_axes()
    for name, norm in zip(found.states, found.norm, strict=True):
        low, middle, high = _quantiles(np.moveaxis(norm, 1, 0))
        (line,) = axes.plot(found.lags, middle, label=name)
        axes.fill_between(found.lags, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel="lag k", ylabel="norm of the gradient at step t - k", title="Gradient of the loss at step t")
    if np.nanmax(found.norm, initial=0) > 0:
        axes.set_yscale("log")
    axes.legend(title="state")
    return axes


def plot_jacobian_spectrum(found: JacobianSpectrum, axes: Axes | None = None) -> Axes:
    """Draw spectral radius and largest singular value against the step: median over sequences, 10th to 90th shaded.

    >>> from rnncore.diagnostics import JacobianSpectrum, plot_jacobian_spectrum
    >>> plot_jacobian_spectrum(JacobianSpectrum(np.full((5, 2), 0.8), np.full((5, 2), 1.1))).get_xlabel()
    'step t'
    """
    axes = axes or new_axes()
    steps = np.arange(len(found.radius))
    for values, label in ((found.gain, "largest singular value"), (found.radius, "spectral radius")):
        low, middle, high = _quantiles(values)
        (line,) = axes.plot(steps, middle, label=label)
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.axhline(1, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="step t", ylabel="of the Jacobian of one step", title="What one step does to the state")
    axes.set_ylim(bottom=0)
    axes.legend()
    return axes


def plot_truncation_error(
    found: TruncationError, measure: str = "bias", name: str = OVERALL, axes: Axes | None = None
) -> Axes:
    """Draw one measure ("cosine", "ratio" or "bias") of one parameter against k2, one line for each k1.

    >>> from rnncore.diagnostics import plot_truncation_error, TruncationError
    >>> one = np.array([[[0.5], [0.1]]])
    >>> found = TruncationError(np.array([1]), np.array([1, 4]), ("overall",), 1 - one, 1 - one, one)
    >>> plot_truncation_error(found, measure="bias").get_ylabel()
    '|truncated - exact| / |exact|'
    """
    if measure not in MEASURES:
        raise ContractError("measure", ", ".join(MEASURES), repr(measure), "say measure='bias', for instance")
    if name not in found.names:
        raise ContractError("name", ", ".join(found.names), repr(name), "name a parameter, or 'overall'")
    axes = axes or new_axes()
    p = found.names.index(name)
    shades = np.linspace(0.15, 0.8, len(found.k1s))
    for k1, row, shade in zip(found.k1s, getattr(found, measure)[:, :, p], shades, strict=True):
        axes.plot(found.k2s, row, marker="o", markersize=4, color=_colour(shade), label=str(k1))
    axes.axhline(0 if measure == "bias" else 1, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="k2, steps carried back", ylabel=MEASURES[measure], title=f"Truncated BPTT: {name}")
    axes.legend(title="k1")
    return axes


def _quantiles(values: Array) -> Array:
    """Return (3, len(values)): the 10th, 50th and 90th percentile of each row, over what is neither NaN nor zero."""
    out = np.full((3, len(values)), np.nan)
    for k, row in enumerate(values):
        counted = row[~np.isnan(row) & (row != 0)]
        if counted.size:
            out[:, k] = np.quantile(counted, [0.1, 0.5, 0.9])
    return out


def _colour(shade: float) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](shade)
