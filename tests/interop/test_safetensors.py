"""What is written comes back, bit for bit, and what could not come back is not written."""

import json
import stat

import numpy as np
import pytest
import safetensors.numpy as library
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnncore.errors import ModelFileError
from rnncore.interop import safetensors

DTYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]
SHAPES = [(), (0,), (5,), (3, 0, 2), (2, 3), (1, 2, 1, 2)]


def expect_same(arrays):
    return lambda metadata: {name: (array.shape, array.dtype) for name, array in arrays.items()}


def examples():
    rng = np.random.default_rng(0)
    return {
        f"{dtype}.{k}": rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
        for dtype in DTYPES
        for k, shape in enumerate(SHAPES)
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    safetensors.write(path, {"a": array}, {})
    back = safetensors.read(path, expect_same({"a": array}))[0]["a"]
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_round_trip_of_no_arrays(path):
    safetensors.write(path, {}, {"only": "words"})
    assert safetensors.read(path, lambda metadata: {}) == ({}, {"only": "words"})


def test_extreme_numbers_come_back_bit_for_bit(path):
    info = np.finfo(np.float64)
    array = np.array([-0.0, info.max, info.tiny, info.smallest_subnormal, np.nextafter(1, 2)])
    safetensors.write(path, {"a": array}, {})
    assert safetensors.read(path, expect_same({"a": array}))[0]["a"].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [np.arange(12.0).reshape(3, 4).T, np.arange(12)[::-2], np.arange(6, dtype=">i4"), np.broadcast_to(1.5, (2, 3))],
    ids=["Fortran order", "strided", "big-endian", "broadcast"],
)
def test_any_memory_layout_can_be_written(path, array):
    safetensors.write(path, {"a": array}, {})
    np.testing.assert_array_equal(safetensors.read(path, expect_same({"a": array}))[0]["a"], array)


def test_booleans_of_any_byte_are_written_as_0_and_1(path):
    odd = np.array([0, 1, 2, 255], np.uint8).view(bool)
    safetensors.write(path, {"a": odd}, {})
    assert safetensors.read(path, expect_same({"a": odd}))[0]["a"].view(np.uint8).tolist() == [0, 1, 1, 1]


def test_memory_mapped_array_can_be_written(path, tmp_path):
    mapped = np.memmap(tmp_path / "map", np.float32, "w+", shape=(3,))
    safetensors.write(path, {"a": mapped}, {})
    assert safetensors.read(path, expect_same({"a": mapped}))[0]["a"].tolist() == [0, 0, 0]


def test_the_safetensors_library_reads_the_same_arrays(path):
    arrays = examples()
    safetensors.write(path, arrays, {"note": "é\u2028 \x00"})
    back = library.load_file(path)
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in back.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()
    }


def test_the_safetensors_library_reads_the_description(path):
    safetensors.write(path, {"a": np.ones(1)}, {"note": "é"})
    with library.safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["rnncore"])["metadata"] == {"note": "é"}


def test_header_is_padded_with_spaces_to_8_bytes(path):
    lengths = set()
    for size in range(8):
        safetensors.write(path, {"a": np.ones(1)}, {"note": "x" * size})
        lengths.add(int.from_bytes(path.read_bytes()[:8], "little") % 8)
    assert lengths == {0}


def test_every_array_is_aligned(path):
    arrays = examples()
    safetensors.write(path, arrays, {})
    raw = path.read_bytes()
    table = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert all(table[name]["data_offsets"][0] % array.itemsize == 0 for name, array in arrays.items())


def test_equal_input_in_another_order_gives_equal_bytes(path, tmp_path):
    arrays = examples()
    safetensors.write(path, arrays, {"x": 1, "y": {"a": 1, "b": 2}})
    safetensors.write(tmp_path / "2", dict(reversed(arrays.items())), {"y": {"b": 2, "a": 1}, "x": 1})
    assert path.read_bytes() == (tmp_path / "2").read_bytes()


def test_kind_must_be_the_one_asked_for(path):
    safetensors.write(path, {}, {}, kind="checkpoint")
    with pytest.raises(ModelFileError, match="'checkpoint', not 'model'") as caught:
        safetensors.read(path, lambda metadata: {}, kind="model")
    assert caught.value.code == "kind"


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**128) + 1, 2**128 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
)
any_array = hnp.arrays(
    st.sampled_from(DTYPES),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    elements={"allow_nan": False, "allow_infinity": False},
)
names = st.from_regex(r"[A-Za-z0-9_]{1,5}([.-][A-Za-z0-9_]{1,5}){0,3}", fullmatch=True)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text(), json_like, max_size=4))
def test_any_metadata_comes_back(tmp_path_factory, metadata):
    path = tmp_path_factory.getbasetemp() / "metadata"
    safetensors.write(path, {}, metadata)
    assert safetensors.read(path, lambda metadata: {})[1] == metadata


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(names, any_array, max_size=4))
def test_any_arrays_come_back(tmp_path_factory, arrays):
    path = tmp_path_factory.getbasetemp() / "arrays"
    safetensors.write(path, arrays, {})
    back = safetensors.read(path, expect_same(arrays))[0]
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in back.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in arrays.items()
    }


def test_nothing_passed_in_is_changed(path):
    array, metadata = np.arange(4.0)[::-1], {"x": (1, {"y": 2})}
    safetensors.write(path, {"a": array}, metadata)
    assert (array.tolist(), metadata) == ([3, 2, 1, 0], {"x": (1, {"y": 2})})


def test_file_is_no_executable(path):
    safetensors.write(path, {}, {})
    assert not path.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
