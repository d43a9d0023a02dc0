"""Random bytes and random damage: ModelFileError or sound arrays, never anything else."""

import json

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnncore.errors import ModelFileError
from rnncore.interop import safetensors


def expect(metadata):
    return hostile.EXPECTED


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_random_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        safetensors.read(path, expect)


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


@settings(deadline=None, max_examples=100)
@given(st.data(), json_values)
def test_random_json_anywhere_in_the_table(tmp_path_factory, data, value):
    way = data.draw(st.sampled_from(list(places(hostile.table()))[1:]))
    content = hostile.sealed(hostile.header(changed(hostile.table(), way, value)))
    assert_sound_or_refused(tmp_path_factory.getbasetemp() / "table", content)


@settings(deadline=None, max_examples=100)
@given(st.data(), json_values)
def test_random_json_anywhere_in_the_description(tmp_path_factory, data, value):
    tree = json.loads(hostile.inner())
    way = data.draw(st.sampled_from(list(places(tree))))
    content = hostile.sealed(hostile.header(description=hostile.compact(changed(tree, way, value))))
    assert_sound_or_refused(tmp_path_factory.getbasetemp() / "description", content)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(hostile.SOUND) - 1), st.integers(0, 40), st.binary(max_size=20))
def test_random_splices_with_a_right_checksum(tmp_path_factory, start, size, piece):
    whole = hostile.sealed(hostile.header())
    spliced = whole[:start] + piece + whole[start + size :]
    length = int.from_bytes(spliced[:8], "little") % 1000
    text = spliced[8 : 8 + length].replace(whole[51:115], hostile.ZEROS.encode())
    assert_sound_or_refused(tmp_path_factory.getbasetemp() / "splice", hostile.sealed(text, spliced[8 + length :]))
