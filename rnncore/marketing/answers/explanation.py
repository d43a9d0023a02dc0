"""One answer taken apart, as `explain.py` finds it: in words, as a table, as a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.interop.atomic import replacing
from rnncore.marketing.answers.report import as_png
from rnncore.marketing.answers.wording import in_lines

Floats = NDArray[np.float64]
SHOWN = 20  # steps, at most; of more, those with a hundredth of the largest effect: the others are added up


@dataclass(frozen=True)
class Explanation:
    """One answer taken apart; prints as a table.

    unit: what is taken apart by gradients. answer, blank: that number of the history and of the blank one. steps: what
    each is called, (L,). inputs: what each number of a step is called, (D,), or empty where they are those of an
    embedding, which each network has of its own: the parts of the k-th numbers are added up. gradient: (L, D). removal:
    (L,), NaN for a step that cannot be taken away. attention: (L,) or None. whole, said: where `unit` is of the next
    step alone, what the answer is called that removals are of, and that answer. like: what the blank history is like.
    """

    customer: Any
    unit: str
    answer: float
    blank: float
    steps: list[str]
    inputs: list[str]
    gradient: Floats
    removal: Floats
    attention: Floats | None
    whole: str = ""
    said: float = 0.0
    like: str = ""

    @property
    def gap(self) -> float:
        """The completeness gap: the change of the answer that the gradients do not account for."""
        return self.answer - self.blank - float(self.gradient.sum())

    @property
    def summary(self) -> list[str]:
        """The answer and the completeness gap, in words."""
        taken = f"{self.unit} {self.answer:.4f}, of a blank history {self.blank:.4f}"
        found = [f"{self.whole} {self.said:.4f}", f"of that the gradients take apart the {taken}"]
        first, *further = found if self.whole else [taken]
        return [f"{self.customer}: {first}", *further, f"completeness gap {self.gap:+.1e}"]

    @property
    def terms(self) -> list[str]:
        """What each column of the table means, and the completeness gap, a line each."""
        gradient, removal = self._heads
        found = [
            f"{gradient}: integrated gradients, the step's part in the change of the {self.unit} from a blank history"
            f"{f', {self.like},' if self.like else ''} to this one",
            "completeness gap: what of that change the gradients leave out; next to nothing where they are right",
        ]
        if self._removed:
            found.append(f"{removal}: by how much the {self.whole or self.unit} would be lower without this event")
        found += [] if self.attention is None else ["attention: the share of the network's attention; no effect"]
        return found + (["most by: the number of the step with the largest gradient"] if self.inputs else [])

    @property
    def _removed(self) -> bool:
        return not np.isnan(self.removal).all()

    @property
    def _heads(self) -> tuple[str, str]:
        return ("gradient, next step", "removal, whole answer") if self.whole else ("gradient", "removal")

    def _shown(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which steps are shown, those of the largest effects, in their order, and which are added up."""
        largest = np.maximum(np.abs(self.gradient.sum(axis=1)), np.abs(np.nan_to_num(self.removal)))
        order = np.argsort(-largest, kind="stable")
        felt = int((largest >= 0.01 * largest.max(initial=0.0)).sum())
        many = len(order) if len(order) <= SHOWN else min(felt, SHOWN - 1)
        return np.sort(order[:many]), np.sort(order[many:])

    def columns(self) -> dict[str, list[str]]:
        """The table as text, a list per column; of many steps the largest, and what the others add up to."""
        (gradient, removal), (own, rest) = self._heads, self._shown()
        effects = self.gradient.sum(axis=1)
        columns = {"step": [self.steps[k] for k in own], gradient: [f"{g:+.4f}" for g in effects[own]]}
        if self._removed:
            columns[removal] = ["" if np.isnan(r) else f"{r:+.4f}" for r in self.removal[own]]
        if self.attention is not None:
            columns["attention"] = [f"{w:.3f}" for w in self.attention[own]]
        if self.inputs:
            columns["most by"] = [self.inputs[k] for k in np.abs(self.gradient[own]).argmax(axis=1)]
        if len(rest):
            last = {"step": f"{len(rest)} others, added up", gradient: f"{effects[rest].sum():+.4f}"}
            last |= {} if self.attention is None else {"attention": f"{self.attention[rest].sum():.3f}"}
            columns = {name: [*cells, last.get(name, "")] for name, cells in columns.items()}
        return columns

    def __str__(self) -> str:
        return "\n".join([*self.summary, *in_lines(self.columns()), "", *self.terms])

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the effects of the steps into a PNG, in one step."""
        with replacing(os.fspath(path)) as file:
            file.write(self.drawn())

    def drawn(self) -> bytes:
        """The effects of the steps as a PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        apart = bool(self.whole and self._removed)
        own, rest = self._shown()
        steps = [self.steps[k] for k in own] + ([f"{len(rest)} others, added up"] if len(rest) else [])
        figure = Figure(figsize=(9, 1.6 + 0.28 * len(steps)), layout="constrained")
        FigureCanvasAgg(figure)
        left, *right = np.ravel(figure.subplots(1, 1 + apart, sharey=True))
        places, beside = np.arange(len(steps)), 0.2 if self._removed and not apart else 0.0
        bars = {"height": 0.76 - 2 * beside}
        effects = self.gradient.sum(axis=1)
        gradient = np.append(effects[own], [effects[rest].sum()] if len(rest) else [])
        removal = np.append(np.nan_to_num(self.removal[own]), [0.0] if len(rest) else [])  # removals do not add up
        left.barh(places + beside, gradient, color="#c2410c", label="integrated gradients", **bars)
        if self._removed:
            (*right, left)[0].barh(places - beside, removal, color="#1d4ed8", hatch="//", label="removal", **bars)
        left.set_yticks(places, steps, fontsize="small")
        left.invert_yaxis()
        for axes, unit in zip((left, *right), (self.unit, self.whole), strict=False):
            axes.axvline(0, color="0.5", lw=1)
            axes.locator_params(axis="x", nbins=4 if apart else 9)
            axes.set_xlabel(f"effect on the {unit}", fontsize="small" if apart else None)
            axes.legend(frameon=False, fontsize="small")
        first = f"{self.whole} {self.said:.4f}" if self.whole else f"{self.unit} {self.answer:.4f}"
        figure.suptitle(f"{self.customer}: {first}", fontsize="medium")
        return as_png(figure)
