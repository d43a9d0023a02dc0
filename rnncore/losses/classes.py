"""Classes: cross-entropy of yes or no, of one class of K, and divergence from given probabilities; all on logits."""

from __future__ import annotations

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.losses.pairs import Pair, in_double, pair, real, weighted_mean, weighted_value, weights
from rnncore.typing import Array


def binary_cross_entropy(logits: Array, target: Array, weight: Array | None = None) -> Pair:
    """Cross-entropy of a yes/no target in [0, 1] given logits z: l = log(1 + exp(z)) - y z, never overflowing.

    >>> value, dz = binary_cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [1.0]]))
    >>> round(value, 4), dz.ravel()
    (0.3466, array([-0.25,  0.  ]))
    """
    z, y = pair(logits, target)
    small = np.exp(np.where(z.real < 0, z, -z))  # exp(-|z|), at most 1, and analytic at z = 0 too
    value = np.where(z.real >= 0, z, 0 * z) - y * z + np.log1p(small)
    probability = np.where(z.real >= 0, 1, small) / (1 + small)
    return weighted_mean(z, value, probability - y, weight)


def softmax_cross_entropy(
    logits: Array, target: Array, weight: Array | None = None, *, ignore: int | None = None
) -> Pair:
    """Cross-entropy of integer classes (...) given logits (..., K): l = log(sum_k exp(z_k)) - z_target.

    Rows whose target equals `ignore` count for nothing. The largest logit is taken off first, so nothing overflows.

    >>> value, dz = softmax_cross_entropy(np.zeros((1, 4)), np.array([2]))
    >>> round(value, 4), dz
    (1.3863, array([[ 0.25,  0.25, -0.75,  0.25]]))
    """
    chosen, w = chosen_columns(logits, target, weight, ignore)
    e = logits - logits.real.max(axis=-1, keepdims=True)
    right = np.take_along_axis(e, chosen, axis=-1)
    np.exp(e, out=e)
    total = e.sum(axis=-1, keepdims=True)
    value, share = weighted_value((np.log(total) - right)[..., 0], w)
    # each row once more: p w, then - w in its class, in the memory of e; 3.5 times as fast as p first and then the rows
    row = share[..., None].astype(logits.real.dtype)
    d = np.multiply(e, row / total, out=e)
    d[share == 0] = 0  # even where the logits are NaN
    np.put_along_axis(d, chosen, np.take_along_axis(d, chosen, axis=-1) - row, axis=-1)
    return value, d


def kl_categorical(logits: Array, target: Array, weight: Array | None = None) -> Pair:
    """Kullback-Leibler divergence (1951) of softmax(logits) from the target's probabilities q, one l for each row.

        l = sum_k q_k (log q_k - log softmax(z)_k),   dl/dz = softmax(z) sum_k q_k - q

    logits and target (..., K); q is at least 0 and adds up to 1 in each row (soft labels, a teacher's distribution).

    >>> value, dz = kl_categorical(np.zeros((1, 2)), np.array([[0.75, 0.25]]))
    >>> round(value, 4), dz
    (0.1308, array([[-0.25,  0.25]]))
    """
    q = pair(logits, real("target", target))[1].astype(np.float64)
    z = in_double(logits)
    rows = weights(weight, q.shape[:-1]) > 0
    if ((q[rows] < 0) | (np.abs(q[rows].sum(axis=-1, keepdims=True) - 1) > 1e-3)).any():
        advice = "divide counts by their sum"
        raise ContractError("target", "rows of probabilities that add up to 1", "a row that is none", advice)
    z = z - z.real.max(axis=-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=-1, keepdims=True)
    entropy = np.where(q > 0, q, 1) * np.log(np.where(q > 0, q, 1))
    mass = q.sum(axis=-1, keepdims=True)
    value = (entropy - np.where(q == 0, 0, q * z)).sum(axis=-1) + (mass * np.log(total))[..., 0]
    return weighted_mean(logits, value, e / total * mass - q, weight)


def chosen_columns(
    logits: Array, target: Array, weight: Array | None, ignore: int | None = None
) -> tuple[Array, Array]:
    """Return each row's class (..., 1), 0 where the row does not count, and the rows' weights; ContractError else."""
    checks.array("logits", logits)
    classes = np.asarray(target)
    if classes.dtype.kind not in "iu" or logits.ndim < 1 or classes.shape != logits.shape[:-1]:
        want = f"integers of shape {checks.show(logits.shape[:-1])}"
        came = f"{classes.dtype} of shape {checks.show(classes.shape)}"
        raise ContractError("target", want, came, "one class for each row of logits")
    w = weights(weight, classes.shape)
    w = w if ignore is None else np.where(classes == ignore, 0.0, w)
    chosen, K = np.where(w > 0, classes, 0)[..., None], logits.shape[-1]
    bad = chosen[(chosen < 0) | (chosen >= K)]
    if bad.size:
        advice = "for rows that do not count give `ignore` or a weight of zero"
        raise ContractError("target", f"classes from 0 to {K - 1}", f"the class {bad[0]}", advice)
    return chosen, w
