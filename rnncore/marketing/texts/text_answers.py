"""What `sentiment.py` says beside its answers: the reasons, token by token, and what is drawn anew for intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.labels import KindAnswers
from rnncore.marketing.task import Code
from rnncore.marketing.texts import text
from rnncore.sequences import Histories

Array = NDArray[Any]
MANY = 20  # customers, from which on they are a sample of all there might be, and drawn anew with all their texts


class TextAnswers(KindAnswers):
    """The probability of the kind predicted, of the tokens of one text; and texts of many customers drawn together."""

    def steps(self, own: EventLog, at: np.datetime64, code: Code, number: int) -> list[tuple[str, int | None]]:
        """The tokens of the customer's last text."""
        found = [*text.tokens(own.words()[-1]), "<end>"]
        return [(token, None) for token in found[-number:]]

    def removals(self, own: EventLog, at: np.datetime64, code: Code, asked: Examples) -> Iterator[tuple[int, Examples]]:
        """The text without each of its tokens."""
        ids = asked.histories.values
        for place in range(len(ids) - 1):
            yield place, asked._replace(histories=Histories(np.delete(ids, place), np.array([0, len(ids) - 1])))

    def drawn(self, asked: Examples, group: Array, counts: Array) -> tuple[Array | None, str]:
        """All texts of whom they are about; where these are few, as airlines are, each text by itself."""
        few = len(np.unique(group)) < MANY
        return (None, "text") if few or len(np.unique(group)) == len(group) else super().drawn(asked, group, counts)
