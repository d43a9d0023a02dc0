"""Random problems for the twins: non-zero states, upstream gradients on the outputs and on the final state."""

import importlib

import numpy as np
from conftest import CASES, make

from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.onnx_words import activation

# the operators of ONNX, whose words are not those of the table: activations that are no others with fixed numbers
OPERATORS = {
    "onnx_rnn": (OnnxRNN, {}),
    "onnx_lstm": (OnnxLSTM, {"peepholes": True}),
    "onnx_gru": (OnnxGRU, {}),
}


def acting(*words, **options):
    return {"activations": tuple(activation(word) for word in words), **options}


ONNX = {
    "clipped": ("onnx_rnn", acting("Softsign", clip=0.7)),
    "softplus": ("onnx_rnn", acting("Softplus")),
    "cell clipped": ("onnx_lstm", acting("HardSigmoid", "Softsign", ("Elu", 0.4), clip=0.9, clip_cell=True)),
    "coupled": ("onnx_lstm", acting("Sigmoid", ("ScaledTanh", 1.2, 0.8), "Affine", input_forget=True)),
    "before": ("onnx_gru", acting("HardSigmoid", ("LeakyRelu", 0.3), clip=1.1, reset="before")),
    "after": ("onnx_gru", acting("Sigmoid", ("ThresholdedRelu", 0.2), reset="after")),
}
CELLS = [*CASES, *ONNX.values()]
IDS = ["-".join([name, *options.values()]) for name, options in CASES]
IDS += [f"{cell} {name}" for name, (cell, _) in ONNX.items()]


def twins(cell):
    """Return the textbook and the fast module."""
    return importlib.import_module(f"rnncore.layers.{cell}"), importlib.import_module(f"rnncore.kernels.{cell}")


def problem(cell, T, N, D, H, dtype="float64", lengths=None):
    """Return params, x, state_0, lengths, dy, dstate_T."""
    rng = np.random.default_rng([T, N, D, H])

    def draw(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(dtype)

    kind, words = OPERATORS.get(cell, (None, {}))
    layer = kind(D, H, **words) if kind else make(cell, D, H)
    params = {
        name: draw(*shape, scale={"Wx": shape[0] ** -0.5, "Wh": 0.8 * shape[0] ** -0.5}.get(name, 0.3))
        for name, shape in layer.parameter_shapes().items()
    }
    columns, width = layer.sizes
    state_0, dstate_T = (tuple(draw(N, size, scale=scale) for size in layer.state_sizes) for scale in (0.5, 1.0))
    if lengths == "ragged":
        lengths = np.sort(rng.integers(0, T + 1, N))[::-1].copy()
        lengths[0], lengths[-1] = T, 0
    return params, draw(T, N, columns), state_0, lengths, draw(T, N, width), dstate_T


def named(y, state_T, cache, dparams, dx, dstate_0):
    """Return every array by name."""
    arrays = {"y": y, "dx": dx, **{f"cache.{k}": v for k, v in cache._asdict().items() if v is not None}}
    arrays |= {f"state_T[{k}]": s for k, s in enumerate(state_T)} | {
        f"dstate_0[{k}]": s for k, s in enumerate(dstate_0)
    }
    return arrays | {f"d{k}": v for k, v in dparams.items()}


def solve(module, problem, options, backward_by=None):
    """Run forward by one twin and backward by the same, or by another; return every array by name."""
    params, x, state_0, lengths, dy, dstate_T = problem
    y, state_T, cache = module.forward(params, x, state_0, lengths, **options)
    return named(y, state_T, cache, *(backward_by or module).backward(params, cache, dy, dstate_T, **options))


def assert_close(actual, expected, tolerance):
    """Require the same names and shapes, and errors within tolerance relative to the largest entry."""
    assert actual.keys() == expected.keys()
    for name, e in expected.items():
        scale = max(1.0, np.abs(e).max(initial=0))
        np.testing.assert_allclose(actual[name] / scale, e / scale, rtol=0, atol=tolerance, err_msg=name)


def assert_same_bits(actual, expected):
    """Require bitwise equality, of NaN too."""
    assert actual.keys() == expected.keys()
    for name, e in expected.items():
        assert actual[name].tobytes() == e.tobytes(), f"{name} differs"
