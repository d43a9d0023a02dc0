"""Nothing that is wrong with a file gets past the reader, and nothing but ModelFileError comes out of it."""

import json
import os
import re
import socket
import tracemalloc
from pathlib import Path

import hostile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError, ModelFileError
from rnncore.interop import header, safetensors, strict_json


def expect(metadata):
    return hostile.EXPECTED


def code_of(path, **options):
    with pytest.raises(ModelFileError) as caught:
        safetensors.read(path, expect, **options)
    assert str(path) in str(caught.value)
    return caught.value.code


@pytest.fixture
def put(tmp_path):
    def put(content):
        path = tmp_path / "file.safetensors"
        path.write_bytes(content)
        return path

    return put


def test_the_file_built_by_hand_is_what_write_writes(put, tmp_path):
    arrays, metadata = safetensors.read(put(hostile.SOUND), expect)
    safetensors.write(tmp_path / "again", arrays, metadata)
    assert (tmp_path / "again").read_bytes() == hostile.SOUND


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_hostile_file_is_refused_with_its_code(put, name):
    content, code = hostile.HOSTILE[name]
    assert code_of(put(content)) == code


def test_truncation_at_every_byte_is_refused(put):
    codes = {code_of(put(hostile.SOUND[:size])) for size in range(len(hostile.SOUND))}
    assert codes == {"truncated"}


def test_flip_of_every_bit_is_refused(put):
    for place in range(8 * len(hostile.SOUND)):
        flipped = bytearray(hostile.SOUND)
        flipped[place // 8] ^= 1 << place % 8
        code_of(put(flipped))


def test_every_code_is_documented_and_every_documented_code_is_used():
    table = re.findall(r"^    ([a-z-]+)  +\S", safetensors.__doc__.split("is one of")[1], re.MULTILINE)
    source = "".join(Path(module.__file__).read_text() for module in (safetensors, header, strict_json))
    used = re.findall(r'(?:Refused\(|ModelFileError\(\s*)"([a-z-]+)"', source)
    assert sorted(table) == sorted(set(used))


def test_missing_file(tmp_path):
    assert code_of(tmp_path / "none") == "missing"


def test_file_inside_a_file(put):
    assert code_of(put(b"") / "inside") == "missing"


def test_folder(tmp_path):
    assert code_of(tmp_path) == "directory"


def test_pipe_without_a_writer_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert code_of(tmp_path / "pipe") == "special"


def test_endless_device():
    assert code_of("/dev/zero") == "special"


def test_socket(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert code_of("socket") == "unreadable"


@pytest.mark.parametrize("name", ["n" * 5000, "null\0byte", "half\ud800pair"])
def test_impossible_path(name):
    assert code_of(name) in ("unreadable", "missing")


def test_loop_of_links(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert code_of(tmp_path / "loop") == "unreadable"


def test_reading_error_of_the_disk(put, monkeypatch):
    def fail(file, max_bytes):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(safetensors, "_head", fail)
    assert code_of(put(hostile.SOUND)) == "unreadable"


def test_file_over_the_size_limit(put):
    assert code_of(put(hostile.SOUND), max_bytes=len(hostile.SOUND) - 1) == "too-large"


def test_file_at_the_size_limit(put):
    assert safetensors.read(put(hostile.SOUND), expect, max_bytes=len(hostile.SOUND))[1] == hostile.METADATA


def test_path_of_a_wrong_type_is_the_callers_mistake():
    with pytest.raises(ContractError, match="path"):
        safetensors.read(3, expect)


@pytest.mark.parametrize(
    "mistake", [ContractError("H", "1", "0", "x"), KeyError("layer"), RecursionError(), MemoryError()]
)
def test_whatever_expect_raises_counts_against_the_file(put, mistake):
    def trip(metadata):
        raise mistake

    with pytest.raises(ModelFileError) as caught:
        safetensors.read(put(hostile.SOUND), trip)
    assert caught.value.code == "description"


def test_nothing_large_is_allocated_for_a_claim(put):
    path = put(hostile.HOSTILE["billions of numbers at the end"][0])
    tracemalloc.start()
    code_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_nothing_large_is_allocated_where_shapes_differ(put):
    size = 2**22
    path = put(
        hostile.sealed(hostile.header({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}), b"\0" * size)
    )
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="asks for"):
        safetensors.read(path, lambda metadata: {"a": ((10**9, 10**9), "uint8")})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_message_carries_no_control_characters(put):
    with pytest.raises(ModelFileError) as caught:
        safetensors.read(put(hostile.renamed("\x1b]0;owned\x07")), expect)
    assert str(caught.value).removeprefix(caught.value.path).isprintable()


def test_million_keys_with_the_last_one_repeated_take_no_quadratic_time():
    keys = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(strict_json.Refused, match="199999"):
        strict_json.parse(f'{{{keys},"199999":0}}'.encode())


def test_million_escaped_quotes_take_no_quadratic_time():
    with pytest.raises(strict_json.Refused, match="Unterminated"):
        strict_json.parse(b'"' + b'\\"' * 1_000_000)


@given(st.binary(max_size=300))
def test_random_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    code_of(path)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([0, 2, 16, 2**63, 2**64, "F32"]),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
)


def places(tree, way=()):
    """Every path into a JSON tree."""
    yield way
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from places(tree[key], (*way, key))


def changed(tree, way, value):
    if not way:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[way[0]] = changed(tree[way[0]], way[1:], value)
    return copy


def assert_sound_or_refused(path, content):
    path.write_bytes(content)
    try:
        arrays, metadata = safetensors.read(path, expect)
    except ModelFileError:
        return
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == hostile.EXPECTED
    assert type(metadata) is dict


@given(st.data(), json_values)
def test_random_json_anywhere_in_the_table(tmp_path_factory, data, value):
    way = data.draw(st.sampled_from(list(places(hostile.table()))[1:]))
    content = hostile.sealed(hostile.header(changed(hostile.table(), way, value)))
    assert_sound_or_refused(tmp_path_factory.getbasetemp() / "table", content)


@given(st.data(), json_values)
def test_random_json_anywhere_in_the_description(tmp_path_factory, data, value):
    tree = json.loads(hostile.inner())
    way = data.draw(st.sampled_from(list(places(tree))))
    content = hostile.sealed(hostile.header(description=hostile.compact(changed(tree, way, value))))
    assert_sound_or_refused(tmp_path_factory.getbasetemp() / "description", content)


@given(st.integers(0, len(hostile.SOUND) - 1), st.integers(0, 40), st.binary(max_size=20))
def test_random_splices_with_a_right_checksum(tmp_path_factory, start, size, piece):
    whole = hostile.sealed(hostile.header())
    spliced = whole[:start] + piece + whole[start + size :]
    length = int.from_bytes(spliced[:8], "little") % 1000
    text = spliced[8 : 8 + length].replace(whole[51:115], hostile.ZEROS.encode())
    assert_sound_or_refused(tmp_path_factory.getbasetemp() / "splice", hostile.sealed(text, spliced[8 + length :]))


def test_arrays_are_own_writable_native_memory(put):
    arrays, _ = safetensors.read(put(hostile.SOUND), expect)
    assert all(
        a.flags.owndata and a.flags.writeable and a.dtype.isnative and a.flags.c_contiguous for a in arrays.values()
    )


def test_values_are_those_that_were_packed(put):
    arrays, _ = safetensors.read(put(hostile.SOUND), expect)
    np.testing.assert_array_equal(arrays["b"], [-1, 2**40])
