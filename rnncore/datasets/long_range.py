"""Made-up tasks whose answer lies many steps back: yardsticks of memory, with the score of who remembers nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.sequences import Batch
from rnncore.typing import Array

Task = tuple[Array, Array]


def adding(T: int, N: int, seed: int | np.random.Generator, *, dtype: str = "float32") -> Task:
    """The adding problem (Hochreiter and Schmidhuber 1997, exp. 4): the sum of the two marked numbers among T.

    Returns x (T, N, 2) and target (N, 1). Feature 0 is uniform in [0, 1); feature 1 is 1 at two steps, one in the first
    half of the steps and one in the second, and 0 elsewhere (Le et al. 2015, sec. 4.1). The target is the sum of the
    numbers at those two. **Trivial baseline**: always saying 1 has a mean squared error of 1/6 = 0.1667, the variance
    of the sum of two uniform numbers; a model remembers something when it is below. ContractError where T < 2 or N < 1.

    >>> x, target = adding(50, 10_000, seed=0)
    >>> x.shape, target.shape, round(float(((target - 1) ** 2).mean()), 2)
    ((50, 10000, 2), (10000, 1), 0.17)
    """
    T, N = checks.size("T", T, least=2), checks.size("N", N)
    checks.one_of("dtype", dtype, checks.DTYPES)
    rng = np.random.default_rng(seed)
    x = np.zeros((T, N, 2), dtype)
    x[..., 0] = rng.random((T, N))
    first, second, rows = rng.integers(0, T // 2, N), rng.integers(T // 2, T, N), np.arange(N)
    x[first, rows, 1] = x[second, rows, 1] = 1
    return x, (x[first, rows, 0] + x[second, rows, 0])[:, None]


def copy(T: int, N: int, seed: int | np.random.Generator, *, symbols: int = 8, length: int = 10) -> Task:
    """The copy task (Hochreiter and Schmidhuber 1997; as in Arjovsky et al. 2016, sec. 5.1): repeat what came long ago.

    Returns ids x (T, N) and target (T, N), whole numbers below symbols + 2. The first `length` steps of x are symbols
    0 to symbols - 1, then come blanks (the id `symbols`), and at step T - length - 1 the sign to begin (symbols + 1).
    The target is blank, but for its last `length` steps, which are the first of x: each symbol is asked for
    T - length steps after it was seen. **Trivial baseline**: blank where blank is due and any symbol with equal
    probability elsewhere has a mean cross-entropy of length ln(symbols) / T (0.2079 for T = 100 and the defaults), and
    gets 1 in `symbols` of the symbols right. ContractError where T < 2 length + 1, or a size is below 1.

    >>> x, target = copy(7, 1, seed=0, symbols=8, length=2)
    >>> x[:, 0], target[:, 0]
    (array([6, 5, 8, 8, 9, 8, 8]), array([8, 8, 8, 8, 8, 6, 5]))
    """
    length, symbols = checks.size("length", length), checks.size("symbols", symbols)
    T, N = checks.size("T", T, least=2 * length + 1), checks.size("N", N)
    said = np.random.default_rng(seed).integers(0, symbols, (length, N))
    x, target = (np.full((T, N), symbols) for _ in range(2))
    x[:length] = target[T - length :] = said
    x[T - length - 1] = symbols + 1
    return x, target


def echo(T: int, N: int, seed: int | np.random.Generator, *, lag: int, dtype: str = "float32") -> Task:
    """One bit, asked for `lag` steps later and at no other distance: a yardstick for truncated BPTT.

    Returns x (T, N, 2) and target (T, N, 1). Feature 0 is 1 or -1 at one random step and 0 elsewhere; feature 1 is 1
    where it is asked for, `lag` steps later. The target is that 1 or -1 there, and 0 at all other steps. **Trivial
    baseline**: always saying 0 has a mean squared error of 1/T. ContractError where lag < 1, T <= lag or N < 1.

    >>> x, target = echo(T=5, N=1, seed=0, lag=3)
    >>> x[:, 0, 0], target[:, 0, 0]
    (array([0., 1., 0., 0., 0.], dtype=float32), array([0., 0., 0., 0., 1.], dtype=float32))
    """
    lag, N = checks.size("lag", lag), checks.size("N", N)
    T = checks.size("T", T, least=lag + 1)
    checks.one_of("dtype", dtype, checks.DTYPES)
    rng, rows = np.random.default_rng(seed), np.arange(N)
    said, when = rng.choice([-1, 1], N), rng.integers(0, T - lag, N)
    x, target = np.zeros((T, N, 2), dtype), np.zeros((T, N, 1), dtype)
    x[when, rows, 0] = target[when + lag, rows, 0] = said
    x[when + lag, rows, 1] = 1
    return x, target


class Fresh:
    """Minibatches of a made-up task for `fit`, drawn anew from (seed, epoch, step): no example comes twice.

    task: `adding`, `copy`, `echo` or any (T, N, seed, **words) -> (x, target). steps: in what is called an epoch.

    >>> batches = Fresh(adding, T=50, N=20, seed=0, steps=100)
    >>> len(batches), batches.batch(epoch=3, step=7).x.shape
    (100, (50, 20, 2))
    """

    def __init__(
        self, task: Callable[..., Task], T: int, N: int, seed: int = 0, *, steps: int = 50, **words: Any
    ) -> None:
        self.task, self.words = task, words
        self.T, self.N, self.steps = checks.size("T", T), checks.size("N", N), checks.size("steps", steps)
        self.seed = checks.size("seed", seed, least=0)

    def __len__(self) -> int:
        """Steps per epoch."""
        return self.steps

    def batch(self, epoch: int, step: int) -> Batch:
        """The minibatch of this epoch and step: the same on every call, in new arrays."""
        rng = np.random.default_rng([self.seed, epoch, step])
        x, target = self.task(self.T, self.N, rng, **self.words)
        return Batch(x, None, target)

    def fingerprint(self) -> str:
        """What ties a checkpoint to these data."""
        return repr((self.task.__name__, self.T, self.N, self.seed, self.steps, self.words))
