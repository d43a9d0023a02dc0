"""Checks of arguments: each raises `ContractError` naming the argument, what was expected, what came and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore.errors import ContractError
from rnncore.typing import Array, Lengths, Params, State

DTYPES = ("float32", "float64")


def words(values: Sequence[str]) -> str:
    """Return 'a', 'b' or 'c' as one phrase."""
    quoted = [repr(value) for value in values]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def nearest(word: str, allowed: Sequence[str]) -> str | None:
    """Return the allowed word that was most likely meant, or None where none is like it.

    >>> nearest("Chrun", ["clv", "churn"]), nearest("id", ["client_id", "day"]), nearest("colour", ["churn"])
    ('churn', 'client_id', None)
    """
    folded = {one.casefold(): one for one in allowed}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    parts = [one for one in folded if word.casefold() in re.split(r"[\W_]+", one)]
    return folded[(close or parts)[0]] if close or parts else None


def one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Require one of a few words."""
    if not isinstance(value, str) or value not in allowed:
        near = nearest(value, allowed) if isinstance(value, str) else None
        advice = f"did you mean {near!r}?" if near else f"say {name}={allowed[0]!r}, for instance"
        raise ContractError(name, words(allowed), repr(value), advice)


def size(name: str, value: object, least: int = 1) -> int:
    """Require a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        came = repr(value) if isinstance(value, (int, float, str)) else f"a {type(value).__name__}"
        raise ContractError(name, f"a whole number of at least {least}", came, "give a Python int")
    return int(value)


def number(name: str, value: object, least: float = 0.0, below: float = np.inf, open_left: bool = False) -> float:
    """Require a finite number in [least, below), or in (least, below) where `open_left`."""
    ok = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (ok and least <= float(value) < below) or (open_left and float(value) == least):  # type: ignore[arg-type]
        interval = f"{'(' if open_left else '['}{least:g}, {below:g})"
        raise ContractError(name, f"a number in {interval}", repr(value), "give a finite number inside the interval")
    return float(value)  # type: ignore[arg-type]


def array(
    name: str,
    value: object,
    shape: tuple[int | str, ...] | None = None,
    dtype: np.dtype[Any] | None = None,
    why: str = "convert it first",
) -> None:
    """Require a NumPy array of numbers; a letter in `shape` is any size, `dtype` None any real or complex one."""
    if not isinstance(value, np.ndarray):
        advice = "convert it with numpy.asarray"
        if name == "x" and isinstance(value, (list, tuple)):
            advice += ", or a list of histories with rnncore.sequences.pad"
        raise ContractError(name, "a NumPy array", f"a {type(value).__name__}", advice)
    if type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray):
        raise ContractError(name, "an array without a mask", "a masked array", "say .filled(numpy.nan), for instance")
    if shape is not None:
        fits = value.ndim == len(shape) and all(
            isinstance(a, str) or a == b for a, b in zip(shape, value.shape, strict=True)
        )
        if not fits:
            raise ContractError(name, f"shape {show(shape)}", f"shape {show(value.shape)}", why)
    if dtype is not None and value.dtype != dtype:
        advice = "all arrays of a call have one dtype; convert with .astype"
        raise ContractError(name, f"dtype {dtype}", f"dtype {value.dtype}", advice)
    if value.dtype.kind not in "fc" or value.dtype.itemsize < 4:
        advice = "convert with .astype(numpy.float32) or .astype(numpy.float64)"
        raise ContractError(name, "dtype float32 or float64", f"dtype {value.dtype}", advice)
    if not value.dtype.isnative:
        advice = "convert with .astype(dtype.newbyteorder('='))"
        raise ContractError(name, "numbers in the byte order of this machine", f"dtype {value.dtype}", advice)


def is_array(value: object, shape: tuple[int, ...], dtype: np.dtype[Any] | None) -> bool:
    """True for what `array` accepts beyond doubt; it says the rest. dtype: that of an array which was checked."""
    if type(value) is not np.ndarray or value.shape != shape:
        return False
    own = value.dtype
    return own is dtype or ((dtype is None or own == dtype) and own.char in "fdgFDG" and own.isnative)


def show(shape: Sequence[int | str]) -> str:
    """Return a shape as it is written on paper."""
    return f"({', '.join(str(n) for n in shape)}{',' if len(shape) == 1 else ''})"


def parameters(params: object, shapes: dict[str, tuple[int, ...]], owner: object) -> np.dtype[Any] | None:
    """Require exactly these names and shapes in one dtype; return it, or None where there are no parameters."""
    given = named("params", params, "make it with layer.init(seed)")
    if given.keys() != shapes.keys():
        _names(given, shapes, owner)
    dtype = None
    for name, shape in shapes.items():
        a = given[name]  # the message is made only where it is needed: this runs in every call
        if not is_array(a, shape, dtype):
            array(name, a, shape, dtype, f"it belongs to {owner}")
        dtype = a.dtype
    return dtype


def named(name: str, value: object, advice: str) -> Params:
    """Require arrays by name."""
    if not hasattr(value, "keys"):
        raise ContractError(name, "a dict of arrays", f"a {type(value).__name__}", advice)
    return value  # type: ignore[return-value]


def _names(given: Params, shapes: dict[str, tuple[int, ...]], owner: object) -> None:
    """Require exactly these names."""
    missing, unknown = [n for n in shapes if n not in given], [n for n in given if n not in shapes]
    if missing or unknown:
        names = words(list(shapes)).replace(" or ", ", ") if shapes else "no parameters"
        came = "; ".join(f"{what} {words(n)}" for what, n in (("without", missing), ("with unknown", unknown)) if n)
        raise ContractError("params", f"exactly {names}", f"a dict {came}", f"they belong to {owner}")


def state(name: str, value: object, sizes: tuple[int, ...], N: int, dtype: np.dtype[Any]) -> State:
    """Require a tuple of one (N, H) array per state; None gives zeros."""
    if value is None:
        return tuple([np.zeros((N, H), dtype) for H in sizes])
    if not isinstance(value, tuple) or len(value) != len(sizes):
        shapes = ", ".join(show((N, H)) for H in sizes)
        came = f"a tuple of {len(value)}" if isinstance(value, tuple) else f"a {type(value).__name__}"
        advice = "give one array per state, in the order of the parts, or None for zeros"
        raise ContractError(name, f"a tuple of {len(sizes)} arrays ({shapes})", came, advice)
    for k, (part, H) in enumerate(zip(value, sizes, strict=True)):
        if is_array(part, (N, H), dtype):  # the message is made only where it is needed
            continue
        array(f"{name}[{k}]", part, (N, H), dtype, f"one row for each of the {N} sequences, one column for each unit")
    return value


def lengths(value: object, x: Array) -> Lengths | None:
    """Require (N,) integers in [0, T], longest first; None means that every row has all T steps.

    x: (T, N, ...) numbers, or ids (T, N).
    """
    if not isinstance(x, np.ndarray):
        array("x", x)
    if value is None:
        return None
    if x.ndim < (2 if x.dtype.kind in "iu" else 3):
        raise ContractError("lengths", "None", "lengths", f"x of shape {show(x.shape)} has no time axis")
    T, N = x.shape[:2]
    try:
        given = np.asarray(value)
    except ValueError:  # lists of several lengths
        raise ContractError("lengths", f"shape ({N},)", "a list of lists", "one length for each sequence") from None
    if given.shape != (N,):
        advice = f"one length for each of the {N} sequences"
        raise ContractError("lengths", f"shape ({N},)", f"shape {show(given.shape)}", advice)
    if given.size and given.dtype.kind not in "iu":
        nan = " holding NaN" if given.dtype.kind == "f" and np.isnan(given).any() else ""
        raise ContractError("lengths", "integers", f"dtype {given.dtype}{nan}", "lengths are counts of steps")
    bad = np.flatnonzero((given < 0) | (given > T))
    if bad.size:
        came = f"lengths[{bad[0]}] = {given[bad[0]]}"
        raise ContractError("lengths", f"values from 0 to T = {T}", came, "a row cannot be longer than x has steps")
    rising = np.flatnonzero(given[1:] > given[:-1])
    if rising.size:
        n = int(rising[0])
        came = f"lengths[{n}] = {given[n]} before lengths[{n + 1}] = {given[n + 1]}"
        advice = "sort the rows of x, states and targets with numpy.argsort(-lengths, kind='stable')"
        raise ContractError("lengths", "the longest first", came, advice)
    return given.astype(np.int64)


def generator(rng: object) -> np.random.Generator | None:
    """Require a numpy Generator or None."""
    if rng is None or isinstance(rng, np.random.Generator):
        return rng
    came, advice = f"a {type(rng).__name__}", "make one with numpy.random.default_rng(seed)"
    raise ContractError("rng", "a numpy.random.Generator (training) or None (inference)", came, advice)


_RETURNED = "pass what forward of this layer returned"


def cache(value: object, kind: type) -> None:
    """Require the cache type that this layer's own forward returns."""
    if not isinstance(value, kind):
        raise ContractError("cache", f"a {kind.__name__}", f"a {type(value).__name__}", _RETURNED)


def widths(found: tuple[int, ...], own: tuple[int | None, ...], owner: object) -> None:
    """Require that arrays of a cache are as wide as those of its owner: kernels believe it."""
    if found != own:
        came = f"one whose arrays are {' and '.join(map(str, found))} wide, not {' and '.join(map(str, own))}"
        raise ContractError("cache", f"one for {owner}", came, _RETURNED)


def cached_dtype(value: object, dtype: np.dtype[Any]) -> None:
    """Require a cache of this dtype, where it begins with numbers; all its arrays have one. A complex gradient may meet
    a real one, as of masks.
    """
    first = value[0] if isinstance(value, tuple) and value else None
    right = dtype, dtype.type(0).real.dtype
    if isinstance(first, np.ndarray) and first.dtype.kind in "fc" and first.dtype not in right:
        advice = f"pass what forward of this layer returned in {dtype}"
        raise ContractError("cache", f"one of dtype {dtype}", f"one of dtype {first.dtype}", advice)
