"""How segments are learned, for `segments.py`: a code by a pretext, k-means on it, and Deep Embedded Clustering."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import rnncore as rc
from rnncore.contract import Layer
from rnncore.marketing import clusters
from rnncore.marketing.learning import Examples, Learned, outputs, seed_of, train
from rnncore.typing import Grads

if TYPE_CHECKING:
    from rnncore.marketing.segments import Segments

Ints = NDArray[np.int64]


class Pretext(NamedTuple):
    """What a code is learned by."""

    network: Layer
    """Its first part is the encoder."""
    loss: Any
    told: Examples
    prefix: str
    """What the names of the encoder's weights begin with, inside the network."""


def learn(
    task: Segments,
    code: dict[str, Any],
    told: Examples,
    pretext: Pretext,
    *,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Learned:
    """Learn the code, group it, and sharpen the groups; further seeds are matched to the first."""
    assert told.newest is not None
    newest, model = told.select(told.newest), task.network(code)
    returned = np.asarray(newest.target)[:, 0].astype(np.float64)
    params: list[Grads] = []
    history: list[dict[str, float]] = []
    first: Ints = np.zeros(len(returned), np.int64)
    for k in range(task.seeds):
        file = None if checkpoint is None else f"{os.fspath(checkpoint)}{f'-{k}' if k else ''}"
        own, records = train(task, *pretext[:3], k, progress=progress, checkpoint=file)
        mine = {n.removeprefix(pretext.prefix): a for n, a in own.items() if n.startswith(pretext.prefix)}
        z, seed = task._codes(code, mine, newest.histories), seed_of(task.seed, k)
        mine["3.M"] = clusters.centres(z, task.groups, seed).astype(np.float32)
        for turn in range(task.rounds):
            mine = _sharpened(model, mine, newest, task.learning_rate, seed + turn)
        segment = outputs(model, [mine], newest.histories).argmax(axis=1)
        if k:
            order = clusters.alike(segment, first, task.groups)
        else:
            order = np.argsort(-clusters.rates(segment, returned, task.groups), kind="stable")
            first = np.argsort(order)[segment]
        params.append({**mine, "3.M": mine["3.M"][order]})
        history += [{"seed": k, **record} for record in records]
    calibration = task.calibration.fit(outputs(model, params, newest.histories), returned)
    return Learned(tuple(params), calibration, code, history)


def _sharpened(model: Layer, params: Grads, newest: Examples, learning_rate: float, seed: int) -> Grads:
    """An epoch towards the target distribution of Xie et al. (2016, eq. 3)."""
    q = softmax(outputs(model, [params], newest.histories), axis=1)
    weight = q**2 / q.sum(axis=0)
    target = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    size = int(np.clip(len(target) // 20, 16, 512))
    batches = rc.sequences.Minibatches(newest.histories, target, batch_size=size, seed=seed)
    return rc.fit(
        model, params, batches, rc.losses.kl_categorical, rc.Adam(learning_rate), epochs=1, clip=1.0, seed=seed
    )[0]
