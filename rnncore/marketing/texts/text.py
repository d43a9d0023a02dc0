"""Texts as tokens, for `sentiment.py`: how a text is cut, which words are known, and the simple methods.

A token is a word in small letters with its apostrophe ("don't"), an emoticon, "!" or "?"; a letter that is repeated
more than twice is written twice ("soooo": "soo"). Addresses, names after @ and numbers are one token of their kind
each: names are nobody's sentiment, and must not be learned. "#" is left out, the word behind it stays; tags of HTML are
left out. A sign of Chinese or Japanese, which leave no space between words, is a token.

>>> tokens("@shop Soooo GOOD, don't you think? :)<br />https://a.b/c #happy 24.99")
['<name>', 'soo', 'good', "don't", 'you', 'think', '?', ':)', '<address>', 'happy', '<number>']
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from rnncore.errors import DataError
from rnncore.sequences import Histories

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
OTHER, END = 0, 1  # ids of a word that is not known, and of the end of a text
KINDS = {
    "<address>": r"(?:https?://|www\.)\S+",
    "<name>": r"@\w+",
    "<number>": r"\d+(?:[.,:]\d+)*",
}
_TAG = re.compile("</?[a-zA-Z][^<>]*>")
_SIGN = r"\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(
    "|".join(f"(?P<g{k}>{pattern})" for k, pattern in enumerate(KINDS.values()))
    + rf"|[:;=]-?[)(DPp/|]|<3|[{_SIGN}]|[^\W\d_{_SIGN}]+(?:['’][^\W\d_{_SIGN}]+)*"
    + r"|[!?]|[\U0001F300-\U0001FAFF\u2600-\u27BF]"
)
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")


def tokens(text: str | None) -> list[str]:
    """The tokens of a text in their order; none of an empty cell."""
    names, found = list(KINDS), []
    for match in _TOKEN.finditer(_TAG.sub(" ", text or "")):
        kind = match.lastgroup
        word = _REPEATED.sub(r"\1\1", match.group().lower().replace("’", "'"))
        found.append(word if kind is None else names[int(kind[1:])])
    return found


def vocabulary(texts: Sequence[list[str]], most: int, least: int) -> list[str]:
    """The `most` frequent tokens, in `least` texts or more, the most frequent first; those of one frequency by name."""
    counts = Counter(token for text in texts for token in sorted(set(text)))
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    return [token for token in ranked[:most] if counts[token] >= least]


def encode(texts: Sequence[list[str]], known: Sequence[str], latest: int) -> Histories:
    """The ids of each text's `latest` last tokens, the end of the text among them."""
    place = {token: k for k, token in enumerate(known, END + 1)}
    ids = [[*(place.get(token, OTHER) for token in text), END][-latest:] for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in ids])]).astype(np.int64)
    return Histories(np.array([i for text in ids for i in text], np.int64), offsets)


def require_two(y: Ints, kinds: Sequence[str]) -> None:
    """DataError unless there are texts to learn from of at least two of the kinds."""
    if len(np.unique(y)) < 2:
        raise DataError(
            f"the texts to learn from are of fewer than 2 kinds of those that are known ({', '.join(kinds)}): bring "
            "more texts whose outcome is known"
        )


def simple_methods(
    told: Sequence[list[str]], y: Ints, newest: NDArray[np.bool_], asked: Sequence[list[str]], kinds: int
) -> dict[str, Callable[[], Floats]]:
    """Functions that give probabilities (M, kinds) of the texts asked, from those told and their outcomes y (N,).

    "tf-idf": logistic regression on words and pairs of words, its strength chosen by the newest texts. "naive bayes":
    on counts of words. A kind that was not told has probability 0.
    """

    def tf_idf() -> Floats:
        chosen = 1.0
        if newest.any() and len(np.unique(y[~newest])) > 1:
            before = [words for words, new in zip(told, newest, strict=True) if not new]
            then = [words for words, new in zip(told, newest, strict=True) if new]
            x, x_then = _weighed(before, then)
            losses = {c: _loss(y[newest], _fitted(_logistic(c), x, y[~newest], x_then, kinds)) for c in STRENGTHS}
            chosen = min(losses, key=losses.__getitem__)
        x, x_asked = _weighed(told, asked)
        return _fitted(_logistic(chosen), x, y, x_asked, kinds)

    bayes = make_pipeline(CountVectorizer(analyzer=_with_end), MultinomialNB())
    return {"tf-idf": tf_idf, "naive bayes": lambda: _fitted(bayes, told, y, asked, kinds)}


def _weighed(told: Sequence[list[str]], asked: Sequence[list[str]]) -> tuple[Any, Any]:
    """Texts as weights of their words and pairs of words, both by how rare these are among those told."""
    words = TfidfVectorizer(analyzer=_with_pairs, sublinear_tf=True)
    return words.fit_transform(told), words.transform(asked)


def _logistic(strength: float) -> Any:
    return LogisticRegression(C=strength, max_iter=1000)


def _fitted(model: Any, told: Any, y: Ints, asked: Any, kinds: int) -> Floats:
    model.fit(told, y)
    said = model.predict_proba(asked)
    p = np.zeros((len(said), kinds))
    p[:, model.classes_] = said
    return p


def _loss(y: Ints, p: Floats) -> float:
    return -float(np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1.0)).mean())


def _with_end(text: list[str]) -> list[str]:
    """The tokens, and one for the end, so that no text is empty."""
    return [*text, "<end>"]


def _with_pairs(text: list[str]) -> list[str]:
    return [*_with_end(text), *(f"{one} {other}" for one, other in pairwise(text))]
