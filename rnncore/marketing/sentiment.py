"""Sentiment: how somebody feels, from what they wrote; any kinds of outcome, "negative", "neutral", "positive" or 0, 1.

    history       text.py: the tokens of one text, and its end
    head, loss    embedding, GRU in both directions, attention over the tokens, a logit per kind; cross-entropy
    decoding      probabilities at the temperature of texts of the latest window that the network has not read
    must beat     TF-IDF and logistic regression, naive Bayes, and the shares of the kinds

Each event with a text and an outcome is an example. In time order: the network learns from the texts until the origin,
and those after it judge. A customer here is whom or what the texts are about: a product, an airline, or who writes;
without one each text stands by itself. Without times one text in five judges, drawn by chance, equal texts together,
and a tenth of the others stops and calibrates: such a verdict says nothing of drift.
Reasons are tokens: `explain` says what each adds to the probability of what was predicted. When the mood turns:
`shift.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from rnncore.marketing.judging.judgement import CONSTANT, Judgement
from rnncore.marketing.learning import calibration, labels
from rnncore.marketing.learning.examples import FEW, Examples, Learned, tenth
from rnncore.marketing.learning.threads import one_thread
from rnncore.marketing.log.days import span
from rnncore.marketing.splits import ASIDE, set_aside
from rnncore.marketing.task import Code, HeldOut, Task, Told
from rnncore.marketing.task_parts import Rival
from rnncore.marketing.texts import text
from rnncore.sequences import Histories

Array = NDArray[Any]
CHANCE = "The texts that judge were set aside by chance and not by time: this says nothing of drift."
CROSSED = (
    "All texts judge: of each fifth of them simple methods learned from the other four. Without times this says "
    "nothing of drift, nor whether the network has read them before."
)
MANY = 20  # customers, from which on they are a sample of all there might be, and drawn anew with all their texts


@dataclass(eq=False, repr=False)
class Sentiment(Task):
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
    unit = "probability of the kind predicted"
    needs = ("text",)
    taught = ("outcome",)
    uses = ("text",)
    undated = True
    measure = measures.CLASSES
    calibration = calibration.TEMPERATURE
    loss = staticmethod(rc.losses.softmax_cross_entropy)

    def check(self) -> Self:
        """As in `Task`, and the arguments of its own."""
        checks.size("words", self.words)
        checks.size("least", self.least)
        checks.number("dropout", self.dropout, below=1)
        return super().check()

    def prepare(self, log: EventLog) -> EventLog:
        """The log; without times with those texts a day later than the others that are set aside."""
        return log if log.dated else set_aside(log, _alike(log.words()))

    def origin(self, log: EventLog) -> np.datetime64:
        """As in `Task`; without times the day before that of the texts set aside."""
        return super().origin(log) if log.dated else log.first_day

    def told(self, log: EventLog, end: np.datetime64, code: Code | None = None) -> Told:
        """The texts until the day `end` whose kind is known. A tenth is watched, and the latest of these stop and
        calibrate: of texts that it has read the network is too sure. Where all are of one horizon, or without times,
        all of the tenth do.
        """
        past = log.until(end)
        kinds = code["labels"] if code else labels.labels(past)
        y = labels.coded(past, kinds)
        rows = np.flatnonzero(y >= 0)
        _require_two(y[rows], kinds)
        texts = _texts(past, rows)
        code = code or {"labels": kinds, "words": text.vocabulary(texts, self.words, self.least)}
        told = self._examples(past, rows, texts, code)
        newest = self._latest(past.day[rows]) if log.dated else np.ones(len(rows), bool)
        watched = tenth(np.arange(len(rows)) if log.dated else _alike(past.words()[rows]), self.seed)
        held = next((own for own in (newest & watched, watched) if own.sum() >= FEW), newest)
        return code, told._replace(target=y[rows], newest=held, watched=watched)

    def _latest(self, days: Array) -> NDArray[np.bool_]:
        """Which of these days are of the latest horizon."""
        return np.asarray(days > days.max() - span(self.horizon))

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
        newest = told.watched if time is None else self._latest(time.astype("datetime64[D]"))
        assert newest is not None
        found = text.simple_methods(before, told.target, newest, now, len(kinds))
        counts = np.bincount(told.target if time is None else told.target[newest], minlength=len(kinds))
        shares = (counts + 1) / (counts.sum() + len(kinds))
        return {**found, CONSTANT: np.tile(shares, (len(now), 1))}

    def drawn(self, asked: Examples, group: Array, counts: Array) -> tuple[Array | None, str]:
        """All texts of whom they are about; where these are few, as airlines are, each text by itself."""
        few = len(np.unique(group)) < MANY
        return (None, "text") if few or len(np.unique(group)) == len(group) else super().drawn(asked, group, counts)

    def judged_when(self, origin: np.datetime64) -> str:
        """As in `Task`; without times no day is said."""
        return super().judged_when(origin) if "time" in self.reading_ else "set aside by chance"

    @one_thread
    def evaluate(self, log: EventLog) -> Judgement:
        """As in `Task`; without times all texts judge, and simple methods learn from the others of them, in turns."""
        if log.dated:
            return super().evaluate(log)
        task, work, origin = self._later(log)
        asked = task.judged(work, origin, self._learned.code)
        return task._compare(self._learned, asked, task._crossed(asked), origin, work)[0]

    def _crossed(self, asked: Examples) -> dict[str, Array]:
        """What simple methods say of a fifth of the texts, learned from the others, in turns; equal texts together."""
        _, texts, kinds = asked.facts
        alike = _alike([" ".join(words) for words in texts])
        place = np.random.default_rng(self.seed).permutation(int(alike.max()) + 1)[alike] % ASIDE
        found: dict[str, Array] = {}
        for own in (place == k for k in np.unique(place)):
            told, rest = (
                asked.select(rows)._replace(facts=(None, [texts[n] for n in np.flatnonzero(rows)], kinds))
                for rows in (~own, own)
            )
            _require_two(told.target, kinds)
            told = told._replace(watched=tenth(alike[~own], self.seed))
            for name, said in self.rivals(told, rest).items():
                found.setdefault(name, np.empty((len(texts), len(kinds))))[own] = said() if callable(said) else said
        return found

    def remarks(self, learned: Learned, asked: Examples, held: HeldOut, log: EventLog) -> list[str]:
        """Without times, what a verdict by chance does not say."""
        return [] if log.dated else [CROSSED if held.origin < log.first_day else CHANCE]

    def _later(self, log: EventLog) -> tuple[Self, EventLog, np.datetime64]:
        if log.dated:
            return super()._later(log)
        task, work, _ = self._ready(log, None, learns=True)
        return task, work, work.first_day - span(1)

    def _keep(self, used: Self, learned: Learned, until: np.datetime64, reading: dict[str, Any]) -> None:
        super()._keep(used, learned, until, reading)
        self.question = type(self).question if "time" in reading else "How do they feel?"

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The tokens of the customer's last text."""
        found = [*text.tokens(own.words()[-1]), "<end>"]
        return [(token, None) for token in found[-number:]]

    def removals(self, own: EventLog, at: np.datetime64, code: Code, asked: Examples) -> Iterator[tuple[int, Examples]]:
        """The text without each of its tokens."""
        ids = asked.histories.values
        for place in range(len(ids) - 1):
            yield place, asked._replace(histories=Histories(np.delete(ids, place), np.array([0, len(ids) - 1])))

    def about(self, said: Array, asked: Examples) -> Examples:
        """The kind that is predicted."""
        return asked._replace(target=said.argmax(axis=1))

    def named(self, asked: Examples, code: Code) -> str:
        """Which kind that is."""
        return f"probability of {code['labels'][asked.target[0]]!r} (predicted)"

    def explained(self, said: Array, asked: Examples) -> Array:
        """The probability of that kind."""
        return np.asarray(said[:, asked.target[0]])

    def _examples(self, log: EventLog, rows: Array, texts: list[list[str]], code: Code) -> Examples:
        """The texts of these events, with their times, tokens and the names of the kinds."""
        steps = text.encode(texts, code["words"], self.latest)
        return Examples(
            steps, group=log.codes[rows], facts=(log.time[rows] if log.dated else None, texts, code["labels"])
        )


def _texts(log: EventLog, rows: Array) -> list[list[str]]:
    return [text.tokens(words) for words in log.words()[rows]]


def _require_two(y: Array, kinds: list[str]) -> None:
    """DataError unless there are texts to learn from of at least two of the kinds."""
    if len(np.unique(y)) < 2:
        raise DataError(
            f"the texts to learn from are of fewer than 2 kinds of those that are known ({', '.join(kinds)}): bring "
            "more texts whose outcome is known"
        )


def _alike(texts: Iterable[str | None]) -> NDArray[np.int64]:
    """A number for each text, from 0 on, the same for equal ones: none is learned from where another of it judges."""
    return np.unique([words or "" for words in texts], return_inverse=True)[1]
