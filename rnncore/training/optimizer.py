"""What every optimiser does: check, accumulate, add noise, update parameter by parameter, average, save and load.

Written for one parameter p with gradient g, at the steps t = 1, 2, ...

    accumulate    g is the mean of the gradients of so many calls; between them p stays where it is
    noise         g <- g + normal(0, s^2),  s^2 = noise / t^0.55                             Neelakantan et al. 2015
    update        p <- what the rule makes of it, with the learning rate of this step: `rnncore.training.optimizers`
    average       a <- d a + (1 - d) p  with a decay d (EMA; Polyak and Juditsky 1992), or the equal mean of every
                  `average_every`-th p (SWA; Izmailov et al. 2018); both begin after `average_from` steps

An optimiser holds its hyper-parameters, the number of calls and its slots, one array per parameter and slot.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.training.clipping import real_array
from rnncore.training.schedules import Record, Schedule, check_rate, plain, rate_at
from rnncore.typing import Array, Grads, Params, State

STEPS = "steps"
SUM, AVERAGE = "sum", "average"


def _matching(params: Params, grads: Params) -> None:
    """Raise unless all are arrays of reals, every parameter has a gradient of its shape, and there is no other."""
    checks.named("params", params, "make it with layer.init(seed)")
    checks.named("grads", grads, "pass what backward returned")
    for name in sorted(set(params) ^ set(grads)):
        have, lack = ("parameter", "gradient") if name in params else ("gradient", "parameter")
        raise ContractError(
            "grads", f"a {lack} {name!r}", f"only a {have} of that name", "pass one gradient for each parameter"
        )
    for name, p in params.items():
        real_array(f"params[{name!r}]", p)
        real_array(f"grads[{name!r}]", grads[name], p.shape, "as its parameter")


@dataclass(eq=False)
class Optimizer(ABC):
    """What every optimiser shares; a rule of one's own is a subclass that names its `slots` and writes `_update`.

    learning_rate: a number or a `Schedule`. The others are given by name. accumulate: calls per step; the mean gradient
    of batches of equal weight is that of the one large batch, and what is left over at the end of a run moves nothing.
    noise: eta of the paper, 0.01 to 1, and its seed. average: None, a decay between 0 and 1, or "equal"; `fit` then
    validates and returns `averaged(params)`.
    """

    learning_rate: float | Schedule
    accumulate: int = field(default=1, kw_only=True)
    noise: float = field(default=0.0, kw_only=True)
    noise_seed: int = field(default=0, kw_only=True)
    average: float | str | None = field(default=None, kw_only=True)
    average_from: int = field(default=0, kw_only=True)
    average_every: int = field(default=1, kw_only=True)
    slots: ClassVar[tuple[str, ...]] = ()
    steps: int = field(default=0, init=False)
    _state: dict[str, State] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        check_rate("learning_rate", self.learning_rate)
        self.accumulate = checks.size("accumulate", self.accumulate)
        checks.number("noise", self.noise)
        checks.size("noise_seed", self.noise_seed, least=0)
        if isinstance(self.average, str):
            checks.one_of("average", self.average, ("equal",))
        elif self.average is not None:
            checks.number("average", self.average, below=1.0, open_left=True)
        checks.size("average_from", self.average_from, least=0)
        checks.size("average_every", self.average_every)

    @property
    def memory(self) -> tuple[str, ...]:
        """The names of all arrays kept per parameter: the slots of the rule, a sum of gradients, an average."""
        return self.slots + (SUM,) * (self.accumulate > 1) + (AVERAGE,) * (self.average is not None)

    @abstractmethod
    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        """One parameter's step t = 1, 2, ...: the new parameter and its new slots, all freshly allocated."""

    def step(self, params: Params, grads: Params, history: Sequence[Record] = ()) -> Grads:
        """One call with a gradient: a step against it, or with `accumulate` every so many calls.

        `params` and `grads` have the same names and shapes; history: the records of the epochs before, for a schedule
        that looks at them. The result has new arrays in the parameters' dtypes; no argument is changed. NaN in a
        gradient gives NaN in the parameter. ContractError where the two do not match, or where the slots belong to
        other parameters; then nothing has been changed.

        >>> from rnncore.training import SGD
        >>> SGD(0.5).step({"w": np.array([1.0, 2.0])}, {"w": np.array([2.0, -2.0])})
        {'w': array([0., 3.])}
        """
        self._check(params, grads)
        t, rest = divmod(self.steps + 1, self.accumulate)
        rate = rate_at(self.learning_rate, t - 1, history) if rest == 0 else 0.0
        rng = np.random.default_rng([self.noise_seed, t]) if self.noise else None
        new, state = {}, {}
        for name in sorted(params):
            p, g = params[name], np.asarray(grads[name], dtype=params[name].dtype)
            former = self._state.get(name) or tuple(np.zeros_like(p) for _ in self.memory)
            slots = dict(zip(self.memory, former, strict=True))
            moved = self._one(p, g, slots, t, rest, rate, rng)
            new[name] = np.asarray(moved, dtype=p.dtype, order="C")
            state[name] = tuple(np.asarray(slots[slot], dtype=p.dtype) for slot in self.memory)
        self.steps += 1
        if self.memory:
            self._state = {name: state[name] for name in params}
        return {name: new[name] for name in params}

    def _one(
        self,
        p: Array,
        g: Array,
        slots: dict[str, Array],
        t: int,
        rest: int,
        rate: float,
        rng: np.random.Generator | None,
    ) -> Array:
        """One parameter's call, `rest` calls behind step t: its new value; `slots` get their new arrays."""
        if self.accumulate > 1:
            g = slots[SUM] + g
            slots[SUM] = g if rest else np.zeros_like(p)
        if rest:
            moved = p.copy()
        else:
            g = g / self.accumulate if self.accumulate > 1 else g
            if rng is not None:
                g = g + math.sqrt(self.noise / t**0.55) * rng.standard_normal(np.shape(p))
            moved, rule = self._update(p, g, tuple(slots[slot] for slot in self.slots), t, rate)
            slots |= dict(zip(self.slots, rule, strict=True))
        if self.average is not None:
            slots[AVERAGE] = self._average(slots[AVERAGE], moved, t, rest)
        return moved

    def _check(self, params: Params, grads: Params) -> None:
        _matching(params, grads)
        known = {name: arrays[0].shape for name, arrays in self._state.items()}
        if self._state and known != {name: np.shape(p) for name, p in params.items()}:
            raise ContractError(
                "params",
                f"the parameters of the steps before: {sorted(self._state)}",
                f"{sorted(params)}, or other shapes",
                "use a new optimiser for another model",
            )

    def _average(self, before: Array, p: Array, t: int, rest: int) -> Array:
        """The average after step t, of the p after every `average_every`-th step behind `average_from`."""
        n, skip = divmod(t - self.average_from - 1, self.average_every)  # n: how many p are in it before
        if n < 0 or (n == 0 and skip == 0 and rest == 0):
            return p.copy()
        if skip or rest:
            return before
        if isinstance(self.average, str):
            return before + (p - before) / (n + 1)
        assert self.average is not None
        return self.average * before + (1 - self.average) * p

    def averaged(self, params: Params) -> Grads:
        """Return the parameters to predict with: their average where there is one, else `params`; copies.

        >>> from rnncore.training import SGD
        >>> optimizer, w = SGD(1.0, average="equal"), {"w": np.array([4.0])}
        >>> for _ in range(2):
        ...     w = optimizer.step(w, {"w": np.array([1.0])})
        >>> w, optimizer.averaged(w)
        ({'w': array([2.])}, {'w': array([2.5])})
        """
        if self.average is None or not self._state:
            return {name: np.array(p, order="C") for name, p in params.items()}
        return {name: self._state[name][-1].copy() for name in params}

    def describe(self) -> dict[str, Any]:
        """The rule's name and hyper-parameters, ready for JSON; those given by name only where they are not the usual.

        >>> from rnncore.training import Momentum
        >>> Momentum(0.1, accumulate=4).describe()
        {'optimizer': 'Momentum', 'learning_rate': 0.1, 'momentum': 0.9, 'accumulate': 4}
        """
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.init and not f.kw_only}
        shown |= {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.init and f.kw_only and getattr(self, f.name) != f.default
        }
        return {"optimizer": type(self).__name__} | {
            name: value.describe() if isinstance(value, Schedule) else plain(value) for name, value in shown.items()
        }

    def state(self) -> Grads:
        """Copies of everything that changes from step to step: ``"steps"`` and ``"<slot>.<parameter>"``."""
        flat = {
            f"{slot}.{name}": a.copy()
            for name, arrays in self._state.items()
            for slot, a in zip(self.memory, arrays, strict=True)
        }
        return {STEPS: np.array(self.steps, dtype=np.int64)} | flat

    def load_state(self, arrays: Params) -> None:
        """Take over what `state` gave, so that the next step is bitwise the step that would have followed.

        ContractError where names are missing or unknown for this rule; then nothing has been changed.
        """
        names = sorted({key.partition(".")[2] for key in arrays if key != STEPS})
        wanted = {STEPS} | {f"{slot}.{name}" for slot in self.memory for name in names}
        if set(arrays) != wanted:
            wrong = sorted(set(arrays) ^ wanted)
            raise ContractError(
                "arrays",
                f"the slots {self.memory} of every parameter",
                f"wrong or missing: {wrong}",
                "pass what state() gave",
            )
        self._state = {name: tuple(np.array(arrays[f"{slot}.{name}"]) for slot in self.memory) for name in names}
        self.steps = int(arrays[STEPS])
