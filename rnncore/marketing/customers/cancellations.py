"""Cancellations: the word of the column `event` that ends a contract, and the day on which it did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnncore.errors import ContractError
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning.windows import ENDED


def require_word(cancel: object) -> None:
    """ContractError unless it is text."""
    if not isinstance(cancel, str) or not cancel:
        raise ContractError("cancel", "a word of the column event", repr(cancel), 'for example "cancel"')


def among(log: EventLog, cancel: str) -> NDArray[np.bool_]:
    """Which events are cancellations, (n,)."""
    word = log.category("event")
    return np.isin(word.codes, np.flatnonzero(word.levels == cancel))


def marked(log: EventLog, cancel: str) -> EventLog:
    """The log with the day of each customer's first cancellation as the static column ENDED."""
    ended, hits = np.full(len(log.customers), np.nan), among(log, cancel)
    np.fmin.at(ended, log.codes[hits], log.day[hits].astype(np.int64))  # of NaN and a day the day
    return log.with_static(ENDED, ended)
