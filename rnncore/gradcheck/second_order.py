"""Second order: the product of the loss's Hessian with a vector, by complex step of the hand-written gradient.

    H v = d/de grad(theta + e v) at e = 0 = Im grad(theta + i h v) / h,   h = 1e-20

One forward and one backward pass in complex numbers give the product exactly, without the Hessian (Pearlmutter 1994),
without a step to choose (Squire and Trapp 1998), and without a line of second derivatives: the textbook is analytic, so
its gradient can be differentiated as it stands. A Hessian is symmetric; a wrong first derivative seldom is, so
<u, H v> = <v, H u> is one more check of the backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.gradcheck.complex_step import STEP
from rnncore.training.bptt import full_bptt
from rnncore.training.pieces import Loss
from rnncore.typing import Array, Grads, Params, State


def hvp(
    model: Layer,
    params: Params,
    x: Array,
    target: Array,
    loss: Loss,
    vector: Mapping[str, Array],
    *,
    state_0: State | None = None,
    lengths: Sequence[int] | Array | None = None,
    weight: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Grads:
    """Return H v as a dict like `params`, in float64: H the Hessian of the loss by the parameters, v the vector.

    Arguments as those of `rnncore.full_bptt`; vector: a dict with the names and shapes of params. Computed by the
    textbook in complex128, whatever the model's backend and dtype, so the loss too must be analytic: those of
    `rnncore.losses` are. At a kink (relu, mae, huber) it is the product on the side where the parameters stand. rng:
    dropout's masks; pass a generator of the same seed for every product that belongs together. Cost: about 4 gradients.
    ContractError where the vector does not fit the parameters.

    >>> import rnncore as rc
    >>> model = rc.Dense(1, 1, dtype="float64")
    >>> x, y = np.array([[[3.0]]]), np.zeros((1, 1, 1))
    >>> v = {"W": np.ones((1, 1)), "b": np.zeros(1)}
    >>> hvp(model, model.init(seed=0), x, y, rc.losses.mse, v)  # loss (3 W + b)^2
    {'W': array([[18.]]), 'b': array([6.])}
    """
    shapes = model.parameter_shapes()
    checks.parameters(params, shapes, repr(model))
    for name, shape in shapes.items():
        checks.array(f"vector[{name!r}]", vector.get(name), shape, None, "one number for each parameter")
    largest = max((float(np.abs(vector[name]).max(initial=0)) for name in shapes), default=0.0)
    h = STEP / (largest or 1.0)
    moved = {name: params[name].astype(complex) + 1j * h * vector[name].astype(float) for name in shapes}
    textbook = model.using(backend="numpy") if "numba" in model.backends else model
    _, grads, _ = full_bptt(
        textbook,
        moved,
        x if x.dtype.kind in "iu" else x.astype(complex),
        target,
        loss,
        state_0=None if state_0 is None else tuple(s.astype(complex) for s in state_0),
        lengths=lengths,
        weight=weight,
        rng=rng,
    )
    return {name: g.imag / h for name, g in grads.items()}
