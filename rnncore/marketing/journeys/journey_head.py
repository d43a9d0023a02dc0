"""The head of `journey.py`: a logit for a conversion, and one for each kind of event that may come next."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore.marketing.learning import calibration

Array = NDArray[Any]
FIRST = calibration.Calibration(
    lambda said, target: calibration.platt(said, np.asarray(target).reshape(len(said), -1)[:, 0]),
    calibration.apply_platt,
    2,
)


def converts_and_next(prediction: Array, target: Array, weight: Array | None = None) -> Any:
    """Cross-entropy of yes or no (the first logit) plus that of the class that came next (the other logits).

    prediction (N, 1 + K); target (N, 2): 0 or 1, and a class from 0 to K - 1.
    """
    yes, dyes = rc.losses.binary_cross_entropy(prediction[:, :1], target[:, :1], weight)
    after, dafter = rc.losses.softmax_cross_entropy(prediction[:, 1:], target[:, 1].astype(np.int64), weight)
    return yes + after, np.concatenate([dyes, dafter], axis=1)
