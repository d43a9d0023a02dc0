"""The planted errors, by cell: (what is wrong, the line as it stands in the textbook, the line with the error)."""

from __future__ import annotations

from rnncore.gradcheck.planted_norm import NORMALISED
from rnncore.gradcheck.planted_shared import Edit
from rnncore.gradcheck.planted_time import GRUD, TIME_LSTM
from rnncore.gradcheck.planted_variants import VARIANT_BRANCHES, VARIANTS

_DH = "dh_t = dy[t, :n] + dh[:n]"
_DSTATE = "dh, dc = (d.copy() for d in dstate_T)"
_DWH = "dWh += h[t, :n].T @ da"
_CARRY = "dh[:n] = da @ Wh.T"
_LIVE = "n = live[t]\n        i, f, g, o"
_RETURN = 'return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh, dc)'
_DA = "da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)"

LSTM: list[Edit] = [
    ("final-state gradient dh_T ignored", _DSTATE, f"{_DSTATE}; dh[:] = 0"),
    ("final-state gradient dc_T ignored", _DSTATE, f"{_DSTATE}; dc[:] = 0"),
    ("c_{t-1} taken as c_t", "df = dc_t * c[t, :n]", "df = dc_t * c[t + 1, :n]"),
    ("h[-1] wraps around at t = 0", _DWH, "dWh += h[t or -1, :n].T @ da"),
    ("h_0 missing in dWh", _DWH, "dWh += h[t, :n].T @ da if t else 0"),
    ("dWh uses h_t", _DWH, "dWh += h[t + 1, :n].T @ da"),
    ("dy only at the last step", _DH, "dh_t = (dy[t, :n] if t == T - 1 else 0) + dh[:n]"),
    ("dy off by one", _DH, "dh_t = dy[t - 1, :n] + dh[:n]"),
    ("do uses c, not act(c)", "do = dh_t * s", "do = dh_t * c[t + 1, :n]"),
    ("no carry of dc", "dc_t = dc[:n] + dh_t", "dc_t = (dc[:n] if t == T - 1 else 0) + dh_t"),
    ("no derivative of act(c)", "dh_t * o * dact(s)", "dh_t * o"),
    ("carry of dc uses i", "dc[:n] = dc_t * f", "dc[:n] = dc_t * i"),
    ("dc_0 misses f", "dc[:n] = dc_t * f", "dc[:n] = dc_t * (f if t else 1)"),
    ("derivative of the sigmoid misses 1 - s", "di * dsigmoid(i)", "di * i"),
    ("derivative of tanh as 1 - g", "da_g = dg * dact(g)", "da_g = dg * (1 - g)"),
    ("i and f swapped", _DA, "da = np.concatenate([da_f, da_i, da_g, da_o], axis=1)"),
    ("dWx overwritten, not summed", "dWx += x[t, :n].T @ da", "dWx[:] = x[t, :n].T @ da"),
    ("db from the first sequence only", "db += da.sum(axis=0)", "db += da[:1].sum(axis=0)"),
    ("no carry of dh", _DH, "dh_t = dy[t, :n] + (dh[:n] if t == T - 1 else 0)"),
    ("Wh transposed", _CARRY, "dh[:n] = sum(d @ W for d, W in zip(np.split(da, 4, 1), np.split(Wh, 4, 1)))"),
    ("truncated after 3 steps", _CARRY, f"{_CARRY}; dh[:] *= t != T - 3; dc[:] *= t != T - 3"),
    ("dh_0 and dc_0 swapped", _RETURN, _RETURN.replace("(dh, dc)", "(dc, dh)")),
    ("no dh_0", _RETURN, _RETURN.replace("(dh, dc)", "(0 * dh, dc)")),
    ("scale error 5e-4", _RETURN, _RETURN.replace('"Wx": dWx', '"Wx": dWx * (1 + 5e-4)')),
    ("scale error 1e-6", _RETURN, _RETURN.replace('"Wh": dWh', '"Wh": dWh * (1 + 1e-6)')),
    ("accumulated in float32", _DA, f"{_DA}.astype(np.float32)"),
    (
        "gradient starts from the weights",
        "dx = np.zeros_like(x)\n    dh, dc",
        "dx = np.zeros_like(x); dWx += Wx\n    dh, dc",
    ),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
    ("gradients of the gates never filled", _DA, "da = np.zeros_like(gates[t, :n])"),
    ("finished rows lose their gradient", _CARRY, f"{_CARRY}; dh[n:] = 0"),
    ("dc of a finished row is dropped", "dc[:n] = dc_t * f", "dc[:n] = dc_t * f; dc[n:] = 0"),
    ("rows go on past their end", _LIVE, _LIVE.replace("live[t]", "N")),
    ("do misses the sigmoid's derivative", "do * dsigmoid(o)", "do"),
    ("df misses the sigmoid's derivative", "df * dsigmoid(f)", "df * f"),
    ("derivative of act taken at c, not act(c)", "dh_t * o * dact(s)", "dh_t * o * dact(c[t + 1, :n])"),
    ("no path from h through o to c", "dc_t = dc[:n] + dh_t * o * dact(s)", "dc_t = dc[:n]"),
    ("dh taken from the output alone", "do = dh_t * s", "do = dy[t, :n] * s"),
    ("dx overwritten by the last gate", "dx[t, :n] = da @ Wx.T", "dx[t, :n] = da_o @ np.split(Wx, 4, 1)[3].T"),
    ("db averaged over the sequences", "db += da.sum(axis=0)", "db += da.sum(axis=0) / max(n, 1)"),
]

_RNN_LIVE = "n = live[t]\n        dh_t"
_RNN_RETURN = 'return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh,)'
_RNN_DSTATE = "dh = dstate_T[0].copy()"
_RNN_DX0 = "dx = np.zeros_like(x)\n"
_RNN_DA = "da = dh_t * dact(h[t + 1, :n])"

RNN: list[Edit] = [
    ("final-state gradient dh_T ignored", _RNN_DSTATE, "dh = 0 * dstate_T[0]"),
    ("h[-1] wraps around at t = 0", _DWH, "dWh += h[t or -1, :n].T @ da"),
    ("h_0 missing in dWh", _DWH, "dWh += h[t, :n].T @ da if t else 0"),
    ("dWh uses h_t", _DWH, "dWh += h[t + 1, :n].T @ da"),
    ("dy only at the last step", _DH, "dh_t = (dy[t, :n] if t == T - 1 else 0) + dh[:n]"),
    ("dy off by one", _DH, "dh_t = dy[t - 1, :n] + dh[:n]"),
    ("no derivative of the activation", _RNN_DA, "da = dh_t"),
    ("derivative taken at h_{t-1}", _RNN_DA, "da = dh_t * dact(h[t, :n])"),
    ("derivative of tanh as 1 - h", _RNN_DA, "da = dh_t * (1 - h[t + 1, :n])"),
    ("dWx overwritten, not summed", "dWx += x[t, :n].T @ da", "dWx[:] = x[t, :n].T @ da"),
    ("db from the first sequence only", "db += da.sum(axis=0)", "db += da[:1].sum(axis=0)"),
    ("no carry of dh", _DH, "dh_t = dy[t, :n] + (dh[:n] if t == T - 1 else 0)"),
    ("Wh transposed", _CARRY, "dh[:n] = da @ Wh"),
    ("truncated after 3 steps", _CARRY, f"{_CARRY}; dh[:] *= t != T - 3"),
    ("no dh_0", _RNN_RETURN, _RNN_RETURN.replace("(dh,)", "(0 * dh,)")),
    ("scale error 5e-4", _RNN_RETURN, _RNN_RETURN.replace('"Wx": dWx', '"Wx": dWx * (1 + 5e-4)')),
    ("scale error 1e-6", _RNN_RETURN, _RNN_RETURN.replace('"Wh": dWh', '"Wh": dWh * (1 + 1e-6)')),
    ("accumulated in float32", _RNN_DA, f"{_RNN_DA}; da = da.astype(np.float32)"),
    ("gradient starts from the weights", _RNN_DX0, "dx = np.zeros_like(x); dWx += Wx\n"),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
    ("finished rows lose their gradient", _CARRY, f"{_CARRY}; dh[n:] = 0"),
    ("rows go on past their end", _RNN_LIVE, _RNN_LIVE.replace("live[t]", "N")),
    ("gradients never filled", _RNN_DA, "da = np.zeros_like(h[t + 1, :n])"),
    ("dh taken from the output alone", _RNN_DA, "da = dy[t, :n] * dact(h[t + 1, :n])"),
    ("db averaged over the sequences", "db += da.sum(axis=0)", "db += da.sum(axis=0) / max(n, 1)"),
]

_GRU_LIVE = "m = live[t]\n        r, z, n"
_GRU_STEP0 = "h_prev, q_t = h[t, :m], q[t, :m]"
_GRU_BH = "dbh += np.concatenate([da_rz, dv_n], axis=1).sum(axis=0)"
_GRU_RETURN = 'return {"Wx": dWx, "Wh": dWh, "bx": dbx, "bh": dbh}, dx, (dh,)'
_GRU_DH = "dh_t = dy[t, :m] + dh[:m]"
_GRU_RZ = "da_rz = np.concatenate([dr * dsigmoid(r), dz * dsigmoid(z)], axis=1)"
_GRU_DU = "du = np.concatenate([da_rz, da_n], axis=1)"
_GRU_CARRY = "dh[:m] = dh_prev"

GRU: list[Edit] = [
    ("final-state gradient dh_T ignored", "dh = dstate_T[0].copy()", "dh = 0 * dstate_T[0]"),
    ("h_{t-1} taken as h_t", _GRU_STEP0, "h_prev, q_t = h[t + 1, :m], q[t, :m]"),
    ("h[-1] wraps around at t = 0", _GRU_STEP0, "h_prev, q_t = h[t or -1, :m], q[t, :m]"),
    ("dy only at the last step", _GRU_DH, "dh_t = (dy[t, :m] if t == T - 1 else 0) + dh[:m]"),
    ("dy off by one", _GRU_DH, "dh_t = dy[t - 1, :m] + dh[:m]"),
    ("dz misses the candidate", "dz = dh_t * (h_prev - n)", "dz = dh_t * h_prev"),
    ("z and 1 - z swapped", "dn = dh_t * (1 - z)", "dn = dh_t * z"),
    ("no direct path through z", "dh_prev = dh_t * z", "dh_prev = 0 * dh_t"),
    ("no derivative of tanh", "da_n = dn * dtanh(n)", "da_n = dn"),
    ("derivative of tanh as 1 - n", "da_n = dn * dtanh(n)", "da_n = dn * (1 - n)"),
    ("no path from the gates to h", "dh_prev += da_rz @ Wh_rz.T", "pass"),
    ("derivative of the sigmoid misses 1 - s", "dr * dsigmoid(r)", "dr * r"),
    ("r and z swapped", _GRU_RZ, "da_rz = np.concatenate([dz * dsigmoid(z), dr * dsigmoid(r)], axis=1)"),
    (
        "candidate bias counted twice",
        "dbx += du.sum(axis=0)",
        "dbx += du.sum(axis=0); dbh[2 * H :] += da_n.sum(axis=0)",
    ),
    ("dWx overwritten, not summed", "dWx += x[t, :m].T @ du", "dWx[:] = x[t, :m].T @ du"),
    ("dbx from the first sequence only", "dbx += du.sum(axis=0)", "dbx += du[:1].sum(axis=0)"),
    ("no carry of dh", _GRU_DH, "dh_t = dy[t, :m] + (dh[:m] if t == T - 1 else 0)"),
    ("truncated after 3 steps", _GRU_CARRY, f"{_GRU_CARRY}; dh[:] *= t != T - 3"),
    ("no dh_0", _GRU_RETURN, _GRU_RETURN.replace("(dh,)", "(0 * dh,)")),
    ("scale error 5e-4", _GRU_RETURN, _GRU_RETURN.replace('"Wx": dWx', '"Wx": dWx * (1 + 5e-4)')),
    ("scale error 1e-6", _GRU_RETURN, _GRU_RETURN.replace('"Wh": dWh', '"Wh": dWh * (1 + 1e-6)')),
    ("accumulated in float32", _GRU_DU, f"{_GRU_DU}.astype(np.float32)"),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
    ("finished rows lose their gradient", _GRU_CARRY, f"{_GRU_CARRY}; dh[m:] = 0"),
    ("rows go on past their end", _GRU_LIVE, _GRU_LIVE.replace("live[t]", "N")),
    ("gradients of the gates never filled", _GRU_RZ, "da_rz = np.zeros_like(gates[t, :m, : 2 * H])"),
    ("gradient starts from the weights", "dx = np.zeros_like(x)\n", "dx = np.zeros_like(x); dWx += Wx\n"),
    ("h_0 missing in dWh of r and z", "h_prev.T @ da_rz", "(h_prev.T @ da_rz if t else 0)"),
    ("dWh of r and z uses h_t", "h_prev.T @ da_rz", "h[t + 1, :m].T @ da_rz"),
    (
        "Wh of r and z transposed",
        "da_rz @ Wh_rz.T",
        "sum(d @ W for d, W in zip(np.split(da_rz, 2, 1), np.split(Wh_rz, 2, 1)))",
    ),
    ("dbh from the first sequence only", _GRU_BH, _GRU_BH.replace("axis=1)", "axis=1)[:1]")),
    ("dbh equal to dbx", _GRU_BH, "dbh += np.concatenate([da_rz, da_n * (1 + r) / 2], axis=1).sum(axis=0)"),
    ("dz misses the sigmoid's derivative", "dz * dsigmoid(z)", "dz"),
    ("dh taken from the output alone", "dn = dh_t * (1 - z)", "dn = dy[t, :m] * (1 - z)"),
]

GRU_AFTER: list[Edit] = [
    ("reset gate left out of the candidate's weights", "h_prev.T @ dv_n", "h_prev.T @ da_n"),
    ("dr uses the state, not the product", "dr = da_n * q_t", "dr = da_n * h_prev"),
    ("h_0 missing in dWh of the candidate", "h_prev.T @ dv_n", "(h_prev.T @ dv_n if t else 0)"),
    ("reset gate left out of the candidate's state path", "dv_n = da_n * r", "dv_n = da_n"),
    ("no path from the candidate to h", "dh_prev += dv_n @ Wh_n.T", "pass"),
]

GRU_BEFORE: list[Edit] = [
    ("dWh of the candidate uses h, not r * h", "q_t.T @ dv_n", "h_prev.T @ dv_n"),
    ("dr uses r * h", "dr = dq * h_prev", "dr = dq * q_t"),
    ("reset gate left out of the state path", "dh_prev += dq * r", "dh_prev += dq"),
    ("no path through r * h to h", "dh_prev += dq * r", "pass"),
    ("candidate bias multiplied by the reset gate", "dv_n = da_n\n            dWh", "dv_n = da_n * r\n            dWh"),
    ("Wh of the candidate transposed", "dq = da_n @ Wh_n.T", "dq = da_n @ Wh_n"),
    ("h_0 missing in dWh of the candidate", "q_t.T @ dv_n", "(q_t.T @ dv_n if t else 0)"),
]

PLANTED: dict[str, list[Edit]] = {
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
    **VARIANTS,
    **NORMALISED,
    "time_lstm": TIME_LSTM,
    "grud": GRUD,
}
# cell -> [(the option under which these lines run, the errors in them)]
BRANCHES: dict[str, list[tuple[dict[str, str], list[Edit]]]] = {
    "gru": [({"reset": "after"}, GRU_AFTER), ({"reset": "before"}, GRU_BEFORE)],
    **VARIANT_BRANCHES,
}
