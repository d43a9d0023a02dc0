"""What `rnncore gradcheck` does, without the command line: texts, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import NamedTuple

from rnncore import checks, gradcheck
from rnncore.contract import CELLS
from rnncore.gradcheck.check import TWIN
from rnncore.gradcheck.mutants import LAYERS, right_layer
from rnncore.gradcheck.oracles import EXACT, GATES
from rnncore.gradcheck.plots import picture
from rnncore.gradcheck.problems import random_problem
from rnncore.gradcheck.report import Block, Report
from rnncore.gradcheck.score import table_of

TWINS = {"both": ("numpy", "numba"), "textbook": ("numpy",), "fast": ("numba",)}
LAST = {
    "pass": "every derivative is right",
    "fail": "FAIL",
    "inconclusive": "inconclusive, an oracle does not trust itself enough (say --method forward-mode)",
}


class Said(NamedTuple):
    """What is printed of a check or a table of planted errors, its verdict, and the blocks it rests on."""

    text: str
    verdict: str
    blocks: tuple[Block, ...] = ()


def installed(methods: Sequence[str] = tuple(GATES)) -> list[str]:
    """Return the methods among these that can run here: "torch" where it is installed.

    >>> "central" in installed()
    True
    """
    return [method for method in methods if method != "torch" or find_spec("torch")]


def reports(cell: str, twin: str = "both", methods: Sequence[str] = (), seed: int = 0) -> Iterator[Said]:
    """Yield each report of a cell.

    cell: one of the table, or another layer that has planted errors. twin: "textbook", "fast" or "both". methods: none
    for the twin's own; "all" for all that can run. Of "both", the fast twin, which cannot take complex step, is held
    against the other methods, or against its own.

    >>> [said.verdict for said in reports("rnn", "textbook", ["forward-mode"])]
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
            yield Said(str(report), report.verdict, report.blocks)


def check_layer(word: str, seed: int, backends: Sequence[str], method: Sequence[str] | None) -> Iterator[Report]:
    """Check a layer that is no cell of the table, in each twin that it has; dropout draws its masks from the seed."""
    textbook = right_layer(word, 3, 5)
    for backend in backends:
        layer = textbook.using(backend=backend)
        if backend == "numba" and backend not in layer.backends:
            continue  # there is no such twin
        p = random_problem(layer, seed)
        own = method or ("forward-mode" if backend == "numba" else "complex-step")
        report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, own, seed=seed, dropout_seed=seed)
        yield report.having(subject=f"{report.subject}, {TWIN[backend]}")


def mutant_table(cell: str, seed: int = 0, methods: Sequence[str] = ()) -> Said:
    """Return the table planted error x method, with a verdict on the oracles.

    It is "fail" where an exact oracle misses an error, or any oracle rejects the right code.
    """
    scores = gradcheck.score_oracles(cell, list(methods) or installed(), seed=seed)
    good = not any(score.false_alarm or (method in EXACT and score.missed) for method, score in scores.items())
    return Said(f"{cell}: planted errors\n{table_of(scores)}", "pass" if good else "fail")


def everything(cell: str, twin: str, methods: Sequence[str], seed: int, mutants: bool) -> Iterator[Said]:
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


def total(said: Sequence[Said]) -> str:
    """Return the last line: the verdict, how many checks of how many derivatives, and the largest error by oracle.

    >>> total([Said("", "pass", (Block("b", "central", (4,), 4, (2,), 0.5, 0.5, 3e-12),))])
    'every derivative is right; 1 check, 4 derivatives, largest error 3e-12 by central (passes to 1e-08)'
    """
    checked = [one for one in said if one.blocks]
    failed = sum(one.verdict == "fail" for one in checked)
    worst: dict[str, float] = {}
    for block in (block for one in checked for block in one.blocks):
        worst[block.method] = max(worst.get(block.method, 0.0), block.error)
    largest = ", ".join(f"{error:.0e} by {method} (passes to {GATES[method]:.0e})" for method, error in worst.items())
    entries = sum(sum({block.name: block.entries for block in one.blocks}.values()) for one in checked)
    head = LAST[together([one.verdict for one in said])]
    if any(one.verdict == "fail" and not one.blocks for one in said):
        head += " (a table of planted errors)"
    number = f"{len(checked)} check{'' if len(checked) == 1 else 's'}"
    count = f"{failed} of {number}" if failed else number
    return f"{head}; {count}, {entries:,} derivatives, largest error {largest}"


def draw(cell: str, path: str, seed: int = 0) -> str:
    """Write the plots of a cell's textbook to a file; return a line that says so. ContractError for another suffix."""
    checks.one_of("cell", cell, tuple(CELLS))
    picture(right_layer(cell, 3, 5), path, seed, f"{CELLS[cell].printed}, textbook, float64")
    return f"error against step size, and by time step: {path}"
