"""The libraries' threads: what a task computes is computed by one of each, so that its bits do not depend on them.

A product of BLAS and a sum of scikit-learn's OpenMP are rounded otherwise when several threads share them. The threads
of rnncore itself are not meant: their results are the same on any number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

Function = TypeVar("Function", bound=Callable[..., Any])


def one_thread(function: Function) -> Function:
    """Let BLAS and OpenMP, of the whole process, use one thread while the function runs (3 ms a call)."""

    @functools.wraps(function)
    def alone(*args: Any, **words: Any) -> Any:
        with threadpool_limits(1):
            return function(*args, **words)

    return alone  # type: ignore[return-value]
