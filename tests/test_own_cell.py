"""A cell of one's own: the example in CONTRIBUTING.md is checked, trained and streamed; what is missing is named."""

import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnncore as rc
from rnncore.cells import Cell
from rnncore.errors import ContractError
from rnncore.recurrent import Recurrent

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
TEXTBOOK, USE = re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.fixture
def used(tmp_path, monkeypatch, capsys):
    """Run the example, with its textbook as it stands or with an edit; return its names and what it printed."""

    def run(old="", new=""):
        assert TEXTBOOK.count(old) == 1 or not old
        (tmp_path / "mine" / "layers").mkdir(parents=True)
        (tmp_path / "mine" / "layers" / "leaky.py").write_text(TEXTBOOK.replace(old, new))
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        names = {}
        exec(compile(USE, "CONTRIBUTING.md", "exec"), names)
        return names, capsys.readouterr().out

    yield run
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


def test_the_example_passes_as_it_stands(used):
    _, printed = used()
    assert printed.startswith("Recurrent(cell='mine.leaky', D=3, H=5, backend='numpy', dtype='float64'): pass")


def test_the_planted_edit_of_the_example_is_caught(used):
    ((_, old, new),) = re.findall(r'`\("(.*?)", "(.*?)", "(.*?)"\)`', TEXT)
    assert ": fail" in used(old, new)[1]


def test_it_is_trained_and_streamed(used):
    row = used()[0]["row"]
    model = rc.Stack(Recurrent(row, 1, 8, backend="numpy", dtype="float64"), rc.Dense(8, 1, dtype="float64"))
    x = np.random.default_rng(0).normal(size=(32, 6, 1))
    batches = rc.sequences.Minibatches(list(x), list(x.cumsum(axis=1)), batch_size=8)
    params, history = rc.fit(model, model.init(seed=0), batches, rc.losses.mse, rc.Adam(0.03), epochs=20)
    assert history[-1]["train_loss"] < 0.3 * history[0]["train_loss"]
    stream, (y, _) = rc.Stream(model, params), rc.predict(model, params, x[:1].swapaxes(0, 1))
    for t in range(6):
        np.testing.assert_allclose(stream.step("one", x[0, t]), y[t, 0], rtol=1e-12)


def test_without_a_fast_twin_the_textbook_is_named(used):
    layer = Recurrent(used()[0]["row"], 3, 5)
    with pytest.raises(ContractError, match=r'a fast twin mine\.kernels\.leaky, .* say backend="numpy"'):
        layer.forward(layer.init(seed=0), np.ones((4, 2, 3), np.float32))


def test_beside_an_error_in_its_textbook_stands_what_the_row_says(used):
    layer = Recurrent(replace(used()[0]["row"], gates="z"), 3, 5, backend="numpy")
    with pytest.raises(ValueError) as caught:
        layer.forward(layer.init(seed=0), np.ones((4, 2, 3), np.float32))
    (note,) = caught.value.__notes__
    assert "'leaky' says gates='z'" in note and note.endswith("its parameters are Wx (3, 5), Wh (5, 5), b (5,)")


def test_it_may_have_a_word_that_other_libraries_have():
    row = Cell("leaky", gates="zg", states=("h",), biases=("b",), options={"bias": ("yes", "no")}, package="mine")
    assert Recurrent(row, 3, 5, bias="no").options == {"bias": "no"}


def test_so_may_a_class_of_ones_own():
    class Dropping(rc.GRU):
        def __init__(self, D, H, *, dropout=0.0):
            super().__init__(D, H)
            self.dropout = dropout

    assert Dropping(3, 5, dropout=0.5).dropout == 0.5


def test_saving_it_names_the_cell_and_another_way(used, tmp_path):
    layer = used()[0]["layer"]
    with pytest.raises(ContractError, match=r"received 'Recurrent' of the cell 'mine\.leaky'; .*numpy\.savez"):
        rc.save(tmp_path / "model.safetensors", layer, layer.init(seed=0))
