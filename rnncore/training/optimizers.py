"""Optimisers over ``{name: array}``: what is done with a gradient.

Written for one parameter p with gradient g; eta is the learning rate and t counts the steps from 1.

    SGD       p <- p - eta g                                                    Robbins and Monro 1951
    Momentum  u <- mu u + g;                      p <- p - eta u                Polyak 1964
    Adagrad   v <- v + g^2;                       p <- p - eta g / (sqrt(v) + eps)           Duchi et al. 2011
    RMSProp   v <- rho v + (1 - rho) g^2;         p <- p - eta g / (sqrt(v) + eps)           Tieleman and Hinton 2012
    Adam      m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
              p <- p - eta m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)        Kingma and Ba 2015
    AdamW     p <- p - eta decay p, then Adam: the decay never passes through the moments    Loshchilov and Hutter 2019
    Nadam     m, v as in Adam;  mu_t = b1 (1 - 0.96^(t psi) / 2);  M_t = mu_1 mu_2 ... mu_t               Dozat 2016
              p <- p - eta ((1 - mu_t) g / (1 - M_t) + mu_{t+1} m / (1 - M_{t+1})) / (sqrt(v / (1 - b2^t)) + eps)

What all of them can do besides, accumulation, noise, averages, is in `rnncore.training.optimizer`; learning rates that
change are in `rnncore.training.schedules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from rnncore import checks
from rnncore.training.optimizer import Optimizer
from rnncore.training.schedules import Schedule
from rnncore.typing import Array, State


@dataclass(eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent (Robbins and Monro 1951): p - eta g.

    >>> SGD(0.1).step({"w": np.array([1.0])}, {"w": np.array([5.0])})
    {'w': array([0.5])}
    """

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        return p - rate * g, ()


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

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        u = self.momentum * slots[0] + g
        return p - rate * u, (u,)


@dataclass(eq=False)
class Adagrad(Optimizer):
    """Steps divided by the root of all squared gradients so far (Duchi, Hazan and Singer 2011), for rare features.

    >>> Adagrad(0.5).step({"w": np.array([1.0])}, {"w": np.array([5.0])})  # the first step is eta * sign(g)
    {'w': array([0.5])}
    """

    learning_rate: float | Schedule = 1e-2
    epsilon: float = 1e-10
    slots: ClassVar[tuple[str, ...]] = ("v",)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("epsilon", self.epsilon, open_left=True)

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        v = slots[0] + g * g
        return p - rate * g / (np.sqrt(v) + self.epsilon), (v,)


@dataclass(eq=False)
class RMSProp(Optimizer):
    """Steps divided by the running root mean square of the gradient (Tieleman and Hinton 2012, lecture 6.5).

    `decay` is rho; `epsilon` stands outside the root, as in PyTorch.

    >>> RMSProp(0.1, decay=0.75).step({"w": np.array([1.0])}, {"w": np.array([5.0])})  # 1 - 0.1 / sqrt(0.25)
    {'w': array([0.8])}
    """

    learning_rate: float | Schedule = 1e-3
    decay: float = 0.9
    epsilon: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("v",)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("decay", self.decay, below=1.0)
        checks.number("epsilon", self.epsilon, open_left=True)

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        v = self.decay * slots[0] + (1.0 - self.decay) * g * g
        return p - rate * g / (np.sqrt(v) + self.epsilon), (v,)


@dataclass(eq=False)
class Adam(Optimizer):
    """Adaptive moments with bias correction (Kingma and Ba 2015, algorithm 1).

    >>> Adam(0.1).step({"w": np.array([1.0])}, {"w": np.array([1e-3])})["w"].round(5)  # the first step is eta * sign(g)
    array([0.9])
    """

    learning_rate: float | Schedule = 1e-3
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

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        m = self.beta1 * slots[0] + (1.0 - self.beta1) * g
        v = self.beta2 * slots[1] + (1.0 - self.beta2) * g * g
        root = np.sqrt(v / (1.0 - self.beta2**t)) + self.epsilon
        return p - rate / (1.0 - self.beta1**t) * m / root, (m, v)


@dataclass(eq=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): first p - eta `weight_decay` p, then Adam's step.

    The decay is scaled by the learning rate, and every parameter decays, as in PyTorch; decay_biases=False spares
    arrays of one axis: biases, and gains of a normalisation.

    >>> AdamW(0.1, weight_decay=0.5).step({"w": np.array([1.0])}, {"w": np.array([0.0])})
    {'w': array([0.95])}
    """

    weight_decay: float = 1e-2
    decay_biases: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("weight_decay", self.weight_decay)

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        decay = self.weight_decay if self.decay_biases or p.ndim > 1 else 0.0
        return super()._update(p - rate * decay * p, g, slots, t, rate)


@dataclass(eq=False)
class Nadam(Adam):
    """Adam that looks ahead as Nesterov's momentum does (Dozat 2016), with momentum that warms up; `psi` as in PyTorch.

    >>> Nadam(0.1).step({"w": np.array([1.0])}, {"w": np.array([1e-3])})["w"].round(4)
    array([0.8944])
    """

    learning_rate: float | Schedule = 2e-3
    psi: float = 4e-3
    _product: tuple[int, float] = field(default=(0, 1.0), init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        checks.number("psi", self.psi)

    def _mu(self, t: int) -> float:
        return float(self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.psi)))

    def _mus(self, t: int) -> float:
        """M_t, multiplied on from the last one asked for: the same bits as from the first step on."""
        done, product = self._product if self._product[0] <= t else (0, 1.0)
        for k in range(done + 1, t + 1):
            product *= self._mu(k)
        self._product = t, product
        return product

    def _update(self, p: Array, g: Array, slots: State, t: int, rate: float) -> tuple[Array, State]:
        m = self.beta1 * slots[0] + (1.0 - self.beta1) * g
        v = self.beta2 * slots[1] + (1.0 - self.beta2) * g * g
        now, ahead, product = self._mu(t), self._mu(t + 1), self._mus(t)
        root = np.sqrt(v / (1.0 - self.beta2**t)) + self.epsilon
        step = (1.0 - now) / (1.0 - product) * g + ahead / (1.0 - product * ahead) * m
        return p - rate * step / root, (m, v)
