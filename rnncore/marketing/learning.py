"""Examples and how a network learns from them: the part of every task in which nothing of the task is left.

A network learns from all examples but those watched, stops by the loss of these, and is calibrated on the newest. Where
the task does not say which are watched, they are the newest: the later window (demand, next-purchase). Elsewhere they
are a tenth of the customers, and where the task is `late`, only the newest of these stop the training: a later window,
of customers from whom nothing was learned. The networks of several seeds are averaged before their outputs are
calibrated.

Log-loss in the judged window, mean of three single networks and standard deviation, where training is stopped by

                                            a tenth          the newest of it   all the newest, not trained on
    churn, CDNOW                            .4117 ± .0004    .4120 ± .0005      .4115 ± .0008
    churn, online_retail_1                  .6135 ± .0029    .6135 ± .0029      .6123 ± .0037
    churn-hazard, CDNOW                     .4321 ± .0028    .4321 ± .0028      .5154 ± .0374
    churn-hazard, online_retail_1           .6067 ± .0023    .6076 ± .0032      .6002 ± .0077
    contract-churn, made-up, without plans  .3172 ± .0017    .3172 ± .0017      .3150 ± .0024
    outcome, returns of online_retail_1     .4229 ± .0029    .4255 ± .0047      .4256 ± .0033
    outcome, bank_marketing                 .6779 ± .0106    .6469 ± .0356      .6344 ± .0029
    outcome, campaigns of complete_journey  .3381 ± .0065    .3335 ± .0093      .3371 ± .0016
    outcome, online_shoppers                .4708 ± .0047    .4719 ± .0033      .4852 ± .0024
    outcome-kind, online_retail_1           .4547 ± .0030    .4525 ± .0007      .4571 ± .0018
    journey, complete_journey               .2920 ± .0036    .2940 ± .0067      .3054 ± .0079
    journey, made-up                        .5655 ± .0019    .5627 ± .0033      .5637 ± .0018

So the newest of the tenth, from 50 of them on, stop `outcome` and `outcome-kind`, and most of the newest are not lost
for learning. (Five seeds: bank .6421 instead of .6768, campaigns .3362 of .3389, shoppers .4732 of .4722, kinds .4527
of .4523, returns .4256 of .4215.) Churn and journeys gain nothing by it; an example of clv and subscriptions is a whole
history with an answer for each of its steps, in all windows; segments and sentiment were not measured: there the whole
tenth stops.

Where a tenth of the customers is watched, most of the newest were learned from. A network of 32 units is hardly too
sure of them, and the watched alone are few: to calibrate on these is worse more often than not (log-loss on CDNOW .4135
instead of .4115, on campaigns of complete_journey .345 instead of .336, on returns of online_retail_1 .416 instead of
.419). One that learns texts by heart is, see `sentiment.py`.
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
from rnncore.sequences import Histories, Minibatches
from rnncore.typing import Grads, Params

if TYPE_CHECKING:
    from rnncore.marketing.task_parts import Parts

Array = NDArray[Any]
Floats = NDArray[np.float64]
CLIP = 1.0  # largest global norm of a gradient
CHUNK = 4096  # histories in one forward pass
FEW = 50  # examples of the latest window, at least, that stop a training; else all that are watched


class Examples(NamedTuple):
    """N questions: what the network reads, and, where it is known, what came."""

    histories: Histories
    """As the network takes them: values (sum of L_i, D) of float32, or (sum of L_i,) of integer ids."""
    group: NDArray[np.int64]
    """Whose each is: a position among the customers (or series) of the log asked about, (N,)."""
    target: Any = None
    """(N, ...), one per history, or `Histories`, one per step."""
    weight: Any = None
    """(N,), or `Histories` of one per step; None: all count alike. What has weight 0 is not judged either."""
    newest: NDArray[np.bool_] | None = None
    """Which are of the latest complete window, (N,): they calibrate."""
    watched: NDArray[np.bool_] | None = None
    """Which are not trained on, (N,); they, or the newest of them where the task is `late`, stop the training. None:
    the newest."""
    facts: Any = None
    """Whatever else the task's own simple methods and decoding want."""

    @property
    def per_step(self) -> bool:
        """Whether there is an answer for each step of a history."""
        return isinstance(self.target, Histories)

    def judged(self) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Targets and groups of the rows that count, and which of all rows these are."""
        target = self.target.values if self.per_step else np.asarray(self.target)
        group = np.repeat(self.group, self.histories.lengths) if self.per_step else self.group
        weight = self.weight.values if isinstance(self.weight, Histories) else self.weight
        if weight is not None and len(weight) != len(target):
            weight = np.repeat(weight, self.histories.lengths)
        counts = np.ones(len(target), bool) if weight is None else np.asarray(weight) > 0
        target = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
        return target[counts], group[counts], counts

    def select(self, rows: NDArray[np.bool_]) -> Examples:
        """The examples with True in `rows`, without their facts."""

        def taken(column: Any) -> Any:
            return column.select(rows) if isinstance(column, Histories) else None if column is None else column[rows]

        return Examples(*(taken(column) for column in self[:6]))


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
    newest = told if told.newest is None else told.select(told.newest)
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
    watched = told.watched if told.watched is not None else told.newest
    if watched is None or watched.all():
        watched = np.zeros(len(told.histories), bool)
    late = watched & told.newest if task.late and told.newest is not None else watched
    stops = late if late.sum() >= FEW else watched
    size, seed = task.batch_size or int(np.clip(len(watched) // 200, 16, 512)), seed_of(task.seed, k)
    return rc.fit(
        model,
        model.init(seed),
        _batches(told, ~watched, size, seed),
        loss,
        rc.Adam(task.learning_rate),
        epochs=task.epochs,
        clip=CLIP,
        validation=_batches(told, stops, CHUNK, seed) if stops.any() else None,
        patience=task.patience if stops.any() else None,
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


def _batches(told: Examples, rows: NDArray[np.bool_], size: int, seed: int) -> Minibatches:
    part = told.select(rows)
    return Minibatches(part.histories, part.target, part.weight, batch_size=size, seed=seed)


def drawn(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of the rows, drawn by the seed, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def tenth(group: NDArray[np.int64], seed: int, few: int = 20) -> NDArray[np.bool_]:
    """Whether each example is of the tenth of the groups that is watched instead of the later window, (N,).

    With fewer groups than `few` none is, and the network trains for all epochs.
    """
    groups = int(group.max()) + 1
    chosen = np.random.default_rng(seed).permutation(groups)[: groups // 10 if groups >= few else 0]
    return np.isin(group, chosen)
