"""Models in files, and models of other libraries: `onnx` (extra: onnx), `pytorch`, `keras3` (extra: peers).

Each is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnncore.interop.extras import library

if TYPE_CHECKING:
    from rnncore.interop import keras3, onnx, pytorch
    from rnncore.interop.keras3 import from_keras, to_keras
    from rnncore.interop.onnx import from_onnx, to_onnx
    from rnncore.interop.pytorch import from_torch, to_torch

__all__ = ["from_keras", "from_onnx", "from_torch", "keras3", "onnx", "pytorch", "to_keras", "to_onnx", "to_torch"]

_LATER = {
    "onnx": ("from_onnx", "to_onnx"),
    "pytorch": ("from_torch", "to_torch"),
    "keras3": ("from_keras", "to_keras"),
}


def __getattr__(name: str) -> Any:
    """Import a door when it is first asked for: each needs a library that is an extra."""
    for module, names in _LATER.items():
        if name == module or name in names:
            if module == "onnx":
                library("onnx", "onnx")
            door = import_module(f"rnncore.interop.{module}")
            return door if name == module else getattr(door, name)
    raise AttributeError(f"module 'rnncore.interop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
