"""What a small operator cannot mean, or has not in its opset, is an error that names the node and the part of it."""

import numpy as np
import pytest
from nodes import run

import rnncore as rc


def some(*shape):
    return np.ones(shape)


def ints(*values):
    return np.array(values, "int64")


REFUSED = {
    "squeeze of a long axis": ("Squeeze", 13, [some(2), ints(0)], {}, "'axes': expected axes of length 1"),
    "squeeze twice": ("Squeeze", 11, [some(1)], {"axes": [0, -1]}, "'axes': expected different axes"),
    "squeeze of a number": ("Squeeze", 13, [some(), ints(0)], {}, "'axes'.*the array has 0 axes"),
    "unsqueeze twice": ("Unsqueeze", 13, [some(1), ints(0, -3)], {}, "'axes': expected different axes"),
    "a wrong permutation": ("Transpose", 13, [some(1, 2)], {"perm": [0, 0]}, "attribute 'perm'"),
    "-1 twice": ("Reshape", 13, [some(4), ints(-1, -1)], {}, "'shape'.*-1 once"),
    "-1 beside 0": ("Reshape", 14, [some(0, 2), ints(0, -1)], {"allowzero": 1}, "'shape'.*beside a size of 0"),
    "-2": ("Reshape", 13, [some(4), ints(-2, 2)], {}, "'shape'"),
    "0 for no axis": ("Reshape", 13, [some(4), ints(4, 0)], {}, "'shape'.*has that axis"),
    "another size": ("Reshape", 13, [some(4), ints(3)], {}, "'shape': expected a shape of 4 numbers"),
    "what does not divide": ("Reshape", 13, [some(0, 3), ints(0, 2, -1)], {}, "'shape'.*is empty"),
    "a step of 0": ("Slice", 13, [some(4), *(ints(k) for k in (0, 1, 0, 0))], {}, "'steps'"),
    "an axis twice": ("Slice", 13, [some(4), ints(0, 0), ints(1, 1), ints(0, -1)], {}, "'axes'.*different"),
    "slices of a number": ("Slice", 1, [some()], {"starts": [0], "ends": [1]}, "'axes'.*the array has 0 axes"),
    "an index beyond": ("Gather", 13, [some(4), ints(4)], {}, "'indices'.*-4 to 3, received 4"),
    "an index before": ("Gather", 13, [some(4), ints(-5)], {}, "'indices'.*received -5"),
    "of a number": ("Gather", 13, [some(), ints(0)], {}, "attribute 'axis'.*0 axes"),
    "indices of floats": ("Gather", 13, [some(4), some(1)], {}, "'indices': expected int32 or int64"),
    "arrays that do not join": ("Concat", 13, [some(2, 3), some(2)], {"axis": 0}, "inputs.*shapes that agree"),
    "a softmax of a number": ("Softmax", 13, [some()], {"axis": 0}, "attribute 'axis'.*0 axes"),
    "an old softmax beyond": ("Softmax", 11, [some(3)], {}, "attribute 'axis': expected an axis from -1 to 0"),
    "matrices that do not fit": ("MatMul", 13, [some(2, 3), some(2, 3)], {}, r"inputs.*\(2, 3\) and \(2, 3\)"),
    "a number among matrices": ("MatMul", 13, [some(), some(2)], {}, "inputs: expected matrices"),
    "C too large": ("Gemm", 13, [some(2, 3), some(3, 4), some(3, 2, 4)], {}, "input 'C'"),
    "no C": ("Gemm", 9, [some(2, 3), some(3, 4)], {}, "inputs: expected 3 to 3"),
    "C without broadcast": ("Gemm", 6, [some(2, 3), some(3, 4), some(4)], {}, "input 'C'"),
    "addition without broadcast": ("Add", 6, [some(2, 3), some(3)], {}, "inputs.*the attribute broadcast = 1"),
    "the first broadcast": ("Add", 6, [some(1, 3), some(2, 3)], {"broadcast": 1}, "that broadcasts to the first"),
    "a broadcast beyond": ("Add", 6, [some(2, 3), some(3)], {"broadcast": 1, "axis": 3}, "attribute 'axis'"),
    "an attribute of old": ("Add", 7, [some(2, 3), some(3)], {"axis": 1}, "'axis'.*no such attribute"),
    "an attribute without a meaning": ("Relu", 1, [some(2)], {"consumed_inputs": [0]}, "'consumed_inputs'"),
    "an expansion that does not fit": ("Expand", 13, [some(2, 3), ints(2)], {}, "input 'shape'"),
    "a negative size": ("ConstantOfShape", 9, [ints(2, -1)], {}, "a list of sizes"),
    "integers divided by 0": ("Div", 13, [ints(1), ints(0)], {}, "input 'B'"),
    "a range of lists": ("Range", 11, [some(2), some(), some()], {}, "inputs: expected one number each"),
    "updates that do not fit": (
        "ScatterElements", 13, [some(3), ints(0, 1), some(1)], {}, r"'updates': expected shape \(2,\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_operator_cannot_mean_is_an_error_that_names_node_and_part(name):
    op, opset, arrays, words, match = REFUSED[name]
    with pytest.raises(rc.ContractError, match=f"node 'small' .{op}.*{match}"):
        run(op, opset, *arrays, **words)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "float16"])
@pytest.mark.parametrize("op", ["Sigmoid", "Tanh", "Softmax", "Exp", "Elu"])
def test_a_function_of_floats_refuses_other_numbers(op, dtype):
    with pytest.raises(
        rc.ContractError, match=rf"node 'small' .{op}., input '\w+': expected float32.*received {dtype}"
    ):
        run(op, 13, np.ones((2, 3), dtype))


@pytest.mark.parametrize(("op", "opset"), [("Relu", 13), ("Add", 6), ("MatMul", 1), ("Gemm", 7)])
def test_numbers_that_an_operator_learned_in_a_later_opset_are_refused_before(op, opset):
    count = {"Relu": 1, "Gemm": 3}.get(op, 2)
    kind = "int8" if op in ("Relu", "Add") else "int64"
    with pytest.raises(rc.ContractError, match=f"{op}.*received {kind}; {op} of this opset has no others"):
        run(op, opset, *[np.ones((2, 2), kind)] * count)
    assert run(op, 14, *[np.ones((2, 2), kind)] * count).dtype == kind
