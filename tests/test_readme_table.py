"""What the README's table of options says of rnncore can be made, and does what the row says."""

import re
from pathlib import Path

import numpy as np
import pytest

import rnncore as rc
from rnncore import onnx_layers

TABLE = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
TABLE = TABLE.split("## Options, and who has them")[1].split("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line.startswith("| ")][
    1:
]
OURS = {row[0]: row[1] for row in ROWS}

GRU, LSTM = rc.GRU(3, 4, backend="numpy"), rc.LSTM(3, 4, backend="numpy")
MAKES = {
    "`GRU(D, H, reset=)`": [rc.GRU(3, 4, reset=r, backend="numpy") for r in ("after", "before")],
    "`Bidirectional(layer, merge=)`": [rc.Bidirectional(GRU, m) for m in ("concat", "sum", "mul", "ave", "none")],
    "`Reversed(layer)`": [rc.Reversed(GRU)],
    "`lengths=`": [GRU],
    "`Masked(layer)`": [rc.Masked(GRU)],
    "`TimeLSTM`": [rc.TimeLSTM(3, 4, backend="numpy")],
    "`GRUD`": [rc.GRUD(3, 4, backend="numpy")],
    "`RecurrentDropout(layer, dropout=)`": [rc.RecurrentDropout(GRU, dropout=0.2)],
    "`RecurrentDropout(layer, zoneout=)`": [rc.RecurrentDropout(LSTM, zoneout=(0.1, 0.2))],
    "`PeepholeLSTM`": [rc.PeepholeLSTM(3, 4, gradient=g, backend="numpy") for g in ("exact", "truncated")],
    "`CoupledLSTM`": [rc.CoupledLSTM(3, 4, backend="numpy")],
    "`ProjectedLSTM`": [rc.ProjectedLSTM(3, 4, P=2, backend="numpy")],
    "`LayerNormLSTM`, `LayerNormGRU`": [
        rc.LayerNormLSTM(3, 4, backend="numpy"),
        rc.LayerNormGRU(3, 4, backend="numpy"),
    ],
    "`onnx_layers.OnnxLSTM(clip=, activations=)`": [
        onnx_layers.OnnxLSTM(3, 4, ["HardSigmoid", "Softsign", "Elu"], clip=1.0, backend="numpy")
    ],
    "`LearnedState(layer)`": [rc.LearnedState(LSTM)],
    "`Attention`": [rc.Attention(3, 2)],
}


def test_every_row_is_about_as_many_houses_as_the_head():
    assert all(len(row) == 5 for row in ROWS) and len(ROWS) >= 15


@pytest.mark.parametrize("words", MAKES)
def test_an_option_named_as_ours_runs_forward_and_backward(words):
    assert words in OURS.values()
    for layer in MAKES[words]:
        params = layer.init(seed=0)
        x = np.ones((5, 2, layer.sizes[0] or 3), np.float32)
        y, _, cache = layer.forward(params, x, lengths=[5, 2])
        grads, dx, _ = layer.backward(params, cache, np.ones_like(y))
        assert dx.shape == x.shape and grads.keys() == params.keys()


def test_names_of_the_library_in_our_column_exist():
    for words in OURS.values():
        for path in re.findall(r"`([A-Za-z_.]+)", words):
            thing = rc
            for name in path.removesuffix("=").split(".") if path != "lengths" else ():
                thing = getattr(thing, name)
