"""What the tests of the diagnostics share: models of every kind, and one problem for each."""

import numpy as np
from conftest import TOLERANCE

import rnncore as rc
from rnncore import diagnostics
from rnncore.gradcheck import random_problem

EQUAL = TOLERANCE["equal in float64"]
WORDS = {"backend": "numpy", "dtype": "float64"}
DENSE = rc.Dense(5, 2, dtype="float64")
STREAMABLE = rc.Stack(rc.LSTM(3, 4, **WORDS), rc.Dropout(0.5), rc.GRU(4, 5, **WORDS), DENSE)
MODELS = {
    "streamable": STREAMABLE,
    "ids": rc.Stack(rc.Embedding(7, 3, dtype="float64"), rc.GRU(3, 5, **WORDS), DENSE),
    "last": rc.Stack(rc.GRU(3, 5, **WORDS), rc.Last(), rc.Dropout(0.5), DENSE),
    "bidirectional": rc.Stack(rc.Bidirectional(rc.LSTM(3, 4, **WORDS)), rc.RNN(8, 5, **WORDS), DENSE),
    "product": rc.Stack(rc.Bidirectional(rc.GRU(3, 5, **WORDS), "mul"), DENSE),
    "ends": rc.Stack(rc.Bidirectional(rc.Stack(rc.GRU(3, 4, **WORDS), rc.Last(), rc.Dense(4, 5, dtype="float64"))),
                     rc.Dense(10, 2, dtype="float64")),
    "noisy": rc.Stack(rc.TimeLSTM(3, 4, **WORDS), rc.RecurrentDropout(rc.GRU(4, 5, **WORDS), 0.4, 0.3), DENSE),
    "gaps": rc.Stack(rc.RecurrentDropout(rc.GRUD(3, 5, **WORDS), 0.0, (0.3, 0.0)), rc.Last(), DENSE),
    "deep": rc.Stack(rc.GRU(3, 3, **WORDS), rc.Bidirectional(rc.Stack(rc.RNN(3, 4, **WORDS), rc.GRU(4, 5, **WORDS))),
                     rc.Last(), rc.Dense(10, 2, dtype="float64")),
}  # fmt: skip


def run(model, p, rng=None):
    """Forward pass of a random problem; return what the diagnostics take."""
    _, _, cache = model.forward(p.params, p.x, p.state_0, p.lengths, rng)
    return p.params, cache, p.dy


def ends(p):
    return np.full(p.x.shape[1], len(p.x)) if p.lengths is None else p.lengths


def truncation(k1s, k2s, lengths=(9, 7, 4, 0)):
    model = rc.Stack(rc.LSTM(3, 5, **WORDS), DENSE)
    p = random_problem(model, seed=11, T=9)
    target = np.random.default_rng(0).normal(size=p.dy.shape)
    args, words = (model, p.params, p.x, target, rc.losses.mse), {"state_0": p.state_0, "lengths": lengths}
    return args, words, diagnostics.truncation_error(*args, k1s=k1s, k2s=k2s, **words)
