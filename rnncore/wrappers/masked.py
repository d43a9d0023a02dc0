"""`Masked`: steps that did not happen, anywhere in a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.errors import ContractError
from rnncore.layers import masked
from rnncore.typing import Array, Grads, Lengths, Params, State
from rnncore.wrappers.base import Wrapper, inner

OUTPUTS = ("carry", "zero")


class MaskedCache(NamedTuple):
    """The cache of the inner layer, which saw the live steps alone, which these are, and lengths (N,) or None."""

    inner: Any
    plan: masked.Plan
    lengths: Lengths | None


class Masked(Wrapper):
    """A layer for rows with gaps: the last column of x is the mask, 1 at a step that counts, 0 at one that does not.

    A masked step keeps the state, whatever stands in its features, NaN too. Its output is that of the last live step
    (`output="carry"`, as in Keras) or zero (`output="zero"`); before the first live step it is zero. Equations in
    `rnncore.layers.masked`: the live steps of each row are run without the gaps, so the work is that of the live
    steps, and the fast twin runs them. A row may have none. From 1/2 up the mask counts as 1, it has no derivative, and
    NaN in it is a ContractError.

    x (T, N, D+1) for a layer of D features. Parameters "inner.<name>"; with "carry" one more state, the last output
    (N, H), so that chunks and streams carry it on.

    >>> import rnncore as rc
    >>> model = rc.Masked(rc.GRU(2, 4, backend="numpy"))
    >>> x = np.ones((3, 1, 3), np.float32)
    >>> x[1, 0] = np.nan, np.nan, 0  # the step in the middle did not happen
    >>> y = model.forward(model.init(seed=0), x)[0]
    >>> bool(np.array_equal(y[1], y[0])), bool(np.isfinite(y).all())
    (True, True)
    """

    _cache = MaskedCache

    def __init__(self, layer: Layer, output: str = "carry") -> None:
        fits = isinstance(layer, Layer) and layer.keeps_time and layer.sizes[0] != 0
        fits = fits and (output == "zero" or layer.sizes[1] is not None)
        super().__init__(layer, needs="a layer with time that takes features, of a known size", fits=fits)
        checks.one_of("output", output, OUTPUTS)
        self.output = output

    def words(self) -> dict[str, Any]:
        """Return the options of the wrapper itself."""
        return {"output": self.output}

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """One column more than the inner layer in, as many out."""
        wanted, gives = self.layer.sizes
        return None if wanted is None else wanted + 1, gives

    @property
    def needs_time(self) -> bool:
        """True: a mask is one of steps."""
        return True

    @property
    def own_states(self) -> dict[str, int]:
        """The last output, where it is carried on."""
        return {"carried": self.layer.sizes[1] or 0} if self.output == "carry" else {}

    def _check_x(self, x: Array, dtype: np.dtype[Any] | None) -> None:
        checks.array("x", x, ("T", "N", self.sizes[0] or "D+1"), dtype, "time-major; the last column is the mask")

    def _output_shape(self, cache: Any) -> tuple[int, ...]:
        *_, H = super()._output_shape(cache)
        return (*cache.plan.live.shape, H)

    def _forward(
        self, params: Params, x: Array, state_0: State, lengths: Lengths | None, rng: np.random.Generator | None
    ) -> tuple[Array, State, Any]:
        own, state, carried = self._inside(params, state_0)
        mask = x[..., -1]
        steps = masked.plan(mask, lengths)
        if np.isnan(mask[steps.valid]).any():
            raise ContractError("x", "0 or 1 in the last column, the mask", "NaN", "say 0 where a step is missing")
        u = masked.compress(x[..., :-1], steps)
        order = steps.order
        v, state_T, cache = self.layer.forward(own, u, tuple(s[order] for s in state), steps.totals[order], rng)
        y, last = masked.expand(v, steps, carried[0] if carried else None)
        state_T = tuple(s[steps.places] for s in state_T)
        return y, state_T if last is None else (*state_T, last), MaskedCache(cache, steps, lengths)

    def _backward(self, params: Params, cache: Any, dy: Array, dstate_T: State) -> tuple[Grads, Array | None, State]:
        own, dstate, dcarried = self._inside(params, dstate_T)
        steps = cache.plan
        dv, dlast = masked.dexpand(dy, steps, dcarried[0] if dcarried else None)
        grads, du, dstate = self.layer.backward(own, cache.inner, dv, tuple(d[steps.order] for d in dstate))
        assert du is not None  # x are no ids
        dx = masked.dcompress(du, steps)
        dstate = tuple(d[steps.places] for d in dstate)
        dx = np.concatenate([dx, np.zeros_like(dx[..., :1])], axis=-1)  # the mask has no derivative
        return inner(grads), dx, dstate if dlast is None else (*dstate, dlast)
