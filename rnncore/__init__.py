"""rnncore: recurrent networks with every derivative written by hand, checked against numbers, and fast on a CPU.

Start with `rnncore.contract` (what every layer takes and gives), then `rnncore.layers` (the equations). Importing this
package loads NumPy only; numba and scipy are imported when a fast twin is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnncore.compose import Stack
from rnncore.contract import ContractError
from rnncore.errors import DataError, ModelFileError, NonFiniteError
from rnncore.feedforward import Dense, Embedding, LayerNorm, Prototypes
from rnncore.pooling import Attention, MaxPool, MeanPool
from rnncore.recurrent import (
    GRU,
    GRUD,
    LSTM,
    RNN,
    CoupledLSTM,
    LayerNormGRU,
    LayerNormLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
    TimeLSTM,
)
from rnncore.recurrent_dropout import RecurrentDropout
from rnncore.shaping import Dropout, Last
from rnncore.wrappers import Bidirectional, LearnedState, Masked, Repeated, Residual, Reversed, Tied, WithStatic

if TYPE_CHECKING:
    from rnncore import datasets, diagnostics, gradcheck, initialisation, interop, losses, sequences
    from rnncore.interop.models import load, save
    from rnncore.streaming import Stream, predict
    from rnncore.training import (
        SGD,
        Adagrad,
        Adam,
        AdamW,
        Cosine,
        Momentum,
        Nadam,
        Plateau,
        RMSProp,
        Warmup,
        checkpointed_bptt,
        clip_by_global_norm,
        clip_by_value,
        full_bptt,
        truncated_bptt,
    )
    from rnncore.training.fit import fit
    from rnncore.warming import warmup

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "GRUD",
    "LSTM",
    "RNN",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Attention",
    "Bidirectional",
    "ContractError",
    "Cosine",
    "CoupledLSTM",
    "DataError",
    "Dense",
    "Dropout",
    "Embedding",
    "Last",
    "LayerNorm",
    "LayerNormGRU",
    "LayerNormLSTM",
    "LearnedState",
    "Masked",
    "MaxPool",
    "MeanPool",
    "ModelFileError",
    "Momentum",
    "Nadam",
    "NonFiniteError",
    "PeepholeLSTM",
    "Plateau",
    "ProjectedLSTM",
    "Prototypes",
    "RMSProp",
    "RecurrentDropout",
    "Repeated",
    "Residual",
    "Reversed",
    "Stack",
    "Stream",
    "Tied",
    "TimeLSTM",
    "Warmup",
    "WithStatic",
    "checkpointed_bptt",
    "clip_by_global_norm",
    "clip_by_value",
    "datasets",
    "diagnostics",
    "fit",
    "full_bptt",
    "get_num_threads",
    "gradcheck",
    "initialisation",
    "interop",
    "load",
    "losses",
    "predict",
    "save",
    "sequences",
    "set_num_threads",
    "truncated_bptt",
    "warmup",
]

_ROOMS = ("datasets", "diagnostics", "gradcheck", "initialisation", "interop", "losses", "sequences")
_LATER = {
    "rnncore.interop.models": ("load", "save"),
    "rnncore.streaming": ("Stream", "predict"),
    "rnncore.warming": ("warmup",),
    "rnncore.training": (
        *("SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Nadam", "RMSProp", "Cosine", "Plateau", "Warmup"),
        *("clip_by_global_norm", "clip_by_value", "fit"),
        *("checkpointed_bptt", "full_bptt", "truncated_bptt"),
    ),
}


def __getattr__(name: str) -> Any:
    """Import what prediction does not need when it is first asked for: two thirds of the time of `import rnncore`."""
    if name in _ROOMS:
        return import_module(f"rnncore.{name}")
    for module, names in _LATER.items():
        if name in names:
            globals()[name] = value = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module 'rnncore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


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
