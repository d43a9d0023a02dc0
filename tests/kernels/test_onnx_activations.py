"""The activations of the fast twin: numbers near and far, corners, infinities and NaN, as in the textbook."""

import numpy as np
import pytest
from conftest import TOLERANCE
from problems import twins

from rnncore.onnx_words import NUMBERS, activation

WORDS = [*NUMBERS, ("Affine", 0.7, -0.4), ("LeakyRelu", -0.5), ("ThresholdedRelu", -0.25), ("ThresholdedRelu", 0.5)]
WORDS += [("ScaledTanh", 1.7159, 0.5), ("HardSigmoid", 0.25, 0.5), ("HardSigmoid", -0.5, 0.5), ("Elu", 1.5)]
EXACT = [0.0, -0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 2.5, -2.5]  # where one of them has a corner
POINTS = np.array([*EXACT, *np.linspace(-12, 12, 400), 1e-9, -1e-9, 88.7, -88.7, -104, 750, -750, 1e30, -1e30])
FAR = np.array([np.inf, -np.inf, np.nan])


def alone(twin, word, clip, points, dtype):
    """The activation and its slope at each point, by a network of one unit and one step whose input they are."""
    x = points.astype(dtype).reshape(1, -1, 1)
    params = {name: np.full(shape, n, dtype) for name, shape, n in (("Wx", (1, 1), 1), ("Wh", (1, 1), 0), ("b", 1, 0))}
    state, words = (np.zeros(x.shape[1:], dtype),), {"activations": (activation(word),), "clip": clip}
    with np.errstate(all="ignore"):
        y, _, cache = twin.forward(params, x, state, **words)
        _, dx, _ = twin.backward(params, cache, np.ones_like(y), state, **words)
    return y.ravel(), dx.ravel()


@pytest.mark.parametrize("clip", [None, 2.5, 0.0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("word", WORDS, ids=str)
def test_value_and_slope_are_those_of_the_textbook(word, dtype, clip):
    textbook, fast = twins("onnx_rnn")
    points = np.concatenate([POINTS, FAR])
    tolerance = TOLERANCE["equal in float64"] if dtype == "float64" else TOLERANCE["float32 against float64"]
    for mine, expected in zip(
        alone(fast, word, clip, points, dtype), alone(textbook, word, clip, points, dtype), strict=True
    ):
        np.testing.assert_allclose(mine, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("clip", [None, 2.5])
@pytest.mark.parametrize("word", WORDS, ids=str)
def test_nan_in_is_nan_out_of_value_and_slope(word, clip):
    for found in alone(twins("onnx_rnn")[1], word, clip, np.array([1.0, np.nan, -1.0]), "float64"):
        np.testing.assert_array_equal(np.isnan(found), [False, True, False])
