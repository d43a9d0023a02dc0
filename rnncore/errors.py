"""Every error of its own that rnncore raises: what is wrong, what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike


class ContractError(ValueError):
    """An argument breaks the contract; raised before anything is computed.

    >>> print(ContractError("Wh", "shape (64, 256)", "shape (64, 200)", "64 LSTM units have four gate blocks"))
    Wh: expected shape (64, 256), received shape (64, 200); 64 LSTM units have four gate blocks
    """

    def __init__(self, argument: str, expected: str, received: str, advice: str) -> None:
        super().__init__(argument, expected, received, advice)
        self.argument, self.expected, self.received, self.advice = argument, expected, received, advice

    def __str__(self) -> str:
        return f"{self.argument}: expected {self.expected}, received {self.received}; {self.advice}"


class DataError(ValueError):
    """A user's data cannot be used as it is; the message names the file or frame, the column and the row."""


class NonFiniteError(ArithmeticError):
    """A loss, gradient or weight is NaN or infinite; `arrays`, `step`, `checkpoint` (the last good one) say where."""

    def __init__(
        self, message: str, arrays: Sequence[str] = (), step: int | None = None, checkpoint: str | None = None
    ) -> None:
        super().__init__(message)
        self.arrays, self.step, self.checkpoint = tuple(arrays), step, checkpoint


class ModelFileError(ValueError):
    """A model file cannot be trusted or is not what was asked for; `code` is a short fixed word for programs."""

    def __init__(self, code: str, path: str | PathLike[str], message: str) -> None:
        super().__init__(f"{path}: {message} [{code}]")
        self.code, self.path = code, str(path)
