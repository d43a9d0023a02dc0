"""Every example in a docstring runs and gives what it says; every public name has one."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import rnncore as rc

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rc.__path__, "rnncore.")
    if not module.name.endswith("__main__") and not module.name.startswith("rnncore.benchmarks")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    threads = rc.get_num_threads()
    with np.printoptions():
        result = doctest.testmod(
            importlib.import_module(name), extraglobs={"np": np}, optionflags=doctest.ELLIPSIS
        )  # np stands for NumPy in every example
    rc.set_num_threads(threads)
    assert not result.failed


@pytest.mark.parametrize("room", ["rnncore", "rnncore.gradcheck", "rnncore.diagnostics"])
def test_every_public_function_and_class_has_an_example(room):
    """Errors and the tuples in which functions give their results have none of their own."""
    finder, module, without = doctest.DocTestFinder(recurse=False), importlib.import_module(room), []
    for name in module.__all__:
        thing = getattr(module, name)
        passive = isinstance(thing, type) and issubclass(thing, (Exception, tuple))
        if callable(thing) and not passive and not any(t.examples for t in finder.find(thing, name, module=False)):
            without.append(name)
    assert not without
