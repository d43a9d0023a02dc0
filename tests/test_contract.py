"""Every breach of the contract is a ContractError that names the argument, before anything is computed."""

import re
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
from conftest import MATRIX, make

import rnncore as rc
from rnncore.compose import LAYERS, from_description
from rnncore.errors import ContractError
from rnncore.onnx_layers import OnnxGRU
from rnncore.recurrent import Recurrent
from rnncore.recurrent_layer import ELSEWHERE

X = np.zeros((5, 3, 2))


def gru(**changes):
    layer = rc.GRU(2, 4, backend="numpy", dtype="float64")
    arguments = {"params": layer.init(0), "x": X, "state_0": None, "lengths": None, "rng": None, **changes}
    return layer.forward(**arguments)


def without(params, name):
    return {key: value for key, value in params.items() if key != name}


PARAMS = rc.GRU(2, 4, backend="numpy", dtype="float64").init(0)
BREACHES = {
    "x of another type": ({"x": "x"}, "x: expected a NumPy array, received a str; convert it with numpy.asarray"),
    "x as a list of histories": ({"x": [X[:, 0], X[:2, 1]]}, "or a list of histories with rnncore.sequences.pad"),
    "x with a mask": ({"x": np.ma.array(X)}, "x: expected an array without a mask, received a masked array"),
    "x without time": ({"x": X[0]}, "x: expected shape (T, N, 2), received shape (3, 2)"),
    "x with other features": ({"x": X[:, :, :1]}, "x: expected shape (T, N, 2), received shape (5, 3, 1)"),
    "x of another dtype": ({"x": X.astype(np.float32)}, "x: expected dtype float64, received dtype float32"),
    "x of integers": ({"x": X.astype(int)}, "x: expected dtype float64, received dtype int64"),
    "params of another type": ({"params": [1]}, "params: expected a dict of arrays, received a list"),
    "a missing parameter": ({"params": without(PARAMS, "Wh")}, "a dict without 'Wh'"),
    "an unknown parameter": ({"params": {**PARAMS, "W": X}}, "a dict with unknown 'W'"),
    "a parameter of another shape": ({"params": {**PARAMS, "Wh": np.zeros((4, 8))}}, "Wh: expected shape (4, 12)"),
    "a parameter of another dtype": (
        {"params": {**PARAMS, "bh": PARAMS["bh"].astype(np.float32)}},
        "bh: expected dtype float64, received dtype float32",
    ),
    "parameters in half precision": (
        {"params": {k: v.astype(np.float16) for k, v in PARAMS.items()}},
        "expected dtype float32 or float64, received dtype float16",
    ),
    "the byte order of another machine": (
        {"params": {k: v.astype(">f8") for k, v in PARAMS.items()}},
        "Wx: expected numbers in the byte order of this machine, received dtype >f8",
    ),
    "a state that is no tuple": ({"state_0": np.zeros((3, 4))}, "state_0: expected a tuple of 1 arrays ((3, 4))"),
    "a state too many": ({"state_0": (np.zeros((3, 4)),) * 2}, "state_0: expected a tuple of 1"),
    "a state of another batch": ({"state_0": (np.zeros((2, 4)),)}, "state_0[0]: expected shape (3, 4)"),
    "a state of another dtype": ({"state_0": (np.zeros((3, 4), np.float32),)}, "state_0[0]: expected dtype float64"),
    "lengths of another batch": ({"lengths": [5, 5]}, "lengths: expected shape (3,), received shape (2,)"),
    "lengths in lists": ({"lengths": [[5, 4], [3]]}, "lengths: expected shape (3,), received a list of lists"),
    "lengths as floats": ({"lengths": [5.0, 4.0, 3.0]}, "lengths: expected integers, received dtype float64"),
    "NaN in lengths": ({"lengths": [5.0, np.nan, 3.0]}, "float64 holding NaN"),
    "lengths as booleans": ({"lengths": [True, True, False]}, "lengths: expected integers, received dtype bool"),
    "a length beyond T": ({"lengths": [6, 5, 1]}, "lengths: expected values from 0 to T = 5, received lengths[0] = 6"),
    "a negative length": ({"lengths": [5, 1, -1]}, "received lengths[2] = -1"),
    "lengths not sorted": ({"lengths": [2, 5, 1]}, "lengths: expected the longest first, received lengths[0] = 2"),
    "a seed for rng": ({"rng": 3}, "rng: expected a numpy.random.Generator (training) or None (inference)"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_forward_names_the_breach(breach):
    changes, words = BREACHES[breach]
    with pytest.raises(ContractError, match=re.escape(words)) as caught:
        gru(**changes)
    assert str(caught.value).endswith(caught.value.advice)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dy": np.zeros((5, 3, 3))}, "dy: expected shape (5, 3, 4), received shape (5, 3, 3)"),
        ({"dy": np.zeros((5, 3, 4), np.float32)}, "dy: expected dtype float64, received dtype float32"),
        ({"dstate_T": (np.zeros((3, 3)),)}, "dstate_T[0]: expected shape (3, 4), received shape (3, 3)"),
        ({"dstate_T": ()}, "dstate_T: expected a tuple of 1 arrays"),
        ({"cache": None}, "cache: expected a GRUCache, received a NoneType"),
        ({"params": without(PARAMS, "bx")}, "a dict without 'bx'"),
    ],
)
def test_backward_names_the_breach(changes, words):
    layer = rc.GRU(2, 4, backend="numpy", dtype="float64")
    y, _, cache = gru()
    arguments = {"params": PARAMS, "cache": cache, "dy": y, "dstate_T": None, **changes}
    with pytest.raises(ContractError, match=re.escape(words)):
        layer.backward(**arguments)


MATRICES = [rc.Dense(4, 2), rc.LayerNorm(4), rc.Prototypes(4, 2), rc.Dropout(0.5)]


@pytest.mark.parametrize("layer", MATRICES, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("run", [lambda layer, *given: layer.forward(*given), rc.predict], ids=["forward", "predict"])
def test_lengths_of_a_matrix_are_refused_since_it_has_no_time_axis(layer, run):
    with pytest.raises(ContractError, match=r"lengths: .* x of shape \(4, 4\) has no time axis"):
        run(layer, layer.init(0), np.ones((4, 4), np.float32), (), [4, 2, 1, 0])


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True])
def test_a_seed_is_a_whole_number_or_a_generator(seed):
    with pytest.raises(ContractError, match="seed: expected a whole number of at least 0"):
        rc.GRU(2, 4).init(seed)


def test_no_rows_have_no_lengths():
    y, _, _ = gru(x=X[:, :0], lengths=[])
    assert y.shape == (5, 0, 4)


OTHERS = {
    "GRU": (rc.GRU(4, 6), rc.GRU(4, 5)),
    "RecurrentDropout": (rc.RecurrentDropout(rc.GRU(4, 6)), rc.RecurrentDropout(rc.GRU(4, 5))),
    "operator": (OnnxGRU(4, 6), OnnxGRU(4, 5)),
    "Dense": (rc.Dense(4, 6), rc.Dense(8, 6)),
    "LayerNorm": (rc.LayerNorm(4), rc.LayerNorm(8)),
    "Prototypes": (rc.Prototypes(4, 6), rc.Prototypes(8, 6)),
    "Attention": (rc.Attention(4, 6), rc.Attention(8, 6)),
    "Attention of other keys": (rc.Attention(4, 6), rc.Attention(4, 5)),
    "inside": (rc.Stack(rc.GRU(4, 6), rc.Dense(6, 2)), rc.Stack(rc.GRU(4, 5), rc.Dense(5, 2))),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", OTHERS)
def test_backward_rejects_the_cache_of_a_layer_of_another_size(name, backend):
    """Kernels believe the sizes: they would read and write beyond the arrays."""
    layer, other = (each.using(backend=backend) for each in OTHERS[name])
    y, _, cache = other.forward(other.init(0), np.ones((3, 4, other.sizes[0]), np.float32))
    dy = np.ones((*y.shape[:-1], layer.sizes[1]), np.float32)
    with pytest.raises(ContractError, match=r"cache: expected one for .*, received one whose arrays are"):
        layer.backward(layer.init(0), cache, dy)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("layer", [rc.GRU(2, 3), rc.Dense(2, 3), rc.Attention(2, 3), rc.MeanPool()], ids=str)
def test_backward_rejects_a_cache_of_another_dtype(layer, backend):
    single = layer.using(backend=backend)
    y, _, cache = single.forward(single.init(0), np.ones((3, 4, 2), np.float32))
    double = single.using(dtype="float64")
    with pytest.raises(ContractError, match="cache: expected one of dtype float64, received one of dtype float32"):
        double.backward(double.init(0), cache, y.astype("float64"))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: rc.GRU(0, 4), "D: expected a whole number of at least 1, received 0"),
        (lambda: rc.GRU(2, True), "H: expected a whole number of at least 1, received True"),
        (lambda: rc.LSTM(2, 4, activation="gelu"), "activation: expected 'tanh' or 'relu', received 'gelu'"),
        (lambda: rc.GRU(2, 4, reset="never"), "reset: expected 'after' or 'before', received 'never'"),
        (lambda: rc.RNN(2, 4, backend="jax"), "backend: expected 'numba' or 'numpy', received 'jax'"),
        (lambda: rc.RNN(2, 4, dtype="int8"), "dtype: expected 'float32' or 'float64', received 'int8'"),
        (lambda: rc.Dropout(1.0), "rate: expected a number in [0, 1), received 1.0"),
        (lambda: rc.Stack(), "parts: expected one or more layers, received nothing"),
        (lambda: rc.Stack(rc.GRU(2, 4), rc.Dense(5, 1)), "parts[1]: expected a layer that takes 4 features"),
        (lambda: rc.Stack(rc.Last(), rc.GRU(2, 4)), "parts[1]: expected a layer without time"),
        (lambda: rc.Stack(rc.GRU(2, 4), rc.Dense(4, 1, dtype="float64")), "parts: expected one dtype"),
        (lambda: rc.Bidirectional(rc.Bidirectional(rc.GRU(2, 4))), "layer: expected a layer that runs step by step or"),
    ],
)
def test_a_layer_that_cannot_be_is_refused_when_it_is_made(build, words):
    with pytest.raises(ContractError, match=re.escape(words)):
        build()


def test_complex_numbers_are_refused_by_the_fast_twin_by_name():
    layer = rc.GRU(2, 4, backend="numba", dtype="float64")
    params = {name: a.astype(complex) for name, a in layer.init(0).items()}
    with pytest.raises(ContractError, match='say backend="numpy"'):
        layer.forward(params, X.astype(complex))


def test_an_embedding_refuses_ids_outside_its_table_but_ignores_padding():
    layer = rc.Embedding(4, 2, dtype="float64")
    with pytest.raises(ContractError, match=r"x: expected ids from 0 to 3, received the id 9"):
        layer.forward(layer.init(0), np.array([[0, 1], [2, 9]]))
    y, _, _ = layer.forward(layer.init(0), np.array([[0, 1], [2, 9]]), lengths=[2, 1])
    assert not y[1, 1].any()


@pytest.mark.parametrize(("name", "options"), MATRIX)
def test_init_gives_orthogonal_recurrent_blocks_and_the_same_weights_for_a_seed(name, options):
    layer = make(name, 3, 4, **options)
    params, again, other = layer.init(7), layer.init(7), layer.init(8)
    for block in np.split(params["Wh"], layer.cell.blocks, axis=1):
        rows = min(block.shape)  # of a projected cell, fewer than columns
        np.testing.assert_allclose(block @ block.T, np.eye(rows), atol=1e-12)
    assert all(np.array_equal(params[k], again[k]) for k in params)
    assert not np.array_equal(params["Wx"], other["Wx"])
    assert np.abs(params["Wx"]).max() <= np.sqrt(6 / 7)


def test_init_opens_the_forget_gate_and_leaves_other_biases_at_zero():
    b = rc.LSTM(3, 4).init(0)["b"]
    assert b.dtype == np.float32
    np.testing.assert_array_equal(b, np.repeat([0, 1, 0, 0], 4))


MODELS = [
    rc.RNN(2, 4, "relu", backend="numpy"),
    rc.Stack(rc.Embedding(9, 2), rc.Dropout(0.5), rc.Bidirectional(rc.LSTM(2, 4)), rc.Last(), rc.Dense(8, 1)),
    rc.Stack(rc.Stack(rc.GRU(2, 3, dtype="float64"), rc.Dense(3, 3, dtype="float64"))),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_description_makes_an_equal_layer(model):
    assert from_description(model.describe()) == model
    assert eval(repr(model), {name: kind for name, kind in LAYERS.items()}) == model


@pytest.mark.parametrize(
    "description", [None, {}, {"layer": "os.system"}, {"layer": "GRU", "D": 2}, {"layer": "Stack"}, {"layer": ["GRU"]}]
)
def test_a_description_of_something_else_is_refused(description):
    with pytest.raises(ContractError, match="description"):
        from_description(description)


def test_using_keeps_the_cell_of_a_layer_without_a_class_of_its_own():
    layer = rc.recurrent.Recurrent(rc.contract.CELLS["gru"], 2, 4, reset="before", backend="numba", dtype="float32")
    other = layer.using(backend="numpy")
    assert (other.cell, other.backend, other.options) == (layer.cell, "numpy", {"reset": "before"})


def test_layers_of_two_cells_of_ones_own_differ_and_say_which():
    row = replace(rc.contract.CELLS["rnn"], package="mine", name="a", title="RNN")
    a, b = (Recurrent(replace(row, name=name), 2, 4, backend="numpy", dtype="float32") for name in "ab")
    assert a != b and a == a.using(dtype="float32")
    assert repr(a).startswith("Recurrent(cell='mine.a', D=2, H=4, ")
    with pytest.raises(ContractError, match=r"received 'Recurrent' of the cell 'mine\.a'; .*: keep its params alone"):
        from_description(a.describe())


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ({"num_layers": 2}, r"Stack\(GRU\(D, H\), GRU\(H, H\)\)"),
        ({"bidirectional": True}, r"Bidirectional\(GRU\(D, H\)\)"),
        ({"batch_first": True}, r"\(T, N, D\)"),
        ({"units": 3}, r"GRU\(D, H\)"),
    ],
)
def test_a_word_of_another_library_is_told_what_to_say_here(word, advice):
    with pytest.raises(ContractError, match=f"^{next(iter(word))}: expected an argument of GRU, .*{advice}"):
        rc.GRU(2, 3, **word)


def test_what_is_said_instead_of_words_of_other_libraries_is_there():
    said = re.findall(r"(\w+)\(", " ".join(ELSEWHERE.values()))
    assert {name for name in said if name[0].isupper()} <= set(vars(rc))
    words = {word for kind in LAYERS.values() if issubclass(kind, Recurrent) for word in signature(kind).parameters}
    assert not words & set(ELSEWHERE)


def test_using_changes_backend_and_dtype_everywhere_inside():
    model = rc.Stack(rc.Bidirectional(rc.GRU(2, 4)), rc.Dense(8, 1)).using(backend="numpy", dtype="float64")
    assert model.dtype == "float64"
    assert model.backends == {"numpy"}
    assert rc.Last().backends == set()
    assert "float32" not in repr(model)
