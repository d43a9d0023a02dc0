"""The mean loss of a model over minibatches, and the minibatches that `evaluate` and `fit` take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.sequences import Batch
from rnncore.training.pieces import Loss, loss_weight, seeded, total_weight
from rnncore.typing import Params


class Batches(Protocol):
    """What `fit` learns from: `rnncore.sequences.Minibatches`, or anything else with these two methods.

    A method `fingerprint() -> str`, where there is one, ties a checkpoint to the data. An attribute `per`, "history" or
    "step", where there is one, says what a target belongs to; it must be what the model answers.
    """

    def __len__(self) -> int:
        """Steps per epoch."""

    def batch(self, epoch: int, step: int) -> Batch:
        """The minibatch of this epoch and step: the same on every call."""


def evaluate(model: Layer, params: Params, batches: Batches, loss: Loss) -> float:
    """The mean loss over the batches of epoch 0, weighted as if they were one batch; without dropout.

    A loss that draws, as `losses.drawn_softmax`, draws the same for a batch on every call.

    >>> import numpy as np, rnncore as rc
    >>> model = rc.RNN(1, 1, backend="numpy")
    >>> still = {name: np.zeros(shape, np.float32) for name, shape in model.parameter_shapes().items()}
    >>> steps = [np.full((n, 1), 3.0, np.float32) for n in (1, 4)]
    >>> evaluate(model, still, rc.sequences.Minibatches(steps, steps), rc.losses.mse)
    9.0
    """
    check_targets(model, batches)
    return mean(list(losses(model, params, batches, loss)))


def check_targets(model: Layer, batches: Batches) -> None:
    """Require a target for each answer of the model: per step where it keeps time, else per history.

    Shapes do not tell: a batch of as many histories as they have steps fits both ways, one of them transposed.
    """
    per = getattr(batches, "per", None)
    if per == "history" and model.keeps_time:
        advice = "pass list(target) if target[i] has the steps of history i (of a file, per='step'); else add a Last()"
        raise ContractError("target", "one for each step, as the model answers", "one for each history", advice)
    if per == "step" and not model.keeps_time:
        advice = "pass one array (N, ...) (of a file, per='history'); or leave out what makes one answer of all steps"
        raise ContractError("target", "one for each history, as the model answers", "one for each step", advice)


def losses(model: Layer, params: Params, batches: Batches, loss: Loss) -> Iterator[tuple[float, float]]:
    """Weight and loss of every batch that weighs something."""
    for step in range(len(batches)):
        batch = batches.batch(0, step)
        lengths = checks.lengths(batch.lengths, batch.x)
        share = batch_weight(model, batch)
        if share > 0:
            y, _, _ = model.forward(params, batch.x, None, lengths)
            value, _ = seeded(loss, step)(y, batch.target, loss_weight(model, batch.x, lengths, batch.weight))
            yield share, float(value)


def mean(parts: list[tuple[float, float]]) -> float:
    """The mean of (weight, value) pairs; ContractError where there is none."""
    if not parts:
        raise ContractError("batches", "a weight above zero somewhere", "none", "look at the weights")
    return math.fsum(w * value for w, value in parts) / math.fsum(w for w, _ in parts)


def batch_weight(model: Layer, batch: Batch) -> float:
    """How much a batch weighs in the mean over an epoch: the sum of the weights that its loss sees."""
    lengths = checks.lengths(batch.lengths, batch.x)
    return total_weight(model, batch.x, loss_weight(model, batch.x, lengths, batch.weight))
