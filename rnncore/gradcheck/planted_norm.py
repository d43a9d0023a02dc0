"""The planted errors of the cells with layer normalisation; what an entry is, says `planted`."""

from __future__ import annotations

from rnncore.gradcheck.planted_shared import BLOCKS, MEMORY, NO_CARRY, SIGMOIDS, STATES, STEPS, Edit

_DC_T = "dc_t = dc[:n] + dnormalise(da_r * gain_c, z_c[t, :n], s_c)"
_DU = "du = dnormalise(da * gain_x, z_u, s_u)"
_BLOCKS = "(np.split(a, 4, 1) for a in (da * gain_x, z_u))"
_DV = "dv = dnormalise(da * gain_h, z_v, s_v)"
_DWX = 'grads["Wx"] += x[t, :n].T @ du'
_DWH = 'grads["Wh"] += h[t, :n].T @ dv'
_CARRY = "dh[:n] = dv @ Wh.T"
_RETURN = "return grads, dx, (dh, dc)"

LAYERNORM_LSTM: list[Edit] = [
    *STATES, *BLOCKS, *SIGMOIDS, *MEMORY, NO_CARRY,
    ("no carry of dc", _DC_T, _DC_T.replace("dc[:n] +", "(dc[:n] if t == T - 1 else 0) +")),
    ("no path from h through the norm to c", _DC_T, "dc_t = dc[:n]"),
    ("the norm of c taken as a scale", _DC_T, "dc_t = dc[:n] + da_r * gain_c * s_c"),
    ("the norm of c taken as nothing", _DC_T, "dc_t = dc[:n] + da_r * gain_c"),
    ("gain_c missing in dc", _DC_T, _DC_T.replace("da_r * gain_c", "da_r")),
    ("do uses c, not what h takes of it", "do, dr = dh_t * r, dh_t * o", "do, dr = dh_t * c[t + 1, :n], dh_t * o"),
    ("no derivative of tanh in da_r", "da_r = dr * dtanh(r)", "da_r = dr"),
    ("dgain_c reads c before its norm", "(da_r * z_c[t, :n]).sum(axis=0)", "(da_r * c[t + 1, :n]).sum(axis=0)"),
    ("dbias_c from the first sequence only", "da_r.sum(axis=0)", "da_r[:1].sum(axis=0)"),
    ("db from the first sequence only", 'grads["b"] += da.sum(axis=0)', 'grads["b"] += da[:1].sum(axis=0)'),
    ("dgain_x and dgain_h swapped", "(da * z_u).sum(axis=0)", "(da * z_v).sum(axis=0)"),
    ("dgain_h misses its gate", "(da * z_v).sum(axis=0)", "z_v.sum(axis=0)"),
    ("the norm of u taken as a scale", _DU, "du = da * gain_x * s_u"),
    ("gain_x missing in du", _DU, "du = dnormalise(da, z_u, s_u)"),
    ("u normalised gate by gate", _DU, f"du = np.concatenate([dnormalise(*k, s_u) for k in zip(*{_BLOCKS})], 1)"),
    ("the norm of v taken as a scale", _DV, "dv = da * gain_h * s_v"),
    ("the deviation of u taken for v's", _DV, "dv = dnormalise(da * gain_h, z_v, s_u)"),
    ("dWx overwritten, not summed", _DWX, 'grads["Wx"][:] = x[t, :n].T @ du'),
    ("dWx passes by the norm", _DWX, 'grads["Wx"] += x[t, :n].T @ da'),
    ("h_0 missing in dWh", _DWH, f"{_DWH} if t else 0"),
    ("dWh uses h_t", _DWH, 'grads["Wh"] += h[t + 1, :n].T @ dv'),
    ("dx passes by the norm", "dx[t, :n] = du @ Wx.T", "dx[t, :n] = da @ Wx.T"),
    ("dh passes by the norm", _CARRY, "dh[:n] = da @ Wh.T"),
    ("truncated after 3 steps", _CARRY, f"{_CARRY}; dh[:] *= t != T - 3; dc[:] *= t != T - 3"),
    ("finished rows lose their gradient", _CARRY, f"{_CARRY}; dh[n:] = 0"),
    ("dh_0 and dc_0 swapped", _RETURN, "return grads, dx, (dc, dh)"),
    ("scale error 1e-6", _RETURN, 'grads["gain_h"] *= 1 + 1e-6; return grads, dx, (dh, dc)'),
]  # fmt: skip

_G_DH = "dh_t = dy[t, :m] + dh[:m]"
_G_DSTATE = "dh = dstate_T[0].copy()"
_G_LIVE = "m = live[t]\n        r, z, n = np"
_G_DP = "dp = np.concatenate([da_r, da_z, dp_n], axis=1)"
_G_DQ = "dq = np.concatenate([da_r, da_z, dq_n], axis=1)"
_G_DU = "du = dnorm(dp * gain_x, z_u, s[t, :m, :2])"
_G_DV = "dv = dnorm(dq * gain_h, z_v, s[t, :m, 2:])"
_G_DWH = 'grads["Wh"] += h[t, :m].T @ dv'
_G_CARRY = "dh[:m] = dh_prev + dv @ Wh.T"
_G_RETURN = "return grads, dx, (dh,)"
_G_6 = "dz, dn = dh_t * (h[t, :m] - n), dh_t * (1 - z)"
_G_5 = "dq_n, dr = dp_n * r, dp_n * q_n"

LAYERNORM_GRU: list[Edit] = [
    ("final-state gradient dh_T ignored", _G_DSTATE, "dh = 0 * dstate_T[0]"),
    ("dy only at the last step", _G_DH, "dh_t = (dy[t, :m] if t == T - 1 else 0) + dh[:m]"),
    ("no carry of dh", _G_DH, "dh_t = dy[t, :m] + (dh[:m] if t == T - 1 else 0)"),
    ("dz misses the candidate", _G_6, "dz, dn = dh_t * h[t, :m], dh_t * (1 - z)"),
    ("h_{t-1} taken as h_t", _G_6, "dz, dn = dh_t * (h[t + 1, :m] - n), dh_t * (1 - z)"),
    ("z and 1 - z swapped", _G_6, "dz, dn = dh_t * (h[t, :m] - n), dh_t * z"),
    ("no direct path through z", "dh_prev = dh_t * z", "dh_prev = 0 * dh_t"),
    ("no derivative of tanh", "dp_n = dn * dtanh(n)", "dp_n = dn"),
    ("reset gate left out of dq", _G_5, "dq_n, dr = dp_n, dp_n * q_n"),
    ("dr uses the state, not the product", _G_5, "dq_n, dr = dp_n * r, dp_n * h[t, :m]"),
    ("dr misses gain and bias", _G_5, "dq_n, dr = dp_n * r, dp_n * z_v[:, 2 * H :]"),
    ("derivative of the sigmoid misses 1 - s", "dr * dsigmoid(r)", "dr * r"),
    ("dz misses the sigmoid's derivative", "dz * dsigmoid(z)", "dz"),
    ("r and z swapped", _G_DP, "dp = np.concatenate([da_z, da_r, dp_n], axis=1)"),
    ("accumulated in float32", _G_DQ, f"{_G_DQ}.astype(np.float32)"),
    ("dbh equal to dbx", 'grads["bh"] += dq.sum(axis=0)', 'grads["bh"] += dp.sum(axis=0)'),
    ("dbx from the first sequence only", 'grads["bx"] += dp.sum(axis=0)', 'grads["bx"] += dp[:1].sum(axis=0)'),
    ("dgain_h reads u", "(dq * z_v).sum(axis=0)", "(dq * z_u).sum(axis=0)"),
    ("dgain_x misses the norm", "(dp * z_u).sum(axis=0)", "(dp * (x[t, :m] @ Wx)).sum(axis=0)"),
    ("the norm of v taken as nothing", _G_DV, "dv = dq * gain_h"),
    ("gain_h missing in dv", _G_DV, "dv = dnorm(dq, z_v, s[t, :m, 2:])"),
    ("the deviation of u taken for v's", _G_DV, "dv = dnorm(dq * gain_h, z_v, s[t, :m, :2])"),
    ("the norm of u taken over all three blocks", _G_DU, "du = dnormalise(dp * gain_x, z_u, s[t, :m, :1])"),
    ("gain_x missing in du", _G_DU, "du = dnorm(dp, z_u, s[t, :m, :2])"),
    ("dWx overwritten, not summed", 'grads["Wx"] += x[t, :m].T @ du', 'grads["Wx"][:] = x[t, :m].T @ du'),
    ("h_0 missing in dWh", _G_DWH, f"{_G_DWH} if t else 0"),
    ("dWh uses h_t", _G_DWH, 'grads["Wh"] += h[t + 1, :m].T @ dv'),
    ("dx passes by the norm", "dx[t, :m] = du @ Wx.T", "dx[t, :m] = dp @ Wx.T"),
    ("no path from the gates to h", _G_CARRY, "dh[:m] = dh_prev"),
    ("truncated after 3 steps", _G_CARRY, f"{_G_CARRY}; dh[:] *= t != T - 3"),
    ("finished rows lose their gradient", _G_CARRY, f"{_G_CARRY}; dh[m:] = 0"),
    ("rows go on past their end", _G_LIVE, _G_LIVE.replace("live[t]", "N")),
    ("the first step is skipped", STEPS, "for t in reversed(range(1, T))"),
    ("no dh_0", _G_RETURN, "return grads, dx, (0 * dh,)"),
    ("scale error 1e-6", _G_RETURN, 'grads["gain_x"] *= 1 + 1e-6; return grads, dx, (dh,)'),
]

NORMALISED = {"layernorm_lstm": LAYERNORM_LSTM, "layernorm_gru": LAYERNORM_GRU}
