"""Training: minibatches, clipping, validation, early stopping and checkpoints around `full_bptt` and `truncated_bptt`.

Everything that a run computes is a function of its arguments: the order of the data of (seed, epoch) in the
minibatches, the dropout of (seed, epoch, step) here. So a run that was interrupted anywhere and resumed from its
checkpoint is, bit for bit, the run that was never interrupted.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError, NonFiniteError
from rnncore.training import checkpoint as checkpoints
from rnncore.training.checkpoint import Run
from rnncore.training.clipping import non_finite
from rnncore.training.epoch import Job, end_epoch, take_step
from rnncore.training.evaluate import Batches, check_targets
from rnncore.training.interrupt import polite_interrupt
from rnncore.training.optimizer import Optimizer
from rnncore.training.pieces import Loss
from rnncore.training.progress import Meter
from rnncore.training.schedules import History
from rnncore.typing import Grads, Params

__all__ = ["History", "fit"]


def fit(
    model: Layer,
    params: Params,
    batches: Batches,
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: int,
    clip: float | None = None,
    k1: int | None = None,
    k2: int | None = None,
    validation: Batches | None = None,
    patience: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 100,
    progress: bool = False,
) -> tuple[Grads, History]:
    """Train and return (params, history); with `validation`, the params of the epoch with the lowest validation loss.

    loss: as in `full_bptt`; one with an unbound argument `rng` gets a generator of (seed, epoch, step). clip: the
    largest global norm of a gradient. k1, k2: truncated BPTT instead of full. patience: stop after so many epochs
    without a lower validation loss. An optimiser with `average` is validated, and returned, by its average. history:
    one record per epoch with "epoch", "train_loss", "gradient_norm" (mean, before clipping), "gradient_norm_max" and
    "validation_loss"; no times, so that equal runs have equal histories (equal bits where BLAS has as many threads, see
    `rnncore.contract`). A batch whose weights are all zero is passed over.

    `params` and `optimizer` are left as they are: the run works on copies.

    checkpoint: a file, replaced every `every` steps and after each epoch; where it exists already, the run continues
    from it, bitwise as if it had never stopped; more `epochs` extend a finished run. With it, the first Ctrl-C finishes
    the step, saves and raises KeyboardInterrupt, a second one stops at once; without it there is nothing to save and
    Ctrl-C is what it always is. progress: report on stderr.

    ContractError where the arguments do not fit, or the checkpoint is of another run (other model, optimiser, data,
    loss, clip, k1, k2 or seed); ModelFileError where it is damaged. NonFiniteError where a loss, a gradient or a weight
    is NaN or infinite, with the step, the arrays and the last good checkpoint.

    >>> import rnncore as rc
    >>> x = np.random.default_rng(0).normal(size=(64, 5, 1)).astype(np.float32)  # the target: the sum of five numbers
    >>> model = rc.Stack(rc.GRU(1, 8, backend="numpy"), rc.Last(), rc.Dense(8, 1))
    >>> batches = rc.sequences.Minibatches(list(x), x.sum(axis=1), batch_size=16)
    >>> from rnncore.training import Adam
    >>> params, history = fit(model, model.init(seed=0), batches, rc.losses.mse, Adam(0.02), epochs=30, clip=1.0)
    >>> history[-1]["train_loss"] < 0.1 < history[0]["train_loss"]
    True
    """
    _check_kinds(model, batches, loss, optimizer, validation)
    job = Job(model, batches, loss, clip, k1, k2, validation, seed)
    _check(job, params, epochs, patience, every)
    path = None if checkpoint is None else checkpoints.usable_path(checkpoint)
    run, settings = _begun(job, params, optimizer, path, epochs, patience)
    meter = Meter(progress, epochs, len(batches))
    with polite_interrupt(path is not None) as interrupted:

        def settle(due: bool) -> None:
            """Save if it is due or Ctrl-C asked for it; the run stands between two steps here."""
            if path is not None and (due or interrupted()):
                checkpoints.save(path, run, settings)
            if interrupted():
                reached = _reached(run, epochs, len(job.batches))
                raise KeyboardInterrupt(f"stopped {reached}; the same call goes on from {path}")

        try:
            _loop(job, run, epochs, patience, every, path, settle, meter)
        finally:
            meter.close()
    if run.epoch < epochs:
        meter.say(f"stopped early: no lower validation loss for {patience} {'epoch' if patience == 1 else 'epochs'}")
    return run.optimizer.averaged(run.params) if run.best is None else run.best, run.history


def _begun(
    job: Job, params: Params, optimizer: Optimizer, path: str | None, epochs: int, patience: int | None
) -> tuple[Run, dict[str, Any]]:
    """The run before its next step, new or as its checkpoint left it, and the settings by which it is known."""
    run = Run({name: np.array(p, order="C") for name, p in params.items()}, copy.deepcopy(optimizer))
    settings = {} if path is None else job.settings(run)
    if path is not None and os.path.exists(path):
        checkpoints.resume(path, run, settings)
        _check_not_past_the_end(run, path, epochs, patience)
    return run, settings


def _check_kinds(model: object, batches: object, loss: object, optimizer: object, validation: object) -> None:
    """ContractError where an argument is of another kind than what belongs there."""

    def require(name: str, value: object, methods: str, expected: str, advice: str) -> None:
        if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods.split()):
            came = f"the class {value.__name__}" if isinstance(value, type) else _kind(value)
            raise ContractError(name, expected, came, advice)

    layers = "for example rnncore.Stack(rnncore.GRU(3, 8), rnncore.Last(), rnncore.Dense(8, 1))"
    minibatches = "make them with rnncore.sequences.Minibatches(histories, target)"
    require("model", model, "forward backward parameter_shapes describe", "a layer or a Stack of layers", layers)
    require("batches", batches, "__len__ batch", "minibatches", minibatches)
    if validation is not None:
        require("validation", validation, "__len__ batch", "minibatches, or None", minibatches)
    expected = "a function of prediction, target and weight"
    require("loss", loss, "__call__", expected, "pass the function itself, as rnncore.losses.mse")
    expected = "an optimiser, made with its learning rate"
    require("optimizer", optimizer, "step describe state", expected, "for example rnncore.Adam(1e-3)")


def _kind(value: object) -> str:
    return repr(value) if value is None or isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


def _check(job: Job, params: Params, epochs: int, patience: int | None, every: int) -> None:
    checks.parameters(params, job.model.parameter_shapes(), job.model)
    checks.size("epochs", epochs)
    checks.size("every", every)
    checks.size("seed", job.seed, least=0)
    checks.size("len(batches)", len(job.batches))
    for batches in (job.batches, job.validation):
        if batches is not None:
            check_targets(job.model, batches)
    if job.clip is not None:
        checks.number("clip", job.clip, open_left=True)
    if job.k1 is None and job.k2 is not None:
        raise ContractError("k1", "a truncation length beside k2", "None", "give both, or neither for full BPTT")
    if patience is not None:
        checks.size("patience", patience)
        if job.validation is None:
            raise ContractError("validation", "batches to watch", "None", "patience waits for their loss to fall")
    bad = non_finite(params)
    if bad:
        raise NonFiniteError(f"the initial weights hold NaN or infinity in {', '.join(bad)}", bad, step=0)


def _check_not_past_the_end(run: Run, path: str, epochs: int, patience: int | None) -> None:
    due = _epochs_due(run.history, epochs, patience)
    if (run.epoch, run.step) > (due, 0):
        advice = "ask for more epochs or patience, name another file, or delete this one to start anew"
        raise ContractError("checkpoint", f"a run of at most {due} epochs", f"{path}, at {_where(run)}", advice)


def _loop(
    job: Job,
    run: Run,
    epochs: int,
    patience: int | None,
    every: int,
    path: str | None,
    settle: Callable[[bool], None],
    meter: Meter,
) -> None:
    try:
        while run.epoch < _epochs_due(run.history, epochs, patience):
            while run.step < len(job.batches):
                take_step(job, run)
                meter.step(run.epoch, run.step, _numbers(run))
                settle(run.step % every == 0)
            end_epoch(job, run, settle)
            meter.epoch(run.epoch - 1, _numbers(run))
            settle(True)
    except NonFiniteError as error:
        saved = path if path is not None and os.path.exists(path) else None
        message = f"{error}; at {_where(run)}; " + (f"last good checkpoint: {saved}" if saved else "no checkpoint")
        at = run.epoch * len(job.batches) + run.step
        raise NonFiniteError(message, error.arrays, step=at, checkpoint=saved) from error


def _epochs_due(history: History, epochs: int, patience: int | None) -> int:
    """How many epochs the run has, as far as its history tells: `epochs`, or fewer where patience ends before.

    >>> history = [{"validation_loss": loss} for loss in (3.0, 2.0, 2.5, 2.0)]
    >>> _epochs_due(history, epochs=9, patience=2), _epochs_due(history, epochs=9, patience=3)
    (4, 9)
    """
    best = 0
    for epoch, record in enumerate(history if patience is not None else []):
        if record["validation_loss"] < history[best]["validation_loss"]:
            best = epoch
        elif patience is not None and epoch - best >= patience:
            return min(epochs, epoch + 1)
    return epochs


def _numbers(run: Run) -> dict[str, float]:
    """What the progress line shows."""
    last, sums = run.history[-1] if run.history else {}, run.sums
    if sums:
        loss, norm = sums["loss"] / sums["weight"], sums["norm"] / sums["steps"]
    elif last:
        loss, norm = last["train_loss"], last["gradient_norm"]
    else:
        return {}
    shown = {"loss": loss}
    if "validation_loss" in last and run.best_epoch is not None:
        shown |= {"val": last["validation_loss"], "best": run.history[run.best_epoch]["validation_loss"]}
    return shown | {"|g|": norm}


def _reached(run: Run, epochs: int, steps: int) -> str:
    """Where a run stands, counted as the progress line does."""
    if run.step == 0:
        return f"after epoch {run.epoch}/{epochs}" if run.epoch else "before the first step"
    return f"in epoch {run.epoch + 1}/{epochs} after step {run.step}/{steps}"


def _where(run: Run) -> str:
    return f"epoch {run.epoch}, step {run.step} (counted from 0)"
