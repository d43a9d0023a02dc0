"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """A number and its thing, in the plural where there is not one.

    >>> counted(1, "day"), counted(1200, "customer")
    ('1 day', '1,200 customers')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
