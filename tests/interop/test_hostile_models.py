"""A file that holds something else than a sound model does not become one."""

import tracemalloc

import numpy as np
import pytest

from rnncore.errors import ModelFileError
from rnncore.feedforward import Dense
from rnncore.interop import models, safetensors
from rnncore.recurrent import GRU, LSTM
from rnncore.shaping import Last


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def code_of(path):
    with pytest.raises(ModelFileError) as caught:
        models.load(path)
    return caught.value.code


def put(path, arrays, model, kind="model", extra=None, **more):
    safetensors.write(path, arrays, {"model": model, "extra": extra or {}, **more}, kind=kind)


def test_checkpoint_is_no_model(path):
    put(path, {}, models.describe(Last(), {}), kind="checkpoint")
    assert code_of(path) == "kind"


def test_file_of_bare_arrays_is_no_model(path):
    safetensors.write(path, {"w": np.ones(2)}, {})
    assert code_of(path) == "kind"


DENSE = Dense(2, 1).describe()
BAD_LAYERS = {
    "null": None,
    "list": [DENSE],
    "text": "Dense",
    "empty": {},
    "unknown layer": {**DENSE, "layer": "os.system"},
    "layer is a list": {**DENSE, "layer": ["Dense"]},
    "private class": {**DENSE, "layer": "_Shaping"},
    "missing word": {"layer": "Dense", "D": 2},
    "unknown word": {**DENSE, "self": 1},
    "size 0": {**DENSE, "H": 0},
    "negative size": {**DENSE, "H": -1},
    "size is a float": {**DENSE, "H": 1.0},
    "size is true": {**DENSE, "H": True},
    "size is text": {**DENSE, "H": "1"},
    "dtype of objects": {**DENSE, "dtype": "object"},
    "unknown backend": {**GRU(2, 1).describe(), "backend": "cuda"},
    "parts is a number": {"layer": "Stack", "parts": 3},
    "parts is an object": {"layer": "Stack", "parts": {"0": DENSE}},
    "no parts": {"layer": "Stack", "parts": []},
    "parts that do not meet": {"layer": "Stack", "parts": [DENSE, DENSE]},
    "bad part": {"layer": "Stack", "parts": [DENSE, None]},
    "both directions twice": {
        "layer": "Bidirectional",
        "inner": {"layer": "Bidirectional", "inner": GRU(2, 1).describe()},
    },
    "rate 1": {"layer": "Dropout", "rate": 1},
}


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_bad_layer_description_is_refused(path, name):
    put(path, {}, {"layer": BAD_LAYERS[name], "dtype": "float32", "state_sizes": []})
    assert code_of(path) == "description"


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "int64"},
        {"dtype": None},
        {"dtype": ["float32"]},
        {"state_sizes": [1]},
        {"state_sizes": None},
        {"more": 1},
    ],
    ids=str,
)
def test_bad_model_description_is_refused(path, change):
    params = Dense(2, 1).init(seed=0)
    put(path, params, {**models.describe(Dense(2, 1), params), **change})
    assert code_of(path) == "description"


@pytest.mark.parametrize(
    "metadata", [{}, {"model": None}, {"model": None, "extra": []}, {"model": 1, "extra": {}, "x": 0}], ids=str
)
def test_metadata_of_another_layout_is_refused(path, metadata):
    safetensors.write(path, {}, metadata, kind="model")
    assert code_of(path) == "description"


def test_extra_must_be_an_object(path):
    safetensors.write(path, {}, {"model": models.describe(Last(), {}), "extra": []}, kind="model")
    assert code_of(path) == "description"


def test_arrays_of_another_model_are_refused(path):
    put(path, Dense(2, 2).init(seed=0), models.describe(Dense(2, 1), Dense(2, 1).init(seed=0)))
    assert code_of(path) == "shape"


def test_arrays_in_another_dtype_than_recorded_are_refused(path):
    params = Dense(2, 1).init(seed=0)
    put(path, {n: a.astype("float64") for n, a in params.items()}, models.describe(Dense(2, 1), params))
    assert code_of(path) == "dtype"


@pytest.mark.parametrize("size", [10**9, 2**62, 10**38])
def test_description_of_a_giant_is_refused_before_anything_is_allocated(path, size):
    small = LSTM(1, 1)
    description = {"layer": {**small.describe(), "D": size, "H": size}, "dtype": "float32", "state_sizes": [size, size]}
    put(path, small.init(seed=0), description)
    tracemalloc.start()
    assert code_of(path) == "shape"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
