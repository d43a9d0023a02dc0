"""Sentiment: how somebody feels, from what they wrote; any kinds of outcome, "negative", "neutral", "positive" or 0, 1.

    history       text.py: the tokens of one text, and its end
    head, loss    embedding, GRU in both directions, attention over the tokens, a logit per kind; cross-entropy
    decoding      probabilities at the temperature of texts of the latest window that the network has not read
    must beat     TF-IDF and logistic regression, naive Bayes, and the shares of the kinds

Each event with a text and an outcome is an example. In time order: the network learns from the texts until the origin,
and those after it judge. A customer here is whom or what the texts are about: a product, an airline, or who writes;
without one each text stands by itself. Without times chance decides which texts judge: `without_times.py`. Reasons are
tokens: `explain` says what each adds to the probability of what was predicted. When the mood turns: `shift.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import rnncore as rc
from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.marketing.events import EventLog
from rnncore.marketing.judging import measures
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning import calibration, labels
from rnncore.marketing.learning.examples import FEW, Examples
from rnncore.marketing.task import Code, Told
from rnncore.marketing.task_parts import Rival
from rnncore.marketing.texts import text
from rnncore.marketing.texts.text_answers import TextAnswers
from rnncore.marketing.texts.without_times import WithoutTimes

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Sentiment(TextAnswers, WithoutTimes):
    """Probability of each kind of sentiment, from a text and nothing else; arguments beside those of `Task`:

    words: so many tokens are known. least: those in fewer texts are not told apart. dropout: of the embedding and of
    what attention has gathered, while it learns. latest: so many of a text's last tokens are read.

    `predict` answers for every text: time, where there are times, label (the most probable kind), and a probability for
    each. A log of text and outcome alone will do.

    >>> import polars as pl
    >>> said = ["what a good day", "bad service", "good , good", "so bad"] * 30
    >>> kind = ["glad", "cross", "glad", "cross"] * 30
    >>> day = pl.Series(np.datetime64("2024-01-01") + np.arange(120) // 2)
    >>> frame = pl.DataFrame({"shop": [n % 7 for n in range(120)], "day": day, "said": said, "kind": kind})
    >>> log = EventLog(frame, customer="shop", time="day", text="said", outcome="kind")
    >>> task = Sentiment(horizon=10, units=4, epochs=2, backend="numpy", seeds=1).fit(log)
    >>> task.predict(log).columns
    ['shop', 'time', 'label', 'probability_cross', 'probability_glad']
    """

    horizon: int = 30
    _: KW_ONLY
    words: int = 5_000
    least: int = 2
    dropout: float = 0.5
    learning_rate: float = 3e-3
    latest: int = 100

    name = "sentiment"
    example = (
        "rnncore fit sentiment tweets.csv --customer airline --time created --text text --outcome sentiment --horizon 1"
    )
    question = "How do they feel in the {horizon} after {origin}?"
    row = "text"
    judged_row = "text"
    needs = ("text",)
    taught = ("outcome",)
    uses = ("text",)
    measure = measures.CLASSES
    calibration = calibration.TEMPERATURE
    loss = staticmethod(rc.losses.softmax_cross_entropy)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.size("words", self.words)
        checks.size("least", self.least)
        checks.number("dropout", self.dropout, below=1)
        return super().check()

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The texts until the day `end` whose kind is known. A tenth is watched, and the latest of these stop and
        calibrate: of texts that it has read the network is too sure. Where all are of one horizon, or without times,
        all of the tenth do.
        """
        past = log.until(end)
        kinds = code["labels"] if code else labels.labels(past)
        y = labels.coded(past, kinds)
        rows = np.flatnonzero(y >= 0)
        text.require_two(y[rows], kinds)
        texts = _texts(past, rows)
        code = code or {"labels": kinds, "words": text.vocabulary(texts, self.words, self.least)}
        told = self._examples(past, rows, texts, code)
        newest, watched = self._apart(past, rows)
        held = next((own for own in (newest & watched, watched) if own.sum() >= FEW), newest)
        return code, told._replace(target=y[rows], newest=held, watched=watched)

    def judged(self, log: EventLog, origin: np.datetime64, code: Code) -> Examples:
        """The texts after `origin` whose kind is known."""
        y = labels.coded(log, code["labels"])
        rows = np.flatnonzero((y >= 0) & (log.day > origin))
        if not len(rows):
            which = f"no text after {origin}" if log.dated else "none of the texts set aside"
            raise DataError(f"{which} has a known outcome: nothing to judge")
        return self._examples(log, rows, _texts(log, rows), code)._replace(target=y[rows])

    def asked(self, log: EventLog, at: np.datetime64, code: Code) -> Examples:
        """Every text until `at`."""
        past = log.until(at)
        rows = np.arange(len(past))
        asked = self._examples(past, rows, _texts(past, rows), code)
        return asked._replace(group=log.population(at)[asked.group])

    def network(self, code: Code) -> Layer:
        """Embedding, GRU in both directions, attention, a logit per kind; dropout in between."""
        U = self.units
        return rc.Stack(
            rc.Embedding(len(code["words"]) + 2, U),
            rc.Dropout(self.dropout),
            rc.Bidirectional(rc.GRU(U, U, backend=self.backend)),
            rc.Attention(2 * U, U),
            rc.Dropout(self.dropout),
            rc.Dense(2 * U, len(code["labels"])),
        )

    def answer(self, prediction: Array, asked: Examples) -> Mapping[str, Array]:
        """When each text is, if there are times, what it says most probably, and the probability of each kind."""
        time, _, kinds = asked.facts
        found = {} if time is None else {"time": time}
        found["label"] = np.array(kinds, object)[prediction.argmax(axis=1)]
        return found | {f"probability_{kind}": prediction[:, k] for k, kind in enumerate(kinds)}

    def rivals(self, told: Examples, asked: Examples) -> Mapping[str, Rival]:
        """Probabilities by the simple methods."""
        (time, before, kinds), (_, now, _) = told.facts, asked.facts
        newest = told.watched if time is None else self._latest(time)
        assert newest is not None
        found = text.simple_methods(before, told.target, newest, now, len(kinds))
        counts = np.bincount(told.target if time is None else told.target[newest], minlength=len(kinds))
        shares = (counts + 1) / (counts.sum() + len(kinds))
        return {**found, CONSTANT: np.tile(shares, (len(now), 1))}

    def _examples(self, log: EventLog, rows: Array, texts: list[list[str]], code: Code) -> Examples:
        """The texts of these events, with their times, tokens and the names of the kinds."""
        facts = (log.time[rows] if log.dated else None, texts, code["labels"])
        return Examples(text.encode(texts, code["words"], self.latest), group=log.codes[rows], facts=facts)


def _texts(log: EventLog, rows: Array) -> list[list[str]]:
    return [text.tokens(words) for words in log.words()[rows]]
