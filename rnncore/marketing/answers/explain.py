"""Why this answer: what each step of one history adds to it, in the units of the answer, by three methods.

    gradient    integrated gradients (Sundararajan, Taly and Yan 2017): along the straight way from a blank history to
                the real one, each number's change times the slope of the answer, added up. The sum over all numbers is
                the answer minus that of the blank history; the rest of it is the completeness gap, and is reported
    removal     the answer minus that of the same customer without the event: encoded anew, with the gaps and counts
                that the customer would then have. Where futures are drawn (`Task.whole`) the answer has no slope:
                gradients are of the next step, and removals of the answer, all by the same draws
    attention   the weight that the network itself gives to the step, where it has attention; a share, no effect

A history of one step that is no event, as a customer's own columns, is taken apart number by number. What is blank
the task says (`Task.blank`); steps past the end of a history do not exist, so no credit can land on them.
Where the answer is made of outputs at steps to come, each read as the latest would be then (`Task.steps_ahead`), it is
a function of them all, and what they repeat of the latest step is credited to that step.
Derivatives with respect to the steps are those of `layer.backward`; that of the calibration, a function of a few
numbers, is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.compose import Stack
from rnncore.contract import Layer
from rnncore.errors import DataError
from rnncore.feedforward import Dense, Embedding
from rnncore.marketing.answers.explanation import Explanation
from rnncore.marketing.events import EventLog
from rnncore.marketing.learning import encoding
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.learning.networks import Learned
from rnncore.typing import Params
from rnncore.wrappers import Tied

if TYPE_CHECKING:
    from rnncore.marketing.answers.fitted import Fitted

__all__ = ["Explanation", "explain"]

Array = NDArray[Any]
Floats = NDArray[np.float64]
NODES = 64  # of the Gauss-Legendre rule along the way


def explain(task: Fitted, learned: Learned, log: EventLog, customer: Any, at: np.datetime64) -> Explanation:
    """Take apart the answer for one customer at the day `at`; log: as the task reads it. See `Task.explain`."""
    own = log.of(customer).until(at)
    if len(own) == 0:
        raise DataError(f"customer {customer!r} has no event on or before {at}")
    asked = task.asked(own, at, learned.code)
    if len(asked.histories) == 0:
        raise DataError(f"on {at} customer {customer!r} is asked about no more, as where a contract has ended")
    column, whole = task.whole
    said = _whole(task, learned, asked) if column else 0.0
    asked = _last(asked)
    read = _read(task, learned, asked.histories.values)
    said_now = _said(read, [x[:, None] for x in read.steps])[0]
    asked = task.about(_calibrated(task, learned, said_now), asked)
    answer, start, gradient, attention = _integrate(task, learned, read, asked)
    removal = np.full(len(gradient), np.nan)
    for place, rest in task.removals(own, at, learned.code, asked):
        if len(rest.histories):  # else nobody is asked about without the event
            without = _whole(task, learned, rest) if column else _answer(task, learned, rest, asked.target)
            removal[place] = (said if column else answer) - without
    unit, steps = task.named(asked, learned.code), task.steps(own, at, learned.code, len(gradient))
    names, inputs = [name for name, _ in steps], encoding.called(task.inputs(learned.code), own)
    if inputs and steps[0][1] is None and len(steps) == 1:  # no event to take away, but the customer's own numbers
        names, inputs, gradient, removal = inputs, [], gradient.T, np.full(len(inputs), np.nan)
        attention = None
    like = task.blanked if inputs else ""
    return Explanation(customer, unit, answer, start, names, inputs, gradient, removal, attention, whole, said, like)


def _whole(task: Fitted, learned: Learned, asked: Examples) -> float:
    """The answer of the only customer asked about, where it is made of many steps."""
    return float(task.answer(task._says(learned, asked), asked)[task.whole[0]][-1])


def _last(asked: Examples) -> Examples:
    """The last question alone, its facts kept."""
    keep = np.arange(len(asked.histories)) == len(asked.histories) - 1
    return asked.select(keep)._replace(facts=asked.facts)


def _answer(task: Fitted, learned: Learned, asked: Examples, target: Any) -> float:
    one = _last(asked)._replace(target=target)
    read = _read(task, learned, one.histories.values)
    return float(_value(task, learned, _said(read, [x[:, None] for x in read.steps])[0], one)[0])


class _Read(NamedTuple):
    """One history as numbers, for each network: those of all are the same unless they begin with an embedding."""

    model: Layer
    """Behind the embedding, if there is one."""
    params: list[Params]
    """In float64, per network."""
    steps: list[Floats]
    """(L, D) per network; rows of its own table where it has one."""
    blank: list[Floats]
    """The steps of a history of which nothing is known; 0 in place of rows of a table."""
    ahead: int
    """The last so many steps are of times to come."""

    def ends(self, y: Floats) -> Floats:
        """What of outputs is explained, (S, M, K), a view: those after the latest step and each of those ahead."""
        return y[-1 - self.ahead :] if y.ndim == 3 else y[None]


def _read(task: Fitted, learned: Learned, x: Array) -> _Read:
    model: Any = task.network(learned.code).using(dtype="float64")
    params: list[Params] = [{name: np.asarray(a, np.float64) for name, a in own.items()} for own in learned.params]
    if x.dtype.kind not in "iu":
        blank = np.asarray(task.blank(x, learned.code), np.float64)
        return _Read(model, params, [np.asarray(x, np.float64)] * len(params), [blank] * len(params), task.steps_ahead)
    if isinstance(model, Tied):
        rest: Layer = Stack(model.layer, Dense(params[0]["E"].shape[1], model.V, dtype="float64"))
        apart = [_untied(own) for own in params]
    elif isinstance(model, Stack) and len(model.parts) > 1 and isinstance(model.parts["0"], Embedding):
        rest = Stack(*list(model.parts.values())[1:])
        apart = [_behind_the_first(own) for own in params]
    else:
        raise DataError("explain reads ids through one Embedding, the first layer, or Tied")
    steps = [table[x] for table, _ in apart]
    return _Read(rest, [own for _, own in apart], steps, [np.zeros_like(rows) for rows in steps], task.steps_ahead)


def _untied(params: Params) -> tuple[Array, Params]:
    """The table of `Tied`, and the parameters of its layer and of a Dense with the table, one after another."""
    inner = {f"0.{name.removeprefix('inner.')}": a for name, a in params.items() if name.startswith("inner.")}
    return params["E"], inner | {"1.W": params["E"].T, "1.b": params["b"]}


def _behind_the_first(params: Params) -> tuple[Array, Params]:
    """The table of an Embedding that begins a Stack, and the parameters of the parts behind it."""
    parts = [(name.partition("."), a) for name, a in params.items()]
    return params["0.W"], {f"{int(k) - 1}.{name}": a for (k, _, name), a in parts if k != "0"}


def _said(read: _Read, x: list[Floats]) -> tuple[Floats, list[Any]]:
    """What the networks say of x, (L, M, D) each, averaged, (M, S, K), see `_Read.ends`; and their caches."""
    passes = [read.model.forward(own, steps) for own, steps in zip(read.params, x, strict=True)]
    said = np.mean([read.ends(y) for y, _, _ in passes], axis=0)
    return said.swapaxes(0, 1), [cache for _, _, cache in passes]


def _calibrated(task: Fitted, learned: Learned, said: Floats) -> Array:
    """What the networks are taken to say, a row for each output."""
    return task.calibration.apply(said.reshape(-1, said.shape[-1]), learned.calibration)


def _value(task: Fitted, learned: Learned, said: Floats, asked: Examples) -> Floats:
    """The number that is explained, (M,), of outputs (M, S, K)."""
    return np.asarray(task.explained(_calibrated(task, learned, said), asked), np.float64)


def _integrate(
    task: Fitted, learned: Learned, read: _Read, asked: Examples
) -> tuple[float, float, Floats, Floats | None]:
    """Answer, answer of the blank history, (L, D) integrated gradients, and attention (L,) if there is any.

    All networks go along their ways at once: the gradients are those of the averaged answer.
    """
    node, weight = np.polynomial.legendre.leggauss(NODES)
    way = np.concatenate([[0.0], (node + 1) / 2, [1.0]])[:, None]
    whole = list(zip(read.steps, read.blank, strict=True))
    said, caches = _said(read, [blank[:, None] + way * (x - blank)[:, None] for x, blank in whole])
    value = _value(task, learned, said, asked)
    slope = _slopes(task, learned, said, asked)
    gradient = np.zeros_like(read.steps[0])
    for own, cache, (x, blank) in zip(read.params, caches, whole, strict=True):
        dy = np.zeros(read.model._output_shape(cache))
        read.ends(dy)[...] = slope.swapaxes(0, 1) / len(whole)
        dx = read.model.backward(own, cache, dy)[1]
        assert dx is not None
        gradient += (dx[:, 1:-1] * (weight / 2)[:, None]).sum(axis=1) * (x - blank)
    gradient = np.add.reduceat(gradient, np.arange(len(gradient) - read.ahead))  # what is ahead repeats the latest
    return float(value[-1]), float(value[0]), gradient, _attention(caches)


def _slopes(task: Fitted, learned: Learned, said: Floats, asked: Examples) -> Floats:
    """How the answer changes with each output, (M, S, K), by differences over a 1e-5th of its size."""
    each = said.reshape(len(said), -1)
    slopes = np.empty_like(each)
    for k in range(each.shape[1]):
        step = np.zeros_like(each)
        step[:, k] = 1e-5 * np.maximum(np.abs(each[:, k]), 1.0)
        high, low = (_value(task, learned, (each + sign * step).reshape(said.shape), asked) for sign in (1, -1))
        slopes[:, k] = (high - low) / (2 * step[:, k])
    return slopes.reshape(said.shape)


def _attention(caches: list[Any]) -> Floats | None:
    """The attention weights (L,) of the real history, the last of the path, averaged over networks."""
    found = [weights[:, -1, 0] for cache in caches for weights in _weights(cache)]
    return np.mean(found, axis=0) if found else None


def _weights(cache: Any) -> Iterator[Array]:
    """Every (T, N, 1) field `weights` in a cache and in those inside it."""
    own = getattr(cache, "weights", None)
    if isinstance(own, np.ndarray) and own.ndim == 3:
        yield own
    if isinstance(cache, tuple):
        for part in cache:
            yield from _weights(part)
