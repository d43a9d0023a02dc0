"""The worked example: what it says is true, its verdict follows from its errors, and it loads nothing heavy."""

import subprocess
import sys

import numpy as np
import pytest
from cli_runs import run

from rnncore import example
from rnncore.errors import ContractError


@pytest.fixture(scope="module")
def found():
    return example.forecast(seed=3)


def test_the_series_is_a_line_with_the_noise_that_was_said(found):
    noise = found.series - 100 - 10 * np.arange(36)
    assert len(found.series) == 36 and noise.min() >= -20 and noise.max() < 20


def test_simple_methods_make_the_errors_that_are_known_of_them(found):
    known = {"last value": 15.8, "drift": 13.7, "linear trend": 10.3}
    assert {name: found.errors[name].mean() for name in known} == pytest.approx(known, abs=0.8)


def test_the_network_learns_and_does_not_beat_a_line(found):
    assert found.losses[1] < 0.01 < found.losses[0]
    assert found.errors["linear trend"].mean() < found.errors["LSTM"].mean()
    assert found.verdict[0] == "linear trend" and "A line is enough" in str(found)


def test_the_network_would_be_named_if_its_error_were_lower(found):
    better = {**found.errors, "LSTM": found.errors["linear trend"] - 1 + np.arange(1000) % 2}
    assert found._replace(errors=better).verdict[0] == "LSTM"


def test_the_same_seed_gives_the_same_bits(found):
    again = example.forecast(seed=3)
    assert np.array_equal(again.fitted, found.fitted) and str(again) == str(found)


def test_the_command_prints_it_and_draws_it(found, tmp_path):
    result = run("example", "forecast", "--seed", 3, "--plot", tmp_path / "f.png")
    assert result.exit_code == 0 and f"{found}\nthe picture is in {tmp_path / 'f.png'}\n" == result.output
    assert (tmp_path / "f.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_picture_that_is_there_is_kept_unless_told(found, tmp_path):
    (tmp_path / "f.png").write_text("mine")
    with pytest.raises(ContractError, match=r"^path: .*name another one, or say force=True"):
        example.plot(found, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_text() == "mine"


def test_it_loads_neither_numba_nor_what_the_tasks_need():
    heavy = "{'numba', 'scipy', 'polars', 'sklearn', 'matplotlib'}"
    code = f"import sys, rnncore.cli, rnncore.example as e; e.forecast(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
