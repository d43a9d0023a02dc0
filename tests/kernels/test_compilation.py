"""Compilation: no writable folder, a full disk, a broken or stale cache file, other processors."""

import tempfile

import numpy as np
import pytest
from numba import config
from numba.core import caching
from processes import run_script

from rnncore.kernels import jit, rnn

PARITY = """
    textbook, fast = twins("rnn")
    p = problem("rnn", 6, 19, 5, 37, lengths="ragged")
    assert_close(solve(fast, p, {}), solve(textbook, p, {}), 1e-12)
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Make a kernel, as a process of its own would: each is compiled, or loaded from the folder that all share."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))

    def make():
        return jit.kernel(total)

    return make


def total(x):
    s = 0.0
    for v in x:
        s += v
    return s


def right(kernel):
    """Whether it computes, and how often it was found on disk."""
    assert kernel(np.arange(5.0)) == 10
    return sum(kernel.stats.cache_hits.values())


def refuse(*arguments, **keywords):
    raise PermissionError("read-only")


def test_what_is_kept_is_found(kernel):
    assert [right(kernel()), right(kernel())] == [0, 1]


def test_works_where_no_folder_is_writable(kernel, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert kernel()._cache.cache_path is None
    assert right(kernel()) == 0


def test_works_where_the_disk_is_full(kernel, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    assert right(kernel()) == 0


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("ends", ["nbi", "nbc"])
def test_works_where_a_cache_file_is_broken_and_mends_it(kernel, tmp_path, ends, size):
    right(kernel())
    (file,) = tmp_path.rglob(f"*.{ends}")
    file.write_bytes(file.read_bytes()[:size])
    assert [right(kernel()), right(kernel())] == [0, 1]


LOADED = """
    import gc, json, sys
    import numpy as np, rnncore as rc
    from numba.core.registry import CPUDispatcher

    def loaded():
        kernels = [k for k in gc.get_objects() if isinstance(k, CPUDispatcher) and k.stats.cache_path]
        kinds = {f"{k.py_func.__module__}.{k.py_func.__name__} {kind}": k for k in kernels for kind in k.signatures}
        return sorted(kinds), sum(sum(k.stats.cache_misses.values()) for k in kernels)
"""


def test_after_a_warmup_a_new_process_compiles_nothing(tmp_path):
    """Whatever it needs, the warm-up has loaded or compiled; and what one process keeps, another one finds."""
    run_script(
        LOADED,
        f"""
        assert list(rc.warmup(rc.RNN(2, 3))) == [repr(rc.RNN(2, 3))]
        open({str(tmp_path / "warm")!r}, "w").write(json.dumps(loaded()[0]))
        """,
    )
    run_script(
        LOADED,
        f"""
        model = rc.RNN(4, 9)
        params, x = model.init(1), np.ones((5, 6, 4), np.float32)
        y, _, cache = model.forward(params, x)
        model.backward(params, cache, y)
        rc.predict(model, params, x)
        stream = rc.Stream(model, params)
        stream.step("ann", x[0, 0]), stream.step_batch(["ann", "bob"], x[0, :2])
        used, compiled = loaded()
        assert len(used) > 3
        assert not set(used) - set(json.load(open({str(tmp_path / "warm")!r})))
        assert compiled == 0
        """,
    )


def test_an_edit_of_any_kernel_file_makes_the_cache_stale():
    assert rnn.forward_rows._cache._cache_file._source_stamp == jit._sources()


@pytest.mark.parametrize(
    ("name", "features"),
    [
        pytest.param("generic", "", id="generic"),
        pytest.param("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2", id="256-bit vectors", marks=pytest.mark.thorough),
    ],
)
def test_right_on_other_processors(name, features):
    run_script(PARITY, NUMBA_CPU_NAME=name, NUMBA_CPU_FEATURES=features)
