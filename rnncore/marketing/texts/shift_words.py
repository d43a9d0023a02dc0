"""The words that drive a change, for `shift.py`, by the log-odds ratio, with a prior from all texts, of how often each
stands in texts of a kind after and before (Monroe, Colaresi and Quinn 2008).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WORDS, OFTEN = 10, 5  # so many driving words are told, of those that stand in so many of the texts


def driving(
    old: list[list[str]], p_old: Floats, new: list[list[str]], p_new: Floats, rising: bool = True
) -> tuple[tuple[str, float], ...]:
    """The words that stand more often among the texts of the kind after than before (for a fall: less often).

    p_old, p_new: how much each text counts. A word comes with the z-score of its log-odds ratio, by equation (22) of
    Monroe, Colaresi and Quinn (2008), whose prior here is all texts; those of z below 2 are left out.

    >>> old, new = [["late"], ["fine"]] * 20, [["lost", "bag"], ["fine"]] * 20
    >>> [word for word, _ in driving(old, np.ones(40), new, np.ones(40))]
    ['bag', 'lost']
    """
    counts = [_counted(texts, p) for texts, p in ((old, p_old), (new, p_new))]
    prior = _counted([*old, *new], np.ones(len(old) + len(new)))
    words = sorted(word for word, n in prior.items() if n >= OFTEN and not word.startswith("<"))
    scale = sum(prior.values()) / max(1.0, min(sum(c.values()) for c in counts))
    z = {}
    for word in words:
        odds, variance = [], 0.0
        for count in counts:
            own = count[word] + prior[word] / scale
            rest = sum(count.values()) + sum(prior.values()) / scale - own
            odds.append(np.log(own / rest))
            variance += 1 / own
        z[word] = float((odds[1] - odds[0]) / np.sqrt(variance)) * (1 if rising else -1)
    ranked = sorted((word for word in words if z[word] > 2), key=lambda word: (-z[word], word))
    return tuple((word, z[word]) for word in ranked[:WORDS])


def _counted(texts: list[list[str]], p: Floats) -> Counter[str]:
    """In how many texts each word stands, each text counted as much as `p` says."""
    counts: Counter[str] = Counter()
    for words, weight in zip(texts, p, strict=True):
        for word in set(words):
            counts[word] += float(weight)  # type: ignore[assignment]
    return counts
