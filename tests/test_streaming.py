"""A stream gives, event by event, what the model gives for the whole history; customers never mix."""

import threading

import numpy as np
import pytest
from conftest import MATRIX, TOLERANCE, make, scaled_error

import rnncore as rc
from rnncore.contract import Cell
from rnncore.interop import safetensors
from rnncore.onnx_layers import OnnxGRU, OnnxLSTM, OnnxRNN
from rnncore.recurrent import Recurrent
from rnncore.streaming import files, load_stream, save_stream, whole

BACKENDS = pytest.mark.parametrize("backend", ["numpy", "numba"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(model, T=6, N=4, seed=0):
    """Return params with random biases, and x for N customers of T events each."""
    rng = np.random.default_rng(seed)
    params = {name: a + 0.1 * rng.standard_normal(a.shape).astype(a.dtype) for name, a in model.init(rng).items()}
    D = model.sizes[0]
    x = rng.standard_normal((T, N, D)).astype(model.dtype) if D else rng.integers(0, 9, (T, N))
    return params, x


def one_by_one(stream, x):
    """Return y (T, N, K), each event a call of its own."""
    return np.array([[stream.step(n, x[t, n]) for n in range(x.shape[1])] for t in range(len(x))])


def models(backend, dtype="float64"):
    """Compositions that can be streamed, by name."""
    words = {"backend": backend, "dtype": dtype}
    gru, lstm, dense = rc.GRU(5, 7, **words), rc.LSTM(7, 6, **words), rc.Dense(6, 2, dtype=dtype)
    return {
        "stack": rc.Stack(gru, rc.Dropout(0.5), lstm, dense),
        "embedding": rc.Stack(rc.Embedding(9, 5, dtype=dtype), gru, lstm, dense),
        "embedding inside": rc.Stack(rc.LearnedState(rc.Stack(rc.Embedding(9, 5, dtype=dtype), gru, lstm)), dense),
        "nested": rc.Stack(rc.Stack(gru, lstm), rc.Stack(dense)),
        "last": rc.Stack(gru, lstm, rc.Last(), rc.Dropout(0.1), dense),
        "dense alone": rc.Dense(5, 3, dtype=dtype),
    }


@DTYPES
@pytest.mark.parametrize("H", [1, 33, *(pytest.param(H, marks=pytest.mark.thorough) for H in (16, 70, 200))])
@pytest.mark.parametrize(("name", "options"), [case for case in MATRIX if case.values[1]["backend"] == "numba"])
def test_the_fast_twin_gives_the_bits_of_the_whole_history(name, options, H, dtype):
    layer = make(name, 5, H, dtype, **options)
    params, x = drawn(layer)
    whole = layer.forward(params, x)[0]
    np.testing.assert_array_equal(one_by_one(rc.Stream(layer, params), x), whole)
    batches = rc.Stream(layer, params)
    np.testing.assert_array_equal([batches.step_batch(range(4), step) for step in x], whole)


@pytest.mark.parametrize(("name", "options"), [case for case in MATRIX if case.values[1]["backend"] == "numpy"])
def test_the_textbook_gives_the_whole_history(name, options):
    layer = make(name, 5, 8, **options)
    params, x = drawn(layer)
    whole = layer.forward(params, x)[0]
    assert scaled_error(one_by_one(rc.Stream(layer, params), x), whole) <= TOLERANCE["equal in float64"]


@BACKENDS
@pytest.mark.parametrize("name", models("numpy"))
def test_a_composition_gives_what_it_gives_for_all_events_so_far(name, backend):
    model = models(backend)[name]
    params, x = drawn(model)
    so_far = [model.forward(params, x[: t + 1])[0] for t in range(len(x))]
    whole = np.array([y[-1] if model.keeps_time else y for y in so_far])
    single, batches = rc.Stream(model, params), rc.Stream(model, params)
    gate = 0 if "numba" in model.backends else TOLERANCE["equal in float64"]  # fast twins: the same bits
    assert scaled_error(one_by_one(single, x), whole) <= gate
    together = np.array([batches.step_batch("abcd", step) for step in x])
    assert scaled_error(together, whole) <= gate


WHOLE = {
    **models("numba", "float32"),
    "bidirectional": rc.Stack(rc.Bidirectional(rc.Stack(rc.LSTM(5, 6), rc.GRU(6, 3))), rc.Last(), rc.Dense(6, 2)),
    "textbook": rc.Stack(rc.LSTM(5, 6, backend="numpy"), rc.Last()),
}


@pytest.mark.parametrize("lengths", [None, [6, 4, 4, 0]], ids=["full", "ragged"])
@pytest.mark.parametrize("model", WHOLE.values(), ids=WHOLE.keys())
def test_predict_gives_the_bits_of_forward(model, lengths):
    params, x = drawn(model)
    rng = np.random.default_rng(2)
    state_0 = tuple(rng.standard_normal((4, H)).astype("float32") for H in model.state_sizes)
    before = x.copy(), [s.copy() for s in state_0]
    y, state_T, _ = model.forward(params, x, state_0, lengths)
    y_too, state_too = rc.predict(model, params, x, state_0, lengths)
    for mine, expected in zip((y_too, *state_too, x, *state_0), (y, *state_T, before[0], *before[1]), strict=True):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("lengths", [None, [150, 70, 64, 0]], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "layer",
    [
        OnnxRNN(5, 6, ["Elu"], clip=1.0),
        OnnxLSTM(5, 6, ["HardSigmoid", "Tanh", "Softsign"], clip=1.0, peepholes=True),
        OnnxGRU(5, 6, ["HardSigmoid", "Softplus"]),
    ],
    ids=["rnn", "lstm", "gru"],
)
def test_predict_of_an_operator_of_onnx_gives_the_bits_of_forward_in_chunks(layer, lengths, monkeypatch):
    model = rc.Stack(layer, rc.Last(), rc.Dense(6, 2))
    params, x = drawn(model, T=150)
    rng = np.random.default_rng(2)
    state_0 = tuple(rng.standard_normal((4, H)).astype("float32") for H in model.state_sizes)
    y, state_T, _ = model.forward(params, x, state_0, lengths)
    steps, forward = [], type(layer).forward
    monkeypatch.setattr(whole, "ROWS", 256)
    monkeypatch.setattr(type(layer), "forward", lambda *args: steps.append(len(args[2])) or forward(*args))
    y_too, state_too = rc.predict(model, params, x, state_0, lengths)
    assert steps == [64, 64, 22]
    for mine, expected in zip((y_too, *state_too), (y, *state_T), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_predict_refuses_what_forward_refuses():
    layer = rc.GRU(5, 6)
    with pytest.raises(rc.ContractError, match="x: expected"):
        rc.predict(layer, layer.init(0), np.ones((3, 2, 4), np.float32))


@BACKENDS
def test_customers_in_any_order_and_interleaved_do_not_mix(backend):
    model = models(backend)["last"]
    params, x = drawn(model, T=5, N=3)
    expected = one_by_one(rc.Stream(model, params), x)
    stream, seen = rc.Stream(model, params), dict.fromkeys(range(3), 0)
    for n in np.random.default_rng(1).permutation(np.repeat([0, 1, 2], 5)):
        t = seen[n]
        np.testing.assert_array_equal(stream.step(int(n), x[t, n]), expected[t, n])
        seen[n] = t + 1


def test_more_customers_than_the_first_table_holds():
    layer = rc.GRU(3, 4, dtype="float64")
    params, x = drawn(layer, T=3, N=100)
    np.testing.assert_array_equal(one_by_one(rc.Stream(layer, params), x), layer.forward(params, x)[0])


def test_a_large_batch_on_several_threads_gives_the_same_bits():
    layer = rc.LSTM(20, 60)
    params, x = drawn(layer, T=2, N=500)
    before = rc.get_num_threads()
    try:
        rc.set_num_threads(3)
        stream = rc.Stream(layer, params)
        several = [stream.step_batch(range(500), step) for step in x]
    finally:
        rc.set_num_threads(before)
    np.testing.assert_array_equal(several, layer.forward(params, x)[0])


@BACKENDS
def test_a_forgotten_customer_starts_from_zeros_and_the_others_go_on(backend):
    layer = rc.LSTM(3, 4, backend=backend)
    params, x = drawn(layer, T=2, N=2)
    stream = rc.Stream(layer, params)
    first = stream.step("ann", x[0, 0])
    stream.step("bob", x[0, 1])
    stream.forget(["ann", "nobody"])
    assert list(stream) == ["bob"]
    np.testing.assert_array_equal(stream.step("carl", x[0, 0]), first)
    np.testing.assert_array_equal(stream.step("ann", x[0, 0]), first)
    np.testing.assert_array_equal(stream.step("bob", x[1, 1]), layer.forward(params, x[:, 1:])[0][1, 0])
    assert len(stream) == 3


@BACKENDS
def test_nan_in_gives_nan_out_for_this_customer_alone_until_forgotten(backend):
    model = models(backend)["last"]
    params, x = drawn(model, T=2, N=2)
    bad = x[0, 0].copy()
    bad[1] = np.nan
    stream, clean = rc.Stream(model, params), rc.Stream(model, params)
    assert np.isnan(stream.step("ann", bad)).all()
    assert np.isnan(stream.step("ann", x[1, 0])).all()
    np.testing.assert_array_equal(stream.step("bob", x[0, 1]), clean.step("bob", x[0, 1]))
    stream.forget(["ann"])
    np.testing.assert_array_equal(stream.step("ann", x[0, 0]), clean.step("ann", x[0, 0]))


@BACKENDS
def test_nothing_passed_in_is_changed_or_kept(backend):
    model = models(backend)["stack"]
    params, x = drawn(model)
    before = {name: a.copy() for name, a in params.items()}, x.copy()
    stream = rc.Stream(model, params)
    y = stream.step("ann", x[0, 0])
    states = stream.states(["ann"])
    stream.set_states(["bob"], states)
    np.testing.assert_array_equal(x, before[1])
    for name, a in before[0].items():
        np.testing.assert_array_equal(params[name], a)
        params[name][:] = 0
    y[:] = 0
    states[0][:] = 0
    again = rc.Stream(model, before[0])
    again.step("ann", x[0, 0])
    expected = again.step("ann", x[1, 0])
    np.testing.assert_array_equal(stream.step("ann", x[1, 0]), expected)
    np.testing.assert_array_equal(stream.step("bob", x[1, 0]), expected)


def test_a_layer_that_does_nothing_returns_an_array_of_its_own():
    x = np.ones(3, np.float32)
    y = rc.Stream(rc.Dropout(0.5), {}).step("ann", x)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(x, y)


@BACKENDS
def test_histories_run_at_once_are_gone_on_with(backend):
    layer = rc.LSTM(3, 4, backend=backend, dtype="float64")
    params, x = drawn(layer, T=7, N=3)
    stream = rc.Stream(layer, params)
    stream.set_states("abc", layer.forward(params, x[:4])[1])
    rest = np.array([stream.step_batch("abc", step) for step in x[4:]])
    whole, state_T, _ = layer.forward(params, x)
    assert scaled_error(rest, whole[4:]) <= TOLERANCE["equal in float64"]
    for mine, expected in zip(stream.states("abc"), state_T, strict=True):
        assert scaled_error(mine, expected) <= TOLERANCE["equal in float64"]


def test_states_of_unknown_customers_are_zeros_and_make_nobody_known():
    layer = rc.LSTM(3, 4)
    stream = rc.Stream(layer, layer.init(0))
    assert [(s.shape, s.any()) for s in stream.states(["ann"])] == [((1, 4), False)] * 2
    assert "ann" not in stream


def test_any_memory_layout_is_accepted():
    layer = rc.GRU(5, 6)
    params, x = drawn(layer)
    odd = np.repeat(x, 2, axis=-1)[..., ::-1].copy()[..., ::-2]
    odd.flags.writeable = False
    expected, single, batch = (rc.Stream(layer, params) for _ in range(3))
    y = one_by_one(expected, x)
    np.testing.assert_array_equal(one_by_one(single, odd), y)
    np.testing.assert_array_equal([batch.step_batch(range(4), step) for step in odd], y)


def _between_two_places(x):
    room = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype)
    room[:] = x
    return room


KINDS = {
    "between two places": _between_two_places,
    "a copy of the dtype": lambda x: x.astype(np.dtype(x.dtype, metadata={"unit": "euro"})),
    "a subclass": lambda x: x.view(np.recarray),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_an_array_that_no_kernel_reads_in_place_gives_the_same_bits(kind):
    layer = rc.GRU(5, 6)
    params, x = drawn(layer)
    expected, odd = (rc.Stream(layer, params) for _ in range(2))
    y = [[expected.step(n, event) for n, event in enumerate(step)] for step in x]
    np.testing.assert_array_equal([[odd.step(n, kind(event)) for n, event in enumerate(step)] for step in x], y)


def test_a_cell_of_ones_own_runs_by_its_forward():
    row = Cell("rnn", "a", ("h",), ("b",), {"activation": ("tanh",)})
    own = Recurrent(row, 3, 4, backend="numba", dtype="float64", activation="tanh")
    params, x = drawn(own)
    np.testing.assert_array_equal(one_by_one(rc.Stream(own, params), x), own.forward(params, x)[0])


def test_two_threads_share_a_stream():
    layer = rc.GRU(3, 8)
    params, x = drawn(layer, T=200, N=4)
    stream, y = rc.Stream(layer, params), {}

    def work(n):
        y[n] = [stream.step(n, step) for step in x[:, n]]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.array([y[n] for n in range(4)]).swapaxes(0, 1), layer.forward(params, x)[0])


@pytest.mark.parametrize(
    "model", [rc.Bidirectional(rc.GRU(3, 4)), rc.Stack(rc.Bidirectional(rc.GRU(3, 4)), rc.Last(), rc.Dense(8, 1))]
)
def test_a_model_that_looks_ahead_is_refused(model):
    with pytest.raises(rc.ContractError, match="outputs need the past only"):
        rc.Stream(model, model.init(0))


WRONG = {
    "too few features": np.ones(2, np.float32),
    "a batch": np.ones((1, 3), np.float32),
    "another dtype": np.ones(3),
    "a number": np.float32(1),
    "no axis": np.ones((), np.float32),
    "another order of bytes": np.ones(3, ">f4"),
    "a list": [1.0, 2.0, 3.0],
    "a mask": np.ma.array(np.ones(3, np.float32), mask=[True, False, False]),
    "nothing": None,
    "something small": object(),
}


@pytest.mark.parametrize("x", WRONG.values(), ids=WRONG.keys())
def test_an_event_that_does_not_fit_is_refused_and_nobody_becomes_known(x):
    layer = rc.GRU(3, 4, backend="numpy")
    stream = rc.Stream(layer, layer.init(0))
    with pytest.raises(rc.ContractError, match="x: expected"):
        stream.step("ann", x)
    assert len(stream) == 0


@pytest.mark.parametrize("x", WRONG.values(), ids=WRONG.keys())
def test_an_event_that_does_not_fit_leaves_a_customer_where_he_was(x):
    layer = rc.GRU(3, 4)
    params, good = drawn(layer, T=2, N=1)
    stream = rc.Stream(layer, params)
    stream.step("ann", good[0, 0])
    with pytest.raises(rc.ContractError, match="x: expected"):
        stream.step("ann", x)
    np.testing.assert_array_equal(stream.step("ann", good[1, 0]), layer.forward(params, good)[0][1, 0])


@pytest.mark.parametrize(("name", "value"), [("readable", lambda: False), ("_BRIEF", 0)], ids=["unreadable", "large"])
def test_the_same_bits_where_one_event_has_no_kernel_of_its_own(name, value, monkeypatch):
    from rnncore.kernels import streaming

    model = models("numba")["last"]
    params, x = drawn(model)
    expected = one_by_one(rc.Stream(model, params), x)
    monkeypatch.setattr(streaming, name, value)
    stream = rc.Stream(model, params)
    np.testing.assert_array_equal(one_by_one(stream, x), expected)
    with pytest.raises(rc.ContractError, match="x: expected shape"):
        stream.step(0, x[0])


@pytest.mark.parametrize("x", [-1, 9, 1.5, np.array([1])], ids=["negative", "too large", "no integer", "an array"])
def test_an_id_that_is_no_row_of_the_table_is_refused(x):
    model = models("numpy")["embedding"]
    with pytest.raises(rc.ContractError, match="x: expected"):
        rc.Stream(model, model.init(0)).step("ann", x)


@pytest.mark.parametrize("method", ["step_batch", "set_states"])
def test_a_customer_twice_in_one_batch_is_refused(method):
    layer = rc.RNN(3, 3)
    stream = rc.Stream(layer, layer.init(0))
    rows = np.ones((2, 3), np.float32)
    with pytest.raises(rc.ContractError, match="each customer once"):
        getattr(stream, method)(["ann", "ann"], rows if method == "step_batch" else (rows,))


@pytest.mark.parametrize("keys", [[7, -3, 12345678901], ["ann", "Jürgen", ""], []], ids=["int", "str", "none"])
@pytest.mark.parametrize("name", ["last", "dense alone"])
def test_a_saved_stream_goes_on_where_it_was(keys, name, tmp_path):
    model = models("numba")[name]
    params, x = drawn(model, T=2, N=3)
    stream = rc.Stream(model, params)
    for k, key in enumerate(keys):
        stream.step(key, x[0, k])
    save_stream(tmp_path / "s", stream)
    again = load_stream(tmp_path / "s")
    assert list(again) == keys
    assert again.model == model
    for k, key in enumerate([*keys, "new"]):
        np.testing.assert_array_equal(again.step(key, x[1, k % 3]), stream.step(key, x[1, k % 3]))


@pytest.mark.parametrize(("key", "said"), [(("ann", 1), "all int or all str"), ("\ud800", "words that UTF-8 can hold")])
def test_customers_that_a_file_cannot_name_are_not_saved(tmp_path, key, said):
    layer = rc.RNN(3, 3)
    stream = rc.Stream(layer, layer.init(0))
    stream.step(key, np.ones(3, np.float32))
    with pytest.raises(rc.ContractError, match=said):
        save_stream(tmp_path / "s", stream)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ends", [[3, 1, 6], [-1, 3, 6], [3, 6, 5], [3, 6, 7]])
def test_customers_whose_names_do_not_follow_one_another_in_the_file_are_refused(tmp_path, ends):
    layer = rc.RNN(3, 3, backend="numpy")
    stream = rc.Stream(layer, layer.init(0))
    for key in ("ann", "bob", ""):
        stream.step(key, np.ones(3, np.float32))
    save_stream(tmp_path / "s", stream)
    arrays, words = safetensors.read(tmp_path / "s", files._expect, kind=files.KIND)
    safetensors.write(tmp_path / "s", {**arrays, "ends": np.array(ends)}, words, kind=files.KIND)
    with pytest.raises(rc.ModelFileError, match="do not end one after another in 6 bytes"):
        load_stream(tmp_path / "s")


def test_a_model_file_is_no_stream(tmp_path):
    layer = rc.RNN(3, 3)
    rc.save(tmp_path / "m", layer, layer.init(0))
    with pytest.raises(rc.ModelFileError) as caught:
        load_stream(tmp_path / "m")
    assert caught.value.code == "kind"
