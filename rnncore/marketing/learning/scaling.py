"""The scale of encoded steps: measured on those that teach, and applied, in float32, to all that are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.learning.encoding import COLUMNS, EVENT, MARK, Encoded
from rnncore.sequences import Shared

Floats = NDArray[np.float64]


class Scale(NamedTuple):
    """Mean and standard deviation of each column over the steps in which it means something, (D,)."""

    mean: Floats
    deviation: Floats


def fit_scale(histories: Encoded) -> Scale:
    """Measure the scale of encoded steps, each event as often as it is read; a column without spread keeps its unit."""
    n, N = len(histories.log), len(histories.end)
    times = np.zeros(n + 1, np.int32)
    np.add.at(times, histories.begin, 1)
    np.add.at(times, histories.end, -1)
    times = np.cumsum(times, dtype=np.int32)[:-1]
    mean, deviation = np.zeros(histories.width), np.ones(histories.width)
    for k in range(len(COLUMNS)):
        cells, counts = np.zeros(0), np.zeros(0, np.int32)
        if k < MARK:
            cells = histories.event(k)
            known = ~np.isnan(cells) & (times > 0)
            cells, counts = cells[known], times[known]
        if k == 0 or k > MARK:
            cells = np.concatenate([cells, histories.closing(k)])
            counts = np.concatenate([counts, np.ones(N, np.int32)])
        if k != MARK and len(cells):
            mean[k] = np.average(cells, weights=counts)
            cells -= mean[k]
            spread = np.sqrt(np.average(np.square(cells, out=cells), weights=counts))
            deviation[k] = spread if spread > 1e-9 else 1.0
    return Scale(mean, deviation)


def apply_scale(histories: Encoded, scale: Scale) -> Shared:
    """Standardised steps in float32; a column stays 0 in steps where it means nothing."""

    def scaled(cells: Floats, column: int) -> Floats:
        cells -= scale.mean[column]
        cells /= scale.deviation[column]
        return cells

    steps = np.empty((len(histories.log), len(histories.columns)), np.float32)
    for place, column in enumerate(histories.columns):
        steps[:, place] = scaled(histories.event(column), column)
    steps[np.isnan(steps)] = 0.0  # the average
    closing = np.zeros((len(histories.end), histories.width), np.float32)
    for column in range(histories.width):
        if column not in range(EVENT.start, EVENT.stop):
            closing[:, column] = scaled(histories.closing(column), column)
    return Shared(steps, histories.columns, histories.begin, histories.end, closing)
