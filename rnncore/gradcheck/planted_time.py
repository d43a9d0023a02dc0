"""The planted errors of the cells that know the time, `time_lstm` and `grud`; what an entry is, says `planted`."""

from __future__ import annotations

from rnncore.gradcheck.planted_shared import BLOCKS, IN_TIME, SIGMOIDS, STATES, WEIGHTS, Edit

_CARRY_C = "dc[:n] = dm + da_s @ Wd.T"
_RETURN = 'return {"Wx": dWx, "Wh": dWh, "b": db, "Wd": dWd, "bd": dbd}, dx, (dh, dc)'
_DK = "dk = (dm * s_t).sum(axis=1, keepdims=True)"
_DE = "dx[t, :n, -1:] = dk * slope"
_DWD = "dWd += c[t, :n].T @ da_s"

TIME_LSTM: list[Edit] = [
    *STATES,
    *IN_TIME,
    *WEIGHTS,
    *BLOCKS,
    *SIGMOIDS,
    ("no carry of dc", "dc_t = dc[:n] + dh_t", "dc_t = (dc[:n] if t == T - 1 else 0) + dh_t"),
    ("do uses c, not tanh(c)", "do = dh_t * r", "do = dh_t * c[t + 1, :n]"),
    ("no derivative of tanh(c)", "dh_t * o * dtanh(r)", "dh_t * o"),
    ("no path from h through o to c", "dc_t = dc[:n] + dh_t * o * dtanh(r)", "dc_t = dc[:n]"),
    ("df uses the memory before the decay", "dc_t * m, dc_t * f", "dc_t * c[t, :n], dc_t * f"),
    ("dm misses the forget gate", "dc_t * m, dc_t * f", "dc_t * m, dc_t"),
    ("di and dg swapped", "dc_t * g, dc_t * i", "dc_t * i, dc_t * g"),
    ("dWx overwritten, not summed", "dWx += x[t, :n, :-1].T @ da", "dWx[:] = x[t, :n, :-1].T @ da"),
    ("the short-term part is not decayed", "ds = dm * (k - 1)", "ds = dm * k"),
    ("the long-term part keeps the short-term one", "ds = dm * (k - 1)", "ds = dm * (k + 1)"),
    ("no derivative by the elapsed time", _DE, "pass"),
    ("derivative by the elapsed time misses the decay's slope", _DE, "dx[t, :n, -1:] = dk"),
    ("the decay's slope with the wrong sign", _DE, "dx[t, :n, -1:] = -dk * slope"),
    ("dk averaged over the units", _DK, "dk = (dm * s_t).mean(axis=1, keepdims=True)"),
    ("dk of the first unit only", _DK, "dk = (dm * s_t)[:, :1]"),
    ("dk uses the whole memory", _DK, "dk = (dm * c[t, :n]).sum(axis=1, keepdims=True)"),
    ("the short-term part misses tanh's derivative", "da_s = ds * dtanh(s_t)", "da_s = ds"),
    ("dWd uses c_t", _DWD, "dWd += c[t + 1, :n].T @ da_s"),
    ("dWd overwritten, not summed", _DWD, "dWd[:] = c[t, :n].T @ da_s"),
    ("c_0 missing in dWd", _DWD, f"{_DWD} if t else 0"),
    ("dbd from the first sequence only", "dbd += da_s.sum(axis=0)", "dbd += da_s[:1].sum(axis=0)"),
    ("no path from the short-term part to c", _CARRY_C, "dc[:n] = dm"),
    ("Wd transposed", _CARRY_C, "dc[:n] = dm + da_s @ Wd"),
    ("no direct path from m to c", _CARRY_C, "dc[:n] = da_s @ Wd.T"),
    ("dc of a finished row is dropped", _CARRY_C, f"{_CARRY_C}; dc[n:] = 0"),
    ("dh_0 and dc_0 swapped", _RETURN, _RETURN.replace("(dh, dc)", "(dc, dh)")),
    ("scale error 1e-6", _RETURN, _RETURN.replace('"Wd": dWd', '"Wd": dWd * (1 + 1e-6)')),
]

_GD_STATE = "dh, du = (d.copy() for d in dstate_T)"
_GD_LIVE = "n = live[t]\n        x_t, m, e = np.split(x[t, :n], 3, axis=1)\n        dx_t"
_GD_GRU = "dparams[name] += grads[name]  # (6')"
_GD_DU = "du[:n] = (1 - m) * (dv * gx + du[:n])"
_GD_DM = "dm += dv * (x_t - mean - gx * u[t, :n]) + du[:n] * (x_t - mean - u[t, :n])"
_GD_CALL = "dy[now], (dh[:n],), reset=reset)"
_GD_SPLIT = "dv, dm[:] = np.split(dgiven[0], 2, axis=1)"
_GD_CARRY = "dh[:n] = dk * gh[t, :n]"
_GD_MEAN = 'dparams["mean"] += (dv - dseen).sum(axis=0)'
_GD_WGH = 'dparams["Wgh"] += e.T @ da_h'
_GD_WGX = 'dparams["Wgx"] += (e * da_x).sum(axis=0)'
_GD_DE = "de[:] = da_h @ Wgh.T + da_x * Wgx"
_GD_RETURN = "return dparams, dx, (dh, du)"

GRUD: list[Edit] = [
    ("final-state gradient dh_T ignored", _GD_STATE, f"{_GD_STATE}; dh[:] = 0"),
    ("final-state gradient du_T ignored", _GD_STATE, f"{_GD_STATE}; du[:] = 0"),
    ("rows go on past their end", _GD_LIVE, _GD_LIVE.replace("live[t]", "N")),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
    ("dy only at the last step", _GD_CALL, _GD_CALL.replace("dy[now]", "dy[now] * (t == T - 1)")),
    ("no carry of dh", _GD_CALL, _GD_CALL.replace("(dh[:n],)", "(dh[:n] * (t == T - 1),)")),
    ("the GRU sees the state before its decay", "np.stack([k, h[t + 1, :n]])", "h[t : t + 2, :n]"),
    ("the GRU's gradients overwritten, not summed", _GD_GRU, "dparams[name][:] = grads[name]"),
    ("dv and dm of the GRU swapped", _GD_SPLIT, _GD_SPLIT.replace("dv, dm[:]", "dm[:], dv")),
    ("no path from the GRU to the mask", _GD_SPLIT, _GD_SPLIT.replace("dm[:]", "_")),
    ("dgh uses the decayed state", "dgh = dk * h[t, :n]", "dgh = dk * k"),
    ("dgh uses h_t", "dgh = dk * h[t, :n]", "dgh = dk * h[t + 1, :n]"),
    ("the carried gradient of the state is not decayed", _GD_CARRY, "dh[:n] = dk"),
    ("finished rows lose their gradient", _GD_CARRY, f"{_GD_CARRY}; dh[n:] = 0"),
    ("truncated after 3 steps", _GD_CARRY, f"{_GD_CARRY} * (t != T - 3); du[:] *= t != T - 3"),
    ("dgx where a value was observed", "dgx = dv * (1 - m) * u[t, :n]", "dgx = dv * m * u[t, :n]"),
    ("dgx uses the value just observed", "dgx = dv * (1 - m) * u[t, :n]", "dgx = dv * (1 - m) * u[t + 1, :n]"),
    ("no derivative by the mask", _GD_DM, "pass"),
    ("derivative by the mask misses the last value's state", _GD_DM, "dm += dv * (x_t - mean - gx * u[t, :n])"),
    ("derivative by the mask misses the decay", _GD_DM, _GD_DM.replace("gx * ", "")),
    ("dx misses what a later step reads of the last value", "dseen = (dv + du[:n]) * m", "dseen = dv * m"),
    ("dx misses the mask", "dseen = (dv + du[:n]) * m", "dseen = dv + du[:n]"),
    ("mean taken as a constant", _GD_MEAN, "pass"),
    ("dmean from missing values only", _GD_MEAN, 'dparams["mean"] += (dv * (1 - m)).sum(axis=0)'),
    ("dmean overwritten, not summed", _GD_MEAN, 'dparams["mean"][:] = (dv - dseen).sum(axis=0)'),
    ("no carry of du", _GD_DU, "du[:n] = (1 - m) * dv * gx"),
    ("the last value's gradient is not decayed", _GD_DU, "du[:n] = (1 - m) * (dv + du[:n])"),
    ("the last value's gradient ignores the mask", _GD_DU, "du[:n] = dv * gx + du[:n]"),
    ("du of a finished row is dropped", _GD_DU, f"{_GD_DU}; du[n:] = 0"),
    ("the state's decay with the wrong sign", "da_h = dgh * ddecay(gh[t, :n])", "da_h = -dgh * ddecay(gh[t, :n])"),
    ("the state's decay goes on where it has not begun", "da_h = dgh * ddecay(gh[t, :n])", "da_h = -dgh * gh[t, :n]"),
    ("dWgh overwritten, not summed", _GD_WGH, 'dparams["Wgh"][:] = e.T @ da_h'),
    ("dWgh uses the mask", _GD_WGH, 'dparams["Wgh"] += m.T @ da_h'),
    ("dbgh from the first sequence only", 'dparams["bgh"] += da_h.sum', 'dparams["bgh"] += da_h[:1].sum'),
    ("the values' decay misses its derivative", "da_x = dgx * ddecay(gx)", "da_x = -dgx * (gx.real < 1)"),
    ("the values' decay goes on where it has not begun", "da_x = dgx * ddecay(gx)", "da_x = -dgx * gx"),
    ("dWgx misses the elapsed time", _GD_WGX, 'dparams["Wgx"] += da_x.sum(axis=0)'),
    ("dbgx from the first sequence only", 'dparams["bgx"] += da_x.sum', 'dparams["bgx"] += da_x[:1].sum'),
    ("no derivative by the elapsed time", _GD_DE, "pass"),
    ("derivative by the elapsed time through the values only", _GD_DE, "de[:] = da_x * Wgx"),
    ("derivative by the elapsed time through the state only", _GD_DE, "de[:] = da_h @ Wgh.T"),
    ("no dh_0", _GD_RETURN, "return dparams, dx, (0 * dh, du)"),
    ("no du_0", _GD_RETURN, "return dparams, dx, (dh, 0 * du)"),
    ("scale error 1e-6", _GD_RETURN, 'dparams["Wgh"] *= 1 + 1e-6\n    return dparams, dx, (dh, du)'),
]  # fmt: skip
