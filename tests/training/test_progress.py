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
    assert [line.split("  ")[0] for line in lines] == [f"epoch {n}/{EPOCHS}" for n in range(1, EPOCHS + 1)]


def test_a_line_says_losses_best_gradient_and_time_left(capsys):
    history = fit(**arguments(), progress=True)[1]
    last = capsys.readouterr().err.splitlines()[-1]
    best = min(record["validation_loss"] for record in history)
    for name, value in {**history[-1], "best": best}.items():
        words = {"train_loss": "loss", "gradient_norm": "gradient", "validation_loss": "validation", "best": "best"}
        if name in words:
            assert f"  {words[name]} {value:.4g}" in last
    assert re.search(r"ETA 0:00$", last)


def test_one_line_that_rewrites_itself_on_a_terminal(monkeypatch):
    screen = terminal(monkeypatch)
    fit(**arguments(), progress=True)
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().endswith("\n")
    assert re.search(r"\repoch 2/3  step 2/3  loss \d", screen.getvalue())


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


def test_the_time_left_counts_only_what_this_call_has_done(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    meter = Meter(True, epochs=10, steps=4, done=20)
    clock[0] = 8.0
    meter.epoch(5, {})
    assert "ETA 0:32" in capsys.readouterr().err


def test_showing_changes_no_number(capsys):
    assert fit(**arguments(), progress=True)[1] == fit(**arguments())[1]
