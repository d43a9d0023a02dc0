"""Windows over a series: so many steps in, the next ones as the target."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.sequences.minibatches import Batch
from rnncore.typing import Array


def windows(series: Array, inputs: int, horizon: int = 1, *, stride: int = 1) -> tuple[Array, Array]:
    """Return x (inputs, n, D) and the steps that follow, (horizon, n, D): views of the series, which copy nothing.

    series (L,) or (L, D), the oldest step first. Window k begins at step k * stride; all n windows that fit are there,
    n = (L - inputs - horizon) // stride + 1. The views cannot be written to. ContractError where none fits.

    >>> x, y = windows(np.arange(6.0), inputs=3, horizon=2)
    >>> x[..., 0].T, y[..., 0].T
    (array([[0., 1., 2.],
           [1., 2., 3.]]), array([[3., 4.],
           [4., 5.]]))
    """
    s = np.asarray(series)
    s = s[:, None] if s.ndim == 1 else s
    inputs, horizon = checks.size("inputs", inputs), checks.size("horizon", horizon)
    stride = checks.size("stride", stride)
    if s.ndim != 2 or len(s) < inputs + horizon:
        expected = f"shape (L,) or (L, D) with at least {inputs + horizon} steps"
        raise ContractError("series", expected, f"shape {checks.show(s.shape)}", "inputs and horizon must fit in")
    n = (len(s) - inputs - horizon) // stride + 1

    def view(first: int, length: int) -> Array:
        cut: Array = sliding_window_view(s[first:], length, axis=0)[::stride][:n]
        return cut.transpose(2, 0, 1)

    return view(0, inputs), view(inputs, horizon)


class Windows:
    """Minibatches of the windows over a series, shuffled by (seed, epoch); only a batch of them exists at a time.

    series (L,) or (L, D); target: the columns to forecast, all where it is None. A batch has x (inputs, n, D) and the
    target (n, horizon * M) in the layout of `rnncore.losses`: the M columns of the first step, then of the second.
    shuffle=False keeps the order of time. ContractError where no window fits.

    >>> batches = Windows(np.arange(9.0), inputs=3, horizon=2, batch_size=4, shuffle=False)
    >>> len(batches), batches.batch(epoch=0, step=0).x.shape, batches.batch(epoch=0, step=0).target.tolist()
    (2, (3, 4, 1), [[3.0, 4.0], [4.0, 5.0], [5.0, 6.0], [6.0, 7.0]])
    """

    per = "history"  # a target belongs to a window, not to each of its steps

    def __init__(
        self,
        series: Array,
        inputs: int,
        horizon: int = 1,
        *,
        target: list[int] | None = None,
        stride: int = 1,
        batch_size: int = 32,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self.x, y = windows(series, inputs, horizon, stride=stride)
        D = self.x.shape[2]
        columns = list(range(D)) if target is None else list(target)
        if not columns or any(isinstance(c, bool) or not 0 <= c < D for c in columns):
            raise ContractError("target", f"columns from 0 to {D - 1}", repr(target), "say which ones to forecast")
        self.target = y[:, :, columns] if columns != list(range(D)) else y
        self.batch_size, self.seed = checks.size("batch_size", batch_size), checks.size("seed", seed, least=0)
        self.shuffle = bool(shuffle)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-int(self.x.shape[1]) // self.batch_size)

    def batch(self, epoch: int, step: int) -> Batch:
        """Return the minibatch of this epoch and step, both counted from 0; new arrays."""
        if not 0 <= step < len(self):
            raise ContractError("step", f"0 to {len(self) - 1}", str(step), "len() is the number of steps per epoch")
        n = self.x.shape[1]
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch], spawn_key=(0,)))
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        rows = order[step * self.batch_size :][: self.batch_size].astype(np.int64)
        target = np.ascontiguousarray(self.target[:, rows].swapaxes(0, 1)).reshape(len(rows), -1)
        return Batch(np.ascontiguousarray(self.x[:, rows]), None, target, None, rows)

    def fingerprint(self) -> str:
        """Return a digest of the data and the settings."""
        shapes = (self.x.shape, self.target.shape, self.batch_size, self.seed, self.shuffle)
        digest = hashlib.sha256(repr((*shapes, self.x.dtype.str)).encode())
        for t in (*self.x, *self.target):
            digest.update(np.ascontiguousarray(t).data)
        return digest.hexdigest()
