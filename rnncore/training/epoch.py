"""What a training run does again and again: one step, and the end of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnncore.contract import Layer
from rnncore.errors import ContractError, NonFiniteError
from rnncore.sequences import Batch
from rnncore.training import checkpoint as checkpoints
from rnncore.training.bptt import full_bptt, truncated_bptt
from rnncore.training.checkpoint import Run
from rnncore.training.clipping import clip_by_global_norm, global_norm, non_finite
from rnncore.training.evaluate import Batches, batch_weight, losses, mean
from rnncore.training.pieces import Loss, seeded
from rnncore.training.schedules import plain
from rnncore.typing import Grads


@dataclass(frozen=True)
class Job:
    """What does not change during a run."""

    model: Layer
    batches: Batches
    loss: Loss
    clip: float | None
    k1: int | None
    k2: int | None
    validation: Batches | None
    seed: int

    def settings(self, run: Run) -> dict[str, Any]:
        """What makes a run this run, ready for JSON: two runs with equal settings compute the same."""

        def data(batches: Batches | None) -> str | None:
            fingerprint = getattr(batches, "fingerprint", lambda: type(batches).__name__)
            return None if batches is None else f"{len(batches)} batches, {fingerprint()}"

        return {
            "model": self.model.describe(),
            "initial_params": checkpoints.digest(run.params),
            "optimizer": run.optimizer.describe(),
            "initial_optimizer_state": checkpoints.digest(run.optimizer.state()),
            "batches": data(self.batches),
            "validation": data(self.validation),
            "loss": checkpoints.function_name(self.loss),
            **{name: plain(getattr(self, name)) for name in ("clip", "k1", "k2", "seed")},
        }


def take_step(job: Job, run: Run) -> None:
    """One minibatch. `run` is changed when nothing can fail any more."""
    batch = job.batches.batch(run.epoch, run.step)
    share = batch_weight(job.model, batch)
    if share > 0:
        # what overflows here is found below, with its name
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, grads = _gradient(job, run, batch)
            _check_loss(value, grads, batch)
            grads, norm = (grads, global_norm(grads)) if job.clip is None else clip_by_global_norm(grads, job.clip)
            params = run.optimizer.step(run.params, grads, run.history)
        bad = non_finite(params)
        if bad:
            raise NonFiniteError(f"the step made weights that are NaN or infinite in {', '.join(bad)}", bad)
        run.params = params
        add = {"weight": share, "loss": share * value, "steps": 1, "norm": norm}
        run.sums = {name: run.sums.get(name, 0.0) + number for name, number in add.items()} | {
            "norm_max": max(norm, run.sums.get("norm_max", 0.0))
        }
    run.step += 1


def _gradient(job: Job, run: Run, batch: Batch) -> tuple[float, Grads]:
    rng = np.random.default_rng([job.seed, run.epoch, run.step])
    loss = seeded(job.loss, job.seed, run.epoch, run.step, 1)  # 1: other numbers than those of dropout
    words: dict[str, Any] = {"lengths": batch.lengths, "weight": batch.weight, "rng": rng}
    if job.k1 is None:
        value, grads, _ = full_bptt(job.model, run.params, batch.x, batch.target, loss, **words)
    else:
        words |= {"k1": job.k1, "k2": job.k2}
        value, grads, _ = truncated_bptt(job.model, run.params, batch.x, batch.target, loss, **words)
    return float(value), grads


def _check_loss(value: float, grads: Grads, batch: Batch) -> None:
    """Name the arrays of the batch first: NaN in the data is the usual reason."""
    if not math.isfinite(value):
        inputs = {n: a for n, a in (("x", batch.x), ("target", batch.target)) if np.asarray(a).dtype.kind == "f"}
        arrays = ["loss", *non_finite(inputs), *non_finite(grads)]
        raise NonFiniteError(f"the loss is {value}; NaN or infinity stands in {', '.join(arrays)}", arrays)


def end_epoch(job: Job, run: Run, settle: Callable[[bool], None]) -> None:
    """Validate, write the record, keep the best weights; `run` is changed when nothing can fail any more.

    settle(False) is called between the batches of the validation, where the run may be left and taken up again.
    """
    if not run.sums:
        raise ContractError("batches", "a weight above zero somewhere", "none in a whole epoch", "look at the weights")
    sums = run.sums
    record = {
        "epoch": run.epoch,
        "train_loss": sums["loss"] / sums["weight"],
        "gradient_norm": sums["norm"] / sums["steps"],
        "gradient_norm_max": sums["norm_max"],
    }
    slots = non_finite(run.optimizer.state())
    if slots:
        raise NonFiniteError(f"the optimiser holds NaN or infinity in {', '.join(slots)}; clip the gradient", slots)
    best, best_epoch = run.best, run.best_epoch
    if job.validation is not None:
        params = run.optimizer.averaged(run.params)
        parts = []
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for part in losses(job.model, params, job.validation, job.loss):
                parts.append(part)
                settle(False)
        value = record["validation_loss"] = mean(parts)
        if not math.isfinite(value):
            raise NonFiniteError(f"the validation loss is {value}", ["validation_loss"])
        if best_epoch is None or value < run.history[best_epoch]["validation_loss"]:
            best, best_epoch = params, run.epoch
    run.best, run.best_epoch, run.history = best, best_epoch, [*run.history, record]
    run.epoch, run.step, run.sums = run.epoch + 1, 0, {}
