"""Layers around a layer, under the same contract: both directions, residual, masked, learned states and more.

The inner layer's parameters carry "inner." in front (`Bidirectional`: "forward." and "backward."); its states come
first, then those of the wrapper.
"""

from rnncore.wrappers.base import Composition, Wrapper
from rnncore.wrappers.directions import Bidirectional, Reversed, reverse_rows
from rnncore.wrappers.learned_state import LearnedState
from rnncore.wrappers.masked import Masked
from rnncore.wrappers.repeated import Repeated
from rnncore.wrappers.residual import Residual
from rnncore.wrappers.tied import Tied
from rnncore.wrappers.with_static import WithStatic

__all__ = [
    "Bidirectional",
    "Composition",
    "LearnedState",
    "Masked",
    "Repeated",
    "Residual",
    "Reversed",
    "Tied",
    "WithStatic",
    "Wrapper",
    "reverse_rows",
]
