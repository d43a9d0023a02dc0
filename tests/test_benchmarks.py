"""The yardstick runs, writes what it measured, and refuses to time what does not compute the same."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_runs import run

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import processes, split
from benchmarks.__main__ import main, show, write
from benchmarks.bars import verdicts
from benchmarks.growth import slope
from benchmarks.results import page
from benchmarks.turns import Result
from rnncore.kernels import lstm

ROOT = Path(__file__).parents[1]


def python(*words):
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_line_is_measured_and_written(tmp_path):
    file = tmp_path / "results.json"
    only = "^denormal|one event RNN"
    done = python("-m", "benchmarks", "--quick", "--seconds", "0.01", "--only", only, "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["machine"]["versions"]["numpy"]
    assert {row["line"].split()[0] for row in found["results"]} == {"denormal", "one"}
    for row in found["results"]:
        low, high = row["quartiles"]
        assert 0 < low <= row["ratio"] <= high
        assert row["line"] in done.stdout
    rows = done.stdout.splitlines()
    assert re.fullmatch(r"4 lines in \d+ s", rows[-1])
    head = next(k for k, row in enumerate(rows) if row.startswith("line "))
    assert rows[head].split() == [
        *("line", "threads", "rnncore", "rival", "its", "time", "ratio", "[quartiles]", "best", "GFLOP/s,", "share")
    ]
    assert rows[head + 1].startswith("denormal")
    for name in ("threads", "rnncore", "rival"):  # a column ends where its name does
        end = rows[head].index(name) + len(name)
        assert rows[head + 1][end - 1] != " " and rows[head + 1][end] in " ,"


def test_small_ratios_and_processes_of_their_own_are_legible():
    row = Result("new process", 0, "python alone", 6.44, 0.0338, 0.00526, (0.005, 0.0055), 0.0052, 2)
    shown = show(row)
    assert "0.0053 [0.005, 0.0055]" in shown
    assert shown.removeprefix("new process").split()[0] == "-"


def test_the_page_of_results_is_the_page_of_its_numbers():
    found = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8") == page(found)


SIDES = """
import numpy as np
from benchmarks.turns import Work, measure
ours, theirs = np.ones(3), np.ones(3)
theirs[1] += {gap}
measure("line", Work({{"rnncore": lambda: (ours,), "rival": lambda: (theirs,)}}, tolerance=1e-6), 1, 0.01, None)
"""


@pytest.mark.parametrize(("gap", "code"), [(1e-8, 0), (1e-3, 1), ("np.nan", 1)])
def test_sides_that_compute_something_else_are_not_timed(gap, code):
    done = python("-c", SIDES.format(gap=gap))
    assert done.returncode == code
    assert code == 0 or "result 0 of rival differs" in done.stderr


def test_kept_floats_are_counted_by_blocks_of_memory(monkeypatch):
    h, gates = np.zeros((101, 8, 32)), np.zeros((100, 8, 64))
    monkeypatch.setattr(processes, "problem", lambda *_: (layer, {"params": {}, "x": np.zeros(1), "state_0": ()}))
    layer = SimpleNamespace(forward=lambda *_: (h[1:], (), (np.zeros(1), h, gates, gates[5:], None)))
    assert round(processes.kept("LSTM"), 2) == 2.01  # the gates, one step of h, and no x
    layer.forward = lambda *_: (h[1:].copy(), (), (h, gates))
    assert round(processes.kept("LSTM"), 2) == 3.01


def listed(capsys, *words):
    """The names of the lines that are chosen."""
    assert main(["--list", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_line_of_the_quick_run_is_a_line(capsys):
    everything, quick = listed(capsys), listed(capsys, "--quick")
    assert set(quick) < set(everything)
    assert len(everything) == len(set(everything)) > 60


def test_a_second_run_replaces_its_own_lines_in_the_file_and_leaves_the_others(tmp_path):
    def row(line, ours):
        return Result(line, 1, "torch", ours, 2.0, 2.0 / ours, (1.0, 3.0), 2.0, 5)

    file = tmp_path / "results.json"
    write(file, {"cores": 2}, [row("a", 1.0), row("b", 1.0)])
    write(file, {"cores": 2}, [row("b", 4.0), row("c", 1.0)])
    found = {r["line"]: r["ours"] for r in json.loads(file.read_text())["results"]}
    assert found == {"a": 1.0, "b": 4.0, "c": 1.0}


def test_the_command_line_has_the_same_lines(capsys):
    lines = listed(capsys, "--only", "^one event")
    assert run("bench", "--list", "--only", "^one event").stdout.splitlines() == lines
    assert len(lines) == 4


def test_the_adding_problem_runs_nothing_twice_and_counts_failures_as_failures(tmp_path):
    file = tmp_path / "record.csv"
    rows = ["RNN,50,,0,no,2000,0.17", "GRU,50,0,0,yes,350,0.01", "GRU,50,1,0,yes,300,0.01", "GRU,50,3,0,no,10,nan"]
    file.write_text("\n".join(["cell,T,bias,seed,solved,updates,error", *rows, ""]))
    words = ("--cells", "RNN", "GRU", "--steps", "50", "--seeds", "1", "--file", str(file))
    done = python("benchmarks/adding_problem.py", *words)
    assert done.returncode == 0, done.stderr
    assert file.read_text().count("\n") == 5
    assert "0 of 1  > 2000" in done.stdout and "1 of 1  350" in done.stdout


@pytest.mark.parametrize(("ratios", "met"), [((1.3, 12.0), True), ((1.1, 20.0), False), ((2.0, 2.0), False)])
def test_a_bar_is_met_where_no_line_is_below_it_and_the_mean_is_not(ratios, met):
    rows = [
        asdict(Result(f"forward + backward RNN N{n} T50 32->64", 1, "torch", 1.0, r, r, (r, r), r, 5))
        for n, r in enumerate(ratios, start=1)
    ]
    (verdict,) = [v for v in verdicts(rows) if v.bar.startswith("forward + backward, RNN")]
    assert verdict.met is met


def test_a_bar_that_was_not_measured_is_neither_met_nor_missed():
    assert {v.met for v in verdicts([])} == {None}


def test_the_exponent_of_a_power_law_is_found():
    sizes = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert slope(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)


def test_two_threads_gain_what_the_longer_of_them_leaves(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(split.time, "process_time", lambda: now[0])

    def lasts(seconds):
        now[0] += seconds

    def call():
        lasts(1)
        lstm.run(lasts, 4, 1.0)  # shards of 0, 1, 2 and 3 seconds: one thread has 0, 1 and 3, the other 2

    assert split.gain(call) == (7 / (1 + 4), 1 / 7)
