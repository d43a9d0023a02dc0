"""The import arrows of the house, and that `import rnncore` loads NumPy and nothing heavier."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rnncore

ROOT = Path(rnncore.__file__).parent
EXTRA = {
    "narwhals",
    "polars",
    "sklearn",
    "threadpoolctl",
    "matplotlib",
    "rich",
    "typer",
    "onnx",
    "onnxruntime",
    "torch",
    "keras",
}
GROUND = {"errors", "typing", "checks"}
OBJECTS = {
    "cells",
    "contract",
    "onnx_words",
    "onnx_layers",
    "recurrent",
    "recurrent_dropout",
    "feedforward",
    "shaping",
    "pooling",
    "wrappers",
    "compose",
}
ENGINE = GROUND | OBJECTS | {"layers", "losses", "sequences"}

# room -> what of ours and what from outside it may import; "numpy" is allowed everywhere
ARROWS = {
    "errors": (set(), set()),
    "typing": (set(), set()),
    "checks": ({"errors", "typing"}, set()),
    "layers": ({"layers", "typing"}, set()),
    "kernels": ({"kernels", "layers", "typing", "errors"}, {"numba", "llvmlite"}),
    "losses": (GROUND | {"losses"}, set()),
    "sequences": (GROUND | {"sequences"}, {"narwhals", "polars"}),
    "cells": ({"errors"}, set()),
    "contract": (GROUND | {"cells"}, set()),
    "recurrent_layer": (GROUND | {"cells", "contract"}, set()),
    "recurrent": ({"cells", "recurrent_layer"}, set()),
    "recurrent_dropout": (GROUND | {"layers", "contract", "recurrent"}, set()),
    "feedforward": (GROUND | {"layers", "cells", "contract", "recurrent_layer"}, set()),
    "shaping": (GROUND | {"layers", "contract"}, set()),
    "pooling": (GROUND | {"layers", "cells", "feedforward", "recurrent_layer", "shaping"}, set()),
    "wrappers": (GROUND | {"wrappers", "layers", "contract", "feedforward"}, set()),
    "initialisation": (GROUND | {"contract", "recurrent_layer", "recurrent_dropout"}, set()),
    "compose": (
        GROUND
        | {"contract", "wrappers", "onnx_layers", "recurrent", "recurrent_dropout"}
        | {"feedforward", "shaping", "pooling"},
        set(),
    ),
    "gradcheck": (GROUND | OBJECTS | {"gradcheck", "training"}, {"torch", "matplotlib"}),
    "diagnostics": (GROUND | OBJECTS | {"diagnostics", "gradcheck", "layers", "training"}, {"matplotlib"}),
    "onnx_words": (GROUND | {"layers"}, set()),
    "onnx_layers": (GROUND | {"contract", "onnx_words", "recurrent"}, set()),
    "interop": (GROUND | OBJECTS | {"interop", "layers"}, {"onnx", "torch", "keras"}),
    "streaming": (GROUND | OBJECTS | {"streaming", "kernels", "interop"}, set()),
    "training": (ENGINE - {"layers"} | {"training", "interop"}, set()),
    "warming": (GROUND | {"contract", "feedforward", "recurrent", "streaming"}, set()),
    "datasets": (GROUND | {"datasets", "sequences"}, EXTRA - {"torch", "keras", "onnx", "onnxruntime"}),
    "marketing": (
        (ENGINE - {"layers"}) | {"marketing", "training", "interop", "rnncore"},
        {"scipy", "narwhals", "polars", "sklearn", "threadpoolctl", "matplotlib", "rich"},
    ),
    "cli_errors": ({"errors"}, {"typer"}),
    "learn": ({"errors"}, set()),
    "example": (GROUND | {"rnncore", "interop"}, {"matplotlib"}),
    "cli_log": (set(), {"typer"}),
    "cli_tasks": ({"rnncore", "cli_errors", "cli_log", "marketing", "datasets"}, EXTRA),
    "cli": (
        {
            "rnncore",
            "cli_tasks",
            "learn",
            "example",
            "cli",
            "cli_errors",
            "errors",
            "contract",
            "gradcheck",
            "interop",
            "marketing",
            "datasets",
        },
        EXTRA,
    ),
    "__init__": (
        ENGINE
        | {
            "initialisation",
            "datasets",
            "diagnostics",
            "training",
            "interop",
            "gradcheck",
            "kernels",
            "streaming",
            "warming",
        },
        set(),
    ),
    "__main__": ({"cli"}, set()),
}


def imports(file):
    """Yield the module names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            if node.module == "rnncore":
                yield from (f"rnncore.{alias.name}" for alias in node.names)
            else:
                yield node.module


APART = {"notebooks", "benchmarks"}  # an installed package has them inside
FILES = [file for file in sorted(ROOT.rglob("*.py")) if file.relative_to(ROOT).parts[0] not in APART]


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_a_file_imports_only_what_its_room_may(file):
    room = file.relative_to(ROOT).parts[0].removesuffix(".py")
    ours, outside = ARROWS[room]
    for name in imports(file):
        head, _, rest = name.partition(".")
        if head == "rnncore":
            target = rest.split(".")[0] or "rnncore"
            assert target in ours, f"{file.name} imports {name}"
        elif head not in sys.stdlib_module_names:
            assert head in outside | {"numpy"}, f"{file.name} imports {name}"


def test_the_arrows_would_catch_a_forbidden_import(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    from rnncore import kernels\n    import scipy.linalg\n")
    assert list(imports(file)) == ["rnncore.kernels", "scipy.linalg"]


def loaded_after(code):
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_import_rnncore_loads_numpy_alone():
    assert not loaded_after("import rnncore") & (EXTRA | {"numba", "llvmlite", "scipy"})


def test_training_and_inference_with_the_textbook_need_numpy_alone():
    code = """
import numpy as np, rnncore as rc
model = rc.Stack(rc.LSTM(2, 3, backend="numpy"), rc.Last(), rc.Dense(3, 1))
params = model.init(0)
loss, grads, _ = rc.full_bptt(model, params, np.ones((4, 2, 2), np.float32), np.ones((2, 1)), rc.losses.mse)
rc.Adam(0.1).step(params, grads)
"""
    assert not loaded_after(code) & (EXTRA | {"numba", "llvmlite", "scipy"})


def test_without_numba_the_fast_twin_is_a_clear_error_that_names_the_other_word():
    code = """
sys.modules["numba"] = None
import numpy as np, rnncore as rc
layer = rc.GRU(2, 3)
try:
    layer.forward(layer.init(0), np.ones((4, 2, 2), np.float32))
except rc.ContractError as error:
    assert 'say backend="numpy"' in str(error), error
else:
    raise AssertionError("no error")
"""
    loaded_after(code)


def test_what_the_kernels_share_is_named_in_the_head_of_their_room():
    rooms = [{path.stem for path in (ROOT / room).glob("*.py")} for room in ("kernels", "layers")]
    head = ast.get_docstring(ast.parse((ROOT / "kernels" / "__init__.py").read_text(encoding="utf-8")))
    assert set(re.findall(r"\w+", head)) >= rooms[0] - rooms[1]
