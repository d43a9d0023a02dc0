"""Doors to libraries that are not installed say what to install."""

import sys

import pytest

import rnncore as rc
from rnncore import interop


def test_without_onnx_its_door_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"rnncore\[onnx\]"):
        interop.to_onnx  # noqa: B018


@pytest.mark.parametrize(("to", "library"), [(interop.to_torch, "torch"), (interop.to_keras, "keras")])
def test_without_their_library_layers_of_others_name_the_extra(monkeypatch, to, library):
    monkeypatch.setitem(sys.modules, library, None)
    layer = rc.GRU(2, 3, backend="numpy")
    with pytest.raises(ModuleNotFoundError, match=r"rnncore\[peers\]"):
        to(layer, layer.init(seed=0))
