"""What could not come back is not written."""

import json

import numpy as np
import pytest

from rnncore.errors import ContractError, NonFiniteError
from rnncore.interop import safetensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def test_deepest_metadata_that_can_be_written_can_be_read(path):
    safetensors.write(path, {}, {"x": nested(61)})
    assert safetensors.read(path, lambda metadata: {})[1] == {"x": nested(61)}


def endless():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {1: "x"},
        {True: 0},
        {None: 0},
        b"x",
        {1, 2},
        np.int64(1),
        np.ones(1),
        1j,
        2**128,
        10**5000,
        "\ud800",
        {"\ud800": 0},
        nested(62),
        endless(),
        "x" * 10 * 2**20,
        object(),
        json,
    ],
    ids=lambda value: type(value).__name__,
)
def test_metadata_that_would_not_come_back_is_refused(path, value):
    with pytest.raises(ContractError, match="metadata"):
        safetensors.write(path, {}, {"key": value})
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["../a", "a/b", "/a", ".a", "a.", "", "a b", "a\n", "C:a", "a..b", "é", "a" * 201, "__metadata__", 3]
)
def test_array_name_that_could_be_a_path_is_refused(path, name):
    with pytest.raises(ContractError, match="names"):
        safetensors.write(path, {name: np.ones(1)}, {})


@pytest.mark.parametrize(
    "dtype",
    [
        "object",
        "complex64",
        "complex128",
        "S3",
        "U3",
        "datetime64[s]",
        "timedelta64[s]",
        "V4",
        [("a", "f4")],
        "longdouble",
    ],
)
def test_dtype_without_a_word_in_the_format_is_refused(path, dtype):
    with pytest.raises(ContractError, match=r"weights: .*dtype"):
        safetensors.write(path, {"weights": np.zeros(2, dtype)}, {})


@pytest.mark.parametrize(
    "array", [[1.0], 1.0, np.float64(1), np.ma.array([1.0], mask=[True]), None], ids=lambda a: type(a).__name__
)
def test_what_is_no_plain_array_is_refused(path, array):
    with pytest.raises(ContractError, match=r"weights: .*NumPy array"):
        safetensors.write(path, {"weights": array}, {})


@pytest.mark.parametrize("kind", ["", "a/b", "\x1b", 3])
def test_kind_must_be_a_plain_word(path, kind):
    with pytest.raises(ContractError, match="kind"):
        safetensors.write(path, {}, {}, kind=kind)


def test_path_of_a_wrong_type_is_refused():
    with pytest.raises(ContractError, match="path"):
        safetensors.write(3, {}, {})


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_arrays_are_named_and_not_written(path, dtype, value):
    bad = np.array([0, value], dtype)
    with pytest.raises(NonFiniteError, match="b, d") as caught:
        safetensors.write(path, {"a": np.ones(2), "d": bad, "b": bad, "c": np.ones(2, int)}, {})
    assert caught.value.arrays == ("b", "d")
    assert not path.exists()
