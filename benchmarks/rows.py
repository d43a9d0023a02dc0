"""How much memory a log of many rows needs: each reading, and a whole `rnncore fit churn`, in a process of its own.

python -m benchmarks.rows 10000000 FOLDER          make a CSV and a Parquet file there (once), and read both
python -m benchmarks.rows 10000000 FOLDER churn    and train, judge and predict on the Parquet file

What is kept of a row: customer (a code of 4 bytes while it is read), time and value (8 each), item (4): 24 bytes. Peak
is what the process holds at most beyond what it held before, pages of the file that are mapped among it. Each log is
then compared with that of a dataframe with the rows of 200 customers.

Measured, 10,000,000 rows of 500,000 customers: Parquet 66 bytes a row (2.8 times what is kept), CSV 58 (2.4 times: it
is read in blocks). The stages of a fit of churn on the Parquet file, the log among it, in MB at most: one event a day
694, windows 1,338, simple methods 1,657, training 1,689, prediction 968. That is 177 bytes a row, 7.4 times what is
kept. Of each network five steps and three batches of the validation were made, for what a batch needs is the same in
any log: of 1,000,000 rows the whole took 223 MB.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .processes import new_process, peak_of

KEPT = 24  # bytes of a row
WORDS = {"customer": "customer", "time": "time", "value": "paid", "item": "item"}


def make(rows: int, path: Path) -> None:
    """A CSV file of so many rows in any order, 20 for each customer, over two years; a million at a time."""
    import polars as pl

    start, part = datetime.datetime(2023, 1, 1), 1_000_000
    with path.open("wb") as file:
        for begin in range(0, rows, part):
            rng, n = np.random.default_rng([0, begin]), min(part, rows - begin)
            who = rng.integers(0, max(rows // 20, 1), n)
            second = (rng.beta(1, 1 + who % 7, n) * 730 * 86_400).astype(np.int64)
            frame = pl.DataFrame({"who": who, "second": second, "paid": rng.gamma(2, 20, n).round(2)})
            frame = frame.with_columns(item=pl.Series(rng.zipf(1.3, n).clip(0, 2000)))
            frame.select(
                customer=pl.format("c{}", pl.col("who").cast(pl.String).str.zfill(8)),
                time=(pl.lit(start) + pl.duration(seconds="second")).dt.to_string("%Y-%m-%d %H:%M:%S"),
                paid="paid",
                item=pl.format("item {}", "item"),
            ).write_csv(file, include_header=begin == 0)


def reading(path: Path) -> dict[str, float]:
    """Read the file: seconds, bytes a row at most beyond those before; RuntimeError where the log is another one."""
    import polars as pl

    from rnncore.marketing import EventLog

    lazy = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path, try_parse_dates=True)
    small = lazy.head(1000).collect()
    EventLog(small, **WORDS)  # what is loaded once is loaded

    def read() -> EventLog:
        return EventLog(path, **WORDS)

    begin = time.perf_counter()
    log, megabytes = peak_of(read)
    seconds = time.perf_counter() - begin
    some = np.random.default_rng(0).choice(len(log.customers), min(200, len(log.customers)), replace=False)
    rows = lazy.filter(pl.col("customer").is_in(list(log.customers[some]))).collect()
    expected, found = EventLog(rows, **WORDS), log.among(np.sort(some))
    same = [np.array_equal(getattr(found, name), getattr(expected, name)) for name in ("customers", "offsets", "time")]
    item, wanted = found.category("item"), expected.category("item")
    same += [np.array_equal(found.value, expected.value)]  # type: ignore[arg-type]
    same += [np.array_equal(item.levels[item.codes], wanted.levels[wanted.codes])]
    if not all(same):
        raise RuntimeError("the rows of some customers alone give another log")
    size = path.stat().st_size / len(log)
    return {"rows": len(log), "seconds": seconds, "bytes": megabytes * 2**20 / len(log), "file": size}


def churn(path: Path, out: Path) -> dict[str, float]:
    """Train, judge and predict as the command line does: seconds and bytes a row."""
    from rnncore import cli

    said = [f"--{role}={name}" for role, name in WORDS.items()]
    words = ["fit", "churn", str(path), *said, "--horizon=90", "--set=epochs=1", f"--out={out}", "--force"]
    begin = time.perf_counter()
    _, megabytes = peak_of(lambda: cli.app(words, standalone_mode=False))
    return {"seconds": time.perf_counter() - begin, "megabytes": megabytes}


def main(rows: int, folder: Path, fits: bool) -> None:
    """Print a line for each."""
    import polars as pl

    csv, parquet = folder / f"rows-{rows}.csv", folder / f"rows-{rows}.parquet"
    if not csv.exists():
        make(rows, csv)
    if not parquet.exists():
        pl.scan_csv(csv, try_parse_dates=True).sink_parquet(parquet)
    for path in (parquet, csv):
        found: dict[str, Any] = json.loads(new_process("-m", f"{__package__}.rows", "read", str(path)))
        factor = found["bytes"] / KEPT
        print(f"{path.suffix[1:]:8} {found['rows']:,} rows  {found['seconds']:6.1f} s  peak {found['bytes']:.0f} bytes "
              f"a row, {factor:.1f} times what is kept; the file has {found['file']:.0f}", flush=True)  # fmt: skip
    if fits:
        out = new_process("-m", f"{__package__}.rows", "fit", str(parquet), str(folder / "churn"))
        found = json.loads(out.splitlines()[-1])
        print(f"churn    {found['seconds']:6.1f} s  peak {found['megabytes']:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1] == "read":
        print(json.dumps(reading(Path(sys.argv[2]))))
    elif sys.argv[1] == "fit":
        print(json.dumps(churn(Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main(int(sys.argv[1]), Path(sys.argv[2]), "churn" in sys.argv[3:])
