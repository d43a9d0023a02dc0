"""Each oracle against closed forms, all against each other, their error bars, chaos, corners and dropout."""

import numpy as np
import pytest

import rnncore as rc
from rnncore.gradcheck import GATES, check, check_pair, forward_mode, random_problem
from rnncore.gradcheck.check import BLACK_BOX, oracles
from rnncore.gradcheck.measure import as_inputs, as_pair
from rnncore.gradcheck.mutants import right_layer

DIFFERENCES = ["richardson", "central"]
POINTS = np.linspace(-2, 2, 41) + 0.0123
FUNCTIONS = {
    "sine": (np.sin, np.cos),
    "exponential": (np.exp, np.exp),
    "tanh": (np.tanh, lambda v: 1 / np.cosh(v) ** 2),
    "cube": (lambda v: v**3, lambda v: 3 * v**2),
    "straight line": (lambda v: 3 * v, lambda v: 3 + 0 * v),
    "constant": (lambda v: 0 * v + 2, lambda v: 0 * v),
    "Runge's": (lambda v: 1 / (1 + 25 * v**2), lambda v: -50 * v / (1 + 25 * v**2) ** 2),
    "fast sine": (lambda v: np.sin(30 * v), lambda v: 30 * np.cos(30 * v)),
    "steep tanh": (lambda v: np.tanh(50 * v), lambda v: 50 / np.cosh(50 * v) ** 2),
    "sine on a large constant": (lambda v: 1e6 + np.sin(v), np.cos),
    "root beside its branch point": (lambda v: np.sqrt(v + 2.02), lambda v: 0.5 / np.sqrt(v + 2.02)),
    "sine finer than the first steps": (lambda v: np.sin(300 * v), lambda v: 300 * np.cos(300 * v)),
}


def estimates(method, f):
    oracle = BLACK_BOX[method](lambda a: (f(a["v"]),), {"v": POINTS}, (np.ones_like(POINTS),))
    return oracle.at("v", [(k,) for k in range(len(POINTS))])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_step_gives_the_closed_form_to_rounding(name):
    f, df = FUNCTIONS[name]
    exact = df(POINTS)
    assert np.abs(estimates("complex-step", f).value - exact).max() <= 1e-14 * max(np.abs(exact).max(), 1e-300)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("method", DIFFERENCES)
def test_the_error_of_a_difference_is_below_ten_of_its_own_bars(method, name):
    f, df = FUNCTIONS[name]
    value, bar = estimates(method, f)
    assert np.all(np.abs(value - df(POINTS)) <= 10 * bar + 1e-300)


@pytest.mark.parametrize("name", ["sine", "exponential", "tanh", "cube", "straight line", "Runge's"])
@pytest.mark.parametrize("method", DIFFERENCES)
def test_a_difference_trusts_itself_within_its_gate_on_ordinary_functions(method, name):
    f, df = FUNCTIONS[name]
    assert estimates(method, f).bar.max() <= 10 * GATES[method] * np.abs(df(POINTS)).max()


@pytest.mark.parametrize("method", DIFFERENCES)
def test_an_oscillation_finer_than_every_step_is_not_trusted(method):
    value, bar = estimates(method, lambda v: np.sin(1e7 * v))
    wrong = np.abs(value - 1e7 * np.cos(1e7 * POINTS)) > 1e-3 * 1e7
    assert wrong.all()
    assert np.all(np.abs(value - 1e7 * np.cos(1e7 * POINTS)) <= 10 * bar)


def everything(layer, p, **words):
    methods = [m for m in GATES if m != "torch" or words.pop("torch", True)]
    return check(layer, p.params, p.x, p.state_0, p.lengths, methods, entries=3, **words)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "time_lstm", "grud", "bidirectional", "stack"])
@pytest.mark.parametrize("ragged", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_all_five_oracles_agree_with_each_other_and_with_the_backward_pass(cell, ragged):
    pytest.importorskip("torch")
    layer = right_layer(cell, 3, 4)
    report = everything(layer, random_problem(layer, seed=3, T=5, N=3, ragged=ragged))
    assert report.ok, str(report)
    assert report.methods == tuple(GATES)
    exact = report.agreement[:4, :4]
    assert exact.max() < 1e-13
    assert np.all(report.agreement <= 10 * np.maximum(*np.meshgrid(*[[1e-13, *GATES.values()]] * 2)))


@pytest.mark.parametrize("method", list(GATES))
def test_the_masks_of_dropout_are_replayed(method):
    if method == "torch":
        pytest.importorskip("torch")
    parts = rc.Dropout(0.4), rc.GRU(3, 4), rc.Dropout(0.3), rc.Bidirectional(rc.RNN(4, 3)), rc.Last(), rc.Dropout(0.5)
    layer = rc.Stack(*parts, rc.Dense(6, 2)).using(backend="numpy", dtype="float64")
    p = random_problem(layer, seed=2)
    words = {"method": method, "dropout_seed": 11, "entries": 2}
    assert check(layer, p.params, p.x, p.state_0, p.lengths, **words).verdict == "pass"


@pytest.mark.parametrize("output", ["carry", "zero"])
def test_the_masks_of_dropout_are_replayed_on_rows_with_gaps(output):
    words = {"backend": "numpy", "dtype": "float64"}
    inside = rc.Stack(
        rc.RecurrentDropout(rc.LSTM(3, 4, **words), 0.4, (0.3, 0.2)), rc.Dropout(0.3), rc.GRU(4, 2, **words)
    )
    layer = rc.Masked(inside, output)
    p = random_problem(layer, seed=2)
    p.x[..., -1] = np.random.default_rng(5).random(p.x.shape[:2]) < 0.6  # the order of the rows changes
    methods = ["complex-step", "forward-mode"]
    report = check(layer, p.params, p.x, p.state_0, p.lengths, methods, dropout_seed=11)
    assert report.ok, str(report)


@pytest.mark.parametrize("method", ["complex-step", "forward-mode", "central"])
def test_an_error_behind_the_masks_is_found(method):
    class Unmasked(rc.Dropout):
        def _backward(self, params, cache, dy, dstate_T):
            return {}, dy.copy(), ()

    layer = rc.Stack(rc.GRU(3, 4, backend="numpy", dtype="float64"), Unmasked(0.4))
    p = random_problem(layer, seed=2, ragged=False)
    assert check(layer, p.params, p.x, p.state_0, method=method, dropout_seed=11, entries=8).verdict == "fail"


# ---- chaos


def chaotic(T=100, H=40):
    """Return a tanh RNN whose recurrent weights have spectral radius 3, and a problem of T steps."""
    rng = np.random.default_rng(2)
    W = rng.normal(size=(H, H))
    W *= 3 / np.abs(np.linalg.eigvals(W)).max()
    params = {"Wx": 0.1 * rng.normal(size=(2, H)), "Wh": W, "b": np.zeros(H)}
    return params, rng.normal(size=(T, 1, 2)), (0.1 * rng.normal(size=(1, H)),)


def chaos_layer():
    return right_layer("rnn", 2, 40)


@pytest.mark.parametrize("T", [5, 15])
def test_on_the_way_to_chaos_exact_oracles_and_the_backward_pass_agree(T):
    params, x, state = chaotic(T)
    report = check(chaos_layer(), params, x, state, method=["complex-step", "forward-mode"], entries=12)
    assert report.ok, str(report)
    assert report.agreement.max() < 1e-12


def test_in_chaos_forward_mode_follows_the_same_trajectory_and_agrees_to_rounding():
    params, x, state = chaotic()
    report = check(chaos_layer(), params, x, state, method="forward-mode", entries=12)
    assert report.agreement.max() < 1e-13
    assert max(np.abs(s.numeric).max() for s in report.samples.values()) > 1e12  # no difference can follow this


def test_in_chaos_complex_step_says_that_it_drifted_to_another_trajectory():
    params, x, state = chaotic()
    report = check(chaos_layer(), params, x, state, method="complex-step", entries=12)
    assert report.agreement.max() > 1e-9  # complex arithmetic rounds in another order
    assert report.verdict == "inconclusive", str(report)


def test_a_forward_pass_that_is_not_the_equations_fails_and_is_not_taken_for_drift():
    class Off(rc.GRU):
        def _forward(self, params, x, state_0, lengths, rng):
            y, state, cache = super()._forward(params, x, state_0, lengths, rng)
            return y * 1.001, state, cache

        def _backward(self, params, cache, dy, dstate_T):
            return super()._backward(params, cache, dy * 1.001, dstate_T)

    layer = Off(2, 3, backend="numpy", dtype="float64")
    p = random_problem(layer)
    assert check(layer, p.params, p.x, p.state_0, method="complex-step").ok
    assert check(layer, p.params, p.x, p.state_0, method="forward-mode").verdict == "fail"


@pytest.mark.parametrize("method", DIFFERENCES)
@pytest.mark.parametrize("slip", [None, 1e-3, -1.0])
def test_in_chaos_differences_are_inconclusive_neither_a_false_pass_nor_a_false_fail(method, slip):
    params, x, state = chaotic()
    layer = chaos_layer()
    forward, backward = as_pair(layer, None)

    def slipped(inputs, cache, upstream):
        return {name: g * (1 + (slip or 0)) for name, g in backward(inputs, cache, upstream).items()}

    report = check_pair(forward, slipped, as_inputs(params, x, state), method=method, entries=3)
    assert report.verdict == "inconclusive", str(report)


@pytest.mark.parametrize("method", DIFFERENCES)
@pytest.mark.parametrize("T", [5, 15, 30, 60])
def test_on_the_way_to_chaos_no_bar_is_too_narrow(method, T):
    params, x, state = chaotic(T=T)
    inputs = as_inputs(params, x, state)
    forward, _ = as_pair(chaos_layer(), None)
    upstream = tuple(np.random.default_rng(0).normal(size=y.shape) for y in forward(inputs)[0])
    words = lambda a: forward(a)[0], inputs, upstream, None
    exact, numeric = oracles(chaos_layer(), ["complex-step", method], *words)
    for name, index in [("Wh", (3, 4)), ("b", (7,)), ("x", (0, 0, 1)), ("state_0[0]", (0, 2)), ("Wx", (1, 1))]:
        value, bar = numeric.at(name, [index])
        assert abs(value - exact.at(name, [index]).value) <= 10 * bar


def test_in_chaos_an_error_is_not_taken_for_a_corner():
    params, x, state = chaotic()
    layer = chaos_layer()
    forward, backward = as_pair(layer, None)
    wrong = lambda i, c, u: {name: 0 * g for name, g in backward(i, c, u).items()}  # noqa: E731
    report = check_pair(forward, wrong, as_inputs(params, x, state), entries=3)
    assert [b.verdict for b in report.blocks] == ["fail"] * 5
    assert sum(b.kinks for b in report.blocks) == 0


# ---- corners


@pytest.mark.parametrize("method", ["richardson", "central"])
def test_a_corner_is_counted_apart_and_the_other_entries_decide(method):
    forward = lambda a: ((np.where(a["v"].real > 0, a["v"], 0),), None)  # noqa: E731
    right = lambda a, cache, up: {"v": (a["v"] > 0) * up[0]}  # noqa: E731
    v = {"v": np.array([0.0, 1.0, -1.0, 2.0])}
    report = check_pair(forward, right, v, method=method)
    assert (report.verdict, report.worst.kinks) == ("pass", 1)
    assert "1 at a kink" in report.table
    wrong = lambda a, cache, up: {"v": (a["v"] > 0) * up[0] * 2}  # noqa: E731
    assert check_pair(forward, wrong, v, method=method).verdict == "fail"


def test_where_every_entry_is_a_corner_nothing_is_decided():
    forward = lambda a: ((np.abs(a["v"]),), None)  # noqa: E731
    right = lambda a, cache, up: {"v": np.ones(3) * up[0]}  # noqa: E731
    assert check_pair(forward, right, {"v": np.zeros(3)}, method="central").verdict == "inconclusive"


@pytest.mark.parametrize("method", DIFFERENCES)
@pytest.mark.parametrize("distance", [1e-9, 1e-7, 1e-6, 3e-6, 1e-5, 1e-3, 1e-2])
def test_a_corner_beside_the_point_is_no_false_alarm(method, distance):
    forward = lambda a: ((np.where(a["v"] > 0, a["v"], 0.1 * a["v"]) + a["v"] ** 2,), None)  # noqa: E731
    right = lambda a, cache, up: {"v": (np.where(a["v"] > 0, 1, 0.1) + 2 * a["v"]) * up[0]}  # noqa: E731
    report = check_pair(forward, right, {"v": np.array([distance, -distance, 1.0])}, method=method)
    assert report.verdict in ("pass", "inconclusive"), str(report)


def test_a_step_that_leaves_the_domain_is_not_taken():
    for method in DIFFERENCES:
        oracle = BLACK_BOX[method](lambda a: (np.log(a["v"]),), {"v": np.array([1e-3])}, (np.ones(1),))
        value, bar = oracle.at("v", [(0,)])
        assert abs(value[0] - 1e3) <= 10 * bar[0] < 10


@pytest.mark.parametrize("method", ["complex-step", "forward-mode", "torch", "central", "richardson"])
def test_a_relu_network_exactly_at_its_corner_does_not_fail(method):
    if method == "torch":
        pytest.importorskip("torch")
    layer = rc.RNN(2, 3, "relu", backend="numpy", dtype="float64")
    params = {name: np.zeros(shape) for name, shape in layer.parameter_shapes().items()}
    params["Wx"] = np.random.default_rng(0).normal(size=(2, 3))
    x = np.random.default_rng(1).normal(size=(3, 2, 2))
    x[1] = 0  # with b = 0 and Wh = 0 every unit of this step stands at its corner
    report = check(layer, params, x, (np.ones((2, 3)),), method=method)
    assert report.verdict != "fail", str(report)
    if method in DIFFERENCES:
        assert sum(block.kinks for block in report.blocks) > 0


def test_forward_mode_carries_the_directions_of_all_arrays_in_one_pass_and_in_pieces_the_same(monkeypatch):
    layer = rc.Stack(rc.GRU(3, 4, backend="numpy", dtype="float64"), rc.Dense(4, 2, dtype="float64"))
    p, passes, run = random_problem(layer), [], forward_mode.run
    inputs, upstream = as_inputs(p.params, p.x, p.state_0), (p.dy, *p.dstate_T)
    monkeypatch.setattr(forward_mode, "run", lambda part, *rest: passes.append(part) or run(part, *rest))
    wanted = {name: list(np.ndindex(a.shape))[:5] for name, a in inputs.items()}
    found = []
    for room in (forward_mode.ROOM, 1):
        monkeypatch.setattr(forward_mode, "ROOM", room)
        oracle = forward_mode.oracle(layer, inputs, upstream, p.lengths)
        passes.clear()
        found.append(oracle.of_all(wanted))
        assert passes.count(layer) == (1 if room > 1 else sum(map(len, wanted.values())))
    for name in wanted:
        np.testing.assert_allclose(found[0][name].value, found[1][name].value, rtol=1e-12, atol=1e-15)
