"""Was a recurrent network worth it? The network and the simple methods on the same customers, with intervals.

    verdict            when
    rnn                the network's loss is below that of the best simple method, the reference among them, and the
                       interval of the difference lies above 0
    baseline:<name>    otherwise, if anything beats the reference: the best simple method would have done
    no signal          nothing beats the reference

The reference is what knows nothing of anybody: for outcomes of yes and no the constant rate. To beat it is to have a
lower loss, the interval of the difference above 0, and, for yes and no, an AUROC whose interval lies above 1/2.
Intervals are from the paired bootstrap (Efron and Tibshirani 1993, chapter 13): customers (or series) are drawn with
replacement, with all their rows, the same for all rivals. The best simple method is chosen on the judged customers
themselves, which favours it: where the network wins, it wins against the luckiest of them. Judge on customers and a
window on which nothing was trained, stopped or chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.marketing.bootstrap import bootstrap
from rnncore.marketing.measures import BINARY, Measure
from rnncore.marketing.wording import counted

Floats = NDArray[np.float64]
NETWORK, CONSTANT = "rnn", "constant rate"
_ESTIMATES = ("loss", "gap", "gain", "auroc", "auroc_gap")


class Estimate(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float


class Rival(NamedTuple):
    """One row of the table: a method on the judged customers. `gap` and `auroc_gap` compare it with the network."""

    name: str
    loss: Estimate
    """Mean of the loss that the table is ordered by; `Judgement.loss` names it."""
    gap: Estimate
    """Loss of this method minus that of the network: above 0 the network is better."""
    gain: Estimate
    """Loss of the reference minus that of this method: above 0 there is signal."""
    measures: Mapping[str, float]
    """The other columns; a log-loss has "PR-AUC", "Brier", "lift" (of the tenth ranked highest) and "bias"."""
    auroc: Estimate | None = None
    """Where outcomes are yes and no."""
    auroc_gap: Estimate | None = None
    """AUROC of the network minus that of this method: above 0 the network is better."""

    @property
    def has_signal(self) -> bool:
        """Whether it beats the reference, in its loss and, where there is one, in ranking."""
        return self.gain.low > 0 and (self.auroc is None or self.auroc.low > 0.5)


@dataclass(frozen=True)
class Judgement:
    """A verdict, the sentence that explains it, and the table of rivals, the lowest loss first; prints as a table."""

    verdict: str
    reason: str
    rivals: tuple[Rival, ...]
    customers: int
    rate: float | None
    """The rate that came, where outcomes are yes and no."""
    confidence: float
    loss: str = BINARY.name
    """What the loss is called."""
    of: str = "customer"
    """What was drawn again for the intervals."""

    def __iter__(self) -> Iterator[Rival]:
        return iter(self.rivals)

    def __getitem__(self, name: str) -> Rival:
        """The row of the method `name`; KeyError names those there are."""
        for rival in self.rivals:
            if rival.name == name:
                return rival
        raise KeyError(f"{name!r} is not in the table; there are {', '.join(rival.name for rival in self.rivals)}")

    def columns(self) -> dict[str, list[str]]:
        """The table as text, a list per column: for printing, whatever the printer."""
        shown = {
            "method": [r.name for r in self],
            self.loss: [_text(r.loss) for r in self],
            "rnn better by": ["" if r.name == NETWORK else _text(r.gap, signed=True) for r in self],
        }
        if self.rate is not None:
            shown["AUROC"] = [_text(r.auroc) if r.auroc else "" for r in self]
        for name in self.rivals[0].measures:
            shown[name] = [f"{r.measures[name]:{'+' if name == 'bias' else ''}.4f}" for r in self]
        return shown

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal judgement."""
        return asdict(self) | {"rivals": [rival._asdict() for rival in self]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo `to_json`; KeyError, TypeError or ValueError for anything else."""
        return cls(
            str(values["verdict"]),
            str(values["reason"]),
            tuple(_rival(row) for row in values["rivals"]),
            int(values["customers"]),
            None if values["rate"] is None else float(values["rate"]),
            float(values["confidence"]),
            str(values["loss"]),
            str(values["of"]),
        )

    def __str__(self) -> str:
        rate = "" if self.rate is None else f", rate {self.rate:.4f}"
        head = f"{counted(self.customers, self.of)}{rate}, intervals of {100 * self.confidence:g} %"
        padded = []
        for name, cells in self.columns().items():
            width = max(map(len, (name, *cells)))
            padded.append([cell.ljust(width) for cell in (name, *cells)])
        lines = ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
        return "\n".join([head, *lines, f"verdict: {self.verdict}. {self.reason}"])


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
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Judgement:
    """Compare predictions of the same rows by any measure; `judge` for a task of another kind than yes and no.

    target: (N,). predictions: by name, (N, ...) each; "rnn" is the network, `reference` the one that knows nothing.
    groups: (N,) of integers, the customer (or what `of` says) of each row; None: each its own.

    ContractError where predictions are missing or not finite.

    >>> from rnncore.marketing.measures import ABSOLUTE
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
    rivals = _rows(others, means, areas, confidence)
    verdict, reason = _decide(rivals, reference, measure.name)
    ordered = tuple(sorted(rivals.values(), key=lambda rival: rival.loss.value))
    many = len(y) if whose is None else int(whose.max()) + 1
    rate = float(y.mean()) if measure.ranks else None
    return Judgement(verdict, reason, ordered, many, rate, confidence, measure.name, of)


def _rival(row: Mapping[str, Any]) -> Rival:
    """One row from JSON values."""
    numbers = [None if row[name] is None else Estimate(*map(float, row[name])) for name in _ESTIMATES]
    if None in numbers[:3]:
        raise ValueError("a rival without a loss")
    loss, gap, gain, *areas = numbers
    measures = {str(name): float(value) for name, value in row["measures"].items()}
    return Rival(str(row["name"]), loss, gap, gain, measures, *areas)  # type: ignore[arg-type]


def _decide(rivals: Mapping[str, Rival], reference: str, loss: str) -> tuple[str, str]:
    """The verdict and its reason; the table at the top of this file says the rule."""
    network = rivals[NETWORK]
    simple = min((r for r in rivals.values() if r.name != NETWORK), key=lambda r: r.loss.value)
    if network.has_signal and simple.gap.low > 0:
        return NETWORK, f"Its {loss} is lower than that of the best simple method, {_versus(simple)}."
    baselines = [r for r in rivals.values() if r.name not in (NETWORK, reference)]
    able = [r for r in baselines if r.has_signal] or (baselines if network.has_signal else [])
    if not able:
        return "no signal", f"Neither the network nor a simple method beats the {reference}."
    best = min(able, key=lambda r: r.loss.value)
    compared = "higher than" if best.gap.high < 0 else "not clearly lower than"
    reason = f"A simple method would have done: the network's {loss} is {compared} that of {_versus(best)}."
    if best.auroc_gap is not None and best.auroc_gap.low > 0:
        reason += f" The network ranks better, though: AUROC {_text(best.auroc_gap, signed=True)}."
    return f"baseline:{best.name}", reason


def _versus(rival: Rival) -> str:
    return f"{rival.name} (difference {rival.gap.value:+.4f}, interval {rival.gap.low:+.4f} to {rival.gap.high:+.4f})"


def _rows(
    others: Mapping[str, Mapping[str, float]], losses: Floats, areas: Floats | None, confidence: float
) -> dict[str, Rival]:
    """A row for each method; losses and areas are (1 + resamples, K), row 0 from the customers themselves."""
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def estimate(drawn: Floats) -> Estimate:
        low, high = np.quantile(drawn[1:], tails)
        return Estimate(float(drawn[0]), float(low), float(high))

    return {
        name: Rival(
            name,
            loss=estimate(losses[:, k]),
            gap=estimate(losses[:, k] - losses[:, 0]),
            gain=estimate(losses[:, -1] - losses[:, k]),
            measures=measures,
            auroc=None if areas is None else estimate(areas[:, k]),
            auroc_gap=None if areas is None else estimate(areas[:, 0] - areas[:, k]),
        )
        for k, (name, measures) in enumerate(others.items())
    }


def _text(estimate: Estimate, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.4f} [{estimate.low:{sign}.4f}, {estimate.high:{sign}.4f}]"
