"""The door to PyTorch: the same outputs, final states and gradients as the module itself, and back again."""

import itertools

import numpy as np
import pytest
from conftest import TOLERANCE, all_results, assert_equal_results, scaled_error

import rnncore as rc
from rnncore.gradcheck import random_problem
from rnncore.interop import from_torch, to_torch

torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")

KINDS = [("RNN", {"nonlinearity": "tanh"}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
PROJECTED = ("LSTM", {"proj_size": 2})
GRID = [
    pytest.param(name, {**words, "num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first},
                 id="-".join([name, *map(str, words.values()), str(layers), *(["both"] if both else []),
                              *([] if bias else ["no bias"]), *(["batch first"] if first else [])]))
    for (name, words), layers, both, bias, first in itertools.product(
        [*KINDS, PROJECTED], (1, 2), (False, True), (True, False), (False, True))
    if not (first and not bias)
]  # fmt: skip


def module(name, seed=0, dtype=torch.float64, **words):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return getattr(torch.nn, name)(3, 5, dtype=dtype, **words)


def problem(layer, params, ragged=True):
    p = random_problem(layer.using(backend="numpy"), T=6, N=4, ragged=ragged)
    lengths = np.array([6, 4, 4, 1]) if ragged else None  # torch packs no row of length zero
    return p._replace(params=params, lengths=lengths)


def under_our_names(net, layer):
    """The gradients of the module's weights as ours are called and laid out."""
    grads = {name: weight.grad.detach() for name, weight in net.named_parameters()}
    activation = getattr(net, "nonlinearity", None)
    found = from_torch(grads, activation=activation, dropout=getattr(net, "dropout", 0.0))[1]
    # b is bias_ih + bias_hh, and the derivative by the sum is that by each of them, not their sum
    return {f"d{name}": a / 2 if name.split(".")[-1] == "b" else a for name, a in found.items()}


def torch_results(net, p, layer):
    batch_first, count = getattr(net, "batch_first", False), 2 if isinstance(net, torch.nn.LSTM) else 1
    leaf = torch.tensor(p.x, requires_grad=True)
    states = [torch.tensor(np.stack(p.state_0[k::count]), requires_grad=True) for k in range(count)]
    fed = leaf.transpose(0, 1) if batch_first else leaf
    if p.lengths is not None:
        fed = torch.nn.utils.rnn.pack_padded_sequence(fed, p.lengths, batch_first=batch_first)
    y, final = net(fed, tuple(states) if count == 2 else states[0])
    if p.lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=batch_first, total_length=len(p.x))
    y = y.transpose(0, 1) if batch_first else y
    final = final if count == 2 else (final,)
    ends = [(a * torch.tensor(np.stack(p.dstate_T[k::count]))).sum() for k, a in enumerate(final)]
    net.zero_grad()
    ((y * torch.tensor(p.dy)).sum() + sum(ends)).backward()
    out = {"y": y.detach().numpy(), "dx": leaf.grad.numpy(), **under_our_names(net, layer)}
    for j in range(len(p.state_0)):
        out[f"state_T[{j}]"] = final[j % count][j // count].detach().numpy()
        out[f"dstate_0[{j}]"] = states[j % count].grad[j // count].numpy()
    return out


@pytest.mark.parametrize("ragged", [True, False], ids=["ragged", "full"])
@pytest.mark.parametrize(("name", "words"), GRID)
def test_outputs_states_and_all_gradients_are_those_of_the_module(name, words, ragged):
    net = module(name, **words)
    layer, params = from_torch(net, backend="numpy")
    p = problem(layer, params, ragged)
    theirs, ours = torch_results(net, p, layer), all_results(layer, p)
    if not words["bias"]:  # our zeros have a derivative, the module has none
        biases = [f"d{name}" for name in params if name.split(".")[-1] in ("b", "bx", "bh")]
        theirs |= {name: ours[name] for name in biases}
    assert_equal_results(ours, theirs, TOLERANCE["equal in float64"])


@pytest.mark.parametrize(("name", "words"), [("RNN", {}), ("LSTM", {}), PROJECTED, ("GRU", {})], ids=str)
def test_the_fast_twin_computes_what_the_module_computes(name, words):
    net = module(name, num_layers=2, bidirectional=True, **words)
    layer, params = from_torch(net, backend="numba")
    p = problem(layer, params)
    assert layer.backends == {"numba"}
    assert_equal_results(all_results(layer, p), torch_results(net, p, layer), TOLERANCE["equal in float64"])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("name", "words"), KINDS)
def test_a_cell_stepped_by_hand_is_our_layer(name, words, bias):
    net = module(f"{name}Cell", bias=bias, **words)
    layer, params = from_torch(net, backend="numpy")
    p = problem(layer, params, ragged=False)
    state = [torch.tensor(s) for s in p.state_0]
    ys = []
    for x in torch.tensor(p.x):
        state = net(x, tuple(state) if name == "LSTM" else state[0])
        state = list(state) if name == "LSTM" else [state]
        ys.append(state[0])
    sum(
        (a * torch.tensor(b)).sum() for a, b in zip([torch.stack(ys), *state], [p.dy, *p.dstate_T], strict=True)
    ).backward()
    theirs, ours = under_our_names(net, layer), all_results(layer, p)
    theirs["y"] = torch.stack(ys).detach().numpy()
    for key in theirs if bias else ("y", "dWx", "dWh"):
        assert scaled_error(ours[key], theirs[key]) < TOLERANCE["equal in float64"], key


LAYERS = {
    "rnn": rc.RNN(3, 4),
    "relu": rc.RNN(3, 4, "relu"),
    "lstm": rc.LSTM(3, 4),
    "projected": rc.ProjectedLSTM(3, 4, 2),
    "stack of projected": rc.Stack(rc.ProjectedLSTM(3, 5, 2), rc.ProjectedLSTM(2, 5, 2)),
    "both ways": rc.Bidirectional(rc.GRU(3, 4)),
    "stack": rc.Stack(rc.LSTM(3, 4), rc.LSTM(4, 4)),
    "stack both ways with dropout": rc.Stack(
        rc.Bidirectional(rc.GRU(3, 4)), rc.Dropout(0.3), rc.Bidirectional(rc.GRU(8, 4)), rc.Dropout(0.3),
        rc.Bidirectional(rc.GRU(8, 4))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_out_and_in_again_gives_the_same_layer_and_bits(name):
    layer = LAYERS[name]
    params = {n: np.random.default_rng(0).normal(size=s).astype("float32") for n, s in layer.parameter_shapes().items()}
    again, back = from_torch(to_torch(layer, params))
    assert again == layer and back.keys() == params.keys()
    assert all(np.array_equal(back[n], params[n]) and back[n].dtype == params[n].dtype for n in params)


@pytest.mark.parametrize("name", ["rnn", "relu", "lstm"])
def test_out_as_a_cell_and_in_again_gives_the_same(name):
    layer = LAYERS[name]
    params = layer.init(seed=0)
    again, back = from_torch(to_torch(layer, params, cell=True))
    assert again == layer and all(np.array_equal(back[n], params[n]) for n in params)


def test_a_state_dict_is_the_module():
    net = module("LSTM", num_layers=2, dropout=0.25)
    layer, params = from_torch({name: a.numpy() for name, a in net.state_dict().items()}, dropout=0.25)
    of_module, same = from_torch(net)
    assert layer == of_module and all(np.array_equal(params[n], same[n]) for n in same)
    assert "Dropout(rate=0.25" in repr(layer)


def test_writing_draws_nothing_from_the_random_numbers_of_torch_and_params_share_no_memory():
    before = torch.random.get_rng_state()
    layer = rc.GRU(1, 1)
    net = to_torch(layer, layer.init(seed=0))
    assert torch.equal(before, torch.random.get_rng_state())
    params = from_torch(net)[1]
    with torch.no_grad():
        for weight in net.parameters():
            weight.fill_(7.0)
    assert not any((a == 7).any() for a in params.values())


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_torch_to_rnncore_to_onnx_to_the_runtime_and_back_is_the_identity_on_numbers(name):
    pytest.importorskip("onnxruntime")
    from nodes import onnxruntime_outputs

    net = module(name, dtype=torch.float32, num_layers=2, bidirectional=True)
    layer, params = from_torch(net, backend="numpy")
    x = np.random.default_rng(0).normal(size=(6, 4, 3)).astype("float32")
    proto = rc.interop.to_onnx(layer, params)
    states = {f"state_0.{k}": np.zeros((4, H), "float32") for k, H in enumerate(layer.state_sizes)}
    feed = {"x": x, "lengths": np.full(4, 6, "int32"), **states}
    graph, _ = rc.interop.from_onnx(proto)
    with torch.no_grad():
        expected = net(torch.tensor(x))[0].numpy()
    for y in (layer.forward(params, x)[0], onnxruntime_outputs(proto, feed)[0], graph.forward(feed)[0][0]):
        assert scaled_error(y, expected) < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_torch_to_rnncore_to_onnx_and_all_the_way_back_is_the_identity_on_weights(name):
    """Through the file that the runtime runs: one node of it, as a layer, goes out to torch again."""
    net = module(name, dtype=torch.float32)
    layer, params = from_torch(net)
    graph, _ = rc.interop.from_onnx(rc.interop.to_onnx(layer, params))
    ((again, weights),) = graph.layers().values()
    back = to_torch(again, weights)
    x = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert scaled_error(back(x)[0].numpy(), net(x)[0].numpy()) < TOLERANCE["float32 against float64"]
    for key, weight in net.state_dict().items():
        if name == "GRU" or "bias" not in key:
            assert torch.equal(back.state_dict()[key], weight), key
        elif "ih" in key:  # torch has two biases of RNN and LSTM, of which only the sum is read
            total = weight + net.state_dict()[key.replace("ih", "hh")]
            assert torch.equal(back.state_dict()[key] + back.state_dict()[key.replace("ih", "hh")], total)


def gru_weights(**changed):
    return {"weight_ih_l0": np.ones((12, 3)), "weight_hh_l0": np.ones((12, 4)), **changed}


@pytest.mark.parametrize(
    ("source", "words", "names"),
    [
        (torch.nn.LSTM(3, 5, proj_size=2).half(), {}, "float32 or float64"),
        (torch.nn.Linear(3, 5), {}, "LSTMCell"),
        (torch.nn.GRU(3, 5).half(), {}, "float32 or float64"),
        (torch.nn.GRU(3, 5), {"dropout": 0.5}, "beside a module"),
        (gru_weights(weight_ih_l1=np.ones((12, 4))), {}, "without weight_hh_l1"),
        (gru_weights(other=np.ones(3)), {}, "with other"),
        (gru_weights(weight_hr_l0=np.ones((2, 4))), {}, "weight_ih_l0: expected shape (16, 3)"),
        (gru_weights(weight_hr_l0=np.ones(4)), {}, "shape (P, H)"),
        (gru_weights(weight_hh_l0=np.ones((13, 4))), {}, "(3H, H)"),
        (gru_weights(bias_ih_l0=np.ones(12), bias_hh_l0=np.ones(11)), {}, "bias_hh_l0"),
        ({}, {}, "weight_ih"),
        ({"weight_ih": np.ones((4, 3)), "weight_hh": np.ones((4, 4))}, {}, "activation"),
        (gru_weights(), {"activation": "relu"}, "None for a GRU, received 'relu'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_come_in_is_an_error_that_names_it(source, words, names):
    with pytest.raises(rc.ContractError) as error:
        from_torch(source, **words)
    assert names in str(error.value)


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (rc.GRU(3, 4, "before"), "reset='after'"),
        (rc.LSTM(3, 4, "relu"), "activation='tanh'"),
        (rc.Dense(3, 4), "RNN, LSTM, GRU"),
        (rc.Bidirectional(rc.GRU(3, 4), "sum"), "Bidirectional"),
        (rc.PeepholeLSTM(3, 4), "ProjectedLSTM"),
        (rc.ProjectedLSTM(3, 4, 4), "less than 4"),
        (rc.Stack(rc.ProjectedLSTM(3, 5, 2), rc.ProjectedLSTM(2, 5, 3)), "alike"),
        (rc.Stack(rc.GRU(3, 4), rc.GRU(4, 5)), "alike"),
        (rc.Stack(rc.GRU(3, 4), rc.Dropout(0.2), rc.GRU(4, 4), rc.GRU(4, 4)), "between all layers"),
        (rc.Stack(rc.GRU(3, 4), rc.Dropout(0.2)), "Dropout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_torch_does_not_have_is_an_error_that_names_it(layer, names):
    with pytest.raises(rc.ContractError) as error:
        to_torch(layer, layer.init(seed=0))
    assert names in str(error.value)


def test_a_cell_of_torch_has_no_projection():
    layer = rc.ProjectedLSTM(3, 4)
    with pytest.raises(rc.ContractError, match="LSTMCell has no projection"):
        to_torch(layer, layer.init(seed=0), cell=True)
