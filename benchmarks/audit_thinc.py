"""The LSTM of thinc under the gradient check: `pip install thinc`, then `python benchmarks/audit_thinc.py`.

thinc computes in float32, so differences resolve three or four digits; a derivative that is wrong shows all the same.
Its two back ends for the CPU are checked: NumpyOps (compiled) and Ops (plain NumPy).
"""

import numpy as np
import thinc
from thinc.api import NumpyOps, Ops

import rnncore as rc
from rnncore.gradcheck import check_pair, random_problem
from rnncore.gradcheck.measure import as_inputs, as_pair

STEPS = np.array([3, 3, 2, 1], dtype="i")  # rows that still move at each step: lengths 4, 3 and 2
D, H = 3, 4


def pair(ops):
    """Return forward and backward as `check_pair` takes them, around one back end."""

    def forward(a):
        a = {name: array.astype("f") for name, array in a.items()}
        y, state = ops.lstm_forward_training(a["params"], a["H0"], a["C0"], a["X"], STEPS)
        return (y,), state

    def backward(a, state, upstream):
        state = tuple(array.copy() for array in state)  # the backward pass may write into what it is given
        dX, dparams = ops.backprop_lstm(upstream[0].astype("f"), STEPS, a["params"].astype("f"), state)
        return {"X": dX.astype(float), "params": dparams.astype(float)}  # there are none of H0 and C0

    return forward, backward


def single_all(arrays):
    """Return the arrays in float32."""
    return tuple(array.astype("f") for array in arrays)


def audit(subject, forward, backward, inputs):
    """Print the report, and what stands out in the numbers."""
    report = check_pair(forward, backward, inputs, method="richardson", subject=subject)
    print(report)
    for name, sample in report.samples.items():
        zero = [index for index, a in zip(sample.indices, sample.analytic, strict=True) if a == 0]
        if len(zero) == len(sample.analytic):
            print(f"every gradient of {name} is exactly zero")
        elif name == "X" and zero:
            print(f"exactly zero: the gradients of rows {sorted({row for row, _ in zero})} of X")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    shapes = {"params": 4 * H * (D + H + 2), "H0": (1, 1, H), "C0": (1, 1, H), "X": (int(STEPS.sum()), D)}
    inputs = {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}
    for ops in (NumpyOps(), Ops()):
        forward, backward = pair(ops)
        audit(f"thinc {thinc.__version__}, {ops.name}", forward, backward, inputs)
        (y,), state = forward(inputs)
        nothing = backward(inputs, state, (np.zeros_like(y),))["params"]
        same = np.mean(nothing[: 4 * H * D] == inputs["params"][: 4 * H * D].astype("f"))
        print(f"for an upstream gradient of zero the largest gradient of params is {np.abs(nothing).max():.2f};")
        print(f"{same:.0%} of the gradient of Wx is then the weight itself\n")

    layer = rc.LSTM(D, H, backend="numpy")  # the control: right code in float32 is not failed
    forward, backward = as_pair(layer, np.array([4, 3, 2]))
    p = random_problem(layer.using(dtype="float64"), T=4, N=3)
    single = lambda a: {name: array.astype("f") for name, array in a.items()}  # noqa: E731
    control = (
        lambda a: forward(single(a)),
        lambda a, cache, up: {n: g.astype(float) for n, g in backward(single(a), cache, single_all(up)).items()},
    )
    audit("control: rnncore's LSTM in float32", *control, as_inputs(p.params, p.x, p.state_0))
