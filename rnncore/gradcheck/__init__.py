"""Gradient checking: is a hand-written derivative right, for every parameter, every input and every state?

`check` puts one layer to the test, `check_pair` any pair of functions, `check_cell` a cell of the table with all its
options in both twins, `from_torch` whatever torch differentiates by hand. `adversarial_problems` and `random_problem`
draw inputs that leave an error no place to hide, `mutants` plants known errors, and `score_test_suite` says what share
of them a test catches. Numbers decide, never a falling loss. The page: README.md in this folder.
"""

from rnncore.gradcheck.adapters import Pair, from_torch
from rnncore.gradcheck.check import check, check_cell, check_pair
from rnncore.gradcheck.mutants import Mutant, mutants, right_layer
from rnncore.gradcheck.oracles import GATES
from rnncore.gradcheck.precision import precision, ulp_errors, ulp_histogram
from rnncore.gradcheck.problems import Adversary, Problem, adversarial_problems, random_problem
from rnncore.gradcheck.report import Block, Report
from rnncore.gradcheck.score import Score, score_oracles, score_test_suite
from rnncore.gradcheck.second_order import hvp

__all__ = [
    "GATES",
    "Adversary",
    "Block",
    "Mutant",
    "Pair",
    "Problem",
    "Report",
    "Score",
    "adversarial_problems",
    "check",
    "check_cell",
    "check_pair",
    "from_torch",
    "hvp",
    "mutants",
    "precision",
    "random_problem",
    "right_layer",
    "score_oracles",
    "score_test_suite",
    "ulp_errors",
    "ulp_histogram",
]
