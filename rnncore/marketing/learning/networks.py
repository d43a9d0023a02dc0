"""The networks of a task: how they learn from examples, and what they say.

Those of several seeds are averaged before their outputs are calibrated on the newest examples of all. Where a tenth of
the customers is watched, most of the newest were learned from. A network of 32 units is hardly too sure of them, and
the watched alone are few: to calibrate on these was worse in eight of nine fits (log-loss, means of three networks: on
CDNOW .4128 instead of .4120, on campaigns of complete_journey .340 instead of .334, on returns of online_retail_1 .429
instead of .425). One that learns texts by heart is, see `sentiment.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore.contract import Layer
from rnncore.marketing.learning.examples import Examples
from rnncore.sequences import Histories, Minibatches
from rnncore.typing import Grads, Params

if TYPE_CHECKING:
    from rnncore.marketing.task_parts import Parts

Floats = NDArray[np.float64]
CLIP = 1.0  # largest global norm of a gradient
CHUNK = 4096  # histories in one forward pass


class Learned(NamedTuple):
    """Trained networks with everything needed to use them."""

    params: tuple[Grads, ...]
    """One set of weights per seed."""
    calibration: Floats
    code: dict[str, Any]
    """What the task measured on the past to encode by: JSON values."""
    history: list[dict[str, float]]
    """A record per seed and epoch."""

    def pack(self) -> Grads:
        """All arrays under plain names, for a file."""
        arrays = {f"params.{k}.{name}": a for k, own in enumerate(self.params) for name, a in own.items()}
        return arrays | ({"calibration": self.calibration} if len(self.calibration) else {})

    @classmethod
    def unpack(cls, arrays: Params, seeds: int, code: dict[str, Any], history: list[dict[str, float]]) -> Learned:
        """Undo `pack`."""
        prefixes = [f"params.{k}." for k in range(seeds)]
        params = [{name.removeprefix(p): a for name, a in arrays.items() if name.startswith(p)} for p in prefixes]
        return cls(tuple(params), np.asarray(arrays.get("calibration", np.zeros(0))), code, history)


def learn(
    task: Parts,
    code: dict[str, Any],
    told: Examples,
    *,
    loss: Any = None,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Learned:
    """Train, by the task's loss unless another is given, and calibrate; equal arguments give equal bits."""
    model = task.network(code)
    params, history = [], []
    for k in range(task.seeds):
        own, records = train(task, model, loss or task.loss, told, k, progress=progress, checkpoint=checkpoint)
        params.append(own)
        history += [{"seed": k, **record} for record in records]
    newest = told.late()
    target, _, counts = newest.judged()
    said = outputs(model, params, newest.histories)[counts]
    calibration = task.calibration.fit(said, target)
    return Learned(tuple(params), calibration, code, history)


def train(
    task: Parts,
    model: Layer,
    loss: Any,
    told: Examples,
    k: int,
    *,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> tuple[Grads, list[dict[str, float]]]:
    """The weights of the task's k-th network, trained by any loss, and a record per epoch.

    checkpoint: of the first network; those of the others end in "-1", "-2" ...
    """
    if progress and task.seeds > 1:
        print(f"network {k + 1} of {task.seeds}", file=sys.stderr, flush=True)
    apart, stops = told.stopping()
    size, seed = task.batch_size or int(np.clip(len(apart) // 200, 16, 512)), seed_of(task.seed, k)
    return rc.fit(
        model,
        model.init(seed),
        _batches(told.select(~apart), size, seed),
        loss,
        rc.Adam(task.learning_rate),
        epochs=task.epochs,
        clip=CLIP,
        validation=None if stops is None else _batches(stops, CHUNK, seed),
        patience=None if stops is None else task.patience,
        seed=seed,
        checkpoint=None if checkpoint is None else f"{os.fspath(checkpoint)}{f'-{k}' if k else ''}",
        progress=progress,
    )


def seed_of(seed: int, k: int) -> int:
    """The seed of the k-th network: the first has the task's own."""
    return int(np.random.SeedSequence([seed, k]).generate_state(1)[0]) if k else seed


def outputs(model: Layer, params: Sequence[Params], histories: Histories) -> Floats:
    """What the networks say, averaged: (N, K), or (sum of L_i, K) where there is an answer per step.

    Histories of similar length are computed together.
    """
    total = sum(_outputs(model, own, histories) for own in params)
    return np.asarray(total / len(params), np.float64)


def _outputs(model: Layer, params: Params, histories: Histories) -> Floats:
    order = np.argsort(-histories.lengths, kind="stable")
    said: Floats | None = None
    for rows in np.array_split(order, max(1, -(-len(order) // CHUNK))):
        lengths = histories.lengths[rows]
        y, _ = rc.predict(model, params, histories.padded(rows), lengths=lengths)
        if said is None:
            said = np.empty((histories.offsets[-1] if y.ndim == 3 else len(order), y.shape[-1]))
        if y.ndim == 3:
            steps = np.arange(len(y))[:, None]
            live = steps < lengths
            said[(histories.offsets[rows] + steps)[live]] = y[live]
        else:
            said[rows] = y
    assert said is not None
    return said


def _batches(told: Examples, size: int, seed: int) -> Minibatches:
    return Minibatches(told.histories, told.target, told.weight, batch_size=size, seed=seed)
