"""A model comes back as it was saved, and a file that holds something else does not become a model."""

import numpy as np
import pytest

from rnncore.compose import Bidirectional, Stack
from rnncore.errors import ContractError, ModelFileError, NonFiniteError
from rnncore.feedforward import Dense, Embedding
from rnncore.interop import models, safetensors
from rnncore.recurrent import GRU, LSTM, RNN
from rnncore.shaping import Dropout, Last

LAYERS = [
    RNN(3, 2, activation="relu", backend="numpy"),
    LSTM(3, 2, dtype="float64"),
    GRU(3, 2, reset="before"),
    Dense(3, 2),
    Embedding(5, 3),
    Last(),
    Dropout(0.25),
    Stack(Embedding(9, 3), Bidirectional(GRU(3, 4)), Dropout(0.1), LSTM(8, 2, backend="numpy"), Last(), Dense(2, 1)),
    Stack(Stack(GRU(3, 4), Stack(GRU(4, 2))), Dense(2, 3)),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_model_comes_back(path, layer):
    models.save(path, layer, layer.init(seed=0))
    assert models.load(path)[0] == layer


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_parameters_come_back_bit_for_bit_in_order(path, layer):
    params = layer.init(seed=0)
    models.save(path, layer, params)
    back = models.load(path)[1]
    assert [(n, a.dtype, a.shape, a.tobytes()) for n, a in back.items()] == [
        (n, a.dtype, a.shape, a.tobytes()) for n, a in params.items()
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_keep_their_own_dtype(path, dtype):
    layer = GRU(3, 2)
    models.save(path, layer, {name: a.astype(dtype) for name, a in layer.init(seed=0).items()})
    assert {a.dtype.name for a in models.load(path)[1].values()} == {dtype}


def test_loaded_model_computes_the_same(path):
    layer = Stack(LSTM(3, 4, backend="numpy"), Last(), Dense(4, 1))
    params, x = layer.init(seed=0), np.random.default_rng(1).normal(size=(5, 2, 3)).astype(np.float32)
    models.save(path, layer, params)
    model, loaded = models.load(path)
    np.testing.assert_array_equal(model.forward(loaded, x)[0], layer.forward(params, x)[0])


def test_extra_comes_back(path):
    layer = Dense(1, 1)
    models.save(path, layer, layer.init(seed=0), {"trained on": ["CDNOW", 1997]})
    assert models.load_extra(path) == {"trained on": ["CDNOW", 1997]}


def test_without_extra_there_is_none(path):
    layer = Dense(1, 1)
    models.save(path, layer, layer.init(seed=0))
    assert models.load_extra(path) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {n: a for n, a in p.items() if n != "b"},
        lambda p: {**p, "more": p["b"]},
        lambda p: {**p, "b": p["b"][:-1]},
        lambda p: {**p, "b": p["b"].astype("float64")},
        lambda p: {n: a.astype("complex128") for n, a in p.items()},
        lambda p: {n: a.astype("float16") for n, a in p.items()},
        lambda p: {**p, "b": p["b"].tolist()},
        lambda p: None,
    ],
    ids=["missing", "unknown", "shape", "mixed dtypes", "complex", "half", "list", "no dict"],
)
def test_parameters_of_another_model_are_not_saved(path, change):
    layer = LSTM(3, 2)
    with pytest.raises(ContractError):
        models.save(path, layer, change(layer.init(seed=0)))
    assert not path.exists()


def test_parameters_with_nan_are_not_saved(path):
    layer = Dense(2, 1)
    with pytest.raises(NonFiniteError, match="b"):
        models.save(path, layer, {**layer.init(seed=0), "b": np.full(1, np.nan, np.float32)})


def test_model_must_be_a_layer(path):
    with pytest.raises(ContractError, match="model"):
        models.save(path, {"layer": "Dense"}, {})


class WrongSize(Dense):
    def describe(self):
        return {**super().describe(), "D": 1}


class UnknownName(Dense):
    def describe(self):
        return {**super().describe(), "layer": "UnknownName"}


class SameName(Dense):
    def describe(self):
        return {**super().describe(), "layer": "Dense"}


@pytest.mark.parametrize("layer", [WrongSize(2, 1), UnknownName(2, 1), SameName(2, 1), Stack(WrongSize(2, 1))])
def test_layer_that_would_come_back_as_another_is_not_saved(path, layer):
    params = layer.init(seed=0)
    with pytest.raises(ContractError):
        models.save(path, layer, params)


def test_complex_parameters_are_not_described():
    with pytest.raises(ContractError, match="dtype"):
        models.describe(Dense(1, 1), {"W": np.ones((1, 1), complex), "b": np.ones(1, complex)})


def test_model_inside_a_file_of_another_kind(path):
    layer = GRU(3, 2, backend="numpy")
    params = layer.init(seed=0)
    arrays = {**{f"model.{name}": a for name, a in params.items()}, "scale": np.ones(3)}
    safetensors.write(path, arrays, {"model": models.describe(layer, params)}, kind="task")

    def expect(metadata):
        wanted = models.rebuild(metadata["model"])[1]
        return {**{f"model.{name}": w for name, w in wanted.items()}, "scale": ((3,), "float64")}

    back, metadata = safetensors.read(path, expect, kind="task")
    assert models.rebuild(metadata["model"])[0] == layer
    assert back.keys() == arrays.keys()


def nested(levels):
    description = Last().describe()
    for _ in range(levels):
        description = {"layer": "Stack", "parts": [description]}
    return description


def test_file_over_the_size_limit_is_refused(path):
    models.save(path, Last(), {})
    with pytest.raises(ModelFileError, match="max_bytes"):
        models.load(path, max_bytes=10)


def test_deep_model_comes_back(path):
    model, _ = models.rebuild({"layer": nested(25), "dtype": "float32", "state_sizes": []})
    models.save(path, model, {})
    assert models.load(path)[0] == model


def test_too_deep_model_is_refused_when_saved(path):
    model, _ = models.rebuild({"layer": nested(40), "dtype": "float32", "state_sizes": []})
    with pytest.raises(ContractError, match="nested deeper"):
        models.save(path, model, {})
