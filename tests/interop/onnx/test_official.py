"""ONNX's own node tests of the operators that we have, run by ONNX's own runner."""

import re
import sys
import types
import warnings

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx.backend.test

from rnncore.interop.onnx import RnncoreBackend

RECURRENT = r"test_(lstm|gru|rnn|simple_rnn)_\w+"
SMALL = (
    r"test_(squeeze|unsqueeze|transpose|reshape|gemm|matmul|add|sub|mul|div|neg|exp|log|sqrt|slice|gather|concat|split"
    r"|constant|shape|expand|constantofshape|softmax|logsoftmax|sigmoid|tanh|relu|identity|flatten|reduce_sum"
    r"|reduce_mean|dropout|elu|leakyrelu|hardsigmoid|softplus|softsign|thresholdedrelu|top_k|reversesequence"
    r"|scatter_elements|gather_elements|where|range|less|greater)(_\w+)?"
)
# What these need and we do not have: other dtypes, sequences, training, reductions, nodes taken apart into others.
LEFT = (
    r"uint64|float16|sequence_|opt_|training|sum_square|string|gather_nd"
    r"|to_|_expanded|_pad|duplicate_indices|identity_sequence|with_reduction|uint|_equal|range_.*_expanded|identity_opt"
)


def wanted(name):
    plain = name.removesuffix("_cpu")
    if plain == name:
        return False
    return bool(re.fullmatch(RECURRENT, plain) or (re.fullmatch(SMALL, plain) and not re.search(LEFT, plain)))


def official_cases():
    """Return the runner's class of node tests, left with those that we want: it marks the others as skipped."""
    # ONNX makes the cases of every operator: 6 s for the first three, and half of the rest for the others
    for slow in ("averagepool", "lppool", "maxpool", "attention", "image_decoder", "softmax_cross_entropy_loss"):
        sys.modules.setdefault(f"onnx.backend.test.case.node.{slow}", types.ModuleType(slow))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # ONNX overflows casts while it makes its cases
        case = onnx.backend.test.BackendTest(RnncoreBackend, __name__).test_cases["OnnxBackendNodeModelTest"]
    for name in [name for name in vars(case) if name.startswith("test_") and not wanted(name)]:
        delattr(case, name)
    return case


TestOfficial = official_cases()


def test_all_eighteen_recurrent_cases_were_found():
    assert len([name for name in dir(TestOfficial) if re.fullmatch(RECURRENT, name)]) == 18
