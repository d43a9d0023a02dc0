"""What would let a check pass, or fail, for the wrong reason: shared random numbers, code that is not analytic, nothing
that is checked.
"""

import numpy as np
import pytest

from rnncore.errors import ContractError
from rnncore.gradcheck import check_pair


def product(arrays):
    return (arrays["v"] * arrays["w"],), None


def test_inputs_drawn_from_the_same_seed_are_not_the_upstream_gradients():
    rng = np.random.default_rng(0)
    inputs = {"v": rng.normal(size=6), "w": rng.normal(size=6)}
    forgets = lambda a, cache, upstream: {"v": a["w"] * upstream[0], "w": a["v"] * a["v"]}  # noqa: E731
    right = lambda a, cache, upstream: {"v": a["w"] * upstream[0], "w": a["v"] * upstream[0]}  # noqa: E731
    assert check_pair(product, forgets, inputs).verdict == "fail"
    assert check_pair(product, right, inputs).ok


NOT_ANALYTIC = {
    "abs": (lambda v: v * np.abs(v), lambda v, u: 2 * np.abs(v) * u, lambda v, u: np.abs(v) * u),
    "var": (lambda v: v * np.var(v), None, lambda v, u: np.var(v) * u),
    "norm": (lambda v: v / np.linalg.norm(v), None, lambda v, u: u / np.linalg.norm(v)),
    "real": (lambda v: np.real(v) ** 2, lambda v, u: 2 * v * u, lambda v, u: 0 * u),
}


@pytest.mark.parametrize("word", NOT_ANALYTIC)
def test_complex_step_has_nothing_to_say_of_code_that_is_not_analytic(word):
    """NumPy computes these on complex numbers, with another derivative: neither right nor wrong code may pass by it."""
    function, right, wrong = NOT_ANALYTIC[word]
    v = {"v": np.random.default_rng(5).normal(size=4)}
    for derivative in filter(None, (right, wrong)):
        report = check_pair(
            lambda a: ((function(a["v"]),), None), lambda a, c, u, f=derivative: {"v": f(a["v"], u[0])}, v
        )
        assert report.verdict == "inconclusive"
        assert "not analytic" in str(report)
    report = check_pair(
        lambda a: ((function(a["v"]),), None), lambda a, c, u: {"v": wrong(a["v"], u[0])}, v, method="richardson"
    )
    assert report.verdict == "fail"


def test_where_nothing_is_checked_nothing_passes():
    assert check_pair(product, lambda a, c, u: {}, {"v": np.ones(2), "w": np.ones(2)}).verdict == "inconclusive"


def test_what_backward_leaves_out_is_named():
    report = check_pair(product, lambda a, c, u: {"v": a["w"] * u[0]}, {"v": np.full(2, 2.0), "w": np.full(2, 3.0)})
    assert report.ok and report.left_out == ("w",)
    assert "gives no gradient of it: w" in str(report)


@pytest.mark.parametrize(
    ("forward", "backward", "words", "match"),
    [
        (lambda a: (a["v"] ** 2, None), None, {}, "tuple of outputs"),
        (None, lambda a, c, u: None, {}, "dict of gradients"),
        (None, lambda a, c, u: {"V": a["v"]}, {}, "gradients of v"),
        (None, None, {"entries": 0}, "entries"),
        (None, None, {"entries": -1}, "entries"),
    ],
)
def test_a_slip_in_the_pair_is_named(forward, backward, words, match):
    forward = forward or (lambda a: ((a["v"] ** 2,), None))
    backward = backward or (lambda a, c, u: {"v": 2 * a["v"] * u[0]})
    with pytest.raises(ContractError, match=match):
        check_pair(forward, backward, {"v": np.array([3.0, -1.0])}, **words)


def squares(arrays):
    return (arrays["v"] ** 2,), None


def dsquares(arrays, cache, upstream):
    return {"v": 2 * arrays["v"] * upstream[0]}


@pytest.mark.parametrize("method", ["complex-step", "richardson", "central"])
def test_nan_in_an_input_is_named_and_is_neither_a_pass_nor_a_failure(method):
    v = np.array([[0.5, -1.5], [np.nan, 2.5]])
    report = check_pair(squares, dsquares, {"v": v}, method=method)
    assert report.verdict == "inconclusive"
    assert report.remarks == (
        "input v holds nan at (1, 0), which comes out of the forward pass: check at finite numbers",
    )
    assert report.remarks[0] in str(report) and "not analytic" not in str(report)


def test_outputs_of_finite_inputs_and_gradients_that_are_not_finite_are_named():
    with np.errstate(all="ignore"):
        root = lambda a: ((np.sqrt(a["v"]),), None)  # noqa: E731
        report = check_pair(root, lambda a, c, u: {"v": u[0] / 2 / np.sqrt(a["v"])}, {"v": np.array([1.0, -1.0])},
                            method="richardson")  # fmt: skip
        assert "output 0 holds nan at (1,), of finite inputs" in str(report)
        report = check_pair(squares, lambda a, c, u: {"v": 2 * a["v"] * u[0] / 0.0}, {"v": np.full(2, 0.3)})
    assert report.verdict == "fail"
    assert "the gradient of v holds" in str(report) and "though the outputs are finite" in str(report)


def short(a):
    return a.astype(np.float32)


@pytest.mark.parametrize(
    ("forward", "backward", "inputs", "remark"),
    [
        (lambda a: ((short(a["v"]) ** 2,), None), dsquares, np.float64, "output 0: computed in float32"),
        (lambda a: ((short(a["v"] ** 2).astype(float),), None), dsquares, np.float64, "output 0: computed in float32"),
        (
            squares,
            lambda a, c, u: {"v": short(dsquares(a, c, u)["v"])},
            np.float64,
            "gradient of v: computed in float32",
        ),
        (squares, dsquares, np.float32, "input v is float32: give it in float64"),
    ],
    ids=["forward", "forward, cast back", "backward", "input"],
)
def test_float32_under_a_float64_check_is_named(forward, backward, inputs, remark):
    v = np.random.default_rng(1).normal(size=7).astype(inputs)
    report = check_pair(forward, backward, {"v": v}, method="richardson")
    assert not report.ok
    assert remark in str(report)


def test_whole_numbers_are_no_float32():
    report = check_pair(squares, lambda a, c, u: {"v": 0 * u[0] + 2}, {"v": np.arange(1.0, 9.0)}, method="richardson")
    assert report.remarks == ()


@pytest.mark.parametrize("name", ["x", "inputs"])
def test_the_step_of_the_worst_entry_is_told_for_every_array_with_a_time_axis(name):
    def backward(arrays, cache, upstream):
        grad = arrays["w"] * upstream[0]
        grad[3, 1, 0] *= 2
        return {name: grad, "w": (arrays[name] * upstream[0]).sum(axis=(0, 1))}

    rng = np.random.default_rng(2)
    arrays = {name: rng.normal(size=(5, 2, 3)), "w": rng.normal(size=3)}
    report = check_pair(lambda a: ((a[name] * a["w"],), None), backward, arrays)
    steps = {block.name: block.step for block in report.blocks}
    assert steps == {name: 3, "w": None}
