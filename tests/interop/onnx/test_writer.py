"""Our models as ONNX: the runtime computes what we compute, and what it reads back is the same again."""

import numpy as np
import pytest
from conftest import TOLERANCE, scaled_error
from nodes import onnxruntime_outputs
from onnx.reference import ReferenceEvaluator

import rnncore as rc
from rnncore.gradcheck import check_pair, random_problem
from rnncore.interop import from_onnx, to_onnx
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM

EXACT = TOLERANCE["equal in float64"]
# ONNX's own evaluator overlooks input_forget and, but in RNN, activations
OVERLOOKED = {"rnn relu", "lstm relu", "coupled gates both ways", "an operator with everything", "a gru with others"}

MODELS = {
    "rnn": rc.RNN(3, 4),
    "rnn relu": rc.RNN(3, 4, activation="relu"),
    "lstm": rc.LSTM(3, 4),
    "lstm relu": rc.LSTM(3, 4, activation="relu"),
    "peepholes": rc.PeepholeLSTM(3, 4),
    "coupled gates both ways": rc.Bidirectional(rc.CoupledLSTM(3, 4)),
    "gru after": rc.GRU(3, 4),
    "gru before": rc.GRU(3, 4, reset="before"),
    "classifier": rc.Stack(rc.Embedding(9, 3), rc.GRU(3, 4), rc.Dropout(0.5), rc.LSTM(4, 5), rc.Last(), rc.Dense(5, 2)),
    "tagger": rc.Stack(
        rc.Bidirectional(rc.LSTM(3, 4)), rc.Bidirectional(rc.GRU(8, 2), "ave"), rc.LayerNorm(2), rc.Dense(2, 3)
    ),
    "directions apart": rc.Bidirectional(rc.GRU(3, 4), "none"),
    "product": rc.Bidirectional(rc.RNN(3, 4), "mul"),
    "both directions of a stack": rc.Bidirectional(rc.Stack(rc.GRU(3, 4), rc.RNN(4, 2)), "sum"),
    "reversed": rc.Reversed(rc.LSTM(3, 4)),
    "residual": rc.Stack(rc.Residual(rc.GRU(3, 3)), rc.MeanPool(), rc.Dense(3, 1)),
    "the largest": rc.Stack(rc.GRU(3, 4), rc.MaxPool(), rc.Dense(4, 1)),
    **{
        f"attention, {score}, {query}": rc.Stack(rc.GRU(3, 4), rc.Attention(4, 5, score, query), rc.Dense(4, 2))
        for score in ("additive", "dot")
        for query in ("learned", "last")
    },
    "learned states": rc.LearnedState(rc.Stack(rc.LSTM(3, 4), rc.GRU(4, 2))),
    "static features": rc.WithStatic(rc.Stack(rc.GRU(3, 4), rc.Last()), 2),
    "static features at each step": rc.Stack(rc.WithStatic(rc.GRU(3, 4), 2), rc.Dense(6, 1)),
    "tied": rc.Tied(rc.GRU(3, 3), V=7),
    "tied to one vector": rc.Tied(rc.Stack(rc.GRU(3, 3), rc.Last()), V=7),
    "last of both directions": rc.Stack(
        rc.Bidirectional(rc.Stack(rc.GRU(3, 4), rc.Dense(4, 4), rc.Last(), rc.Dense(4, 3))), rc.Dense(6, 1)
    ),
    "last of both directions, apart": rc.Bidirectional(rc.Stack(rc.GRU(3, 4), rc.Last()), "none"),
    "dropped between steps": rc.RecurrentDropout(rc.LSTM(3, 4), dropout=0.3),
    "an operator with everything": OnnxLSTM(
        3, 4, ["HardSigmoid", ("LeakyRelu", 0.2), "Softsign"], clip=1.5, input_forget=True, peepholes=True
    ),
    "a gru with others": OnnxGRU(3, 4, [("HardSigmoid", 0.3, 0.4), "Elu"], reset="after"),
}


def problem(model, seed=0, T=6, N=4):
    p = random_problem(model.using(dtype="float64"), seed, T=T, N=N)
    return p._replace(
        params={name: a.astype("float32") for name, a in p.params.items()},
        x=p.x.astype("float32") if p.x.dtype.kind == "f" else p.x,
        state_0=tuple(s.astype("float32") for s in p.state_0),
    )


def feed(p):
    states = {f"state_0.{k}": s for k, s in enumerate(p.state_0)}
    return {"x": p.x, "lengths": p.lengths.astype("int32"), **states}


def poisoned(p):
    """NaN, or an id that the table does not have, past the end of each row."""
    x = p.x.copy()
    x[np.arange(len(x))[:, None] >= p.lengths] = np.nan if x.dtype.kind == "f" else 99
    return p._replace(x=x)


@pytest.mark.parametrize("name", MODELS)
def test_the_runtime_computes_what_we_compute_for_any_number_of_steps_and_rows(name):
    model = MODELS[name]
    proto = to_onnx(model, problem(model).params)
    for seed, T, N in ((0, 6, 4), (1, 3, 2)):
        p = poisoned(problem(model, seed, T, N))
        y, state_T, _ = model.forward(problem(model).params, p.x, p.state_0, p.lengths)
        outputs = onnxruntime_outputs(proto, feed(p))
        for mine, other in zip((y, *state_T), outputs, strict=True):
            assert scaled_error(mine, other) < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize("name", [name for name in MODELS if name not in OVERLOOKED])
def test_the_evaluator_of_onnx_computes_what_we_compute_in_float64(name):
    """It overlooks lengths too, so that all rows have all steps."""
    model = MODELS[name].using(backend="numpy", dtype="float64")
    p = random_problem(model, T=5, N=3, ragged=False)
    y, state_T, _ = model.forward(p.params, p.x, p.state_0)
    outputs = ReferenceEvaluator(to_onnx(model, p.params)).run(None, feed(p._replace(lengths=np.full(3, 5))))
    for mine, other in zip((y, *state_T), outputs, strict=True):
        assert scaled_error(mine, other) < EXACT


@pytest.mark.parametrize("name", MODELS)
def test_without_a_single_step_the_runtime_gives_what_we_give(name):
    model = MODELS[name].using(backend="numpy")
    p = problem(model, N=2)
    p = p._replace(x=p.x[:0], lengths=np.zeros(2, int))
    y, state_T, _ = model.forward(p.params, p.x, p.state_0, p.lengths)
    proto = to_onnx(model, p.params)
    for outputs in (onnxruntime_outputs(proto, feed(p)), from_onnx(proto, backend="numpy")[0].forward(feed(p))[0]):
        for mine, other in zip((y, *state_T), outputs, strict=True):
            assert scaled_error(mine, other) < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_is_read_back_with_the_same_numbers(name):
    model = MODELS[name]
    p = problem(model)
    graph, _ = from_onnx(to_onnx(model, p.params))
    outputs, _ = graph.forward(feed(poisoned(p)))
    y, state_T, _ = model.forward(p.params, p.x, p.state_0, p.lengths)
    for mine, other in zip((y, *state_T), outputs, strict=True):
        assert scaled_error(mine, other) < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize(
    "name",
    ["classifier", "tagger", "residual", "the largest", "attention, additive, last", "attention, dot, learned",
     "learned states", "static features", "tied", "last of both directions"],
)  # fmt: skip
def test_a_whole_graph_has_gradients_by_every_initialiser_and_input(name):
    model = MODELS[name].using(dtype="float64", backend="numpy")
    p = random_problem(model)
    graph, params = from_onnx(to_onnx(model, p.params), backend="numpy")
    given = feed(p)
    fixed = {n: a for n, a in given.items() if a.dtype.kind != "f"}
    moving = {**params, **{n: a for n, a in given.items() if a.dtype.kind == "f"}}
    report = check_pair(
        lambda a: graph.forward({**fixed, **a}),
        lambda a, cache, upstream: graph.backward({**fixed, **a}, cache, upstream),
        moving,
        entries=4,
    )
    assert report.ok, str(report)


def test_the_gradient_of_an_embedding_read_back_is_that_of_the_model():
    model = rc.Stack(rc.Embedding(9, 3), rc.LSTM(3, 4), rc.Dense(4, 2)).using(dtype="float64", backend="numpy")
    p = random_problem(model)
    graph, _ = from_onnx(to_onnx(model, p.params), backend="numpy")
    _, cache = graph.forward(feed(p))
    grads = graph.backward(feed(p), cache, (p.dy, *p.dstate_T))
    _, _, own = model.forward(p.params, p.x, p.state_0, p.lengths)
    expected, _, dstate_0 = model.backward(p.params, own, p.dy, p.dstate_T)
    assert scaled_error(grads["0.W"], expected["0.W"]) < EXACT and np.abs(expected["0.W"]).max() > 0
    assert scaled_error(grads["2.W"], expected["2.W"]) < EXACT
    for k, d in enumerate(dstate_0):
        assert scaled_error(grads[f"state_0.{k}"], d) < EXACT


def test_a_file_is_written_and_read(tmp_path):
    model = MODELS["classifier"]
    p = problem(model)
    to_onnx(model, p.params, tmp_path / "m.onnx")
    graph, _ = from_onnx(str(tmp_path / "m.onnx"))
    assert graph.inputs[:2] == ("x", "lengths") and graph.outputs[0] == "y"


def test_the_same_model_gives_the_same_bytes():
    model, params = MODELS["tagger"], problem(MODELS["tagger"]).params
    assert to_onnx(model, params).SerializeToString() == to_onnx(model, params).SerializeToString()


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (rc.TimeLSTM(3, 4), "received TimeLSTM.*elapsed time"),
        (rc.ProjectedLSTM(3, 4), "received ProjectedLSTM.*no projection"),
        (rc.LayerNormLSTM(3, 4), "received LayerNormLSTM.*normalises nothing"),
        (rc.LayerNormGRU(3, 4), "received LayerNormGRU.*normalises nothing"),
        (rc.Stack(rc.GRUD(3, 4), rc.Last()), "received GRUD.*missing values"),
        (rc.Masked(rc.GRU(3, 4)), "received Masked.*gaps inside"),
        (rc.RecurrentDropout(rc.GRU(3, 4), zoneout=0.1), "received RecurrentDropout.*zoneout mixes"),
    ],
)
def test_a_layer_without_a_counterpart_is_named_with_the_reason(model, why):
    with pytest.raises(rc.ContractError, match=f"layers among RNN, LSTM, GRU.*{why}"):
        to_onnx(model, model.init(0))
