"""RNN, LSTM and GRU of ONNX: equal to the most used runtime, indifferent to the layout, right in every derivative."""

import numpy as np
import onnx
import pytest
from conftest import BACKENDS, TOLERANCE, scaled_error
from nodes import ALL, GATES, make_model, onnxruntime_outputs, random_case, swapped

import rnncore as rc
from rnncore.gradcheck import check, check_pair, random_problem
from rnncore.interop.onnx import from_onnx, prepare, run_node
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.onnx_words import NUMBERS


def case(op, seed, **words):
    return random_case(np.random.default_rng([seed, len(op), ord(op[0])]), op, **words)


@pytest.mark.parametrize(("op", "seed"), ALL)
def test_a_random_node_gives_what_the_runtime_gives(op, seed):
    few = {"known": ("Relu", "Tanh", "Sigmoid")} if op == "RNN" else {}  # the runtime's RNN knows no others
    attributes, arrays = case(op, seed, **few)
    mine = prepare(make_model(op, attributes, arrays)).run(arrays)
    if op == "RNN" and "activations" in attributes:  # and it knows them in one spelling
        attributes["activations"] = [name.capitalize() for name in attributes["activations"]]
    theirs = onnxruntime_outputs(make_model(op, attributes, arrays), arrays)
    for a, b in zip(mine, theirs, strict=True):
        assert scaled_error(a, b) < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize(("op", "seed"), ALL[::4])
def test_batch_first_is_time_first_with_the_axes_exchanged(op, seed):
    attributes, arrays = case(op, seed)
    first = prepare(make_model(op, attributes, arrays)).run(arrays)
    turned = swapped(arrays)
    second = prepare(make_model(op, {**attributes, "layout": 1}, turned)).run(turned)
    back = [second[0].transpose(1, 2, 0, 3), *(s.swapaxes(0, 1) for s in second[1:])]
    for a, b in zip(first, back, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("op", "seed"), ALL[::3])
@pytest.mark.parametrize("layout", [0, 1])
def test_every_derivative_of_a_random_node_by_complex_step(op, seed, layout):
    attributes, arrays = case(op, seed, layout=layout, dtype="float64")
    graph = prepare(make_model(op, attributes, arrays), backend="numpy").graph
    fixed = {name: a for name, a in arrays.items() if a.dtype.kind != "f"}
    moving = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    report = check_pair(
        lambda a: graph.forward({**fixed, **a}),
        lambda a, cache, upstream: graph.backward({**fixed, **a}, cache, upstream),
        moving,
        entries=12,
    )
    assert report.ok, str(report)


LAYERS = {
    **{f"rnn {name}": OnnxRNN(3, 5, [(name,)], clip=1.2, dtype="float64") for name in NUMBERS},
    "lstm": OnnxLSTM(3, 5, ["HardSigmoid", "Softsign", "Elu"], clip=1.0, peepholes=True, dtype="float64"),
    "lstm, coupled": OnnxLSTM(3, 5, input_forget=True, peepholes=True, dtype="float64"),
    "lstm, cell clipped": OnnxLSTM(3, 5, clip=0.5, clip_cell=True, dtype="float64"),
    "gru before": OnnxGRU(3, 5, ["Sigmoid", "Softplus"], dtype="float64"),
    "gru after": OnnxGRU(3, 5, ["HardSigmoid", ("LeakyRelu", 0.3)], clip=2.0, reset="after", dtype="float64"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_the_operator_obeys_the_contract_and_passes_the_laboratory(name, backend):
    layer = LAYERS[name].using(backend=backend)
    p = random_problem(layer)
    exact = ("complex-step", "forward-mode") if backend == "numpy" else "forward-mode"
    report = check(layer, p.params, p.x, p.state_0, p.lengths, method=exact)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_the_operator_is_saved_and_loaded(name, tmp_path):
    layer = LAYERS[name]
    params = layer.init(0)
    rc.save(tmp_path / "m", layer, params)
    again, loaded = rc.load(tmp_path / "m")
    assert again == layer and all(np.array_equal(loaded[k], params[k]) for k in params)


def test_an_operator_with_peepholes_alone_runs_in_their_fast_twin():
    rng = np.random.default_rng(0)
    arrays = {"X": (4, 2, 3), "W": (1, 12, 3), "R": (1, 12, 3), "P": (1, 9)}
    arrays = {name: rng.normal(size=shape).astype("float32") for name, shape in arrays.items()}
    graph, _ = from_onnx(make_model("LSTM", {"hidden_size": 3}, arrays, weights=True))
    ((layer, _),) = graph.layers().values()
    assert layer == rc.PeepholeLSTM(3, 3)


@pytest.mark.parametrize("op", GATES)
def test_an_operator_without_extras_runs_in_the_fast_twin(op):
    attributes, arrays = {"hidden_size": 3}, case(op, 1)[1]
    rng = np.random.default_rng(0)
    arrays = {
        "X": rng.normal(size=(4, 2, 3)),
        "W": rng.normal(size=(1, 3 * GATES[op], 3)),
        "R": rng.normal(size=(1, 3 * GATES[op], 3)),
    }
    arrays = {name: a.astype("float32") for name, a in arrays.items()}
    graph, _ = from_onnx(make_model(op, attributes, arrays, weights=True))
    ((layer, _),) = graph.layers().values()
    assert layer.backends == {"numba"} and type(layer).__name__ == op


@pytest.mark.parametrize("op", GATES)
def test_a_sequence_without_a_step_gives_zeros_whatever_its_initial_state(op):
    rng = np.random.default_rng(0)
    arrays = {
        "X": rng.normal(size=(3, 2, 2)),
        "W": rng.normal(size=(1, 2 * GATES[op], 2)),
        "R": rng.normal(size=(1, 2 * GATES[op], 2)),
    }
    arrays = {name: a.astype("float32") for name, a in arrays.items()}
    arrays |= {"sequence_lens": np.array([0, 3], "int32"), "initial_h": np.ones((1, 2, 2), "float32")}
    Y, Y_h, *rest = prepare(make_model(op, {"hidden_size": 2}, arrays)).run(arrays)
    assert not Y[:, :, 0].any() and not Y_h[:, 0].any() and Y_h[:, 1].any()
    assert not any(end[:, 0].any() for end in rest)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", GATES)
def test_an_output_without_a_name_has_no_part_in_the_gradient(op, dtype):
    attributes, arrays = case(op, 5, dtype=dtype)
    both, last = (prepare(make_model(op, attributes, arrays, outputs=names)) for names in (("Y", "Y_h"), ("", "Y_h")))
    Y, Y_h = both.run(arrays)
    d = np.random.default_rng(0).normal(size=Y_h.shape).astype(dtype)
    expected, got = both.gradients(arrays, [np.zeros_like(Y), d]), last.gradients(arrays, [d])
    assert expected.keys() == got.keys() and got["X"].dtype == dtype
    for name in got:
        np.testing.assert_array_equal(got[name], expected[name])


@pytest.mark.parametrize("opset", [1, 3, 7, 13, 14, 21, 22])
@pytest.mark.parametrize("op", GATES)
def test_every_opset_gives_the_same(op, opset):
    _, arrays = case(op, 2)
    dirs = len(arrays["W"])
    words = {"direction": "bidirectional" if dirs == 2 else "forward"}
    newest = prepare(make_model(op, words, arrays, opset=22)).run(arrays)
    older = words | ({"output_sequence": 1} if opset < 7 else {})
    for a, b in zip(prepare(make_model(op, older, arrays, opset=opset)).run(arrays), newest, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("T", "N"), [(4, 0), (0, 3), (0, 0)])
@pytest.mark.parametrize("op", GATES)
def test_no_steps_or_no_rows_give_empty_or_zero_arrays(op, T, N):
    rng = np.random.default_rng(0)
    arrays = {
        "X": np.ones((T, N, 3)),
        "W": rng.normal(size=(2, 2 * GATES[op], 3)),
        "R": rng.normal(size=(2, 2 * GATES[op], 2)),
        "initial_h": np.ones((2, N, 2)),
    }
    rep = prepare(make_model(op, {"direction": "bidirectional"}, arrays))
    Y, *final = outputs = rep.run(arrays)
    assert Y.shape == (T, 2, N, 2)
    assert not any(s.any() for s in final)
    assert not rep.gradients(arrays, [np.ones_like(y) for y in outputs])["W"].any()


def lstm(**attributes):
    return onnx.helper.make_node("LSTM", ["X", "W", "R"], ["Y"], name="cell", **attributes)


X, W, R = (np.ones(shape, "float32") for shape in ((2, 1, 3), (1, 8, 3), (1, 8, 2)))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"direction": "sideways"}, "'cell'.*'direction'.*'forward', 'reverse' or 'bidirectional'"),
        ({"hidden_size": 5}, "'cell'.*'hidden_size': expected 2"),
        ({"activations": ["Tanh"]}, "'cell'.*'activations': expected 3 names"),
        ({"activations": ["Tanh", "Gelu", "Tanh"]}, "'cell'.*names among Relu"),
        ({"activation_alpha": [0.5]}, "'cell'.*'activation_alpha': expected 0 numbers"),
        ({"clip": -1.0}, "'cell'.*'clip': expected a number of at least 0"),
        ({"input_forget": 2}, "'cell'.*'input_forget': expected 0 or 1"),
        ({"layout": 3}, "'cell'.*'layout': expected 0 or 1"),
        ({"momentum": 1.0}, "'cell'.*'momentum'.*no such attribute"),
    ],
)
def test_what_cannot_be_honoured_is_an_error_that_names_node_and_attribute(attributes, words):
    with pytest.raises(rc.ContractError, match=words):
        run_node(lstm(**attributes), [X, W, R])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ([X[0], W, R], "input 'X': expected three axes"),
        ([X, W[:, :4], R], r"input 'W': expected shape \(1, 8, 3\)"),
        ([X, W.astype("float64"), R], "input 'W': expected float32"),
        ([X.astype("float16"), W, R], r"'cell' \(LSTM\), input 'X': expected float32.*received float16"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, words):
    with pytest.raises(rc.ContractError, match=words):
        run_node(lstm(), arrays)


def test_an_unknown_operator_is_named():
    node = onnx.helper.make_node("Einsum", ["X"], ["Y"], name="odd", equation="ij->ji")
    with pytest.raises(rc.ContractError, match=r"'odd'.*Einsum.*not implemented"):
        run_node(node, [X[0]])
