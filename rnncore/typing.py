"""The few type names that every signature uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Lengths = NDArray[np.int64]
Params = Mapping[str, Array]
Grads = dict[str, Array]
State = tuple[Array, ...]

__all__ = ["Array", "Grads", "Lengths", "Params", "State"]
