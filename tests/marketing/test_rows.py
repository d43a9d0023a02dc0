"""The memory that a long log, and a fit on it, need grows with the rows by a few times the bytes kept of each."""

import json
import sys
import tracemalloc
from pathlib import Path

import polars as pl
import pytest

from rnncore.marketing import Churn, EventLog
from rnncore.marketing.learning import networks

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are not part of the package
from benchmarks import processes, rows

READ = """
import json, sys
from pathlib import Path
from benchmarks import rows
from rnncore.marketing.log import blocks
from rnncore.marketing.log import parts
parts.PART, blocks.SIZE = 20_000, 2**20
print(json.dumps(rows.reading(Path(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Logs of two sizes, each as CSV and as Parquet."""
    folder = tmp_path_factory.mktemp("logs")
    for many in (100_000, 500_000):
        rows.make(many, folder / f"{many}.csv")
        pl.scan_csv(folder / f"{many}.csv", try_parse_dates=True).sink_parquet(folder / f"{many}.parquet")
    return folder


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_log_is_read_in_memory_that_grows_by_less_than_six_times_what_is_kept(folder, kind):
    peaks = {}
    for many in (100_000, 500_000):
        found = json.loads(processes.new_process("-c", READ, str(folder / f"{many}.{kind}")))  # checks a sample too
        assert found["rows"] == many
        peaks[many] = found["bytes"] * many
    assert (peaks[500_000] - peaks[100_000]) / 400_000 < 6 * rows.KEPT  # at ten million rows it is 2.8 times


def test_a_fit_needs_memory_that_grows_by_less_than_seven_times_what_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "CHUNK", 256)  # what a forward pass needs is the same for all long logs
    churn, peaks = Churn(90, units=2, epochs=1, seeds=1, latest=10, batch_size=256, backend="numpy"), {}
    for many in (3_000, 10_000, 30_000):  # in the first, modules are loaded
        rows.make(many, tmp_path / "rows.csv")
        log = EventLog(tmp_path / "rows.csv", **rows.WORDS)
        tracemalloc.start()
        churn.fit(log)
        peaks[many] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (peaks[30_000] - peaks[10_000]) / 20_000 < 7 * rows.KEPT  # beside the log itself
