"""Training: backpropagation through time, clipping, optimisers, and the loop around them."""

from rnncore.training.bptt import full_bptt, truncated_bptt
from rnncore.training.checkpointed import checkpointed_bptt
from rnncore.training.clipping import clip_by_global_norm, clip_by_value, global_norm
from rnncore.training.evaluate import Batches, evaluate
from rnncore.training.fit import fit
from rnncore.training.optimizer import Optimizer
from rnncore.training.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nadam, RMSProp
from rnncore.training.schedules import Cosine, Plateau, Schedule, Warmup

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Batches",
    "Cosine",
    "Momentum",
    "Nadam",
    "Optimizer",
    "Plateau",
    "RMSProp",
    "Schedule",
    "Warmup",
    "checkpointed_bptt",
    "clip_by_global_norm",
    "clip_by_value",
    "evaluate",
    "fit",
    "full_bptt",
    "global_norm",
    "truncated_bptt",
]
