"""How segments are learned, for `segments.py`: a code by a pretext, k-means on it, and Deep Embedded Clustering."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import rnncore as rc
from rnncore.contract import Layer
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned, outputs, seed_of, train
from rnncore.marketing.segmenting import clusters
from rnncore.sequences import Histories
from rnncore.typing import Grads, Params

if TYPE_CHECKING:
    from rnncore.marketing.segmenting.segment_answers import SegmentAnswers
    from rnncore.marketing.segments import Segments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Pretext(NamedTuple):
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
    *,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Learned:
    """Learn the code, group it, and sharpen the groups; further seeds are matched to the first."""
    newest, model, pretext = told.late(), task.network(code), _pretext(task, code, told)
    returned = np.asarray(newest.target)[:, 0].astype(np.float64)
    params: list[Grads] = []
    history: list[dict[str, float]] = []
    first: Ints = np.zeros(len(returned), np.int64)
    for k in range(task.seeds):
        own, records = train(task, *pretext[:3], k, progress=progress, checkpoint=checkpoint)
        mine = {n.removeprefix(pretext.prefix): a for n, a in own.items() if n.startswith(pretext.prefix)}
        z, seed = codes(task, code, [mine], newest.histories), seed_of(task.seed, k)
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


def codes(task: SegmentAnswers, code: dict[str, Any], params: Sequence[Params], histories: Histories) -> Floats:
    """What stands for each customer, by all networks, side by side: (N, Z per network)."""
    encoder = rc.Stack(*task.encoder(code))
    read = [{name: a for name, a in own.items() if name != "3.M"} for own in params]
    return np.concatenate([outputs(encoder, [own], histories) for own in read], axis=1)


def _pretext(task: Segments, code: dict[str, Any], told: Examples) -> _Pretext:
    """For the future, whether an event comes; else the steps themselves."""
    encoder = rc.Stack(*task.encoder(code))
    if task.by == "future":
        return _Pretext(rc.Stack(encoder, rc.Dense(task.code, 1)), rc.losses.binary_cross_entropy, told, "0.")
    again: Any = rc.RNN if task.by == "static" else rc.GRU
    decoder = again(task.code, task.units, backend=task.backend), rc.Dense(task.units, len(task.inputs(code)))
    model = rc.Stack(rc.Repeated(encoder), *decoder)
    return _Pretext(model, rc.losses.mse, told._replace(target=told.histories), "0.inner.")


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
