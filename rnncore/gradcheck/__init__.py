"""Gradient checking: is a hand-written derivative right, for every parameter, every input and every state?

`check` puts one layer to the test, `check_pair` any pair of functions, `check_cell` a cell of the table with all its
options in both twins. `problems` draws inputs that leave an error no place to hide, `mutants` plants known errors to
test the tester. Numbers decide, never a falling loss.
"""

from rnncore.gradcheck.check import check, check_cell, check_pair
from rnncore.gradcheck.mutants import Mutant, mutants
from rnncore.gradcheck.oracles import GATES
from rnncore.gradcheck.problems import Problem, random_problem
from rnncore.gradcheck.report import Block, Report
from rnncore.gradcheck.second_order import hvp

__all__ = [
    "GATES",
    "Block",
    "Mutant",
    "Problem",
    "Report",
    "check",
    "check_cell",
    "check_pair",
    "hvp",
    "mutants",
    "random_problem",
]
