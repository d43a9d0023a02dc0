"""What all tests share: the matrix of cells, options, twins and dtypes, the ONE table of tolerances, the data."""

import itertools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from rnncore.contract import CELLS
from rnncore.recurrent import Recurrent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts what runs in the background deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "rnncore", deadline=None, derandomize=True, max_examples=20, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("rnncore")

# Scaled errors, see `scaled_error`. Gates of gradient checks are in rnncore.gradcheck.GATES.
TOLERANCE = {
    "equal in float64": 1e-12,  # two computations of one thing: twins, frameworks, chunks and the whole
    "float32 against float64": 1e-5,  # a float32 twin against the float64 textbook, T up to 12
}

# Every cell of the table with every combination of its options: a new row is tested without a line here.
CASES = [
    (name, dict(zip(cell.options, words, strict=True)))
    for name, cell in CELLS.items()
    for words in itertools.product(*cell.options.values())
]
BASIC = ("rnn", "lstm", "gru")  # what is costly and tests the tester, not the cell, runs on these alone
BACKENDS = ["numpy", "numba"]
MATRIX = [
    pytest.param(name, {**options, "backend": backend}, id="-".join([name, *options.values(), backend]))
    for name, options in CASES
    for backend in BACKENDS
]


def make(name, D, H, dtype="float64", **options):
    """Return a layer of the matrix."""
    return Recurrent(CELLS[name.lower()], D, H, **{"backend": "numba", "dtype": dtype, **options})


# without the options under which `backward` is, on purpose, not the gradient of `forward`
EXACT = [case for case in CASES if make(case[0], 1, 1, **case[1]).exact]


def scaled_error(a, b):
    """Largest |a - b| relative to the largest |b|; infinite where one is not finite and the other is."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    if not a.size:
        return 0.0
    gap = np.abs(a - b).max()
    return float(np.inf if np.isnan(gap) else gap / max(np.abs(b).max(), 1e-300) if gap else 0.0)


def all_results(layer, problem):
    """Run forward and backward; return every result by name."""
    params, x, state_0, lengths, dy, dstate_T = problem
    y, state_T, cache = layer.forward(params, x, state_0, lengths)
    dparams, dx, dstate_0 = layer.backward(params, cache, dy, dstate_T)
    out = {"y": y, **{f"d{k}": v for k, v in dparams.items()}, **({} if dx is None else {"dx": dx})}
    out.update({f"state_T[{k}]": s for k, s in enumerate(state_T)})
    return {**out, **{f"dstate_0[{k}]": s for k, s in enumerate(dstate_0)}}


def assert_equal_results(a, b, tolerance):
    """Require the same names and scaled errors within tolerance."""
    assert a.keys() == b.keys()
    errors = {name: scaled_error(a[name], b[name]) for name in a}
    worst = max(errors, key=errors.get)
    assert errors[worst] <= tolerance, f"{worst} differs by {errors[worst]:.1e}"


def data_folder(name):
    """Return a folder of real data, or skip, saying so: such data does not come with the package."""
    root = Path(os.environ.get("RNNCORE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / name).is_dir():
        pytest.skip(f"real data {name!r} not found; set RNNCORE_DATA to the folder that holds it")
    return root / name
