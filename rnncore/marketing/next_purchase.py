"""NextPurchase: which item comes next, ranked among all items; also next best action and content recommendation.

    history       the ids of the customer's latest items, strictly before the one that is asked about
    head, loss    embedding, GRU, its last output, scores by the same embedding; softmax cross-entropy over all items,
                  or over some drawn by popularity
    decoding      probabilities at the temperature of the latest window; where it is known what came, its rank
    must beat     popularity, Markov-1, window-Markov (pairs at most five steps apart), item-kNN (cosine)

Items are numbered by popularity, the most frequent first, those of one frequency by name. Of equal scores the smaller
number ranks first: ties are in the order of popularity, for the network and its rivals alike. Items seen fewer than
`least` times are OTHER = 0: read, but never asked about. Events of one time have no order of their own, so none of
them is in the history of another, unless the log was read with a column `order`. What is judged is at most 5,000
events, drawn by the seed; fewer where there are more than 4,000 items.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError, DataError
from rnncore.marketing.answers.wording import counted
from rnncore.marketing.customers.item_answers import ItemAnswers, most_judged
from rnncore.marketing.customers.items import items_of, rank, simple_scores
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.learning import calibration
from rnncore.marketing.learning.examples import Examples, drawn
from rnncore.marketing.learning.networks import Learned, learn
from rnncore.marketing.log.days import span
from rnncore.marketing.task import Code, Told

Array = NDArray[Any]
TAUGHT = 100_000  # events, at most
FULL = 10_000  # items up to which the loss is over all of them, unless `candidates` says otherwise


@dataclass(eq=False, repr=False)
class NextPurchase(ItemAnswers):
    """The items that come next, ranked, with probabilities; arguments beside those of `Task`:

    k: so many items are in the answer. least: items that occur more rarely are not told apart. session: days without
    an event after which a history begins anew; None: never. exclude: "none", or "seen" to leave out what the customer
    had before. available: the items that can come; None: all. candidates: so many items, drawn by popularity, stand in
    the loss against the right one, corrected for how often they are drawn (`losses.drawn_softmax`); 0: all items; None:
    all up to 10,000, and 1,000 of more. `predict` gives item_1 to item_k and probability_1 to
    probability_k, or to as many as there are items; where fewer can come, the item is empty and its probability 0.

    >>> import polars as pl
    >>> rows = [(n, f"2024-01-{d + 1:02d}", f"i{(n + d) % 4}") for n in range(40) for d in range(20)]
    >>> frame = pl.DataFrame(rows, schema=["who", "when", "what"], orient="row")
    >>> log = EventLog(frame, customer="who", time="when", item="what")
    >>> task = NextPurchase(horizon=5, k=1, units=8, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['who', 'item_1', 'probability_1']
    """

    horizon: int = 30
    _: KW_ONLY
    k: int = 10
    least: int = 5
    session: float | None = None
    exclude: str = "none"
    available: Sequence[str] | None = None
    candidates: int | None = None
    learning_rate: float = 5e-3
    latest: int = 20

    name = "next-purchase"
    example = "rnncore fit next-purchase shop.csv --customer client_id --time bought_at --item product --horizon 30"
    question = "Which item comes next, in the {horizon} after {origin}?"
    judged_row = "next item"
    needs = ("item",)
    uses = ("item", "order")
    measure = measures.RANK
    calibration = calibration.TEMPERATURE
    reference = "popularity"
    loss = staticmethod(rc.losses.softmax_cross_entropy)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.size("k", self.k)
        checks.size("least", self.least)
        if self.candidates is not None:
            checks.size("candidates", self.candidates, least=0)
        checks.one_of("exclude", self.exclude, ("none", "seen"))
        if self.session is not None:
            checks.number("session", self.session, open_left=True)
        if self.available is not None and (isinstance(self.available, str) or not len(self.available)):
            raise ContractError("available", "a list of items, or None", repr(self.available), "name those on offer")
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """The events whose item is known."""
        known = log.category("item").codes >= 0
        if not known.any():
            raise DataError("no event of the log has an item")
        return log.where(known)

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The events until `end`, at most 100,000, and those of the last `horizon` days apart, at most 5,000."""
        log = log.until(end)
        item = log.category("item")
        code = code or {"items": item.common(len(item.levels), self.least)}
        if len(code["items"]) < 2:
            raise DataError(f"fewer than 2 items occur {self.least} times until {end}: there is nothing to rank")
        past = items_of(log, code["items"], self.session)
        new = log.day[past.askable] > end - span(self.horizon)
        if not new.any() or new.all():
            raise DataError(
                f"the {counted(self.horizon, 'day')} until {end}, and the time before, need an item after another"
            )
        old, late = drawn(past.askable[~new], TAUGHT, self.seed), drawn(past.askable[new], most_judged(code), self.seed)
        rows = np.concatenate([old, late])
        read, newest = past.before(rows, past.high[rows], self.latest), np.arange(len(rows)) >= len(old)
        return code, Examples(read, past.who[rows], past.ids[rows], newest=newest, facts=past)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """The events of the `horizon` days after `origin` whose item can be ranked, at most 5,000."""
        last = origin + span(self.horizon)
        log, index = log.until(last), log.population(last)
        found = items_of(log, code["items"], self.session)
        rows = found.askable
        rows = drawn(rows[log.day[rows] > origin], most_judged(code), self.seed)
        choice = self._choice(found, rows, found.high[rows], code)
        can = ~choice.barred[np.arange(len(rows)), found.ids[rows]]
        if not can.any():
            raise DataError(f"after {origin} no item that can be ranked comes after another one: nothing to judge")
        rows = rows[can]
        read = found.before(rows, found.high[rows], self.latest)
        return Examples(read, index[found.who[rows]], found.ids[rows], facts=choice.some(can))

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Everybody known at `at`: what comes after their last event."""
        log, index = log.until(at), log.population(at)
        found = items_of(log, code["items"], self.session)
        last, end = log.offsets[1:] - 1, log.offsets[1:]
        return Examples(found.before(last, end, self.latest), index, facts=self._choice(found, last, end, code))

    def network(self, code: Code) -> Layer:
        """A GRU between an embedding of the items and their scores, after the last item."""
        gru = rc.GRU(self.units, self.units, backend=self.backend)
        return rc.Tied(rc.Stack(gru, rc.Last()), len(code["items"]) + 1)

    def learned(
        self, code: Code, told: Examples, *, progress: bool = False, checkpoint: str | os.PathLike[str] | None = None
    ) -> Learned:
        """By the loss over all items, or over those drawn."""
        V, many = len(code["items"]) + 1, self.candidates
        many = (0 if V <= FULL else 1000) if many is None else many
        drawn_softmax = partial(rc.losses.drawn_softmax, popularity=told.facts.popularity(V), candidates=many)
        loss = drawn_softmax if many else self.loss
        return learn(self, code, told, loss=loss, progress=progress, checkpoint=checkpoint)

    def decode(self, outputs: Array, asked: Examples) -> Array:
        """Ranks of what came (N,); where that is not known, probabilities (N, V) of the items that can come."""
        if asked.target is not None:
            return rank(outputs, asked.facts.barred, asked.target)
        possible = np.where(asked.facts.barred, 0.0, outputs)
        return np.asarray(possible / np.maximum(possible.sum(axis=1, keepdims=True), 1e-300))

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """The k best items and their probabilities."""
        names, barred = np.array(["", *asked.facts.names], object), asked.facts.barred
        order = np.argsort(-np.where(barred, -1.0, prediction), axis=1, kind="stable")[:, : min(self.k, len(names) - 1)]
        sure = np.take_along_axis(prediction, order, axis=1)
        item = np.where(np.take_along_axis(barred, order, axis=1), "", names[order])
        found = {f"item_{k + 1}": item[:, k] for k in range(order.shape[1])}
        return found | {f"probability_{k + 1}": sure[:, k] for k in range(order.shape[1])}

    def rivals(self, told: Examples, asked: Examples) -> dict[str, Array]:
        """Ranks by the simple methods."""
        barred = asked.facts.barred
        scores = simple_scores(told.facts, asked.histories, barred.shape[1])
        return {name: rank(own, barred, asked.target) for name, own in scores.items()}
