"""RecurrentDropout: what it is without rates, what its masks do, that they are replayed; Dropout by sequence."""

import numpy as np
import pytest
from conftest import BACKENDS, TOLERANCE, all_results, assert_equal_results, scaled_error
from hypothesis import given
from hypothesis import strategies as st

import rnncore as rc
from rnncore import gradcheck
from rnncore.contract import CELLS
from rnncore.gradcheck import mutants, random_problem
from rnncore.gradcheck.measure import arrays_of
from rnncore.layers import recurrent_dropout as textbook

EQUAL = TOLERANCE["equal in float64"]
INNER = {
    "rnn": lambda **words: rc.RNN(3, 5, **words),
    "rnn-relu": lambda **words: rc.RNN(3, 5, "relu", **words),
    "lstm": lambda **words: rc.LSTM(3, 5, **words),
    "lstm-relu": lambda **words: rc.LSTM(3, 5, "relu", **words),
    "gru-after": lambda **words: rc.GRU(3, 5, **words),
    "gru-before": lambda **words: rc.GRU(3, 5, "before", **words),
    "grud": lambda **words: rc.GRUD(3, 5, **words),  # without a fast twin of its own: step by step
}
BASIC = [name for name in INNER if name != "grud"]
seeds = st.integers(0, 10**6)


def make(name, backend="numpy", dtype="float64", **rates):
    return rc.RecurrentDropout(INNER[name](backend=backend, dtype=dtype), **rates)


def trained(layer, p, seed, backward_by=None):
    """Every result of forward and backward in training."""
    y, state_T, cache = layer.forward(p.params, p.x, p.state_0, p.lengths, np.random.default_rng(seed))
    grads, dx, dstate_0 = (backward_by or layer).backward(p.params, cache, p.dy, p.dstate_T)
    return dict(enumerate([y, *state_T, *grads.values(), dx, *dstate_0]))


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("seed", [None, 7])
def test_every_derivative_in_training_and_at_inference(name, seed):
    layer = make(name, dropout=0.4, zoneout=0.3)
    p = random_problem(layer, 1)
    methods = ["complex-step", "forward-mode"]
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, methods, dropout_seed=seed)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("ragged", [True, False])
def test_every_derivative_of_the_fast_twin_in_training(name, ragged):
    layer = make(name, "numba", dropout=0.4, zoneout=0.3)
    p = random_problem(layer, 2, ragged=ragged)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, "forward-mode", dropout_seed=3)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["rnn-relu", "lstm", "gru-after", "gru-before"])
def test_torch_finds_the_same_derivatives_under_the_same_masks(name):
    pytest.importorskip("torch")
    layer = rc.Stack(rc.Dropout(0.3, per="sequence"), make(name, dropout=0.4, zoneout=0.3))
    p = random_problem(layer, 3)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, "torch", dropout_seed=3)
    assert report.ok, str(report)


def test_torch_draws_the_masks_of_both_directions_of_a_stack_that_ends_without_time():
    pytest.importorskip("torch")
    model = rc.Bidirectional(rc.Stack(make("rnn-relu", dropout=0.4, zoneout=0.3), rc.Last()))
    p = random_problem(model, 3)
    report = gradcheck.check(model, p.params, p.x, p.state_0, p.lengths, "torch", dropout_seed=3)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", BASIC)
@given(
    seed=seeds,
    sizes=st.sampled_from([(5, 4, 3, 5), (3, 70, 2, 19), (0, 2, 3, 4), (4, 0, 3, 4), (1, 1, 1, 1)]),
    ragged=st.booleans(),
    rates=st.sampled_from([(0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.3, 0.2)]),
    training=st.booleans(),
)
def test_the_twins_agree_and_take_each_others_cache(name, seed, sizes, ragged, rates, training):
    T, N, D, H = sizes
    inner = INNER[name](backend="numpy", dtype="float64")
    slow = rc.RecurrentDropout(rc.recurrent.Recurrent(inner.cell, **{**inner.words, "D": D, "H": H}), *rates)
    fast = slow.using(backend="numba")
    p = random_problem(slow, seed, T=T, N=N, ragged=ragged)
    masks = seed if training else None

    def run(layer, backward_by):
        rng = None if masks is None else np.random.default_rng(masks)
        y, state_T, cache = layer.forward(p.params, p.x, p.state_0, p.lengths, rng)
        grads, dx, dstate_0 = backward_by.backward(p.params, cache, p.dy, p.dstate_T)
        return dict(enumerate([y, *state_T, *arrays_of(cache), *grads.values(), dx, *dstate_0]))

    expected = run(slow, slow)
    for layer, backward_by in ((fast, fast), (slow, fast), (fast, slow)):
        assert_equal_results(run(layer, backward_by), expected, EQUAL)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", BASIC)
@given(seed=seeds)
def test_without_rates_it_is_the_cell(backend, name, seed):
    layer = make(name, backend)
    p = random_problem(layer, seed)
    expected = all_results(layer.layer, p)
    assert_equal_results(all_results(layer, p), expected, EQUAL)
    y, _, _ = layer.forward(p.params, p.x, p.state_0, p.lengths, np.random.default_rng(seed))
    assert scaled_error(y, expected["y"]) <= EQUAL


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-after"])
def test_where_everything_is_zoned_out_the_state_stays_and_its_gradient_goes_straight_through(backend, name):
    layer = make(name, backend)
    p = random_problem(layer, 4, ragged=False)
    twin, cell = layer._twins()
    keep = tuple(np.ones((6, *s.shape)) for s in p.state_0)
    y, state_T, cache = twin.forward(
        cell, p.params, p.x, p.state_0, None, np.ones((6, 4, 5)), keep, **layer.layer.options
    )
    grads, dx, dstate_0 = twin.backward(cell, p.params, cache, p.dy, p.dstate_T, **layer.layer.options)
    np.testing.assert_array_equal(y, np.broadcast_to(p.state_0[0], y.shape))
    for a, b in zip(state_T, p.state_0, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(dstate_0[0], p.dstate_T[0] + p.dy.sum(axis=0), rtol=1e-14)
    assert not dx.any()
    assert not any(g.any() for g in grads.values())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["lstm", "gru-before"])
def test_chunks_under_the_same_masks_equal_the_whole(backend, name):
    layer = make(name, backend, dropout=0.4, zoneout=0.3)
    p = random_problem(layer, 5, T=7)
    twin, cell = layer._twins()
    words = layer.layer.options
    drop, zone = textbook.masks(np.random.default_rng(0), layer.dropout, layer.zoneout, p.x, p.state_0)
    y, state_T, cache = twin.forward(cell, p.params, p.x, p.state_0, p.lengths, drop, zone, **words)
    grads, dx, dstate_0 = twin.backward(cell, p.params, cache, p.dy, p.dstate_T, **words)
    whole = dict(enumerate([y, *state_T, dx, *dstate_0, *grads.values()]))

    first, rest = np.minimum(p.lengths, 3), np.maximum(p.lengths - 3, 0)
    early, late = ((drop[s], tuple(k[s] for k in zone)) for s in (slice(3), slice(3, None)))
    y_1, state, cache_1 = twin.forward(cell, p.params, p.x[:3], p.state_0, first, *early, **words)
    y_2, state_T, cache_2 = twin.forward(cell, p.params, p.x[3:], state, rest, *late, **words)
    grads_2, dx_2, dstate = twin.backward(cell, p.params, cache_2, p.dy[3:], p.dstate_T, **words)
    grads_1, dx_1, dstate_0 = twin.backward(cell, p.params, cache_1, p.dy[:3], dstate, **words)
    sums = [grads_1[n] + grads_2[n] for n in grads_1]
    parts = [np.concatenate([y_1, y_2]), *state_T, np.concatenate([dx_1, dx_2]), *dstate_0, *sums]
    assert_equal_results(dict(enumerate(parts)), whole, EQUAL)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-after", "gru-before"])
def test_a_row_equals_the_cell_with_rows_of_wh_dropped_and_h_let_through_whole(backend, name):
    layer = make(name, backend, dropout=0.5)
    p = random_problem(layer, 6)
    y, _, cache = layer.forward(p.params, p.x, p.state_0, p.lengths, np.random.default_rng(0))
    assert set(np.unique(cache.drop)) == {0.0, 2.0}
    for n, L in enumerate(p.lengths):
        own = {**p.params, "Wh": cache.drop[0, n][:, None] * p.params["Wh"]}
        alone, _, _ = layer.layer.forward(own, p.x[:L, n : n + 1], tuple(s[n : n + 1] for s in p.state_0))
        assert scaled_error(y[:L, n : n + 1], alone) <= EQUAL


def test_the_masks_are_the_same_in_both_twins_and_those_of_their_rates():
    x, rates = np.zeros((40, 50, 3)), {"dropout": 0.3, "zoneout": (0.05, 0.5)}
    caches = []
    for backend in BACKENDS:
        layer = make("lstm", backend, **rates)
        caches.append(layer.forward(layer.init(0), x[:, :, :], rng=np.random.default_rng(8))[2])
    for a, b in zip((caches[0].drop, *caches[0].zone), (caches[1].drop, *caches[1].zone), strict=True):
        np.testing.assert_array_equal(a, b)
    drop, (of_h, of_c) = caches[0].drop, caches[0].zone
    for mask, rate in ((drop[0] == 0, 0.3), (of_h, 0.05), (of_c, 0.5)):
        assert abs(mask.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / mask.size)  # five standard errors
    assert (drop == drop[0]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_seed_gives_the_same_bits_and_inference_draws_nothing(backend):
    layer = make("gru-after", backend, dropout=0.4, zoneout=0.3)
    p = random_problem(layer, 7)
    for a, b in zip(trained(layer, p, 1).values(), trained(layer, p, 1).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(trained(layer, p, 1)[0], trained(layer, p, 2)[0])
    for a, b in zip(all_results(layer, p).values(), all_results(layer, p).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_at_inference_zoneout_is_its_expectation():
    layer = make("lstm", zoneout=(0.1, 0.4))
    p = random_problem(layer, 8, T=1, ragged=False)
    _, (h, c), _ = layer.forward(p.params, p.x, p.state_0)
    _, new, _ = layer.layer.forward(p.params, p.x, p.state_0)
    np.testing.assert_allclose(h, 0.1 * p.state_0[0] + 0.9 * new[0], rtol=1e-14)
    np.testing.assert_allclose(c, 0.4 * p.state_0[1] + 0.6 * new[1], rtol=1e-14)


@pytest.mark.parametrize("name", ["lstm", "gru-before"])
def test_the_fast_twin_in_float32_follows_float64_and_nothing_leaks_from_the_padding(name):
    p = random_problem(make(name), 9, T=12, N=37, scale=0.7)
    single = [
        {k: v.astype("f4") for k, v in part.items()} if isinstance(part, dict)
        else tuple(v.astype("f4") for v in part) if isinstance(part, tuple)
        else part if part.dtype.kind == "i" else part.astype("f4")
        for part in p
    ]  # fmt: skip
    narrow = type(p)(*single)
    past = np.arange(12)[:, None] >= p.lengths
    narrow.x[past], narrow.dy[past] = np.nan, np.nan
    fast = make(name, "numba", "float32", dropout=0.25, zoneout=0.5)
    got = trained(fast, narrow, 1)
    assert {a.dtype.name for a in got.values()} == {"float32"}
    slow = fast.using(backend="numpy", dtype="float64")
    drop, zone = textbook.masks(np.random.default_rng(1), 0.25, slow.zoneout, narrow.x, narrow.state_0)
    masks = drop.astype(float), tuple(k.astype(float) for k in zone)
    cell = slow.layer.cell.twin("numpy")
    y, state_T, cache = textbook.forward(cell, p.params, p.x, p.state_0, p.lengths, *masks, **slow.layer.options)
    grads, dx, dstate_0 = textbook.backward(cell, p.params, cache, p.dy, p.dstate_T, **slow.layer.options)
    wide = dict(enumerate([y, *state_T, *grads.values(), dx, *dstate_0]))
    assert_equal_results(got, wide, TOLERANCE["float32 against float64"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_inputs_are_never_changed_and_results_own_their_memory(backend):
    layer = make("gru-before", backend, dropout=0.3, zoneout=0.3)
    p = random_problem(layer, 10)
    given_arrays = [*p.params.values(), p.x, *p.state_0, p.dy, *p.dstate_T]
    before = [a.copy() for a in given_arrays]
    y, state_T, cache = layer.forward(p.params, p.x, p.state_0, p.lengths, np.random.default_rng(0))
    kept = [a.copy() for a in arrays_of(cache)]
    grads, dx, dstate_0 = layer.backward(p.params, cache, p.dy, p.dstate_T)
    for own in (y, *state_T, *grads.values(), dx, *dstate_0):
        own[...] = np.nan
    for a, b in zip([*given_arrays, *arrays_of(cache)], [*before, *kept], strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_number_of_threads_changes_no_bit():
    layer = rc.RecurrentDropout(rc.LSTM(30, 60), dropout=0.3, zoneout=0.3)
    p = random_problem(rc.RecurrentDropout(rc.LSTM(30, 60, dtype="float64")), 11, T=5, N=150)
    x, params = p.x.astype("f4"), {n: a.astype("f4") for n, a in p.params.items()}
    found, threads = [], rc.get_num_threads()
    for n in (1, 3):
        rc.set_num_threads(n)
        y, _, cache = layer.forward(params, x, lengths=p.lengths, rng=np.random.default_rng(0))
        found.append([y, *layer.backward(params, cache, p.dy.astype("f4"))[0].values()])
    rc.set_num_threads(threads)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mutant", mutants("recurrent_dropout"), ids=lambda mutant: mutant.name)
def test_a_planted_error_is_caught_under_replayed_masks_and_named(mutant):
    layer = mutant.layer(3, 5)
    p = random_problem(layer)
    report = gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, "forward-mode", dropout_seed=3, entries=25)
    assert report.verdict == "fail"
    assert mutant.name in report.suspects


def test_it_streams_is_saved_and_runs_in_both_directions(tmp_path):
    both = rc.Bidirectional(rc.RecurrentDropout(rc.GRU(3, 4, backend="numpy"), 0.2, 0.1))
    one = rc.RecurrentDropout(rc.LSTM(8, 5, backend="numpy"), 0.2, (0.1, 0.5))
    model = rc.Stack(both, one, rc.Last(), rc.Dense(5, 1))
    params = model.init(0)
    rc.save(tmp_path / "m.safetensors", model, params)
    assert rc.load(tmp_path / "m.safetensors")[0] == model
    assert eval(repr(model), vars(rc)) == model
    x = np.random.default_rng(0).normal(size=(4, 3, 8)).astype("f4")
    own = {name[2:]: a for name, a in params.items() if name.startswith("1.")}
    stream = rc.Stream(one, own)
    steps = np.stack([stream.step_batch("abc", x_t) for x_t in x])
    np.testing.assert_allclose(steps, one.forward(own, x)[0], atol=1e-6)
    np.testing.assert_allclose(rc.predict(one, own, x)[0], one.forward(own, x)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: rc.RecurrentDropout(rc.Dense(2, 3)), "layer: expected a recurrent layer, as RNN, LSTM or GRU"),
        (lambda: rc.RecurrentDropout(rc.LSTM(2, 3), dropout=1.0), r"dropout: expected a number in \[0, 1\)"),
        (lambda: rc.RecurrentDropout(rc.LSTM(2, 3), zoneout=-0.1), r"zoneout: expected a number in \[0, 1\)"),
        (lambda: rc.RecurrentDropout(rc.GRU(2, 3), zoneout=(0.1, 0.2)), "zoneout: expected one rate, or 1"),
        (lambda: rc.Dropout(0.5, per="batch"), "per: expected 'step' or 'sequence'"),
        (lambda: rc.Stack(rc.Last(), rc.RecurrentDropout(rc.GRU(2, 3))), r"parts\[1\]: expected a layer without time"),
    ],
)
def test_a_breach_is_named(build, words):
    with pytest.raises(rc.ContractError, match=words):
        build()


def test_the_cache_of_another_layer_is_refused():
    layer = make("lstm", dropout=0.1)
    p = random_problem(layer)
    _, _, cache = layer.forward(p.params, p.x)
    with pytest.raises(rc.ContractError, match=r"cache: expected one for RecurrentDropout"):
        rc.RecurrentDropout(rc.LSTM(3, 4, backend="numpy", dtype="float64")).backward(
            rc.LSTM(3, 4, dtype="float64").init(0), cache, p.dy
        )


def test_a_cell_of_another_package_by_the_name_of_one_of_ours_does_not_get_our_fast_twin():
    from rnncore.kernels.recurrent_dropout import KINDS

    assert set(KINDS) == {CELLS[name].twin("numba").__name__ for name in ("rnn", "lstm", "gru")}


def test_dropout_by_sequence_has_one_mask_for_all_steps_and_drops_nothing_at_inference():
    x = np.ones((7, 30, 20))
    layer = rc.Dropout(0.3, per="sequence")
    y, _, cache = layer.forward({}, x, rng=np.random.default_rng(0))
    assert (y == y[0]).all()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs(y[0].mean() - 1) < 5 * np.sqrt(0.3 / 0.7 / y[0].size)  # five standard errors
    dy = np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_array_equal(layer.backward({}, cache, dy)[1], dy * y)
    np.testing.assert_array_equal(layer.forward({}, x)[0], x)
    np.testing.assert_array_equal(
        rc.Dropout(0.3).forward({}, x[0], rng=np.random.default_rng(0))[0],
        layer.forward({}, x[0], rng=np.random.default_rng(0))[0],
    )


@pytest.mark.parametrize("method", ["complex-step", "forward-mode", "central"])
def test_the_mask_of_a_sequence_is_replayed(method):
    layer = rc.Stack(rc.Dropout(0.4, per="sequence"), rc.GRU(3, 4, backend="numpy", dtype="float64"))
    p = random_problem(layer, 2)
    assert gradcheck.check(layer, p.params, p.x, p.state_0, p.lengths, method, dropout_seed=11, entries=12).ok
