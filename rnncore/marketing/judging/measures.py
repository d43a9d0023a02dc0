"""What a task is judged by: a loss of each row, and the other columns of its table.

BINARY              log-loss of P(yes) (N,); AUROC with its interval; PR-AUC, Brier, lift, bias
CLASSES             log-loss of probabilities (N, K) of classes 0 to K - 1; accuracy, macro-F1
ABSOLUTE, SQUARED   error of a number (N,); MAE, RMSE, bias, rank correlation
DEVIANCE            of an expected amount (N,), or first of several columns; MAE, RMSE, bias, rank correlation, Gini
pinball(levels)     of quantiles (N, Q), mean over the levels; coverage of the outer pair, error of the median
SCALED_QUANTILES    the same at 10, 50 and 90 %, in units of each series' scale: MASE, RMSSE and sMAPE of the median
RANK                1 - 1/rank, where the prediction is the rank (N,) of what came, 1 the best; HR, MRR, NDCG
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr
from sklearn import metrics as sk

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.marketing import metrics

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Measure(NamedTuple):
    """A loss per row, 0 or more, lower is better, and further numbers for the table."""

    name: str
    losses: Callable[[Array, Array], Floats]
    """Of target and prediction, one row each: the loss of each row, (N,)."""
    others: Mapping[str, Callable[[Array, Array], float]]
    headline: str
    """Which of the names, or "AUROC", `score` gives."""
    shown: tuple[str, ...] = ()
    """Those for a narrow table."""
    ranks: bool = False
    """Whether targets are 0 and 1, so that an AUROC with an interval belongs to it."""
    most: float = np.inf
    """What no loss is above."""

    def checked(self, target: Array, prediction: Array) -> tuple[Array, Array]:
        """Both as arrays; ContractError unless there is a finite prediction for each of at least one target."""
        if self.ranks:
            return metrics.checked(target, prediction)
        y, p = np.asarray(target), np.asarray(prediction, np.float64)
        if y.ndim != 1 or len(y) == 0 or len(y) != len(p) or not np.isfinite(p).all():
            came = f"{p.shape} for {y.shape}, {'all' if np.isfinite(p).all() else 'not all'} finite"
            raise ContractError("prediction", "a finite row for each target", came, "predict every row that is judged")
        return y, p

    def score(self, target: Array, prediction: Array) -> float:
        """The headline, so turned that higher is better."""
        y, p = self.checked(target, prediction)
        if self.headline == self.name:
            return -float(self.losses(y, p).mean())
        return metrics.auroc(y, p) if self.headline == "AUROC" else float(self.others[self.headline](y, p))


def class_losses(target: Array, prediction: Array) -> Floats:
    """-log of the probability (N, K) of each target class, (N,); probabilities are held 1e-12 away from 0.

    >>> class_losses(np.array([1, 0]), np.array([[0.5, 0.5], [0.8, 0.2]])).round(4)
    array([0.6931, 0.2231])
    """
    chosen = np.take_along_axis(prediction, np.asarray(target, np.int64)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(chosen, 1e-12, 1.0)), np.float64)


def pinball(levels: Sequence[float]) -> Measure:
    """The measure of quantiles at these levels, rising (Koenker and Bassett 1978).

    >>> pinball([0.1, 0.5, 0.9]).losses(np.array([10.0]), np.array([[8.0, 9.0, 12.0]])).round(4)
    array([0.3])
    """
    q = np.array([checks.number("levels", level, open_left=True, below=1.0) for level in levels])
    middle = int(np.argmin(np.abs(q - 0.5)))

    def losses(target: Array, prediction: Array) -> Floats:
        over = np.asarray(target, np.float64)[:, None] - prediction
        return np.asarray(np.maximum(q * over, (q - 1) * over).mean(axis=1), np.float64)

    def coverage(target: Array, prediction: Array) -> float:
        return float(((prediction[:, 0] <= target) & (target <= prediction[:, -1])).mean())

    def of_median(target: Array, prediction: Array) -> float:
        return float(np.abs(target - prediction[:, middle]).mean())

    inside = f"inside {q[0]:g}-{q[-1]:g}"
    return Measure("pinball", losses, {inside: coverage, "MAE": of_median}, "pinball", (inside, "MAE"))


def deviances(target: Array, prediction: Array) -> Floats:
    """Tweedie's deviance of power 3/2 of amounts y >= 0, expected m: 4 (sqrt(y) - sqrt(m))^2 / sqrt(m), (N,).

    Its mean is lowest for the true expectations (Gneiting 2011), where the mean absolute error of amounts that are
    mostly 0 is lowest for 0. m is held above a hundredth of the mean of y.

    >>> deviances(np.array([0.0, 4.0]), np.array([1.0, 4.0]))
    array([4., 0.])
    """
    y, m = np.sqrt(target), np.sqrt(np.maximum(first(prediction), np.mean(target) / 100))
    return np.asarray(4 * (y - m) ** 2 / m, np.float64)


def gini(target: Array, prediction: Array) -> float:
    """The Gini coefficient of amounts in the order of the prediction, over that in their own: 1 is a perfect ranking.

    >>> gini(np.array([0.0, 1.0, 3.0]), np.array([5.0, 6.0, 9.0])), gini(np.array([0.0, 1.0, 3.0]), np.zeros(3))
    (1.0, 0.0)
    """
    own, other = (float(np.cov(target, rankdata(order))[0, 1]) for order in (target, prediction))
    return other / own if own > 0 else 0.0


def first(prediction: Array) -> Array:
    """The expectation, where columns that are not judged stand beside it."""
    return prediction if prediction.ndim == 1 else prediction[:, 0]


def _of_first(function: Callable[[Array, Array], float]) -> Callable[[Array, Array], float]:
    return lambda target, prediction: function(target, first(prediction))


def _bias(target: Array, prediction: Array) -> float:
    return float(np.mean(prediction) - np.mean(target))


def _rmse(target: Array, prediction: Array) -> float:
    return float(np.sqrt(np.mean((target - prediction) ** 2)))


def _mae(target: Array, prediction: Array) -> float:
    return float(np.mean(np.abs(target - prediction)))


def _spearman(target: Array, prediction: Array) -> float:
    """Rank correlation; 0 where one side is constant and there is no ranking."""
    flat = np.ptp(target) == 0 or np.ptp(prediction) == 0
    return 0.0 if flat else float(spearmanr(target, prediction).statistic)


def _accuracy(target: Array, prediction: Array) -> float:
    return float(np.mean(prediction.argmax(axis=1) == target))


def _macro_f1(target: Array, prediction: Array) -> float:
    return float(sk.f1_score(target, prediction.argmax(axis=1), average="macro", zero_division=0.0))


def hit_rate(k: int) -> Callable[[Array, Array], float]:
    """The share of rows whose rank is at most k."""
    return lambda target, rank: float(np.mean(rank <= k))


def mrr(k: int) -> Callable[[Array, Array], float]:
    """The mean of 1/rank, 0 for ranks beyond k."""
    return lambda target, rank: float(np.mean(np.where(rank <= k, 1 / rank, 0.0)))


def ndcg(k: int) -> Callable[[Array, Array], float]:
    """The mean of 1/log2(1 + rank), 0 for ranks beyond k: NDCG where one thing came."""
    return lambda target, rank: float(np.mean(np.where(rank <= k, 1 / np.log2(1 + rank), 0.0)))


def smape(target: Array, prediction: Array) -> float:
    """Mean of 200 |y - p| / (|y| + |p|), p the median of quantiles (N, Q); 0 where both are 0 (Makridakis 1993)."""
    p = prediction[:, prediction.shape[1] // 2]
    size = np.abs(target) + np.abs(p)
    return float(np.mean(200 * np.abs(target - p) / np.where(size > 0, size, 1.0)))


def _scaled_rmse(target: Array, prediction: Array) -> float:
    return _rmse(target, prediction[:, prediction.shape[1] // 2])


_NUMBER = {"MAE": _mae, "RMSE": _rmse, "bias": _bias, "Spearman": _spearman}

BINARY = Measure(
    "log-loss",
    metrics.log_losses,
    {"PR-AUC": metrics.pr_auc, "Brier": metrics.brier, "lift": metrics.lift, "bias": metrics.bias},
    headline="AUROC",
    shown=("lift", "bias"),
    ranks=True,
)
CLASSES = Measure(
    "log-loss",
    class_losses,
    {"accuracy": _accuracy, "macro-F1": _macro_f1},
    headline="accuracy",
    shown=("accuracy", "macro-F1"),
)
ABSOLUTE = Measure(
    "MAE",
    lambda target, prediction: np.abs(target - prediction),
    {name: function for name, function in _NUMBER.items() if name != "MAE"},
    headline="MAE",
    shown=("RMSE", "bias", "Spearman"),
)
SQUARED = Measure(
    "MSE", lambda target, prediction: (target - prediction) ** 2, _NUMBER, headline="MSE", shown=("MAE", "bias")
)
DEVIANCE = Measure(
    "deviance",
    deviances,
    {
        **{name: _of_first(function) for name, function in _NUMBER.items()},
        "bias %": _of_first(lambda target, expected: 100 * _bias(target, expected) / float(np.mean(target))),
        "Gini": _of_first(gini),
    },
    headline="Gini",
    shown=("MAE", "bias %", "Gini"),
)
RANK = Measure(
    "1 - 1/rank",
    lambda target, rank: 1 - 1 / rank,
    {"HR@10": hit_rate(10), "HR@20": hit_rate(20), "MRR@20": mrr(20), "NDCG@10": ndcg(10)},
    headline="MRR@20",
    shown=("HR@20", "MRR@20", "NDCG@10"),
    most=1.0,
)

_QUANTILES = pinball((0.1, 0.5, 0.9))
_INSIDE, _MAE = _QUANTILES.others.items()
SCALED_QUANTILES = _QUANTILES._replace(
    others={_INSIDE[0]: _INSIDE[1], "MASE": _MAE[1], "RMSSE": _scaled_rmse, "sMAPE": smape},
    shown=(_INSIDE[0], "MASE"),
)
