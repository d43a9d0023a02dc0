"""What all tests share: the matrix of cells, options, twins and dtypes, the ONE table of tolerances, the data."""

import contextlib
import gc
import io
import itertools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import loadscope

from rnncore.contract import CELLS
from rnncore.feedforward import Dense
from rnncore.onnx_layers import OnnxLSTM
from rnncore.recurrent import Recurrent
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.warming import warmup

# The workers and whatever tests start inherit these. There is a worker for each core, and second threads of BLAS, which
# wait by spinning, cost a quarter of the time of a small network. (rnncore's own threads are not meant.)
for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts what runs in the background deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


# cells that run on the kernel of another one
SHARED = {"coupled_lstm": "peephole_lstm", "projected_lstm": "peephole_lstm", "layernorm_gru": "layernorm_lstm"}


class Dealing(loadscope.LoadScopeScheduling):
    """How pytest-xdist deals tests out to the workers: one by one, but together what shares something costly to make.

    These are the files whose tests share a fitted model, the import of Keras, or the process that runs notebooks; in
    the file that runs on several tasks, the tests of each one; and what runs on one kernel: two workers that come to
    it at the same time both compile it, which was a fifth of all compiling.
    """

    BY_FILE = (
        *("tests/marketing/", "tests/test_cli", "tests/test_gradcheck_page", "tests/sequences/test_parquet"),
        *("tests/interop/test_keras3", "tests/test_notebooks"),
    )
    BY_CASE = ("tests/marketing/test_checklist.py",)
    BY_CELL = ("tests/layers/test_laws.py", "tests/kernels/test_threads.py", "tests/test_streaming.py")
    TOGETHER = "tests/interop/onnx/"

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        if file.startswith(self.TOGETHER):
            return self.TOGETHER
        if file.startswith(self.BY_CASE):
            return file + test[test.find("[") :]
        if file.startswith(self.BY_CELL):
            words = test.partition("[")[2].strip("]").split("-")
            cells = (word for word in words if word in CELLS or word == "RecurrentDropout")
            return next((f"{file}[{SHARED.get(cell, cell)}" for cell in cells), nodeid)
        return file if file.startswith(self.BY_FILE) else nodeid

    def mark_test_complete(self, node, item_index, duration=0):
        """Forget a scope that is done: after every test all that a worker had are counted, thousands in the end."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Dealing(config, log)


def pytest_collection():
    """Look for no garbage while the tests are collected: that is a fifth of the time, and there is next to none."""
    gc.disable()


def pytest_collection_finish(session):
    """Nor, from then on, among the modules and the ten thousand tests, which stay."""
    gc.freeze()
    gc.enable()
    workers = {"gw0": "float32", "gw1": "float64"}
    if len(session.items) > 5000 and os.environ.get("PYTEST_XDIST_WORKER") in workers:
        compile_all(workers[os.environ["PYTEST_XDIST_WORKER"]])


def compile_all(dtype):
    """Compile, or load, every kernel of this float type.

    Before the whole suite one worker does one type and another the other: kernels of two types share nothing, but two
    workers that come to kernels of one type both compile the parts which these share, and often the kernel itself.
    """
    layers = [make(name, 2, 2, dtype, **options) for name, options in {name: (name, o) for name, o in CASES}.values()]
    layers += [
        OnnxLSTM(2, 2, dtype=dtype),
        RecurrentDropout(make("rnn", 2, 2, dtype)),
        Dense(2, 2, backend="numba", dtype=dtype),
    ]
    with (
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.suppress(Exception),
    ):  # tests say what is wrong, and where
        warmup(*layers)


def pytest_report_header():
    return "the whole suite begins with a minute of compiling where no machine code is kept"


settings.register_profile(
    "rnncore", deadline=None, derandomize=True, max_examples=20, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("rnncore")

# Scaled errors, see `scaled_error`. Gates of gradient checks are in rnncore.gradcheck.GATES.
TOLERANCE = {
    "equal in float64": 1e-12,  # two computations of one thing: twins, frameworks, chunks and the whole
    "float32 against float64": 1e-5,  # a float32 twin against the float64 textbook, T up to 12
}
EQUAL = {"float64": TOLERANCE["equal in float64"], "float32": TOLERANCE["float32 against float64"]}

# Every cell of the table with every combination of its options: a new row is tested without a line here. Neighbours are
# of different cells: options share machine code, and two workers would compile the same at the same time.
OPTIONS = [
    [(name, dict(zip(cell.options, words, strict=True))) for words in itertools.product(*cell.options.values())]
    for name, cell in CELLS.items()
]
CASES = [case for cases in itertools.zip_longest(*OPTIONS) for case in cases if case]
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


def in_type(problem, dtype):
    """Return a problem with every array of numbers in another float type."""

    def cast(part):
        if isinstance(part, dict):
            return {name: cast(a) for name, a in part.items()}
        if isinstance(part, tuple):
            return tuple(map(cast, part))
        return part if part is None or part.dtype.kind in "iu" else part.astype(dtype)

    return problem._replace(**{name: cast(part) for name, part in problem._asdict().items()})


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
