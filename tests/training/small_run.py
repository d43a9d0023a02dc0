"""A short training run with everything in it, for tests; run as a script it is the child that gets killed.

python small_run.py CHECKPOINT HOW      HOW: run | slow | rename:N | renamed:N | write:N | asked
"""

import os
import signal
import sys
import time

import numpy as np

import rnncore as rc
from rnncore.interop import safetensors
from rnncore.training import AdamW, fit

EPOCHS, TRAIN_STEPS, VALIDATION_STEPS = 3, 3, 2
TICKS = EPOCHS * (TRAIN_STEPS + VALIDATION_STEPS)  # batches that one whole run asks for


class Ticking(rc.sequences.Minibatches):
    """Minibatches that call `hook(n)` before the n-th batch they give, n = 1, 2, ... over all that share the clock."""

    def __init__(self, *columns, clock, hook, **words):
        super().__init__(*columns, **words)
        self.clock, self.hook = clock, hook

    def batch(self, epoch, step):
        self.clock[0] += 1
        self.hook(self.clock[0])
        return super().batch(epoch, step)


def data(N, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(i % 6, 2)).astype(np.float32) for i in range(N)], rng.normal(size=(N, 1)).astype(
        np.float32
    )


def arguments(hook=lambda n: None, backend="numpy"):
    """Arguments for `fit`: GRU, dropout, weights, validation, clipping, rows of length 0."""
    clock = [0]
    model = rc.Stack(rc.GRU(2, 3, backend=backend), rc.Dropout(0.3), rc.Last(), rc.Dense(3, 1))
    words = {"clock": clock, "hook": hook, "batch_size": 4}
    return {
        "model": model,
        "params": model.init(seed=1),
        "batches": Ticking(*data(10, 0), np.linspace(0.5, 2, 10), seed=7, **words),
        "loss": rc.losses.mse,
        "optimizer": AdamW(0.05),
        "epochs": EPOCHS,
        "clip": 0.3,
        "validation": Ticking(*data(6, 1), **words),
        "seed": 3,
    }


def kill_at(module, name, n, *, after=False):
    """Kill this process by SIGKILL in the n-th call of module.name: before it does anything, or behind it."""
    real, calls = getattr(module, name), [0]

    def killing(*args, **words):
        calls[0] += 1
        if calls[0] == n and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **words)
        if calls[0] == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, killing)


def main(checkpoint, how):
    how, _, n = how.partition(":")
    if how in ("rename", "renamed"):
        kill_at(os, "replace", int(n), after=how == "renamed")
    if how == "write":
        kill_at(safetensors, "_little_endian", int(n))
    if how == "slow":
        print("ready", flush=True)

    def hook(tick):
        if how == "slow":
            time.sleep(0.02)
        if tick == 7 and how == "asked":
            print("ready", flush=True)
            sys.stdin.readline()  # a signal ends this only if its handler raises

    every = 100 if how == "asked" else 1
    fit(**arguments(hook), checkpoint=checkpoint, every=every)


if __name__ == "__main__":
    main(*sys.argv[1:])
