"""The small operators at every opset that changed them and at odd ranks: against ONNX's evaluator, or by hand.

Where the evaluator takes an old opset for a newer one, the runtime stands in; where neither has it, the numbers are
written down.
"""

import numpy as np
import onnx
import pytest
from conftest import TOLERANCE, scaled_error
from hypothesis import given
from hypothesis import strategies as st
from nodes import onnxruntime_outputs, run
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from threadpoolctl import threadpool_limits

from rnncore.gradcheck import check_pair
from rnncore.interop.onnx import prepare, run_node

RNG, EXACT = np.random.default_rng(7), TOLERANCE["equal in float64"]
SHAPES = [(), (3,), (1,), (2, 1, 3), (1, 2, 1, 3, 1), (0,), (2, 0, 1)]


def some(*shape):
    return np.array(RNG.normal(size=shape))


def ints(*values):
    return np.array(values, "int64")


def model_of(op, opset, arrays, gives="float64", outputs=1, **attributes):
    """A model of one node, whose integer arrays are initialisers; an attribute that is None is left out."""
    said = {name: value for name, value in attributes.items() if value is not None}
    node = helper.make_node(op, list(arrays), [f"y{k}" for k in range(outputs)], name="small", **said)
    kind = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in arrays.items() if name}
    stored = [name for name in kind if arrays[name].dtype.kind == "i"]
    inputs = [helper.make_tensor_value_info(n, k, arrays[n].shape) for n, k in kind.items() if n not in stored]
    out = helper.np_dtype_to_tensor_dtype(np.dtype(gives))
    graph = helper.make_graph(
        [node], "g", inputs, [helper.make_tensor_value_info(name, out, None) for name in node.output],
        [numpy_helper.from_array(arrays[name], name) for name in stored],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


CASES = []
for shape in SHAPES:
    x = {"x": some(*shape)}
    each = [("Identity", 1), ("Identity", 14), ("Sigmoid", 6), ("Sigmoid", 13), ("Tanh", 6), ("Relu", 6), ("Relu", 14)]
    CASES += [(op, opset, x, {}) for op, opset in [*each, ("Transpose", 1), ("Transpose", 21), ("Squeeze", 1)]]
    CASES += [("Squeeze", opset, x, {}) for opset in (11, 13, 21)]
    CASES += [("Softmax", 13, x, {"axis": k}) for k in (-1, len(shape) - 1, 0) if shape]
    CASES += [("Shape", opset, x, {"gives": "int64"}) for opset in (1, 13)]
    CASES += [("Shape", 15, x, {"gives": "int64", "start": a, "end": b}) for a, b in ((1, None), (-2, -1), (-9, 99))]
    CASES += [("Unsqueeze", opset, x, {"axes": [0, 1]}) for opset in (1, 11)]
    CASES += [("Unsqueeze", 13, {**x, "axes": ints(*axes)}, {}) for axes in ((0,), (-1,), (1, 0), (0, -1), ())]
    CASES += [("Expand", opset, {**x, "s": ints(*s)}, {}) for opset in (8, 13) for s in ((), (1,), (2, 1, *shape))]
    CASES += [("Add", opset, {**x, "z": some(*z)}, {}) for opset in (7, 13) for z in (shape, (), (1, 1), (4, *shape))]
    CASES += [
        ("Reshape", 5, {**x, "s": ints(-1)}, {}),
        ("Reshape", 14, {**x, "s": ints(*shape, 1)}, {"allowzero": 1}),
    ]
    CASES += [("Concat", opset, {**x, "z": some(*shape)}, {"axis": len(shape) - 1}) for opset in (4, 13) if shape]
    CASES += [("Concat", 11, {**x, "z": some(*shape), "w": some(*shape)}, {"axis": -1}) for _ in "1" if shape]
five, three, matrix = some(1, 2, 1, 3, 1), some(2, 1, 3), some(3, 4)
for axes in ([0], [-1], [2]):
    CASES += [("Squeeze", opset, {"x": five}, {"axes": axes}) for opset in (1, 11)]
CASES += [("Squeeze", 13, {"x": five, "axes": ints(*axes)}, {}) for axes in ((0,), (-1,), (4, 0), (2, -5), ())]
CASES += [("Transpose", opset, {"x": five}, {"perm": [3, 1, 4, 0, 2]}) for opset in (1, 13, 21)]
for wanted in ((0, -1), (3, 2), (-1, 1, 2), (0, 0, 0), (1, 1, 1, 6), (6,)):
    CASES += [("Reshape", opset, {"x": three, "s": ints(*wanted)}, {}) for opset in (5, 13, 14)]
CASES += [("Reshape", 14, {"x": some(2, 0), "s": ints(0, 5)}, {"allowzero": 1})]
for words in (
    {"starts": [0, 1], "ends": [1, 9]},
    {"starts": [-2], "ends": [-1], "axes": [1]},
    {"starts": [3], "ends": [1]},
):
    CASES += [("Slice", 1, {"x": matrix}, words)]
far = 2**63 - 1
for start, end, axis, step in (
    (0, 2, 0, 1),
    (-1, -9, 1, -1),
    (0, far, -1, 2),
    (far, -far, 0, -2),
    (2, 0, 1, -1),
    (-99, 99, 0, 3),
):
    names = ("x", "starts", "ends", "axes", "steps")
    arrays = dict(zip(names, (matrix, *(ints(k) for k in (start, end, axis, step))), strict=True))
    CASES += [("Slice", opset, arrays, {}) for opset in (10, 11, 13)]
CASES += [("Slice", 10, {"x": matrix, "starts": ints(1), "ends": ints(2)}, {})]
for where in (
    np.array(0),
    np.array(-1),
    ints(1, 1, -2),
    np.zeros((2, 0, 1), "int64"),
    np.array([[0, -1], [1, 1]], "int32"),
):
    within = [(13, 0)] if not where.size or np.abs(where).max() < 2 else []
    CASES += [("Gather", opset, {"x": three, "k": where}, {"axis": a}) for opset, a in ((1, 2), (11, -1), *within)]
for a, b in (
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 1, 2, 3), (4, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
):
    CASES += [("MatMul", opset, {"a": some(*a), "b": some(*b)}, {}) for opset in (1, 9, 13)]
for opset, c in ((7, (2, 4)), (7, (4,)), (9, (1, 1)), (11, ()), (13, (2, 1)), (13, None)):
    arrays = {"a": some(2, 3), "b": some(3, 4)} | ({} if c is None else {"c": some(*c)})
    CASES += [("Gemm", opset, arrays, {"alpha": 0.5, "beta": 2.0})]
    arrays = {name: a.T.copy() if name in "ab" else a for name, a in arrays.items()}
    CASES += [("Gemm", opset, arrays, {"transA": 1, "transB": 1})]
CASES += [("Softmax", 13, {"x": five}, {"axis": k}) for k in range(-5, 5)]
CASES += [("ConstantOfShape", 9, {"s": ints(*s)}, {"gives": "float32"}) for s in ((), (0,), (2, 3), (1, 2, 1, 2, 1))]
two = helper.make_tensor("v", onnx.TensorProto.INT64, [1], [2])
CASES += [("ConstantOfShape", 9, {"s": ints(2, 3)}, {"gives": "int64", "value": two})]
CASES += [("Constant", 13, {}, {"value": numpy_helper.from_array(a)}) for a in (some(), some(0), five)]
CASES += [
    ("Constant", 12, {}, {"gives": "float32", "value_float": 0.5}),
    ("Constant", 12, {}, {"gives": "int64", "value_ints": [1, 2]}),
]


def label(case):
    op, opset, arrays, words = case
    shapes = " ".join(str(a.shape if a.dtype.kind == "f" else a.tolist()).replace(" ", "") for a in arrays.values())
    return f"{op}-{opset} {shapes} {' '.join(f'{k}={v}' for k, v in words.items() if k not in ('gives', 'value'))}"


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_small_operator_gives_what_the_evaluator_gives(case):
    op, opset, arrays, words = case
    model = model_of(op, opset, arrays, **words)
    given = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    (expected,), (mine,) = ReferenceEvaluator(model).run(None, given), prepare(model).run(given)
    assert (mine.shape, mine.dtype) == (np.shape(expected), np.asarray(expected).dtype)
    assert scaled_error(mine, expected) <= EXACT


# one opset of each is enough: only how an attribute is said differs
MOVING = {label((op, 0, arrays, words)): (op, opset, arrays, words) for op, opset, arrays, words in CASES
          if op != "Shape" and any(a.dtype.kind == "f" for a in arrays.values())}  # fmt: skip


@pytest.mark.parametrize("case", MOVING.values(), ids=label)
def test_a_small_operator_has_right_gradients(case):
    op, opset, arrays, words = case
    graph = prepare(model_of(op, opset, arrays, **words)).graph
    moving = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    report = check_pair(graph.forward, graph.backward, moving, entries=4)
    assert report.ok, str(report)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_a_reduction_gives_numbers_of_the_kind_it_takes_as_the_runtime_does(op, dtype):
    x = np.array([[7, -2, 3], [1, 5, -9]], dtype)
    mine = run(op, 11, x, axes=[1])
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], axes=[1])],
        "one",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(x.dtype), None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    (theirs,) = onnxruntime_outputs(model, {"x": x})
    assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize("opset", [1, 7, 11, 12])
@pytest.mark.parametrize("axis", range(-3, 3))
def test_a_softmax_before_opset_13_sums_over_all_axes_from_one_on(opset, axis):
    """The evaluator sums over one axis in every opset."""
    if axis >= 0 or opset >= 11:
        x = some(2, 3, 4).astype("float32")
        (mine,) = run_node(helper.make_node("Softmax", ["x"], ["y"], axis=axis), [x], opset_version=opset)
        (theirs,) = onnxruntime_outputs(model_of("Softmax", opset, {"x": x}, gives="float32", axis=axis), {"x": x})
        assert scaled_error(mine, theirs) < TOLERANCE["float32 against float64"]
        np.testing.assert_allclose(mine.sum(axis=tuple(range(axis % 3, 3))), 1, rtol=1e-6)


# of opset 1 and 6 neither has the broadcasting that an attribute asks for
@pytest.mark.parametrize("opset", [1, 6])
@pytest.mark.parametrize(
    ("shape", "words", "wide"),
    [
        ((2, 3, 4), {}, (2, 3, 4)),
        ((4,), {"broadcast": 1}, (1, 1, 4)),
        ((3, 4), {"broadcast": 1}, (1, 3, 4)),
        ((2,), {"broadcast": 1, "axis": 0}, (2, 1, 1)),
        ((2, 3), {"broadcast": 1, "axis": 0}, (2, 3, 1)),
        ((3,), {"broadcast": 1, "axis": -2}, (1, 3, 1)),
        ((), {"broadcast": 1}, (1, 1, 1)),
    ],
)
def test_an_addition_before_opset_7_broadcasts_where_its_attributes_say(opset, shape, words, wide):
    a, b = some(2, 3, 4), some(*shape)
    np.testing.assert_array_equal(run("Add", opset, a, b, **words), a + b.reshape(wide))
    graph = prepare(model_of("Add", opset, {"a": a, "b": b}, **words)).graph
    assert check_pair(graph.forward, graph.backward, {"a": a, "b": b}, entries=6).ok


@pytest.mark.parametrize(("shape", "words"), [((2, 4), {}), ((4,), {"broadcast": 1}), ((1, 4), {"broadcast": 1})])
def test_a_gemm_before_opset_7_broadcasts_where_it_says_so(shape, words):
    a, b, c = some(2, 3), some(3, 4), some(*shape)
    np.testing.assert_allclose(run("Gemm", 6, a, b, c, beta=2.0, **words), a @ b + 2 * c, rtol=EXACT)


@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
def test_products_have_the_same_bits_on_one_thread_of_blas_and_two(op):
    arrays, found = {"a": some(64, 1000).astype("float32"), "b": some(1000, 16).astype("float32")}, []
    graph = prepare(model_of(op, 13, arrays, "float32")).graph
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            (y,), cache = graph.forward(arrays)
            found.append([y, *graph.backward(arrays, cache, [y]).values()])
    np.testing.assert_allclose(found[0][0], arrays["a"] @ arrays["b"], atol=TOLERANCE["float32 against float64"] * 100)
    assert len(found[0]) == 3
    for one, two in zip(*found, strict=True):
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("opset", [1, 12, 13])
def test_an_empty_list_of_axes_is_one_left_out_while_it_is_an_attribute(opset):
    node = helper.make_node("Squeeze", ["x"] if opset < 13 else ["x", "axes"], ["y"])
    if opset < 13:
        node.attribute.append(onnx.AttributeProto(name="axes", type=onnx.AttributeProto.INTS))
    arrays = [some(1, 2, 1)] + [ints()] * (opset == 13)
    assert run_node(node, arrays, opset_version=opset)[0].shape == ((2,) if opset < 13 else (1, 2, 1))


# ---- laws


axes_of = st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(-n, n - 1), min_size=1)))


@given(axes_of)
def test_axes_that_are_added_can_be_taken_away_at_any_opset(drawn):
    n, axes = drawn
    axes = list({axis % n: axis for axis in axes}.values())
    x = some(*range(2, 2 + n - len(axes)))
    wide = {opset: run("Unsqueeze", opset, x, axes=axes) for opset in (1, 11)}
    wide[13] = run("Unsqueeze", 13, x, ints(*axes))
    for y in wide.values():
        np.testing.assert_array_equal(y, wide[13])
        np.testing.assert_array_equal(run("Squeeze", 11, y, axes=axes), x)
        np.testing.assert_array_equal(run("Squeeze", 21, y, ints(*axes)), x)


@given(st.permutations(range(5)), st.integers(-5, 4), st.integers(-5, 4))
def test_a_gather_after_a_transpose_is_a_transpose_after_a_gather(perm, index, axis):
    x = np.arange(5**5.0).reshape((5,) * 5)
    turned = run("Transpose", 13, x, perm=list(perm))
    kept = [k for k in perm if k != perm[axis]]
    order = [sorted(kept).index(k) for k in kept]
    one = run("Gather", 13, x, np.array(index), axis=perm[axis])
    np.testing.assert_array_equal(run("Gather", 13, turned, np.array(index), axis=axis), one.transpose(order))


bounds = st.integers(-9, 9)


@given(bounds, bounds, st.integers(-4, 4).filter(bool), st.integers(-3, 2))
def test_a_slice_takes_what_python_takes_and_gives_its_gradient_back_to_it(start, end, step, axis):
    x = some(3, 4, 5)
    arrays = {"x": x} | {n: ints(k) for n, k in (("starts", start), ("ends", end), ("axes", axis), ("steps", step))}
    rep = prepare(model_of("Slice", 13, arrays))
    taken = np.zeros_like(x)
    place = [slice(None)] * 3
    place[axis] = slice(start, end, step)
    (y,) = rep.run([x])
    np.testing.assert_array_equal(y, x[tuple(place)])
    taken[tuple(place)] = 1
    np.testing.assert_array_equal(rep.gradients([x], [np.ones_like(y)])["x"], taken)


@given(st.lists(st.integers(0, 3), max_size=4), st.data())
def test_a_reshape_without_a_minus_one_is_that_with_one(shape, data):
    x = some(*shape)
    if shape and x.size:
        k = data.draw(st.integers(0, len(shape) - 1))
        open_ = [-1 if j == k else n for j, n in enumerate(shape)]
        np.testing.assert_array_equal(run("Reshape", 13, x.ravel(), ints(*open_)), x)
        copied = [-1 if j == k else 0 for j in range(len(shape))]
        np.testing.assert_array_equal(run("Reshape", 13, x, ints(*copied)), x)


def test_an_axis_left_to_a_reshape_of_nothing_is_what_the_axes_that_are_not_copied_hold():
    assert run("Reshape", 13, some(0, 2, 1, 4), ints(0, 0, -1)).shape == (0, 2, 4)
