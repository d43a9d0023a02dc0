"""One item among very many: losses over a few candidates, the right item and sampled ones, instead of over all items.

logits (..., C): the scores of C candidates; target (...): in which column the right one stands. The candidates are the
same for all rows (a batch's own items, and popular ones drawn in addition), or each row has its own. With `items`, the
candidates' ids, a candidate that is the right item once more in another column (an accidental hit) is left out.
"""

from __future__ import annotations

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.losses.classes import chosen_columns, softmax_cross_entropy
from rnncore.losses.pairs import Pair, in_double, weighted_mean
from rnncore.losses.special import sigmoid, softplus
from rnncore.typing import Array


def sampled_softmax(
    logits: Array, target: Array, weight: Array | None = None, *, log_q: Array, items: Array | None = None
) -> Pair:
    """Softmax over sampled candidates, corrected for how they were sampled (Bengio and Senecal 2008; Yi et al. 2019).

        l = log(sum_c exp(z_c - log q_c)) - (z_y - log q_y)                                                  (1)

    log_q (C,) or (..., C): the logarithm of the probability with which each candidate was drawn, the right one too
    (any common factor cancels). Without it an item would be punished for being popular, since it is drawn more often;
    with it the gradient tends to that of the softmax over all items as candidates are added. items (C,) or (..., C):
    integer ids, see above.

    The output layer is then two products, and only the candidates' rows of E get a gradient:

    >>> rng = np.random.default_rng(0)
    >>> E, h, bought = rng.normal(size=(1000, 4)), rng.normal(size=(2, 4)), np.array([7, 99])  # 1000 items
    >>> popularity = np.arange(1000, 0, -1) / 500500
    >>> items = np.concatenate([bought, rng.choice(1000, size=5, p=popularity)])  # each other's item, and five more
    >>> value, dz = sampled_softmax(h @ E[items].T, np.array([0, 1]), log_q=np.log(popularity[items]), items=items)
    >>> dh, dE = dz @ E[items], np.zeros_like(E)
    >>> np.add.at(dE, items, dz.T @ h)
    >>> dz.shape, dz.sum(axis=1).round(12) + 0.0
    ((2, 7), array([0., 0.]))
    """
    hit = _accidental(logits, target, weight, items)
    q = np.asarray(log_q)
    _require_candidates("log_q", q, logits.shape, "fiu")
    if not (q < np.inf).all() or (q == -np.inf).any():
        raise ContractError("log_q", "finite logarithms", "NaN or infinity", "a candidate was drawn, so q is above 0")
    z = logits - q.astype(logits.real.dtype)
    return softmax_cross_entropy(np.where(hit, -np.inf, z).astype(logits.dtype), target, weight)


def drawn_softmax(
    scores: Array,
    target: Array,
    weight: Array | None = None,
    *,
    rng: np.random.Generator,
    popularity: Array,
    candidates: int = 100,
) -> Pair:
    """`sampled_softmax` of scores of all V items (..., V): the right one of each row, and others drawn for all rows.

    popularity (V,): how often each item occurs; the others are drawn in proportion to it, as many as `candidates` says,
    by rng. Bind popularity and candidates with functools.partial and leave rng to `fit`, which gives a loss that asks
    for one a new generator at every step, of (seed, epoch, step): a resumed run draws the same. It spares the softmax
    over all items, not the product that made their scores.

    >>> scores, bought, sold = np.zeros((2, 1000)), np.array([7, 99]), np.arange(1000, 0, -1)
    >>> _, d = drawn_softmax(scores, bought, rng=np.random.default_rng(0), popularity=sold, candidates=5)
    >>> d.shape, int((d != 0).sum())  # in each row the right item and five others
    ((2, 1000), 12)
    """
    chosen, _ = chosen_columns(scores, target, weight)
    sold = np.asarray(popularity, np.float64)
    if sold.shape != scores.shape[-1:] or not (np.isfinite(sold) & (sold >= 0)).all() or not sold.any():
        came = f"shape {checks.show(sold.shape)}, from {sold.min(initial=0)} to {sold.max(initial=0)}"
        expected = f"{scores.shape[-1]} finite counts of at least 0"
        raise ContractError("popularity", expected, came, "one for each item, not all of them zero")
    others = rng.choice(len(sold), checks.size("candidates", candidates), p=sold / sold.sum())
    items = np.concatenate([chosen, np.broadcast_to(others, (*chosen.shape[:-1], len(others)))], axis=-1)
    log_q = np.log(np.maximum(sold, 1e-300) / sold.sum())[items]
    first = np.zeros(chosen.shape[:-1], np.int64)
    z = np.take_along_axis(scores, items, axis=-1)
    value, dz = sampled_softmax(z, first, weight, log_q=log_q, items=items)
    d = np.zeros((first.size, len(sold)), scores.dtype)
    np.add.at(d, (np.arange(first.size)[:, None], items.reshape(first.size, -1)), dz.reshape(first.size, -1))
    return value, d.reshape(scores.shape)


def bpr_max(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    *,
    regularization: float = 1.0,
    items: Array | None = None,
) -> Pair:
    """BPR-max: the right item against the highest of the others, softly (Hidasi and Karatzoglou 2018, GRU4Rec).

        s_j = exp(z_j) / sum_k exp(z_k)             over the wrong candidates j                              (1)
        l = -log(sum_j s_j sigmoid(z_y - z_j)) + lambda sum_j s_j z_j^2                                      (2)
        a_j = s_j sigmoid(z_y - z_j) / sum_k s_k sigmoid(z_y - z_k)                                          (3)
        dl/dz_y = -sum_j a_j sigmoid(z_j - z_y)                                                              (4)
        dl/dz_j = s_j - a_j sigmoid(z_y - z_j) + lambda s_j (2 z_j + z_j^2 - sum_k s_k z_k^2)                (5)

    regularization is lambda; items as in `sampled_softmax`. ContractError where a row has no wrong candidate.

    >>> value, dz = bpr_max(np.array([[2.0, 0.0, 0.0]]), np.array([0]))
    >>> round(value, 4), dz.round(4)
    (0.1269, array([[-0.1192,  0.0596,  0.0596]]))
    """
    lam = checks.number("regularization", regularization)
    hit = _accidental(logits, target, weight, items)
    chosen, w = chosen_columns(logits, target, weight)
    right = np.arange(logits.shape[-1]) == chosen
    out = hit | right
    if out.all(axis=-1)[w > 0].any():
        raise ContractError("logits", "a wrong candidate in each row", "a row without one", "draw more candidates")
    with np.errstate(over="ignore"):
        z = in_double(logits)
        gap = np.where(out, 0, np.take_along_axis(z, chosen, axis=-1) - z)  # z_y - z_j
        s, log_sum = _softmax(np.where(out, -np.inf, z))
        a, log_hits = _softmax(np.where(out, -np.inf, z - softplus(-gap)))
        z = np.where(s == 0, 0, z)
        mean = (s * z).sum(axis=-1, keepdims=True)
        off = np.where(s == 0, 0, z - mean)
        spread = off * (z + mean) - (s * off * off).sum(axis=-1, keepdims=True)  # z_j^2 - sum_k s_k z_k^2, in reach
        value = (log_sum - log_hits)[..., 0] + lam * (s * z * z).sum(axis=-1)
        dright = -(a * sigmoid(-gap)).sum(axis=-1, keepdims=True)
        dwrong = s - a * sigmoid(gap) + lam * s * (2 * z + spread)
        return weighted_mean(logits, value, np.where(right, dright, np.where(out, 0, dwrong)), w)


def _softmax(z: Array) -> tuple[Array, Array]:
    """Return softmax and log-sum-exp of the last axis; entries of -inf have no share."""
    top = z.real.max(axis=-1, keepdims=True)
    top = np.where(top == -np.inf, 0, top)
    e = np.exp(z - top)
    total = e.sum(axis=-1, keepdims=True)
    return e / total, np.log(total) + top


def _accidental(logits: Array, target: Array, weight: Array | None, items: Array | None) -> Array:
    """Return, for each row and candidate, whether it is the right item in a column that is not the right one."""
    chosen, _ = chosen_columns(logits, target, weight)
    if items is None:
        return np.zeros(logits.shape, bool)
    ids = np.asarray(items)
    _require_candidates("items", ids, logits.shape, "iu")
    ids = np.broadcast_to(ids, logits.shape)
    hit: Array = (ids == np.take_along_axis(ids, chosen, axis=-1)) & (np.arange(logits.shape[-1]) != chosen)
    return hit


def _require_candidates(name: str, value: Array, shape: tuple[int, ...], kinds: str) -> None:
    if value.dtype.kind not in kinds or value.shape not in (shape, shape[-1:]):
        want = (
            f"{'integers' if kinds == 'iu' else 'numbers'} of shape {checks.show(shape[-1:])} or {checks.show(shape)}"
        )
        came = f"{value.dtype} of shape {checks.show(value.shape)}"
        raise ContractError(name, want, came, "one for each candidate")
