"""rnncore: recurrent networks with every derivative written by hand, checked against numbers, and fast on a CPU.

Start with `rnncore.contract` (what every layer takes and gives), then `rnncore.layers` (the equations). Importing this
package loads NumPy only; numba and scipy are imported when a fast twin is first used.
"""

from rnncore import losses, sequences
from rnncore.compose import Bidirectional, Stack
from rnncore.contract import ContractError
from rnncore.feedforward import Dense, Dropout, Embedding, Last
from rnncore.recurrent import GRU, LSTM, RNN

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "ContractError",
    "Dense",
    "Dropout",
    "Embedding",
    "Last",
    "Stack",
    "losses",
    "sequences",
]
