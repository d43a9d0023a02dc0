"""What the notebooks share: pictures with alt text, and graders that name the first wrong place."""

import base64
import copy
import io
from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnncore.gradcheck import check, random_problem


def show(figure: Figure, alt: str) -> None:
    """Display a figure with its alt text, which also stands in where no picture can be shown, and close it."""
    png = io.BytesIO()
    figure.savefig(png, metadata={"Software": None})
    plt.close(figure)
    picture = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt}
    display(picture, metadata={"image/png": {"alt": alt}}, raw=True)


def fields(axes: Axes, values: np.ndarray, label: Callable[[float], str], **words: str) -> None:
    """Draw a heat map with a label in every field, black where the field is bright and white where it is dark."""
    picture = axes.imshow(values, aspect="auto", **words)
    for (row, column), value in np.ndenumerate(values):
        bright = np.dot(picture.to_rgba(value)[:3], (0.3, 0.6, 0.1)) > 0.5
        axes.text(column, row, label(value), color="black" if bright else "white", ha="center", va="center", fontsize=9)


def grade(
    mine: Mapping[str, float | None],
    right: Mapping[str, float],
    slips: Mapping[str, Mapping[str, float]],
    equations: Mapping[str, str] | None = None,
    tolerance: float = 5e-6,
) -> None:
    """Compare numbers by name, in the order of `right`; stop at the first that is empty or wrong.

    `slips` gives for a name what its number becomes by a usual mistake: {name: {what the mistake is: number}}. It is
    named where the number fits, else the equation to look at, {name: equation}. AssertionError says the place, and then
    what was expected and what came.
    """
    wrong = [
        name for name, number in right.items() if mine.get(name) is None or not near(mine[name], number, tolerance)
    ]
    if wrong:
        name = wrong[0]
        got = mine.get(name)
        assert got is not None, f"{name} is empty; the {list(right).index(name)} numbers before it are right"
        fitting = (mistake for mistake, number in slips.get(name, {}).items() if near(got, number, tolerance))
        look = f"look at {equations[name]}; the" if equations else "the"
        hint = next(fitting, f"{look} numbers before it are right")
        raise AssertionError(f"{name}: {hint}\n(expected {right[name]:.5f}, got {got:.5f})")
    print(
        "PASS, with the library's own numbers: now write yours" if mine is right else f"PASS, all {len(right)} numbers"
    )


def check_backward(layer: object, mine: Callable, by_library: bool) -> None:
    """Put `mine` in the place of the layer's backward pass and check every entry, with random states and gradients.

    mine(params, cache, dy, dstate_T) returns dparams, dx and a tuple of state gradients, as `layer.backward` does.
    AssertionError is the report: which arrays are wrong, and from which step and gate on.
    """
    own = copy.copy(layer)
    own.__class__ = type("Mine", (type(layer),), {"_backward": lambda self, *words: mine(*words)})
    p = random_problem(own, T=5, N=2, ragged=False)
    report = check(own, p.params, p.x, p.state_0)
    assert report.ok, f"\n{report}"
    print(f"PASS, {'with the library: now write yours' if by_library else 'every entry to 1e-12'}")


def near(got: float, number: float, tolerance: float) -> bool:
    """Say whether two numbers are within the tolerance; NaN is near nothing."""
    return abs(got - number) <= tolerance
