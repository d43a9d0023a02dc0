"""Optimisers over ``{name: array}``: what is done with a gradient.

Written for one parameter p with gradient g; eta is the learning rate and t counts the steps from 1.

    SGD       p <- p - eta g                                                    Robbins and Monro 1951
    Momentum  u <- mu u + g;                      p <- p - eta u                Polyak 1964
    RMSProp   v <- rho v + (1 - rho) g^2;         p <- p - eta g / (sqrt(v) + eps)           Tieleman and Hinton 2012
    Adam      m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
              p <- p - eta m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)        Kingma and Ba 2015
    AdamW     p <- p - eta decay p, then Adam: the decay never passes through the moments    Loshchilov and Hutter 2019

An optimiser holds its hyper-parameters, the number of steps done and its slots (u, v, m), one array per parameter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.typing import Array, Grads, Params, State

STEPS = "steps"


def _matching(params: Params, grads: Params) -> None:
    """Raise unless every parameter has a gradient of its shape and there is no other gradient."""
    for name in sorted(set(params) ^ set(grads)):
        have, lack = ("parameter", "gradient") if name in params else ("gradient", "parameter")
        raise ContractError(
            "grads", f"a {lack} {name!r}", f"only a {have} of that name", "pass one gradient for each parameter"
        )
    for name, p in params.items():
        if np.shape(p) != np.shape(grads[name]):
            raise ContractError(
                f"grads[{name!r}]", f"shape {np.shape(p)}", f"shape {np.shape(grads[name])}", "as its parameter"
            )


@dataclass(eq=False)
class Optimizer(ABC):
    """What every optimiser does: check, update parameter by parameter, keep slots that can be saved and loaded.

    A rule of one's own is a subclass that names its `slots` and writes `_update`.
    """

    learning_rate: float
    slots: ClassVar[tuple[str, ...]] = ()
    steps: int = field(default=0, init=False)
    _state: dict[str, State] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        checks.number("learning_rate", self.learning_rate, open_left=True)

    @abstractmethod
    def _update(self, p: Array, g: Array, slots: State, t: int) -> tuple[Array, State]:
        """One parameter's step t = 1, 2, ...: the new parameter and its new slots, all freshly allocated."""

    def step(self, params: Params, grads: Params) -> Grads:
        """One step against the gradient.

        `params` and `grads` have the same names and shapes. The result has new arrays in the parameters' dtypes;
        neither argument is changed. NaN in a gradient gives NaN in the parameter. ContractError where the two do not
        match, or where the slots belong to other parameters; then nothing has been changed.

        >>> optimizer = SGD(0.5)
        >>> optimizer.step({"w": np.array([1.0, 2.0])}, {"w": np.array([2.0, -2.0])})
        {'w': array([0., 3.])}
        """
        _matching(params, grads)
        if self._state and {n: a[0].shape for n, a in self._state.items()} != {
            n: np.shape(p) for n, p in params.items()
        }:
            raise ContractError(
                "params",
                f"the parameters of the steps before: {sorted(self._state)}",
                f"{sorted(params)}, or other shapes",
                "use a new optimiser for another model",
            )
        new, state = {}, {}
        for name, p in params.items():
            g = np.asarray(grads[name], dtype=p.dtype)
            zeros = tuple(np.zeros_like(p) for _ in self.slots)
            moved, slots = self._update(p, g, self._state.get(name, zeros), self.steps + 1)
            new[name] = np.asarray(moved, dtype=p.dtype, order="C")
            state[name] = tuple(np.asarray(slot, dtype=p.dtype) for slot in slots)
        self.steps += 1
        if self.slots:
            self._state = state
        return new

    def describe(self) -> dict[str, Any]:
        """The rule's name and hyper-parameters, ready for JSON.

        >>> Momentum(0.1).describe()
        {'optimizer': 'Momentum', 'learning_rate': 0.1, 'momentum': 0.9}
        """
        return {"optimizer": type(self).__name__} | {
            f.name: float(getattr(self, f.name)) for f in fields(self) if f.init
        }

    def state(self) -> Grads:
        """Copies of everything that changes from step to step: ``"steps"`` and ``"<slot>.<parameter>"``."""
        flat = {
            f"{slot}.{name}": a.copy()
            for name, arrays in self._state.items()
            for slot, a in zip(self.slots, arrays, strict=True)
        }
        return {STEPS: np.array(self.steps, dtype=np.int64)} | flat

    def load_state(self, arrays: Params) -> None:
        """Take over what `state` gave, so that the next step is bitwise the step that would have followed.

        ContractError where names are missing or unknown for this rule; then nothing has been changed.
        """
        names = sorted({key.partition(".")[2] for key in arrays if key != STEPS})
        wanted = {STEPS} | {f"{slot}.{name}" for slot in self.slots for name in names}
        if set(arrays) != wanted:
            wrong = sorted(set(arrays) ^ wanted)
            raise ContractError(
                "arrays",
                f"the slots {self.slots} of every parameter",
                f"wrong or missing: {wrong}",
                "pass what state() gave",
            )
        self._state = {name: tuple(np.array(arrays[f"{slot}.{name}"]) for slot in self.slots) for name in names}
        self.steps = int(arrays[STEPS])


@dataclass(eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent (Robbins and Monro 1951): p - eta g.

    >>> SGD(0.1).step({"w": np.array([1.0])}, {"w": np.array([5.0])})
    {'w': array([0.5])}
    """

    def _update(self, p: Array, g: Array, slots: State, t: int) -> tuple[Array, State]:
        return p - self.learning_rate * g, ()


@dataclass(eq=False)
class Momentum(Optimizer):
    """Gradient descent with a heavy ball (Polyak 1964): the steps are eta u, u <- mu u + g.

    >>> ball, w = Momentum(0.5), {"w": np.array([4.0])}
    >>> w = ball.step(w, {"w": np.array([2.0])})
    >>> ball.step(w, {"w": np.array([2.0])})  # the second step is 0.5 (0.9 * 2 + 2)
    {'w': array([1.1])}
    """

    momentum: float = 0.9
    slots: ClassVar[tuple[str, ...]] = ("u",)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("momentum", self.momentum, below=1.0)

    def _update(self, p: Array, g: Array, slots: State, t: int) -> tuple[Array, State]:
        u = self.momentum * slots[0] + g
        return p - self.learning_rate * u, (u,)


@dataclass(eq=False)
class RMSProp(Optimizer):
    """Steps divided by the running root mean square of the gradient (Tieleman and Hinton 2012, lecture 6.5).

    `decay` is rho; `epsilon` stands outside the root, as in PyTorch.

    >>> RMSProp(0.1, decay=0.75).step({"w": np.array([1.0])}, {"w": np.array([5.0])})  # 1 - 0.1 / sqrt(0.25)
    {'w': array([0.8])}
    """

    learning_rate: float = 1e-3
    decay: float = 0.9
    epsilon: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("v",)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("decay", self.decay, below=1.0)
        checks.number("epsilon", self.epsilon, open_left=True)

    def _update(self, p: Array, g: Array, slots: State, t: int) -> tuple[Array, State]:
        v = self.decay * slots[0] + (1.0 - self.decay) * g * g
        return p - self.learning_rate * g / (np.sqrt(v) + self.epsilon), (v,)


@dataclass(eq=False)
class Adam(Optimizer):
    """Adaptive moments with bias correction (Kingma and Ba 2015, algorithm 1).

    >>> Adam(0.1).step({"w": np.array([1.0])}, {"w": np.array([1e-3])})["w"].round(5)  # the first step is eta * sign(g)
    array([0.9])
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("beta1", self.beta1, below=1.0)
        checks.number("beta2", self.beta2, below=1.0)
        checks.number("epsilon", self.epsilon, open_left=True)

    def _update(self, p: Array, g: Array, slots: State, t: int) -> tuple[Array, State]:
        m = self.beta1 * slots[0] + (1.0 - self.beta1) * g
        v = self.beta2 * slots[1] + (1.0 - self.beta2) * g * g
        root = np.sqrt(v / (1.0 - self.beta2**t)) + self.epsilon
        return p - self.learning_rate / (1.0 - self.beta1**t) * m / root, (m, v)


@dataclass(eq=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): first p - eta `weight_decay` p, then Adam's step.

    Every parameter decays, biases too, and the decay is scaled by the learning rate, as in PyTorch.

    >>> AdamW(0.1, weight_decay=0.5).step({"w": np.array([1.0])}, {"w": np.array([0.0])})
    {'w': array([0.95])}
    """

    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("weight_decay", self.weight_decay)

    def _update(self, p: Array, g: Array, slots: State, t: int) -> tuple[Array, State]:
        return super()._update(p - self.learning_rate * self.weight_decay * p, g, slots, t)
