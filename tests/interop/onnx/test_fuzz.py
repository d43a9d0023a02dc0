"""Random recurrent nodes with any choice of outputs: against the runtime, and every gradient by complex step."""

import numpy as np
import pytest
from conftest import TOLERANCE, scaled_error
from nodes import GATES, OUTPUTS, make_model, onnxruntime_outputs, random_case

from rnncore.gradcheck import check_pair
from rnncore.interop.onnx import prepare

SEEDS = [pytest.param(s, marks=[] if s < 6 else pytest.mark.thorough) for s in range(150)]


def drawn(op, seed, **words):
    """A random node with some of its outputs, as (attributes, arrays, names of the outputs)."""
    rng = np.random.default_rng([1000, seed, GATES[op]])
    attributes, arrays = random_case(rng, op, numbers=bool(rng.integers(2)), **words)
    names = [name if rng.random() < 0.7 else "" for name in OUTPUTS[op]]
    if not any(names):
        names[int(rng.integers(len(names)))] = "one"
    while not names[-1]:
        names.pop()
    return attributes, arrays, names


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("op", GATES)
def test_any_choice_of_outputs_is_what_the_runtime_gives(op, seed):
    known = (
        ("Relu", "Tanh", "Sigmoid") if op == "RNN" else ("Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu")
    )
    attributes, arrays, names = drawn(op, seed, known=known)
    mine = prepare(make_model(op, attributes, arrays, outputs=names)).run(arrays)
    if "activations" in attributes:  # the runtime's RNN knows them in one spelling
        proper = {name.lower(): name for name in known}
        attributes["activations"] = [proper[name.lower()] for name in attributes["activations"]]
    theirs = onnxruntime_outputs(make_model(op, attributes, arrays, outputs=names), arrays)
    assert len(mine) == len(theirs) == sum(map(bool, names))
    for a, b in zip(mine, theirs, strict=True):
        assert scaled_error(a, b) < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("op", GATES)
def test_any_choice_of_outputs_has_right_gradients(op, seed):
    attributes, arrays, names = drawn(op, seed, layout=seed % 2, dtype="float64")
    graph = prepare(make_model(op, attributes, arrays, outputs=names), backend="numpy").graph
    fixed = {name: a for name, a in arrays.items() if a.dtype.kind != "f"}
    report = check_pair(
        lambda a: graph.forward({**fixed, **a}),
        lambda a, cache, upstream: graph.backward({**fixed, **a}, cache, upstream),
        {name: a for name, a in arrays.items() if a.dtype.kind == "f"},
        entries=6,
    )
    assert report.ok, str(report)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("op", GATES)
def test_a_node_without_extras_runs_in_the_fast_twin_and_equals_the_textbook(op, seed):
    attributes, arrays = random_case(np.random.default_rng(seed), op, dtype="float64")
    for name in ("activations", "activation_alpha", "activation_beta", "clip", "input_forget"):
        attributes.pop(name, None)
    arrays.pop("P", None)
    fast, slow = (prepare(make_model(op, attributes, arrays, weights=True), backend=b) for b in ("numba", "numpy"))
    ((layer, _),) = fast.graph.layers().values()
    assert layer.backends == {"numba"}
    given = {name: a for name, a in arrays.items() if name not in ("W", "R", "B")}
    outputs = slow.run(given)
    up = [np.random.default_rng(1).normal(size=y.shape) for y in outputs]
    one, two = fast.gradients(given, up), slow.gradients(given, up)
    pairs = [*zip(fast.run(given), outputs, strict=True), *((one[n], two[n]) for n in one)]
    assert all(scaled_error(a, b) <= TOLERANCE["equal in float64"] for a, b in pairs)
