"""Columns of dates and times, for `parsing.py`: ISO 8601 or in a form that is told, on the clock as written."""

from __future__ import annotations

import datetime
import functools
import re

import polars as pl

from rnncore.errors import DataError
from rnncore.marketing.log.numerals import absent
from rnncore.marketing.log.quality import first_row

FIRST, LAST = datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)
_FINER = r"\.\d{6}\d*[1-9]"  # than a microsecond
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?$"
_OFFSET = r" ?(Z|UTC|[+-]\d{2}:?\d{2})$"
_ISO_OFFSET = r"(:\d{2}(?:\.\d+)?) ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"  # after a clock: a date ends with -31 too
_ISO_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
DAY = 86_400 * 10**6  # microseconds
# counts since 1970: their microseconds, the digits of one of our time, and what they are
EPOCH = {"%s": (10**6, "9,10", "seconds"), "%s%3f": (10**3, "12,13", "milliseconds")}
EPOCH |= {"%s%6f": (1, "15,16", "microseconds"), "%d": (DAY, "1,4", "days")}
# forms that are looked through for the one that a column is written in
_DATES: tuple[str, ...] = (
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y-%m-%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%Y%m",
)
_DATES += ("%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m/%d/%y", "%m-%d-%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d %Y")
_DATES += ("%A, %B %d, %Y", "%a, %d %b %Y", "%a %b %d %Y", "%d/%b/%Y", "%d-%B-%Y")
_DATES += ("%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%Y %b", "%b-%y", "%Y-%b", "%Y")
_DATES += ("%b-%Y", "%B %Y", "%B-%Y", "%b-%d-%Y", "%y-%m", "%y-%b", "%Y.%m", "%G-W%V", "%GW%V", "%Y-Q%q", "%YQ%q")
_DATES += ("%Y Q%q", "Q%q %Y", "Q%q-%Y", "%qQ%Y", "%a %b %d %H:%M:%S %z %Y")
_CLOCKS: tuple[str, ...] = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S%.f",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
)
_CLOCKS += (", %I:%M %p", ", %I:%M:%S %p", ":%H:%M:%S", " %H:%M:%S %z", ":%H:%M:%S %z")
_FORMS = [date + clock for clock in _CLOCKS for date in _DATES]
_LIKELY = datetime.datetime(1600, 1, 1), datetime.datetime(2100, 1, 1)
_MOST = 0.5  # of the times, from which on a form that does not read all of them is told
_SAMPLE = 1000  # times, among which that form is looked for
_TRIED = 50  # of these, one of which must look like the form
_PARTS = {"%q": "(?<q>[1-4])", "%Y": r"(?<y>\d{4})", "%y": r"(?<y>\d{2})"}  # of a quarter


def parse_time(column: pl.Series, label: str, time_format: str | None) -> pl.Series:
    """Datetime in microseconds, on the clock as written. Dates are midnight; text is ISO 8601 or in `time_format`.

    DataError: a text that is no such date (row and text), whole numbers without `time_format`, other types.
    """
    if column.dtype in (pl.Date, pl.Datetime):
        if time_format is not None:
            raise DataError(
                f"{label}: column {column.name!r} holds {column.dtype}; time_format is for text and numbers"
            )
        return _within_years(column.cast(pl.Datetime("us")), label)
    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), pl.Datetime("us"))
    seconds = column.dtype.is_float() and time_format in EPOCH
    if not (column.dtype.is_integer() or seconds) and column.dtype != pl.String:
        raise DataError(
            f"{label}: column {column.name!r} holds {column.dtype}; times must be dates, or text that is one"
        )
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(absent(text), None)
    if time_format is None:
        require_one_way(text, column.name, label)
    parsed = _parse_iso(text) if time_format is None else _parse_format(text, time_format)
    broken = parsed.is_null() & text.is_not_null()
    if broken.any():
        row = first_row(broken)
        wanted = f"a date in the form {time_format!r}"
        if time_format is None:
            wanted = "an ISO date (2010-12-31, or 2010-12-31 08:26:00)"
        advice = _advice(text, row, time_format)
        raise DataError(f"{label}: {str(column[row - 1])!r} in row {row} of {column.name!r} is not {wanted}{advice}")
    return _within_years(parsed, label)


def _advice(text: pl.Series, row: int, told: str | None) -> str:
    """What to say of times one of which, in this row, is not in the form that was told, or in ISO 8601."""
    forms = forms_of(text, text[row - 1])
    if forms:
        other = (
            f', or time_format="{forms[1]}", which reads them all too: you know which comes first' if forms[1:] else ""
        )
        return f'; time_format="{forms[0]}" reads them all{other}'
    known = text.drop_nulls()
    read = len(known) - (_parse_iso(known) if told is None else _parse_format(known, told)).null_count()
    if read > _MOST * len(known):
        return f", as {read:,} of {len(known):,} are; correct this one, or leave its row out"
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?", text[row - 1]):
        return f'; if the day stands in a column of its own, name both, as time="Date,{text.name}"'
    if told is not None:
        return ""
    if re.fullmatch(r"[2-6]\d{4}(\.\d*)?", text[row - 1]):  # 1954 to 2091
        day = datetime.date(1899, 12, 30) + datetime.timedelta(days=int(text[row - 1][:5]))
        return f"; if it is how a spreadsheet counts days ({day}), format the column as dates there, and save it again"
    fitting = [form for form in _FORMS if any(map(_shape(form).fullmatch, known.head(_TRIED)))]
    best = max(fitting or _FORMS[:1], key=lambda form: _likely(known.head(_SAMPLE), form).sum())
    likely = _likely(known, best)
    if (read := int(likely.sum())) > _MOST * len(known):
        forms = forms_of(known.filter(likely), known.filter(likely)[0])
        other = f' (time_format="{forms[1]}" too)' if forms[1:] else ""
        return (
            f'; time_format="{best}" reads {read:,} of {len(known):,}{other}, but not {known.filter(~likely)[0]!r}: '
            "correct or remove the others"
        )
    return "; if all are written in another way, say so, for example " + _form(text[row - 1], "%d/%m/%Y %H:%M")


def forms_of(text: pl.Series, shown: str) -> list[str]:
    """The forms, two at most, that read all times, and differ in what they read; shown: one, which is tried first.

    >>> forms_of(pl.Series(["7/4/2024 9:30", "7/16/2024 18:05"]), "7/4/2024 9:30")
    ['%m/%d/%Y %H:%M']
    """
    found: dict[str, pl.Series] = {}
    known = text.drop_nulls()
    for form in _FORMS:
        if len(found) < 2 and _shape(form).fullmatch(shown) and _likely(known, form).all():
            times = _parse_format(known, form)
            if not any(times.equals(same) for same in found.values()):
                found[form] = times
    return list(found)


@functools.cache
def _shape(form: str) -> re.Pattern[str]:
    """What a time in this form looks like. To ask it first is 100 times faster than to parse a time in every form."""
    parts = {"%.f": r"(\.\d+)?", "%z": "(Z|UTC|[+-].+)", "%Y": r"\d{4}", "%G": r"\d{4}", " ": r"\s*"}
    pieces = re.split(r"(%\.f|%\w|\s)", form)
    return re.compile("".join(parts.get(p, r"\w{1,9}?" if p.startswith("%") else re.escape(p)) for p in pieces))


def _likely(text: pl.Series, form: str) -> pl.Series:
    """Which of these times can be read in a form, as times that are likely."""
    return _parse_format(text, form).is_between(*_LIKELY).fill_null(False)


def _form(shown: str, usual: str) -> str:
    """How a time that looks like this may be written, in the words of a message."""
    for form, (_, digits, words) in EPOCH.items():
        if re.fullmatch(rf"\d{{{digits}}}(\.\d*)?", shown):
            return f'time_format="{form}" ({words} since 1970)'
    return f'time_format="{usual}"'


def _within_years(times: pl.Series, label: str) -> pl.Series:
    """The times; DataError for one that no calendar of four digits has."""
    odd = ((times < FIRST) | (times > LAST)).fill_null(False)
    if odd.any():
        row = first_row(odd)
        raise DataError(f"{label}: the time in row {row} of {times.name!r} is outside the years 1 to 9999; correct it")
    return times


def require_one_way(text: pl.Series, name: str, label: str) -> None:
    """DataError where some times have an offset from UTC and others have none: no clock is common to them."""
    zoned, bare = clocks(text)
    if zoned.any() and bare.any():
        raise DataError(
            f"{label}: {text[first_row(bare) - 1]!r} in row {first_row(bare)} of {name!r} has no offset from UTC, "
            "others have one; write all of them in one way"
        )


def clocks(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Which ISO times have an offset from UTC, and which have a clock without one."""
    clock = text.str.contains(_ISO) & text.str.contains(r"\d:\d")
    zoned = clock & text.str.contains(_ISO_OFFSET)
    return zoned, (clock & ~zoned).fill_null(False)


def _parse_iso(text: pl.Series) -> pl.Series:
    """ISO 8601 dates and times; an offset from UTC is left off. Null where the text is something else."""
    t = pl.col("t")
    plain = pl.when(t.str.contains(_ISO)).then(t.str.replace(_ISO_OFFSET, "$1").str.replace(" ", "T", literal=True))
    readings = [plain.str.to_datetime(form, strict=False, time_unit="us") for form in _ISO_FORMATS]
    return pl.DataFrame({"t": text}).select(pl.coalesce(readings)).to_series()


def _parse_format(text: pl.Series, time_format: str) -> pl.Series:
    """Dates and times in this format; an offset from UTC at its end is left off. Null where the text is another.

    EPOCH: days, seconds, or parts of one, since 1970.
    """
    if time_format in EPOCH:
        unit = EPOCH[time_format][0]
        number = text.cast(pl.Float64, strict=False)
        number = number.set(~(number.abs() * unit <= 10**17).fill_null(False), None)  # beyond the year 5000
        return (number * unit).round().cast(pl.Int64).cast(pl.Datetime("us"))
    if time_format.endswith("%z"):
        text = text.set(~text.str.contains(_OFFSET), None).str.replace(_OFFSET, "")
        time_format = time_format.removesuffix("%z").rstrip()
    if "%q" in time_format:
        return _parse_quarter(text, time_format)
    if re.search("%[VUW]", time_format) and not re.search("%[uaAwdej]", time_format):
        text, time_format = text + " 1", time_format + " %u"  # a week is its Monday
    if time_format.startswith("%y"):
        text = text.str.replace(r"^(\d)(\D)", "0$1$2")
    return text.str.to_datetime(time_format, strict=False, time_unit="us").dt.replace_time_zone(None)


def _parse_quarter(text: pl.Series, time_format: str) -> pl.Series:
    """The first day of quarters, as "%Y-Q%q"; null where the text is another."""
    pattern = re.escape(time_format)
    for part, group in _PARTS.items():
        pattern = pattern.replace(part, group, 1)
    if "(?<y>" not in pattern:
        return pl.Series(text.name, [None] * len(text), pl.Datetime("us"))
    found = text.str.extract_groups(f"^{pattern}$").struct.unnest().cast(pl.Int32)
    year = pl.col("y") + pl.when(pl.col("y") < 100).then(2000).otherwise(0)
    return found.select(pl.datetime(year, pl.col("q") * 3 - 2, 1).cast(pl.Datetime("us")).alias(text.name)).to_series()


def finer(column: pl.Series) -> int:
    """How many times are finer than a microsecond."""
    if column.dtype == pl.String:
        return int(column.str.contains(_FINER).sum())
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_unit == "ns":
        return int((column.dt.nanosecond() % 1000 != 0).sum())
    return 0


def with_offset(column: pl.Series, time_format: str | None) -> int:
    """How many times, as text, have an offset from UTC that is left off."""
    if column.dtype != pl.String or not (time_format is None or time_format.endswith("%z")):
        return 0
    if time_format is None:
        return int((column.str.contains(_ISO) & column.str.contains(_ISO_OFFSET)).sum())
    return int(column.str.contains(_OFFSET).sum())
