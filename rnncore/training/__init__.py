"""Training: backpropagation through time, clipping, optimisers, and the loop around them."""

from rnncore.training.bptt import full_bptt, truncated_bptt
from rnncore.training.checkpointed import checkpointed_bptt
from rnncore.training.clipping import clip_by_global_norm, clip_by_value, global_norm
from rnncore.training.evaluate import Batches, evaluate
from rnncore.training.fit import fit
from rnncore.training.optimizers import SGD, Adam, AdamW, Momentum, Optimizer, RMSProp

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Batches",
    "Momentum",
    "Optimizer",
    "RMSProp",
    "checkpointed_bptt",
    "clip_by_global_norm",
    "clip_by_value",
    "evaluate",
    "fit",
    "full_bptt",
    "global_norm",
    "truncated_bptt",
]
