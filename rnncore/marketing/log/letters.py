"""How the letters of a CSV file are written: in UTF-8, or as it is told. It is never guessed: a message shows what the
guess would read like.
"""

from __future__ import annotations

import codecs
import re
import warnings
from typing import IO

from rnncore.errors import ContractError, DataError
from rnncore.marketing.log import blocks
from rnncore.marketing.log.blocks import UTF_8, Text

_MARKS = '\n\r",0' * 20  # longer than a name of the internet, which codecs know too, can be
_WORD = rb'[^\s,;|"]+'
_SHOWN = 20  # bytes of a word before and after the odd one


def codec(encoding: object) -> str:
    """The encoding, UTF-8 by one name; ContractError for one that has no marks of ASCII, or is none.

    >>> codec("UTF8"), codec("cp1252")
    ('utf-8', 'cp1252')
    """
    try:
        found = codecs.lookup(encoding)  # type: ignore[arg-type]
        if found.name in (UTF_8, "utf-8-sig"):
            return UTF_8
        fits = _MARKS.encode(found.name) == _MARKS.encode("ascii") and found.incrementaldecoder is not None
    except (LookupError, TypeError, ValueError):
        fits = False
    if not fits:
        what = "an encoding with the line ends, commas and quotes of ASCII"
        advice = 'for example "cp1252" (Windows), "latin-1", "iso-8859-15" or "cp1250"; save UTF-16 as UTF-8'
        raise ContractError("encoding", what, repr(encoding), advice)
    return str(encoding)


def require_letters(text: Text, start: bytes) -> None:
    """DataError where the first bytes of a file are not those of the text that it should be.

    Warns where they are letters of another encoding than UTF-8, as was told, and can be UTF-8 all the same.
    """
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DataError(f"{text.path} is written in UTF-16; save it as UTF-8, as a spreadsheet does (CSV UTF-8)")
    if text.encoding != UTF_8 and start.startswith(codecs.BOM_UTF8):
        raise DataError(
            f"{text.path} is written in UTF-8, as its first bytes say, and not in {text.encoding}; files that are read "
            'together must be written alike: if all are UTF-8, say encoding="utf-8"'
        )
    if b"\0" in start:
        raise DataError(f"{text.path} is neither CSV (text with a header) nor Parquet")
    if b"\r" in start and b"\n" not in start:
        raise DataError(f"{text.path} ends its lines with a carriage return alone; save it with line feeds")
    if text.encoding != UTF_8 and not start.isascii() and _decodes(start, UTF_8):
        odd = next(at for at, byte in enumerate(start) if byte > 127)
        told, known = (_word(start, odd, encoding) for encoding in (text.encoding, UTF_8))
        what = f"is read as {text.encoding}, as told, though it may be UTF-8: {told!r} would be {known!r}"
        warnings.warn(f"{text.path.name} {what}", stacklevel=2)


def misread(text: Text) -> str:
    """What to say of the first line with bytes that the encoding does not have; nothing where all can be read."""
    other = False  # letters than those of ASCII before that line
    with text.opened() as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(text.encoding)
                other |= not line.isascii()
            except UnicodeDecodeError as error:
                where = f"{text.path.name}: line {number}"
                if text.encoding == UTF_8:
                    return f"{where} is not written in UTF-8{_advice(file, line, error.start, other)}"
                byte = f"the byte {line[error.start]:#04x}, which {text.encoding} does not have"
                return f"{where} has {byte}; name the encoding in which the file was written"
    return ""


def _advice(file: IO[bytes], line: bytes, at: int, other: bool) -> str:
    """What to do about a file that is not UTF-8, read up to this line, in which the byte at `at` is not."""
    guess = "cp1252" if _decodes(line, "cp1252") and _all_decode(file, "cp1252") else "latin-1"
    word = _word(line, at, guess)
    if other:
        return f", though lines before it are: in {guess} its first odd word reads {word!r}; write that line anew"
    return (
        f'; with encoding="{guess}" its first odd word reads {word!r}: if that is right, say so; if not, name the '
        "encoding in which it was written, or save the file as UTF-8, as a spreadsheet does (CSV UTF-8)"
    )


def _word(some: bytes, at: int, encoding: str) -> str:
    """The word around a byte that is not ASCII, or what is near in a long one."""
    near = next(found.span() for found in re.finditer(_WORD, some) if found.start() <= at < found.end())
    return some[max(near[0], at - _SHOWN) : min(near[1], at + _SHOWN)].decode(encoding, errors="replace")


def _all_decode(file: IO[bytes], encoding: str) -> bool:
    try:
        return all(_decodes(more, encoding) for more in iter(lambda: file.read(blocks.SIZE), b""))
    except (OSError, EOFError):  # a damaged archive; the line that was found is damaged first
        return True


def _decodes(some: bytes, encoding: str) -> bool:
    """Whether the bytes can be read; what follows the last of them may belong to it."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(some)
    except UnicodeDecodeError:
        return False
    return True
