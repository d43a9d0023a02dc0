"""What `rnncore gradcheck` does, without the command line: texts, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from rnncore import checks, gradcheck
from rnncore.contract import CELLS
from rnncore.gradcheck.mutants import LAYERS, right_layer
from rnncore.gradcheck.oracles import EXACT, GATES
from rnncore.gradcheck.plots import picture
from rnncore.gradcheck.problems import random_problem
from rnncore.gradcheck.report import Report
from rnncore.gradcheck.score import table_of

TWINS = {"both": ("numpy", "numba"), "textbook": ("numpy",), "fast": ("numba",)}
Said = Iterator[tuple[str, str]]
LAST = {
    "pass": "every derivative is right",
    "fail": "FAIL",
    "inconclusive": "inconclusive: an oracle does not trust itself enough; say --method forward-mode",
}


def installed(methods: Sequence[str] = tuple(GATES)) -> list[str]:
    """Return the methods among these that can run here: "torch" where it is installed.

    >>> "central" in installed()
    True
    """
    return [method for method in methods if method != "torch" or find_spec("torch")]


def reports(cell: str, twin: str = "both", methods: Sequence[str] = (), seed: int = 0) -> Said:
    """Yield the text of each report of a cell and its verdict.

    cell: one of the table, or another layer that has planted errors. twin: "textbook", "fast" or "both". methods: none
    for the twin's own; "all" for all that can run. Of "both", the fast twin, which cannot take complex step, is held
    against the other methods, or against its own.

    >>> [verdict for text, verdict in reports("rnn", "textbook", ["forward-mode"])]
    ['pass', 'pass', 'pass', 'pass']
    """
    checks.one_of("cell", cell, (*CELLS, *LAYERS))
    checks.one_of("--twin", twin, tuple(TWINS))
    chosen = installed() if "all" in methods else list(methods)
    for method in chosen:
        checks.one_of("--method", method, ("all", *GATES))
    for backend in TWINS[twin]:
        mine = [m for m in chosen if m != "complex-step"] if backend == "numba" and twin == "both" else chosen
        found = gradcheck.check_cell if cell in CELLS else check_layer
        for report in found(cell, seed=seed, backends=[backend], method=mine or None):
            yield str(report), report.verdict


def check_layer(word: str, seed: int, backends: Sequence[str], method: Sequence[str] | None) -> Iterator[Report]:
    """Check a layer that is no cell of the table, in each twin that it has; dropout draws its masks from the seed."""
    textbook = right_layer(word, 3, 5)
    for backend in backends if textbook.backends else ("numpy",) * ("numpy" in backends):
        layer = textbook.using(backend=backend)
        p = random_problem(layer, seed)
        own = method or ("forward-mode" if backend == "numba" else "complex-step")
        yield gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, own, seed=seed, dropout_seed=seed)


def mutant_table(cell: str, seed: int = 0, methods: Sequence[str] = ()) -> tuple[str, str]:
    """Return the table planted error x method, and a verdict on the oracles.

    It is "fail" where an exact oracle misses an error, or any oracle rejects the right code.
    """
    scores = gradcheck.score_oracles(cell, list(methods) or installed(), seed=seed)
    good = not any(score.false_alarm or (method in EXACT and score.missed) for method, score in scores.items())
    return f"{cell}: planted errors\n{table_of(scores)}", "pass" if good else "fail"


def everything(cell: str, twin: str, methods: Sequence[str], seed: int, mutants: bool) -> Said:
    """Yield the reports, then the table of planted errors where it is asked for, as they are ready."""
    yield from reports(cell, twin, methods, seed)
    if mutants:
        yield mutant_table(cell, seed, [m for m in methods if m != "all"])


def together(verdicts: Sequence[str]) -> str:
    """Return "fail" where any is, else "inconclusive" where any is, else "pass".

    >>> together(["pass", "inconclusive"])
    'inconclusive'
    """
    return next((word for word in ("fail", "inconclusive") if word in verdicts), "pass")


def draw(cell: str, path: str, seed: int = 0) -> str:
    """Write the plots of a cell's textbook to a file; return a line that says so. ContractError for another suffix."""
    checks.one_of("cell", cell, tuple(CELLS))
    picture(right_layer(cell, 3, 5), path, seed, f"{CELLS[cell].printed}, textbook, float64")
    return f"error against step size, and by time step: {path}"
