"""Ragged histories and the padded, time-major arrays that a network reads; minibatches; data larger than memory.

histories    N arrays, history i of shape (L_i, ...): one row an event, the oldest first; L_i may be 0
x            (T, n, ...) time-major, T the longest length; zeros past a row's end
lengths      (n,) the longest first, as the contract wants it
order        (n,) row k of x is history order[k]

What comes in another layout is brought into this one and back:

    a list of arrays, or `Histories`               pad           unpad, restore
    packed, as PyTorch's PackedSequence            from_packed   to_packed
    padded anywhere, with a mask                   from_masked   to_masked
    a dataframe in long form, one row an event     from_frame    to_frame

`Shared` is histories that are cut from the same steps: one customer asked at many times is in memory once.

What `rnncore.fit` takes as batches: `Minibatches` of histories in memory, `Windows` over a series, `ParquetMinibatches`
of a file of any size; `Prefetched` makes the next ones while the network computes.
"""

from rnncore.sequences.frames import from_frame, to_frame
from rnncore.sequences.gaps import with_gaps
from rnncore.sequences.histories import Histories, pad, restore, unpad
from rnncore.sequences.layouts import from_masked, from_packed, mask, to_masked, to_packed
from rnncore.sequences.minibatches import Batch, Minibatches
from rnncore.sequences.parquet import ParquetMinibatches
from rnncore.sequences.prefetch import Prefetched
from rnncore.sequences.shared import Shared
from rnncore.sequences.windows import Windows, windows

__all__ = [
    "Batch",
    "Histories",
    "Minibatches",
    "ParquetMinibatches",
    "Prefetched",
    "Shared",
    "Windows",
    "from_frame",
    "from_masked",
    "from_packed",
    "mask",
    "pad",
    "restore",
    "to_frame",
    "to_masked",
    "to_packed",
    "unpad",
    "windows",
    "with_gaps",
]
