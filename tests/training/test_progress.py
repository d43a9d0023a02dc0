"""What is seen of a run while it goes on."""

import io
import re

from small_run import EPOCHS, arguments

from rnncore.training import fit, progress
from rnncore.training.progress import Meter


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self):
        return True


def terminal(monkeypatch):
    """To be called inside a test: pytest puts its own stderr in place before each."""
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(progress, "PERIOD", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    return screen


def test_nothing_is_shown_unless_asked_for(capsys):
    fit(**arguments())
    assert capsys.readouterr() == ("", "")


def test_one_line_an_epoch_where_stderr_is_no_terminal(capsys):
    fit(**arguments(), progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"epoch {n}/{EPOCHS} 3/3" for n in range(1, EPOCHS + 1)]


def test_a_line_says_losses_best_and_gradient(capsys):
    record = fit(**arguments(), progress=True)[1][-1]
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"  loss {record['train_loss']:.4f}  val {record['validation_loss']:.4f}  best " in last
    assert last.endswith(f"  |g| {record['gradient_norm']:.2g}")


def test_best_is_the_lowest_validation_loss(capsys):
    history = fit(**arguments(), progress=True)[1]
    best = min(record["validation_loss"] for record in history)
    assert f"best {best:.4f}" in capsys.readouterr().err.splitlines()[-1]


def test_one_line_that_rewrites_itself_on_a_terminal(monkeypatch):
    screen = terminal(monkeypatch)
    fit(**arguments(), progress=True)
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().endswith("\n")
    assert re.search(r"\repoch 2/3 2/3  loss \d", screen.getvalue())


def test_a_line_never_exceeds_a_narrow_terminal(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "30")
    fit(**arguments(), progress=True)
    assert max(map(len, re.split("[\r\n]", screen.getvalue()))) == 29


def test_a_terminal_is_not_rewritten_too_often(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "PERIOD", 1e9)
    meter = Meter(True, epochs=1, steps=100)
    for step in range(1, 100):
        meter.step(0, step, {"loss": 1.0})
    assert screen.getvalue().count("\r") == 1


NUMBERS = {"loss": 0.353, "val": 0.374, "best": 0.374, "|g|": 0.045}


def timed(monkeypatch):
    """A clock that the test sets."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def test_an_ordinary_line_fits_a_terminal_of_80_columns(monkeypatch):
    screen, clock = terminal(monkeypatch), timed(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    meter = Meter(True, epochs=10, steps=249)
    meter.step(0, 1, NUMBERS)
    clock[0] = 10.0
    meter.step(9, 249, NUMBERS)
    line = screen.getvalue().split("\r")[-1].rstrip()
    assert line == "epoch 10/10 249/249  loss 0.3530  val 0.3740  best 0.3740  |g| 0.045  0:00 left"


def test_in_a_narrow_terminal_the_gradient_goes_first(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "70")
    Meter(True, epochs=100, steps=12345).step(98, 12345, NUMBERS)
    assert screen.getvalue().rstrip() == "\repoch 99/100 12345/12345  loss 0.3530  val 0.3740  best 0.3740"


def test_the_time_left_leaves_out_the_first_step_which_compiles(capsys, monkeypatch):
    clock = timed(monkeypatch)
    meter = Meter(True, epochs=10, steps=5)
    clock[0] = 60.0
    meter.step(5, 1, {})
    clock[0] = 68.0
    meter.epoch(5, {})
    assert "0:40 left" in capsys.readouterr().err


def test_no_time_left_is_told_before_a_second_of_steps(capsys, monkeypatch):
    clock = timed(monkeypatch)
    meter = Meter(True, epochs=10, steps=5)
    meter.step(0, 1, {})
    clock[0] = 0.9
    meter.epoch(0, {})
    assert capsys.readouterr().err == "epoch 1/10 5/5\n"


def test_early_stopping_says_so(capsys):
    words = arguments() | {"epochs": 60, "patience": 2}
    history = fit(**words, progress=True)[1]
    assert len(history) < 60
    assert capsys.readouterr().err.endswith("\nstopped early: no lower validation loss for 2 epochs\n")


def test_a_run_to_the_end_says_nothing_of_early_stopping(capsys):
    fit(**arguments(), progress=True, patience=60)
    assert "early" not in capsys.readouterr().err


def test_showing_changes_no_number(capsys):
    assert fit(**arguments(), progress=True)[1] == fit(**arguments())[1]
