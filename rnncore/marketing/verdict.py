"""Was a recurrent network worth it? The network and the simple methods on the same customers, with intervals.

    verdict            when
    rnn                the network's log-loss is below that of the best simple method, the constant rate among them, and
                       the interval of the difference lies above 0
    baseline:<name>    otherwise, if anything beats the constant rate: the best simple method would have done
    no signal          nothing beats the constant rate

To beat the constant rate is to have a lower log-loss, the interval of the difference above 0, and an AUROC whose
interval lies above 1/2. Intervals are from the paired bootstrap (Efron and Tibshirani 1993, chapter 13): customers are
drawn with replacement, the same for all rivals. The best simple method is chosen on the judged customers themselves,
which favours it: where the network wins, it wins against the luckiest of them. Judge on customers and a window on
which nothing was trained, stopped or chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.marketing import metrics
from rnncore.marketing.bootstrap import bootstrap
from rnncore.marketing.wording import counted

Floats = NDArray[np.float64]
NETWORK, CONSTANT = "rnn", "constant rate"


class Estimate(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float


class Rival(NamedTuple):
    """One row of the table: a method on the judged customers. `gap` and `auroc_gap` compare it with the network."""

    name: str
    log_loss: Estimate
    auroc: Estimate
    pr_auc: float
    brier: float
    lift: float
    """Lift among the tenth with the highest probabilities."""
    bias: float
    """Mean probability minus the rate that came."""
    gap: Estimate
    """Log-loss of this method minus that of the network: above 0 the network is better."""
    auroc_gap: Estimate
    """AUROC of the network minus that of this method: above 0 the network is better."""
    gain: Estimate
    """Log-loss of the constant rate minus that of this method: above 0 there is signal."""

    @property
    def has_signal(self) -> bool:
        """Whether it beats the constant rate, in log-loss and in ranking."""
        return self.gain.low > 0 and self.auroc.low > 0.5


@dataclass(frozen=True)
class Judgement:
    """A verdict, the sentence that explains it, and the table of rivals, the best log-loss first; prints as a table."""

    verdict: str
    reason: str
    rivals: tuple[Rival, ...]
    customers: int
    rate: float
    confidence: float

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
        return {
            "method": [r.name for r in self],
            "log-loss": [_text(r.log_loss) for r in self],
            "rnn better by": ["" if r.name == NETWORK else _text(r.gap, signed=True) for r in self],
            "AUROC": [_text(r.auroc) for r in self],
            "PR-AUC": [f"{r.pr_auc:.4f}" for r in self],
            "Brier": [f"{r.brier:.4f}" for r in self],
            "lift 10 %": [f"{r.lift:.2f}" for r in self],
            "bias": [f"{r.bias:+.4f}" for r in self],
        }

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
            float(values["rate"]),
            float(values["confidence"]),
        )

    def __str__(self) -> str:
        head = f"{counted(self.customers, 'customer')}, rate {self.rate:.4f}, intervals of {100 * self.confidence:g} %"
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
    checks.size("resamples", resamples, 100)
    checks.number("confidence", confidence, 0.5, 1.0)
    if {NETWORK, CONSTANT} & set(baselines):
        raise ContractError("baselines", "names of simple methods", f"{NETWORK!r} or {CONSTANT!r}", "rename it")
    scores = {NETWORK: network, **baselines, CONSTANT: np.full(np.shape(outcome), float(constant))}
    checked = {name: metrics.checked(outcome, p) for name, p in scores.items()}
    y = checked[NETWORK][0]
    probabilities = np.column_stack([p for _, p in checked.values()])
    losses, areas = bootstrap(y, probabilities, resamples, seed)
    rivals = _rows(list(scores), y, probabilities, losses, areas, confidence)
    verdict, reason = _decide(rivals)
    ordered = tuple(sorted(rivals.values(), key=lambda rival: rival.log_loss.value))
    return Judgement(verdict, reason, ordered, len(y), float(y.mean()), confidence)


def _rival(row: Mapping[str, Any]) -> Rival:
    """One row from JSON values."""
    values = [row[name] for name in Rival._fields]
    numbers = [Estimate(*map(float, v)) if isinstance(v, (list, tuple)) else float(v) for v in values[1:]]
    return Rival._make([str(values[0]), *numbers])


def _decide(rivals: Mapping[str, Rival]) -> tuple[str, str]:
    """The verdict and its reason; the table at the top of this file says the rule."""
    network = rivals[NETWORK]
    simple = min((r for r in rivals.values() if r.name != NETWORK), key=lambda r: r.log_loss.value)
    if network.has_signal and simple.gap.low > 0:
        return NETWORK, f"Its log-loss is lower than that of the best simple method, {_versus(simple)}."
    baselines = [r for r in rivals.values() if r.name not in (NETWORK, CONSTANT)]
    able = [r for r in baselines if r.has_signal] or (baselines if network.has_signal else [])
    if not able:
        return "no signal", "Neither the network nor a simple method beats the constant rate."
    best = min(able, key=lambda r: r.log_loss.value)
    compared = "higher than" if best.gap.high < 0 else "not clearly lower than"
    reason = f"A simple method would have done: the network's log-loss is {compared} that of {_versus(best)}."
    if best.auroc_gap.low > 0:
        reason += f" The network ranks better, though: AUROC {_text(best.auroc_gap, signed=True)}."
    return f"baseline:{best.name}", reason


def _versus(rival: Rival) -> str:
    return f"{rival.name} (difference {rival.gap.value:+.4f}, interval {rival.gap.low:+.4f} to {rival.gap.high:+.4f})"


def _rows(
    names: list[str], y: Floats, probabilities: Floats, losses: Floats, areas: Floats, confidence: float
) -> dict[str, Rival]:
    """A row for each method; losses and areas are (1 + resamples, K), row 0 from the customers themselves."""
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def estimate(drawn: Floats) -> Estimate:
        low, high = np.quantile(drawn[1:], tails)
        return Estimate(float(drawn[0]), float(low), float(high))

    rows = {}
    for k, name in enumerate(names):
        s = metrics.summary(y, probabilities[:, k])
        rows[name] = Rival(
            name,
            estimate(losses[:, k]),
            estimate(areas[:, k]),
            pr_auc=s["pr_auc"],
            brier=s["brier"],
            lift=s["lift"],
            bias=s["bias"],
            gap=estimate(losses[:, k] - losses[:, 0]),
            auroc_gap=estimate(areas[:, 0] - areas[:, k]),
            gain=estimate(losses[:, -1] - losses[:, k]),
        )
    return rows


def _text(estimate: Estimate, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.4f} [{estimate.low:{sign}.4f}, {estimate.high:{sign}.4f}]"
