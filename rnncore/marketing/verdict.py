"""Was a recurrent network worth it? The network and the simple methods on the same customers, with intervals.

    verdict            when
    rnn                the network's loss is below that of the best simple method, the reference among them, and the
                       interval of the difference, that method's loss minus the network's, lies above 0
    baseline:<name>    otherwise, if anything beats the reference: the best simple method, of those that do, would have
                       done
    no signal          nothing beats the reference

The reference is what knows nothing of anybody: for outcomes of yes and no the constant rate. To beat it is to have a
lower loss, the interval of the difference above 0, and, for yes and no, an AUROC whose interval lies above 1/2.
Intervals are from the paired bootstrap (Efron and Tibshirani 1993, chapter 13): customers (or series) are drawn with
replacement, with all their rows, the same for all rivals; where there are few, intervals are widened, see `widening`,
but never beyond what a loss or an AUROC can be.
The best simple method is chosen on the judged customers themselves, which favours it: where the network wins, it wins
against the luckiest of them. Judge on customers and a window on which nothing was trained, stopped or chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from rnncore import checks
from rnncore.errors import ContractError, DataError
from rnncore.marketing.judging.bootstrap import bootstrap
from rnncore.marketing.judging.judgement import CONSTANT, NETWORK, Estimate, Judgement, Rival, shown
from rnncore.marketing.judging.measures import BINARY, Measure

Floats = NDArray[np.float64]

ROUNDING = 1e-6  # of a loss: a difference below it is what float32 and sums in another order leave, and counts as none
FEW = 100  # customers drawn, from which on the interval of the bootstrap is long enough


def judge(
    outcome: ArrayLike,
    network: ArrayLike,
    baselines: Mapping[str, ArrayLike],
    constant: float,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Judgement:
    """Compare the network's probabilities with those of simple methods on the same customers.

    outcome: (N,) of 0 and 1. network, and each of baselines: (N,) probabilities of outcome 1. constant: the rate known
    before the judged window, the same for everybody. The same arguments give the same judgement, bit by bit.

    ContractError for what is no probability, DataError where all outcomes are equal.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(size=2000)
    >>> outcome = rng.uniform(size=2000) < truth
    >>> judge(outcome, truth, {"half": (truth + 0.5) / 2}, 0.5).verdict
    'rnn'
    >>> judge(outcome, (truth + 0.5) / 2, {"all": truth}, 0.5).verdict
    'baseline:all'
    >>> judge(rng.permutation(outcome), truth, {"half": (truth + 0.5) / 2}, 0.5).verdict
    'no signal'
    """
    if taken := {NETWORK, CONSTANT} & set(baselines):
        raise ContractError("baselines", "names of simple methods", checks.words(sorted(taken)), "rename it")
    scores = {NETWORK: network, **baselines, CONSTANT: np.full(np.shape(outcome), float(constant))}
    return compare(outcome, scores, BINARY, resamples=resamples, confidence=confidence, seed=seed)


def compare(
    target: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    measure: Measure,
    *,
    reference: str = CONSTANT,
    groups: ArrayLike | None = None,
    of: str = "customer",
    row: str = "customer",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Judgement:
    """Compare predictions of the same rows by any measure; `judge` for a task of another kind than yes and no.

    target: (N,). predictions: by name, (N, ...) each; "rnn" is the network, `reference` the one that knows nothing.
    groups: (N,) of integers, the customer (or what `of` says) of each row; None: each its own. row: what a row
    is about.

    ContractError where predictions are missing or not finite, DataError where all rows are of one customer.

    >>> from rnncore.marketing.judging.measures import ABSOLUTE
    >>> y = np.random.default_rng(0).gamma(2.0, size=500)
    >>> compare(y, {"rnn": y + 0.1, "half": y / 2, "mean": np.full(500, 2.0)}, ABSOLUTE, reference="mean").verdict
    'rnn'
    """
    checks.size("resamples", resamples, 100)
    checks.number("confidence", confidence, 0.5, 1.0)
    for name in (NETWORK, reference):
        if name not in predictions:
            raise ContractError("predictions", f"{name!r} among them", ", ".join(predictions), "predict with it too")
    names = [NETWORK, *(name for name in predictions if name not in (NETWORK, reference)), reference]
    checked = {name: measure.checked(np.asarray(target), np.asarray(predictions[name])) for name in names}
    y = checked[NETWORK][0]
    losses = np.column_stack([np.asarray(measure.losses(y, p), np.float64) for _, p in checked.values()])
    whose = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    ranked = {"y": y, "scores": np.column_stack([p for _, p in checked.values()])} if measure.ranks else {}
    means, areas = bootstrap(losses, resamples, seed, groups=whose, **ranked)
    others = {name: {k: float(f(y, p)) for k, f in measure.others.items()} for name, (_, p) in checked.items()}
    many = len(y) if whose is None else int(whose.max()) + 1
    if many < 2:
        raise DataError(f"all that came is of one {of}: at least 2 are needed to compare methods with an interval")
    rivals = _rows(others, means, areas, confidence, widening(many, confidence), measure.most)
    verdict, reason = _decide(rivals, reference, measure.name, confidence)
    ordered = tuple(sorted(rivals.values(), key=lambda rival: rival.loss.value))
    rate = float(y.mean()) if measure.ranks else None
    return Judgement(verdict, reason, ordered, many, rate, confidence, measure.name, of, len(y), row)


def widening(many: int, confidence: float = 0.95) -> float:
    """What the bootstrap's interval is multiplied by, of so many customers: 1 from FEW on.

    With few the drawn means scatter too little, by sqrt((n - 1) / n), and as if their spread were known: a mean of six
    normal numbers lies in 83 % of the intervals of 95 %. Both are made up for, the second by Student's t with n - 1
    degrees of freedom (Hesterberg 2015, The American Statistician 69(4), section 4).

    >>> round(widening(6), 2), widening(100)
    (1.44, 1.0)
    """
    if many >= FEW:
        return 1.0
    tail = (1 + confidence) / 2
    return float(np.sqrt(many / (many - 1)) * t.ppf(tail, many - 1) / norm.ppf(tail))


def _decide(rivals: Mapping[str, Rival], reference: str, loss: str, confidence: float) -> tuple[str, str]:
    """The verdict and its reason; the table at the top of this file says the rule."""

    def versus(rival: Rival) -> str:
        value, low, high = (f"{number:+.4f}" for number in rival.gap)
        interval = f"{100 * confidence:g} % interval {low} to {high}"
        return f"{rival.name} (that of {rival.name} minus the network's: {value}, {interval})"

    network = rivals[NETWORK]
    simple = min((r for r in rivals.values() if r.name != NETWORK), key=lambda r: r.loss.value)
    if network.has_signal and simple.gap.low > 0:
        return NETWORK, f"Its {loss} is lower than that of the best simple method, {versus(simple)}."
    baselines = [r for r in rivals.values() if r.name not in (NETWORK, reference)]
    able = [r for r in baselines if r.has_signal] or (baselines if network.has_signal else [])
    if not able:
        return "no signal", f"Neither the network nor a simple method beats the {reference}."
    best = min(able, key=lambda r: r.loss.value)
    reason = f"A simple method would have done: the network's {loss} is {_compared(best.gap)} that of {versus(best)}."
    if simple.loss.value < best.loss.value:
        reason += f" That of {simple.name} is lower still, but it does not clearly beat the {reference}."
    if best.auroc_gap is not None and best.auroc_gap.low > 0:
        reason += f" The network ranks better, though: its AUROC is higher by {shown(best.auroc_gap, signed=True)}."
    return f"baseline:{best.name}", reason


def _compared(gap: Estimate) -> str:
    """How the network's loss compares with the one that is so much above it."""
    if gap.low > 0:
        return "lower than"
    if gap.value < 0:
        return "higher than" if gap.high < 0 else "higher, though not clearly, than"
    return "not clearly lower than"


def _rows(
    others: Mapping[str, Mapping[str, float]],
    losses: Floats,
    areas: Floats | None,
    confidence: float,
    wider: float,
    most: float,
) -> dict[str, Rival]:
    """A row for each method; losses and areas are (1 + resamples, K), row 0 from the customers themselves; most: of a
    loss.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def better(than: Floats, loss: Floats) -> Estimate:
        apart = than - loss
        return estimate(np.where(np.abs(apart) <= ROUNDING * np.abs(than), 0.0, apart), -most, most)

    def estimate(drawn: Floats, least: float, most: float) -> Estimate:
        low, high = np.clip(drawn[0] + wider * (np.quantile(drawn[1:], tails) - drawn[0]), least, most)
        return Estimate(float(drawn[0]), float(low), float(high))

    return {
        name: Rival(
            name,
            loss=estimate(losses[:, k], 0.0, most),
            gap=better(losses[:, k], losses[:, 0]),
            gain=better(losses[:, -1], losses[:, k]),
            measures=measures,
            auroc=None if areas is None else estimate(areas[:, k], 0.0, 1.0),
            auroc_gap=None if areas is None else estimate(areas[:, 0] - areas[:, k], -1.0, 1.0),
        )
        for k, (name, measures) in enumerate(others.items())
    }
