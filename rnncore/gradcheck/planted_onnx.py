"""Planted errors of the recurrent operators of ONNX: in what every backward pass has, and in what only they have."""

from __future__ import annotations

from typing import Any

Edit = tuple[str, str, str]

_DH = "dh_t = dy[t, :n] + dh[:n]"
_CARRY = "dh[:n] = da @ Wh.T"
_DWH = "dWh += h[t, :n].T @ da"
RNN_AND_LSTM: list[Edit] = [  # lines that the two have in common
    ("dy only at the last step", _DH, "dh_t = (dy[t, :n] if t == T - 1 else 0) + dh[:n]"),
    ("no carry of dh", _DH, "dh_t = dy[t, :n] + (dh[:n] if t == T - 1 else 0)"),
    ("finished rows lose their gradient", _CARRY, f"{_CARRY}; dh[n:] = 0"),
    ("h_0 missing in dWh", _DWH, f"{_DWH} if t else 0"),
    ("dWh uses h_t", _DWH, "dWh += h[t + 1, :n].T @ da"),
    ("dWx overwritten, not summed", "dWx += x[t, :n].T @ da", "dWx[:] = x[t, :n].T @ da"),
    ("db from the first sequence only", "db += da.sum(axis=0)", "db += da[:1].sum(axis=0)"),
    ("dx of the first step missing", "dx[t, :n] = da @ Wx.T", "dx[t, :n] = da @ Wx.T if t else 0"),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
]

_SLOPE = "da = dh_t * dactivate(f, a[t, :n], clip)"
RNN: list[Edit] = [
    *RNN_AND_LSTM,
    ("final-state gradient dh_T ignored", "dh = dstate_T[0].copy()", "dh = 0 * dstate_T[0]"),
    ("no derivative of the activation", _SLOPE, "da = dh_t"),
    ("derivative taken at h_t, not at its input", "dactivate(f, a[t, :n], clip)", "dactivate(f, h[t + 1, :n], clip)"),
    ("Wh transposed", _CARRY, "dh[:n] = da @ Wh"),
]
RNN_CLIPPED: list[Edit] = [
    ("slope goes on where the clip holds", "dactivate(f, a[t, :n], clip)", "dactivate(f, a[t, :n], None)"),
]

_PEEP = "dc[:n] = dc_prev + da_f * p_f + da_i * p_i"
LSTM: list[Edit] = [
    *RNN_AND_LSTM,
    ("peephole terms missing in dc", _PEEP, "dc[:n] = dc_prev"),
    ("peephole of f missing in dc", _PEEP, "dc[:n] = dc_prev + da_i * p_i"),
    ("no path to c through the peephole of o", "dc_t = dc_t + da_o * p_o", "pass"),
    ("peephole of o reads c_{t-1}", "(da_o * c_t).sum(0)", "(da_o * c_prev).sum(0)"),
    (
        "peepholes of i and f exchanged",
        "(da_i * c_prev).sum(0), (da_f * c_prev).sum(0)",
        "(da_f * c_prev).sum(0), (da_i * c_prev).sum(0)",
    ),
    ("peepholes' gradient overwritten, not summed", "dP += np.stack", "dP = np.stack"),
    ("peepholes' gradient of the first row alone", "(da_i * c_prev).sum(0)", "(da_i * c_prev)[:1].sum(0)"),
]
LSTM_COUPLED: list[Edit] = [
    ("the coupled gate's gradient not turned round", "di = di - df", "di = di + df"),
    ("the coupled gate's gradient lost", "di = di - df", "pass"),
]
LSTM_CLIPPED: list[Edit] = [
    ("slope goes on where the clip holds", "dg * dactivate(act_g, a_g, clip)", "dg * dactivate(act_g, a_g, None)"),
]

_RZ = "da_r, da_z = dr * dactivate(act_f, a_r, clip), dz * dactivate(act_f, a_z, clip)"
GRU: list[Edit] = [
    ("final-state gradient dh_T ignored", "dh = dstate_T[0].copy()", "dh = 0 * dstate_T[0]"),
    ("dy only at the last step", "dh_t = dy[t, :m] + dh[:m]", "dh_t = (dy[t, :m] if t == T - 1 else 0) + dh[:m]"),
    ("no carry of dh", "dh[:m] = dh_prev", "dh[:m] = 0 * dh_prev"),
    ("finished rows lose their gradient", "dh[:m] = dh_prev", "dh[:m] = dh_prev; dh[m:] = 0"),
    ("dz misses the candidate", "dz = dh_t * (h_prev - n)", "dz = dh_t * h_prev"),
    ("z and 1 - z swapped", "dn = dh_t * (1 - z)", "dn = dh_t * z"),
    ("no direct path through z", "dh_prev = dh_t * z", "dh_prev = 0 * dh_t"),
    ("no derivative of the candidate's activation", "da_n = dn * dactivate(act_g, a_n, clip)", "da_n = dn"),
    ("slope of r by the candidate's activation", "dr * dactivate(act_f,", "dr * dactivate(act_g,"),
    ("r and z swapped", _RZ, _RZ.replace("da_r, da_z", "da_z, da_r")),
    ("no path from the gates to h", "dh_prev += da_rz @ Wh_rz.T", "pass"),
    ("dWh of r and z overwritten", "dWh[:, : 2 * H] += h_prev", "dWh[:, : 2 * H] = h_prev"),
    ("dbh from the first sequence only", "dv_n], axis=1).sum(axis=0)", "dv_n], axis=1)[:1].sum(axis=0)"),
    ("dWx overwritten, not summed", "dWx += x[t, :m].T @ du", "dWx[:] = x[t, :m].T @ du"),
    ("dbx from the first sequence only", "dbx += du.sum(axis=0)", "dbx += du[:1].sum(axis=0)"),
    ("dx of the first step missing", "dx[t, :m] = du @ Wx.T", "dx[t, :m] = du @ Wx.T if t else 0"),
    ("the first step is skipped", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
]
GRU_BEFORE: list[Edit] = [
    ("dr uses the candidate, not h", "dr = dq * h_prev", "dr = dq * q_t"),
    ("no path to h through the reset gate", "dh_prev += dq * r", "pass"),
    ("dWh of the candidate uses h", "q_t.T @ dv_n", "h_prev.T @ dv_n"),
]
GRU_AFTER: list[Edit] = [
    ("dr uses h, not its product", "dr = da_n * q_t", "dr = da_n * h_prev"),
    ("the candidate's part of dbh misses the reset gate", "dv_n = da_n * r", "dv_n = da_n"),
    ("no path to h through the candidate", "dh_prev += dv_n @ Wh_n.T", "pass"),
    ("dWh of the candidate overwritten", "dWh[:, 2 * H :] += h_prev.T", "dWh[:, 2 * H :] = h_prev.T"),
]
GRU_CLIPPED: list[Edit] = [
    ("slope goes on where the clip holds", "dn * dactivate(act_g, a_n, clip)", "dn * dactivate(act_g, a_n, None)"),
]

ONNX: dict[str, list[Edit]] = {"onnx_rnn": RNN, "onnx_lstm": LSTM, "onnx_gru": GRU}
ONNX_BRANCHES: dict[str, list[tuple[dict[str, Any], list[Edit]]]] = {
    "onnx_rnn": [({"clip": 0.5}, RNN_CLIPPED)],
    "onnx_lstm": [({"input_forget": True}, LSTM_COUPLED), ({"clip": 0.5}, LSTM_CLIPPED)],
    "onnx_gru": [({"reset": "before"}, GRU_BEFORE), ({"reset": "after"}, GRU_AFTER), ({"clip": 0.5}, GRU_CLIPPED)],
}
