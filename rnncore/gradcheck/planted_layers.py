"""The planted errors of layers around a layer and of those without a time loop: as in `planted`, by layer.

An edit is of the module that holds the layer's class, or of the textbook module that it calls.
"""

from __future__ import annotations

from typing import Any

from rnncore.gradcheck.planted_shared import Edit

_TURNED = "d = turned(self.layer, dy, cache.lengths)"
REVERSED: list[Edit] = [
    ("dy not turned", _TURNED, "d = dy"),
    ("dy turned over T, not within lengths", _TURNED, "d = reverse_rows(dy, None)"),
    ("dx not turned", "None if dx is None else reverse_rows(dx, cache.lengths), dstate", "dx, dstate"),
    ("final-state gradient ignored", "d, dstate)", "d, tuple(0 * d for d in dstate))"),
]

_PAST = "dx + within(dy, cache.lengths)"
RESIDUAL: list[Edit] = [
    ("no gradient past the layer", _PAST, "dx"),
    ("no gradient through the layer", _PAST, "within(dy, cache.lengths)"),
    ("dy past a row's end goes through", _PAST, "dx + dy"),
]

MASKED: list[Edit] = [
    ("what an earlier chunk left gets no gradient", "dcarried[n] += dy_t[n]", "dcarried[n] += 0 * dy_t[n]"),
    (
        "an output that is read twice gets one gradient",
        "dv[k[n] - 1, places[n]] += dy_t[n]",
        "dv[k[n] - 1, places[n]] = dy_t[n]",
    ),
    ("final gradient of the carried output ignored", "+= dcarried_T[n]", "+= 0 * dcarried_T[n]"),
    (
        "gradient goes on where a live step has replaced the output",
        "np.where(steps.totals[:, None] > 0, 0, dcarried_T)",
        "(dcarried_T)",
    ),
    ("dx in the order of the sorted rows", "du[steps.k[t, n] - 1, steps.places[n]]", "du[steps.k[t, n] - 1, n]"),
    ("dx at the first live step alone", "du[steps.k[t, n] - 1, steps.places[n]]", "du[0 * n, steps.places[n]]"),
    ("final-state gradients not sorted", "tuple(d[steps.order] for d in dstate)", "dstate"),
    (
        "dstate_0 in the order of the sorted rows",
        "dstate = tuple(d[steps.places] for d in dstate)",
        "dstate = tuple(dstate)",
    ),
]
MASKED_ZERO: list[Edit] = [
    ("dy in the order of the sorted rows", "= dy[t, n]  # (5')", "= dy[t, places[n]]"),
    (
        "dy of the first live step alone",
        "t, n = np.nonzero(steps.live)\n        dv",
        "t, n = np.nonzero(steps.live & (steps.k == 1))\n        dv",
    ),
]

_STARTED = "dstarted = np.where((cache.lengths > 0)[:, None], np.zeros_like(dstarted), dstarted)"
LEARNED_STATE: list[Edit] = [
    ("rows that go on counted", "d[starts].sum(axis=0)", "d.sum(axis=0)"),
    ("the first row alone", "d[starts].sum(axis=0)", "d[starts][:1].sum(axis=0)"),
    (
        "no gradient to a state that was given",
        "(*dstate, dstarted)",
        "(*(d * ~starts[:, None] for d in dstate), dstarted)",
    ),
    ("a derivative for the switch", _STARTED, "dstarted = dstarted.copy()"),
]

_ONCE = "static[:1, rows] = beside[rows]"
WITH_STATIC: list[Edit] = [
    ("static features without a gradient", _ONCE, "static[:1, rows] = 0 * beside[rows]"),
    ("gradient at each step, read at one", _ONCE, "static[:, rows] = beside[rows]"),
    ("gradient of rows without a step", _ONCE, "static[:1] = beside"),
    (
        "upstream gradients of the wrong columns",
        "dy[..., : -self.S]), dy[..., -self.S :]",
        "dy[..., self.S :]), dy[..., : self.S]",
    ),
]
WITH_STATIC_STEPS: list[Edit] = [
    ("static features without a gradient", "static[:] = within", "static[:] = 0 * within"),
    ("dy past a row's end goes through", "within(beside, cache.lengths)", "beside"),
]

_TABLE = 'read["W"] + out["W"].T'
TIED: list[Edit] = [
    ("the table's gradient as input alone", _TABLE, 'read["W"]'),
    ("the table's gradient as output alone", _TABLE, 'out["W"].T'),
    ("no gradient of the bias", '"b": out["b"]', '"b": 0 * out["b"]'),
]

LAYER_NORM: list[Edit] = [
    ("no path through the mean", "dz - through_m - through_s", "dz - through_s"),
    ("no path through the variance", "dz - through_m - through_s", "dz - through_m"),
    ("gain missing in dz", 'dz = d * params["gain"]', "dz = d"),
    ("dgain misses z", "dgain = (d * z).sum(axis=0)", "dgain = d.sum(axis=0)"),
    ("dbias from the first row alone", "dbias = d.sum(axis=0)", "dbias = d[0]"),
    ("dx misses the scale", "da: Array = s * (", "da: Array = ("),
]

PROTOTYPES: list[Edit] = [
    ("dy not divided by 1 + d", "-dy[valid] / (1 + cache.d[valid])", "-dy[valid]"),
    ("the square differentiated as a product of one", "2 * dd[..., None]", "dd[..., None]"),
    ("dx of the first point alone", "dapart.sum(axis=1)", "dapart[:, 0]"),
    ("dM of the first row alone", "-dapart.sum(axis=0)", "-dapart[0]"),
    ("dM with the sign of dx", "-dapart.sum(axis=0)", "dapart.sum(axis=0)"),
    ("distance taken for its square", "2 * dd[..., None] * apart", "dd[..., None] * np.sign(apart)"),
]

_SPREAD = "within(dy, cache.lengths).sum(axis=0)"
REPEATED: list[Edit] = [
    ("dy past a row's end goes through", _SPREAD, "dy.sum(axis=0)"),
    ("gradient of one step alone", _SPREAD, "within(dy, cache.lengths)[0]"),
    ("the mean of the steps, not their sum", _SPREAD, "within(dy, cache.lengths).mean(axis=0)"),
    ("final-state gradient ignored", "dvector, dstate)", "dvector, tuple(0 * d for d in dstate))"),
]

MEAN_POOL: list[Edit] = [
    ("divided by T, not by the length", "dy / counts(ends, dy)", "dy / len(x)"),
    ("goes past a row's end", "x.shape), ends)", "x.shape), None)"),
]
_AT = "dx[at[:, rows].T, rows[:, None], np.arange(x.shape[2])]"
MAX_POOL: list[Edit] = [
    ("to every step", _AT, "dx[:, rows]"),
    ("to the last step", _AT, "dx[ends[rows] - 1, rows]"),
]

_DE = "de = w * (dw - (w * dw).sum(axis=0))"
ATTENTION: list[Edit] = [
    ("softmax without the mean taken off", _DE, "de = w * dw"),
    ("softmax as if the weights were scores", _DE, "de = dw - (w * dw).sum(axis=0)"),
    ("steps get no gradient as values", "dx = w * dy", "dx = 0 * w * dy"),
    ("steps get no gradient as keys", "dx[valid] += dkeys", "dx[valid] += 0 * dkeys"),
    ("dWk of the first step alone", "x[valid].T @ dkeys[valid]", "x[0].T @ dkeys[0]"),
]
ATTENTION_ADDITIVE: list[Edit] = [
    ("no derivative of tanh", "* dtanh(keys)", ""),
    ("dv misses tanh", "(de * keys).sum(axis=(0, 1))", "(de + 0 * keys).sum(axis=(0, 1))"),
    ("dq of the first step alone", "dquery = dkeys.sum(axis=0)", "dquery = dkeys[0]"),
]
ATTENTION_DOT: list[Edit] = [
    ("gradient of the scores not scaled", "da = de / scale(keys)", "da = de"),
    ("query and keys exchanged", "da * query, (da * keys).sum(axis=0)", "da * keys, (da * query).sum(axis=0)"),
]
ATTENTION_LEARNED: list[Edit] = [
    ("dq of the first row alone", 'grads["q"] = dquery.sum(axis=0)', 'grads["q"] = dquery[0]'),
]
ATTENTION_LAST: list[Edit] = [
    ("the last step gets no gradient as the query", "rows] += dquery[rows]", "rows] += 0 * dquery[rows]"),
    ("dWq from step T, not from the row's end", "last_steps(x, ends).T @ dquery", "x[-1].T @ dquery"),
]

WRAPPED: dict[str, list[Edit]] = {
    "reversed": REVERSED,
    "residual": RESIDUAL,
    "masked": MASKED,
    "learned_state": LEARNED_STATE,
    "with_static": WITH_STATIC,
    "with_static_steps": WITH_STATIC_STEPS,
    "tied": TIED,
    "repeated": REPEATED,
    "layer_norm": LAYER_NORM,
    "prototypes": PROTOTYPES,
    "mean_pool": MEAN_POOL,
    "max_pool": MAX_POOL,
    "attention": ATTENTION,
}
# layer -> [(the option under which these lines run, the errors in them)]; the first is that of the layer by default
WRAPPED_BRANCHES: dict[str, list[tuple[dict[str, Any], list[Edit]]]] = {
    "bidirectional": [
        ({"merge": "mul"}, [("own output as the factor", "dy * y_b, dy * y_f", "dy * y_f, dy * y_b")]),
        ({"merge": "ave"}, [("not halved", "(dy / 2, dy / 2)", "(dy, dy)")]),
        ({"merge": "none"}, [("directions exchanged", "dy_f, dy_b = np.moveaxis(", "dy_b, dy_f = np.moveaxis(")]),
    ],
    "masked": [({"output": "zero"}, MASKED_ZERO)],
    "attention": [
        ({"score": "additive"}, ATTENTION_ADDITIVE),
        ({"score": "dot"}, ATTENTION_DOT),
        ({"query": "learned"}, ATTENTION_LEARNED),
        ({"query": "last"}, ATTENTION_LAST),
    ],
}
