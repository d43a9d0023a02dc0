"""One network for the question "an event within so many days?": its examples, training, calibration, probabilities.

The examples are all customers at each origin of `encoding.ladder`, as far as the log goes back. The network learns from
nine customers in ten and stops by the loss of the tenth; all windows of a customer are on one side. Calibration is a
logistic regression on the logit (Platt 1999), fitted on the latest complete window of each length. Nothing after the
day `end` is read.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.days import span
from rnncore.marketing.encoding import COLUMNS, Scale, Summary, apply_scale, encode, fit_scale, join, ladder, summarise
from rnncore.marketing.events import EventLog
from rnncore.marketing.splits import cut, require_horizon
from rnncore.sequences import Histories, Minibatches
from rnncore.typing import Grads, Params

Floats = NDArray[np.float64]
CLIP = 1.0  # largest global norm of a gradient
FEW = 20  # with fewer customers none is held out, and the network trains for all epochs
CHUNK = 4096  # histories in one forward pass


class Recipe(NamedTuple):
    """How the network is built and trained; see the arguments of `churn.Churn`."""

    horizon: int
    units: int
    epochs: int
    patience: int
    batch_size: int | None
    learning_rate: float
    latest: int
    seed: int
    backend: str

    def checked(self) -> Recipe:
        """The same recipe; ContractError for numbers and words that cannot be used."""
        require_horizon(self.horizon)
        for name in ("units", "epochs", "patience", "latest"):
            checks.size(name, getattr(self, name))
        if self.batch_size is not None:
            checks.size("batch_size", self.batch_size)
        checks.size("seed", self.seed, least=0)
        checks.number("learning_rate", self.learning_rate, open_left=True)
        checks.one_of("backend", self.backend, ("numba", "numpy"))
        return self

    def network(self) -> Layer:
        """A GRU over the steps of a history, its last output, one logit."""
        gru = rc.GRU(len(COLUMNS), self.units, backend=self.backend)
        return rc.Stack(gru, rc.Last(), rc.Dense(self.units, 1))

    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Name, shape and dtype of everything that `Learned.pack` gives."""
        shapes = {f"params.{name}": (shape, "float32") for name, shape in self.network().parameter_shapes().items()}
        wide = ((len(COLUMNS),), "float64")
        return shapes | {"scale.mean": wide, "scale.deviation": wide, "calibration": ((2,), "float64")}


class Examples(NamedTuple):
    """Customers at origins with complete windows, one window after another; arrays (N,)."""

    histories: Histories
    summary: Summary
    length: Floats
    """Days in the window."""
    returned: Floats
    """1 where there was an event in the window, else 0."""
    person: NDArray[np.int64]
    """Which customer, a position among all those known on the day `end`."""
    newest: NDArray[np.bool_]
    """Whether the window ends on the day `end`."""


class Learned(NamedTuple):
    """A trained network with everything needed to use it."""

    params: Grads
    scale: Scale
    calibration: Floats
    """Slope and intercept (2,) on the logit."""
    history: list[dict[str, float]]

    def pack(self) -> Grads:
        """All arrays under plain names, for a file."""
        arrays = {f"params.{name}": array for name, array in self.params.items()}
        return arrays | {f"scale.{k}": v for k, v in self.scale._asdict().items()} | {"calibration": self.calibration}

    @classmethod
    def unpack(cls, arrays: Params, history: list[dict[str, float]]) -> Learned:
        """Undo `pack`."""
        prefix = "params."
        params = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        return cls(params, Scale(arrays["scale.mean"], arrays["scale.deviation"]), arrays["calibration"], history)


def examples(log: EventLog, end: np.datetime64, horizon: int, latest: int) -> Examples:
    """The examples that are complete on the day `end`, of a log with one event per customer and day."""
    known = log.population(end)
    parts = []
    for origin, length in ladder(end, horizon):
        if len(log.population(origin)) == 0:
            continue
        window = cut(log, origin, length)
        n = len(window.index)
        parts.append(
            Examples(
                encode(window.history, origin, length, horizon, latest),
                summarise(window.history, origin),
                np.full(n, float(length)),
                (window.count > 0).astype(np.float64),
                np.searchsorted(known, window.index),
                np.full(n, origin + span(length) == end),
            )
        )
    histories, summaries, *columns = zip(*parts, strict=True)
    summary = Summary(*(np.concatenate(column) for column in zip(*summaries, strict=True)))
    return Examples(join(list(histories)), summary, *(np.concatenate(column) for column in columns))


def learn(
    recipe: Recipe, told: Examples, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None
) -> Learned:
    """Train and calibrate; the same recipe and examples give the same network, bit by bit.

    DataError where all outcomes are equal.
    """
    require_both_outcomes(told.returned, "any training window")
    scale = fit_scale(told.histories.values)
    histories = apply_scale(told.histories, scale)
    held = _held_out(told.person, recipe.seed)
    size = recipe.batch_size or int(np.clip(len(held) // 200, 16, 512))

    def batches(rows: NDArray[np.bool_], batch_size: int) -> Minibatches:
        target = told.returned[rows, None].astype(np.float32)
        return Minibatches(_select(histories, rows), target, batch_size=batch_size, seed=recipe.seed)

    watched = bool(held.any())
    model = recipe.network()
    params, history = rc.fit(
        model,
        model.init(recipe.seed),
        batches(~held, size),
        rc.losses.binary_cross_entropy,
        rc.Adam(recipe.learning_rate),
        epochs=recipe.epochs,
        clip=CLIP,
        validation=batches(held, CHUNK) if watched else None,
        patience=recipe.patience if watched else None,
        seed=recipe.seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    newest = _select(histories, told.newest)
    calibration = _calibrate(_logits(model, params, newest), told.returned[told.newest])
    return Learned(params, scale, calibration, history)


def probabilities(recipe: Recipe, learned: Learned, log: EventLog, origin: np.datetime64) -> Floats:
    """P(an event within the horizon after `origin`) of each customer of a log that ends there, (N,)."""
    steps = encode(log, origin, recipe.horizon, recipe.horizon, recipe.latest)
    logits = _logits(recipe.network(), learned.params, apply_scale(steps, learned.scale))
    slope, intercept = learned.calibration
    return np.asarray(expit(slope * logits + intercept), np.float64)


def require_both_outcomes(returned: Floats, where: str) -> None:
    """DataError where nobody, or everybody, came back."""
    if len(returned) == 0 or np.ptp(returned) == 0:
        who = "everybody" if len(returned) and returned[0] else "nobody"
        raise DataError(f"{who} has an event in {where}: there is nothing to tell apart; try another horizon")


def _logits(model: Layer, params: Params, histories: Histories) -> Floats:
    """Logits (N,), computed for histories of similar length together."""
    order = np.argsort(-histories.lengths, kind="stable")
    logits = np.empty(len(order))
    for rows in np.array_split(order, max(1, -(-len(order) // CHUNK))):
        y, _, _ = model.forward(params, histories.padded(rows), lengths=histories.lengths[rows])
        logits[rows] = y[:, 0]
    return logits


def _calibrate(logits: Floats, returned: Floats) -> Floats:
    """Slope and intercept (2,); the logits stay as they are where these would turn the ranking round or are unknown."""
    if np.ptp(returned) == 0 or np.ptp(logits) == 0:
        return np.array([1.0, 0.0])
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(logits[:, None], returned)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return np.array([slope, intercept]) if slope > 0 else np.array([1.0, 0.0])


def _held_out(person: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Whether each example's customer is in the tenth that is not trained on, (N,)."""
    customers = int(person.max()) + 1
    tenth = np.random.default_rng(seed).permutation(customers)[: customers // 10 if customers >= FEW else 0]
    return np.isin(person, tenth)


def _select(histories: Histories, rows: NDArray[np.bool_]) -> Histories:
    """The histories with True in `rows`."""
    steps = np.repeat(rows, histories.lengths)
    return Histories(histories.values[steps], np.concatenate([[0], np.cumsum(histories.lengths[rows])]))
