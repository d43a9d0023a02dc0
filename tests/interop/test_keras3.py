"""The door to Keras 3, here on its torch backend: the same outputs, states and gradients as the layer, and back."""

import itertools
import os

import numpy as np
import pytest
from conftest import TOLERANCE, all_results, assert_equal_results, scaled_error

import rnncore as rc
from rnncore.gradcheck import random_problem
from rnncore.interop import from_keras, to_keras
from rnncore.interop.keras_cells import ACTIVATIONS
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN

torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")


@pytest.fixture(scope="module", autouse=True)
def with_keras():
    """Import Keras for the first of these tests and not with the file: 4 s of every worker, which one of them needs."""
    global keras
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="keras is not installed (extra: peers)")
    if keras.backend.backend() != "torch":
        pytest.skip("KERAS_BACKEND is not torch, whose autograd is the oracle here")


@pytest.fixture
def double(with_keras, monkeypatch):
    """Let Keras compute float64 in float64: but for TensorFlow its matmul rounds 64 bits to 32, whatever floatx."""
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    # of torch: the slope of hardsigmoid is 1/6 in float32, and softplus is x from 20 on
    monkeypatch.setattr(torch.nn.functional, "hardsigmoid", lambda x: torch.nn.functional.relu6(x + 3) / 6)
    monkeypatch.setattr(torch.nn.functional, "softplus", lambda x: torch.logaddexp(x, torch.zeros_like(x)))


KINDS = [
    ("SimpleRNN", {"activation": "tanh"}),
    ("SimpleRNN", {"activation": "relu"}),
    ("LSTM", {"activation": "tanh"}),
    ("LSTM", {"activation": "relu"}),
    ("LSTM", {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
    ("GRU", {"reset_after": True}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"reset_after": True, "activation": "elu", "recurrent_activation": "hard_sigmoid"}),
    ("GRU", {"reset_after": False, "activation": "leaky_relu"}),
]
MERGES = ["concat", "sum", "mul", "ave", "none"]
LENGTHS = np.array([4, 3, 3, 1])


def keras_layer(name, way="forward", seed=0, dtype="float64", **words):
    """A built layer of Keras with random weights, biases among them."""
    words = {"return_sequences": True, "return_state": True, "dtype": dtype, **words}
    layer = getattr(keras.layers, name)(5, go_backwards=way == "go_backwards", **words)
    if way in MERGES:
        layer = keras.layers.Bidirectional(layer, None if way == "none" else way, dtype=dtype)
    layer.build((2 if words.get("stateful") else None, None, 3))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape).astype(w.dtype) / 2 for w in layer.weights])
    return layer


def problem(layer, params, lengths=None):
    p = random_problem(layer.using(backend="numpy"), T=4, N=4, ragged=False)
    return p._replace(params=params, lengths=lengths)


def as_ours(net, y, way):
    """What a layer of Keras gives, (N, T, H) or (N, H) or a pair of them, as ours is laid out."""
    if way == "none":
        return torch.stack([as_ours(net, side, "") for side in y], dim=-3)
    sequences = y.ndim == 3
    y = y.transpose(0, 1) if sequences else y
    return y.flip(0) if way == "go_backwards" and sequences else y


def keras_results(net, p, way, mask=None):
    """Outputs, states and gradients of the layer of Keras, by our names but for the weights, which come apart."""
    leaf = torch.tensor(p.x, requires_grad=True)
    states = [torch.tensor(s, requires_grad=True) for s in p.state_0]
    if p.lengths is not None:
        mask = np.arange(len(p.x)) < p.lengths[:, None]
    given = None if mask is None else torch.tensor(mask)
    y, *final = net(leaf.transpose(0, 1), mask=given, initial_state=list(states))
    y = as_ours(net, (y, final.pop(0)) if way == "none" else y, way)
    if p.lengths is not None and y.ndim - (way == "none") == 3:  # past a row's end Keras repeats, where it is told to
        y = torch.where(torch.tensor(mask.T if way != "none" else mask.T[:, None])[..., None], y, 0)
    loss = (y * torch.tensor(p.dy)).sum()
    for a, b in zip(final, p.dstate_T, strict=True):
        loss = loss + (a * torch.tensor(b)).sum()
    weights = [w.value for w in net.trainable_weights]
    grads = torch.autograd.grad(loss, [leaf, *states, *weights])
    out = {"y": y.detach().numpy(), "dx": grads[0].numpy()}
    for k in range(len(states)):
        out[f"state_T[{k}]"], out[f"dstate_0[{k}]"] = final[k].detach().numpy(), grads[1 + k].numpy()
    return out | under_our_names(net, [g.numpy() for g in grads[1 + len(states) :]])


def under_our_names(net, gradients):
    """The gradients by our names, brought in through the same door as weights are."""
    clone = type(net).from_config(net.get_config())
    clone.build((None, None, 3))
    clone.set_weights(gradients)
    return {f"d{name}": a for name, a in from_keras(clone)[1].items()}


def assert_same(net, ours, theirs):
    """Where Keras has no bias, or one for our two, ours have a derivative all the same."""
    biases = [w.value.ndim for w in net.weights if "bias" in w.name]
    own = {"b", "bx", "bh"} if not biases else {"bh"} if biases[0] == 1 else set()
    theirs |= {name: a for name, a in ours.items() if name.lstrip("d").split(".")[-1] in own}
    assert_equal_results(ours, theirs, TOLERANCE["equal in float64"])


GRID = [
    pytest.param(
        name, words, way, lengths,
        id="-".join([name, *map(str, words.values()), way, "full" if lengths is None else "ragged"]),
        marks=[] if ((name, words) == KINDS[2] and lengths is not None) or way == "forward" else pytest.mark.thorough,
    )
    for (name, words), way, lengths in itertools.product(
        KINDS, ["forward", "go_backwards", *MERGES], [LENGTHS, None])
    if way in ("forward", "go_backwards", "concat") or (name, len(words)) == ("LSTM", 1)
]  # fmt: skip
DEFAULT = pytest.param(*KINDS[2], id="LSTM")
OTHERS = [pytest.param(name, words, id=name, marks=pytest.mark.thorough) for name, words in (KINDS[0], KINDS[5])]


@pytest.mark.parametrize(("name", "words", "way", "lengths"), GRID)
def test_outputs_states_and_all_gradients_are_those_of_the_layer(double, name, words, way, lengths):
    if way == "go_backwards" and lengths is not None:
        lengths = np.full(4, 4)  # a mask at the end of rows is one at the beginning there: see the test of gaps
    net = keras_layer(name, way, **words)
    layer, params = from_keras(net, backend="numpy")
    p = problem(layer, params, lengths)
    assert_same(net, all_results(layer, p), keras_results(net, p, way))


@pytest.mark.parametrize("lengths", [LENGTHS, None], ids=["ragged", "full"])
@pytest.mark.parametrize("way", ["forward", "go_backwards", *MERGES])
@pytest.mark.parametrize(("name", "words"), [DEFAULT, *OTHERS])
def test_return_sequences_false_is_one_vector_of_every_direction(double, name, words, way, lengths):
    net = keras_layer(name, way, return_sequences=False, **words)
    layer, params = from_keras(net, backend="numpy")
    p = problem(layer, params, lengths)
    assert not layer.keeps_time
    assert_same(net, all_results(layer, p), keras_results(net, p, way))


@pytest.mark.parametrize(("name", "words"), KINDS)
def test_a_layer_without_biases_has_zeros_here(double, name, words):
    net = keras_layer(name, use_bias=False, **words)
    layer, params = from_keras(net, backend="numpy")
    p = problem(layer, params)
    assert not any(params[n].any() for n in params if n in ("b", "bx", "bh"))
    assert_same(net, all_results(layer, p), keras_results(net, p, "forward"))


@pytest.mark.parametrize("zero", [False, True], ids=["carry", "zero"])
@pytest.mark.parametrize("way", ["forward", "go_backwards", "concat"])
@pytest.mark.parametrize(("name", "words"), [DEFAULT, *OTHERS])
def test_a_mask_with_gaps_is_masked_around_the_layer(double, name, words, way, zero):
    net = keras_layer(name, way, **words, zero_output_for_mask=zero)
    layer, params = from_keras(net, backend="numpy")
    if way == "go_backwards" and not zero:  # a step repeats the one before it in the order of the computation
        layer = rc.Reversed(rc.Masked(layer.layer))
    else:  # both directions of Keras give zeros in any case
        layer = rc.Masked(layer, "carry" if way == "forward" and not zero else "zero")
    mask = np.array([[0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]], bool)  # (N, T)
    p = problem(layer, {f"inner.{n}": a for n, a in params.items()})
    states = from_keras(net)[0].state_sizes
    carried = [0 * s for s in p.state_0[len(states) :]]  # "carry" has a state more; Keras starts with zeros there
    p = p._replace(
        x=np.concatenate([p.x[..., :3], mask.T[..., None]], axis=-1),
        state_0=(*p.state_0[: len(states)], *carried),
        dstate_T=(*p.dstate_T[: len(states)], *carried),
    )
    ours = all_results(layer, p)
    seen = p._replace(x=p.x[..., :3].copy(), state_0=p.state_0[: len(states)], dstate_T=p.dstate_T[: len(states)])
    found = keras_results(net, seen, way, mask)
    theirs = {f"dinner.{n[1:]}" if f"inner.{n[1:]}" in p.params else n: a for n, a in found.items()}
    theirs["dx"] = np.concatenate([theirs["dx"], np.zeros((4, 4, 1))], axis=-1)  # the mask has no derivative
    assert_same(net, {n: a for n, a in ours.items() if not n.endswith(f"[{len(states)}]")}, theirs)


def test_without_more_ado_float64_layers_of_keras_multiply_in_float32():
    net = keras_layer("GRU", reset_after=False)
    layer, params = from_keras(net, backend="numpy")
    p = problem(layer, params)
    gap = scaled_error(all_results(layer, p)["y"], keras_results(net, p, "forward")["y"])
    assert TOLERANCE["equal in float64"] < gap < TOLERANCE["float32 against float64"]


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_the_fast_twin_computes_what_the_layer_computes(double, name):
    net = keras_layer(name, "concat")
    layer, params = from_keras(net, backend="numba")
    assert layer.backends == {"numba"}
    p = problem(layer, params, LENGTHS)
    assert_same(net, all_results(layer, p), keras_results(net, p, "concat"))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_that_is_taken_is_that_of_keras(double, activation):
    net = keras_layer("LSTM", activation=activation, recurrent_activation=activation)
    layer, params = from_keras(net, backend="numpy")
    p = problem(layer, params)
    assert_same(net, all_results(layer, p), keras_results(net, p, "forward"))


WORDS = {"dtype": "float64"}
LAYERS = {
    "rnn": rc.RNN(3, 4, "relu"),
    "lstm": rc.LSTM(3, 4, **WORDS),
    "gru": rc.GRU(3, 4),
    "reversed": rc.Reversed(rc.LSTM(3, 4)),
    **{f"both ways, {merge}": rc.Bidirectional(rc.GRU(3, 4), merge) for merge in MERGES},
    "last": rc.Stack(rc.LSTM(3, 4), rc.Last()),
    "last of both ways": rc.Bidirectional(rc.Stack(rc.LSTM(3, 4), rc.Last())),
    "last, reversed": rc.Reversed(rc.Stack(rc.RNN(3, 4), rc.Last())),
    "dropout": rc.Stack(rc.Dropout(0.2, per="sequence"), rc.GRU(3, 4)),
    "dropout both ways": rc.Bidirectional(rc.Stack(rc.Dropout(0.2, per="sequence"), rc.GRU(3, 4), rc.Last())),
    "recurrent dropout": rc.Stack(rc.Dropout(0.2, per="sequence"), rc.RecurrentDropout(rc.RNN(3, 4), 0.3)),
    "another rnn": OnnxRNN(3, 4, ["Softsign"]),
    "another lstm": OnnxLSTM(3, 4, [("HardSigmoid", 1 / 6, 0.5), ("Elu", 1.0), ("Elu", 1.0)], **WORDS),
    "another gru": rc.Bidirectional(OnnxGRU(3, 4, ["Sigmoid", ("LeakyRelu", 0.2)], reset="after")),
}


@pytest.mark.parametrize("name", LAYERS)
def test_out_and_in_again_gives_the_same_layer_and_bits(name):
    layer, rng = LAYERS[name], np.random.default_rng(0)
    params = {n: rng.normal(size=s).astype(layer.dtype) for n, s in layer.parameter_shapes().items()}
    again, back = from_keras(to_keras(layer, params))
    assert again == layer and back.keys() == params.keys()
    assert all(np.array_equal(back[n], params[n]) and back[n].dtype == params[n].dtype for n in params)


CHAINS = [
    pytest.param(name, words, way, bias, id="-".join([name, *map(str, words.values()), way, "bias" * bias]))
    for k, (name, words) in enumerate(KINDS)
    for way, bias in (("forward", True), ("go_backwards" if k % 2 else "concat", True), ("forward", False))
]


@pytest.mark.parametrize(("name", "words", "way", "bias"), CHAINS)
def test_in_and_out_again_gives_the_same_weights_and_numbers_bit_for_bit(name, words, way, bias):
    net = keras_layer(name, way, use_bias=bias, **words, dtype="float32", return_state=False)
    back = to_keras(*from_keras(net))
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    np.testing.assert_array_equal(back(x).detach().numpy(), net(x).detach().numpy())
    mine, others = ({w.path.split("/", 1)[-1]: w.value.detach().numpy() for w in n.weights} for n in (net, back))
    for (where, a), b in zip(mine.items(), [others[k] for k in others if bias or "bias" not in k], strict=True):
        np.testing.assert_array_equal(b, a, err_msg=where)


def test_a_reset_before_has_one_bias_in_keras_the_sum_of_ours(double):
    layer = rc.GRU(3, 5, "before", backend="numpy", dtype="float64")
    p = random_problem(layer, ragged=False)
    net = to_keras(layer, p.params)
    y = net(torch.tensor(p.x).transpose(0, 1), initial_state=[torch.tensor(p.state_0[0])]).transpose(0, 1)
    assert scaled_error(layer.forward(p.params, p.x, p.state_0)[0], y.detach().numpy()) < TOLERANCE["equal in float64"]


def test_a_layer_that_came_out_gives_zeros_past_a_rows_end_as_ours_does(double):
    layer = rc.GRU(3, 5, backend="numpy", dtype="float64")
    p = random_problem(layer, T=4, N=4, ragged=False)
    mask = torch.tensor(np.arange(4) < LENGTHS[:, None])
    y = to_keras(layer, p.params)(torch.tensor(p.x).transpose(0, 1), mask=mask).transpose(0, 1).detach().numpy()
    assert scaled_error(layer.forward(p.params, p.x, lengths=LENGTHS)[0], y) < TOLERANCE["equal in float64"]


def with_two_activations():
    other = keras.layers.LSTM(5, activation="relu", go_backwards=True)
    layer = keras.layers.Bidirectional(keras.layers.LSTM(5), backward_layer=other)
    layer.build((None, None, 3))
    return layer


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: keras_layer("GRU", activation="gelu"), "activation: expected 'tanh', 'sigmoid', 'relu'"),
        (lambda: keras_layer("LSTM", recurrent_activation="silu"), "recurrent_activation: expected 'tanh'"),
        (lambda: keras_layer("LSTM", activation=keras.layers.LeakyReLU(0.3)), "activation: expected 'tanh'"),
        (lambda: keras_layer("LSTM", recurrent_dropout=0.1), "recurrent_dropout: expected 0 of a LSTM"),
        (lambda: keras_layer("LSTM", dropout=0.1, implementation=1), "implementation: expected 2 with dropout"),
        (lambda: keras_layer("LSTM", stateful=True), "stateful: expected False"),
        (lambda: keras_layer("GRU", kernel_regularizer="l2"), "kernel_regularizer: expected None"),
        (lambda: keras_layer("GRU", activity_regularizer="l1"), "activity_regularizer: expected None"),
        (lambda: keras_layer("GRU", recurrent_constraint="unit_norm"), "recurrent_constraint: expected None"),
        (lambda: keras_layer("GRU", return_sequences=False, zero_output_for_mask=True), "zero_output_for_mask"),
        (lambda: keras_layer("GRU", dtype="mixed_float16"), "dtype: expected float32 or float64"),
        (lambda: keras_layer("GRU", dtype="mixed_bfloat16"), "dtype: expected float32 or float64"),
        (lambda: keras.layers.LSTM(3), "build"),
        (lambda: keras.layers.Dense(3), "SimpleRNN, LSTM, GRU or Bidirectional"),
        (
            with_two_activations,
            "backward_layer: expected forward_layer, running backwards, received layers that differ",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_come_in_is_an_error_that_names_what_may(make, names):
    with pytest.raises(rc.ContractError) as error:
        from_keras(make())
    assert names in str(error.value)


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (rc.Dense(3, 4), "layer: expected RNN, LSTM, GRU"),
        (rc.Stack(rc.GRU(3, 4), rc.GRU(4, 4)), "layer: expected RNN, LSTM, GRU"),
        (rc.Stack(rc.Dropout(0.2), rc.GRU(3, 4)), "Dropout(per='sequence')"),
        (rc.Stack(rc.Reversed(rc.GRU(3, 4)), rc.Last()), "Bidirectional or Reversed of that"),
        (rc.RecurrentDropout(rc.GRU(3, 4), 0.2), "RecurrentDropout around RNN alone"),
        (OnnxLSTM(3, 4, peepholes=True), "a cell without peepholes"),
        (OnnxRNN(3, 4, clip=1.0), "a cell without clip"),
        (OnnxLSTM(3, 4, ["Sigmoid", "Tanh", "Relu"]), "the same for candidate and output"),
        (OnnxRNN(3, 4, [("LeakyRelu", 0.1)]), "LeakyRelu(0.2, 0)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_keras_does_not_have_is_an_error_that_names_what_it_has(layer, names):
    with pytest.raises(rc.ContractError) as error:
        to_keras(layer, layer.init(seed=0))
    assert names in str(error.value)
