"""What happens inside a gradient: its parts by step and by sequence, its reach by lag, and what truncation takes away.

    per_step_gradients, per_sample_gradients     the weights' gradient, before it is summed over time or over the batch
    gradient_by_lag, jacobian_spectrum           vanishing and exploding, measured
    truncation_error                             truncated against exact gradients, by k1 and k2

All are exact, work on both twins and take what `forward` and the loss gave. Those of the lower two lines return
arrays; a `plot_...` function draws each.
"""

from rnncore.diagnostics.lags import (
    GradientByLag,
    JacobianSpectrum,
    gradient_by_lag,
    jacobian_spectrum,
    step_jacobian,
)
from rnncore.diagnostics.parts import per_sample_gradients, per_step_gradients
from rnncore.diagnostics.plots import plot_gradient_by_lag, plot_jacobian_spectrum, plot_truncation_error
from rnncore.diagnostics.truncation import TruncationError, truncation_error

__all__ = [
    "GradientByLag",
    "JacobianSpectrum",
    "TruncationError",
    "gradient_by_lag",
    "jacobian_spectrum",
    "per_sample_gradients",
    "per_step_gradients",
    "plot_gradient_by_lag",
    "plot_jacobian_spectrum",
    "plot_truncation_error",
    "step_jacobian",
    "truncation_error",
]
