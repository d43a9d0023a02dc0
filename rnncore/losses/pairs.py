"""What all losses share: checks of shapes, the weights, and the weighted mean with its derivative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.typing import Array

Pair = tuple[float, Array]


def pair(prediction: Array, target: Array) -> tuple[Array, Array]:
    """Return prediction and target; ContractError unless both have one shape."""
    checks.array("prediction", prediction)
    y = np.asarray(target)
    if y.shape != prediction.shape:
        advice = "reshape one of them; nothing is broadcast here"
        if prediction.ndim > 2 and y.shape == (*prediction.shape[1::-1], *prediction.shape[2:]):
            advice = "time comes first: swap its first two axes, target.swapaxes(0, 1)"
        raise ContractError("target", f"shape {checks.show(prediction.shape)}", f"shape {checks.show(y.shape)}", advice)
    return prediction, y if y.dtype.kind == prediction.dtype.kind == "c" else real("target", y).astype(
        prediction.real.dtype
    )


def in_double(prediction: Array) -> Array:
    """Return the prediction in float64 (or complex128), in which likelihoods are computed whatever the dtype."""
    return prediction.astype(np.result_type(prediction, np.float64), copy=False)


def several(prediction: Array, target: Array, P: int, numbers: str) -> tuple[Array, Array]:
    """Return prediction (..., P) and target (...) in float64, from the two layouts that `rnncore.losses` describes."""
    checks.array("prediction", prediction)
    y = real("target", target)
    one, many = prediction.shape == (*y.shape, P), prediction.shape == (*y.shape[:-1], P * (y.shape or (0,))[-1])
    if not (one or (many and y.ndim)):
        wanted = f"shape {checks.show((*y.shape, P))}, the {numbers} of each target"
        if y.ndim:
            wanted += f" (or {checks.show((*y.shape[:-1], P * y.shape[-1]))})"
        advice = "the numbers of one target stand side by side in the last axis"
        raise ContractError("prediction", wanted, f"shape {checks.show(prediction.shape)}", advice)
    return in_double(prediction).reshape(*y.shape, P), y


def real(name: str, value: Array) -> Array:
    """Return the array in float64; ContractError where it holds no real numbers."""
    a = np.asarray(value)
    if a.dtype.kind not in "biuf":
        raise ContractError(name, "real numbers", f"dtype {a.dtype}", "convert it first")
    return a.astype(np.float64)


def counting(y: Array, weight: Array | None, stand_in: float, good: Callable[[Array], Array], wanted: str) -> Array:
    """Return the targets, `stand_in` where one does not count; ContractError where one that counts is not good."""
    y = y if weight is None else np.where(weights(weight, y.shape) > 0, y, stand_in)
    bad = y[~good(y)]
    if bad.size:
        raise ContractError("target", wanted, f"{bad[0]:g}", "a target of weight zero may be anything")
    return y


def weights(weight: Array | None, shape: tuple[int, ...]) -> Array:
    """Return the weights of entries of this shape; ContractError unless they have its leading axes and are >= 0."""
    if weight is None:
        return np.ones(shape)
    w = np.asarray(weight)
    if w.dtype.kind not in "biuf" or w.shape != shape[: w.ndim]:
        want = f"numbers of shape {checks.show(shape)} or its leading axes"
        raise ContractError("weight", want, f"{w.dtype} of shape {checks.show(w.shape)}", "one weight for each entry")
    if (w < 0).any():
        raise ContractError("weight", "numbers of at least 0", f"{w.min()}", "a weight says how much an entry counts")
    full: Array = np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim)), shape).astype(float)
    return full


def weighted_mean(prediction: Array, value: Array, derivative: Array, weight: Array | None) -> Pair:
    """Return (1) and (2); entries of weight zero are left out before anything is multiplied, NaN or not.

    value (...): l of each entry; derivative (...) or (..., P): dl. dprediction has shape and dtype of `prediction`.
    """
    loss, share = weighted_value(value, weights(weight, value.shape))
    share = share.reshape(share.shape + (1,) * (derivative.ndim - share.ndim))
    d = np.where(share > 0, derivative, 0) * share
    with np.errstate(over="ignore"):  # what float64 holds may be too large for float32
        d = d.reshape(prediction.shape).astype(prediction.dtype)
    return loss, d


def weighted_value(value: Array, w: Array) -> tuple[float, Array]:
    """Return (1) and each entry's share of the weight, float64; ContractError where nothing counts."""
    total = w.sum()
    if total == 0:
        advice = "leave out a batch in which nothing counts"
        raise ContractError("weight", "at least one positive weight", "a sum of zero", advice)
    share = w / total
    loss = (np.where(w > 0, value, 0) * share).sum()
    return (loss if np.iscomplexobj(loss) else float(loss)), share
