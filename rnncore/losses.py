"""Losses as pairs: each returns (value, dprediction), the weighted mean over all entries and its derivative.

    value = sum(w * l) / sum(w)                            (1)
    dprediction = w / sum(w) * dl                          (2)

`weight` is None (all ones) or has the leading axes of the prediction: (T, N) against (T, N, K), (N,) against (N, K).
An entry whose weight is zero counts for nothing, whatever stands there. The softmax loss has one l per row of logits.
All are written to be stable for extreme logits and to accept complex predictions, for complex-step checking.
"""

from __future__ import annotations

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.typing import Array

Pair = tuple[float, Array]

__all__ = ["binary_cross_entropy", "huber", "mae", "mse", "softmax_cross_entropy"]


def mse(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Mean squared error, l = (p - y)^2; prediction and target have one shape.

    >>> mse(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    (2.0, array([[0.],
           [2.]]))
    """
    p, y = _pair(prediction, target)
    e = p - y
    return _mean(e**2, 2 * e, weight)


def mae(prediction: Array, target: Array, weight: Array | None = None) -> Pair:
    """Mean absolute error, l = |p - y|, with derivative 0 where p = y.

    >>> mae(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    (1.0, array([[0. ],
           [0.5]]))
    """
    p, y = _pair(prediction, target)
    side = np.sign((p - y).real).astype(p.dtype)
    return _mean(side * (p - y), side, weight)


def huber(prediction: Array, target: Array, weight: Array | None = None, *, delta: float = 1.0) -> Pair:
    """Huber's loss (1964): e^2/2 where |e| <= delta, delta (|e| - delta/2) beyond; e = p - y.

    >>> huber(np.array([[1.5], [4.0]]), np.array([[1.0], [2.0]]))
    (0.8125, array([[0.25],
           [0.5 ]]))
    """
    checks.number("delta", delta, open_left=True)
    p, y = _pair(prediction, target)
    e = p - y
    side = np.sign(e.real)
    far = np.abs(e.real) > delta
    value = np.where(far, delta * (side * e - delta / 2), e**2 / 2)
    return _mean(value, np.where(far, delta * side, e), weight)


def binary_cross_entropy(logits: Array, target: Array, weight: Array | None = None) -> Pair:
    """Cross-entropy of a yes/no target in [0, 1] given logits z: l = log(1 + exp(z)) - y z, never overflowing.

    >>> value, dz = binary_cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [1.0]]))
    >>> round(value, 4), dz.ravel()
    (0.3466, array([-0.25,  0.  ]))
    """
    z, y = _pair(logits, target)
    small = np.exp(np.where(z.real < 0, z, -z))  # exp(-|z|), at most 1, and analytic at z = 0 too
    value = np.where(z.real >= 0, z, 0 * z) - y * z + np.log1p(small)
    probability = np.where(z.real >= 0, 1, small) / (1 + small)
    return _mean(value, probability - y, weight)


def softmax_cross_entropy(
    logits: Array, target: Array, weight: Array | None = None, *, ignore: int | None = None
) -> Pair:
    """Cross-entropy of integer classes (...) given logits (..., K): l = log(sum_k exp(z_k)) - z_target.

    Rows whose target equals `ignore` count for nothing. The largest logit is taken off first, so nothing overflows.

    >>> value, dz = softmax_cross_entropy(np.zeros((1, 4)), np.array([2]))
    >>> round(value, 4), dz
    (1.3863, array([[ 0.25,  0.25, -0.75,  0.25]]))
    """
    checks.array("logits", logits)
    classes = np.asarray(target)
    if classes.dtype.kind not in "iu" or classes.shape != logits.shape[:-1]:
        want = f"integers of shape {checks.show(logits.shape[:-1])}"
        came = f"{classes.dtype} of shape {checks.show(classes.shape)}"
        raise ContractError("target", want, came, "one class for each row of logits")
    w = np.ones(classes.shape) if weight is None else _broadcast(weight, classes.shape)
    w = w if ignore is None else np.where(classes == ignore, 0.0, w)
    chosen = np.where(w > 0, classes, 0)[..., None]
    _require_classes(chosen, logits.shape[-1])
    z = logits - logits.real.max(axis=-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=-1, keepdims=True)
    value = (np.log(total) - np.take_along_axis(z, chosen, axis=-1))[..., 0]
    d = e / total
    np.put_along_axis(d, chosen, np.take_along_axis(d, chosen, axis=-1) - 1, axis=-1)
    return _mean(value, d, w)


def _pair(prediction: Array, target: Array) -> tuple[Array, Array]:
    checks.array("prediction", prediction)
    y = np.asarray(target)
    if y.shape != prediction.shape:
        advice = "reshape one of them; nothing is broadcast here"
        raise ContractError("target", f"shape {checks.show(prediction.shape)}", f"shape {checks.show(y.shape)}", advice)
    return prediction, y.astype(prediction.real.dtype) if y.dtype.kind in "biuf" else y


def _require_classes(chosen: Array, K: int) -> None:
    bad = chosen[(chosen < 0) | (chosen >= K)]
    if bad.size:
        advice = "for rows that do not count give `ignore` or a weight of zero"
        raise ContractError("target", f"classes from 0 to {K - 1}", f"the class {bad[0]}", advice)


def _broadcast(weight: Array, shape: tuple[int, ...]) -> Array:
    w = np.asarray(weight)
    if w.dtype.kind not in "biuf" or w.shape != shape[: w.ndim]:
        want = f"numbers of shape {checks.show(shape)} or its leading axes"
        raise ContractError("weight", want, f"{w.dtype} of shape {checks.show(w.shape)}", "one weight for each entry")
    if (w < 0).any():
        raise ContractError("weight", "numbers of at least 0", f"{w.min()}", "a weight says how much an entry counts")
    full: Array = np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim)), shape).astype(float)
    return full


def _mean(value: Array, derivative: Array, weight: Array | None) -> Pair:
    """Return (1) and (2); entries of weight zero are left out before anything is multiplied, NaN or not."""
    w = np.ones(value.shape) if weight is None else _broadcast(weight, value.shape)
    total = w.sum()
    if total == 0:
        advice = "leave out a batch in which nothing counts"
        raise ContractError("weight", "at least one positive weight", "a sum of zero", advice)
    share = (w / total).reshape(w.shape + (1,) * (derivative.ndim - w.ndim))
    mean = np.where(w > 0, value, 0) * (w / total)
    d = np.where(share > 0, derivative, 0) * share
    loss = mean.sum()
    return (loss if np.iscomplexobj(loss) else float(loss)), d.astype(derivative.dtype)
