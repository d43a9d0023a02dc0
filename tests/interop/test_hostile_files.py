"""Nothing that is wrong with a file gets past the reader, and nothing but ModelFileError comes out of it."""

import os
import re
import socket
import tracemalloc
from pathlib import Path

import hostile
import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError(5, "Input/output error"), "unreadable"), (MemoryError(), "too-large"), (RecursionError(), "depth")],
    ids=repr,
)
def test_failure_of_the_system_while_reading(put, monkeypatch, error, code):
    def fail(file, max_bytes):
        raise error

    monkeypatch.setattr(safetensors, "_head", fail)
    assert code_of(put(hostile.SOUND)) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw + b"\0", "trailing"),
        (lambda raw: raw[:-1] + b"\1", "checksum"),
    ],
    ids=["shrinks", "grows", "changes"],
)
def test_file_that_changes_while_it_is_read(tmp_path, change, code):
    path = tmp_path / "file"
    safetensors.write(path, {"a": np.zeros(10**6, np.uint8)}, {})

    def meanwhile(metadata):
        raw = change(path.read_bytes())
        path.write_bytes(raw)  # in place, as no rnncore would
        return {"a": ((10**6,), "uint8")}

    with pytest.raises(ModelFileError) as caught:
        safetensors.read(path, meanwhile)
    assert caught.value.code == code


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


def test_too_many_dimensions_are_refused_before_they_are_multiplied(put):
    with pytest.raises(ModelFileError, match="100000 dimensions"):
        safetensors.read(put(hostile.entry(shape=[2**62] * 100_000)), expect)


def test_too_deep_text_does_not_reach_the_recursive_parser(monkeypatch):
    monkeypatch.setattr(strict_json.json, "loads", lambda *arguments, **options: pytest.fail("parsed"))
    with pytest.raises(strict_json.Refused, match="nests deeper"):
        strict_json.parse(b"[" * 65 + b"]" * 65)


def test_brackets_in_strings_do_not_count_as_depth():
    text = "[" * 1000 + '\\"' + "{" * 1000
    assert strict_json.parse(f'["{text}"]'.encode()) == [text.replace('\\"', '"')]


def test_overlong_integer_is_refused_before_it_is_converted():
    with pytest.raises(strict_json.Refused, match="41 digits"):
        strict_json.parse(b"[" + b"0" + b",1" + b"0" * 40 + b"]")


def test_million_keys_with_the_last_one_repeated_take_no_quadratic_time():
    keys = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(strict_json.Refused, match="199999"):
        strict_json.parse(f'{{{keys},"199999":0}}'.encode())


def test_million_escaped_quotes_take_no_quadratic_time():
    with pytest.raises(strict_json.Refused, match="Unterminated"):
        strict_json.parse(b'"' + b'\\"' * 1_000_000)


def test_arrays_are_own_writable_native_memory(put):
    arrays, _ = safetensors.read(put(hostile.SOUND), expect)
    assert all(
        a.flags.owndata and a.flags.writeable and a.dtype.isnative and a.flags.c_contiguous for a in arrays.values()
    )


def test_values_are_those_that_were_packed(put):
    arrays, _ = safetensors.read(put(hostile.SOUND), expect)
    np.testing.assert_array_equal(arrays["b"], [-1, 2**40])
