"""The planted errors of compositions: (what is wrong, the source as it stands in their modules, the wrong one)."""

from __future__ import annotations

from rnncore.gradcheck.planted_dropout import RECURRENT_DROPOUT
from rnncore.gradcheck.planted_shared import Edit

_HALVES = "dy_f, dy_b = np.split(dy, 2, axis=-1)"
_TURN_DY = "turned(self.layer, dy_b, cache.lengths)"
_TURN_DX = "reverse_rows(dx_b, cache.lengths)"
_SUM = "dx_f + reverse_rows(dx_b, cache.lengths)"
_STATES = "return grads, dx, d_f + d_b"
_NAMES = '(("forward", grads_f), ("backward", grads_b))'
_BACK = "self.layer.backward(p_b, cache.backward,"

BIDIRECTIONAL: list[Edit] = [
    ("dy of one direction overwritten by dx", _TURN_DY, "reverse_rows(np.resize(dx_f, dy_b.shape), cache.lengths)"),
    ("dy turned over T, not within lengths", _TURN_DY, "reverse_rows(dy_b, None)"),
    ("dy of the backward direction not turned", _TURN_DY, "dy_b"),
    ("dx turned over T, not within lengths", _TURN_DX, "reverse_rows(dx_b, None)"),
    ("dx of the backward direction not turned", _SUM, "dx_f + dx_b"),
    ("dx of the forward direction only", _SUM, "dx_f"),
    ("halves of dy swapped", _HALVES, "dy_b, dy_f = np.split(dy, 2, axis=-1)"),
    ("states of the directions swapped", _STATES, "return grads, dx, d_b + d_f"),
    ("gradients of the directions swapped", _NAMES, '(("forward", grads_b), ("backward", grads_f))'),
    ("the backward direction uses the other's weights", _BACK, "self.layer.backward(p_f, cache.backward,"),
    (
        "final-state gradient of the backward direction ignored",
        f"{_TURN_DY}, d_b)",
        f"{_TURN_DY}, tuple(0 * d for d in d_b))",
    ),
    ("final-state gradients swapped", "self._split(params, dstate_T)", "self._split(params, dstate_T[::-1])"),
]

_SPLIT = "self._split(params, dstate_T), cache.parts"
_CALL = "grads, d, dstate = part.backward(own, part_cache, d, dstate)"

STACK: list[Edit] = [
    ("states in reverse order", "dstate_0 = dstate + dstate_0", "dstate_0 = dstate_0 + dstate"),
    ("final-state gradients in reverse order", _SPLIT, "self._split(params, dstate_T[::-1]), cache.parts"),
    ("final-state gradients ignored", _CALL, _CALL.replace("d, dstate)", "d, tuple(0 * s for s in dstate))")),
    (
        "final-state gradient of the top layer only",
        _CALL,
        _CALL.replace("d, dstate)", "d, dstate if d is dy else None)"),
    ),
    ("lower layers get no gradient", _CALL, _CALL.replace("part_cache, d,", "part_cache, d if d is dy else 0 * d,")),
    (
        "the upstream gradient added again below",
        _CALL,
        _CALL.replace("part_cache, d,", "part_cache, d if d is dy else d + (dy if d.shape == dy.shape else 0),"),
    ),
    (
        "dstate_0 of the lowest layer only",
        "dstate_0 = dstate + dstate_0",
        "dstate_0 = dstate + tuple(0 * s for s in dstate_0)",
    ),
]

COMPOSED: dict[str, list[Edit]] = {
    "bidirectional": BIDIRECTIONAL,
    "stack": STACK,
    "recurrent_dropout": RECURRENT_DROPOUT,
}
