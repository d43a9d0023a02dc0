"""What a task says of itself, and how to write one.

A task is a class of its own file, `class Churn(Task)`, entered in the table of `tasks.py`. It says:

    name, example     the word on the command line, and a command that works
    question, came    what the table asks, with {horizon} and {origin}; for yes and no, what the rate says of people
    row, judged_row   what a row of `predict` is, and one that is judged
    unit              what the number is that `explain` takes apart
    blanked           what the history is like from which explanations begin (`blank`)
    needs             the roles of columns without which it cannot work, for example ("item",)
    taught            further roles that it needs to learn and to be judged, and not to predict
    uses              the roles of columns that it reads where they are there
    fewest            so many customers a log must have
    undated           whether a table of customers without times will do
    judged_over       so many horizons after an origin are needed to judge there
    printed           how the headings of those tables of `further` begin that the command line prints
    measure           what it is judged by (measures.py); `reference` names the rival that knows nothing
    calibration       how outputs become what is judged (calibration.py)
    loss              a pair of `rnncore.losses`

    prepare(log)                the log as the task reads it, for example one event per day
    told(log, end, code)        code, Examples: all that is known on the day `end`, with what came of it. Code is what
                                was measured on it (scales, levels of categories): JSON values; one that is given is
                                used instead. Nothing after `end` is read
    judged(log, origin, code)   Examples asked at `origin`, with what came of them after it
    asked(log, at, code)        Examples asked at the day `at`: what `predict` answers. Nothing after `at` is read
    network(code)               the layer whose outputs are (N, K), or (T, N, K) with an answer per step
    decode(outputs, asked)      from calibrated outputs to the prediction that is judged, row by row
    answer(prediction, asked)   columns for `predict`
    rivals(told, asked)         predictions of the rows asked, by the name of each simple method, the reference among
                                them; of what takes long a function that predicts, so that progress can name it

`features.py` encodes columns of any kind, gaps and new levels included; a task with an encoding of its own need not
use it. No derivative, no loop over time, no import of `layers` or `kernels`. Events of one time have no order of
their own: do not learn from it. The rest is in `task.py` and `answers/fitted.py`. Arguments are fields of a dataclass;
a task with some of its own, or with other defaults, is one too, and adds to `check`.

What it says beside its answers, the second half of `Parts`, and what it answers beside `predict` is a base class in a
room where it is long, as `journeys/journey_answers.py` is. Arguments may be changed after a fit: what answers then asks
`_ready` for the task as it was fitted.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.judging.judgement import CONSTANT, HeldOut
from rnncore.marketing.learning import calibration, features
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned, learn
from rnncore.marketing.splits import require_horizon, time_split

Array = NDArray[Any]
Code = dict[str, Any]
Told = tuple[Code, Examples]
Rival = Array | Callable[[], Array]


@dataclass(eq=False, repr=False)
class Arguments:
    """What every task can be given; `task.Task` says what each is."""

    horizon: int = 90
    _: KW_ONLY
    units: int = 32
    epochs: int = 10
    patience: int = 2
    batch_size: int | None = None
    learning_rate: float = 2e-3
    latest: int = 50
    seed: int = 0
    seeds: int = 3
    backend: str = "numba"


class Parts(Arguments, BaseEstimator):  # type: ignore[misc]
    """What a task says, with what holds for most of them; `task.Task` does the rest."""

    name: ClassVar[str]
    example: ClassVar[str]
    question: str = "What comes in the {horizon} after {origin}?"
    came: str = "had the outcome"
    row: ClassVar[str] = "customer"
    judged_row: ClassVar[str] = "customer"
    unit: ClassVar[str] = "probability"
    blanked: ClassVar[str] = "as long but of average events"
    needs: ClassVar[tuple[str, ...]] = ()
    taught: tuple[str, ...] = ()
    uses: ClassVar[tuple[str, ...]] = ("value", "items")
    measure: measures.Measure = measures.BINARY
    calibration: ClassVar[calibration.Calibration] = calibration.PLATT
    reference: str = CONSTANT
    fewest: ClassVar[int] = 2
    undated: ClassVar[bool] = False
    judged_over: ClassVar[int] = 1
    printed: ClassVar[tuple[str, ...]] = ()
    loss: Callable[..., Any] = staticmethod(rc.losses.binary_cross_entropy)

    # what a task file says

    def prepare(self, log: EventLog) -> EventLog:
        """The log as the task reads it."""
        return log

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """What was measured, and the examples that are complete on the day `end`."""
        raise NotImplementedError

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """What is asked at `origin`, with what came after it."""
        raise NotImplementedError

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """What is asked at `at`."""
        raise NotImplementedError

    def network(self, code: Code) -> Layer:
        """The network that reads the examples."""
        raise NotImplementedError

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """From calibrated outputs to the prediction that is judged; here they are the same."""
        return outputs

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """The columns of `predict`, beside the customer."""
        raise NotImplementedError

    def parts(self, asked: Examples) -> Iterator[Examples]:
        """What is asked, as many rows at a time as `answer` can take: here all of them."""
        yield asked

    def whose(self, asked: Examples) -> Array:
        """Whose each row of `answer` is: positions among the customers of the log."""
        return asked.group

    def drawn(self, asked: Examples, group: Array, counts: Array) -> tuple[Array | None, str]:
        """What is drawn anew together for intervals, of each row judged (None: each its own), and what that is called.

        group: of each row that counts. Here all rows of a customer.
        """
        return (None if len(np.unique(group)) == len(group) else group), "customer"

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """What the simple methods predict of the rows asked, learned from those told."""
        raise NotImplementedError

    def learned(
        self, code: Code, told: Examples, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None
    ) -> Learned:
        """Trained networks with everything needed to use them: here by the task's loss."""
        return learn(self, code, told, progress=progress, checkpoint=checkpoint)

    def origin(self, log: EventLog) -> np.datetime64:
        """The test origin: here `horizon` days before the log ends, with room for training before it."""
        return time_split(log, self.horizon).test

    def check(self) -> Self:
        """The task itself; ContractError for arguments that cannot be used."""
        if lost := [field.name for field in fields(self) if field.name not in self.arguments()]:
            came = f"an __init__ without {', '.join(lost)}, which a copy would lose"
            advice = "write none: @dataclass(eq=False, repr=False) makes one of the fields of the class"
            raise ContractError("self", "every argument by its name", came, advice)
        require_horizon(self.horizon)
        for name in ("units", "epochs", "patience", "latest", "seeds"):
            checks.size(name, getattr(self, name))
        if self.batch_size is not None:
            checks.size("batch_size", self.batch_size)
        checks.size("seed", self.seed, least=0)
        checks.number("learning_rate", self.learning_rate, open_left=True)
        checks.one_of("backend", self.backend, ("numba", "numpy"))
        return self

    @classmethod
    def arguments(cls) -> dict[str, inspect.Parameter]:
        """The arguments of the class, by name."""
        return {name: p for name, p in inspect.signature(cls.__init__).parameters.items() if name != "self"}

    # what a task may say beside its answers: of the verdict, its explanations, and in the report

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """Sentences that follow the reason of the verdict, empty ones left out; here none."""
        return []

    def blank(self, values: Array, code: Code) -> Array:
        """The steps (L, D) of a history of which nothing is known: here all 0, the average where inputs are centred."""
        return np.zeros_like(values)

    def inputs(self, code: Code) -> list[str]:
        """What each of the D numbers of a step is called."""
        return features.names(code) if {"numbers", "levels"} <= set(code) else []

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """What each step of a customer is called on the day `at`, and which of their events it is; here the latest."""
        first = max(0, len(own) - number)
        events: list[tuple[str, int | None]] = [(features.called(own, k), k) for k in range(first, len(own))]
        return events + [("now", None)] * (number - len(events))

    def removals(self, own: EventLog, at: np.datetime64, code: Code, asked: Examples) -> Iterator[tuple[int, Examples]]:
        """The place of each step that can be taken away, and the question without it: here each event of the log."""
        for place, (_, event) in enumerate(self.steps(own, at, code, len(asked.histories.values) - self.steps_ahead)):
            if event is not None and len(rest := own.without(event)):
                yield place, self.asked(rest, at, code)

    def further(self, log: EventLog) -> dict[str, Mapping[str, list[str]]]:
        """What the report says beside the answers: a heading, and a table as columns of text; here nothing."""
        return {}

    def drawn_further(self, log: EventLog) -> dict[str, bytes]:
        """A PNG below the table of that heading in `further`; here nothing."""
        return {}

    def judged_when(self, origin: np.datetime64) -> str:
        """Of which days those are that judge, in words."""
        return f"the {counted(self.horizon, 'day')} after {origin}"

    def require_answers(self, log: EventLog) -> None:
        """DataError where `predict` could not answer for this log once it is learned from; here it always can."""

    def about(self, said: Array, asked: Examples) -> Examples:
        """The question with what its explanation is about as `target`, from its calibrated outputs; here as it is."""
        return asked

    def named(self, asked: Examples, code: Code) -> str:
        """What the number that is explained is called, asked as `about` has it; here `unit`."""
        return self.unit

    @property
    def steps_ahead(self) -> int:
        """How many steps behind a history that is asked about are of times to come, copies of its latest; here none."""
        return 0

    @property
    def whole(self) -> tuple[str, str]:
        """Where that is of the next step alone, the column of `predict` that removals are of, and its name."""
        return "", ""

    def explained(self, said: Array, asked: Examples) -> Array:
        """The number that is explained, (M,), from calibrated outputs of one question; here the first of each row.

        said: M rows; with `steps_ahead` in place of each those of the latest step and of the ones ahead.
        """
        return said if said.ndim == 1 else said[:, 0]
