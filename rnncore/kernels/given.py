"""A NumPy array as Python hands it over, looked at in place: what a call that lasts a microsecond can afford.

Numba counts references to every array that it is passed and copies its shape, 70 ns an array, and to find out whether
it is the right one takes Python 0.2 us. Here a kernel reads the fields that NumPy promises to every extension compiled
for it (`PyArrayObject` of its C-API), and says itself whether an array is what it expects. The caller holds the arrays.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import NativeValue, models, register_model, unbox
from numba.np.arrayobj import make_array, populate_array

from rnncore.kernels.jit import intrinsic

_HEAD = object.__basicsize__  # of every Python object; its last word is the type
_TYPE, _DATA, _AXES, _SHAPE, _STRIDES, _DTYPE = (_HEAD + 8 * k for k in (-1, 0, 1, 2, 3, 5))
_WORD, _HALF = ir.IntType(64), ir.IntType(32)


class Given(types.Type):
    """A NumPy array of numbers of one type; what may be something else is looked at by `fits` first."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(name=f"Given({dtype})")
        self.dtype = dtype


register_model(Given)(models.OpaqueModel)


def _unbox(kind: Any, value: Any, c: Any) -> Any:
    return NativeValue(c.builder.bitcast(value, c.context.get_value_type(kind)))


unbox(Given)(_unbox)


def readable() -> bool:
    """True where the fields lie where they are looked for, as in any NumPy so far; else this module must not be used.

    >>> readable()
    True
    """
    array = np.empty((3, 5), np.float32)
    word = ctypes.c_int64.from_address
    known = {_TYPE: id(np.ndarray), _DATA: array.__array_interface__["data"][0], _DTYPE: id(array.dtype)}
    fields = {offset: word(id(array) + offset).value for offset in (*known, _SHAPE, _STRIDES)}
    if any(fields[offset] != value for offset, value in known.items()):
        return False
    pairs = ((ctypes.c_int64 * 2).from_address(fields[offset]) for offset in (_SHAPE, _STRIDES))
    axes = ctypes.c_int32.from_address(id(array) + _AXES).value
    return axes == 2 and [tuple(pair) for pair in pairs] == [array.shape, array.strides]


def _field(builder: Any, given: Any, offset: int, kind: Any) -> Any:
    place = builder.gep(given, [_WORD(offset)])
    return builder.load(builder.bitcast(place, kind.as_pointer()))


@intrinsic
def fits(typing_context: Any, given: Any, like: Any, size: Any) -> Any:
    """True for a NumPy array with one axis, `size` numbers one after another, and the dtype of `like`.

    The dtype is one object for all arrays of it that NumPy makes; where it is a copy the answer is False. False too for
    a subclass, for numbers in another order of bytes, and for those that begin between two places of a number.
    """
    width = given.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, model, count = values
        result = cgutils.alloca_once_value(builder, cgutils.false_bit)

        def equal(a: Any, b: Any) -> Any:
            return builder.if_then(builder.icmp_signed("==", a, b))

        def first(offset: int) -> Any:
            return builder.load(_field(builder, x, offset, _WORD.as_pointer()))

        def same(offset: int) -> Any:
            return equal(*(_field(builder, array, offset, _WORD) for array in (x, model)))

        with same(_TYPE), same(_DTYPE), equal(_field(builder, x, _AXES, _HALF), _HALF(1)), equal(first(_SHAPE), count):
            contiguous = builder.icmp_signed("==", first(_STRIDES), _WORD(width))
            beside = builder.and_(_field(builder, x, _DATA, _WORD), _WORD(width - 1))
            aligned = builder.icmp_signed("==", beside, _WORD(0))
            builder.store(builder.and_(contiguous, aligned), result)  # of what is no array only the type was read
        return builder.load(result)

    return types.boolean(given, like, types.intp), generate


@intrinsic
def extent(typing_context: Any, given: Any, axis: Any) -> Any:
    """How many rows (0) or columns (1) an array has."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(builder.gep(_field(builder, values[0], _SHAPE, _WORD.as_pointer()), [values[1]]))

    return types.intp(given, types.intp), generate


@intrinsic
def seen(typing_context: Any, given: Any, first: Any, shape: Any) -> Any:
    """The numbers from `first` on, counted through the array as it lies in memory, as an array of this shape."""
    array = types.Array(given.dtype, shape.count, "C")
    size = given.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = context.get_value_type(given.dtype).as_pointer()
        data = builder.gep(_field(builder, values[0], _DATA, pointer), [values[1]])
        extents = cgutils.unpack_tuple(builder, values[2])
        strides = [_WORD(size)]
        for extent in extents[:0:-1]:
            strides.insert(0, builder.mul(strides[0], extent))
        result = make_array(array)(context, builder)
        populate_array(result, data=data, shape=extents, strides=strides, itemsize=size, meminfo=None)
        return result._getvalue()

    return array(given, types.intp, types.UniTuple(types.intp, shape.count)), generate
