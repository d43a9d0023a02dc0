"""Model files built by hand, without the code under test: a sound one, and one for each way of being wrong."""

import hashlib
import json
import pickle
import struct

ZEROS = "0" * 64
METADATA = {"note": "sound", "seed": 7}
EXPECTED = {"a": ((2, 3), "float32"), "b": ((2,), "int64"), "c": ((2,), "bool")}
DATA = struct.pack("<2q", -1, 2**40) + struct.pack("<6f", 0, 1, -2, 0.5, 1e30, -0.0) + b"\1\0"


def table(**changes):
    """The entries of the sound file; a change of None takes one away."""
    entries = {
        "b": {"data_offsets": [0, 16], "dtype": "I64", "shape": [2]},
        "a": {"data_offsets": [16, 40], "dtype": "F32", "shape": [2, 3]},
        "c": {"data_offsets": [40, 42], "dtype": "BOOL", "shape": [2]},
    }
    return {name: entry for name, entry in (entries | changes).items() if entry is not None}


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def inner(metadata=METADATA, kind="arrays", version=1, checksum=ZEROS, **more):
    return compact({"checksum": checksum, "kind": kind, "metadata": metadata, "version": version, **more})


def header(entries=None, description=None, **more_metadata):
    description = inner() if description is None else description
    return compact(
        {"__metadata__": {"rnncore": description, **more_metadata}, **(table() if entries is None else entries)}
    )


def framed(text, data=DATA, length=None):
    raw = text if isinstance(text, bytes) else text.encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def sealed(text, data=DATA):
    """The file with its right checksum, so that the flaw inside is all there is to find."""
    whole = framed(text, data)
    return whole.replace(ZEROS.encode(), hashlib.sha256(whole).hexdigest().encode(), 1)


def entry(**changes):
    """The sound file with one entry changed."""
    return sealed(header(table(a=table()["a"] | changes)))


def renamed(name):
    return sealed(header({**table(a=None), name: table()["a"]}))


def described(text):
    """The sound file with other JSON, as text, in the place of its metadata."""
    return sealed(header(description=inner().replace(compact(METADATA), text)))


SOUND = sealed(header())

HOSTILE = {
    # the frame
    "empty": (b"", "truncated"),
    "seven bytes": (b"\0" * 7, "truncated"),
    "only a length": (struct.pack("<Q", 100), "truncated"),
    "header of 0 bytes": (framed(header(), length=0), "not-safetensors"),
    "header of 1 byte": (framed(header(), length=1), "not-safetensors"),
    "header of 2**64 - 1 bytes": (framed(header(), length=2**64 - 1), "not-safetensors"),
    "header over the cap": (framed(header(), length=10 * 2**20 + 1), "not-safetensors"),
    "header past the end": (framed(header(), length=5000), "truncated"),
    "header length in big-endian": (struct.pack(">Q", 100) + SOUND[8:], "not-safetensors"),
    "pickle": (pickle.dumps({"a": [1.0] * 9}), "not-safetensors"),
    "zip": (b"PK\3\4" + b"\0" * 60, "not-safetensors"),
    "csv": (b"customer,time,value\n1,1997-01-01,9.99\n", "not-safetensors"),
    "space before the header": (sealed(" " + header()), "not-safetensors"),
    "byte order mark": (sealed(b"\xef\xbb\xbf" + header().encode()), "not-safetensors"),
    "header is a list": (framed("[1, 2]"), "not-safetensors"),
    "last data byte missing": (SOUND[:-1], "truncated"),
    "byte behind the data": (SOUND + b"\0", "trailing"),
    "sealed, data too short": (sealed(header(), DATA[:-1]), "truncated"),
    "sealed, data too long": (sealed(header(), DATA + b"\0"), "trailing"),
    # text and JSON
    "not UTF-8": (sealed(header().encode().replace(b"sound", b"s\xff\xfend")), "encoding"),
    "UTF-16": (sealed(b"{" + header()[1:].encode("utf-16-be")), "json"),
    "half a surrogate pair as name": (renamed("\ud800"), "encoding"),
    "half a surrogate pair in the metadata": (described('{"x":"\\udc80"}'), "encoding"),
    "half a header": (sealed(header()[:-1]), "json"),
    "comma at the end": (sealed(header()[:-1] + ",}"), "json"),
    "two values": (sealed(header() + "{}"), "json"),
    "comment": (sealed(header() + "/* */"), "json"),
    "null byte as padding": (sealed(header() + "\0"), "json"),
    "control character in a string": (sealed(header()[:-1] + ',"x\n":0}'), "json"),
    "NaN": (described('{"x":NaN}'), "json"),
    "Infinity": (described('{"x":-Infinity}'), "json"),
    "NaN in the table": (sealed(header()[:-1] + ',"x":NaN}'), "json"),
    "number that overflows to infinity": (described('{"x":1e999}'), "json"),
    "integer of 5000 digits": (described('{"x":' + "9" * 5000 + "}"), "json"),
    "integer of 129 bits": (described('{"x":' + str(2**128) + "}"), "json"),
    "nested 65 levels": (described('{"x":' + "[" * 63 + "]" * 63 + "}"), "depth"),
    "nested a million levels": (sealed(header()[:-1] + ',"x":' + "[" * 10**6 + "]" * 10**6 + "}"), "depth"),
    "opened a million times": (sealed('{"x":' + '{"x":[' * 10**6), "depth"),
    # repeated keys, at every level
    "array twice": (sealed(header()[:-1] + ',"a":' + compact(table()["a"]) + "}"), "duplicate"),
    "array twice, once escaped": (sealed(header()[:-1] + ',"\\u0061":' + compact(table()["a"]) + "}"), "duplicate"),
    "two __metadata__": (sealed(header()[:-1] + ',"__metadata__":{}}'), "duplicate"),
    "two descriptions": (sealed(header().replace('},"b"', ',"rnncore":"{}"},"b"')), "duplicate"),
    "two dtypes": (sealed(header().replace('"dtype":"F32"', '"dtype":"F32","dtype":"F32"')), "duplicate"),
    "two versions": (sealed(header(description=inner()[:-1] + ',"version":1}')), "duplicate"),
    "key twice in the metadata": (described('{"x":{"y":1,"y":2}}'), "duplicate"),
    # who wrote it, for what
    "no __metadata__": (sealed(compact(table())), "not-rnncore"),
    "written by someone else": (sealed(compact({"__metadata__": {"format": "pt"}, **table()})), "not-rnncore"),
    "description is no string": (sealed(compact({"__metadata__": {"rnncore": {}}, **table()})), "not-rnncore"),
    "__metadata__ is a list": (sealed(compact({"__metadata__": [], **table()})), "not-rnncore"),
    "description is empty": (sealed(header(description="")), "json"),
    "description is a list": (sealed(header(description="[]")), "header"),
    "version of the future": (sealed(header(description=inner(version=2))), "version"),
    "version of the future, other keys": (sealed(header(description=compact({"version": 9}))), "version"),
    "version 0": (sealed(header(description=inner(version=0))), "header"),
    "version true": (sealed(header(description=inner(version=True))), "header"),
    "version 1.0": (sealed(header(description=inner(version=1.0))), "header"),
    "version in words": (sealed(header(description=inner(version="1"))), "header"),
    "other kind": (sealed(header(description=inner(kind="checkpoint"))), "kind"),
    "kind is a list": (sealed(header(description=inner(kind=["arrays"]))), "header"),
    "kind with a control character": (sealed(header(description=inner(kind="\x1b[2J"))), "header"),
    "metadata is a list": (sealed(header(description=inner(metadata=[]))), "header"),
    "unknown key in the description": (sealed(header(description=inner(code="import os"))), "header"),
    "unknown key beside the description": (sealed(header(format="pt")), "header"),
    "checksum of 63 digits": (sealed(header(description=inner(checksum="0" * 63))), "header"),
    "checksum is a number": (sealed(header(description=inner(checksum=0))), "header"),
    "checksum elsewhere": (sealed(header().replace('{"__metadata__":', '{ "__metadata__":')), "header"),
    "checksum of zeros": (framed(header()), "checksum"),
    "checksum in capitals": (SOUND.replace(SOUND[51:115], SOUND[51:115].upper()), "checksum"),
    "data changed": (SOUND[:-10] + b"\1" + SOUND[-9:], "checksum"),
    # names
    "name that climbs": (renamed("../a"), "name"),
    "absolute name": (renamed("/etc/passwd"), "name"),
    "name with a backslash": (renamed("..\\a"), "name"),
    "name with a drive": (renamed("C:a"), "name"),
    "hidden name": (renamed(".a"), "name"),
    "name with two dots": (renamed("a..b"), "name"),
    "empty name": (renamed(""), "name"),
    "name with a null byte": (renamed("a\0"), "name"),
    "name with a line end": (renamed("a\n"), "name"),
    "name in look-alike letters": (renamed("\u0430"), "name"),
    "name of 201 letters": (renamed("a" * 201), "name"),
    # entries
    "entry is a list": (sealed(header(table(a=[16, 40]))), "header"),
    "entry is null": (sealed(header(table()).replace(compact(table()["a"]), "null")), "header"),
    "entry without a shape": (sealed(header(table(a={"dtype": "F32", "data_offsets": [16, 40]}))), "header"),
    "entry with a stranger": (entry(strides=[4, 12]), "header"),
    "dtype unknown": (entry(dtype="F31"), "dtype"),
    "dtype in small letters": (entry(dtype="f32"), "dtype"),
    "dtype object": (entry(dtype="|O"), "dtype"),
    "dtype is a list": (entry(dtype=["F32"]), "dtype"),
    "dtype is a number": (entry(dtype=32), "dtype"),
    "shape is a number": (entry(shape=6), "header"),
    "shape is text": (entry(shape="23"), "header"),
    "shape is an object": (entry(shape={"2": 3}), "header"),
    "size is a float": (entry(shape=[2.0, 3]), "header"),
    "size is true": (entry(shape=[True, 6]), "header"),
    "size is negative": (entry(shape=[-2, -3]), "header"),
    "size is null": (entry(shape=[None]), "header"),
    "size is 2**63": (entry(shape=[2**63]), "header"),
    "33 dimensions": (entry(shape=[2, 3] + [1] * 31), "shape"),
    "product overflows to the right size": (entry(shape=[2**62, 4, 6]), "shape"),
    "product overflows beside a zero": (entry(shape=[0, 2**62, 2**62], data_offsets=[16, 16]), "shape"),
    "offsets do not fit the shape": (entry(shape=[2, 4]), "offsets"),
    "offsets backwards": (entry(data_offsets=[40, 16]), "offsets"),
    "three offsets": (entry(data_offsets=[16, 40, 40]), "offsets"),
    "no offsets": (entry(data_offsets=[]), "offsets"),
    "offset is a float": (entry(data_offsets=[16.0, 40]), "header"),
    "offset is false": (entry(shape=[4], data_offsets=[False, 16]), "header"),
    "offset is negative": (entry(data_offsets=[-8, 16]), "header"),
    "offset is 2**64 + 16": (entry(data_offsets=[2**64 + 16, 2**64 + 40]), "header"),
    "arrays overlap": (entry(data_offsets=[12, 36]), "offsets"),
    "arrays share their bytes": (entry(shape=[4], data_offsets=[0, 16]), "offsets"),
    "gap between arrays": (
        sealed(header(table(c={**table()["c"], "data_offsets": [41, 43]})), DATA + b"\0"),
        "offsets",
    ),
    "gap before the first": (sealed(header(table(b=None, a={**table()["a"]}))), "offsets"),
    "entry past the end": (
        sealed(header(table(c={**table()["c"], "shape": [9], "data_offsets": [40, 49]}))),
        "truncated",
    ),
    "billions of numbers": (entry(shape=[10**9, 10**9], data_offsets=[16, 16 + 4 * 10**18]), "offsets"),
    "billions of numbers at the end": (
        sealed(header(table(c={"dtype": "F64", "shape": [10**12], "data_offsets": [40, 40 + 8 * 10**12]}))),
        "truncated",
    ),
    # what was asked for
    "array missing": (sealed(header(table(c=None)), DATA[:-2]), "names"),
    "array too many": (sealed(header(table(d={"dtype": "U8", "shape": [0], "data_offsets": [42, 42]}))), "names"),
    "array renamed": (renamed("A"), "names"),
    "other dtype of the same size": (entry(dtype="I32"), "dtype"),
    "other shape of the same size": (entry(shape=[3, 2]), "shape"),
    "other number of dimensions": (entry(shape=[6]), "shape"),
    # values
    "NaN in an array": (sealed(header(), DATA[:16] + b"\0\0\xc0\x7f" + DATA[20:]), "non-finite"),
    "infinity in an array": (sealed(header(), DATA[:16] + b"\0\0\x80\xff" + DATA[20:]), "non-finite"),
    "boolean 2": (sealed(header(), DATA[:-1] + b"\2"), "boolean"),
}
