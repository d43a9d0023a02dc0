"""rnncore: recurrent networks with every derivative written by hand, checked against numbers, and fast on a CPU.

Start with `rnncore.contract` (what every layer takes and gives), then `rnncore.layers` (the equations). Importing this
package loads NumPy only; numba and scipy are imported when a fast twin is first used.
"""

from rnncore import diagnostics, gradcheck, losses, sequences
from rnncore.compose import Bidirectional, Stack
from rnncore.contract import ContractError
from rnncore.errors import DataError, ModelFileError, NonFiniteError
from rnncore.feedforward import Dense, Dropout, Embedding, Last
from rnncore.interop.models import load, save
from rnncore.recurrent import GRU, LSTM, RNN
from rnncore.training import (
    SGD,
    Adam,
    AdamW,
    Momentum,
    RMSProp,
    checkpointed_bptt,
    clip_by_global_norm,
    clip_by_value,
    fit,
    full_bptt,
    truncated_bptt,
)

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adam",
    "AdamW",
    "Bidirectional",
    "ContractError",
    "DataError",
    "Dense",
    "Dropout",
    "Embedding",
    "Last",
    "ModelFileError",
    "Momentum",
    "NonFiniteError",
    "RMSProp",
    "Stack",
    "checkpointed_bptt",
    "clip_by_global_norm",
    "clip_by_value",
    "diagnostics",
    "fit",
    "full_bptt",
    "get_num_threads",
    "gradcheck",
    "load",
    "losses",
    "save",
    "sequences",
    "set_num_threads",
    "truncated_bptt",
]


def set_num_threads(n: int) -> None:
    """Let each call of a fast twin use up to n threads, 1 to 256; results do not depend on n, not by one bit.

    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    """
    from rnncore.kernels import jit

    jit.set_num_threads(n)


def get_num_threads() -> int:
    """Return how many threads a call of a fast twin may use; at the start, the cores this process may run on.

    >>> get_num_threads() >= 1
    True
    """
    from rnncore.kernels import jit

    return jit.get_num_threads()
