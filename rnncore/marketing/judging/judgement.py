"""What a comparison found: a row for each method, with intervals, and the verdict (made by `verdict.py`); and the rows
that were judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.answers.wording import counted, in_lines
from rnncore.marketing.judging.measures import BINARY

Array = NDArray[Any]
NETWORK, CONSTANT = "rnn", "constant rate"
EARLIER = "Judged at earlier days too"
_ESTIMATES = ("loss", "gap", "gain", "auroc", "auroc_gap")


class HeldOut(NamedTuple):
    """The rows on which the verdict rests."""

    origin: np.datetime64
    """The day after which nothing was used."""
    customers: Array
    """Whose each row is: ids, (N,)."""
    target: Array
    """What came, (N,); for yes and no 1 and 0."""
    prediction: dict[str, Array]
    """What "rnn" and each simple method said, (N, ...) each."""

    def pack(self) -> dict[str, Array]:
        """Arrays for a file, 4 bytes a number: enough to draw. Customers are numbered: who they are is not kept."""
        who = np.unique(self.customers, return_inverse=True)[1].astype(np.uint32)
        said = {f"held_out.said.{k}": p.astype(np.float32) for k, p in enumerate(self.prediction.values())}
        return {"held_out.customers": who, "held_out.target": self.target.astype(np.float32), **said}

    def to_json(self) -> dict[str, Any]:
        """What the arrays are: JSON values."""
        widths = [list(p.shape[1:]) for p in self.prediction.values()]
        return {"origin": str(self.origin), "methods": list(self.prediction), "widths": widths}

    @staticmethod
    def expected(values: Mapping[str, Any], rows: int) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each array; KeyError, TypeError or ValueError for what `to_json` does not make."""
        np.datetime64(values["origin"], "D")
        said = {
            f"held_out.said.{k}": ((rows, *map(int, width)), "float32")
            for k, (_, width) in enumerate(zip(values["methods"], values["widths"], strict=True))
        }
        return {"held_out.customers": ((rows,), "uint32"), "held_out.target": ((rows,), "float32"), **said}

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array], values: Mapping[str, Any]) -> Self:
        """Undo `pack`."""
        said = {str(name): arrays[f"held_out.said.{k}"] for k, name in enumerate(values["methods"])}
        origin = np.datetime64(values["origin"], "D")
        return cls(origin, arrays["held_out.customers"], arrays["held_out.target"], said)


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


class Earlier(NamedTuple):
    """What was found at an earlier test origin, in a row."""

    origin: np.datetime64
    """The day after which nothing was used."""
    verdict: str
    loss: float
    """Of the network."""
    simple: str
    """The best of the others, that which knows nothing among them."""
    simple_loss: float
    gap: Estimate
    """The loss of that minus that of the network: above 0 the network is better."""


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
    rows: int = 0
    """How many answers were judged."""
    row: str = "customer"
    """What each of them is about."""
    earlier: tuple[Earlier, ...] = ()
    """Those of earlier test origins, the oldest first."""

    @property
    def judged_on(self) -> str:
        """How many were judged, in words, and of how many customers where those are fewer."""
        whose = "" if self.rows == self.customers else f" of {counted(self.customers, self.of)}"
        return f"{counted(self.rows, self.row)}{whose}"

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
        table = {
            "method": [r.name for r in self],
            self.loss: [shown(r.loss) for r in self],
            "rnn better by": ["" if r.name == NETWORK else shown(r.gap, signed=True) for r in self],
        }
        if self.rate is not None:
            table["AUROC"] = [shown(r.auroc) if r.auroc else "" for r in self]
        for name in self.rivals[0].measures:
            table[name] = [f"{r.measures[name]:{'+' if name == 'bias' else ''}.4f}" for r in self]
        return table

    def at(self, origin: np.datetime64) -> Earlier:
        """This judgement in a row."""
        network, simple = self[NETWORK], next(rival for rival in self if rival.name != NETWORK)
        return Earlier(origin, self.verdict, network.loss.value, simple.name, simple.loss.value, simple.gap)

    def beside(self, earlier: tuple[Earlier, ...]) -> Self:
        """This judgement with those of earlier origins, of which its reason says how many agree."""
        if not earlier:
            return self
        kind = self.verdict.partition(":")[0]  # of two simple methods that would have done the kind is the same
        alike = sum(one.verdict == self.verdict for one in earlier)
        others = sum(one.verdict.partition(":")[0] == kind for one in earlier) - alike
        words = f"{alike} of {counted(len(earlier), 'earlier window')} gave the same verdict"
        words += f"; in {others} another simple method would have done" if others else ""
        return replace(self, reason=f"{self.reason} {words}.", earlier=earlier)

    def earlier_columns(self) -> dict[str, list[str]]:
        """The earlier judgements as text, a list per column."""
        return {
            "origin": [str(one.origin) for one in self.earlier],
            "verdict": [one.verdict for one in self.earlier],
            f"{self.loss}, {NETWORK}": [f"{one.loss:.4f}" for one in self.earlier],
            "best simple method": [one.simple for one in self.earlier],
            f"its {self.loss}": [f"{one.simple_loss:.4f}" for one in self.earlier],
            f"{NETWORK} better by": [shown(one.gap, signed=True) for one in self.earlier],
        }

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal judgement."""
        rivals = [rival._asdict() | {"measures": list(rival.measures.items())} for rival in self]  # a file sorts names
        values = asdict(self) | {"rivals": rivals}
        del values["earlier"]
        earlier = [one._asdict() | {"origin": str(one.origin)} for one in self.earlier]
        return values | ({"earlier": earlier} if earlier else {})

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
            int(values["rows"]),
            str(values["row"]),
            tuple(_earlier(row) for row in values.get("earlier", ())),  # of one origin there are none
        )

    def __str__(self) -> str:
        rate = "" if self.rate is None else f", rate {self.rate:.4f}"
        head = f"{self.judged_on}{rate}, intervals of {100 * self.confidence:g} %"
        earlier = [EARLIER, *in_lines(self.earlier_columns())] if self.earlier else []
        return "\n".join([head, *in_lines(self.columns()), *earlier, f"verdict: {self.verdict}. {self.reason}"])


def shown(estimate: Estimate, signed: bool = False) -> str:
    """A number and its interval as text."""
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.4f} [{estimate.low:{sign}.4f}, {estimate.high:{sign}.4f}]"


def _rival(row: Mapping[str, Any]) -> Rival:
    """One row from JSON values."""
    numbers = [None if row[name] is None else Estimate(*map(float, row[name])) for name in _ESTIMATES]
    if None in numbers[:3]:
        raise ValueError("a rival without a loss")
    loss, gap, gain, *areas = numbers
    measures = {str(name): float(value) for name, value in dict(row["measures"]).items()}
    return Rival(str(row["name"]), loss, gap, gain, measures, *areas)  # type: ignore[arg-type]


def _earlier(row: Mapping[str, Any]) -> Earlier:
    """An earlier judgement from JSON values."""
    day, verdict, simple = np.datetime64(row["origin"], "D"), str(row["verdict"]), str(row["simple"])
    return Earlier(
        day, verdict, float(row["loss"]), simple, float(row["simple_loss"]), Estimate(*map(float, row["gap"]))
    )
