"""The planted errors of the LSTM's variants: peepholes, coupled gates, projection; what an entry is, says `planted`."""

from __future__ import annotations

from typing import Any

from rnncore.gradcheck.planted_shared import (
    BLOCKS,
    DC,
    DWH,
    IN_TIME,
    MEMORY,
    NO_CARRY,
    SIGMOIDS,
    STATES,
    THROUGH_TANH,
    WEIGHTS,
    Edit,
)

_PH_RETURN = 'return {"Wx": dWx, "Wh": dWh, "b": db, "P": dP}, dx, (dh, dc)'
_PH_CARRY = "dh[:n] = da @ Wh.T if exact else 0"
_PH_DP = "dP += np.concatenate(seen, axis=1).sum(axis=0)"
_PH_SEEN = "seen = [da_i * c[t, :n], da_f * c[t, :n], da_o * c[t + 1, :n]]"

PEEPHOLE_LSTM: list[Edit] = [
    *STATES, *WEIGHTS, *THROUGH_TANH, *BLOCKS, *MEMORY,
    ("no carry of dc", "dc_t = dc[:n] + dh_t", "dc_t = (dc[:n] if t == T - 1 else 0) + dh_t"),
    ("do misses the sigmoid's derivative", "da_o = do * dsigmoid(o)", "da_o = do"),
    ("df misses the sigmoid's derivative", "da_f = df * dsigmoid(f)", "da_f = df * f"),
    ("derivative of the sigmoid misses 1 - s", "da_i = di * dsigmoid(i)", "da_i = di * i"),
    ("dP of the output gate reads the old memory", _PH_SEEN, _PH_SEEN.replace("c[t + 1, :n]", "c[t, :n]")),
    ("dP of input and forget gate reads the new memory", _PH_SEEN, _PH_SEEN.replace("c[t, :n]", "c[t + 1, :n]")),
    ("dP of input and forget gate swapped", _PH_SEEN, f"{_PH_SEEN}; seen[:2] = seen[1::-1]"),
    ("dP overwritten, not summed", _PH_DP, _PH_DP.replace("dP +=", "dP[:] =")),
    ("dP from the first sequence only", _PH_DP, _PH_DP.replace("axis=1)", "axis=1)[:1]")),
    ("c_0 missing in dP", _PH_DP, f"{_PH_DP} if t else 0"),
    ("dWx overwritten, not summed", "dWx += x[t, :n].T @ da", "dWx[:] = x[t, :n].T @ da"),
    ("dx by the last gate alone", "dx[t, :n] = da @ Wx.T", "dx[t, :n] = da_o @ np.split(Wx, 4, 1)[3].T"),
    ("finished rows lose their gradient", _PH_CARRY, f"{_PH_CARRY}; dh[n:] = 0"),
    ("dh_0 and dc_0 swapped", _PH_RETURN, _PH_RETURN.replace("(dh, dc)", "(dc, dh)")),
    ("scale error 1e-6", _PH_RETURN, _PH_RETURN.replace('"P": dP', '"P": dP * (1 + 1e-6)')),
]  # fmt: skip

PEEPHOLE_EXACT: list[Edit] = [
    ("truncated although exact", 'exact = gradient == "exact"', "exact = False"),
    ("no path from the output gate to the memory", "dc_t = dc_t + p_o * da_o", "pass"),
    ("the output gate's peephole hands on the gate, not what goes into it", "p_o * da_o", "p_o * do"),
    ("no path from the input gate to the memory", "p_f * da_f + p_i * da_i", "p_f * da_f"),
    ("no path from the forget gate to the memory", "p_f * da_f + p_i * da_i", "p_i * da_i"),
    ("p_i and p_f swapped", "p_f * da_f + p_i * da_i", "p_i * da_f + p_f * da_i"),
    NO_CARRY,
    ("truncated after 3 steps", _PH_CARRY, f"{_PH_CARRY}; dh[:] *= t != T - 3; dc[:] *= t != T - 3"),
]

PEEPHOLE_TRUNCATED: list[Edit] = [
    ("not truncated in time", _PH_CARRY, "dh[:n] = da @ Wh.T"),
    ("not truncated at the output gate's peephole", "if exact:\n            dc_t", "if True:\n            dc_t"),
    ("not truncated at the other peepholes", "if exact:\n            dc[:n]", "if True:\n            dc[:n]"),
    ("truncated in the memory too", _PH_CARRY, f"{_PH_CARRY}; dc[:n] = 0"),
    ("h_{t-1} taken as zero where it was only cut", DWH, "dWh += 0 * h[t, :n].T @ da"),
]

_CO_RETURN = 'return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh, dc)'
_CO_DA = "da = np.concatenate([da_f, da_g, da_o], axis=1)"
_CO_LIVE = "n = live[t]\n        f, g, o"

COUPLED_LSTM: list[Edit] = [
    *STATES,
    *IN_TIME,
    *WEIGHTS,
    *THROUGH_TANH,
    ("no carry of dc", "dc_t = dc[:n] + dh_t", "dc_t = (dc[:n] if t == T - 1 else 0) + dh_t"),
    ("df as if the input gate were its own", "df = dc_t * (c[t, :n] - g)", "df = dc_t * c[t, :n]"),
    ("df with the wrong sign of what is written", "df = dc_t * (c[t, :n] - g)", "df = dc_t * (c[t, :n] + g)"),
    ("c_{t-1} taken as c_t", "df = dc_t * (c[t, :n] - g)", "df = dc_t * (c[t + 1, :n] - g)"),
    ("dg uses f, not 1 - f", "dg = dc_t * (1 - f)", "dg = dc_t * f"),
    ("carry of dc uses 1 - f", DC, "dc[:n] = dc_t * (1 - f)"),
    ("dc of a finished row is dropped", DC, f"{DC}; dc[n:] = 0"),
    ("derivative of the sigmoid misses 1 - s", "df * dsigmoid(f)", "df * f"),
    ("do misses the sigmoid's derivative", "do * dsigmoid(o)", "do"),
    ("f and o swapped", _CO_DA, "da = np.concatenate([da_o, da_g, da_f], axis=1)"),
    ("accumulated in float32", _CO_DA, f"{_CO_DA}.astype(np.float32)"),
    ("dWx overwritten, not summed", "dWx += x[t, :n].T @ da", "dWx[:] = x[t, :n].T @ da"),
    ("dx by the last gate alone", "dx[t, :n] = da @ Wx.T", "dx[t, :n] = da_o @ np.split(Wx, 3, 1)[2].T"),
    ("rows go on past their end", _CO_LIVE, _CO_LIVE.replace("live[t]", "N")),
    ("dh_0 and dc_0 swapped", _CO_RETURN, _CO_RETURN.replace("(dh, dc)", "(dc, dh)")),
    ("scale error 1e-6", _CO_RETURN, _CO_RETURN.replace('"Wh": dWh', '"Wh": dWh * (1 + 1e-6)')),
]

_PR_RETURN = 'return {"Wx": dWx, "Wh": dWh, "b": db, "Wp": dWp}, dx, (dh, dc)'
_DWP = "dWp += m.T @ dh_t"

PROJECTED_LSTM: list[Edit] = [
    *STATES,
    *IN_TIME,
    *WEIGHTS,
    *BLOCKS,
    *SIGMOIDS,
    *MEMORY,
    ("no carry of dc", "dc_t = dc[:n] + dm", "dc_t = (dc[:n] if t == T - 1 else 0) + dm"),
    ("dWp uses tanh(c) without its gate", _DWP, "dWp += s.T @ dh_t"),
    ("dWp from the outputs alone", _DWP, "dWp += m.T @ dy[t, :n]"),
    ("dWp overwritten, not summed", _DWP, "dWp[:] = m.T @ dh_t"),
    ("dWp from the first sequence only", _DWP, "dWp += m[:1].T @ dh_t[:1]"),
    ("dm from the outputs alone", "dm = dh_t @ Wp.T", "dm = dy[t, :n] @ Wp.T"),
    ("dm averaged over the projection", "dm = dh_t @ Wp.T", "dm = dh_t @ Wp.T / dh_t.shape[1]"),
    ("do uses c, not tanh(c)", "do = dm * s", "do = dm * c[t + 1, :n]"),
    ("no derivative of tanh(c)", "dm * o * dtanh(s)", "dm * o"),
    ("no path from h through tanh to c", "dc_t = dc[:n] + dm * o * dtanh(s)", "dc_t = dc[:n]"),
    ("dWx overwritten, not summed", "dWx += x[t, :n].T @ da", "dWx[:] = x[t, :n].T @ da"),
    ("dx by the last gate alone", "dx[t, :n] = da @ Wx.T", "dx[t, :n] = da_o @ np.split(Wx, 4, 1)[3].T"),
    ("no dh_0", _PR_RETURN, _PR_RETURN.replace("(dh, dc)", "(0 * dh, dc)")),
    ("scale error 1e-6", _PR_RETURN, _PR_RETURN.replace('"Wp": dWp', '"Wp": dWp * (1 + 1e-6)')),
]

VARIANTS = {"peephole_lstm": PEEPHOLE_LSTM, "coupled_lstm": COUPLED_LSTM, "projected_lstm": PROJECTED_LSTM}
VARIANT_BRANCHES: dict[str, list[tuple[dict[str, Any], list[Edit]]]] = {
    "peephole_lstm": [({"gradient": "exact"}, PEEPHOLE_EXACT), ({"gradient": "truncated"}, PEEPHOLE_TRUNCATED)]
}
