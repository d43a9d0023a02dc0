"""The planted errors of dropout on the recurrence and of zoneout; what an entry is, says `planted`."""

from __future__ import annotations

_DSTATE = "dstate = tuple(d.copy() for d in dstate_T)"
_DY = "dstate[0][: live[t]] += dy[t, : live[t]]"
_DNEW = "dnew = tuple((1 - k[t, row]) * d[row] for k, d in zip(zone, dstate, strict=True))"
_CARRY = "d[row] = k[t, row] * d[row] + d_old"
_OWN = 'own = {**params, "Wh": drop[t, row.start, :, None] * params["Wh"]}\n            _, _, step'
_STEP = "_, _, step = cell.forward(own, x[now], tuple(s[t, row] for s in states), **options)"
_BACK = "grads, dx[now], dold = cell.backward(own, step, np.zeros_like(dy[now]), dnew, **options)"
_DWH = 'grads["Wh"] = drop[t, row.start, :, None] * grads["Wh"]'
_ROWS = "the output, and by step t+1\n        for row in batches(drop[t], live[t])"
_RETURN = "return dparams, dx, dstate"

RECURRENT_DROPOUT: list[tuple[str, str, str]] = [
    ("final-state gradients ignored", _DSTATE, "dstate = tuple(0 * d for d in dstate_T)"),
    ("dy added to the last state", _DY, _DY.replace("[0]", "[-1]")),
    ("dy only at the last step", _DY, f"{_DY} * (t == T - 1)"),
    (
        "dy past zoneout, straight to the cell",
        _DNEW,
        f"{_DNEW}; dnew = (dnew[0] + zone[0][t, row] * dy[t, row], *dnew[1:])",
    ),
    ("zoneout forgotten on the way to the cell", _DNEW, "dnew = tuple(d[row] for d in dstate)"),
    ("zoneout's mask inverted on the way to the cell", _DNEW, _DNEW.replace("(1 - k[t, row])", "k[t, row]")),
    ("zoneout's mask of another step", _DNEW, _DNEW.replace("k[t, row]", "k[t - 1, row]")),
    ("zoneout's mask of h for every state", _DNEW, _DNEW.replace("k[t, row]", "zone[0][t, row]")),
    ("what zoneout kept gets no gradient", _CARRY, "d[row] = d_old"),
    ("zoneout's mask inverted on the way to the old state", _CARRY, "d[row] = (1 - k[t, row]) * d[row] + d_old"),
    ("zoneout forgotten on the way to the old state", _CARRY, "d[row] = d[row] + d_old"),
    ("no gradient through the cell to the old state", _CARRY, "d[row] = k[t, row] * d[row]"),
    ("the weights without their mask", _OWN, "own = dict(params)\n            _, _, step"),
    ("the mask of another sequence", _OWN, _OWN.replace("drop[t, row.start,", "drop[t, row.start - 1,")),
    ("dWh misses the mask", _DWH, "pass"),
    ("dWh with the mask of another sequence", _DWH, 'grads["Wh"] = drop[t, row.start - 1, :, None] * grads["Wh"]'),
    (
        "dWh with the mask over its columns",
        _DWH,
        'grads["Wh"] = np.resize(drop[t, row.start], grads["Wh"].shape) * grads["Wh"]',
    ),
    ("the step run from the state after it", _STEP, _STEP.replace("s[t, row]", "s[t + 1, row]")),
    ("gradients overwritten, not summed", "dparams[name] += g", "dparams[name][:] = g"),
    ("gradients of the first sequence only", "dparams[name] += g", "dparams[name] += g * (row.start == 0)"),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
    ("rows go on past their end", _ROWS, _ROWS.replace("live[t])", "N)")),
    ("truncated after 3 steps", _CARRY, f"{_CARRY} * (t != T - 3)"),
    ("dx overwritten by the last sequence", _BACK, f"{_BACK}; dx[t] = dx[now]"),
    ("states in reverse order", _RETURN, "return dparams, dx, dstate[::-1]"),
    ("scale error 1e-6", _RETURN, 'dparams["Wh"] *= 1 + 1e-6\n    return dparams, dx, dstate'),
]
