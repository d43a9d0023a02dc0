"""Times after the outcome: whoever knows them knew the outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.log.datetimes import forms_of, parse_time
from rnncore.marketing.log.reading import Raw


def shares_after(raw: Raw, columns: Mapping[str, Any], time: str | None, known: pl.Series) -> dict[str, float]:
    """The share of each column of times that is after the outcome's, where that is known."""
    shares = {}
    at = None if time is None else times_of(raw, time)
    if time is not None and at is None:
        parse_time(raw.columns[time], raw.label, None)  # says what is wrong with it
    for name in columns:
        if (times := times_of(raw, name)) is not None:
            after = None if at is None else (times > at).filter(known).drop_nulls()
            shares[name] = float(after.mean() or 0.0) if after is not None and len(after) else 0.0  # type: ignore[arg-type]
    return shares


def times_of(raw: Raw, name: str) -> pl.Series | None:
    """A column of times; of text, of ISO times and nothing else, or of times that a single form reads."""
    column = raw.columns[name]
    if column.dtype.is_temporal():
        return parse_time(column, raw.label, None)
    if column.dtype != pl.String or column.drop_nulls().len() == 0:
        return None
    try:
        return parse_time(column, raw.label, None)
    except DataError:
        text = column.str.strip_chars().replace("", None).drop_nulls()
        forms = forms_of(text, text[0]) if len(text) and re.search(r"\D", text[0]) else []
        return parse_time(column, raw.label, forms[0]) if len(forms) == 1 else None
