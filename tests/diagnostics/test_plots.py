"""Plots: drawn into the given axes, right lines, a clear error where matplotlib is missing."""

import sys

import numpy as np
import pytest
from patients import STREAMABLE, run, truncation

from rnncore import diagnostics
from rnncore.errors import ContractError
from rnncore.gradcheck import random_problem


def by_lag():
    p = random_problem(STREAMABLE)
    return diagnostics.gradient_by_lag(STREAMABLE, *run(STREAMABLE, p))


def spectrum():
    params, cache, _ = run(STREAMABLE, random_problem(STREAMABLE))
    return diagnostics.jacobian_spectrum(STREAMABLE, params, cache)


PLOTS = {
    "lags": lambda **w: diagnostics.plot_gradient_by_lag(by_lag(), **w),
    "spectrum": lambda **w: diagnostics.plot_jacobian_spectrum(spectrum(), **w),
    "truncation": lambda **w: diagnostics.plot_truncation_error(truncation([1, 4], [1, 3, 6, 9])[2], **w),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_drawn_into_the_given_axes_and_can_be_saved(name, tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    assert PLOTS[name](axes=axes) is axes
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_the_line_of_a_state_is_the_median_over_what_is_there():
    pytest.importorskip("matplotlib")
    norm = np.array([[[[1.0, 3.0], [np.nan, np.nan]], [[5.0, 0.0], [0.5, np.nan]]]])
    found = diagnostics.GradientByLag(("h",), np.array([1, 2]), norm)
    assert diagnostics.plot_gradient_by_lag(found).lines[0].get_ydata().tolist() == [3, 0.5]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_gradient_that_reaches_nothing_can_still_be_drawn(value, tmp_path):
    pytest.importorskip("matplotlib")
    found = diagnostics.GradientByLag(("h",), np.array([1, 2]), np.full((1, 2, 2, 3), value))
    diagnostics.plot_gradient_by_lag(found).figure.savefig(tmp_path / "plot.png")


@pytest.mark.parametrize("name", PLOTS)
def test_without_matplotlib_the_error_names_the_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ContractError, match=r"rnncore\[marketing\]"):
        PLOTS[name]()


@pytest.mark.parametrize(("words", "name"), [({"measure": "angle"}, "measure"), ({"name": "Wz"}, "name")])
def test_a_measure_or_parameter_that_is_not_there_is_refused(words, name):
    with pytest.raises(ContractError, match=f"^{name}:"):
        PLOTS["truncation"](**words)
