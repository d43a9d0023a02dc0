"""A run that was stopped anywhere, by anything, and resumed is bitwise the run that was never stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from small_run import TICKS, arguments

import rnncore as rc
from rnncore.errors import ModelFileError
from rnncore.interop import safetensors
from rnncore.training import SGD, Adagrad, Adam, AdamW, Cosine, Momentum, Nadam, Plateau, RMSProp, Warmup, fit
from rnncore.training import checkpoint as checkpoints
from rnncore.training.interrupt import polite_interrupt

SCRIPT = Path(__file__).with_name("small_run.py")


class Stop(Exception):
    """What the hook raises."""


def stop_at(n):
    def hook(tick):
        if tick == n:
            raise Stop

    return hook


def interrupt_at(*ticks):
    """Ctrl-C, once for every mention of the tick."""

    def hook(tick):
        for _ in range(ticks.count(tick)):
            signal.raise_signal(signal.SIGINT)

    return hook


def whole_and_stopped(tmp_path, tick, every, **change):
    """The files and results of a run and of the same run stopped at `tick` and resumed."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    expected = fit(**(arguments() | change), checkpoint=whole, every=every)
    with pytest.raises(Stop):
        fit(**(arguments(stop_at(tick)) | change), checkpoint=stopped, every=every)
    return expected, fit(**(arguments() | change), checkpoint=stopped, every=every), whole, stopped


def assert_bitwise(expected, resumed, whole, stopped):
    """Equal weights and history; and equal files, which hold optimiser slots, best weights and counters as well."""
    assert resumed[1] == expected[1]
    for name, p in expected[0].items():
        np.testing.assert_array_equal(resumed[0][name], p)
    assert stopped.read_bytes() == whole.read_bytes()


def where(path):
    """(epoch, step) of a checkpoint."""
    header = path.read_bytes()
    settings = {}

    def expect(metadata):
        settings.update(metadata)
        raise KeyError

    with pytest.raises(ModelFileError):
        safetensors.read(path, expect, kind="checkpoint")
    assert header == path.read_bytes()
    return settings["epoch"], settings["step"]


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("tick", range(1, TICKS + 1))
def test_stopped_at_any_batch_of_training_or_validation(tmp_path, tick, every):
    assert_bitwise(*whole_and_stopped(tmp_path, tick, every))


OPTIMIZERS = [
    *(SGD(0.05), Momentum(0.05), RMSProp(0.02), Adagrad(0.02), Adam(0.02), Nadam(0.02)),
    AdamW(0.02, decay_biases=False),
    SGD(Warmup(Cosine(0.05, steps=5), steps=3)),
    Adam(Plateau(0.2, patience=1)),
    Momentum(0.05, noise=0.01, noise_seed=3),
    SGD(0.05, average="equal", average_from=2, average_every=2),
    Adam(0.02, average=0.9, accumulate=2, noise=0.1),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_stopped_with_any_optimiser(tmp_path, optimizer):
    assert_bitwise(*whole_and_stopped(tmp_path, 8, 1, optimizer=optimizer))


def test_stopped_with_early_stopping(tmp_path):
    result = whole_and_stopped(tmp_path, 22, 1, optimizer=Adam(0.05), patience=2, epochs=30)
    assert len(result[0][1]) == 5
    assert_bitwise(*result)


def test_stopped_with_weights_in_fortran_order(tmp_path):
    params = {name: np.asfortranarray(p) for name, p in arguments()["params"].items()}
    assert_bitwise(*whole_and_stopped(tmp_path, 8, 1, params=params))


def test_stopped_with_the_fast_twin(tmp_path):
    usual = arguments(backend="numba")
    assert_bitwise(*whole_and_stopped(tmp_path, 8, 1, model=usual["model"], params=usual["params"]))


@pytest.mark.parametrize("optimizer", [arguments()["optimizer"], OPTIMIZERS[-1], OPTIMIZERS[-5]], ids=repr)
def test_stopped_again_and_again(tmp_path, optimizer):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    expected, stops = fit(**(arguments() | {"optimizer": optimizer}), checkpoint=whole, every=1), 0
    while stops < 2 * TICKS:
        try:
            resumed = fit(**(arguments(stop_at(3)) | {"optimizer": optimizer}), checkpoint=stopped, every=1)
            break
        except Stop:
            stops += 1
    assert 4 <= stops < 2 * TICKS
    assert_bitwise(expected, resumed, whole, stopped)


def test_how_often_it_is_saved_does_not_matter(tmp_path):
    for every in (1, 100):
        fit(**arguments(), checkpoint=tmp_path / str(every), every=every)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "100").read_bytes()


def test_a_checkpoint_changes_nothing_in_the_run(tmp_path):
    with_it, without = fit(**arguments(), checkpoint=tmp_path / "c"), fit(**arguments())
    assert with_it[1] == without[1]
    for name, p in without[0].items():
        np.testing.assert_array_equal(with_it[0][name], p)


def child(checkpoint, how):
    environment = os.environ | {"PYTHONPATH": str(Path(rc.__file__).parents[1])}
    command = [sys.executable, str(SCRIPT), str(checkpoint), how]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def finish_and_compare(tmp_path, stopped, every):
    whole = tmp_path / "whole"
    expected = fit(**arguments(), checkpoint=whole, every=every)
    assert_bitwise(expected, fit(**arguments(), checkpoint=stopped, every=every), whole, stopped)


@pytest.mark.parametrize("how", ["rename:1", "rename:6", "renamed:6", "write:40", "write:55"])
def test_killed_in_the_middle_of_a_save(tmp_path, how):
    stopped = tmp_path / "stopped"
    with child(stopped, how) as process:
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert stopped.exists() == (how != "rename:1")
    finish_and_compare(tmp_path, stopped, every=1)


@pytest.mark.parametrize("delay", [0.02, 0.09, 0.17, 0.24])
def test_killed_at_some_time(tmp_path, delay):
    stopped = tmp_path / "stopped"
    with child(stopped, "slow") as process:
        assert process.stdout.readline() == b"ready\n"
        threading.Event().wait(delay)
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
    finish_and_compare(tmp_path, stopped, every=1)


def test_ctrl_c_in_a_process_of_its_own_saves_and_stops(tmp_path):
    stopped = tmp_path / "stopped"
    with child(stopped, "asked") as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        error = process.communicate(b"\n", timeout=60)[1]
    assert b"KeyboardInterrupt: stopped in epoch 2/3 after step 2/3; the same call goes on from" in error
    assert where(stopped) == (1, 2)
    finish_and_compare(tmp_path, stopped, every=100)


def test_ctrl_c_twice_in_a_process_of_its_own_stops_at_once(tmp_path):
    stopped = tmp_path / "stopped"
    with child(stopped, "asked") as process:
        assert process.stdout.readline() == b"ready\n"
        while process.poll() is None:  # it waits for a line that never comes
            process.send_signal(signal.SIGINT)
            threading.Event().wait(0.05)
        error = process.stderr.read()
    assert b"KeyboardInterrupt: stopped at once" in error
    assert where(stopped) == (1, 0)
    finish_and_compare(tmp_path, stopped, every=100)


@pytest.mark.parametrize(("tick", "place"), [(1, (0, 1)), (3, (0, 3)), (4, (0, 3)), (5, (0, 3)), (7, (1, 2))])
def test_the_first_ctrl_c_finishes_the_step_and_saves(tmp_path, tick, place):
    with pytest.raises(KeyboardInterrupt, match="the same call goes on"):
        fit(**arguments(interrupt_at(tick)), checkpoint=tmp_path / "c")
    assert where(tmp_path / "c") == place


def test_the_second_ctrl_c_stops_without_saving(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="at once"):
        fit(**arguments(interrupt_at(7, 7)), checkpoint=tmp_path / "c")
    assert where(tmp_path / "c") == (1, 0)


def test_without_a_checkpoint_the_first_ctrl_c_stops():
    seen = []

    def hook(tick):
        interrupt_at(7)(tick)
        seen.append(tick)

    with pytest.raises(KeyboardInterrupt):
        fit(**arguments(hook))
    assert seen[-1] == 6


@pytest.mark.parametrize("hook", [lambda n: None, interrupt_at(7), interrupt_at(7, 7), stop_at(7)])
def test_the_former_handler_comes_back(tmp_path, hook):
    former = signal.getsignal(signal.SIGINT)
    with contextlib.suppress(KeyboardInterrupt, Stop):
        fit(**arguments(hook), checkpoint=tmp_path / "c")
    assert signal.getsignal(signal.SIGINT) is former


def test_ctrl_c_behind_the_last_step_is_not_lost():
    with pytest.raises(KeyboardInterrupt), polite_interrupt(True):
        signal.raise_signal(signal.SIGINT)


def test_a_program_that_ignores_ctrl_c_goes_on_ignoring_it():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with polite_interrupt(True) as asked:
            signal.raise_signal(signal.SIGINT)
            assert not asked()
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_run_outside_the_main_thread_touches_no_signal(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(fit(**arguments(), checkpoint=tmp_path / "c")))
    thread.start()
    thread.join()
    assert results[0][1] == fit(**arguments())[1]


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    real, calls = checkpoints.safetensors.write, []

    def full_disk(*args, **words):
        calls.append(1)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        real(*args, **words)

    monkeypatch.setattr(checkpoints.safetensors, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        fit(**arguments(), checkpoint=tmp_path / "c", every=1)
    assert where(tmp_path / "c") == (0, 3)
    finish_and_compare(tmp_path, tmp_path / "c", every=1)
